"""A program's reviewers in figures: how strict, how steady, how often overturned, how fast, and whether that changes.

Severity and slips are read from all of a person's verdicts on made work, in every program (reviewing.py); all else is
of this program. A figure that rests on fewer than LEAST verdicts is not shown to anybody: it would tell of chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from scipy.stats import norm
from sqlalchemy import select
from sqlalchemy.orm import Session

from vetting.judges import CUSTOMER
from vetting.known import STEPS
from vetting.programs import names, queues_of
from vetting.quality import gold, repeats, reviewing
from vetting.quality.progress import share
from vetting.quality.reviewing import DRIFT, Judge, content
from vetting.records import Applicant, Json, Program
from vetting.units.work import AMBIGUOUS
from vetting.work_records import CustomerVerdict, Dispute, Offer, Outcome, Resolution, Review, Submission, Unit

LEAST = 20  # verdicts before a figure is shown
LEAST_REPEATS = 10  # units met twice


@dataclass(frozen=True)
class Said:
    """One verdict of a reviewer, and what became of it."""

    queue: str
    seconds: float
    stands: bool | None  # None: nothing is settled yet


@dataclass(eq=False)
class Known:
    """How often somebody was right on gold, and said the same twice: hits and looks."""

    gold: tuple[int, int] = (0, 0)
    repeats: tuple[int, int] = (0, 0)
    verdicts: list[Said] = field(default_factory=list)


def account(db: Session, program: Program, now: datetime) -> list[Json]:
    """Everybody who judged work of this program, by name, and its customer last."""
    known = gathered(db, program, now)
    people = {str(one.id): one for one in db.scalars(select(Applicant).where(Applicant.id.in_(map(int, known))))}
    judges = measured(db, people.values(), program, now)
    usual = usual_seconds(known.values())
    called = names(people.values())
    rows = [row(who, called[who], seen, judges.get(who), usual) for who, seen in known.items() if who in people]
    customer = judges.get(f"{CUSTOMER}{program.id}")
    if customer is not None:
        rows.append(row(customer.judge, "The customer", Known(), customer, usual))
    return sorted(rows, key=lambda one: (one["id"].startswith(CUSTOMER), one["name"].casefold(), one["id"]))


def row(who: str, name: str, seen: Known, judge: Judge | None, usual: Mapping[str, float]) -> Json:
    """One reviewer; a figure is None where too few verdicts stand behind it."""
    settled = [one.stands for one in seen.verdicts if one.stands is not None]
    timed = [one for one in seen.verdicts if one.seconds > 0]
    drift = judge.drift if judge is not None else None
    return {
        "id": who, "name": name, "reviews": len(seen.verdicts), "least": LEAST,
        "read": None if judge is None else judge.found.verdicts,
        **(severity(judge) if judge is not None and judge.found.verdicts >= LEAST else NO_READING),
        "overturned": enough(settled.count(False), len(settled), LEAST),
        "minutes": median(one.seconds for one in timed) / 60 if len(timed) >= LEAST else None,
        "pace": median(one.seconds / usual[one.queue] for one in timed) if len(timed) >= LEAST else None,
        "gold": enough(*seen.gold, LEAST_REPEATS), "repeats": enough(*seen.repeats, LEAST_REPEATS),
        "drift": drift, "drifts": drift is not None and abs(drift) > DRIFT,
    }  # fmt: skip


NO_READING: Json = {"severity": None, "slip": None, "passes": None}


def severity(judge: Judge) -> Json:
    """How strict and how careless, with standard errors, and what of a toss-up would pass."""
    found = judge.found
    return {
        "severity": {"value": found.severity, "sd": found.severity_sd},
        "slip": {"value": found.slip, "sd": found.slip_sd},
        "passes": float(norm.cdf(-found.severity)),  # of work that the usual reviewer passes every second time
    }


def enough(hits: int, of: int, least: int) -> Json | None:
    """A share with its interval, where there is enough to speak of."""
    return share(hits, of) if of >= least else None


def usual_seconds(everybody: Iterable[Known]) -> dict[str, float]:
    """{queue: seconds that a verdict takes, in the median over all of its reviewers}."""
    took: dict[str, list[float]] = {}
    for seen in everybody:
        for one in seen.verdicts:
            if one.seconds > 0:
                took.setdefault(one.queue, []).append(one.seconds)
    return {queue: median(some) for queue, some in took.items()}


# -- what is on record --------------------------------------------------------------------------------


def gathered(db: Session, program: Program, now: datetime) -> dict[str, Known]:
    """{person: what is known of their judging here}."""
    found: dict[str, Known] = {}
    for who, one in verdicts(db, program):
        found.setdefault(who, Known()).verdicts.append(one)
    for queue in queues_of(program):
        for one in gold.results(db, program, queue.name, now)["people"]:
            seen = found.setdefault(str(one["id"]), Known())
            seen.gold = plus(seen.gold, one)
        for one in repeats.self_agreement(db, program, queue)["people"]:
            seen = found.setdefault(str(one["id"]), Known())
            seen.repeats = plus(seen.repeats, one)
    return found


def plus(before: tuple[int, int], one: Json) -> tuple[int, int]:
    """Hits and looks together with those of one more queue."""
    return before[0] + round((one["share"] or 0.0) * one["of"]), before[1] + one["of"]


def verdicts(db: Session, program: Program) -> Iterable[tuple[str, Said]]:
    """Every review, and every label of a unit that is a judgement, and whether it stands; columns, not objects."""
    last = last_words(db, program)
    settled = set(db.scalars(
        select(Outcome.submission_id).join(Submission).join(Unit).where(Unit.program_id == program.id)
    ))  # fmt: skip
    reviews = (
        select(Offer.applicant_id, Unit.queue, Review.submission_id, Review.verdict, Review.errors, Review.seconds)
        .join(Review, Review.offer_id == Offer.id).join(Unit, Unit.id == Offer.unit_id)
        .where(Unit.program_id == program.id)
    )  # fmt: skip
    for who, queue, about, verdict, errors, seconds in db.execute(reviews):
        stands = not overturned(verdict, errors, last.get(about, ())) if about in settled else None
        yield str(who), Said(queue, seconds, stands)
    labels = (
        select(Offer.applicant_id, Unit.queue, Submission.id, Submission.label, Submission.seconds)
        .join(Submission, Submission.offer_id == Offer.id).join(Unit, Unit.id == Offer.unit_id)
        .where(Unit.program_id == program.id, Submission.label != "")
    )  # fmt: skip
    for who, queue, about, label, seconds in db.execute(labels):
        stands = not overturned(label, (), last.get(about, ())) if about in settled else None
        yield str(who), Said(queue, seconds, stands)


def last_words(db: Session, program: Program) -> dict[int, tuple[str, int | None]]:
    """{submission: the verdict that took the place of all others, and its level where verdicts have an order}."""
    third = (
        select(Dispute.submission_id, Resolution.verdict, Resolution.errors)
        .join(Resolution, Resolution.dispute_id == Dispute.id).join(Unit, Unit.id == Dispute.unit_id)
        .where(Unit.program_id == program.id, Resolution.verdict != AMBIGUOUS)
    )  # fmt: skip
    found: dict[int, tuple[str, int | None]] = {
        about: (verdict, content(verdict, errors) if verdict in STEPS else None)
        for about, verdict, errors in db.execute(third)
    }
    customers = (
        select(CustomerVerdict.submission_id, CustomerVerdict.level)
        .join(Submission, Submission.id == CustomerVerdict.submission_id).join(Unit, Unit.id == Submission.unit_id)
        .where(Unit.program_id == program.id, Submission.label == "").order_by(CustomerVerdict.id)
    )  # fmt: skip
    return found | {about: (STEPS[level], level) for about, level in db.execute(customers)}


def overturned(verdict: str, errors: Sequence[str], last: tuple[()] | tuple[str, int | None]) -> bool:
    """Whether somebody else's word took the place of this verdict; of made work only the content counts."""
    if not last:
        return False
    word, level = last
    return verdict != word if level is None or verdict not in STEPS else content(verdict, errors) != level


def measured(db: Session, people: Iterable[Applicant], program: Program, now: datetime) -> dict[str, Judge]:
    """{judge: how they are read}, of the program's reviewers and its customer; labels have no order, so no severity."""
    if all(queue.judging for queue in queues_of(program)):
        return {}
    kinds = {person.simulated for person in people}
    return {one.judge: one for kind in kinds for one in reviewing.measured(db, now, simulated=kind)}
