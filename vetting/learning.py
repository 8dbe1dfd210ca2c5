"""What work teaches: outcomes as evidence about skills, minutes and difficulty of queues, and whether forecasts hold.

Every outcome is evidence in the same belief as the answers of a sitting. All units of one person in one queue are one
observation of their weighted skill there plus a fit to the queue that vetting cannot see (assignment.pooling).
Content speaks about the queue's skills of a subject, style about its skills of style.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from scipy.special import ndtri
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from assignment.pooling import FIT, observed, pooled
from irt.belief import GAUSSIAN, Evidence
from irt.model import Floats, Items
from vetting.known import known
from vetting.records import Applicant, Program
from vetting.scale import Scale
from vetting.scope import QueueForm
from vetting.work_records import Look, Offer, Outcome, Submission, Unit, deliverable

REVIEWERS = 0.2  # sd that strict and lenient reviewers leave on the observation, however many units it rests on
BETWEEN, ACROSS = 0.25, 0.35  # sd of log minutes: of queues of a kind around it, of kinds around the start value
SPREAD = 0.5  # sd of the log minutes of one unit
SHIFT_BETWEEN, SHIFT_ACROSS = 0.25, 0.35  # the same of a queue's difficulty, in sds of skill
STYLE = "language."  # skills of style, where a queue names none


@dataclass(frozen=True)
class Work:
    """All of one person's settled units in one queue, of one sort."""

    program: int
    queue: str
    skills: Mapping[str, float]  # weights
    difficulty: float
    counts: tuple[int, int, int]  # rejected, sent back, accepted
    gold: Mapping[float, tuple[int, int, int]] = field(default_factory=dict)  # the same of gold, by its own doubt


def counts_as_evidence(outcome: Outcome) -> bool:
    """A unit that nobody reviewed, or that experts call ambiguous, says nothing about its maker."""
    return outcome.settled in {"agreed", "adjudicated"}


def works(seen: Iterable[Outcome | Look]) -> list[Work]:
    """What came of a person's work, by queue and sort; of each submission the latest. Gold speaks of content alone."""
    seen = list(seen)
    latest = {outcome.submission_id: outcome for outcome in seen if isinstance(outcome, Outcome)}
    counts: dict[tuple[int, str, str], list[int]] = {}
    gold: dict[tuple[int, str, str], dict[float, list[int]]] = {}
    forms: dict[tuple[int, str], QueueForm] = {}
    for outcome in filter(counts_as_evidence, latest.values()):
        unit = outcome.submission.unit
        forms[unit.program_id, unit.queue] = QueueForm.model_validate(outcome.submission.wording.body)
        for sort, level in (("content", outcome.level), ("style", outcome.style)):
            counts.setdefault((unit.program_id, unit.queue, sort), [0, 0, 0])[level] += 1
    for look in known(one for one in seen if isinstance(one, Look)):
        forms.setdefault((look.program, look.queue.name), look.queue)
        told = gold.setdefault((look.program, look.queue.name, "content"), {})
        told.setdefault(look.doubt, [0, 0, 0])[look.level] += 1
    return [
        Work(seat[0], seat[1], skills, form.difficulty, three(counts.get(seat, [])),
             {doubt: three(tally) for doubt, tally in gold.get(seat, {}).items()})
        for seat in dict.fromkeys([*counts, *gold])
        if (form := forms[seat[:2]]) and (skills := skills_of(form, seat[2]))
    ]  # fmt: skip


def three(tally: Sequence[int]) -> tuple[int, int, int]:
    """Counts of rejected, sent back, accepted; none of anything where there is no tally."""
    rejected, sent_back, accepted = tally or (0, 0, 0)
    return rejected, sent_back, accepted


def skills_of(queue: QueueForm, sort: str) -> dict[str, float]:
    """The queue's skills that errors of a sort speak about, with weights that add up to 1."""
    style = set(queue.style_skills) or {skill for skill in queue.skills if skill.startswith(STYLE)}
    if style >= set(queue.skills):
        style = style if sort == "style" else set()
    mine = {k: w for k, w in queue.skills.items() if (k in style) == (sort == "style") and w > 0}
    return {skill: weight / sum(mine.values()) for skill, weight in mine.items()}


def evidence_of(outcomes: Iterable[Outcome | Look], scale: Scale, before: Floats) -> Evidence:
    """A person's work as rows of evidence, one a queue and sort; `before` (S,) are the means before any of it."""
    done = [work for work in works(outcomes) if set(work.skills) <= set(scale.skills.position)]
    loads = max((len(work.skills) for work in done), default=1)
    skill, slope = np.zeros((len(done), loads), dtype=np.int64), np.zeros((len(done), loads))
    for row, work in enumerate(done):
        skill[row, : len(work.skills)] = scale.skills.rows(work.skills)
        slope[row, : len(work.skills)] = list(work.skills.values())
    centre = (slope * before[skill]).sum(axis=1)
    seen = [tallied(work, float(at)) for work, at in zip(done, centre, strict=True)]
    n = len(done)
    return Evidence(
        items=Items(skill, slope, np.zeros((n, 1)), np.zeros(n)),
        level=np.full(n, GAUSSIAN, dtype=np.int64),
        value=np.array([value for value, _ in seen], dtype=float),
        variance=np.array([noise for _, noise in seen], dtype=float) + FIT**2 + REVIEWERS**2,
        blur=np.zeros(n),
        cluster=np.full(n, -1),
        effect=np.zeros(n),
    )


def tallied(work: Work, centre: float) -> tuple[float, float]:
    """(value, variance) of the one observation that a person's units amount to, read around what is believed."""
    gold = [(doubt, np.array(counts, dtype=float)) for doubt, counts in work.gold.items()]
    return observed(np.array(work.counts, dtype=float), work.difficulty, centre, gold)


# -- queues ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lessons:
    """What outcomes say about queues; row q is queue q."""

    minutes: Floats  # (Q,) factor on the minutes of a unit
    minutes_sd: Floats  # (Q,) of its logarithm
    shift: Floats  # (Q,) added to the difficulty
    shift_sd: Floats
    units: Floats  # (Q,) settled units behind it


def lessons(db: Session, program: Program, queues: Sequence[QueueForm]) -> Lessons:
    """Minutes and difficulty of the queues, pooled over queues of a kind."""
    told = {queue.name: settled(db, program, queue.name) for queue in queues}
    kinds = [queue.kind for queue in queues]
    group = np.array([sorted(set(kinds)).index(kind) for kind in kinds], dtype=np.intp)
    raw = np.array([raw_lesson(told[queue.name]) for queue in queues]).reshape(-1, 4)
    log_minutes, sd = pooled(raw[:, 0], raw[:, 1], group, between=BETWEEN, across=ACROSS)
    shift, shift_var = pooled(raw[:, 2], raw[:, 3], group, between=SHIFT_BETWEEN, across=SHIFT_ACROSS)
    units = np.array([float(len(told[queue.name])) for queue in queues])
    return Lessons(np.exp(log_minutes), np.sqrt(sd), shift, np.sqrt(shift_var), units)


@dataclass(frozen=True)
class Settled:
    """One settled first submission beside what was expected of it."""

    at: datetime
    predicted: float  # P(accepted on first pass)
    accepted: bool
    expected: float  # minutes
    minutes: float


def settled(db: Session, program: Program, queue: str) -> list[Settled]:
    """First submissions of a queue that were judged, oldest first."""
    made = db.scalars(
        select(Submission).join(Unit).join(Offer, Offer.id == Submission.offer_id)
        .where(Unit.program_id == program.id, Unit.queue == queue, deliverable()).order_by(Submission.id)
        .options(joinedload(Submission.offer), selectinload(Submission.outcomes))
    )  # fmt: skip
    first: dict[int, Submission] = {}
    for one in made:
        first.setdefault(one.unit_id, one)
    return [
        Settled(outcome.at, one.offer.why["acceptance"], outcome.level == 2, one.offer.why["minutes"], one.seconds / 60)
        for one in first.values()
        if (outcome := one.outcome) and counts_as_evidence(outcome) and "acceptance" in one.offer.why
    ]


def raw_lesson(told: Sequence[Settled]) -> tuple[float, float, float, float]:
    """(mean log ratio of minutes, its variance, shift of difficulty, its variance) of one queue; inf without any.

    The shift is one step of scoring: a probit residual over its slope, Σ (p - a) / Σ φ, with variance
    Σ p (1 - p) / (Σ φ)².
    """
    if not told:
        return 0.0, np.inf, 0.0, np.inf
    ratio = np.log([max(one.minutes, 0.1) / max(one.expected, 0.1) for one in told])
    p = np.clip([one.predicted for one in told], 0.02, 0.98)
    accepted = np.array([one.accepted for one in told], dtype=float)
    slope = float(density(p).sum())
    return (
        float(ratio.mean()),
        SPREAD**2 / len(told),
        float((p - accepted).sum() / slope),
        float((p * (1 - p)).sum() / slope**2),
    )


def density(p: Floats) -> Floats:
    """φ(Φ⁻¹(p))."""
    return np.asarray(np.exp(-(ndtri(p) ** 2) / 2) / np.sqrt(2 * np.pi))


def fits(
    people: Sequence[Applicant], program: Program, queues: Sequence[QueueForm], centre: Floats
) -> tuple[Floats, Floats]:
    """(E, Q) value and noise of what each person's own outcomes in a queue say of them there; noise inf without any.

    centre (E, Q): the mean of each queue's weighted skill as it is believed.
    """
    value, noise = np.zeros((len(people), len(queues))), np.full((len(people), len(queues)), np.inf)
    names = [queue.name for queue in queues]
    for e, person in enumerate(people):
        for work in works(person.work_seen):
            subject = work.program == program.id and work.queue in names
            if subject and set(work.skills) == set(skills_of(queues[names.index(work.queue)], "content")):
                q = names.index(work.queue)
                value[e, q], noise[e, q] = tallied(work, float(centre[e, q]))
    return value, np.where(np.isinf(noise), np.inf, noise + REVIEWERS**2)
