"""Judgements that are not delivered: gold units, one's own earlier units again, calibration rounds.

They are offered, taken, paid and done as ordinary ones; only what is kept of them differs. Gold and repeats are blind:
the offer wears the face of the work it was mixed into, and nothing on the expert's page tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from vetting import known
from vetting.programs import wordings
from vetting.quality import rounds
from vetting.records import Json
from vetting.scope import QueueForm
from vetting.units import checks, work
from vetting.work_records import Look, Offer, Submission

KINDS = ("gold", "repeat", "round")
HIDDEN = ("gold", "repeat")


@dataclass(frozen=True)
class Judged:
    """The work that an offer asks to judge."""

    text: str
    noticed: list[str]


def face(offer: Offer) -> str:
    """What the expert sees it as: the task of an ordinary unit."""
    return seen_as(offer.task, offer.why)


def seen_as(task: str, why: Json) -> str:
    """The same of an offer's columns."""
    return str(why.get("face", task))


def told(offer: Offer) -> Json:
    """Why it was offered, as whoever does it may know."""
    return {name: value for name, value in offer.why.items() if name != "face"}


def own_earlier(offer: Offer) -> Offer | None:
    """Of a repeat: the offer under which this person judged the unit before."""
    mine = [
        one for one in offer.unit.offers
        if one.applicant_id == offer.applicant_id and one.id < offer.id and (one.review or one.submission)
    ]  # fmt: skip
    return mine[-1] if mine else None


def submission_of(offer: Offer) -> Submission | None:
    """The submission that an offer asks to judge; none where the unit is judged by itself."""
    if offer.task == "repeat":
        before = own_earlier(offer)
        return before.review.submission if before is not None and before.review is not None else None
    there = offer.unit.submissions
    if offer.task in {"round", "again"}:
        there = [one for one in there if one.at <= offer.at]
    return there[-1] if there else None


def judged(offer: Offer) -> Judged | None:
    """What is shown for judgement; none where something is to be made."""
    if face(offer) == "produce":
        return None
    if offer.task == "gold":
        gold = offer.unit.golds[-1]
        return Judged(gold.text, gold.noticed)
    made = submission_of(offer)
    return Judged(made.text, [fault for check in made.checks for fault in check.faults]) if made else None


def chain_of(queue: QueueForm, offer: Offer) -> list[str]:
    """The steps that an offer asks to judge; none where something is to be made."""
    shown = judged(offer)
    return checks.chain_of(queue, offer.unit.content, shown.text if shown else "")


def keep(
    db: Session, offer: Offer, *, verdict: str, errors: Sequence[str] = (), wrong_steps: Sequence[int] = (),
    because: str, attested: bool = False, request_id: str, seconds: float, now: datetime,
) -> Look:  # fmt: skip
    """Keep a judgement, once per request; what an ordinary one would be refused for, this is refused for too."""
    if (again := db.scalars(select(Look).where(Look.request_id == request_id)).first()) is not None:
        return again
    work.working(offer, KINDS, now)
    if rounds.over(db, offer):
        raise work.TakenError("This round was closed; what others said is shown already. Maybe look at it below.")
    queue = QueueForm.model_validate(wordings(offer.unit.program)[offer.unit.queue].body)
    making = face(offer) == "produce"
    if making and verdict not in queue.labels:
        raise work.FormError("label", f"Pick one of: {', '.join(queue.labels)}.")
    if making and queue.human_only and not attested:
        raise work.FormError("attested", work.ATTEST_OR_LEAVE)
    if making:
        work.chain_sound(queue, verdict, errors, wrong_steps, len(chain_of(queue, offer)))
    else:
        work.sound(queue, verdict, errors, because, wrong_steps=wrong_steps, steps=chain_of(queue, offer))
    said = Look(
        at=now, offer=offer, applicant=offer.applicant, request_id=request_id, verdict=verdict, errors=list(errors),
        wrong_steps=list(wrong_steps), because=because, seconds=seconds,
        attested=work.ATTESTED if making and queue.human_only else "",
    )  # fmt: skip
    db.add(said)
    db.flush()
    return said


def of_person(person_looks: Sequence[Look]) -> list[Look]:
    """Looks that stand among what a person made, newest first: those that wear its face, and those they are told of."""
    return [
        look for look in reversed(person_looks)
        if look.offer.task in HIDDEN and (face(look.offer) == "produce" or revealed(look))
    ]  # fmt: skip


def revealed(look: Look) -> str:
    """What a person is told of a gold unit they judged; empty where the lead keeps it."""
    gold = known.gold_of(look.offer.unit) if look.offer.task == "gold" else None
    if gold is None or not gold.told:
        return ""
    agrees = "as you did" if look.verdict == gold.verdict else f"you said {look.verdict.replace('_', ' ')}"
    return f"The answer of this unit was known: {gold.verdict.replace('_', ' ')}, {agrees}. {gold.because}"
