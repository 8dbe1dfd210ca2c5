"""Which units may wait for a person, a few at a time: the database narrows, the rules of offering.py decide.

A queue may hold a hundred thousand units of which a handful is open to somebody. Each search names, oldest unit first,
every unit that its rule could let through, and as few others as indices can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import ceil

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from vetting import work
from vetting.records import Applicant, Availability, Program
from vetting.scope import QueueForm
from vetting.work_records import (
    Dispute,
    Finding,
    Offer,
    Outcome,
    Reply,
    Resolution,
    Review,
    Submission,
    Suspicion,
    Unit,
)

FEW = 16  # units whose history is read at once
Clause = ColumnElement[bool]


def candidates(
    db: Session, program: Program, queue: QueueForm, task: str, person: Applicant, now: datetime, *, pilot: bool = False
) -> Iterator[Unit]:
    """Units of the queue that this person could be offered for a task, with their history, oldest first.

    Tasks: "rework" (their own, sent back), "resolve", "produce", "review", "second". With `pilot`, the pilot's alone.
    """
    here = [Unit.program_id == program.id, Unit.queue == queue.name, *([Unit.pilot] if pilot else [])]
    here += narrowed(db, queue, task, person, now)
    last = 0
    while True:
        page = select(Unit).where(*here, Unit.number > last).order_by(Unit.number).limit(FEW).options(*work.HISTORY)
        found = db.scalars(page).all()
        yield from found
        if len(found) < FEW:
            return
        last = found[-1].number


def narrowed(db: Session, queue: QueueForm, task: str, person: Applicant, now: datetime) -> list[Clause]:
    """What the database can tell of a task's rule."""
    if task == "rework":
        return [Unit.id.in_(sent_back_to(person)), exists().where(Outcome.submission_id == LAST)]
    free = [~busy(task, now), ~left(person, task)]
    if task == "produce":
        return [or_(~SUBMITTED, GIVEN_BACK), ~took(person), *free]
    if task == "resolve":
        return [DISPUTED, ~took(person), *free]
    apart = [UNSETTLED, ~DISPUTED, ~made_by([person.id]), ~judged_by(person)]
    if queue.outside_team and (mates := teammates(db, person)):
        apart.append(~made_by(mates))
    return [*apart, *free] if task == "second" else [*apart, ~left(person, task), reviews(now) < most_reviews(queue)]


# -- pieces of a search --------------------------------------------------------------------------------


LAST = select(func.max(Submission.id)).where(Submission.unit_id == Unit.id).correlate(Unit).scalar_subquery()
SINCE = select(func.max(Submission.at)).where(Submission.unit_id == Unit.id).correlate(Unit).scalar_subquery()
SUBMITTED = exists(1).where(Submission.unit_id == Unit.id).correlate(Unit)
UNSETTLED = and_(SUBMITTED, ~exists(1).where(Outcome.submission_id == LAST).correlate(Unit))
UPHELD = Suspicion.submission_id == LAST, Finding.suspicion_id == Suspicion.id, Finding.upheld
GIVEN_BACK = or_(
    exists(1).where(Outcome.submission_id == LAST, Outcome.verdict != "accepted").correlate(Unit),
    exists(1).where(*UPHELD).correlate(Unit),
)
DISPUTED = Unit.id.in_(
    select(Dispute.unit_id).outerjoin(Resolution, Resolution.dispute_id == Dispute.id).where(Resolution.id.is_(None))
)


def alive(now: datetime) -> Clause:
    """The offer waits for its answer or its work, as work.alive says."""
    reply = exists(1).where(Reply.offer_id == Offer.id).correlate(Offer)
    taken = Reply.offer_id == Offer.id, Reply.taken, Reply.at > now - work.WORK_WITHIN
    fresh = and_(~reply, Offer.at > now - work.ANSWER_WITHIN)
    return or_(fresh, and_(exists(1).where(*taken).correlate(Offer), ~done()))


def done() -> Clause:
    """Something came of the offer."""
    return or_(*(exists(1).where(kind.offer_id == Offer.id).correlate(Offer) for kind in (Submission, Review, Resolution)))


def busy(task: str, now: datetime) -> Clause:
    """Somebody has the task of the unit's latest version in hand."""
    lately = or_(~SUBMITTED, Offer.at >= SINCE)
    return exists(1).where(Offer.unit_id == Unit.id, Offer.task == task, lately, alive(now)).correlate(Unit)


def left(person: Applicant, task: str) -> Clause:
    """This person was offered the task of this unit, and nothing came of it."""
    return Unit.id.in_(select(Offer.unit_id).where(Offer.applicant_id == person.id, Offer.task == task, ~done()))


def took(person: Applicant) -> Clause:
    """This person ever made, judged or took the unit."""
    return Unit.id.in_(select(Offer.unit_id).join(Reply).where(Offer.applicant_id == person.id, Reply.taken))


def made_by(people: list[int]) -> Clause:
    made = exists(1).where(
        Submission.unit_id == Unit.id, Offer.id == Submission.offer_id, Offer.applicant_id.in_(people)
    )  # fmt: skip
    return made.correlate(Unit)


def judged_by(person: Applicant) -> Clause:
    said = Review.submission_id == LAST, Offer.id == Review.offer_id, Offer.applicant_id == person.id
    return exists(1).where(*said).correlate(Unit)


def sent_back_to(person: Applicant) -> ColumnElement[int]:
    mine = Outcome.applicant_id == person.id, Outcome.verdict == "sent back"
    return select(Submission.unit_id).join(Outcome).where(*mine)


def reviews(now: datetime) -> ColumnElement[int]:
    """First reviews of the latest version, given or in hand."""
    given = select(func.count(Review.id)).join(Offer).where(Review.submission_id == LAST, Offer.task == "review")
    out = Offer.unit_id == Unit.id, Offer.task == "review", Offer.at >= SINCE, alive(now)
    awaited = select(func.count(Offer.id)).where(*out)
    return given.correlate(Unit).scalar_subquery() + awaited.correlate(Unit).scalar_subquery()


def most_reviews(queue: QueueForm) -> ColumnElement[int]:
    """The most that work.needed can ask for."""
    share = ceil(queue.reviews)
    return case((Unit.pilot, max(share, queue.raters - queue.judging)), else_=share)


def teammates(db: Session, person: Applicant) -> list[int]:
    """Everybody whose team is this person's now; empty without a team."""
    latest = select(func.max(Availability.id)).group_by(Availability.applicant_id)
    team = person.offers[-1].team if person.offers else ""
    mates = select(Availability.applicant_id).where(Availability.id.in_(latest), Availability.team == team)
    return list(db.scalars(mates)) if team else []
