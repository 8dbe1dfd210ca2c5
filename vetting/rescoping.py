"""Versions of what is asked of a program, so that nobody changes what they have not seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vetting.programs import GONE
from vetting.records import Json, Program
from vetting.work_records import Scope

LONG = 60  # letters of a value that is told; of a longer one only that it changed


def version(db: Session, program: Program) -> str:
    """The facts that say what is asked: the newest wording of a queue, and of what holds for all."""
    newest = db.scalar(select(func.max(Scope.id)).where(Scope.program_id == program.id))
    return f"{max((queue.id for queue in program.queues), default=0)}.{newest or 0}"


def changes(db: Session, program: Program, since: str) -> list[str]:
    """What was changed since a version, in words; of a version that never was there is nothing to tell."""
    seen = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", since)
    if seen is None:
        return []
    queues, scope = int(seen[1]), int(seen[2])
    before = {queue.name: queue.body for queue in program.queues if queue.id <= queues}
    after = {queue.name: queue.body for queue in program.queues}
    rows = select(Scope).where(Scope.program_id == program.id).order_by(Scope.id)
    around = {row.id: row.body for row in db.scalars(rows)}
    said = list(differing("The program", last(around, scope), last(around, max(around, default=0))))
    for name, body in after.items():
        old = before.get(name, GONE)
        if old == GONE and body != GONE:
            said.append(f"Queue {name!r} was added.")
        elif body == GONE and old != GONE:
            said.append(f"Queue {name!r} was left out.")
        else:
            said += differing(f"Queue {name!r}", old, body)
    return said


def last(around: Mapping[int, Json], until: int) -> Json:
    """What held for all by a version."""
    held = [body for key, body in around.items() if key <= until]
    return held[-1] if held else {}


def differing(what: str, old: Json, new: Json) -> Iterator[str]:
    """One sentence for what changed about one thing; none if nothing did."""
    found = [name for name in {**old, **new} if worded(old.get(name)) != worded(new.get(name))]
    if found:
        yield f"{what}: {'; '.join(step(name, worded(old.get(name)), worded(new.get(name))) for name in found)}."


def step(name: str, old: str, new: str) -> str:
    plain = name.replace("_", " ")
    if max(len(old), len(new)) > LONG:
        return f"{plain} was reworded"
    return f"{plain} was {old or 'empty'}, is {new or 'empty'}"


def worded(value: object) -> str:
    """A value of a form in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {worded(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)
