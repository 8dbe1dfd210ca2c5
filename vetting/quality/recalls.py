"""Fresh labels: settled units go to people who never saw them. What they say stands beside what was said before.

Nothing is replaced. Where a unit was accepted because all agreed and a fresh label differs, it is a dispute for a third
person, as everywhere; where a third person has decided already, their word holds and the fresh labels are kept with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, selectinload

from vetting.quality import delivery
from vetting.records import Applicant, AuditEntry, Json, Program
from vetting.round_records import Recall
from vetting.scope import QueueForm
from vetting.units import ledger, work
from vetting.work_records import Dispute, Offer, Review, Unit

PEOPLE = (1, 7)
MOST = 500  # units at once
WAYS = ("confidence", "disputed", "reviewer", "numbers")


def choose(
    db: Session, program: Program, queue: QueueForm, now: datetime, *, way: str, below: float = 0.9,
    reviewer: int | None = None, numbers: Sequence[int] = (),
) -> list[Unit]:  # fmt: skip
    """Accepted units to send: whose label is least sure, who were disputed, whom one person reviewed, or by number."""
    units = [unit for unit in ledger.entries(db, program, queue.name, now) if work.state(unit, now) == "accepted"]
    if way == "confidence":
        sure = delivery.confidence(units, queue)
        wanted = sorted((unit for unit in units if sure.get(unit.id, 1.0) < below), key=lambda unit: sure[unit.id])
    elif way == "disputed":
        wanted = [unit for unit in units if unit.disputes]
    elif way == "reviewer":
        wanted = [u for u in units if reviewer in {one.offer.applicant_id for one in u.submissions[-1].reviews}]
    elif way == "numbers":
        by_number = {unit.number: unit for unit in units}
        if strangers := [number for number in numbers if number not in by_number]:
            raise work.FormError("numbers", f"Unit {strangers[0]} is not accepted. Maybe it is still in work.")
        wanted = [by_number[number] for number in dict.fromkeys(numbers)]
    else:
        raise work.FormError("way", f"Pick one of: {', '.join(WAYS)}.")
    asked = select(Unit).where(Unit.id.in_([unit.id for unit in wanted])).options(selectinload(Unit.submissions))
    found = {unit.id: unit for unit in db.scalars(asked)}
    return [found[unit.id] for unit in wanted]


def send(
    db: Session, units: Sequence[Unit], *, people: int, because: str, by: str, now: datetime, most: int = MOST
) -> list[Recall]:
    """Ask so many fresh people about each of these units; those that are out already are left."""
    if not PEOPLE[0] <= people <= PEOPLE[1]:
        raise work.FormError("people", f"Ask {PEOPLE[0]} to {PEOPLE[1]} people about each unit.")
    if not 1 <= most <= MOST:
        raise work.FormError("most", f"Send 1 to {MOST} units at once.")
    if len(because.strip()) < 3:
        raise work.FormError("because", "Give a reason; it is kept.")
    out = {recall.unit_id for recall in running(db, [unit.id for unit in units])}
    chosen = [unit for unit in units if unit.id not in out][:most]
    if not chosen:
        raise work.FormError("way", "No unit is like that, or all such are out already. Maybe ask for others.")
    sent = [
        Recall(at=now, unit=unit, submission=unit.submissions[-1], people=people, because=because, by=by)
        for unit in chosen
    ]
    about = {"units": [unit.id for unit in chosen], "people": people}
    db.add_all([*sent, AuditEntry(at=now, who=by, what="sent units to fresh people", about=about)])
    db.flush()
    return sent


def recalled(*which: ColumnElement[bool]) -> Select[Recall]:
    """Recalls with what came of them, oldest first."""
    unit = selectinload(Recall.unit)
    offers = unit.selectinload(Unit.offers)
    parts = [offers.selectinload(one) for one in (Offer.reply, Offer.review, Offer.release)]
    asked = select(Recall).join(Unit, Recall.unit).where(*which).order_by(Recall.id)
    return asked.options(*parts, unit.selectinload(Unit.submissions))


def unanswered() -> ColumnElement[bool]:
    """Recalls that still lack a label."""
    said = select(func.count(Review.id)).join(Offer).where(
        Offer.unit_id == Recall.unit_id, Offer.task == "again", Offer.at >= Recall.at,
        Review.submission_id == Recall.submission_id,
    )  # fmt: skip
    return said.correlate(Recall).scalar_subquery() < Recall.people


def running(db: Session, ids: Sequence[int]) -> list[Recall]:
    return [one for one in db.scalars(recalled(Recall.unit_id.in_(ids), unanswered())) if lacking(one) > 0]


def fresh_labels(recall: Recall) -> list[Review]:
    """What fresh people said since the unit was sent."""
    mine = [o.review for o in recall.unit.offers if o.task == "again" and o.at >= recall.at and o.review is not None]
    return [review for review in mine if review.submission_id == recall.submission_id]


def lacking(recall: Recall) -> int:
    """How many fresh labels are still asked for; none where the unit was made anew since."""
    moot = recall.unit.submissions[-1].id != recall.submission_id
    return 0 if moot else recall.people - len(fresh_labels(recall))


def due(db: Session, program: Program, person: Applicant, now: datetime) -> list[tuple[Recall, Unit]]:
    """Units that were sent to fresh people and that this person never met."""
    found = []
    met = select(Offer.unit_id).where(Offer.applicant_id == person.id)
    for recall in db.scalars(recalled(Unit.program_id == program.id, Recall.unit_id.not_in(met), unanswered())):
        unit = recall.unit
        out = [o for o in unit.offers if o.task == "again" and o.at >= recall.at and work.alive(o, now)]
        if lacking(recall) > len(out) and work.state(unit, now) == "accepted":
            found.append((recall, unit))
    return found


def settle(db: Session, offer: Offer, now: datetime) -> Dispute | None:
    """Once the last fresh label is in: a dispute, where one differs from what all had agreed on."""
    unit, last = offer.unit, offer.unit.submissions[-1]
    db.expire(unit)
    mine = [recall for recall in db.scalars(recalled(Recall.unit_id == unit.id)) if recall.submission_id == last.id]
    if not mine or lacking(mine[-1]) > 0 or any(one.submission_id == last.id for one in unit.disputes):
        return None
    holds = delivery.label_of(last, work.wording_of(last)) or "pass"
    differing = [review.verdict for review in fresh_labels(mine[-1]) if review.verdict != holds]
    if not differing:
        return None
    reason = f"fresh labels differ: {', '.join(differing)} against {holds}"
    opened = Dispute(at=now, unit=unit, submission=last, reason=reason, by="fresh look")
    db.add(opened)
    db.flush()
    return opened


def sent(db: Session, program: Program, queue: str) -> Sequence[int]:
    """What was sent of a queue, newest first."""
    asked = select(Recall.id).join(Unit, Recall.unit).where(Unit.program_id == program.id, Unit.queue == queue)
    return db.scalars(asked.order_by(Recall.id.desc())).all()


def account(db: Session, which: Sequence[int]) -> list[Json]:
    """These that were sent, and what came of them, newest first."""
    return [
        {"unit": recall.unit.number, "at": recall.at, "because": recall.because, "people": recall.people,
         "lacking": lacking(recall), "said": [review.verdict for review in fresh_labels(recall)]}
        for recall in reversed(db.scalars(recalled(Recall.id.in_(which))).all())
    ]  # fmt: skip
