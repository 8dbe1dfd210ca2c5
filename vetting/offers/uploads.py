"""Units of a queue from a file: every row is checked before any is kept; a mistake is undone while nobody has begun.

FILE      CSV with a header, or one JSON object a line: text [, language] [, part] [, tags]; in a table's cell, tags are
          separated by ";".
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from io import StringIO
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from vetting.messages import Message, faults
from vetting.offers.offering import add_units
from vetting.offers.waiting import alive
from vetting.records import AuditEntry, Json, Program
from vetting.scope import QueueForm
from vetting.tables import MANY
from vetting.units.work import FormError
from vetting.work_records import Gold, Offer, Outcome, Reply, Source, Submission, Unit, Upload, UploadUndo, deliverable

MOST_ROWS, MOST_ON_A_PAGE = 200_000, 20_000
PART = 1000  # units kept at a time, so that a long file can say how far it is


class UnitForm(Message):
    """One unit, as a row of a file says it."""

    text: Annotated[str, Field(min_length=1, max_length=50_000)]
    language: Annotated[str, Field(pattern=r"^([a-z]{2})?$")] = ""
    part: Annotated[str, Field(max_length=40)] = ""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=20)] = Field(
        default_factory=list
    )

    @field_validator("tags", mode="before")
    @classmethod
    def _listed(cls, said: Any) -> Any:  # noqa: ANN401 -- whatever was said
        return [one.strip() for one in said.split(";") if one.strip()] if isinstance(said, str) else said


Numbered = Sequence[tuple[int, UnitForm]]  # each with its line


# -- reading -----------------------------------------------------------------------------------------


def rows_of(text: str, where: str, *, most: int = MOST_ROWS) -> Numbered:
    """The units of a file with their lines; every fault at once."""
    lines = text.lstrip("\ufeff")
    raw = list(as_json(lines, where) if lines.lstrip().startswith("{") else as_table(lines, where))
    if not raw:
        raise FormError("rows", f"{where}: holds no unit. Maybe only the header is there.")
    if len(raw) > most:
        raise FormError("rows", f"{where}: {len(raw):,} units; at most {most:,} at once. Maybe send them in parts.")
    found, wrong = [], []
    for line, row in raw:
        try:
            found.append((line, UnitForm.model_validate(row)))
        except ValidationError as fault:
            wrong += [f"{where}, line {line}: {one}" for one in faults(fault)]
    refuse(wrong)
    return found


def as_json(text: str, where: str) -> Iterator[tuple[int, Json]]:
    for line, one in enumerate(text.split("\n"), start=1):
        if one.strip():
            try:
                yield line, json.loads(one)
            except (ValueError, RecursionError) as wrong:
                said = f"{where}, line {line}: not JSON: {wrong}. Maybe one object a line was meant."
                raise FormError("rows", said) from wrong


def as_table(text: str, where: str) -> Iterator[tuple[int, Json]]:
    table = csv.DictReader(StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip() for name in table.fieldnames or []]
        known = ", ".join(UnitForm.model_fields)
        if "text" not in names:
            raise FormError(
                "rows", f"{where}, line 1: there is no column 'text'. Maybe the header is missing: {known}."
            )
        if strangers := [name for name in names if name not in UnitForm.model_fields]:
            raise FormError("rows", f"{where}, line 1: there is no column {strangers[0]!r}. Maybe: {known}.")
        for row in table:
            if None in row:
                raise FormError("rows", f"{where}, line {table.line_num}: more cells than the header. "
                                        "Maybe a comma needs quotes around its cell.")  # fmt: skip
            said = {name.strip(): (cell or "").strip() for name, cell in row.items()}
            if any(said.values()):
                yield table.line_num, said
    except csv.Error as wrong:
        said_wrong = f"{where}, line {table.line_num}: {wrong}. Maybe a quote is not closed."
        raise FormError("rows", said_wrong) from wrong


def refuse(wrong: Sequence[str]) -> None:
    if wrong:
        more = [f"… and {len(wrong) - MANY:,} more."] if len(wrong) > MANY else []
        raise FormError("rows", "\n".join([*wrong[:MANY], *more]))


# -- checking ----------------------------------------------------------------------------------------


def against(db: Session, program: Program, queue: QueueForm, rows: Numbered, where: str, *, twice: bool) -> list[str]:
    """Why these rows are no units of the queue; with `twice`, the same text may come again."""
    wrong = []
    for line, row in rows:
        if row.language and row.language not in queue.spoken:
            spoken = ", ".join(sorted(queue.spoken))
            wrong.append(f"{where}, line {line}: language {row.language!r}, but people of {queue.name!r} are asked to "
                         f"speak {spoken}. Maybe it belongs to another queue.")  # fmt: skip
        if row.part and queue.part and row.part != queue.part:
            wrong.append(f"{where}, line {line}: part {row.part!r}, but {queue.name!r} is of part {queue.part!r}. "
                         "Maybe it belongs to another queue.")  # fmt: skip
    return wrong if twice else wrong + repeated(db, program, queue, rows, where)


def repeated(db: Session, program: Program, queue: QueueForm, rows: Numbered, where: str) -> list[str]:
    """Rows whose text stands elsewhere in the file, or in the queue already; case and spaces make no difference."""
    mine = Unit.program_id == program.id, Unit.queue == queue.name, deliverable()
    there = {key(text): number for number, text in db.execute(select(Unit.number, Unit.content).where(*mine)) if text}
    seen: dict[bytes, int] = {}
    wrong = []
    for line, row in rows:
        mark = key(row.text)
        if mark in seen:
            wrong.append(f"{where}, line {line}: the same text as line {seen[mark]}.")
        elif mark in there:
            wrong.append(f"{where}, line {line}: the same text as unit {there[mark]} of {queue.name!r}.")
        seen.setdefault(mark, line)
    return wrong + ["Maybe leave them out, or say that the same text may come twice."] * bool(wrong)


def key(text: str) -> bytes:
    return sha256(" ".join(text.casefold().split()).encode()).digest()


# -- keeping -----------------------------------------------------------------------------------------


def keep(
    db: Session, program: Program, queue: QueueForm, rows: Numbered, *, name: str, by: str, now: datetime,
    twice: bool = False, step: Callable[[], None] = lambda: None,
) -> Upload:  # fmt: skip
    """All units, or none and every reason. step() is called for every unit that is kept."""
    refuse(against(db, program, queue, rows, name, twice=twice))
    digest = sha256("\n".join(row.model_dump_json() for _, row in rows).encode()).hexdigest()
    upload = Upload(at=now, program_id=program.id, queue=queue.name, name=name, digest=digest, by=by)
    about = {"program": program.id, "queue": queue.name, "units": len(rows), "file": name}
    db.add_all([upload, AuditEntry(at=now, who=by, what="added units", about=about)])
    db.flush()
    for start in range(0, len(rows), PART):
        part = [row for _, row in rows[start : start + PART]]
        units = add_units(db, program, queue, [row.text for row in part], now)
        for unit, row in zip(units, part, strict=True):
            said = {"language": row.language, "part": row.part or queue.part, "tags": row.tags}
            db.add(Source(at=now, unit_id=unit.id, upload_id=upload.id, **said))
            step()
        db.flush()
    return upload


def undo(db: Session, upload: Upload, by: str, now: datetime) -> UploadUndo:
    """Take the units of an upload back; refused once somebody took one of them, or has one before them."""
    if upload.undo is not None:
        return upload.undo
    begun = or_(alive(now), Offer.id.in_(select(Reply.offer_id).where(Reply.taken)))
    units = select(Unit.number).join(Source, Source.unit_id == Unit.id).where(Source.upload_id == upload.id)
    taken = db.scalars(units.join(Offer, Offer.unit_id == Unit.id).where(begun).distinct().order_by(Unit.number)).all()
    if taken:
        said = f"work on unit {taken[0]} of {upload.queue!r} has begun ({len(taken)} in all). Maybe stop the queue"
        raise FormError("undo", f"{upload.name!r} cannot be taken back: {said}, or leave the rest.")
    if marked := db.scalars(units.join(Gold, Gold.unit_id == Unit.id).order_by(Unit.number)).first():
        raise FormError("undo", f"{upload.name!r} cannot be taken back: unit {marked} is a gold unit. "
                                "Maybe withdraw it on the page Quality, and leave the rest.")  # fmt: skip
    made = UploadUndo(at=now, upload=upload, by=by)
    about = {"program": upload.program_id, "queue": upload.queue, "upload": upload.id}
    db.add_all([made, AuditEntry(at=now, who=by, what="took units back", about=about)])
    db.flush()
    return made


# -- looking -----------------------------------------------------------------------------------------


def told(db: Session, program: Program) -> list[Json]:
    """Every upload, the newest first, and how far its units are."""
    mine = select(Upload).where(Upload.program_id == program.id).order_by(Upload.id.desc())
    units = counted(db, program)
    taken = counted(db, program, Unit.id.in_(select(Offer.unit_id).join(Reply).where(Reply.taken)))
    accepted = select(Submission.unit_id).join(Outcome).where(Outcome.verdict == "accepted")
    done = counted(db, program, Unit.id.in_(accepted))
    return [
        {"id": one.id, "at": one.at, "name": one.name, "queue": one.queue, "by": one.by, "undone": one.undo is not None,
         "units": units.get(one.id, 0), "begun": taken.get(one.id, 0), "accepted": done.get(one.id, 0)}
        for one in db.scalars(mine)
    ]  # fmt: skip


def counted(db: Session, program: Program, *where: ColumnElement[bool]) -> dict[int, int]:
    """{upload: units of it that are so}."""
    rows = (
        select(Source.upload_id, func.count(Source.id)).join(Unit, Unit.id == Source.unit_id)
        .where(Unit.program_id == program.id, *where).group_by(Source.upload_id)
    )  # fmt: skip
    return {upload: int(count) for upload, count in db.execute(rows)}
