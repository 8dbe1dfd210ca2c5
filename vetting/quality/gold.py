"""Gold units: their right verdict is known, so whoever judges them blind is measured. They are never delivered.

They are mixed among ordinary units at the queue's share, never twice to one person, each to at most so many people;
then they are retired. What a person said of them is evidence about their skills, with the gold's own doubt
(known.py, learning.py).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vetting import known
from vetting.messages import Message, faults
from vetting.programs import names
from vetting.quality.progress import share
from vetting.records import Applicant, AuditEntry, Json, Program
from vetting.scope import QueueForm
from vetting.units import checks, work
from vetting.work_records import Gold, Look, Offer, Unit

MOST_ROWS = 2000
SETTLED = {"accepted", "rejected"}
LEAST_LOOKS = 4  # before a gold unit that most people miss is called into question


class GoldForm(Message):
    """A gold unit: one that is there already (unit) or a new one (content, and the work to be judged)."""

    unit: Annotated[int, Field(ge=1)] | None = None
    content: Annotated[str, Field(max_length=50_000)] = ""
    text: Annotated[str, Field(max_length=50_000)] = ""  # the work that is judged; not where a unit is a judgement
    verdict: Annotated[str, Field(min_length=1, max_length=40)]
    errors: list[str] = Field(default_factory=list)
    wrong_steps: list[Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=list)
    because: Annotated[str, Field(min_length=3, max_length=4000)]
    doubt: Annotated[float, Field(ge=0, le=0.4)] = 0.02  # chance that the verdict itself is wrong
    people: Annotated[int, Field(ge=1, le=10_000)] | None = None  # as the queue says
    told: bool = False

    @field_validator("errors", "wrong_steps", mode="before")
    @classmethod
    def _listed(cls, said: Any) -> Any:  # noqa: ANN401 -- whatever was said
        """In a table's cell, parts are separated by semicolons."""
        return [one.strip() for one in said.split(";") if one.strip()] if isinstance(said, str) else said


def rows_of(text: str, where: str) -> list[GoldForm]:
    """Gold units from a table with a header (CSV), or from one JSON object a line. All faults are told at once."""
    lines = text.lstrip("\ufeff").strip()
    raw = as_json(lines, where) if lines.startswith("{") else as_table(lines, where)
    if not raw:
        raise ValueError(f"{where}: holds no unit. Maybe only the header is there.")
    if len(raw) > MOST_ROWS:
        raise ValueError(f"{where}: {len(raw):,} units; at most {MOST_ROWS:,} at once. Maybe send them in parts.")
    found, wrong = [], []
    for line, row in raw:
        try:
            found.append(GoldForm.model_validate(row))
        except ValidationError as fault:
            wrong += [f"{where}, line {line}: {one}" for one in faults(fault)]
    if wrong:
        raise ValueError("\n".join(wrong))
    return found


def as_json(text: str, where: str) -> list[tuple[int, Json]]:
    rows = []
    for line, one in enumerate(text.split("\n"), start=1):
        try:
            row = json.loads(one) if one.strip() else None
        except (ValueError, RecursionError) as wrong:
            raise ValueError(f"{where}, line {line}: not JSON: {wrong}. Maybe one object a line was meant.") from wrong
        if row is not None:
            rows.append((line, row))
    return rows


def as_table(text: str, where: str) -> list[tuple[int, Json]]:
    try:
        return list(cells(csv.DictReader(StringIO(text, newline="")), where))
    except csv.Error as wrong:
        raise ValueError(f"{where}: no table: {wrong}. Maybe a quote is not closed.") from wrong


def cells(table: csv.DictReader[str], where: str) -> Iterator[tuple[int, Json]]:
    named = [name.strip() for name in table.fieldnames or []]
    if strangers := [name for name in named if name not in GoldForm.model_fields]:
        raise ValueError(
            f"{where}, line 1: there is no column {strangers[0]!r}. Maybe: {', '.join(GoldForm.model_fields)}."
        )
    for row in table:
        if None in row:
            raise ValueError(f"{where}, line {table.line_num}: more cells than the header. Maybe a comma needs quotes.")
        yield table.line_num, {name.strip(): cell.strip() for name, cell in row.items() if (cell or "").strip()}


# -- marking -----------------------------------------------------------------------------------------


def mark(
    db: Session, program: Program, queue: QueueForm, forms: Sequence[GoldForm], by: str, now: datetime
) -> list[Gold]:  # fmt: skip
    """Mark units as gold; all of them, or none and every reason."""
    units = {unit.number: unit for unit in of_queue(db, program, queue.name)}
    wrong = [fault for place, form in enumerate(forms, start=1) for fault in against(form, queue, units, place, now)]
    if wrong:
        raise work.FormError("gold", "\n".join(wrong))
    made = []
    for form in forms:
        unit = units[form.unit] if form.unit is not None else fresh(db, program, queue, form.content, now)
        made.append(kept(unit, form, queue, by, now))
        db.add(made[-1])
    about = {"program": program.id, "queue": queue.name, "units": len(made)}
    db.add(AuditEntry(at=now, who=by, what="marked gold units", about=about))
    db.flush()
    for gold in made:
        db.expire(gold.unit, ["golds"])
    return made


def of_queue(db: Session, program: Program, queue: str) -> Sequence[Unit]:
    mine = select(Unit).where(Unit.program_id == program.id, Unit.queue == queue)
    return db.scalars(mine.options(selectinload(Unit.golds))).all()


def against(form: GoldForm, queue: QueueForm, units: dict[int, Unit], place: int, now: datetime) -> list[str]:
    """Why this cannot be a gold unit."""
    where = f"Gold {place}" if form.unit is None else f"Unit {form.unit}"
    wrong = []
    unit = units.get(form.unit) if form.unit is not None else None
    text = form.text or (unit.submissions[-1].text if unit is not None and unit.submissions else "")
    try:
        work.sound(queue, form.verdict, form.errors, form.because, wrong_steps=form.wrong_steps,
                   steps=checks.chain_of(queue, unit.content if unit else form.content, text))  # fmt: skip
    except work.FormError as fault:
        wrong.append(f"{where}: {fault}")
    if form.unit is not None:
        if form.content or form.text:
            wrong.append(f"{where}: it is there already. Maybe leave out its content and text.")
        wrong += [f"{where}: there is none."] if unit is None else unready(unit, queue, where, now)
    elif queue.judging and not form.content:
        wrong.append(f"{where}: content is empty. Maybe give what is put before the judge.")
    elif not queue.judging and not form.text:
        wrong.append(f"{where}: text is empty. Maybe give the work that is to be judged.")
    return wrong


def unready(unit: Unit, queue: QueueForm, where: str, now: datetime) -> list[str]:
    """Why a unit that is there cannot be marked now."""
    if unit.golds:
        return []
    at = work.state(unit, now)
    if at in SETTLED or (at == "waiting" and queue.judging):
        return []
    return [f"{where} is {at}. Maybe wait until it is settled, or take another."]


def fresh(db: Session, program: Program, queue: QueueForm, content: str, now: datetime) -> Unit:
    unit = Unit(
        at=now, program=program, queue=queue.name, number=work.next_number(db, program, queue.name),
        pilot=False, content=content,
    )  # fmt: skip
    db.add(unit)
    db.flush()
    return unit


def kept(unit: Unit, form: GoldForm, queue: QueueForm, by: str, now: datetime) -> Gold:
    text = form.text or (unit.golds[-1].text if unit.golds else "")
    if not text and not queue.judging:
        text = unit.submissions[-1].text
    noticed = [fault for found in checks.noticed(text).values() for fault in found] if text else []
    return Gold(
        at=now, unit=unit, text=text, noticed=noticed, verdict=form.verdict, errors=form.errors,
        wrong_steps=form.wrong_steps, because=form.because, doubt=form.doubt,
        people=form.people or queue.gold_people, told=form.told, by=by,
    )  # fmt: skip


def withdraw(db: Session, unit: Unit, because: str, by: str, now: datetime, *, wrong: bool) -> Gold:
    """Show a gold unit to nobody any more; where its verdict was wrong, looks at it say nothing from now on."""
    if not unit.golds:
        raise work.FormError("gold", f"Unit {unit.number} is no gold unit. Maybe reload the page.")
    if len(because.strip()) < 3:
        raise work.FormError("because", "Give a reason; it is kept.")
    had = unit.golds[-1]
    said = Gold(
        at=now, unit=unit, text=had.text, noticed=had.noticed, verdict="" if wrong else had.verdict,
        errors=had.errors, wrong_steps=had.wrong_steps, because=had.because, doubt=had.doubt, people=0, told=had.told,
        by=by,
    )  # fmt: skip
    about = {"unit": unit.id, "wrong": wrong, "because": because}
    db.add_all([said, AuditEntry(at=now, who=by, what="withdrew a gold unit", about=about)])
    db.flush()
    db.expire(unit, ["golds"])
    return said


# -- who sees which ----------------------------------------------------------------------------------


def golds(db: Session, program: Program, queue: str) -> Sequence[Unit]:
    """The gold units of a queue with all that happened to them."""
    mine = select(Unit).where(Unit.program_id == program.id, Unit.queue == queue, Unit.golds.any())
    happened = [selectinload(Unit.offers).selectinload(one) for one in (Offer.reply, Offer.look, Offer.release)]
    return db.scalars(mine.order_by(Unit.number).options(selectinload(Unit.golds), *happened)).all()


def seen_by(unit: Unit, now: datetime) -> set[int]:
    """People who saw it as gold or in a round, or have it before them."""
    return {
        offer.applicant_id for offer in unit.offers
        if offer.task in {"gold", "round"} and ((offer.reply and offer.reply.taken) or work.alive(offer, now))
    }  # fmt: skip


def due(db: Session, program: Program, queue: str, person: Applicant, now: datetime) -> Unit | None:
    """The gold unit for this person: the one that fewest have seen; none that they ever met, none past its cap."""
    free = [
        unit for unit in golds(db, program, queue)
        if (gold := known.gold_of(unit)) is not None
        and len(seen_by(unit, now)) < gold.people
        and all(offer.applicant_id != person.id for offer in unit.offers)
    ]  # fmt: skip
    return min(free, key=lambda unit: (len(seen_by(unit, now)), work.lot(unit, f"gold {person.id}")), default=None)


# -- what was seen -----------------------------------------------------------------------------------


def results(db: Session, program: Program, queue: str, now: datetime) -> Json:
    """Each gold unit and each person: how often right, with an interval."""
    units = golds(db, program, queue)
    told = (offer.look for unit in units for offer in unit.offers if offer.look)
    by_person: dict[int, list[tuple[Look, Gold]]] = {}
    for look, gold in known.looks_at_gold(told):
        by_person.setdefault(look.applicant_id, []).append((look, gold))
    called = names(pairs[0][0].applicant for pairs in by_person.values())
    return {
        "units": [unit_row(unit, now) for unit in units],
        "people": [{"id": who, "person": called[str(who)], **hits(by_person[who])} for who in sorted(by_person)],
        "all": hits([pair for pairs in by_person.values() for pair in pairs]),
    }


def hits(pairs: Sequence[tuple[Look, Gold]]) -> Json:
    return share(sum(look.verdict == gold.verdict for look, gold in pairs), len(pairs))


def unit_row(unit: Unit, now: datetime) -> Json:
    """A gold unit as a lead sees it; one that nearly everybody misses may be wrong itself."""
    gold = unit.golds[-1]
    found = hits(list(known.looks_at_gold(offer.look for offer in unit.offers if offer.look)))
    seen = len(seen_by(unit, now))
    doubtful = found["of"] >= LEAST_LOOKS and found["high"] < 0.5
    return {
        "unit": unit.number, "verdict": gold.verdict, "because": gold.because, "doubt": gold.doubt, "told": gold.told,
        "seen": seen, "people": gold.people, "content": unit.content or gold.text,
        "state": "withdrawn" if not gold.people else "retired" if seen >= gold.people else "in use",
        "doubtful": doubtful, **found,
    }  # fmt: skip
