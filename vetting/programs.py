"""Programs, their queues, and the experts who may work on them: named queries over the facts."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import select, true
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.base import ExecutableOption

from vetting.evidence import WHOLE
from vetting.records import Applicant, Availability, Decision, Json, PlanRecord, Program, Queue, Role, Wish
from vetting.scope import ProgramForm, QueueForm
from vetting.work_records import Scope

OFFERS = (selectinload(Applicant.decisions), selectinload(Applicant.offers))  # enough to name people and their hours
GONE = {"gone": True}  # body of a queue's row from which on there is no such queue


def wordings(program: Program) -> dict[str, Queue]:
    """The latest wording of each queue, by name."""
    latest = {queue.name: queue for queue in program.queues}
    return {name: queue for name, queue in latest.items() if queue.body != GONE}


_forms: WeakKeyDictionary[Queue, QueueForm] = WeakKeyDictionary()  # a wording is a fact: it is read once


def worded(queue: Queue) -> QueueForm:
    """What a row of a queue asks."""
    if queue not in _forms:
        _forms[queue] = QueueForm.model_validate(queue.body)
    return _forms[queue]


def queues_of(program: Program) -> tuple[QueueForm, ...]:
    """The program's queues, each in its latest wording."""
    return tuple(QueueForm.model_validate(queue.body) for queue in wordings(program).values())


def scope_of(db: Session, program: Program) -> ProgramForm | None:
    """What is asked of the program as one object; None while it has no queue."""
    queues = queues_of(program)
    row = db.scalars(select(Scope).where(Scope.program_id == program.id).order_by(Scope.id.desc()).limit(1)).first()
    return ProgramForm(**(row.body if row else {}), name=program.name, queues=list(queues)) if queues else None


def keep_program(db: Session, form: ProgramForm, now: datetime, *, whole: bool = False) -> Program:
    """The program with these queues; what it had keeps its history. With `whole`, other queues are gone from now on."""
    program = db.scalars(select(Program).where(Program.name == form.name)).first() or Program(at=now, name=form.name)
    db.add(program)
    db.flush()
    known = wordings(program)
    worded = {queue.name: queue.model_dump(mode="json") for queue in form.queues}
    dropped = {name: GONE for name in known if whole and name not in worded}
    for name, body in (worded | dropped).items():
        if name not in known or known[name].body != body:
            program.queues.append(Queue(at=now, name=name, body=body))
    around: Json = form.model_dump(mode="json", exclude={"name", "queues"})
    if any(around.values()) or whole:
        db.add(Scope(at=now, program_id=program.id, body=around))
    db.flush()
    return program


def crew(db: Session) -> list[Applicant]:
    """Experts for who asks only after their names and hours: nothing else is loaded of them."""
    return experts(db, beside=OFFERS)


def experts(
    db: Session, *, only: Applicant | None = None, beside: Sequence[ExecutableOption] = WHOLE
) -> list[Applicant]:
    """Applicants whom a recruiter advanced for some role, and who gave hours; or only whether this one is such.

    They are loaded with what is named beside: all that is known of them, unless it is less that is wanted.
    """
    narrowed = true() if only is None else Applicant.id == only.id
    people = db.scalars(
        select(Applicant)
        .where(Applicant.decisions.any(Decision.verdict == "advance"), Applicant.offers.any(), narrowed)
        .order_by(Applicant.id)
        .options(*beside)
    )
    return [person for person in people if advanced(person) and offer(person).hours > 0]


def standing(person: Applicant) -> dict[str, Decision]:
    """The decision that holds for each role, by the role's name: the latest."""
    return {one.role.name: one for one in person.decisions}


def advanced(person: Applicant) -> Role | None:
    """The role somebody is advanced for, the latest of several; that another role declined them changes nothing."""
    held = [one for one in standing(person).values() if one.verdict == "advance"]
    return max(held, key=lambda one: one.id).role if held else None


def latest_role(person: Applicant) -> Role:
    """The role somebody is advanced for; else the one that was decided on last."""
    return advanced(person) or person.decisions[-1].role


def offer(person: Applicant) -> Availability:
    return person.offers[-1]


def demand(db: Session) -> Json:
    """{skill: share of what the latest plans are short of}; empty when nothing is short."""
    plans = [program.plans[-1].body for program in db.scalars(select(Program)) if program.plans]
    total: dict[str, float] = {}
    for plan in plans:
        for skill, share in demand_of(plan).items():
            total[skill] = total.get(skill, 0.0) + share * plan["worth_missing"]
    whole = sum(total.values())
    return {skill: worth / whole for skill, worth in total.items()} if whole > 0 else {}


def short_queues(db: Session) -> list[Json]:
    """Queues with bars that the latest plans are short of: {"bars", "share" of the worth that is missing}."""
    lacking = [
        (queue.bars, float(seen["worth"]))
        for program in db.scalars(select(Program).order_by(Program.id)) if program.plans
        for worth in [{seen["name"]: seen for seen in program.plans[-1].body["queues"]}]
        for queue in queues_of(program)
        if queue.bars and (seen := worth.get(queue.name)) and seen["worth"] > 0
    ]  # fmt: skip
    whole = sum(worth for _, worth in lacking)
    return [{"bars": bars, "share": worth / whole} for bars, worth in lacking]


def demand_of(plan: Json) -> dict[str, float]:
    """What one plan is short of, by skill, adding up to 1."""
    return {skill: share for skill, share in plan["demand"].items() if share > 0}


def wishes(db: Session, program: Program) -> list[Wish]:
    """The wish that holds for each expert and queue."""
    said = db.scalars(select(Wish).where(Wish.program_id == program.id).order_by(Wish.id))
    return [wish for wish in {(w.applicant_id, w.queue): w for w in said}.values() if wish.kind != "free"]


def known_skills(named: Iterable[str], known: Container[str], where: str) -> None:
    if strangers := [skill for skill in named if skill not in known]:
        raise ValueError(
            f"{where}: there is no skill {strangers[0]!r}. Maybe `assay bank skills` has the one you mean."
        )


def previous(program: Program) -> PlanRecord | None:
    return program.plans[-1] if program.plans else None


def names(people: Iterable[Applicant]) -> dict[str, str]:
    return {str(person.id): person.name or f"Applicant {person.id}" for person in people}
