"""What customers found of delivered units, from a table; a customer is one more judge, and goes before the others.

queue,unit,verdict[,because]        verdict: accepted, sent back or rejected; unit: its number
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from vetting.records import AuditEntry, Program
from vetting.tables import TableFaultError, header, refuse, rows_of
from vetting.units.work import LEVEL
from vetting.work_records import CustomerVerdict, Unit, deliverable

NEEDED = ("queue", "unit", "verdict")


def keep(db: Session, program: Program, file: Path, who: str, now: datetime) -> int:
    """Keep the customer's verdicts on a program's units, all of them or none; how many."""
    lines = rows_of(file)
    names = header(file, lines)
    if missing := [name for name in NEEDED if name not in names]:
        raise TableFaultError(f"{file}:1: column {missing[0]!r} is missing. Maybe it is called otherwise: {names[:6]}.")
    mine = select(Unit).where(Unit.program_id == program.id, deliverable())
    units = {(unit.queue, str(unit.number)): unit for unit in db.scalars(mine)}
    told, faults = [], []
    for line, cells in lines:
        row = dict(zip(names, cells, strict=False))
        fault = fault_of(row, units)
        if fault:
            faults.append(f"{file}:{line}: {fault}")
        else:
            last = units[row["queue"], row["unit"]].submissions[-1]
            told.append(
                CustomerVerdict(
                    at=now, submission=last, level=LEVEL[row["verdict"]], because=row.get("because", ""), by=who
                )
            )
    refuse(faults)
    db.add_all([*told, AuditEntry(at=now, who=who, what="kept a customer's verdicts",
                                  about={"program": program.id, "units": len(told)})])  # fmt: skip
    db.flush()
    return len(told)


def fault_of(row: dict[str, str], units: dict[tuple[str, str], Unit]) -> str:
    """What is wrong with one verdict; empty when nothing is."""
    unit = units.get((row.get("queue", ""), row.get("unit", "")))
    if unit is None:
        return f"there is no unit {row.get('unit', '')!r} in queue {row.get('queue', '')!r}. Maybe of another program."
    if not unit.submissions or unit.submissions[-1].outcome is None:
        return f"unit {unit.number} of {unit.queue!r} is not settled yet. Maybe it was not delivered."
    if row.get("verdict") not in LEVEL:
        return f"verdict {row.get('verdict', '')!r} is none of {', '.join(LEVEL)}. Maybe it was mistyped."
    return ""
