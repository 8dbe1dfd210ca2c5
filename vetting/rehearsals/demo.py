"""The whole walk on an embedded database, with simulated people: vet, decide, staff, and let the prices ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from item_bank.load import Bank, load
from vetting import programs, store
from vetting import scale as scales
from vetting.decisions import decision, dossier
from vetting.decisions.dossier import NINETY, Dossier
from vetting.grades import desk, hearings
from vetting.grades.grading import Panel, grade
from vetting.interviews import interview
from vetting.messages import AvailabilityForm, DecisionForm, RoleForm, read_form
from vetting.models.llm import Access
from vetting.plans import staffing
from vetting.quality import delivery
from vetting.records import Answer, Json, Role, Sitting
from vetting.rehearsals import mock_interview, rehearsal, shift
from vetting.rehearsals.rehearsal import World
from vetting.scope import ProgramForm
from vetting.sittings import sitting

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ROLES = ("role-mathematics-reviewer.yaml", "role-science-writer.yaml", "role-generalist-editor.yaml")
INTERVIEWS = "role-operations-analyst.yaml"  # the role that also talks
PROGRAM = "program-verified-reasoning.yaml"
WHO = "simulated recruiter"
LOOP_PEOPLE = 8  # who sit once without and once with the plan's demand
EXAMPLE_POOL = 40  # experts for whom the example program is sized
OPEN_USES = 50  # of the link a visitor may try
SHIFT_PEOPLE = 6  # simulated experts who work in the small running program
MOST_TALKERS = 8  # simulated people who hold interviews
GRADERS = ("ada", "ben")  # simulated people at the desk, in turns
LEFT_WAITING = 3  # finished interviews that wait for a visitor to grade


@dataclass(frozen=True)
class FixedForm:
    """What a fixed form needs for the same precision, on average."""

    minutes: float
    questions: float
    reached: float  # share of people for whom the whole form suffices


@dataclass(frozen=True)
class Talks:
    """The interviews of one walk."""

    role: str
    people: int
    interviews: int
    asked: int  # openings and further questions
    facts: int  # told to who asked for them
    minutes: float  # of one interview, on average
    graded: int  # verdicts of simulated graders
    counted: int  # of the rater that counts words
    waiting: int  # interviews at the desk


@dataclass(frozen=True)
class Walk:
    """The figures of one walk, all from what was run."""

    items: int
    skills: int
    kinds: dict[str, int]
    people: int
    minutes: float
    questions: float
    fixed: dict[str, FixedForm]
    exposure: float  # largest share of a role's people who were shown the same question
    talks: Talks
    covered: float
    intervals: int
    clears: int
    open: int
    below: int
    experts: int
    program: str
    queues: list[Json]
    value: float
    gap: float
    seconds: float
    demand: dict[str, float]
    loop_role: str
    before: float
    after: float
    work: dict[str, int]  # where the units of the small running program stand


@dataclass(frozen=True, eq=False)
class Cohort:
    """One role's simulated people."""

    role: Role
    truth: World
    seats: list[Sitting]


def walk(database: str, people: int, seed: int, step: Callable[[], None]) -> Walk:
    """From an empty database to a plan, and the loop closed."""
    rng = np.random.default_rng(seed)
    bank = load()
    engine = store.connect(database)
    store.migrate(engine)
    began = datetime.now(UTC) - timedelta(days=1)
    with store.writing(engine) as db:
        scales.keep_up(db, bank, began)
        each = people // len(ROLES)
        cohorts = [
            cohort(db, bank, ROLES[n], range(n * each, n * each + each), began, rng, step) for n in range(len(ROLES))
        ]
        (own,) = rng.spawn(1)  # interviews change nothing of what the other roles' people meet
        numbers = range(each * len(ROLES), people_in(people))
        talkers = cohort(db, bank, INTERVIEWS, numbers, began, own, step, telling=True)
    with store.writing(engine) as db:
        talks = graded(db, again(db, talkers), bank, own)
        seen = measured([again(db, one) for one in cohorts], bank)
        known = decided(db, cohorts, bank, rng)
    return Walk(
        items=len(bank.items), skills=len(bank.tree.skills), people=sum(len(one.seats) for one in cohorts),
        kinds=dict(Counter(item.kind for item in bank.items.values()).most_common()),
        clears=sum(one.state == "clears" for one in known), open=sum(one.state == "open" for one in known),
        below=sum(one.state == "below" for one in known), talks=talks, **seen, **staffed(engine, bank, seed),
        work=working(engine, seed),
    )  # fmt: skip


def people_in(people: int) -> int:
    """All who take part where `people` sit the roles without interviews."""
    return people // len(ROLES) * len(ROLES) + min(MOST_TALKERS, people // 3)


def cohort(
    db: Session, bank: Bank, file: str, numbers: range, began: datetime, rng: np.random.Generator,
    step: Callable[[], None], *, telling: bool = False,
) -> Cohort:  # fmt: skip
    """A role, its simulated people, every other one telling of their experience if wanted, and a visitor's link."""
    form = read_form(EXAMPLES / file, RoleForm)
    role = Role(at=began, name=form.name, body=form.model_dump(mode="json"))
    db.add(role)
    truth = rehearsal.world(scales.of(scales.latest(db)), len(numbers), rng)
    invitation = sitting.invite(db, role, now=began, uses=len(numbers), name="simulated cohort")
    seats = []
    for person, number in enumerate(numbers):
        name = f"Simulated {number + 1}"
        seat = rehearsal.sit(
            db, invitation, truth, person, bank, demand={}, now=began, rng=rng, name=name,
            tells=telling and person % 2 == 0,
        )  # fmt: skip
        seats.append(seat)
        step()
    sitting.invite(db, role, now=datetime.now(UTC), uses=OPEN_USES)
    return Cohort(role, truth, seats)


def again(db: Session, one: Cohort) -> Cohort:
    """The cohort in another session."""
    return replace(one, role=db.merge(one.role), seats=[db.merge(seat) for seat in one.seats])


def graded(db: Session, talkers: Cohort, bank: Bank, rng: np.random.Generator) -> Talks:
    """Interviews as the offline rater and simulated people at the desk grade them; the last few are left to wait."""
    scale, now = scales.of(talkers.seats[0].calibration), datetime.now(UTC)
    held = [
        (person, question.answer)
        for person, seat in enumerate(talkers.seats) for question in interview.of(seat, bank) if question.answer
    ]  # fmt: skip
    for _, answer in held:
        probe = bank.probes[answer.question.item_id]
        found = grade(probe, hearings.said_in(answer.question), Panel(Access(), offline=True))
        hearings.keep(db, answer, probe, found, now)
    raters = [mock_interview.grader(name, rng) for name in GRADERS]
    for turn, (person, answer) in enumerate(held[: max(1, len(held) - LEFT_WAITING)]):
        by = raters[turn % len(raters)]
        for task in (one for one in desk.tasks(db, bank, scale, now, by.name) if one.answer is answer):
            mock_interview.judge(db, task, by, talkers.truth.talk, person, scale, now, rng)
    return told([answer for _, answer in held], talkers, desk.tasks(db, bank, scale, now))


def told(held: list[Answer], talkers: Cohort, waiting: list[desk.Task]) -> Talks:
    turns = [turn for answer in held for turn in answer.question.turns]
    raters = Counter(grade.rater.partition(":")[0] for answer in held for grade in answer.grades)
    return Talks(
        role=talkers.role.name, people=len(talkers.seats), interviews=len(held),
        asked=sum(turn.who == "asks" and turn.move["kind"] != "fact" for turn in turns),
        facts=sum(turn.who == "asks" and turn.move["kind"] == "fact" and bool(turn.move["id"]) for turn in turns),
        minutes=sum(answer.seconds for answer in held) / 60 / max(1, len(held)), graded=raters["human"],
        counted=raters["offline"], waiting=len(waiting),
    )  # fmt: skip


def measured(cohorts: list[Cohort], bank: Bank) -> Json:
    """Minutes, questions and coverage, adaptive beside fixed forms."""
    seen = [rehearsal.compare(one.seats, one.truth, bank, NINETY) for one in cohorts]
    forms = {name: np.concatenate([one.fixed[name] for one in seen]).mean(axis=0) for name in seen[0].fixed}
    inside = np.concatenate([one.inside for one in seen])
    return {
        "minutes": float(np.concatenate([one.minutes for one in seen]).mean()),
        "questions": float(np.concatenate([one.questions for one in seen]).mean()),
        "fixed": {name: FixedForm(*(float(x) for x in row)) for name, row in forms.items()},
        "covered": float(inside.mean()), "intervals": len(inside),
        "exposure": max(most_shown(one.seats) for one in cohorts),
    }  # fmt: skip


def most_shown(seats: list[Sitting]) -> float:
    """The share of these people who were shown the question that was shown most."""
    shown = Counter(question.item_id for seat in seats for question in seat.questions)
    return max(shown.values()) / len(seats)


def decided(db: Session, cohorts: list[Cohort], bank: Bank, rng: np.random.Generator) -> list[Dossier]:
    """A simulated recruiter advances whoever is not below the bars, and they give their hours."""
    now = datetime.now(UTC)
    calibration = scales.latest(db)
    scale = scales.of(calibration)
    known = []
    for one in cohorts:
        role = db.merge(one.role)
        form = RoleForm.model_validate(role.body)
        for seat in one.seats:
            person = dossier.dossier(db.merge(seat).applicant, form, scale, bank, calibration.id, now)
            known.append(person)
            verdict = "decline" if person.state == "below" else "advance"
            reason = f"P(meets every bar) is {person.clears:.2f} (simulated decision of the demo)"
            decision.decide(db, person, role, DecisionForm(verdict=verdict, reason=reason), by=WHO, now=now)
            week = AvailabilityForm(hours=float(rng.integers(6, 31)), pay=float(rng.integers(28, 56)), languages=["en"])
            decision.give_hours(db, person.applicant, week, now)
    return known


RUNNING = {
    "name": "Running work (simulated)", "about": "Simulated experts make and review these units.",
    "queues": [{
        "name": "Step verdicts", "kind": "process_supervision",
        "skills": {"math.proof": 1.0, "craft.step_checking": 0.5},
        "units": 10, "value": 200, "minutes": 30, "review_minutes": 10, "checkpoint": 10,
        "guideline": "Number the steps. A chain is valid if every step is.",
    }],
}  # fmt: skip


def working(engine: Engine, seed: int) -> dict[str, int]:
    """A small program whose simulated experts make and judge every unit, so that its pages have something to show."""
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        program = programs.keep_program(db, ProgramForm.model_validate(RUNNING), now)
        staffing.make_plan(db, program, now)
        shift.work_through(db, program, now, np.random.default_rng(seed), people=SHIFT_PEOPLE)
        states: dict[str, int] = delivery.report(db, program, now)["queues"][0]["states"]
        return states


def staffed(engine: Engine, bank: Bank, seed: int) -> Json:
    """A plan for the example program; then the same people sit once without and once with its demand."""
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        program = programs.keep_program(db, program_form(len(programs.experts(db))), now)
        clock = perf_counter()
        plan = staffing.make_plan(db, program, now).body
        seconds = perf_counter() - clock
        experts = len(programs.experts(db))
    favoured = programs.demand_of(plan)
    before, after = (loop(engine, bank, seed, demand) for demand in ({}, favoured))
    return {
        "program": program_form(0).name, "queues": plan["queues"], "value": plan["value"], "gap": plan["gap"],
        "seconds": seconds, "experts": experts, "demand": favoured, "loop_role": loop_form().name,
        "before": share(before, favoured, bank), "after": share(after, favoured, bank),
    }  # fmt: skip


def program_form(people: int) -> ProgramForm:
    """The example program; a larger pool is asked for more, so that there is something to be short of."""
    form = read_form(EXAMPLES / PROGRAM, ProgramForm)
    more = max(1.0, round(people / EXAMPLE_POOL, 1))
    return form.model_copy(
        update={"queues": [queue.model_copy(update={"units": queue.units * more}) for queue in form.queues]}
    )


def loop_form() -> RoleForm:
    """A role that looks at every domain alike: here it shows what the demand changes."""
    return RoleForm(
        name="Expert pool", minutes=20, follow_demand=0.6, stop_when_decided=False,
        skills={skill: {"weight": 1.0, "target": 0.45} for skill in load().tree.skills},
    )  # fmt: skip


def loop(engine: Engine, bank: Bank, seed: int, demand: Json) -> list[tuple[str, float]]:
    """(item, minutes) of all that some simulated people are asked; nothing of it is kept."""
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC)
    with store.reading(engine) as db:
        truth = rehearsal.world(scales.of(scales.latest(db)), LOOP_PEOPLE, rng)
        role = Role(at=now, name=loop_form().name, body=loop_form().model_dump(mode="json"))
        db.add(role)
        invitation = sitting.invite(db, role, now=now, uses=LOOP_PEOPLE)
        seats = [
            rehearsal.sit(db, invitation, truth, person, bank, demand=demand, now=now, rng=rng)
            for person in range(LOOP_PEOPLE)
        ]
        asked = [
            (question.item_id, question.answer.seconds / 60)
            for seat in seats for question in seat.questions if question.answer
        ]  # fmt: skip
        db.rollback()
    return asked


def share(asked: list[tuple[str, float]], demand: Json, bank: Bank) -> float:
    """Share of minutes on items that look at a skill in demand."""
    hot = sum(minutes for item, minutes in asked if set(bank.items[item].skills) & set(demand))
    return hot / max(sum(minutes for _, minutes in asked), 1e-9)


def figures(seen: Walk) -> Json:
    return asdict(seen)
