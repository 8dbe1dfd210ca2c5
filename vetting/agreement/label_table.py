"""Tables of labels as people have them: long, one line a label, any order of columns.

    LABELS  unit, rater, label [, category] [, time]
    GOLD    unit, label

`category` groups units (a kind of content, an error code); `time` is a number or an ISO date and orders the labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from assignment.agreement import Labels
from assignment.arrays import Floats, Rows
from vetting.tables import EMPTY, TableFaultError, header, near, number, refuse, rows_of

Level = Literal["nominal", "ordinal", "interval", "ratio"]
NEEDED = ("unit", "rater", "label")
MOST_CATEGORIES = 200  # more different labels are texts or free numbers, not categories


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels with the names behind the numbers; row i is one label in every array."""

    labels: Labels
    units: tuple[str, ...]
    raters: tuple[str, ...]
    names: tuple[str, ...]  # of the categories, in their order
    group: tuple[str, ...]  # of each label; empty where the file has no such column
    time: Floats | None  # (N,) seconds or whatever the column counts

    @property
    def values(self) -> Floats:
        """(K,) the labels as numbers, nan where they are words."""
        return np.array([number(name) for name in self.names])


def read(file: Path, order: tuple[str, ...] = ()) -> LabelTable:
    """LABELS. `order` names the categories from lowest to highest; else numbers are sorted as numbers, words as words.

    Raises TableFaultError with every fault.
    """
    kept, faults = [], []
    for line, row in records(file, NEEDED):
        if row["label"].lower() in EMPTY:
            continue
        if not row["unit"] or not row["rater"]:
            faults.append(f"{file}:{line}: the unit or the rater is empty. Maybe the columns are shifted.")
        elif order and row["label"] not in order:
            faults.append(
                f"{file}:{line}: label {row['label']!r} is not in the order given.{near(row['label'], order)}"
            )
        elif "time" in row and moment(row["time"]) is None:
            faults.append(f"{file}:{line}: time {row['time']!r} is neither a number nor a date such as 2026-01-31.")
        else:
            kept.append(row)
    refuse(faults)
    if not kept:
        raise TableFaultError(f"{file}: holds no label. Maybe only the header was exported.")
    return table_of(file, kept, order)


def table_of(file: Path, rows: list[dict[str, str]], order: tuple[str, ...]) -> LabelTable:
    names = order or tuple(sorted({row["label"] for row in rows}, key=lambda name: (_rank(name), name)))
    if not 2 <= len(names) <= MOST_CATEGORIES:
        raise TableFaultError(
            f"{file}: {len(names)} different label(s), but 2 to {MOST_CATEGORIES} can be compared. "
            "Maybe another column holds the label."
        )
    units, unit = _numbered([row["unit"] for row in rows])
    raters, rater = _numbered([row["rater"] for row in rows])
    place = {name: k for k, name in enumerate(names)}
    category = np.array([place[row["label"]] for row in rows], dtype=np.intp)
    moments = [moment(row["time"]) for row in rows if "time" in row]
    return LabelTable(
        Labels(unit, rater, category, len(names)), units, raters, names,
        tuple(row["category"] for row in rows if "category" in row),
        np.array(moments, dtype=float) if moments else None,
    )  # fmt: skip


def read_gold(file: Path, table: LabelTable) -> Rows:
    """GOLD as the true category of each unit (U,), -1 where it is not known. Raises TableFaultError."""
    unit, category = ({name: n for n, name in enumerate(names)} for names in (table.units, table.names))
    known, faults = np.full(len(table.units), -1, dtype=np.intp), []
    for line, row in records(file, ("unit", "label")):
        if row["label"] not in category:
            faults.append(f"{file}:{line}: no rater ever used {row['label']!r}.{near(row['label'], category)}")
        elif row["unit"] in unit:
            before = known[unit[row["unit"]]]
            known[unit[row["unit"]]] = category[row["label"]]
            if before not in (-1, category[row["label"]]):
                faults.append(f"{file}:{line}: unit {row['unit']!r} has another gold label above. Maybe keep one.")
    refuse(faults)
    if (known < 0).all():
        raise TableFaultError(f"{file}: none of its units is in the labels. Maybe it is of another batch.")
    return known


def records(file: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered rows by column name. Raises TableFaultError where a column or a cell is lacking."""
    lines = rows_of(file)
    names = header(file, lines)
    if lacking := [name for name in needed if name not in names]:
        raise TableFaultError(f"{file}:1: columns {names[:6]}, but {', '.join(lacking)} is lacking. Maybe rename one.")
    for line, row in lines:
        if len(row) != len(names):
            raise TableFaultError(
                f"{file}:{line}: {len(row)} cells, but the header has {len(names)}. Maybe a comma stands inside a cell."
            )
        yield line, dict(zip(names, row, strict=True))


def moment(text: str) -> float | None:
    """A number, or an ISO date or time as seconds; None where it is neither."""
    if np.isfinite(value := number(text)):
        return value
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _rank(name: str) -> float:
    value = number(name)
    return value if np.isfinite(value) else np.inf


def _numbered(names: list[str]) -> tuple[tuple[str, ...], Rows]:
    place = {name: n for n, name in enumerate(dict.fromkeys(names))}
    return tuple(place), np.array([place[name] for name in names], dtype=np.intp)
