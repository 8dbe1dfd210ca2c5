"""One expert before a program's plan: the program with this person alone, their hours in it, what they did since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assignment.plan import Plan, Prices
from assignment.projection import ROLES
from irt.model import Floats
from vetting import evidence, programs
from vetting import scale as scales
from vetting.learning import Lessons, lessons
from vetting.plans import papers
from vetting.plans.scene import Scene, Wishes, compose, learnt_of, people_variance, pool_of
from vetting.quality import gate, looks
from vetting.records import Applicant, Json, PlanRecord, Program
from vetting.scope import QueueForm
from vetting.work_records import Look, Offer, Resolution, Review, Submission, Unit

NOTHING: Json = {"lessons": {}, "paces": {}}
PRODUCTS = (Submission, Review, Resolution, Look)  # what may come of an offer


@dataclass(frozen=True, eq=False)
class Desk:
    """One expert before one program's plan."""

    program: Program
    plan: PlanRecord
    person: Applicant
    setting: Scene  # with this person alone
    phases: Mapping[str, str]
    now: datetime


def desks(db: Session, person: Applicant, now: datetime, within: Program | None = None) -> Iterator[Desk]:
    """The programs with a plan and queues this expert may work in; each is held against a second reader."""
    for program in db.scalars(select(Program).order_by(Program.id).with_for_update()):
        plan = programs.previous(program)
        queues = programs.queues_of(program)
        if plan is None or not queues or "prices" not in plan.body or within not in {None, program}:
            continue
        phases = {queue.name: gate.phase(db, program, queue.name) for queue in queues}
        setting = alone(db, program, person, queues, now, known_at(plan.body))
        yield Desk(program, plan, person, setting, phases, now)


def alone(
    db: Session, program: Program, person: Applicant, queues: Sequence[QueueForm], now: datetime, known_then: Json
) -> Scene:
    """The program with this person only. Queues whose date is past are still finished: they count as due later.

    What the plan knew of its queues holds until the next one; a plan that says nothing of one asks all outcomes again.
    """
    scale = scales.of(scales.latest(db))
    known = evidence.belief(person, scale, now)
    undated = [queue.model_copy(update={"due": None}) for queue in queues]
    pool = replace(
        pool_of([person], [known], scale), papers=(papers.held(db, now, person).get(person.id, frozenset()),)
    )
    barred = [wish for wish in programs.wishes(db, program) if wish.kind == "bar" and wish.applicant_id == person.id]
    names = [queue.name for queue in queues]
    vetoes = [(0, names.index(wish.queue)) for wish in barred if wish.queue in names]
    as_planned = all(queue.name in known_then["lessons"] for queue in queues)
    seen = lessons_of(known_then, names) if as_planned else lessons(db, program, undated)
    variance = people_variance([known], undated, scale)
    learnt = learnt_of(program, [person], undated, pool, variance, seen, scale)
    return compose(pool, undated, variance, Wishes(vetoes=vetoes), now, learnt=learnt)


def known_at(plan: Json) -> Json:
    """What a plan knew of its queues and of people's pace; nothing, of plans that kept none of it."""
    return {"lessons": plan.get("lessons") or {}, "paces": plan.get("paces") or {}} if "paces" in plan else NOTHING


def lessons_of(known_then: Json, names: Sequence[str]) -> Lessons:
    """What a plan keeps of its queues and people, as arrays again."""
    told = [known_then["lessons"][name] for name in names]
    arrays = {one.name: np.array([row[one.name] for row in told]) for one in fields(Lessons) if one.name != "pace"}
    return Lessons(**arrays, pace={int(person): (log, var) for person, (log, var) in known_then["paces"].items()})


# -- the plan, for one person ------------------------------------------------------------------------


def own_plan(desk: Desk) -> Plan:
    """The hours of one person of the plan, at its prices; the rest of it is not needed to route."""
    problem, body = desk.setting.problem, desk.plan.body
    priced = [body["prices"].get(queue.name, {}) for queue in desk.setting.queues]
    by_row = {kind: np.array([price.get(kind, 0.0) for price in priced]) for kind in ("demand", "review", "second")}
    budget = np.zeros(len(problem.queues.budget))
    budget[problem.queues.purse] = [price.get("budget", 0.0) for price in priced]
    prices = Prices(**by_row, budget=budget, hour=np.zeros_like(problem.hours), pairing=np.zeros(problem.arcs))
    return Plan(own_hours(desk), 0.0, 0.0, 0.0, prices, np.zeros(problem.arcs), "optimal")


def own_hours(desk: Desk, what: str = "hours", by: date = date.max) -> Floats:
    """(A,) hours of one person in the plan, or of them those to learn by: of seats that begin by a day."""
    mine = [row for row in desk.plan.body["hours"] if row["expert"] == str(desk.person.id)]
    begun = [row for row in mine if row.get("from", "") <= str(by)]
    return on_arcs(desk, {(row["queue"], row["role"]): row.get(what, 0.0) for row in begun})


def on_arcs(desk: Desk, seats: Mapping[tuple[str, str], float]) -> Floats:
    """(A,) hours by queue and role."""
    arcs, queues = desk.setting.problem, desk.setting.queues
    return np.array([seats.get((queues[q].name, ROLES[r]), 0.0) for q, r in zip(arcs.queue, arcs.role, strict=True)])


def done(db: Session, desk: Desk) -> Floats:
    """(A,) hours this person worked on each arc since the plan; read by columns, since they may be many."""
    seconds = func.coalesce(*(kind.seconds for kind in PRODUCTS))
    asked = select(Unit.queue, Offer.task, Offer.why, seconds).select_from(Offer).join(Offer.unit)
    for kind in PRODUCTS:
        asked = asked.outerjoin(kind, kind.offer_id == Offer.id)
    mine = Offer.applicant_id == desk.person.id, Unit.program_id == desk.program.id, Offer.at >= desk.plan.at
    spent: dict[tuple[str, str], float] = {}
    for queue, task, why, took in db.execute(asked.where(*mine, seconds.is_not(None)).order_by(Offer.id)):
        seat = queue, looks.seen_as(task, why)
        spent[seat] = spent.get(seat, 0.0) + took / 3600
    return on_arcs(desk, spent)
