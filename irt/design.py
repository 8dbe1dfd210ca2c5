r"""What a calibration is given: answers, and which skills each item asks.

Answers are kept per person, one after the other (compressed rows): person p gave the levels
level[start[p]:start[p + 1]] to the items item[start[p]:start[p + 1]]. What was not asked is absent;
there is no code for missing.

A design says, per item, its skills, its levels K (0..K-1) and its chance of guessing. `fittable`
takes out what the answers cannot tell, with a reason each, so that one dead item does not stop a bank.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from irt.facets import Cells, faults, without
from irt.model import Floats, Ints, first

Flags = NDArray[np.bool_]


class Refused(NamedTuple):
    """Something left out of a fit or changed for it, and the reason."""

    kind: str  # "item", "skill", "rater" or, of all of it, "fit"
    index: int  # type: ignore[assignment] # its row or column in the design; a tuple's own index() is not used
    why: str  # may name "skill {other}"
    other: int = -1  # column of another skill that the reason is about

    @property
    def what(self) -> str:
        return self.kind if self.kind == "fit" else f"{self.kind} {self.index}"


@dataclass(frozen=True, eq=False)
class Answers:
    """Levels reached by P persons, in compressed rows."""

    start: Ints  # (P + 1,) rising from 0 to N
    item: Ints  # (N,)
    level: Ints  # (N,) >= 0
    weight: Floats  # (P,) how many persons a row stands for

    def __post_init__(self) -> None:
        given = len(self.item)
        if self.start.ndim != 1 or len(self.start) == 0 or self.start[0] != 0 or self.start[-1] != given:
            raise ValueError(f"Answers: start must rise from 0 to the {given} answers. Maybe it lacks its last entry.")
        if (np.diff(self.start) < 0).any() or self.level.shape != self.item.shape:
            raise ValueError(f"Answers: start falls, or item {self.item.shape} and level {self.level.shape} differ.")
        if self.weight.shape != (len(self),) or not (np.isfinite(self.weight) & (self.weight >= 0)).all():
            raise ValueError(f"Answers: weight must be ({len(self)},), finite and not negative.")
        if given and min(self.item.min(), self.level.min()) < 0:
            where = first((self.item < 0) | (self.level < 0))
            raise ValueError(f"Answers: answer {where} is negative. Maybe -1 was meant as missing: leave it out.")
        twice = self._twice()
        if twice.any():
            where = first(twice)
            raise ValueError(
                f"Answers: person {self.person[where]} answered item {self.item[where]} more than once. "
                "Maybe a row was recorded twice, or two raters need an item each."
            )

    def _twice(self) -> Flags:
        repeated = np.zeros(len(self.item), dtype=bool)
        order = np.lexsort((self.item, self.person))
        person, item = self.person[order], self.item[order]
        repeated[order[1:]] = (np.diff(person) == 0) & (np.diff(item) == 0)
        return repeated

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def person(self) -> Ints:
        """Who gave each answer, (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def people(self, which: Ints | Flags | slice) -> Answers:
        """The answers of some persons, in that order."""
        rows = np.arange(len(self))[which]
        size = np.diff(self.start)[rows]
        start = np.concatenate([[0], np.cumsum(size)])
        at = np.arange(start[-1]) + np.repeat(self.start[rows] - start[:-1], size)
        return Answers(start, self.item[at], self.level[at], self.weight[rows])

    def where(self, keep: Flags) -> Answers:
        """Some of the answers, (N,) flags; everyone stays, perhaps with none left."""
        start = np.concatenate([[0], np.cumsum(keep)])[self.start]
        return Answers(start, self.item[keep], self.level[keep], self.weight)


def answers_from_rows(person: Ints, item: Ints, level: Ints, people: int, weight: Floats | None = None) -> Answers:
    """Answers from a long table in any order; persons are numbered 0..people-1."""
    if len(person) and not 0 <= person.min() <= person.max() < people:
        raise ValueError(
            f"answers_from_rows: person must be in 0..{people - 1}, but is {person.min()}..{person.max()}."
        )
    if not len(person) == len(item) == len(level):
        raise ValueError(
            f"answers_from_rows: {len(person)} persons, {len(item)} items and {len(level)} levels; a row has one each."
        )
    broken = np.asarray(level) != np.asarray(np.floor(level))  # nan too
    if broken.any():
        raise ValueError(
            f"answers_from_rows: row {first(broken)} is {level[first(broken)]}, not a level. "
            "Maybe leave out what was not asked."
        )
    order = np.argsort(person, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(person, minlength=people))]).astype(np.int64)
    ones = np.ones(people) if weight is None else np.asarray(weight, dtype=float)
    return Answers(start, np.asarray(item, np.int64)[order], np.asarray(level, np.int64)[order], ones)


def answers_from_table(table: Floats | Ints, weight: Floats | None = None) -> Answers:
    """Answers from a wide table (P, I); nan or a negative level was not asked."""
    if (wild := np.isposinf(table)).any():
        where = np.argwhere(wild)[0]
        raise ValueError(
            f"answers_from_table: person {where[0]}, item {where[1]} is infinite. Maybe nan was meant: not asked."
        )
    asked = ~np.isnan(table) & (table >= 0)
    level = np.where(asked, table, 0)
    if (level != np.round(level)).any():
        where = np.argwhere(level != np.round(level))[0]
        raise ValueError(
            f"answers_from_table: person {where[0]}, item {where[1]} is {level[tuple(where)]}, not a level."
        )
    person, item = np.nonzero(asked)
    return answers_from_rows(person, item, level[asked].astype(np.int64), len(table), weight)


@dataclass(frozen=True, eq=False)
class Design:
    """Which skills, levels and guessing the items have; row i is item i."""

    skills: int  # D
    skill: Ints  # (I, k) columns of θ, padded at the right with -1
    levels: Ints  # (I,) >= 2
    guess: Floats  # (I,) in [0, 1); fixed, not estimated
    same_slope: bool = False  # one slope for all items of a skill (Rasch's model, scaled)

    def __post_init__(self) -> None:
        if self.skill.ndim != 2 or not len(self.skill) == len(self.levels) == len(self.guess):
            raise ValueError(
                f"Design: skill {self.skill.shape}, levels {self.levels.shape}, guess {self.guess.shape}: "
                "they must be (I, k), (I,) and (I,)."
            )
        late = (np.diff((self.skill >= 0).astype(int), axis=1) > 0).any(1)
        faulty = late | (self.skill >= self.skills).any(1) | (self.skill < -1).any(1) | (self.width == 0)
        if faulty.any():
            row = first(faulty)
            raise ValueError(
                f"Design: item {row} asks skills {self.skill[row]}, but they must be in 0..{self.skills - 1}, "
                "at least one, with -1 as padding at the right. Maybe skills are counted from 1."
            )
        ordered = np.sort(self.skill, axis=1)
        twice = ((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any(1)
        if twice.any():
            raise ValueError(f"Design: item {first(twice)} names a skill twice: {self.skill[first(twice)]}.")
        odd = ~np.isfinite(self.guess) | (self.guess < 0) | (self.guess >= 1) | ((self.guess > 0) & (self.levels > 2))
        if odd.any() or (self.levels < 2).any():
            row = first(odd | (self.levels < 2))
            raise ValueError(
                f"Design: item {row} has {self.levels[row]} levels and guess {self.guess[row]}, but levels must be "
                "2 or more and guess in [0, 1), 0 with more than two levels."
            )

    def __len__(self) -> int:
        return len(self.guess)

    @property
    def width(self) -> Ints:
        """Number of skills an item asks, (I,)."""
        return (self.skill >= 0).sum(1)

    @property
    def asks(self) -> Flags:
        """(I, D): item i asks skill d."""
        table = np.zeros((len(self), self.skills), dtype=bool)
        item, place = np.nonzero(self.skill >= 0)
        table[item, self.skill[item, place]] = True
        return table


def design_from_table(asks: Flags | Ints, levels: Ints | int = 2, guess: Floats | float = 0.0) -> Design:
    """A design from an item by skill table (I, D) of true and false (a "Q-matrix")."""
    table = np.asarray(asks).astype(bool)
    widest = max(1, int(table.sum(1).max(initial=1)))
    first_ones = np.argsort(~table, axis=1, kind="stable")[:, :widest]
    skill = np.where(np.take_along_axis(table, first_ones, 1), first_ones, -1)
    rows = len(table)
    return Design(
        table.shape[1],
        skill,
        np.broadcast_to(levels, rows).astype(np.int64),
        np.broadcast_to(guess, rows).astype(float),
    )


@dataclass(frozen=True, eq=False)
class Task:
    """The part of a design that the answers can tell, renumbered, and what was left out."""

    answers: Answers
    design: Design
    items: Ints  # rows of the whole design
    skills: Ints  # columns of the whole design
    levels: Ints  # (I',) levels of the kept items in the whole design
    recode: Ints  # (I', K) fitted level of each level of the whole design
    refused: tuple[Refused, ...]
    cells: Cells | None = None  # what `answers` are to, where they have raters
    raters: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # rows of the whole panel
    kept_cells: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # rows of all cells

    @property
    def asked(self) -> Ints:
        """Item of each answer, (N,)."""
        return self.answers.item if self.cells is None else self.cells.item[self.answers.item]


def fittable(
    answers: Answers, design: Design, *, correlated: bool = True, lone: int = 3, pair: int = 2,
    cells: Cells | None = None,
) -> Task:  # fmt: skip
    """Leave out, with reasons, what these answers cannot tell.

    `pair` is the least number of items of a skill that correlates with others, `lone` of one that does not.
    cells: what the answers are to (rows of it), where raters graded them.
    """
    raters, dropped = np.zeros(0, dtype=np.int64), list[Refused]()
    if cells is not None:
        answers, raters, dropped = _placed(answers, design, cells)
    asked = answers.item if cells is None else cells.item[answers.item]
    check(answers, asked, design)
    used = _used_levels(answers, asked, design)
    refused = dropped + list(_dead_items(used)) + list(_islands(answers, asked, design, used.sum(1) >= 2))
    keep = np.ones(len(design), dtype=bool)
    keep[[r.index for r in refused if r.kind == "item"]] = False
    skills = np.ones(design.skills, dtype=bool)
    while True:
        fresh = list(_poor_skills(design.asks[keep], skills, correlated=correlated, lone=lone, pair=pair))
        if not fresh:
            break
        skills[[r.index for r in fresh]] = False
        orphans = keep & design.asks[:, ~skills].any(1)
        refused += fresh + [
            Refused("item", int(i), "it asks a skill that was refused.") for i in np.nonzero(orphans)[0]
        ]
        keep &= ~orphans
    recode = _recode(used)
    refused += _collapsed(used, design.levels, keep)
    return _task(answers, design, keep, skills, recode, refused, cells, raters)


def _placed(answers: Answers, design: Design, cells: Cells) -> tuple[Answers, Ints, list[Refused]]:
    """Answers by raters who can be placed, these raters, and why the others cannot."""
    if len(answers.item) and answers.item.max() >= len(cells):
        raise ValueError(f"calibration: cell {answers.item.max()} was graded, but there are {len(cells)} cells.")
    kin = np.unique(np.sort(design.skill, axis=1), axis=0, return_inverse=True)[1].ravel()
    rater, asked = cells.rater[answers.item], cells.item[answers.item]
    why = dict(faults(answers.person, asked, rater, answers.level, kin, cells))
    good = np.array([r for r in range(cells.raters) if r not in why], dtype=np.int64)
    lost = len(good) and not np.isin(cells.reference, good).any()
    dropped = [Refused("rater", r, f"{reason} Its grades were left out.") for r, reason in sorted(why.items())]
    if lost:
        raise ValueError(
            f"calibration: none of the reference raters can be placed. {dropped[0].why} "
            "Maybe name others, or leave --reference out."
        )
    return answers.where(~np.isin(rater, list(why))), good, dropped


def check(answers: Answers, asked: Ints, design: Design) -> None:
    """Refuse answers to items the design lacks, or at levels its items lack."""
    if len(asked) == 0:
        return
    if asked.max() >= len(design):
        raise ValueError(f"calibration: item {asked.max()} was answered, but the design has {len(design)} items.")
    high = answers.level >= design.levels[asked]
    if high.any():
        at = first(high)
        raise ValueError(
            f"calibration: person {answers.person[at]} reached level {answers.level[at]} of item {asked[at]}, "
            f"which has levels 0..{design.levels[asked[at]] - 1}. Maybe levels are counted from 1."
        )


def _used_levels(answers: Answers, asked: Ints, design: Design) -> Flags:
    used = np.zeros((len(design), int(design.levels.max(initial=2))), dtype=bool)
    counted = answers.weight[answers.person] > 0
    used[asked[counted], answers.level[counted]] = True
    return used


def _dead_items(used: Flags) -> list[Refused]:
    why = {0: "nobody answered it.", 1: "all answers are at one level: it cannot tell persons apart."}
    return [Refused("item", int(i), why[int(n)]) for i, n in enumerate(used.sum(1)) if n < 2]


def _islands(answers: Answers, asked: Ints, design: Design, alive: Flags) -> list[Refused]:
    """Items that no chain of shared persons links to the largest group of items."""
    people, rows = len(answers), len(design)
    ends = (answers.person, people + asked)
    edges = coo_array((np.ones(len(answers.item)), ends), shape=(people + rows,) * 2)
    _, label = connected_components(edges, directed=False)
    mine = label[people:]
    if not alive.any():
        return []
    home = np.bincount(mine[alive]).argmax()
    why = "no person answered both it and the main group of items: its booklet is not linked."
    return [Refused("item", int(i), why) for i in np.nonzero(alive & (mine != home))[0]]


def _poor_skills(asks: Flags, alive: Flags, *, correlated: bool, lone: int, pair: int) -> list[Refused]:
    least = pair if correlated and alive.sum() > 1 else lone
    count = asks.sum(0)
    refused = [_few(int(d), int(count[d]), least) for d in np.nonzero(alive & (count < least))[0]]
    if refused or not correlated:
        return refused
    own = asks.astype(float).T @ (~asks).astype(float)  # (D, D): items that ask d but not e
    np.fill_diagonal(own, 1)
    for d, e in np.argwhere((own == 0) & alive[:, None] & alive[None, :]):
        why = f"every item that asks it also asks skill {e}. Maybe add items of its own, or fix the correlations."
        return [Refused("skill", int(d), why, int(e))]
    return []


def _few(skill: int, count: int, least: int) -> Refused:
    return Refused("skill", skill, f"{count} usable items are left, and {least} are needed to place it.")


def _recode(used: Flags) -> Ints:
    """Fitted level of each level: levels nobody reached join the next one below."""
    return np.maximum(np.cumsum(used, axis=1) - 1, 0)


def _collapsed(used: Flags, levels: Ints, keep: Flags) -> list[Refused]:
    notes = []
    for i in np.nonzero(keep)[0]:
        empty = np.nonzero(~used[i, : levels[i]])[0].tolist()
        if empty:
            notes.append(Refused("item", int(i), f"nobody reached level {empty}: fitted together with a neighbour."))
    return notes


def _task(
    answers: Answers, design: Design, keep: Flags, skills: Flags, recode: Ints, refused: list[Refused],
    cells: Cells | None, raters: Ints,
) -> Task:  # fmt: skip
    column = np.cumsum(skills) - 1
    row = np.cumsum(keep) - 1
    skill = np.where(design.skill[keep] >= 0, column[design.skill[keep]], -1)
    fitted = replace(
        design,
        skills=int(skills.sum()),
        skill=skill,
        levels=recode[keep].max(1, initial=1) + 1,
        guess=design.guess[keep],
    )
    asked = answers.item if cells is None else cells.item[answers.item]
    some, asked = answers.where(keep[asked]), asked[keep[asked]]
    level, place, used = recode[asked, some.level], row[asked], np.zeros(0, dtype=np.int64)
    if cells is not None:
        used, place = np.unique(some.item, return_inverse=True)
        cells = without(cells, raters, row, used)
    usable = Answers(some.start, place, level, some.weight)
    rows, columns = np.nonzero(keep)[0], np.nonzero(skills)[0]
    return Task(
        usable, fitted, rows, columns, design.levels[keep], recode[keep], tuple(refused), cells, raters, used
    )  # fmt: skip
