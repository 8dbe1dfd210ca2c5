"""Ratings as arrays, and the qualities they are about: cells, grouped into blocks that share effects.

Criteria that never stand together on one answer share an axis: nothing could tell their correlation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from irt.model import Floats, Ints

BLOCK = 400  # most answers of one person that are taken together


@dataclass(frozen=True, eq=False)
class Ratings:
    """Who graded what how; row n is one rating in every array."""

    answer: Ints  # (N,)
    criterion: Ints  # (N,)
    rater: Ints  # (N,)
    level: Ints  # (N,) 0 .. levels - 1
    levels: Ints  # (C,) of each criterion
    answers: int
    raters: int
    weight: Floats  # (N,) 1, or a share where one rating is spread over two levels
    person: Ints | None = None  # (answers,)
    reference: Ints | None = None  # raters taken as anchors

    def __post_init__(self) -> None:
        size = len(self.answer)
        if any(len(part) != size for part in (self.criterion, self.rater, self.level, self.weight)):
            raise ValueError("Ratings: answer, criterion, rater, level and weight must have one length.")
        if size == 0:
            raise ValueError("Ratings: there are none. Maybe the filter let nothing through.")
        for name, most in (("answer", self.answers), ("criterion", len(self.levels)), ("rater", self.raters)):
            column = getattr(self, name)
            if column.min() < 0 or column.max() >= most:
                raise ValueError(f"Ratings: {name} is outside 0 .. {most - 1}. Maybe rows and ids were mixed up.")
        if (self.levels < 2).any() or (self.level < 0).any() or (self.level >= self.levels[self.criterion]).any():
            raise ValueError("Ratings: a level is outside its criterion's levels. Maybe levels count from 1 here.")

    @property
    def layer(self) -> Ints:
        """(R,) 0 for raters who define quality, 1 for the others."""
        if self.reference is None:
            return np.zeros(self.raters, dtype=np.int64)
        side = np.ones(self.raters, dtype=np.int64)
        side[self.reference] = 0
        return side

    def rows(self, which: Ints) -> Ratings:
        """Some of the ratings, of the same answers and raters."""
        return replace(
            self, answer=self.answer[which], criterion=self.criterion[which], rater=self.rater[which],
            level=self.level[which], weight=self.weight[which],
        )  # fmt: skip


class Cells(NamedTuple):
    """Every quality that is estimated, sorted by block."""

    answer: Ints  # (cells,)
    criterion: Ints  # (cells,)
    layer: Ints  # (cells,)
    axis: Ints  # (cells,) row of Σ
    start: Ints  # (blocks + 1,)
    axes: int  # rows of Σ
    blocks_of_answers: int
    blocks_of_people: int


def axes_of(answer: Ints, criterion: Ints, criteria: int) -> Ints:
    """(C,) axis of each criterion: criteria that stand together on an answer get different ones."""
    meets = np.zeros((criteria, criteria), dtype=bool)
    order = np.lexsort((criterion, answer))
    groups = np.split(criterion[order], np.flatnonzero(np.diff(answer[order])) + 1)
    for group in {tuple(sorted(set(group.tolist()))) for group in groups}:
        meets[np.ix_(group, group)] = True
    axis = np.full(criteria, -1)
    for c in range(criteria):
        taken = set(axis[meets[c]].tolist())
        axis[c] = next(a for a in range(criteria) if a not in taken)
    return axis


def cells_of(ratings: Ratings, also: tuple[Ints, Ints]) -> tuple[Cells, Ints]:
    """(cells, cell of each rating); `also` are (answers, criteria) that nobody in `ratings` graded."""
    side = ratings.layer[ratings.rater]
    answer, criterion = np.append(ratings.answer, also[0]), np.append(ratings.criterion, also[1])
    keys = np.concatenate([
        np.column_stack([answer, criterion, np.zeros(len(answer), dtype=np.int64)]),
        np.column_stack([ratings.answer, ratings.criterion, side]),
    ])  # fmt: skip
    owner = np.arange(ratings.answers) if ratings.person is None else ratings.person
    owner = owner * (ratings.answers // BLOCK + 1) + _turn(owner) // BLOCK
    table = np.unique(np.column_stack([owner[keys[:, 0]], keys]), axis=0)
    axis = axes_of(answer, criterion, len(ratings.levels))
    axes = int(axis.max()) + 1
    start = np.append(np.flatnonzero(np.diff(table[:, 0], prepend=-1)), len(table))
    people = len(np.unique(owner)) if ratings.person is not None else 0
    layered = axes * (1 if ratings.reference is None else 2)
    cells = Cells(
        table[:, 1], table[:, 2], table[:, 3], axis[table[:, 2]] + axes * table[:, 3], start, layered,
        len(np.unique(table[:, 1])), people,
    )  # fmt: skip
    return cells, places(cells, ratings.answer, ratings.criterion, side, len(ratings.levels))


def places(cells: Cells, answer: Ints, criterion: Ints, layer: Ints | int, criteria: int) -> Ints:
    """Rows (n,) of some qualities among the cells of so many criteria; -1 where there is none."""
    code = (cells.answer * criteria + cells.criterion) * 2 + cells.layer
    wanted = (answer * criteria + criterion) * 2 + layer
    order = np.argsort(code)
    found = order[np.minimum(np.searchsorted(code[order], wanted), len(code) - 1)]
    return np.where(code[found] == wanted, found, -1)


def _turn(owner: Ints) -> Ints:
    """The how-manieth answer of its person each answer is."""
    order = np.argsort(owner, kind="stable")
    begin = np.flatnonzero(np.diff(owner[order], prepend=-1))
    turn = np.empty(len(owner), dtype=np.int64)
    turn[order] = np.arange(len(owner)) - np.repeat(begin, np.diff(np.append(begin, len(owner))))
    return turn
