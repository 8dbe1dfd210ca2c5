"""Tables of ratings as people have them: long, one line a grade, any order of columns.

    answer, rater, level [, criterion] [, person]

A level is a whole number; a level between two (an average) is refused, or with `split` counted as shares of both
neighbours. Raters whose grades can tell nothing are left out, each with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from irt.model import Floats, Ints
from irt.rater_cells import Ratings
from vetting.tables import EMPTY, TableFaultError, header, near, number, refuse, rows_of

NEEDED = ("answer", "rater", "level")


@dataclass(frozen=True, eq=False)
class RatingTable:
    """Ratings with the names behind the numbers."""

    ratings: Ratings
    answers: tuple[str, ...]
    criteria: tuple[str, ...]
    raters: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]  # levels of each criterion as the file has them
    left_out: dict[str, str] = field(default_factory=dict)  # rater -> why
    persons: tuple[str, ...] = ()  # whose answers they are; none where the file does not say

    def value(self, criterion: Ints, level: Ints) -> Floats:
        """Levels in the file's own numbers, (n,)."""
        table = np.full((len(self.values), max(map(len, self.values))), np.nan)
        for c, values in enumerate(self.values):
            table[c, : len(values)] = values
        return np.asarray(table[criterion, level])


@dataclass
class _Rows:
    answer: dict[str, int] = field(default_factory=dict)
    criterion: dict[str, int] = field(default_factory=dict)
    rater: dict[str, int] = field(default_factory=dict)
    person: dict[int, str] = field(default_factory=dict)
    seen: dict[tuple[int, int, int], int] = field(default_factory=dict)
    rows: list[tuple[int, int, int, int, float]] = field(default_factory=list)


def read(file: Path, *, reference: tuple[str, ...] = (), split: bool = False) -> RatingTable:
    """RATINGS. Raises TableFaultError with every fault."""
    lines = rows_of(file)
    names = header(file, lines)
    if lacking := [name for name in NEEDED if name not in names]:
        raise TableFaultError(f"{file}:1: columns {names[:6]}, but {', '.join(lacking)} is lacking. Maybe rename one.")
    found, faults = _Rows(), []
    for line, row in lines:
        if len(row) != len(names):
            faults.append(f"{file}:{line}: {len(row)} cells, but the header has {len(names)}.")
            continue
        if fault := _take(found, dict(zip(names, row, strict=True)), line, split=split):
            faults.append(f"{file}:{line}: {fault}")
    if not found.rows and not faults:
        faults.append(f"{file}: holds no rating. Maybe only the header was exported.")
    faults += [
        f"{file}: reference rater {name!r} rated nothing.{near(name, found.rater)}"
        for name in reference if name not in found.rater
    ]  # fmt: skip
    if found.person and len(found.person) < len(found.answer):
        faults.append(f"{file}: some answers have a person and some have none. Maybe fill the column or leave it out.")
    refuse(faults)
    return table_of(found, reference)


def _take(found: _Rows, row: dict[str, str], line: int, *, split: bool) -> str | None:  # noqa: PLR0911 -- a fault each
    """Keep one row, or say what is wrong with it."""
    if row["level"].lower() in EMPTY:
        return None
    answer, rater, criterion = row["answer"], row["rater"], row.get("criterion", "")
    if not answer or not rater:
        return "the answer or the rater is empty. Maybe the columns are shifted."
    level = number(row["level"])
    if not -1e6 < level < 1e6:
        kind = "no number" if isnan(level) else "beyond all levels"
        return f"level {row['level']!r} is {kind}. Maybe words stand for levels: number them from the worst."
    if level != floor(level) and not split:
        return (
            f"level {row['level']!r} lies between two levels. Maybe it is an average: give the single grades, or "
            "take --split, which counts it as shares of both neighbours."
        )
    a = found.answer.setdefault(answer, len(found.answer))
    key = (
        a,
        found.criterion.setdefault(criterion, len(found.criterion)),
        found.rater.setdefault(rater, len(found.rater)),
    )
    if key in found.seen:
        return (
            f"rater {rater!r} graded answer {answer!r} already on line {found.seen[key]}. "
            "Maybe these are two runs: give each its own name, or keep one."
        )
    found.seen[key] = line
    if (person := row.get("person", "")) and found.person.setdefault(a, person) != person:
        return f"answer {answer!r} belongs to {found.person[a]!r} and to {person!r}. Maybe number answers by person."
    low, share = floor(level), level - floor(level)
    found.rows.append((*key, low, 1 - share))
    if share:
        found.rows.append((*key, low + 1, share))
    return None


def table_of(found: _Rows, reference: tuple[str, ...]) -> RatingTable:
    """Arrays, without the raters who can tell nothing."""
    table = np.array(found.rows)
    answer, criterion, rater, level = table[:, :4].T.astype(np.int64)
    weight = table[:, 4]
    names = list(found.rater)
    keep = np.ones(len(table), dtype=bool)
    left_out: dict[str, str] = {}
    for why, strange in (
        ("gave one level only: neither severity nor discrimination can be told", one_level(rater, level)),
        ("shares no answer with the reference raters, not even through others", apart(answer, rater, names, reference)),
    ):
        for r in np.flatnonzero(strange):
            left_out.setdefault(names[r], why)
            keep &= rater != r
    anchors = [name for name in reference if name not in left_out]
    if not keep.any() or (reference and not anchors):
        raise TableFaultError(
            "ratings: nobody is left to be estimated: "
            + "; ".join(f"{name} {why}" for name, why in left_out.items())
            + ". Maybe add grades by several raters on the same answers."
        )
    answers, answer = _again(list(found.answer), answer[keep])
    criteria, criterion = _again(list(found.criterion), criterion[keep])
    raters, rater = _again(names, rater[keep])
    values, place = levels_of(criterion, level[keep], criteria)
    people, persons = None, np.array([])
    if found.person:
        persons, people = np.unique([found.person[found.answer[name]] for name in answers], return_inverse=True)
    ratings = Ratings(
        answer, criterion, rater, place, np.array([len(one) for one in values]), len(answers), len(raters),
        weight[keep], None if people is None else people.astype(np.int64),
        np.array([raters.index(name) for name in anchors]) if anchors else None,
    )  # fmt: skip
    return RatingTable(ratings, answers, criteria, raters, values, left_out, tuple(persons.tolist()))


def _again(names: list[str], index: Ints) -> tuple[tuple[str, ...], Ints]:
    used, again = np.unique(index, return_inverse=True)
    return tuple(names[n] for n in used), again.astype(np.int64)


def one_level(rater: Ints, level: Ints) -> NDArray[np.bool_]:
    """(R,) whether all grades of a rater are the same."""
    low, high = np.full(rater.max() + 1, 10**9), np.full(rater.max() + 1, -(10**9))
    np.minimum.at(low, rater, level)
    np.maximum.at(high, rater, level)
    return np.asarray(low == high)


def apart(answer: Ints, rater: Ints, names: list[str], reference: tuple[str, ...]) -> NDArray[np.bool_]:
    """(R,) whether a rater is connected, by shared answers, neither to a reference rater nor to most raters."""
    raters = len(names)
    both = coo_array((np.ones(len(rater)), (rater, raters + answer)), shape=[raters + answer.max() + 1] * 2)
    part = connected_components(both, directed=False)[1][:raters]
    wanted = {part[names.index(name)] for name in reference} or {np.bincount(part[rater]).argmax()}
    return ~np.isin(part, list(wanted))


def levels_of(criterion: Ints, level: Ints, criteria: tuple[str, ...]) -> tuple[tuple[tuple[int, ...], ...], Ints]:
    """(levels of each criterion that anybody gave, place (N,) of each level among them)."""
    values, place = [], np.empty(len(level), dtype=np.int64)
    for c in range(len(criteria)):
        mine = criterion == c
        own, place[mine] = np.unique(level[mine], return_inverse=True)
        if len(own) < 2:
            raise TableFaultError(
                f"criterion {criteria[c] or 'of the file'!r}: everybody gave level {own[0]}. Maybe leave it out."
            )
        values.append(tuple(int(v) for v in own))
    return tuple(values), place
