"""What work teaches: outcomes as evidence about skills, minutes and difficulty of queues, and whether forecasts hold.

Every outcome is evidence in the same belief as the answers of a sitting. All units of one person in one queue are one
observation of their weighted skill there plus a fit to the queue that vetting cannot see (assignment.pooling).
Content speaks about the queue's skills of a subject, style about its skills of style.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from scipy.special import ndtri
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from assignment.pooling import FIT, observed, paced, pooled
from assignment.reviewing import SEVERITY
from irt.belief import GAUSSIAN, Belief, Evidence
from irt.model import Floats, Items
from vetting.judges import Readings, doubt, level_of, panel
from vetting.known import known
from vetting.records import Applicant, Json, Program
from vetting.scale import Axis, Scale
from vetting.scope import QueueForm
from vetting.work_records import CustomerVerdict, Look, Offer, Outcome, Submission, Unit, deliverable

REVIEWERS = SEVERITY  # sd that strict and lenient writers of gold leave on it, however many units it rests on
BETWEEN, ACROSS = 0.25, 0.35  # sd of log minutes: of queues of a kind around it, of kinds around the start value
SPREAD = 0.5  # sd of the log minutes of one unit
PACE = 0.2  # sd of the log of a person's pace at work over the pace that the test's clock saw
SHIFT_BETWEEN, SHIFT_ACROSS = 0.25, 0.35  # the same of a queue's difficulty, in sds of skill
EVIDENCE = {"agreed", "adjudicated"}  # how a unit was settled that says something about its maker
STYLE = "language."  # skills of style, where a queue names none


@dataclass(frozen=True)
class Work:
    """All of one person's settled units in one queue, of one sort."""

    program: int
    queue: str
    skills: Mapping[str, float]  # weights
    difficulty: float
    counts: Mapping[tuple[str, ...], tuple[int, int, int]]  # rejected, sent back, accepted, by who stands behind it
    gold: Mapping[float, tuple[int, int, int]] = field(default_factory=dict)  # the same of gold, by its own doubt

    @property
    def tally(self) -> tuple[int, int, int]:
        """Rejected, sent back, accepted, whoever stands behind it."""
        return three([sum(column) for column in zip(*self.counts.values(), strict=True)])


def counts_as_evidence(outcome: Outcome) -> bool:
    """A unit that nobody reviewed, or that experts call ambiguous, says nothing about its maker."""
    return outcome.settled in EVIDENCE


def works(seen: Iterable[Outcome | Look]) -> list[Work]:
    """What came of a person's work, by queue and sort; of each submission the latest. Gold speaks of content alone."""
    seen = list(seen)
    latest = {outcome.submission_id: outcome for outcome in seen if isinstance(outcome, Outcome)}
    counts: dict[tuple[int, str, str], dict[tuple[str, ...], list[int]]] = {}
    gold: dict[tuple[int, str, str], dict[float, list[int]]] = {}
    last: dict[tuple[int, str], Submission] = {}
    for outcome in filter(counts_as_evidence, latest.values()):
        unit = outcome.submission.unit
        last[unit.program_id, unit.queue] = outcome.submission
        content, judges = level_of(outcome)
        for sort, level in (("content", content), ("style", outcome.style)):
            told = counts.setdefault((unit.program_id, unit.queue, sort), {})
            told.setdefault(judges, [0, 0, 0])[level] += 1
    forms = {seat: leaning_on(submission) for seat, submission in last.items()}
    for look in known(one for one in seen if isinstance(one, Look)):
        forms.setdefault((look.program, look.queue.name), look.queue)
        seen_of = gold.setdefault((look.program, look.queue.name, "content"), {})
        seen_of.setdefault(look.doubt, [0, 0, 0])[look.level] += 1
    return [
        Work(seat[0], seat[1], skills, form.difficulty,
             {judges: three(tally) for judges, tally in sorted(counts.get(seat, {}).items())},
             {doubt: three(tally) for doubt, tally in gold.get(seat, {}).items()})
        for seat in dict.fromkeys([*counts, *gold])
        if (form := forms[seat[:2]]) and (skills := skills_of(form, seat[2]))
    ]  # fmt: skip


def leaning_on(submission: Submission) -> QueueForm:
    """The queue as it was worded when the work was done, with the weights its skills have by now."""
    then = QueueForm.model_validate(submission.wording.body)
    named = [queue for queue in submission.unit.program.queues if queue.name == then.name and "skills" in queue.body]
    now = named[-1].body["skills"] if named else {}
    return then.model_copy(update={"skills": now}) if set(now) == set(then.skills) else then


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


def evidence_of(outcomes: Iterable[Outcome | Look], scale: Scale, before: Belief) -> Evidence:
    """A person's work as rows of evidence, one a queue and sort; `before` is what was believed before any of it."""
    return as_evidence(works(outcomes), scale.skills, scale.reviewers, before)


def as_evidence(done: Sequence[Work], skills: Axis, judges: Readings, before: Belief) -> Evidence:
    """Works as rows of evidence; those that ask a skill nobody knows say nothing."""
    done = [work for work in done if set(work.skills) <= set(skills.position)]
    loads = max((len(work.skills) for work in done), default=1)
    skill, slope = np.zeros((len(done), loads), dtype=np.int64), np.zeros((len(done), loads))
    for row, work in enumerate(done):
        skill[row, : len(work.skills)] = skills.rows(work.skills)
        slope[row, : len(work.skills)] = list(work.skills.values())
    centre = (slope * before.mean[skill]).sum(axis=1)
    doubt = np.einsum("rs,rst,rt->r", slope, before.cov[skill[:, :, None], skill[:, None, :]], slope)
    seen = [tallied(work, float(at), float(v), judges) for work, at, v in zip(done, centre, doubt, strict=True)]
    n = len(done)
    return Evidence(
        items=Items(skill, slope, np.zeros((n, 1)), np.zeros(n)),
        level=np.full(n, GAUSSIAN, dtype=np.int64),
        value=np.array([value for value, _ in seen], dtype=float),
        variance=np.array([noise for _, noise in seen], dtype=float) + FIT**2,
        blur=np.zeros(n),
        cluster=np.full(n, -1),
        effect=np.zeros(n),
    )


def tallied(work: Work, centre: float, variance: float, judges: Readings) -> tuple[float, float]:
    """(value, variance) of the one observation that a person's units amount to, read around what is believed.

    centre, variance: of the queue's weighted skill; their fit to the queue comes on top.
    Each unit is read as who stands behind its outcome reads; what is not known of their severities widens it.
    """
    gold = [(doubt, np.array(counts, dtype=float)) for doubt, counts in work.gold.items()]
    behind = list(work.counts)
    counts = np.array([work.counts[group] for group in behind], dtype=float).reshape(-1, 3)
    severity, labels = panel(behind, judges) if behind else (np.zeros(0), np.zeros((0, 3, 3)))
    value, noise = observed(counts, work.difficulty, centre, gold, severity=severity, labels=labels,
                            wide=float(np.sqrt(variance + FIT**2)))  # fmt: skip
    return value, noise + (doubt(work.counts, judges) if counts.any() else REVIEWERS**2)


# -- queues ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lessons:
    """What outcomes say about queues and about how fast people work; row q is queue q."""

    minutes: Floats  # (Q,) factor on the minutes of a unit
    minutes_sd: Floats  # (Q,) of its logarithm
    shift: Floats  # (Q,) added to the difficulty
    shift_sd: Floats
    units: Floats  # (Q,) settled units behind it
    pace: Mapping[int, tuple[float, float]]  # of a person at work over the test's: log factor and its variance

    def paces(self, people: Sequence[Applicant]) -> tuple[Floats, Floats]:
        """(E,) factor on everybody's minutes, and the variance of its logarithm."""
        found = np.array([self.pace.get(person.id, (0.0, PACE**2)) for person in people]).reshape(-1, 2)
        return np.exp(found[:, 0]), found[:, 1]


def lessons(db: Session, program: Program, queues: Sequence[QueueForm]) -> Lessons:
    """Minutes and difficulty of the queues, pooled over queues of a kind, and people's pace at work."""
    told = [settled(db, program, queue.name) for queue in queues]
    return taught(told, [queue.kind for queue in queues])


def taught(told: Sequence[Sequence[Settled]], kinds: Sequence[str]) -> Lessons:
    """What settled units, one list a queue, teach."""
    group = np.array([sorted(set(kinds)).index(kind) for kind in kinds], dtype=np.intp)
    who = sorted({one.person for some in told for one in some})
    row = {person: e for e, person in enumerate(who)}
    units, logs = np.zeros((len(who), len(told))), np.zeros((len(who), len(told)))
    for q, some in enumerate(told):
        for one in some:
            units[row[one.person], q] += 1
            logs[row[one.person], q] += one.log_ratio
    found = paced(logs, units, group, spread=SPREAD, person=PACE, between=BETWEEN, across=ACROSS)
    raw = np.array([raw_shift(some) for some in told]).reshape(-1, 2)
    shift, shift_var = pooled(raw[:, 0], raw[:, 1], group, between=SHIFT_BETWEEN, across=SHIFT_ACROSS)
    pace = dict(zip(who, zip(found.person.tolist(), found.person_var.tolist(), strict=True), strict=True))
    return Lessons(np.exp(found.group), np.sqrt(found.group_var), shift, np.sqrt(shift_var), units.sum(axis=0), pace)


@dataclass(frozen=True)
class Settled:
    """One settled first submission beside what was expected of it."""

    at: datetime
    predicted: float  # P(accepted on first pass)
    accepted: bool
    expected: float  # minutes
    minutes: float
    person: int = 0
    learnt: float = 1.0  # factor on the minutes that earlier outcomes had put into what was expected
    shift: float = 0.0  # of difficulty, likewise

    @property
    def log_ratio(self) -> float:
        """Log of the minutes over those that vetting and the scope alone expected."""
        return float(np.log(max(self.minutes, 0.1) * self.learnt / max(self.expected, 0.1)))


def settled(db: Session, program: Program, queue: str) -> list[Settled]:
    """First submissions of a queue that were judged, oldest first."""
    mine = Unit.program_id == program.id, Unit.queue == queue, deliverable()
    made = db.execute(
        select(Submission.id, Submission.unit_id, Submission.seconds, Offer.applicant_id, Offer.why)
        .join(Unit, Unit.id == Submission.unit_id).join(Offer, Offer.id == Submission.offer_id)
        .where(*mine).order_by(Submission.id)
    )  # fmt: skip
    first: dict[int, tuple[int, float, int, Json]] = {}
    for key, unit, seconds, person, why in made:
        first.setdefault(unit, (key, seconds, person, why))
    found, customers = latest(db, Outcome, mine), latest(db, CustomerVerdict, mine)
    return [
        Settled(
            outcome.at, why["acceptance"], customers.get(key, outcome).level == 2, why["minutes"], seconds / 60, person,
            why.get("learnt", 1.0), why.get("shift", 0.0),
        )
        for key, seconds, person, why in first.values()
        if (outcome := found.get(key)) and outcome.settled in EVIDENCE and "acceptance" in why
    ]  # fmt: skip


def latest(db: Session, what: type[Outcome | CustomerVerdict], mine: Iterable[ColumnElement[bool]]) -> dict[int, Any]:
    """{submission: the columns of the latest that was found of it}."""
    columns = [what.submission_id, what.at, what.level, *([what.settled] if what is Outcome else [])]
    rows = select(*columns).join(Submission, Submission.id == what.submission_id)
    return {row.submission_id: row for row in db.execute(
        rows.join(Unit, Unit.id == Submission.unit_id).where(*mine).order_by(what.id)
    )}  # fmt: skip


def under_way(db: Session, program: Program, people: Sequence[Applicant], queues: Sequence[QueueForm]) -> Floats:
    """(E, Q) units that somebody made and that are not settled yet: what they tell is still to come."""
    who, made = Offer.applicant_id, (Submission.offer_id == Offer.id, Submission.unit_id == Unit.id)
    waiting = select(who, Unit.queue, func.count()).where(
        *made, Unit.program_id == program.id, ~Submission.outcomes.any()
    )
    found = {(person, queue): count for person, queue, count in db.execute(waiting.group_by(who, Unit.queue))}
    return np.array([[float(found.get((one.id, queue.name), 0)) for queue in queues] for one in people])


def raw_shift(told: Sequence[Settled]) -> tuple[float, float]:
    """(shift of difficulty, its variance) of one queue; inf without any.

    One step of scoring from the shift that each forecast held already: a probit residual over its slope,
    Σ (φ s + p - a) / Σ φ, with variance Σ p (1 - p) / (Σ φ)².
    """
    if not told:
        return 0.0, np.inf
    p = np.clip([one.predicted for one in told], 0.02, 0.98)
    accepted = np.array([one.accepted for one in told], dtype=float)
    held = np.array([one.shift for one in told])
    slope = density(p)
    return float((slope * held + p - accepted).sum() / slope.sum()), float((p * (1 - p)).sum() / slope.sum() ** 2)


def density(p: Floats) -> Floats:
    """φ(Φ⁻¹(p))."""
    return np.asarray(np.exp(-(ndtri(p) ** 2) / 2) / np.sqrt(2 * np.pi))


def fits(
    people: Sequence[Applicant], program: Program, queues: Sequence[QueueForm], centre: Floats, variance: Floats,
    judges: Readings,
) -> tuple[Floats, Floats]:  # fmt: skip
    """(E, Q) value and noise of what each person's own outcomes in a queue say of them there; noise inf without any.

    centre, variance (E, Q): of each queue's weighted skill as it is believed.
    """
    value, noise = np.zeros((len(people), len(queues))), np.full((len(people), len(queues)), np.inf)
    names = [queue.name for queue in queues]
    for e, person in enumerate(people):
        for work in works(person.work_seen):
            subject = work.program == program.id and work.queue in names
            if subject and set(work.skills) == set(skills_of(queues[names.index(work.queue)], "content")):
                q = names.index(work.queue)
                value[e, q], noise[e, q] = tallied(work, float(centre[e, q]), float(variance[e, q]), judges)
    return value, noise
