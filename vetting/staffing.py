"""From a program to a plan: queues and beliefs in, hours, prices and reasons out, kept as one fact.

The prices close the loop: what a plan is short of becomes the demand that tomorrow's sittings follow.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assignment import explain
from assignment.plan import Plan
from assignment.problem import Problem, Queues, staff
from assignment.projection import (
    PRODUCE,
    ROLES,
    Asks,
    Projection,
    clearing_each_bar,
    eligible,
    project,
)
from assignment.solve import solve
from assignment.vet_next import vet_next
from irt import timing
from irt.model import Floats
from vetting import evidence
from vetting import scale as scales
from vetting.messages import ProgramForm, QueueForm
from vetting.records import Applicant, Availability, Decision, Json, PlanRecord, Program, Queue, Wish
from vetting.scale import Axis, Scale

HORIZON = timedelta(days=7)  # of a queue without a due date
WEEK = timedelta(days=7)
VETTING_COST = 2.0  # money for vetting one skill: a few minutes of an applicant's and a grader's time
TIME_LIMIT = 20.0  # seconds a solve may take; the incumbent and its gap come back in any case
SWITCHING = 0.05  # price of an hour moved away from the last plan, as a share of an hour's pay
LEAST_HOURS = 0.05  # shorter stretches are rounding, not work


class ClosedQueueError(ValueError):
    """A queue that nobody may work on; the message names the bar and the way out."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything a plan is made of, ids beside rows."""

    experts: tuple[Applicant, ...]
    axis: Axis  # experts' ids
    queues: tuple[QueueForm, ...]
    problem: Problem
    projection: Projection
    means: Floats  # (E, S)
    sds: Floats  # (E, S)
    weights: Floats  # (Q, S) adding up to 1
    bars: Floats  # (Q, S) nan for none
    pay: Floats  # (E,)
    scale: Scale


# -- named queries ---------------------------------------------------------------------------------


def queues_of(program: Program) -> tuple[QueueForm, ...]:
    """The program's queues, each in its latest wording."""
    latest = {queue.name: queue for queue in program.queues}
    return tuple(QueueForm.model_validate(queue.body) for queue in latest.values())


def keep_program(db: Session, form: ProgramForm, now: datetime) -> Program:
    """The program with these queues; what it had keeps its history."""
    program = db.scalars(select(Program).where(Program.name == form.name)).first() or Program(at=now, name=form.name)
    db.add(program)
    for queue in form.queues:
        program.queues.append(Queue(at=now, name=queue.name, body=queue.model_dump(mode="json")))
    db.flush()
    return program


def experts(db: Session) -> list[Applicant]:
    """Applicants whom a recruiter's latest decision advanced and who gave hours."""
    people = db.scalars(
        select(Applicant)
        .where(Applicant.decisions.any(Decision.verdict == "advance"), Applicant.offers.any())
        .order_by(Applicant.id)
    )
    return [person for person in people if person.decisions[-1].verdict == "advance" and offer(person).hours > 0]


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


def demand_of(plan: Json) -> dict[str, float]:
    """What one plan is short of, by skill, adding up to 1."""
    return {skill: share for skill, share in plan["demand"].items() if share > 0}


def wishes(db: Session, program: Program) -> list[Wish]:
    """The wish that holds for each expert and queue."""
    said = db.scalars(select(Wish).where(Wish.program_id == program.id).order_by(Wish.id))
    return [wish for wish in {(w.applicant_id, w.queue): w for w in said}.values() if wish.kind != "free"]


# -- setting the scene -----------------------------------------------------------------------------


def scene(db: Session, program: Program, now: datetime) -> Scene:
    """Beliefs against queues as arrays. Raises ValueError when there is nothing to plan with."""
    queues, people = queues_of(program), experts(db)
    if not queues:
        raise ValueError(
            f"program {program.name!r} has no queue. Maybe add one: what is to be made, how many, by when."
        )
    if not people:
        raise ValueError("There are no experts to plan with. Maybe advance applicants who gave their hours first.")
    scale = scales.of(scales.latest(db))
    for queue in queues:
        known_skills({*queue.skills, *queue.bars}, scale.skills.position, f"queue {queue.name!r}")
    beliefs = [evidence.belief(person, scale, now) for person in people]
    means, sds = np.array([b.mean for b in beliefs]), np.array([b.sd for b in beliefs])
    weights, bars = table(queues, scale)
    axis = Axis.of("experts", (str(person.id) for person in people))
    variance = np.array([np.einsum("qs,st,qt->q", weights, b.belief.cov, weights) for b in beliefs])
    pace, pace_sd = np.array([speed(person, scale) for person in people]).T
    projection = project(means @ weights.T, variance, asks(queues), pace, speed_sd=pace_sd)
    pay = np.array([offer(person).pay for person in people])
    kept = [wish for wish in wishes(db, program) if str(wish.applicant_id) in axis.position]
    open_to = eligible(means, sds, bars) & speaks(people, queues)[:, :, None]
    problem = staff(
        projection,
        open_to,
        wanted(queues, now),
        hours=hours(people, queues, now),
        pay=pay,
        vetoes=rows_of(kept, "bar", axis, queues),
        pins=pins(kept, axis, queues, open_to, people),
        before=before(program, axis, queues),
        switching=SWITCHING * float(pay.mean()),
    )
    return Scene(tuple(people), axis, queues, problem, projection, means, sds, weights, bars, pay, scale)


def known_skills(named: Iterable[str], known: Container[str], where: str) -> None:
    if strangers := [skill for skill in named if skill not in known]:
        raise ValueError(
            f"{where}: there is no skill {strangers[0]!r}. Maybe `assay bank skills` has the one you mean."
        )


def table(queues: Sequence[QueueForm], scale: Scale) -> tuple[Floats, Floats]:
    """(Q, S) weights adding up to 1, and bars with nan for none."""
    weights = np.array([scale.skills.values(queue.skills, 0.0) for queue in queues])
    bars = np.array([scale.skills.values(queue.bars, np.nan) for queue in queues])
    return weights / weights.sum(axis=1, keepdims=True), bars


def asks(queues: Sequence[QueueForm]) -> Asks:
    review = np.array([queue.review_minutes for queue in queues])
    return Asks(
        np.array([queue.difficulty for queue in queues]), np.array([queue.minutes for queue in queues]), review, review
    )


def speed(person: Applicant, scale: Scale) -> tuple[float, float]:
    """Minutes over the usual minutes, as the test's clock saw it, and the sd of its logarithm."""
    pairs = evidence.graded(person.sittings, scale)
    rows = scale.items.rows(answer.question.item_id for answer, _ in pairs)
    minutes = np.array([answer.seconds / 60 for answer, _ in pairs])
    seen = timing.pace(np.log(np.maximum(minutes, 1e-3)), scale.intensity[rows])
    return float(np.exp(-seen.mean)), float(np.sqrt(seen.variance))


def deadlines(queues: Sequence[QueueForm], now: datetime) -> list[datetime]:
    return [
        datetime.combine(queue.due, time(23, 59), tzinfo=now.tzinfo) if queue.due else now + HORIZON for queue in queues
    ]


def wanted(queues: Sequence[QueueForm], now: datetime) -> Queues:
    ends = deadlines(queues, now)
    for queue, end in zip(queues, ends, strict=True):
        if end <= now:
            raise ValueError(f"queue {queue.name!r} was due on {queue.due}. Maybe give it a later date.")
    distinct = sorted(set(ends))
    return Queues.of(
        [queue.units for queue in queues],
        [queue.value for queue in queues],
        review_share=[queue.reviews for queue in queues],
        due=[distinct.index(end) for end in ends],
    )


def hours(people: Sequence[Applicant], queues: Sequence[QueueForm], now: datetime) -> Floats:
    """(E, T) hours of each expert up to each due date."""
    weeks = np.array([(end - now) / WEEK for end in sorted(set(deadlines(queues, now)))])
    return np.outer([offer(person).hours for person in people], weeks)


def speaks(people: Sequence[Applicant], queues: Sequence[QueueForm]) -> np.ndarray:
    return np.array([[queue.language in offer(person).languages for queue in queues] for person in people])


def rows_of(kept: Iterable[Wish], kind: str, axis: Axis, queues: Sequence[QueueForm]) -> list[tuple[int, int]]:
    names = [queue.name for queue in queues]
    return [
        (axis.position[str(wish.applicant_id)], names.index(wish.queue))
        for wish in kept
        if wish.kind == kind and wish.queue in names
    ]


def pins(
    kept: Iterable[Wish], axis: Axis, queues: Sequence[QueueForm], open_to: np.ndarray, people: Sequence[Applicant]
) -> list[tuple[int, int, int, float]]:
    """A pinned expert is promised half of a week's hours on the queue, in the first role they may take there."""
    rows = rows_of(kept, "pin", axis, queues)
    barred = set(rows_of(kept, "bar", axis, queues))
    return [
        (e, q, int(np.argmax(open_to[e, q])), offer(people[e]).hours / 2)
        for e, q in rows
        if open_to[e, q].any() and (e, q) not in barred
    ]


def before(program: Program, axis: Axis, queues: Sequence[QueueForm]) -> list[tuple[int, int, int, float]]:
    """Rows (expert, queue, role, hours) of the last plan that still exist: moving them has its price."""
    names = [queue.name for queue in queues]
    rows = program.plans[-1].body["hours"] if program.plans else []
    return [
        (axis.position[row["expert"]], names.index(row["queue"]), ROLES.index(row["role"]), row["hours"])
        for row in rows
        if row["expert"] in axis.position and row["queue"] in names
    ]


# -- planning --------------------------------------------------------------------------------------


def make_plan(db: Session, program: Program, now: datetime, *, allow_empty: bool = True) -> PlanRecord:
    """Solve, explain, and keep the plan. With allow_empty=False a queue nobody may work on is refused by name."""
    setting = scene(db, program, now)
    if not allow_empty and (shut := closed(setting)):
        raise ClosedQueueError(" ".join(shut))
    plan = solve(setting.problem, time_limit=TIME_LIMIT)
    record = PlanRecord(at=now, program=program, body=body(setting, plan))
    db.add(record)
    db.flush()
    return record


def closed(setting: Scene) -> list[str]:
    """Queues that no one may produce or review on, with the bar that shuts them and the best anyone reaches."""
    people = explain.eligible_people(setting.problem)
    alone = clearing_each_bar(setting.means, setting.sds, setting.bars)
    said = []
    for q, queue in enumerate(setting.queues):
        if people[q, 0] > 0 and (people[q, 1] > 0 or queue.reviews == 0):
            continue
        doing = "make" if people[q, 0] == 0 else "review"
        hardest = [setting.scale.skills.ids[k] for k in np.flatnonzero(alone[q] == 0)]
        which = (
            f"the bar on {', '.join(hardest)} is cleared by no one"
            if hardest
            else "no one clears all bars and speaks the language"
        )
        said.append(
            f"Queue {queue.name!r}: nobody may {doing} its units: {which} with the needed certainty of 90 %. "
            f"Maybe lower the bar to {reachable(setting, q):.1f}, or vet more people."
        )
    return said


def reachable(setting: Scene, q: int) -> float:
    """A bar that the third-best expert would clear on the skill that shuts the queue most."""
    floors = setting.means - 1.2816 * setting.sds
    rows = np.flatnonzero(~np.isnan(setting.bars[q]))
    if len(rows) == 0:
        return 0.0
    lack = [np.sort(floors[:, k])[-min(3, len(floors))] - setting.bars[q, k] for k in rows]
    worst = rows[int(np.argmin(lack))]
    return float(np.floor(10 * np.sort(floors[:, worst])[-min(3, len(floors))]) / 10)


def body(setting: Scene, plan: Plan) -> Json:
    """Everything a page or a file says about the plan, by id."""
    problem = setting.problem
    short = {shortage.queue: shortage for shortage in explain.shortages(problem, plan)}
    missing = explain.unmet(problem, plan)
    vet = invitations(setting, plan)
    weights = explain.skill_demand(problem, plan, setting.weights, setting.bars)
    return {
        "value": plan.value,
        "bound": plan.bound,
        "gap": plan.gap,
        "status": plan.status,
        "hours": [row for e in range(problem.experts) for row in seats(setting, plan, e)],
        "queues": [queue_view(setting, plan, q, float(missing[q]), short.get(q)) for q in range(len(setting.queues))],
        "closed": closed(setting),
        "demand": {setting.scale.skills.ids[k]: float(weights[k]) for k in np.argsort(-weights) if weights[k] > 1e-6},
        "worth_missing": float(sum(shortage.worth for shortage in short.values())),
        "vet_next": vet,
        "supply": supply(setting, plan, vet),
        "one_more_hour": {setting.axis.ids[e]: float(w) for e, w in enumerate(explain.one_more_hour(plan)) if w > 0.01},
        "broken": broken(setting, plan),
    }


def seats(setting: Scene, plan: Plan, e: int) -> list[Json]:
    """Where an expert works, why there, and what the second choice would cost."""
    said = []
    for choice in explain.choices(setting.problem, plan, e):
        if choice.hours < LEAST_HOURS:
            continue
        queue = setting.queues[choice.queue]
        said.append(
            {
                "expert": setting.axis.ids[e],
                "queue": queue.name,
                "role": ROLES[choice.role],
                "hours": choice.hours,
                "worth": choice.worth,
                "second_worth": choice.second_worth,
                "moving_costs": choice.moving_costs,
                "second": None
                if choice.second is None
                else {"queue": setting.queues[choice.second[0]].name, "role": ROLES[choice.second[1]]},
                "acceptance": float(setting.projection.acceptance[e, choice.queue]),
                "acceptance_low": float(setting.projection.acceptance_low[e, choice.queue]),
                "acceptance_high": float(setting.projection.acceptance_high[e, choice.queue]),
                "minutes": float(setting.projection.minutes[e, choice.queue]),
                "strongest": strongest(setting, e, choice.queue),
            }
        )
    return said


def strongest(setting: Scene, e: int, q: int) -> str:
    """The queue's skill on which this person stands out most from the other experts."""
    rows = np.flatnonzero(setting.weights[q] > 0)
    ahead = setting.means[e, rows] - setting.means[:, rows].mean(axis=0)
    best: str = setting.scale.skills.ids[rows[int(np.argmax(ahead))]]
    return best


def queue_view(setting: Scene, plan: Plan, q: int, missing: float, shortage: explain.Shortage | None) -> Json:
    queue = setting.queues[q]
    people = explain.eligible_people(setting.problem)[q]
    return {
        "name": queue.name,
        "units": queue.units,
        "accepted": queue.units - missing,
        "missing": missing,
        "sd": spread(setting, plan, q),
        "value": queue.value,
        "due": str(queue.due) if queue.due else None,
        "people": {role: int(count) for role, count in zip(ROLES, people, strict=True)},
        "held_back_by": shortage.held_back_by if shortage else None,
        "worth": shortage.worth if shortage else 0.0,
        "newcomer": {
            role: None if shortage is None or np.isnan(price) else float(price)
            for role, price in zip(ROLES, shortage.prices if shortage else (np.nan,) * 3, strict=True)
        },
    }


def invitations(setting: Scene, plan: Plan) -> list[Json]:
    """Whom to vet next, and in what; the best twenty."""
    languages = speaks(setting.experts, setting.queues)
    found = vet_next(
        setting.problem,
        plan,
        setting.projection,
        setting.means,
        setting.sds,
        setting.bars,
        pay=setting.pay,
        vetting_cost=np.full(len(setting.scale.skills.ids), VETTING_COST),
        open_to=np.repeat(languages[:, :, None], len(ROLES), axis=2),
    )
    return [
        {
            "expert": setting.axis.ids[found.expert[i]],
            "queue": setting.queues[found.queue[i]].name,
            "role": ROLES[found.role[i]],
            "skills": [setting.scale.skills.ids[k] for k in np.flatnonzero(found.skills[i])],
            "chance": float(found.chance[i]),
            "hours": float(found.hours[i]),
            "gain": float(found.gain[i]),
        }
        for i in range(min(20, len(found.expert)))
    ]


def supply(setting: Scene, plan: Plan, vet: Sequence[Json]) -> list[Json]:
    """Hours by skill: asked, planned, and likely after vetting; a queue's hours lie on its skills by weight."""
    names = [queue.name for queue in setting.queues]
    made = setting.problem.role == PRODUCE
    planned = np.bincount(setting.problem.queue[made], plan.hours[made], len(names))
    typical = np.median(1 / np.maximum(setting.projection.accepted, 1e-6), axis=0)  # hours an accepted unit
    asked = planned + explain.unmet(setting.problem, plan) * typical
    likely = np.zeros(len(names))
    for one in vet:
        likely[names.index(one["queue"])] += one["chance"] * one["hours"]
    rows = np.flatnonzero(setting.weights.sum(axis=0) > 0)
    return [
        {
            "skill": setting.scale.skills.ids[k],
            "demand_hours": float(asked @ setting.weights[:, k]),
            "ready_hours": float(planned @ setting.weights[:, k]),
            "likely_hours": float(likely @ setting.weights[:, k]),
        }
        for k in rows
    ]


def spread(setting: Scene, plan: Plan, q: int) -> float:
    """The sd of the units accepted in a queue, from what is not known of its people's acceptance."""
    here = (setting.problem.queue == q) & (setting.problem.role == PRODUCE)
    sd = setting.projection.accepted_sd[setting.problem.expert[here], q]
    return float(np.sqrt((np.square(plan.hours[here] * sd)).sum()))


def broken(setting: Scene, plan: Plan) -> list[Json]:
    """Pins that could not be kept whole."""
    arcs = setting.problem
    return [
        {
            "expert": setting.axis.ids[arcs.expert[a]],
            "queue": setting.queues[arcs.queue[a]].name,
            "hours": float(plan.broken[a]),
        }
        for a in np.flatnonzero(plan.broken > LEAST_HOURS)
    ]


def previous(program: Program) -> PlanRecord | None:
    return program.plans[-1] if program.plans else None


def names(people: Iterable[Applicant]) -> dict[str, str]:
    return {str(person.id): person.name or f"Applicant {person.id}" for person in people}
