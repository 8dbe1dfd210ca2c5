"""Calibration rounds: named people judge the same units blind; all is shown side by side, talked over, and retested.

What is said in a round is never delivered and is no evidence about skills: it is there to find what a guideline
leaves open. Units come fresh: nobody of the round has met them before. All is shown once everybody has judged
everything, or when the lead closes the round. A retest is a round of the same people on units as fresh as those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from assignment.agreement import Estimate, gwet
from vetting import known
from vetting.programs import experts, names
from vetting.quality import gate, progress
from vetting.quality.gold import seen_by
from vetting.records import Applicant, AuditEntry, Json, Program
from vetting.round_records import Remark, Round, RoundEnd
from vetting.scope import QueueForm
from vetting.units import work
from vetting.work_records import Look, Offer, Outcome, Submission, Unit, deliverable

PEOPLE, UNITS = (2, 12), (2, 50)  # fewest and most
LEAST = 5  # units before agreement is told
SOURCES = ("settled", "gold")


def start(
    db: Session, program: Program, queue: QueueForm, *, people: Sequence[int], units: int, source: str, note: str,
    by: str, now: datetime, of: Round | None = None,
) -> Round:  # fmt: skip
    """Begin a round of so many fresh units; a retest (`of`) is of the same people."""
    named = list(of.people) if of is not None else sorted(set(people))
    if of is not None and not shown(db, of):
        raise work.FormError("of", f"Round {of.id} is not over yet. Maybe close it first.")
    if not PEOPLE[0] <= len(named) <= PEOPLE[1]:
        raise work.FormError("person", f"Name {PEOPLE[0]} to {PEOPLE[1]} people; {len(named)} are named.")
    if strangers := set(named) - {person.id for person in experts(db)}:
        raise work.FormError("person", f"Applicant {min(strangers)} has no hours here. Maybe reload the page.")
    if not UNITS[0] <= units <= UNITS[1]:
        raise work.FormError("units", f"Ask for {UNITS[0]} to {UNITS[1]} units.")
    if source not in SOURCES:
        raise work.FormError("source", f"Pick one of: {', '.join(SOURCES)}.")
    free = fresh(db, program, queue, named, source, now)
    if len(free) < units:
        raise work.FormError(
            "units", f"Only {len(free)} {source} units of {queue.name} were met by none of these {len(named)} people. "
            "Maybe ask for fewer, name fewer people, or mark more gold units.",
        )  # fmt: skip
    made = Round(
        at=now, program_id=program.id, queue=queue.name, people=named, units=[unit.id for unit in free[:units]],
        note=note, by=by, of_id=of.id if of is not None else None,
    )  # fmt: skip
    about = {"program": program.id, "queue": queue.name, "people": len(named), "units": units}
    db.add_all([made, AuditEntry(at=now, who=by, what="began a calibration round", about=about)])
    db.flush()
    return made


def fresh(
    db: Session, program: Program, queue: QueueForm, people: Sequence[int], source: str, now: datetime
) -> list[Unit]:  # fmt: skip
    """Units that none of these people ever met, in an order drawn by lot."""
    mine = Unit.program_id == program.id, Unit.queue == queue.name
    met = select(Offer.unit_id).where(Offer.applicant_id.in_(people))
    settled = select(Submission.unit_id).join(Outcome).where(Outcome.verdict == "accepted")
    right = [deliverable(), Unit.id.in_(settled)] if source == "settled" else [Unit.golds.any()]
    found = db.scalars(select(Unit).where(*mine, *right, Unit.id.not_in(met)).options(selectinload(Unit.golds))).all()
    named = {one for other in rounds(db, program, queue.name) if set(other.people) & set(people) for one in other.units}
    free = [unit for unit in found if unit.id not in named and (source == "settled" or room(unit, len(people), now))]
    return sorted(free, key=lambda unit: work.lot(unit, "round"))


def room(unit: Unit, people: int, now: datetime) -> bool:
    """Whether so many more people may see a gold unit."""
    gold = known.gold_of(unit)
    return gold is not None and len(seen_by(unit, now)) + people <= gold.people


def rounds(db: Session, program: Program, queue: str | None = None) -> Sequence[Round]:
    mine = [Round.program_id == program.id, *([Round.queue == queue] if queue is not None else [])]
    return db.scalars(select(Round).where(*mine).order_by(Round.id).options(selectinload(Round.closing))).all()


def close(db: Session, round_: Round, by: str, now: datetime) -> None:
    """Show everything now, though not everybody has judged everything."""
    if round_.closing is None:
        about = {"round": round_.id}
        db.add_all([RoundEnd(at=now, round=round_, by=by),
                    AuditEntry(at=now, who=by, what="closed a calibration round", about=about)])  # fmt: skip
        db.flush()


# -- judging -----------------------------------------------------------------------------------------


def looks_of(db: Session, round_: Round) -> dict[tuple[int, int], Look]:
    """{(unit, person): what they said}."""
    told = select(Look).join(Offer).where(
        Offer.task == "round", Offer.unit_id.in_(round_.units), Offer.applicant_id.in_(round_.people)
    )  # fmt: skip
    found = db.scalars(told.options(selectinload(Look.offer)))
    return {(look.offer.unit_id, look.applicant_id): look for look in found}


def shown(db: Session, round_: Round) -> bool:
    """Whether everybody may see everything."""
    return round_.closing is not None or len(looks_of(db, round_)) == len(round_.units) * len(round_.people)


def due(db: Session, program: Program, person: Applicant) -> list[tuple[Round, Unit]]:
    """Units of open rounds that this person was not offered yet."""
    mine = [one for one in rounds(db, program) if one.closing is None and person.id in one.people]
    asked = {number for one in mine for number in one.units}
    met = set(db.scalars(select(Offer.unit_id).where(Offer.applicant_id == person.id, Offer.unit_id.in_(asked))))
    units = {unit.id: unit for unit in db.scalars(select(Unit).where(Unit.id.in_(asked - met)))}
    return [(one, units[number]) for one in mine for number in one.units if number in units]


def over(db: Session, offer: Offer) -> bool:
    """Whether an offer is of a round whose labels are shown already, so that it would not be blind any more."""
    if offer.task != "round":
        return False
    mine = [one for one in rounds(db, offer.unit.program, offer.unit.queue) if offer.unit_id in one.units]
    return any(one.closing is not None and offer.applicant_id in one.people for one in mine)


# -- what is shown -----------------------------------------------------------------------------------


def account(db: Session, round_: Round, queue: QueueForm) -> Json:
    """A round as everybody of it sees it: who has judged how many; once all is shown, every label with its reasons."""
    told = looks_of(db, round_)
    people = {person.id: person for person in db.scalars(select(Applicant).where(Applicant.id.in_(round_.people)))}
    called = names(people.values())
    open_to_all = shown(db, round_)
    return {
        "id": round_.id, "queue": round_.queue, "note": round_.note, "at": round_.at, "of": round_.of_id,
        "shown": open_to_all, "closed": round_.closing is not None, "units": len(round_.units),
        "people": [{"id": who, "name": called[str(who)], "judged": sum(one[1] == who for one in told),
                    **(on_gold(db, round_, told, who) if open_to_all else {})} for who in round_.people],
        "rows": [row(db, round_, number, told) for number in round_.units] if open_to_all else [],
        "agreement": progress.figures(agreement(round_, told, queue)) if open_to_all else None,
    }  # fmt: skip


def agreement(round_: Round, told: Mapping[tuple[int, int], Look], queue: QueueForm) -> Estimate:
    """Gwet's AC1 over the units that two people or more judged."""
    by_unit = [[(who, look.verdict) for (unit, who), look in told.items() if unit == one] for one in round_.units]
    enough = [said for said in by_unit if len(said) >= 2]
    if len(enough) < LEAST:
        return progress.NOTHING
    return gwet(gate.labels_of(enough, gate.categories_of(queue))).analytic()


def on_gold(db: Session, round_: Round, told: Mapping[tuple[int, int], Look], who: int) -> Json:
    """How often one person was right, where the right verdict is known."""
    golds = {number: known.gold_of(db.get_one(Unit, number)) for number in round_.units}
    right = [told[one, who].verdict == gold.verdict for one, gold in golds.items() if gold and (one, who) in told]
    return progress.share(sum(right), len(right))


def row(db: Session, round_: Round, number: int, told: Mapping[tuple[int, int], Look]) -> Json:
    """One unit: the work, what everybody said and why, the right verdict where it is known, and what was remarked."""
    unit = db.get_one(Unit, number)
    gold = known.gold_of(unit)
    made = [one for one in unit.submissions if one.at <= round_.at]
    said = {who: told[number, who] for who in round_.people if (number, who) in told}
    verdicts = {look.verdict for look in said.values()}
    return {
        "unit": number, "number": unit.number, "content": unit.content,
        "text": gold.text if gold else made[-1].text if made and not made[-1].label else "",
        "gold": {"verdict": gold.verdict, "because": gold.because} if gold else None, "alike": len(verdicts) < 2,
        "said": [{"who": who, "verdict": look.verdict, "because": look.because, "errors": look.errors,
                  "wrong_steps": look.wrong_steps} for who, look in said.items()],
        "remarks": [{"who": one.applicant_id, "words": one.words, "at": one.at}
                    for one in round_.remarks if one.unit_id == number],
    }  # fmt: skip


def remark(db: Session, round_: Round, unit: int, words: str, person: Applicant | None, now: datetime) -> Remark:
    """A word on a unit of a round, once all is shown; without a person it is the lead's."""
    if not shown(db, round_):
        raise work.FormError("words", "The round is still open: what others said is not shown yet.")
    if unit not in round_.units:
        raise work.FormError("words", "This unit is not of this round. Maybe reload the page.")
    if len(words.strip()) < 2:
        raise work.FormError("words", "Write what you want to say.")
    said = Remark(at=now, round=round_, unit_id=unit, applicant_id=person.id if person else None, words=words)
    db.add(said)
    db.flush()
    return said


@dataclass(frozen=True)
class Change:
    """Agreement before a talk and after it, on other units."""

    before: Estimate
    after: Estimate

    @property
    def gain(self) -> Json:
        """What agreement rose by, with its 95 % interval: the units of the two rounds are different ones."""
        value = self.after.value - self.before.value
        half = 1.96 * sqrt(self.before.se**2 + self.after.se**2)
        units = self.before.units + self.after.units
        return progress.figures(Estimate(value, half / 1.96, value - half, value + half, units))


def change(db: Session, retest: Round, queue: QueueForm) -> Json | None:
    """Before and after, of a retest whose results are shown; None where there is nothing to compare."""
    if retest.of_id is None or not shown(db, retest):
        return None
    first = db.get_one(Round, retest.of_id)
    seen = Change(*(agreement(one, looks_of(db, one), queue) for one in (first, retest)))
    return {"first": first.id, "before": progress.figures(seen.before), "after": progress.figures(seen.after),
            "gain": seen.gain}  # fmt: skip
