r"""Who graded what: cells, what grades of one answer share, and which raters the grades tie together.

A *cell* is an item as one rater reads it, with the effects of the answer that was graded. Every (person, answer) has an
effect of its own, u ~ N(0, 1), which all grades of it see; where answers have several criteria and several raters,
every (person, answer, item) has one too. Effects are numbered within a person, so that "the person's third
answer" is one column for everybody: columns are further skills, independent of all others.

Which severities can be compared is algebra. With y = θ_p + b_i - ρ_r, a contrast of severities is estimable if and
only if it is orthogonal to the null space of the design once persons (on items of the same skills) are taken out;
raters whose rows of that null space are equal form a group, and only one group can be placed on one scale.

References: Linacre (1989), Many-Facet Rasch Measurement; Searle (1971), Linear Models, ch. 5, on estimability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from irt.model import Floats, Ints

NULL = 1e-9  # share of the largest eigenvalue below which one counts as 0
LEAST = float(np.log(0.02))  # log ω below which an effect is none
SHARES = ("answer", "answer and item")  # all grades of an answer see one effect; those on one item of it another
NOBODY = -1  # the rater of an answer that a key scored


@dataclass(frozen=True, eq=False)
class Cells:
    """Items as raters read them; row v is one cell in every array."""

    item: Ints  # (V,) rows of the design
    rater: Ints  # (V,) NOBODY where a key scored
    effect: Ints  # (V, E) columns among the effects, of each kind; -1 where it has none
    shares: tuple[str, ...]  # (E) of SHARES: by whom each kind is shared
    raters: int  # R
    reference: Ints  # raters whose mean severity is 0; all of them if nobody is named

    def __post_init__(self) -> None:
        if not len(self.item) == len(self.rater) == len(self.effect) or self.effect.ndim != 2:
            raise ValueError("Cells: item (V,), rater (V,) and effect (V, E) must have one length.")
        if self.effect.shape[1] != len(self.shares):
            raise ValueError(f"Cells: effects of {self.effect.shape[1]} kinds, but {len(self.shares)} are named.")
        if self.rater.min(initial=0) < NOBODY or self.rater.max(initial=-1) >= self.raters:
            raise ValueError(f"Cells: a rater is outside 0..{self.raters - 1}. Maybe raters are counted from 1.")
        if self.raters and (len(self.reference) == 0 or not np.isin(self.reference, np.arange(self.raters)).all()):
            raise ValueError("Cells: a reference rater is not among the raters, or none is named at all.")

    def __len__(self) -> int:
        return len(self.item)

    @property
    def effects(self) -> int:
        """Columns that effects take."""
        return int(self.effect.max(initial=-1)) + 1

    @property
    def kinds(self) -> int:
        """E."""
        return len(self.shares)

    @property
    def basis(self) -> Floats:
        """C (R, B): severities C β have mean 0 over the reference raters; its columns are orthonormal."""
        pin = np.isin(np.arange(self.raters), self.reference).astype(float)
        if not self.raters:
            return np.zeros((0, 0))
        return np.asarray(np.linalg.svd(pin[None])[2][1:].T, dtype=float)


@dataclass(frozen=True, eq=False)
class Facets:
    """Raters and effects at one step of a fit."""

    cells: Cells
    severity: Floats  # ρ (R,), in sds of the skill
    log_discrimination: Floats  # log φ (R,)
    log_effect: Floats  # log ω (E,), in sds of the skill
    severity_sd: float  # of the raters, as learnt
    discrimination_sd: float  # of log φ


def entries(cells: Cells) -> Ints:
    """(V, 2 + E): where ρ, log φ and log ω of each cell stand among (ρ (R), log φ (R), log ω (E)); -1: none."""
    r = cells.rater[:, None]
    kinds = 2 * cells.raters + np.arange(cells.kinds)
    return np.concatenate(
        [r, np.where(r < 0, -1, r + cells.raters), np.where(cells.effect >= 0, kinds, -1)], axis=1
    )  # fmt: skip


def free(cells: Cells) -> Floats:
    """T (2R + E, q): all free parameters of raters and effects, (ρ, log φ, log ω) = T (β_ρ, β_φ, log ω)."""
    c, e = cells.basis, np.eye(cells.kinds)
    (r, b), n = c.shape, cells.kinds
    out = np.zeros((2 * r + n, 2 * b + n))
    out[:r, :b], out[r : 2 * r, b : 2 * b], out[2 * r :, 2 * b :] = c, c, e
    return out


def packed(many: Facets) -> Floats:
    """All free parameters (q,)."""
    c = many.cells.basis
    return np.concatenate([c.T @ many.severity, c.T @ many.log_discrimination, many.log_effect])


def unpacked(x: Floats, many: Facets) -> Facets:
    full, raters = free(many.cells) @ x, many.cells.raters
    omega = np.maximum(full[2 * raters :], LEAST)
    return replace(many, severity=full[:raters], log_discrimination=full[raters : 2 * raters], log_effect=omega)


def cells_of(
    person: Ints, item: Ints, rater: Ints, answer: Ints, raters: int, reference: Ints | None = None,
    shares: tuple[str, ...] | None = None,
) -> tuple[Cells, Ints]:  # fmt: skip
    """(cells, cell of each grade); answer (N,) numbers what was graded within a person, -1 where it stands alone.

    shares: kinds of effects; if absent, those that the grades can tell: some share one, and some person has two.
    """
    whole = _numbered(person, answer[:, None])
    part = _numbered(person, np.where(answer[:, None] < 0, -1, np.column_stack([answer, item])))
    places = dict(zip(SHARES, (whole[0], part[0]), strict=True))
    if shares is None:
        alike = len(np.unique(whole[1])) == len(np.unique(part[1]))  # one item an answer: the two are the same
        told = _told(person, whole[1]), _told(person, part[1]) and not alike
        shares = tuple(name for name, is_told in zip(SHARES, told, strict=True) if is_told)
    columns, first = [], 0
    for name in shares:
        place = places[name]
        columns.append(np.where(place < 0, -1, place + first))
        first += int(place.max(initial=-1)) + 1
    effect = np.column_stack(columns) if columns else np.zeros((len(person), 0), dtype=np.int64)
    table, cell = np.unique(np.column_stack([item, rater, effect]), axis=0, return_inverse=True)
    anchors = np.arange(raters) if reference is None else reference
    return Cells(table[:, 0], table[:, 1], table[:, 2:], shares, raters, anchors), cell.ravel()


def _numbered(person: Ints, key: Ints) -> tuple[Ints, Ints]:
    """(place of each key (N, …) within its person, number of each (person, key)); -1 where the key is -1."""
    real = (key >= 0).all(1)
    table, group = np.unique(np.column_stack([person, key]), axis=0, return_inverse=True)
    group = group.ravel()
    counted = (table[:, 1:] >= 0).all(1)
    order = np.cumsum(counted) - 1
    begin = np.searchsorted(table[:, 0], table[:, 0])
    before = np.concatenate([[0], np.cumsum(counted)])[begin]
    return np.where(real, (order - before)[group], -1), np.where(real, group, -1)


def _told(person: Ints, group: Ints) -> bool:
    """Whether the grades can tell the variance of effects: some share one, and some person has two."""
    real = group >= 0
    if not real.any():
        return False
    shared = np.bincount(group[real]).max() > 1
    owners = np.unique(np.column_stack([person[real], group[real]]), axis=0)[:, 0]
    return bool(shared and np.bincount(owners).max() > 1)


# -- which raters can be compared ------------------------------------------------------------------


def faults(person: Ints, item: Ints, rater: Ints, level: Ints, kin: Ints, cells: Cells) -> Iterator[tuple[int, str]]:
    """(rater, why) of raters whose grades (N,) cannot place them; kin (I,): equal where items ask the same skills."""
    by = rater >= 0
    if not by.any():
        return
    low, high = np.full(cells.raters, 10**9), np.full(cells.raters, -1)
    np.minimum.at(low, rater[by], level[by])
    np.maximum.at(high, rater[by], level[by])
    dull = low >= high
    for r in np.flatnonzero(dull):
        yield (
            int(r),
            "it gave no grade, or all its grades are at one level: neither severity nor sharpness can be told.",
        )
    alive = np.flatnonzero(~dull)
    if not len(alive):
        return
    some = by & ~dull[np.maximum(rater, 0)] | ~by
    group = groups(person[some], item[some], rater[some], kin, cells.raters)
    anchors = cells.reference[~dull[cells.reference]]
    count = np.bincount(group[rater[some & by]], minlength=int(group.max()) + 1)
    home = np.bincount(group[anchors], minlength=len(count)) if len(anchors) < cells.raters else count
    main = int((home if len(anchors) else count).argmax())
    for r in alive[group[alive] != main]:
        yield (
            int(r),
            (
                "no chain of shared persons and items compares it with the main group of raters: whether it is strict "
                "or those it graded are weak cannot be told. Maybe let it grade some answers that others graded."
            ),
        )


def groups(person: Ints, item: Ints, rater: Ints, kin: Ints, raters: int) -> Ints:
    """(R,) raters with equal numbers can be compared."""
    items, n = len(kin), len(person)
    column = np.concatenate([item, items + rater[rater >= 0]])
    row = np.concatenate([np.arange(n), np.flatnonzero(rater >= 0)])
    x = csr_array((np.ones(len(row)), (row, column)), shape=(n, items + raters))
    owner = np.unique(np.column_stack([person, kin[item]]), axis=0, return_inverse=True)[1].ravel()
    p = csr_array((np.ones(n), (np.arange(n), owner)), shape=(n, int(owner.max()) + 1))
    crossed = p.T @ x
    whole = (x.T @ x - crossed.T @ diags_array(1 / p.sum(0)) @ crossed).toarray()
    value, vector = np.linalg.eigh(whole)
    null = vector[items:, value < NULL * max(value[-1], 1.0)]
    free = null @ null.T  # rows are equal where raters can be compared, whatever basis the null space has
    return np.unique(free.round(6), axis=0, return_inverse=True)[1].ravel()


def without(cells: Cells, raters: Ints, item_row: Ints, keep: Ints) -> Cells:
    """Some cells, of some raters (in that order), with items renumbered by `item_row`."""
    place = np.full(cells.raters + 1, NOBODY)
    place[raters] = np.arange(len(raters))
    anchors = place[cells.reference]
    anchors = anchors[anchors >= 0]
    return replace(
        cells, item=item_row[cells.item[keep]], rater=place[cells.rater[keep]], effect=cells.effect[keep],
        raters=len(raters), reference=anchors if len(anchors) else np.arange(len(raters)),
    )  # fmt: skip
