"""A plan from files alone: experts in a table, queues in YAML, the plan in a table. No database.

EXPERTS   expert, hours [, pay] [, languages] [, pace], then one column a skill with its mean, and beside it
          SKILL:sd with its standard deviation (0.5 where there is no such column). Languages are separated by ";";
          pace is minutes over the usual minutes. CSV (plain or gzipped) or Parquet.
QUEUES    YAML as for `assay program add`: name, queues: [...].
PLAN      expert, queue, role, hours, from, until (days), acceptance, minutes, second_choice, moving_costs.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path

import numpy as np

from assignment.projection import ROLES
from irt.model import Floats
from vetting.plans.account import body
from vetting.plans.gains import worked_out
from vetting.plans.scene import Pool, Wishes, compose, table
from vetting.plans.staffing import planned
from vetting.records import Json
from vetting.scale import Axis
from vetting.scope import ProgramForm
from vetting.tables import TableFaultError, cell, header, number, refuse, rows_of

KNOWN = ("expert", "hours", "pay", "languages", "pace")
PAY, PACE, SKILL_SD, PACE_SD = 40.0, 1.0, 0.5, 0.25  # where the table does not say
COLUMNS = (
    "expert",
    "queue",
    "role",
    "hours",
    "from",
    "until",
    "acceptance",
    "minutes",
    "second_choice",
    "moving_costs",
)


def read_experts(file: Path) -> Pool:
    """EXPERTS as arrays. Raises TableFaultError with every fault, by line and column."""
    names, rows = parquet(file) if file.suffix == ".parquet" else plain(file)
    if missing := [name for name in ("expert", "hours") if name not in names]:
        raise TableFaultError(f"{file}:1: column {missing[0]!r} is missing. Maybe it is called otherwise: {names[:6]}.")
    skills = [name for name in names if name not in KNOWN and not name.endswith(":sd")]
    if not skills:
        raise TableFaultError(f"{file}:1: holds no skill. Maybe the columns after {KNOWN[-1]!r} were left out.")
    if lost := [name for name in names if name.endswith(":sd") and name.removesuffix(":sd") not in skills]:
        raise TableFaultError(f"{file}:1: column {lost[0]!r} has no column {lost[0].removesuffix(':sd')!r} beside it.")
    if not rows:
        raise TableFaultError(f"{file}: holds no expert. Maybe a filter let nobody through.")
    refuse([f"{file}:{line}: {fault}" for line, row in rows for fault in faults_of(row, skills)] + twice(file, rows))
    return Pool(
        axis=Axis.of("experts", (row["expert"] for _, row in rows)),
        skills=Axis.of("skills", skills),
        means=np.array([[number(row[skill]) for skill in skills] for _, row in rows]),
        sds=np.array([[number(row.get(f"{skill}:sd") or str(SKILL_SD)) for skill in skills] for _, row in rows]),
        pace=column(rows, "pace", PACE),
        pace_sd=np.full(len(rows), PACE_SD),
        week=column(rows, "hours", 0.0),
        pay=column(rows, "pay", PAY),
        languages=tuple(
            frozenset(word.strip() for word in (row.get("languages") or "en").split(";")) for _, row in rows
        ),
    )


Rows = list[tuple[int, dict[str, str]]]


def plain(file: Path) -> tuple[list[str], Rows]:
    lines = rows_of(file)
    names = header(file, lines)
    return names, [(line, dict(zip(names, row, strict=False))) for line, row in lines]


def parquet(file: Path) -> tuple[list[str], Rows]:
    if not file.is_file():
        raise TableFaultError(f"{file}: no such file. Maybe the folder is another.")
    try:
        from pyarrow import parquet as reader  # noqa: PLC0415 -- an extra
    except ImportError as wrong:
        raise TableFaultError(f"{file}: Parquet needs pyarrow. Maybe install the extra `distributed`.") from wrong
    found = reader.read_table(file)
    rows = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in found.to_pylist()]
    return list(found.column_names), list(enumerate(rows, start=1))


def column(rows: Rows, name: str, otherwise: float) -> Floats:
    return np.array([number(row.get(name) or str(otherwise)) for _, row in rows])


def faults_of(row: Mapping[str, str], skills: Sequence[str]) -> list[str]:
    """What is wrong with one expert."""
    who = row.get("expert", "")
    said = [] if who else ["the expert is empty. Maybe the columns are shifted."]
    limits = {"hours": (0, 24 * 7), "pay": (0, 1e6), "pace": (0.05, 20)}
    for name, (low, high) in limits.items():
        text = row.get(name) or ""
        if (text or name == "hours") and not low <= number(text) <= high:
            said.append(f"{name} of {who!r} is {text!r}, but a number from {low} to {high} is needed.")
    for skill in skills:
        if not np.isfinite(number(row.get(skill, ""))):
            said.append(f"{skill} of {who!r} is {row.get(skill, '')!r}, but a number is needed. Maybe 0 for the mean.")
        if (text := row.get(f"{skill}:sd") or "") and not 0 < number(text) < np.inf:
            said.append(f"{skill}:sd of {who!r} is {text!r}, but a number above 0 is needed.")
    return said


def twice(file: Path, rows: Rows) -> list[str]:
    seen: dict[str, int] = {}
    said = []
    for line, row in rows:
        if row["expert"] in seen:
            said.append(f"{file}:{line}: expert {row['expert']!r} stands on line {seen[row['expert']]} already.")
        seen.setdefault(row["expert"], line)
    return said


def read_previous(file: Path, pool: Pool, program: ProgramForm) -> list[tuple[int, int, int, float]]:
    """Rows (expert, queue, role, hours) of an earlier PLAN; people and queues that are gone are left out."""
    names, rows = plain(file)
    if missing := [name for name in COLUMNS[:4] if name not in names]:
        raise TableFaultError(f"{file}:1: column {missing[0]!r} is missing. Maybe this is no plan.")
    queues = [queue.name for queue in program.queues]
    faults = [
        f"{file}:{line}: {row['role']!r} for {row['hours']!r} hours; one of {', '.join(ROLES)} is needed."
        for line, row in rows
        if row["role"] not in ROLES or not number(row["hours"]) >= 0
    ]
    refuse(faults)
    return [
        (pool.axis.position[row["expert"]], queues.index(row["queue"]), ROLES.index(row["role"]), number(row["hours"]))
        for _, row in rows
        if row["expert"] in pool.axis.position and row["queue"] in queues
    ]


def plan(
    pool: Pool, program: ProgramForm, before: Sequence[tuple[int, int, int, float]], now: datetime, time_limit: float,
    *, gains: bool = False,
) -> Json:  # fmt: skip
    """The plan's account, wishes about the whole included. Skills count as independent: a table has no covariances."""
    weights, _ = table(program.queues, pool.skills)
    variance = pool.sds**2 @ (weights**2).T
    setting = compose(pool, program.queues, variance, Wishes(before=before), now)
    account = body(*planned(setting, program, now, time_limit=time_limit))
    return account | ({"gains": worked_out(setting, program, now, time_limit=time_limit)} if gains else {})


def as_table(account: Json) -> str:
    """PLAN as CSV, longest hours first."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for row in sorted(account["hours"], key=lambda row: (-row["hours"], row["expert"], row["queue"])):
        second = f"{row['second']['role']} {row['second']['queue']}" if row["second"] else ""
        rows.writerow(
            [cell(row["expert"]), cell(row["queue"]), row["role"], f"{row['hours']:.12g}",
             row.get("from", ""), row.get("until", ""), f"{row['acceptance']:.4f}",
             f"{row['minutes']:.1f}", second, f"{row['moving_costs']:.2f}"]
        )  # fmt: skip
    return text.getvalue()
