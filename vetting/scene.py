"""A program as the optimiser sees it: beliefs against queues as arrays, ids beside rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np
from sqlalchemy.orm import Session

from assignment.problem import Problem, Queues, staff
from assignment.projection import ROLES, Asks, Projection, eligible, project
from irt import timing
from irt.model import Floats
from vetting import evidence
from vetting import scale as scales
from vetting.messages import QueueForm
from vetting.programs import experts, known_skills, offer, queues_of, wishes
from vetting.records import Applicant, Program, Wish
from vetting.scale import Axis, Scale

HORIZON = timedelta(days=7)  # of a queue without a due date
WEEK = timedelta(days=7)
SWITCHING = 0.05  # price of an hour moved away from the last plan, as a share of an hour's pay


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
        pins=pins(kept, axis, queues, open_to, week_of(people, queues, now)),
        before=before(program, axis, queues),
        switching=SWITCHING * float(pay.mean()),
    )
    return Scene(tuple(people), axis, queues, problem, projection, means, sds, weights, bars, pay, scale)


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
    kept: Iterable[Wish], axis: Axis, queues: Sequence[QueueForm], open_to: np.ndarray, week: Floats
) -> list[tuple[int, int, int, float]]:
    """A pinned expert is promised half of their hours in `week` (E, Q), in the first role they may take on the queue.

    Somebody pinned to more than two queues has no half for each: the week is divided among them.
    """
    barred = set(rows_of(kept, "bar", axis, queues))
    rows = [(e, q) for e, q in rows_of(kept, "pin", axis, queues) if open_to[e, q].any() and (e, q) not in barred]
    many = Counter(e for e, _ in rows)
    return [(e, q, int(np.argmax(open_to[e, q])), float(week[e, q]) / max(2, many[e])) for e, q in rows]


def week_of(people: Sequence[Applicant], queues: Sequence[QueueForm], now: datetime) -> Floats:
    """(E, Q) hours of each expert in the coming week, or up to the queue's date where that is sooner."""
    share = [min((end - now) / WEEK, 1.0) for end in deadlines(queues, now)]
    return np.outer([offer(person).hours for person in people], share)


def before(program: Program, axis: Axis, queues: Sequence[QueueForm]) -> list[tuple[int, int, int, float]]:
    """Rows (expert, queue, role, hours) of the last plan that still exist: moving them has its price."""
    names = [queue.name for queue in queues]
    rows = program.plans[-1].body["hours"] if program.plans else []
    return [
        (axis.position[row["expert"]], names.index(row["queue"]), ROLES.index(row["role"]), row["hours"])
        for row in rows
        if row["expert"] in axis.position and row["queue"] in names
    ]
