"""Units that are mixed, unseen, among those an expert judges: gold units, and units they judged before.

Whether the n-th judgement of a person in a queue is replaced is drawn by lot from n, the person and the queue: nobody
can foresee it, the same state offers the same, and in the long run the share is the queue's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vetting.quality import gold, looks
from vetting.records import Applicant, Program
from vetting.scope import QueueForm
from vetting.work_records import Gold, Offer, Review, Unit


def instead(
    db: Session, program: Program, queue: QueueForm, person: Applicant, task: str, now: datetime
) -> tuple[str, Unit] | None:  # fmt: skip
    """What is offered in place of an ordinary judgement, if its turn has come: the kind, and the unit."""
    marked = select(Gold.id).join(Unit).where(Unit.program_id == program.id, Unit.queue == queue.name).limit(1)
    has_gold = queue.gold > 0 and db.scalar(marked) is not None
    if not has_gold and queue.repeats <= 0:
        return None
    before = judgements(db, program, queue, person)
    drawn = lot(program, queue, person, len(before))
    if has_gold and drawn < queue.gold and (unit := gold.due(db, program, queue.name, person, now)) is not None:
        return "gold", unit
    turn = queue.gold <= drawn < queue.gold + queue.repeats
    unit = due_again(before, queue, task) if turn else None
    return ("repeat", unit) if unit is not None else None


def judgements(db: Session, program: Program, queue: QueueForm, person: Applicant) -> Sequence[Offer]:
    """Judgements this person was offered in a queue, oldest first, hidden ones among them."""
    seen = ("review", *looks.HIDDEN, *(("produce",) if queue.judging else ()))
    mine = select(Offer).join(Unit).where(
        Offer.applicant_id == person.id, Unit.program_id == program.id, Unit.queue == queue.name, Offer.task.in_(seen)
    )  # fmt: skip
    made = selectinload(Offer.review).selectinload(Review.submission)
    loaded = mine.options(selectinload(Offer.submission), made, selectinload(Offer.look), selectinload(Offer.unit))
    return db.scalars(loaded.order_by(Offer.id)).all()


def lot(program: Program, queue: QueueForm, person: Applicant, number: int) -> float:
    said = f"hidden:{program.id}:{queue.name}:{person.id}:{number}"
    return int.from_bytes(sha256(said.encode()).digest()[:6], "big") / 2**48


def due_again(before: Sequence[Offer], queue: QueueForm, task: str) -> Unit | None:
    """The oldest unit this person judged at least the queue's distance ago, under the same face, and never again."""
    done = [offer for offer in before if offer.product is not None]
    again = {offer.unit_id for offer in before if offer.task == "repeat"}
    old = done[: max(len(done) - queue.repeat_after, 0)]
    return next((one.unit for one in old if one.task == task and one.unit_id not in again and not one.unit.golds), None)
