"""A program as the optimiser sees it: beliefs against queues as arrays, ids beside rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from assignment.pooling import with_fit
from assignment.problem import Problem, Queues, staff
from assignment.projection import ROLES, Asks, Projection, eligible, project
from irt import timing
from irt.belief import Posterior
from irt.model import Floats
from vetting import evidence
from vetting import scale as scales
from vetting.learning import Lessons, fits, lessons, under_way
from vetting.plans.papers import held, key
from vetting.programs import experts, known_skills, offer, queues_of, scope_of, wishes
from vetting.records import Applicant, Program, Wish
from vetting.scale import Axis, Scale
from vetting.scope import QueueForm

HORIZON = timedelta(days=7)  # of a queue without a due date
WEEK = timedelta(days=7)
SWITCHING = 0.05  # price of an hour moved away from the last plan, as a share of an hour's pay


@dataclass(frozen=True, eq=False)
class Pool:
    """What is known of some experts; row e is expert e in every array."""

    axis: Axis  # their ids
    skills: Axis
    means: Floats  # (E, S)
    sds: Floats  # (E, S)
    pace: Floats  # (E,) minutes over the usual minutes
    pace_sd: Floats  # (E,) of its logarithm
    week: Floats  # (E,) hours a week
    pay: Floats  # (E,) an hour
    languages: tuple[frozenset[str], ...]
    papers: tuple[frozenset[str], ...] = ()  # verified credentials; () where nobody has any

    @property
    def held(self) -> tuple[frozenset[str], ...]:
        """Verified credentials of everybody, one set an expert."""
        return self.papers or (frozenset[str](),) * len(self.languages)


@dataclass(frozen=True, eq=False)
class Wishes:
    """What a lead asked for beyond the queues, by rows."""

    vetoes: Sequence[tuple[int, int]] = ()  # (expert, queue)
    pins: Sequence[tuple[int, int]] = ()  # (expert, queue)
    before: Sequence[tuple[int, int, int, float]] = ()  # (expert, queue, role, hours) of the last plan


@dataclass(frozen=True, eq=False)
class Learnt:
    """What outcomes of work add to what vetting knows."""

    lessons: Lessons
    value: Floats  # (E, Q) what people's own outcomes in a queue say of them there
    noise: Floats  # (E, Q) its variance; inf without any
    pace: Floats  # (E,) factor on people's minutes
    pace_var: Floats  # (E,) of its logarithm
    under_way: Floats = field(default_factory=lambda: np.zeros(0))  # (E, Q) units not settled yet; empty: not asked

    def asks(self, plain: Asks) -> Asks:
        """Minutes and difficulty as they turned out."""
        return replace(
            plain, minutes=plain.minutes * self.lessons.minutes, difficulty=plain.difficulty + self.lessons.shift
        )


def learnt_of(
    program: Program, people: Sequence[Applicant], queues: Sequence[QueueForm], pool: Pool, variance: Floats,
    seen: Lessons, scale: Scale,
) -> Learnt:  # fmt: skip
    """What outcomes say of these people, row e of the pool being person e, beside what they say of the queues."""
    weights, _ = table(queues, pool.skills)
    own = fits(people, program, queues, pool.means @ weights.T, variance, scale.reviewers)
    return Learnt(seen, *own, *seen.paces(people))


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything a plan is made of, ids beside rows."""

    pool: Pool
    queues: tuple[QueueForm, ...]
    problem: Problem
    projection: Projection
    weights: Floats  # (Q, S) adding up to 1
    bars: Floats  # (Q, S) nan for none
    asks: Asks
    mean: Floats  # (E, Q) of each expert's ability on each queue
    variance: Floats  # (E, Q)
    tested: Floats  # (E,) pace as the test alone saw it
    learnt: Learnt | None = None
    at: datetime | None = None  # when it was so


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
    beliefs = [evidence.belief(person, scale, now) for person in people]
    variance = people_variance(beliefs, queues, scale)
    papers = held(db, now)
    pool = replace(pool_of(people, beliefs, scale), papers=tuple(papers.get(one.id, frozenset()) for one in people))
    kept = [wish for wish in wishes(db, program) if str(wish.applicant_id) in pool.axis.position]
    asked = Wishes(
        rows_of(kept, "bar", pool.axis, queues), rows_of(kept, "pin", pool.axis, queues),
        before(program, pool.axis, queues),
    )  # fmt: skip
    asks_all = scope_of(db, program)
    learnt = learnt_of(program, people, queues, pool, variance, lessons(db, program, queues), scale)
    learnt = replace(learnt, under_way=under_way(db, program, people, queues))
    return compose(pool, queues, variance, asked, now, budget=asks_all.budget if asks_all else None, learnt=learnt)


def people_variance(beliefs: Sequence[Posterior], queues: Sequence[QueueForm], scale: Scale) -> Floats:
    """(E, Q) variance of each queue's weighted skill."""
    weights, _ = table(queues, scale.skills)
    return np.array([np.einsum("qs,st,qt->q", weights, known.belief.cov, weights) for known in beliefs])


def pool_of(people: Sequence[Applicant], beliefs: Sequence[Posterior], scale: Scale) -> Pool:
    pace, pace_sd = np.array([speed(person, scale) for person in people]).T
    return Pool(
        axis=Axis.of("experts", (str(person.id) for person in people)),
        skills=scale.skills,
        means=np.array([known.mean for known in beliefs]),
        sds=np.array([known.sd for known in beliefs]),
        pace=pace,
        pace_sd=pace_sd,
        week=np.array([offer(person).hours for person in people]),
        pay=np.array([offer(person).pay for person in people]),
        languages=tuple(frozenset(offer(person).languages) for person in people),
    )


def compose(
    pool: Pool, queues: Sequence[QueueForm], variance: Floats, asked: Wishes, now: datetime, *,
    budget: float | None = None, learnt: Learnt | None = None,
) -> Scene:  # fmt: skip
    """The staffing problem of a pool and some queues; variance (E, Q) of each queue's weighted skill.

    The clock counts in whole hours: the same question asked again within the hour has the same plan, to the bit.
    """
    now = now.replace(minute=0, second=0, microsecond=0)
    weights, bars = table(queues, pool.skills)
    mean, asked_for, tested = pool.means @ weights.T, asks(queues), pool.pace
    if learnt is not None:
        mean, variance = with_fit(mean, variance, learnt.value, learnt.noise)
        asked_for = learnt.asks(asked_for)
        pool = replace(pool, pace=pool.pace * learnt.pace, pace_sd=np.sqrt(pool.pace_sd**2 + learnt.pace_var))
    projection = project(mean, variance, asked_for, pool.pace, speed_sd=pool.pace_sd)
    open_to = eligible(pool.means, pool.sds, bars) & may_enter(pool, queues)[:, :, None]
    problem = staff(
        projection,
        open_to,
        wanted(queues, now, budget),
        hours=hours_by_date(pool, queues, now),
        pay=pool.pay,
        vetoes=list(asked.vetoes),
        pins=pins(asked, open_to, week_of(pool, queues, now)),
        before=list(asked.before),
        switching=SWITCHING * float(pool.pay.mean()),
    )
    problem = replace(problem, most=shared_out(problem, queues))
    return Scene(
        pool, tuple(queues), problem, projection, weights, bars, asked_for, mean, variance, tested, learnt, now
    )


def shared_out(problem: Problem, queues: Sequence[QueueForm]) -> Floats:
    """(A,) hours in which somebody makes the share that one person may make; empty where no queue says so."""
    if all(queue.most_share is None for queue in queues):
        return np.zeros(0)
    units = np.array([queue.units * queue.most_share if queue.most_share else np.inf for queue in queues])
    made = problem.accepted > 0
    limit = np.full(problem.arcs, np.inf)
    limit[made] = units[problem.queue[made]] / problem.accepted[made]
    return limit


def table(queues: Sequence[QueueForm], skills: Axis) -> tuple[Floats, Floats]:
    """(Q, S) weights adding up to 1, and bars with nan for none."""
    for queue in queues:
        known_skills({*queue.skills, *queue.bars}, skills.position, f"queue {queue.name!r}")
    weights = np.array([skills.values(queue.skills, 0.0) for queue in queues])
    bars = np.array([skills.values(queue.bars, np.nan) for queue in queues])
    return weights / weights.sum(axis=1, keepdims=True), bars


def asks(queues: Sequence[QueueForm]) -> Asks:
    return Asks(
        np.array([queue.difficulty for queue in queues]),
        np.array([queue.minutes for queue in queues]),
        np.array([queue.review_minutes for queue in queues]),
        np.array([queue.second_minutes or queue.review_minutes for queue in queues]),
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


def wanted(queues: Sequence[QueueForm], now: datetime, budget: float | None = None) -> Queues:
    ends = deadlines(queues, now)
    for queue, end in zip(queues, ends, strict=True):
        if end <= now:
            raise ValueError(f"queue {queue.name!r} was due on {queue.due}. Maybe give it a later date.")
    distinct = sorted(set(ends))
    purse, money = purses(queues, budget)
    return Queues.of(
        [queue.units for queue in queues],
        [queue.value for queue in queues],
        review_share=[queue.reviews for queue in queues],
        second_share=[queue.second for queue in queues],
        due=[distinct.index(end) for end in ends],
        purse=purse,
        budget=money,
    )


def purses(queues: Sequence[QueueForm], budget: float | None) -> tuple[list[int], list[float]]:
    """Which purse pays each queue, and what is in it: a queue's own, or what the others leave of the program's."""
    own = [queue.budget for queue in queues if queue.budget is not None]
    if budget is not None and sum(own) > budget:
        raise ValueError(
            f"the queues' budgets add up to {sum(own):g}, but the program has {budget:g}. Maybe raise the program's."
        )
    rest = np.inf if budget is None else budget - sum(own)
    numbers = iter(range(1, len(own) + 1))
    return [0 if queue.budget is None else next(numbers) for queue in queues], [rest, *own]


def hours_by_date(pool: Pool, queues: Sequence[QueueForm], now: datetime) -> Floats:
    """(E, T) hours of each expert up to each due date."""
    weeks = np.array([(end - now) / WEEK for end in sorted(set(deadlines(queues, now)))])
    return np.outer(pool.week, weeks)


def week_of(pool: Pool, queues: Sequence[QueueForm], now: datetime) -> Floats:
    """(E, Q) hours of each expert in the coming week, or up to the queue's date where that is sooner."""
    return np.outer(pool.week, [min((end - now) / WEEK, 1.0) for end in deadlines(queues, now)])


def may_enter(pool: Pool, queues: Sequence[QueueForm]) -> NDArray[np.bool_]:
    """(E, Q) who speaks a queue's languages and holds its credentials, verified."""
    asked = [(queue.spoken, {key(name) for name in queue.credentials}) for queue in queues]
    return np.array(
        [
            [languages <= spoken and names <= papers for languages, names in asked]
            for spoken, has in zip(pool.languages, pool.held, strict=True)
            for papers in [{key(name) for name in has}]
        ]
    )


def rows_of(kept: Iterable[Wish], kind: str, axis: Axis, queues: Sequence[QueueForm]) -> list[tuple[int, int]]:
    names = [queue.name for queue in queues]
    return [
        (axis.position[str(wish.applicant_id)], names.index(wish.queue))
        for wish in kept
        if wish.kind == kind and wish.queue in names
    ]


def pins(asked: Wishes, open_to: NDArray[np.bool_], week: Floats) -> list[tuple[int, int, int, float]]:
    """Who is pinned keeps the hours of the last plan; without any, half of their hours in `week` (E, Q) are promised.

    Those half weeks are in the first role they may take on the queue, and somebody pinned to more than two queues
    has no half for each: the week is divided among them.
    """
    barred = set(asked.vetoes)
    rows = [(e, q) for e, q in asked.pins if open_to[e, q].any() and (e, q) not in barred]
    kept = [row for row in asked.before if (row[0], row[1]) in rows and open_to[row[0], row[1], row[2]]]
    fresh = [row for row in rows if row not in {(e, q) for e, q, _, _ in kept}]
    many = Counter(e for e, _ in rows)
    return kept + [(e, q, int(np.argmax(open_to[e, q])), float(week[e, q]) / max(2, many[e])) for e, q in fresh]


def before(program: Program, axis: Axis, queues: Sequence[QueueForm]) -> list[tuple[int, int, int, float]]:
    """Rows (expert, queue, role, hours) of the last plan that still exist: moving them has its price."""
    names = [queue.name for queue in queues]
    rows = program.plans[-1].body["hours"] if program.plans else []
    return [
        (axis.position[row["expert"]], names.index(row["queue"]), ROLES.index(row["role"]), row["hours"])
        for row in rows
        if row["expert"] in axis.position and row["queue"] in names
    ]
