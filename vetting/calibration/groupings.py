"""Who belongs to which group, and when people answered: the further tables that `assay judge` reads.

GROUPS  the first column (or `person`) the person, then one column a way to part people: language, site, schooling;
        an empty cell where it is not known.
time    a column of RESPONSES: a number, or a date and time as in 2026-03-02 or 2026-03-02T14:05.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from irt.model import Floats
from vetting import tables
from vetting.tables import EMPTY, Responses, TableFaultError

MOST_GROUPS = 20  # of one grouping: more are names or numbers, not groups


@dataclass(frozen=True, eq=False)
class Grouping:
    """A way to part people: each one's label, "" for people of whom it is not known."""

    name: str
    label: tuple[str, ...]  # in the order of Responses.people


def read_groups(file: Path, said: Responses) -> list[Grouping]:
    """GROUPS, in the order of the people who answered; others are passed over. Raises TableFaultError."""
    rows = tables.rows_of(file)
    names = tables.header(file, rows)
    key = names.index("person") if "person" in names else 0
    known = set(said.people)
    found: dict[str, list[str]] = {}
    faults = []
    for line, row in rows:
        padded = row + [""] * (len(names) - len(row))
        if len(row) > len(names):
            faults.append(f"{file}:{line}: {len(row)} cells, but the header has {len(names)}.")
        elif padded[key] in found:
            faults.append(f"{file}:{line}: person {padded[key]!r} stands twice. Maybe keep one row for each.")
        elif padded[key] in known:
            found[padded[key]] = ["" if cell.lower() in EMPTY else cell for cell in padded]
    tables.refuse(faults)
    if not found:
        raise TableFaultError(f"{file}: none of its people is in {said.file}. Maybe they are named otherwise there.")
    blank = [""] * len(names)
    groupings = [
        Grouping(name, tuple(found.get(person, blank)[place] for person in said.people))
        for place, name in enumerate(names)
        if place != key
    ]
    tables.refuse([fault for one in groupings for fault in faults_of(file, one)])
    return groupings


def faults_of(file: Path, one: Grouping) -> Iterator[str]:
    count = len(Counter(label for label in one.label if label))
    if count < 2:
        yield f"{file}: {one.name} has {count} group{'s' * (count != 1)}, and two are needed to compare. Maybe drop it."
    if count > MOST_GROUPS:
        yield f"{file}: {one.name} has {count} groups. Maybe it is no grouping, or make at most {MOST_GROUPS} of it."


def read_time(file: Path, said: Responses, column: str) -> Floats | None:
    """When each person answered (median of their rows), nan where that is not known; None without the column."""
    rows = tables.rows_of(file)
    names = tables.header(file, rows)
    if column not in names:
        return None
    person = names.index("person") if "person" in names else 0
    place = names.index(column)
    when, faults = defaultdict(list), []
    for line, row in rows:
        cell = row[place] if place < len(row) else ""
        if cell.lower() in EMPTY:
            continue
        value = moment(cell)
        if value is None:
            faults.append(f"{file}:{line}: {column} {cell!r}: a number or a date is needed. Maybe 2026-03-02T14:05.")
        else:
            when[row[person]].append(value)
    tables.refuse(faults)
    return np.array([np.median(when[one]) if when.get(one) else np.nan for one in said.people])


def moment(text: str) -> float | None:
    """A number as it is; a date as seconds since 1970, in UTC where it does not say."""
    value = tables.number(text)
    if np.isfinite(value):
        return value
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
