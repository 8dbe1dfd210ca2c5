"""A queue's units read by columns: as work.whole reads them, with a tenth of the time and memory.

What stands here has the names of the records and is read by the same functions (work.state, gate.judgements, …), but
is no record: nothing can be added to it. Texts are left out until `with_texts` passes by with them, and of the offers
only those are here that may still be alive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, cast

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from vetting.records import Program, Queue
from vetting.units.work import ANSWER_WITHIN, WORK_WITHIN
from vetting.work_records import (
    Dispute,
    MechanicalCheck,
    Offer,
    Outcome,
    Release,
    Reply,
    Resolution,
    Review,
    Source,
    Submission,
    Suspicion,
    Unit,
    deliverable,
)

BATCH = 500  # rows with texts in memory at once


@dataclass(slots=True, eq=False)
class Answered:
    """A reply to an offer."""

    taken: bool
    at: datetime


@dataclass(slots=True, eq=False)
class Offered:
    """An offer that nothing came of yet, or who did something and as what."""

    applicant_id: int
    task: str
    at: datetime | None = None
    reply: Answered | None = None
    product: None = None
    release: None = None


@dataclass(slots=True, eq=False)
class Reviewed:
    """A review, or a resolution."""

    offer: Offered
    verdict: str
    errors: list[str]
    wrong_steps: list[int]


@dataclass(slots=True, eq=False)
class Settled:
    """An outcome."""

    verdict: str
    settled: str
    at: datetime


@dataclass(slots=True, eq=False)
class Disputed:
    """A dispute."""

    submission_id: int
    resolution: Reviewed | None


@dataclass(slots=True, eq=False)
class Made:
    """A submission."""

    id: int
    unit_id: int
    unit: Entry
    offer: Offered
    queue_id: int
    wording: Queue
    at: datetime
    label: str
    wrong_steps: list[int]
    attested: str
    text: str = ""
    checks: list[str] = field(default_factory=list)  # their names
    reviews: list[Reviewed] = field(default_factory=list)
    suspicions: Sequence[Suspicion] = ()
    outcome: Settled | None = None


@dataclass(slots=True, eq=False)
class Sourced:
    """What the file said of a unit."""

    language: str
    part: str
    tags: list[str]


@dataclass(slots=True, eq=False)
class Entry:
    """A unit."""

    id: int
    number: int
    pilot: bool
    at: datetime
    queue: str
    program_id: int
    program: Program
    content: str = ""
    source: Sourced | None = None
    offers: list[Offered] = field(default_factory=list)
    submissions: list[Made] = field(default_factory=list)
    disputes: list[Disputed] = field(default_factory=list)


def entries(db: Session, program: Program, queue: str, now: datetime) -> Sequence[Unit]:
    """The units of a queue as work.whole gives them, but for their texts; to be read alone."""
    mine = Unit.program_id == program.id, Unit.queue == queue, deliverable()
    asked = select(Unit.id, Unit.number, Unit.pilot, Unit.at).where(*mine).order_by(Unit.number)
    units = {row[0]: Entry(*row, queue, program.id, program) for row in db.execute(asked)}

    def of_queue(rows: Asked) -> Iterable[Any]:
        return db.execute(rows.where(*mine))

    made = submissions(db, units, of_queue)
    judgements(made, of_queue)
    for about, verdict, settled, at in of_queue(
        select(Outcome.submission_id, Outcome.verdict, Outcome.settled, Outcome.at)
        .join(Submission, Submission.id == Outcome.submission_id).join(Unit, Unit.id == Submission.unit_id)
        .order_by(Outcome.id)
    ):  # fmt: skip
        made[about].outcome = Settled(verdict, settled, at)
    disputes(units, of_queue)
    suspected(db, made, mine)
    for unit, person, at, taken, replied in of_queue(maybe_alive(now)):
        units[unit].offers.append(Offered(person, "produce", at, None if taken is None else Answered(taken, replied)))
    return cast("Sequence[Unit]", list(units.values()))


Asked = Select[*tuple[Any, ...]]
Rows = Callable[[Asked], Iterable[Any]]


def submissions(db: Session, units: dict[int, Entry], of_queue: Rows) -> dict[int, Made]:
    """{id: submission}, each put to its unit, oldest first."""
    made: dict[int, Made] = {}
    asked = (
        select(Submission.id, Submission.unit_id, Offer.applicant_id, Submission.queue_id, Submission.at,
               Submission.label, Submission.wrong_steps, Submission.attested)
        .join(Offer, Offer.id == Submission.offer_id).join(Unit, Unit.id == Submission.unit_id).order_by(Submission.id)
    )  # fmt: skip
    for key, at_unit, person, worded, *said in of_queue(asked):
        unit, offer = units[at_unit], Offered(person, "produce")
        made[key] = Made(key, at_unit, unit, offer, worded, db.get_one(Queue, worded), *said)
        unit.submissions.append(made[key])
    noticed = select(MechanicalCheck.submission_id, MechanicalCheck.name).join(
        Submission, Submission.id == MechanicalCheck.submission_id
    )
    for about, name in of_queue(noticed.join(Unit, Unit.id == Submission.unit_id).order_by(MechanicalCheck.id)):
        made[about].checks.append(name)
    return made


def judgements(made: dict[int, Made], of_queue: Rows) -> None:
    asked = (
        select(Review.submission_id, Offer.applicant_id, Offer.task, Review.verdict, Review.errors, Review.wrong_steps)
        .join(Offer, Offer.id == Review.offer_id).join(Unit, Unit.id == Offer.unit_id).order_by(Review.id)
    )  # fmt: skip
    for about, person, task, *said in of_queue(asked):
        made[about].reviews.append(Reviewed(Offered(person, task), *said))


def disputes(units: dict[int, Entry], of_queue: Rows) -> None:
    asked = (
        select(Dispute.unit_id, Dispute.submission_id, Offer.applicant_id, Resolution.verdict, Resolution.errors,
               Resolution.wrong_steps)
        .join(Unit, Unit.id == Dispute.unit_id).outerjoin(Resolution, Resolution.dispute_id == Dispute.id)
        .outerjoin(Offer, Offer.id == Resolution.offer_id).order_by(Dispute.id)
    )  # fmt: skip
    for unit, about, person, *said in of_queue(asked):
        third = None if person is None else Reviewed(Offered(person, "resolve"), *said)
        units[unit].disputes.append(Disputed(about, third))


def suspected(db: Session, made: dict[int, Made], mine: tuple[Any, ...]) -> None:
    """Suspicions are few: they stay records."""
    asked = select(Suspicion).join(Submission).join(Unit).where(*mine).order_by(Suspicion.id)
    found: defaultdict[int, list[Suspicion]] = defaultdict(list)
    for one in db.scalars(asked.options(selectinload(Suspicion.findings), selectinload(Suspicion.appeals))):
        found[one.submission_id].append(one)
    for about, flags in found.items():
        made[about].suspicions = flags


def maybe_alive(now: datetime) -> Asked:
    """Offers to make a unit that nothing came of, and not so old that they must have lapsed."""
    return (
        select(Offer.unit_id, Offer.applicant_id, Offer.at, Reply.taken, Reply.at)
        .join(Unit, Unit.id == Offer.unit_id).outerjoin(Reply, Reply.offer_id == Offer.id)
        .outerjoin(Release, Release.offer_id == Offer.id).outerjoin(Submission, Submission.offer_id == Offer.id)
        .where(Offer.task == "produce", Offer.at > now - ANSWER_WITHIN - WORK_WITHIN, Release.id.is_(None),
               Submission.id.is_(None)).order_by(Offer.id)
    )  # fmt: skip


def with_texts(db: Session, units: Sequence[Unit]) -> Generator[Unit]:
    """Each of the units with its texts and source, which it has only until the next one comes."""
    if not units:
        return
    by_id = {unit.id: cast("Entry", unit) for unit in units}
    first = units[0]
    asked = (
        select(Unit.id, Unit.content, Source.language, Source.part, Source.tags, Submission.id, Submission.text)
        .outerjoin(Source, Source.unit_id == Unit.id).outerjoin(Submission, Submission.unit_id == Unit.id)
        .where(Unit.program_id == first.program_id, Unit.queue == first.queue)
        .order_by(Unit.number, Submission.id).execution_options(yield_per=BATCH)
    )  # fmt: skip
    with db.execute(asked) as found:
        for key, rows in groupby(found, key=lambda row: row[0]):
            if key in by_id:
                unit = by_id[key]
                fill(unit, list(rows))
                yield cast("Unit", unit)
                empty(unit)


def fill(unit: Entry, rows: Sequence[Any]) -> None:
    _, unit.content, language, part, tags, *_ = rows[0]
    unit.source = None if language is None else Sourced(language, part, tags)
    texts = {row[5]: row[6] for row in rows}
    for made in unit.submissions:
        made.text = texts.get(made.id, "")


def empty(unit: Entry) -> None:
    unit.content, unit.source = "", None
    for made in unit.submissions:
        made.text = ""
