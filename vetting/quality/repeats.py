"""Hidden repeats: does a person say the same of the same unit twice, and how surely is that known.

A repeat is one's own earlier judgement met again after the queue's distance, under the same face (hidden.py). It is
paid as any other, never delivered, and says nothing about skills: only whether labels of this person can be relied on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from assignment.agreement import gwet
from vetting.programs import names
from vetting.quality import gate, looks, progress
from vetting.records import Applicant, Json, Program
from vetting.scope import QueueForm
from vetting.work_records import Look, Offer, Unit


@dataclass(frozen=True)
class Pair:
    """One unit judged twice by one person."""

    person: Applicant
    unit: int
    before: str
    after: str


def pairs(db: Session, program: Program, queue: str) -> list[Pair]:
    """Every repeat of a queue that was judged, oldest first."""
    seen = select(Look).join(Offer).join(Unit).where(
        Unit.program_id == program.id, Unit.queue == queue, Offer.task == "repeat"
    )  # fmt: skip
    around = selectinload(Look.offer).selectinload(Offer.unit).selectinload(Unit.offers)
    loaded = seen.options(around.selectinload(Offer.review), around.selectinload(Offer.submission))
    return [
        Pair(look.applicant, look.offer.unit.number, said_before(look), look.verdict)
        for look in db.scalars(loaded.order_by(Look.id))
    ]


def said_before(look: Look) -> str:
    """What this person said of the unit the first time."""
    before = looks.own_earlier(look.offer)
    if before is None:
        raise LookupError(f"Look {look.id} repeats nothing.")
    return before.review.verdict if before.review else before.submission.label if before.submission else ""


def self_agreement(db: Session, program: Program, queue: QueueForm) -> Json:
    """The share said twice alike, and Gwet's AC1 of then and now: of each person, and of all together."""
    found = pairs(db, program, queue.name)
    by_person: dict[int, list[Pair]] = {}
    for pair in found:
        by_person.setdefault(pair.person.id, []).append(pair)
    called = names(pairs[0].person for pairs in by_person.values())
    return {
        "people": [
            {"id": who, "person": called[str(who)], **alike(by_person[who], queue)} for who in sorted(by_person)
        ],
        "all": alike(found, queue),
    }


def alike(found: Sequence[Pair], queue: QueueForm) -> Json:
    same = progress.share(sum(pair.before == pair.after for pair in found), len(found))
    told = [[(0, pair.before), (1, pair.after)] for pair in found]
    seen = gwet(gate.labels_of(told, gate.categories_of(queue))).analytic() if found else progress.NOTHING
    return same | {"agreement": progress.figures(seen)}
