"""How strict and how careless each judge of work is, and publishing it, so that outcomes are read by who stands behind.

Every verdict on made work counts: reviews, third persons' decisions, the customer's, and looks at gold. Makers are the
anchors: what vetting says of them and what others than this judge found of their work in the queue. Units that are
judgements themselves are left out: their verdicts are labels, and have no order from worse to better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Pool, Select, func, select
from sqlalchemy.orm import Session, aliased

from assignment.pooling import FIT
from assignment.reviewing import NOBODY, SEVERITY, Reviewing, read_parts
from irt.belief import Posterior
from vetting import evidence, store
from vetting import scale as scales
from vetting.judges import CUSTOMER
from vetting.known import STEPS, looks_at_gold
from vetting.learning import EVIDENCE, Work, skills_of, tallied
from vetting.programs import worded
from vetting.quality import looks
from vetting.records import (
    Answer,
    Applicant,
    Calibration,
    Certificate,
    Erasure,
    Grade,
    Json,
    Program,
    Question,
    Queue,
    Sitting,
    Turn,
)
from vetting.scale import Scale
from vetting.scope import QueueForm
from vetting.work_records import (
    CustomerVerdict,
    Dispute,
    Gold,
    Look,
    Offer,
    Outcome,
    Resolution,
    Review,
    Submission,
    Unit,
)

Seat = tuple[int, int, str]  # person, program, queue
Standing = tuple[int, ...]
Asked = Select[*tuple[Any, ...]]
FACTS = (
    Calibration, Applicant, Erasure, Sitting, Question, Turn, Answer, Grade, Certificate, Program, Queue, Unit, Offer,
    Submission, Review, Dispute, Resolution, Outcome, CustomerVerdict, Gold, Look,
)  # fmt: skip
VAGUE = 1.0  # variance of how good the work of a gold unit is, of whose maker nothing is known


RECENT, LEAST_FOR_DRIFT = 50, 20  # verdicts that a change is looked for in; fewer on either side say nothing
DRIFT = 2.576  # standard errors: 1 false alarm in 100 looks, either way


@dataclass(frozen=True)
class Verdict:
    """One judge's level on one piece of work, and somebody else's on the same."""

    judge: str
    maker: Seat
    level: int
    other: int  # NOBODY without any
    at: datetime  # of the work, or of the look at gold


@dataclass(frozen=True, eq=False)
class Made:
    """A piece of made work with everybody's levels."""

    maker: Seat
    at: datetime
    form: QueueForm
    levels: Mapping[str, int]  # by judge, the weightiest last
    settled: int | None  # level of its outcome, where it is evidence


@dataclass(frozen=True)
class Judge:
    """One judge of work as their verdicts show them."""

    judge: str
    name: str
    found: Reviewing
    live: Reviewing | None  # as the published scale reads them; None: as anybody
    drift: float | None = None  # standard errors by which the last verdicts are stricter than those before

    @property
    def drifts(self) -> bool:
        """Whether the last verdicts differ by more than chance would have it."""
        return self.drift is not None and abs(self.drift) > DRIFT

    def as_json(self) -> Json:
        return {"judge": self.judge, "name": self.name, **asdict(self.found), "drift": self.drift,
                "live": asdict(self.live) if self.live else None}  # fmt: skip


def measure(db: Session, scale: Scale, now: datetime, *, simulated: bool = False) -> list[Judge]:
    """Everybody who judged made work, by name."""
    done = list(made(db, simulated=simulated))
    by_seat: dict[Seat, list[Made]] = {}
    for work in done:
        by_seat.setdefault(work.maker, []).append(work)
    people = {person.id: person for person in db.scalars(select(Applicant).where(Applicant.simulated == simulated))}
    vetted = {e: evidence.belief_without(people[e], None, scale, now) for e in {one.maker[0] for one in done}}
    verdicts: dict[str, list[Verdict]] = {}
    for one in [*(said for work in done for said in verdicts_on(work)), *gold_verdicts(people.values())]:
        verdicts.setdefault(one.judge, []).append(one)
    names = {str(e): person.name or f"Applicant {e}" for e, person in people.items()}
    names |= {f"{CUSTOMER}{p.id}": f"Customer of {p.name}" for p in db.scalars(select(Program))}
    found = []
    for judge, told in sorted(verdicts.items()):
        seen, drift = reading(judge, told, by_seat, vetted, scale)
        found.append(Judge(judge, names.get(judge, judge), seen, scale.reviewers.get(judge), drift))
    return found


# Facts are only added, and what is erased leaves a fact behind: by the same facts the same is measured. Each database
# has its own, and keeps what was measured last.
_measured: WeakKeyDictionary[Pool, dict[bool, tuple[Standing, list[Judge]]]] = WeakKeyDictionary()


def measured(db: Session, now: datetime, *, simulated: bool = False) -> list[Judge]:
    """The same on the newest scale, and only once for the same facts."""
    stand = standing(db, now)
    kept = _measured.setdefault(store.place(db), {})
    if simulated in kept and kept[simulated][0] == stand:
        return kept[simulated][1]
    found = measure(db, scales.of(scales.latest(db)), now, simulated=simulated)
    if store.only_reads(db):  # what is not kept yet may never be
        kept[simulated] = stand, found
    return found


def standing(db: Session, now: datetime) -> Standing:
    """The newest of every kind of fact that a measurement rests on, and how many there are; papers that ran out."""
    asked = [one for kind in FACTS for one in (select(func.max(kind.id)), select(func.count(kind.id)))]
    asked.append(select(func.count(Certificate.id)).where(Certificate.expires <= now))
    row = db.execute(select(*(one.scalar_subquery() for one in asked))).one()
    return tuple(int(number or 0) for number in row)


# -- verdicts ----------------------------------------------------------------------------------------


def made(db: Session, *, simulated: bool) -> Iterator[Made]:
    """All submissions of made units by real people, or by simulated ones, with their verdicts; read by columns."""
    levels = levels_of(db, simulated=simulated)
    outcome = select(Outcome.submission_id, Outcome.level, Outcome.settled).join(Submission).order_by(Outcome.id)
    settled = {row.submission_id: row for row in db.execute(of_made(outcome, simulated=simulated))}
    asked = (
        select(Submission.id, Submission.at, Submission.queue_id, Offer.applicant_id, Unit.program_id, Unit.queue)
        .join(Unit, Unit.id == Submission.unit_id).join(Offer, Offer.id == Submission.offer_id)
        .join(Applicant, Applicant.id == Offer.applicant_id)
        .where(Applicant.simulated == simulated, Submission.label == "").order_by(Submission.id)
    )  # fmt: skip
    for key, at, wording, person, program, queue in db.execute(asked):
        found = settled.get(key)
        told = found.level if found is not None and found.settled in EVIDENCE else None
        form = worded(db.get_one(Queue, wording))
        yield Made((person, program, queue), at, form, levels.get(key, {}), told)


def of_made(asked: Asked, *, simulated: bool) -> Asked:
    """Those of rows about submissions that are of made units, by real people or by simulated ones."""
    maker = aliased(Offer)
    return (
        asked.join(maker, maker.id == Submission.offer_id).join(Applicant, Applicant.id == maker.applicant_id)
        .where(Applicant.simulated == simulated, Submission.label == "")
    )  # fmt: skip


def levels_of(db: Session, *, simulated: bool) -> dict[int, dict[str, int]]:
    """{submission: every judge's level of the content}: reviewers in their order, third persons, the customer."""
    found: dict[int, dict[str, int]] = {}
    review = (
        select(Review.submission_id, Offer.applicant_id, Review.verdict, Review.errors)
        .join(Submission, Submission.id == Review.submission_id).join(Offer, Offer.id == Review.offer_id)
    )  # fmt: skip
    third = (
        select(Dispute.submission_id, Offer.applicant_id, Resolution.verdict, Resolution.errors)
        .join(Submission, Submission.id == Dispute.submission_id).join(Resolution).where(Resolution.verdict.in_(STEPS))
        .join(Offer, Offer.id == Resolution.offer_id)
    )  # fmt: skip
    for asked in (review.order_by(Review.id), third.order_by(Dispute.id)):
        for about, person, verdict, errors in db.execute(of_made(asked, simulated=simulated)):
            found.setdefault(about, {})[str(person)] = content(verdict, errors)
    customer = (
        select(CustomerVerdict.submission_id, Unit.program_id, CustomerVerdict.level)
        .join(Submission, Submission.id == CustomerVerdict.submission_id).join(Unit, Unit.id == Submission.unit_id)
    )  # fmt: skip
    for about, program, level in db.execute(of_made(customer.order_by(CustomerVerdict.id), simulated=simulated)):
        found.setdefault(about, {})[f"{CUSTOMER}{program}"] = level
    return found


def content(verdict: str, errors: Iterable[str]) -> int:
    """The level that a verdict gives the content: errors of style alone say nothing against it."""
    style_only = any("style" in error for error in errors) and not any("content" in error for error in errors)
    return STEPS.index("pass") if style_only else STEPS.index(verdict)


def verdicts_on(work: Made) -> Iterator[Verdict]:
    for judge, level in work.levels.items():
        others = [other for who, other in work.levels.items() if who != judge]
        yield Verdict(judge, work.maker, level, others[-1] if others else NOBODY, work.at)


def gold_verdicts(people: Iterable[Applicant]) -> Iterator[Verdict]:
    """Looks at gold: the other verdict is the known one."""
    for person in people:
        seen: list[Look] = [one for one in person.looks if looks.face(one.offer) != "produce"]
        for look, gold in looks_at_gold(seen):
            if look.verdict in STEPS and gold.verdict in STEPS:
                seat = (0, gold.unit.program_id, gold.unit.queue)
                level = content(look.verdict, look.errors)
                yield Verdict(str(person.id), seat, level, STEPS.index(gold.verdict), look.at)


# -- one judge -----------------------------------------------------------------------------------------


def reading(
    judge: str, told: list[Verdict], done: Mapping[Seat, list[Made]], vetted: Mapping[int, Posterior], scale: Scale
) -> tuple[Reviewing, float | None]:
    """One judge from their verdicts, makers being the anchors, and how their last verdicts differ from those before."""
    seats = sorted({one.maker for one in told})
    at = {seat: n for n, seat in enumerate(seats)}
    placed = [anchor(seat, judge, done, vetted, scale) for seat in seats]
    mean, variance = np.array(placed).T
    in_time = sorted(told, key=lambda one: one.at)
    rows = np.array([(at[one.maker], one.level, one.other) for one in in_time], dtype=np.intp)
    recent = min(RECENT, len(rows) // 2)
    parts = [slice(-recent), slice(-recent, None)] if recent >= LEAST_FOR_DRIFT else []
    found, *both = read_parts(mean, variance, *rows.T, parts=[slice(None), *parts])
    return found, apart(*both) if both else None


def apart(before: Reviewing, after: Reviewing) -> float | None:
    """By how many standard errors a judge has become stricter: both readings without what is usual, which they share.

    A reading is the usual, N(0, τ²), and the verdicts' own N(m, 1/p): 1/sd² = 1/τ² + p, mean/sd² = m p.
    """
    own = [1.0 / one.severity_sd**2 - 1.0 / SEVERITY**2 for one in (before, after)]
    if min(own) <= 0:
        return None
    first, last = (one.severity / one.severity_sd**2 / p for one, p in zip((before, after), own, strict=True))
    return float((last - first) / np.sqrt(1.0 / own[0] + 1.0 / own[1]))


def anchor(
    seat: Seat, judge: str, done: Mapping[Seat, list[Made]], vetted: Mapping[int, Posterior], scale: Scale
) -> tuple[float, float]:
    """(mean, variance) of how far somebody's ability lies above a queue's difficulty, from all but one judge."""
    here = done.get(seat, [])
    if not here:
        return 0.0, VAGUE
    form = here[-1].form
    weights = {skill: w for skill, w in skills_of(form, "content").items() if skill in scale.skills.position}
    rows, w = scale.skills.rows(weights), np.array(list(weights.values()))
    known = vetted[seat[0]]
    mean, variance = float(w @ known.mean[rows]), float(w @ known.belief.cov[np.ix_(rows, rows)] @ w) + FIT**2
    counts: dict[tuple[str, ...], list[int]] = {}
    for work in here:
        if work.settled is not None and judge not in work.levels:
            counts.setdefault(tuple(sorted(work.levels)), [0, 0, 0])[work.settled] += 1
    if not counts:
        return mean - form.difficulty, variance
    tallies = {who: (n[0], n[1], n[2]) for who, n in counts.items()}
    value, noise = tallied(
        Work(seat[1], seat[2], weights, form.difficulty, tallies), mean, variance - FIT**2, scale.reviewers
    )
    precision = 1.0 / variance + 1.0 / noise
    return (mean / variance + value / noise) / precision - form.difficulty, 1.0 / precision


# -- publishing ----------------------------------------------------------------------------------------


def publish(db: Session, found: Iterable[Judge], who: str, now: datetime) -> Calibration | None:
    """A calibration that reads these judges as they were found; None where nobody judged anything."""
    told = {one.judge: asdict(one.found) for one in found}
    if not told:
        return None
    newest = scales.latest(db)
    body = {**newest.body, "reviewers": {**newest.body.get("reviewers", {}), **told}}
    return scales.publish(db, body, f"{len(told)} judges of work measured", who, now)
