"""Which units may wait for a person, a few at a time: the database narrows, the rules of offering.py decide.

A queue may hold a hundred thousand units of which a handful is open to somebody. Each search names, oldest unit first,
every unit that its rule could let through, and as few others as indices can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from math import ceil

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from vetting.records import Applicant, Availability, Program
from vetting.scope import QueueForm
from vetting.units import work
from vetting.work_records import (
    Dispute,
    Finding,
    Look,
    Offer,
    Outcome,
    Release,
    Reply,
    Resolution,
    Review,
    Submission,
    Suspicion,
    Unit,
    deliverable,
)

FEW, MANY = 4, 64  # units whose history is read at first, and at most, at once
MOST = 5000  # of a person's returned units, or of open disputes
Clause = ColumnElement[bool]


def candidates(
    db: Session, program: Program, queue: QueueForm, task: str, person: Applicant, now: datetime, *, pilot: bool = False
) -> Iterator[Unit]:
    """Units of the queue that this person could be offered for a task, with their history, oldest first.

    Tasks: "rework" (their own, sent back), "resolve", "produce", "review", "second". With `pilot`, the pilot's alone.
    """
    here = [Unit.program_id == program.id, Unit.queue == queue.name, *([Unit.pilot] if pilot else [])]
    here.append(deliverable())
    if task in FEW_OF:
        ids = db.scalars(FEW_OF[task](person).limit(MOST)).all()
        if not ids:
            return
        here.append(Unit.id.in_(ids))
    here += narrowed(db, queue, task, person, now)
    last, size = 0, FEW
    while True:
        page = select(Unit).where(*here, Unit.number > last).order_by(Unit.number).limit(size).options(*work.HISTORY)
        found = db.scalars(page).all()
        yield from found
        if len(found) < size:
            return
        last, size = found[-1].number, min(2 * size, MANY)


def narrowed(db: Session, queue: QueueForm, task: str, person: Applicant, now: datetime) -> list[Clause]:
    """What the database can tell of a task's rule."""
    if task == "rework":
        return []
    free = [~left(person, task)] if task == "review" else [~left(person, task), ~busy(task, now)]
    if task == "produce":
        return [or_(~SUBMITTED, Unit.id.in_(GIVEN_BACK)), ~took(person), *free]
    if task == "resolve":
        return [~took(person), *free]
    apart = [UNSETTLED, Unit.id.not_in(DISPUTED), ~made_by([person.id]), ~judged_by(person)]
    if queue.outside_team and (mates := teammates(db, person)):
        apart.append(~made_by(mates))
    if task == "second":
        enough = needed(queue, int(queue.reviews)) <= GIVEN
    else:
        enough = GIVEN + out(now) < needed(queue, ceil(queue.reviews))
    return [*apart, enough, *free]


# -- pieces of a search --------------------------------------------------------------------------------


LAST = select(func.max(Submission.id)).where(Submission.unit_id == Unit.id).correlate(Unit).scalar_subquery()
SINCE = select(func.max(Submission.at)).where(Submission.unit_id == Unit.id).correlate(Unit).scalar_subquery()
SUBMITTED = exists(1).where(Submission.unit_id == Unit.id).correlate(Unit)
UNSETTLED = (
    exists(1)
    .where(
        Submission.unit_id == Unit.id,
        ~exists(1).where(Outcome.submission_id == Submission.id).correlate(Submission),
        Submission.id == LAST,
    )
    .correlate(Unit)
)
GIVEN = (  # first reviews of the latest version
    select(func.count(Review.id)).join(Offer).where(Review.submission_id == LAST, Offer.task == "review")
    .correlate(Unit).scalar_subquery()
)  # fmt: skip
DISPUTED = (
    select(Dispute.unit_id).outerjoin(Resolution, Resolution.dispute_id == Dispute.id).where(Resolution.id.is_(None))
)

ANOTHER, LATER = aliased(Submission), aliased(Offer)
IS_LAST = ~exists(1).where(ANOTHER.unit_id == Submission.unit_id, ANOTHER.id > Submission.id).correlate(Submission)
OFFERED_AGAIN = (
    exists(1)
    .where(LATER.unit_id == Submission.unit_id, LATER.task == "produce", LATER.at > Submission.at)
    .correlate(Submission)
)
GIVEN_BACK = union_all(  # for somebody fresh: rejected, found to be copied or the like, or left by its maker
    select(Submission.unit_id).join(Outcome).where(Outcome.verdict == "rejected", IS_LAST),
    select(Submission.unit_id).join(Outcome).where(Outcome.verdict == "sent back", IS_LAST, OFFERED_AGAIN),
    select(Submission.unit_id).join(Suspicion).join(Finding).where(Finding.upheld, IS_LAST),
)


def sent_back_to(person: Applicant) -> Select[int]:
    mine = Outcome.applicant_id == person.id, Outcome.verdict == "sent back"
    return select(Submission.unit_id).join(Outcome).where(*mine, IS_LAST)


FEW_OF: dict[str, Callable[[Applicant], Select[int]]] = {  # tasks of a few units, which are looked up first
    "rework": sent_back_to,
    "resolve": lambda _: DISPUTED.order_by(Dispute.unit_id),
}


def alive(now: datetime) -> Clause:
    """The offer waits for its answer or its work, as work.alive says."""
    reply = exists(1).where(Reply.offer_id == Offer.id).correlate(Offer)
    taken = Reply.offer_id == Offer.id, Reply.taken, Reply.at > now - work.WORK_WITHIN
    given_back = exists(1).where(Release.offer_id == Offer.id).correlate(Offer)
    fresh = and_(~reply, Offer.at > now - work.ANSWER_WITHIN)
    return or_(fresh, and_(exists(1).where(*taken).correlate(Offer), ~done(), ~given_back))


WORK = (Submission, Review, Resolution, Look)


def done() -> Clause:
    """Something came of the offer."""
    return or_(
        *(exists(1).where(kind.offer_id == Offer.id).correlate(Offer) for kind in (Submission, Review, Resolution))
    )


def busy(task: str, now: datetime) -> Clause:
    """Somebody has the task of the unit's latest version in hand."""
    lately = or_(~SUBMITTED, Offer.at >= SINCE)
    return exists(1).where(Offer.unit_id == Unit.id, Offer.task == task, lately, alive(now)).correlate(Unit)


def left(person: Applicant, task: str) -> Clause:
    """The task of the unit was offered to this person, and nothing came of it."""
    return Unit.id.in_(select(Offer.unit_id).where(Offer.applicant_id == person.id, Offer.task == task, ~done()))


def took(person: Applicant) -> Clause:
    """A unit that this person ever made, judged or took."""
    return Unit.id.in_(select(Offer.unit_id).join(Reply).where(Offer.applicant_id == person.id, Reply.taken))


def made_by(people: list[int]) -> Clause:
    made = exists(1).where(
        Submission.unit_id == Unit.id, Offer.id == Submission.offer_id, Offer.applicant_id.in_(people)
    )  # fmt: skip
    return made.correlate(Unit)


def judged_by(person: Applicant) -> Clause:
    said = Review.submission_id == LAST, Offer.id == Review.offer_id, Offer.applicant_id == person.id
    return exists(1).where(*said).correlate(Unit)


def out(now: datetime) -> ColumnElement[int]:
    """First reviews of the latest version that are in hand."""
    held = Offer.unit_id == Unit.id, Offer.task == "review", Offer.at >= SINCE, alive(now)
    return select(func.count(Offer.id)).where(*held).correlate(Unit).scalar_subquery()


def needed(queue: QueueForm, share: int) -> ColumnElement[int]:
    """First reviews of a unit that get so many outside the pilot, as work.needed says."""
    return case((Unit.pilot, max(share, queue.raters - queue.judging)), else_=share)


def teammates(db: Session, person: Applicant) -> list[int]:
    """Everybody whose team is this person's now; empty without a team."""
    latest = select(func.max(Availability.id)).group_by(Availability.applicant_id)
    team = person.offers[-1].team if person.offers else ""
    mates = select(Availability.applicant_id).where(Availability.id.in_(latest), Availability.team == team)
    return list(db.scalars(mates)) if team else []
