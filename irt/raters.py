r"""Raters and what they rate: severities, discriminations, and the quality behind the grades.

    P(Y >= k | q) = σ(φ_r (q - ρ_r - δ_rc + t_ck)),        q_ic ~ N(0, Σ),  one answer's criteria correlated

q     quality of answer i on criterion c, in standard deviations of people's view of it
ρ_r   severity of rater r; δ_rc its deviation on criterion c; φ_r discrimination, logits a standard deviation
t     thresholds, the rubric's own
Identified by the mean severity of the reference raters being 0 (all raters, where none are named).

People as anchors: where reference raters are named, the others see q⁺ instead of q, correlated with q and with
their own correlations between criteria. What all models overlook together is in 1 - corr(q, q⁺)²: a panel of many
models is never surer than that allows. With persons, answers of one person share Σ_B, and Σ = Σ_W + Σ_B.
Criteria that never stand together on one answer share an axis of Σ: nothing could tell their correlation.

Marginal likelihood by EM: E-step `rater_sweep`, M-step `rater_step`; Σ by its own EM identity
Σ <- Σ + Σ (Σ_b P' K⁻¹ (V + mm' - K) K⁻¹ P) Σ / N, held by a weak prior; where people's view is known, as on
a published scale, only the panel's view is estimated around it, else the scale is moved to unit variance in every pass
(parameter expansion). Passes are Anderson-mixed, and hyperparameters are renewed from the standard errors. Errors:
observed information by Louis' identity, Σ taken as known.

References: Samejima (1969); Patz, Junker, Johnson & Mariano (2002), The hierarchical rater model, JEBS 27;
Robitzsch & Steinfeld (2018), Psych. Test Assess. Model. 60; Louis (1982); Liu, Rubin & Wu (1998) on PX-EM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from irt.acceleration import Mixer
from irt.model import Floats, Ints
from irt.rater_cells import Cells, Ratings, cells_of, places
from irt.rater_prior import Prior, as_known, as_seen, prior_at_start, renewed, sound
from irt.rater_step import (
    SHARP,
    Pairs,
    Raters,
    Spread,
    chances,
    columns,
    contrasts,
    falls,
    improved,
    information,
    packed,
    priors,
    reaches,
    rescaled,
    scores,
    spread_at_start,
    spread_of,
    unpacked,
)
from irt.rater_sweep import GRID, TINY, evidence, lost_information, sweep, tally

ENOUGH = 1e-3  # change of any parameter in a pass at which EM has arrived
PASSES = 150
ROUGH = 1e-2  # enough before the hyperparameters are renewed
PLAIN = 10  # passes before steps are mixed
RENEWALS = 2  # of the hyperparameters
ROUNDS = 3  # of EP in a pass; sites are kept from pass to pass
ANCHOR = 1e8  # precision with which the reference raters' mean severity is 0


@dataclass(frozen=True, eq=False)
class Fit:
    """Raters, rubric and qualities."""

    ratings: Ratings
    cells: Cells
    pairs: Pairs
    raters: Raters
    spread: Spread
    prior: Prior
    belief: Floats  # (cells, G) weights of each cell's quality on GRID
    mean: Floats  # (cells,)
    sd: Floats  # (cells,)
    tau: Floats  # (cells,) precision of what the ratings say of each cell
    nu: Floats  # (cells,) precision times value of the same
    covariance: Floats  # (P, P) of the raters' parameters
    log_likelihood: float
    passes: int
    change: float

    @property
    def converged(self) -> bool:
        return self.change <= ENOUGH

    @property
    def severity(self) -> tuple[Floats, Floats]:
        """(estimate, standard error), (R,) each: over the criteria that the rater graded."""
        column, size = columns(self.raters, self.pairs)
        pick = np.zeros((self.ratings.raters, size))
        pick[np.arange(len(pick)), np.arange(len(pick))] = 1
        if len(self.raters.threshold) > 1:
            share = 1 / np.bincount(self.pairs.rater, minlength=len(pick))
            pick[self.pairs.rater, column[:, 1]] = share[self.pairs.rater]
        pick -= pick[self.ratings.layer == 0].mean(0)
        return pick @ packed(self.raters), np.sqrt(np.maximum((pick @ self.covariance * pick).sum(1), 0))

    @property
    def discrimination(self) -> tuple[Floats, Floats]:
        """(φ, its standard error), (R,) each."""
        phi, some = np.exp(self.raters.log_discrimination), self.ratings.raters
        return phi, phi * np.sqrt(np.maximum(np.diag(self.covariance)[some : 2 * some], 0))

    def cell(self, answer: Ints, criterion: Ints, layer: Ints | int = 0) -> Ints:
        """Rows of some qualities; KeyError for those that were not asked for."""
        rows = places(self.cells, answer, criterion, layer, len(self.ratings.levels))
        if (rows < 0).any():
            asked = np.broadcast_arrays(answer, criterion, layer)
            missing = tuple(int(part[np.argmin(rows)]) for part in asked)
            raise KeyError(f"Fit: no quality for (answer, criterion, layer) {missing}. Maybe nobody graded it.")
        return rows

    def curves(self, rater: Ints, criterion: Ints) -> Floats:
        """P(Y = k | q) on GRID (n, K, G) of raters on criteria; rater -1 is any of the reference raters."""
        known = chances(reaches(*self.alone(rater, criterion)))
        return np.where((rater < 0)[:, None, None], self.usual[criterion], known)

    def alone(self, rater: Ints, criterion: Ints) -> tuple[Raters, Pairs]:
        """Raters on criteria, a pair a row (n,); deviations and steps are 0 where a rater never graded a criterion."""
        row = {
            key: p for p, key in enumerate(zip(self.pairs.rater.tolist(), self.pairs.criterion.tolist(), strict=True))
        }
        place = np.array([row.get(key, len(row)) for key in zip(rater.tolist(), criterion.tolist(), strict=True)], int)
        at = self.raters
        deviation, step = np.append(at.deviation, 0.0), np.append(at.step, 0.0 * at.step[:1], axis=0)
        own = replace(at, deviation=deviation[place], step=step[place])
        return own, Pairs(np.maximum(rater, 0), criterion)

    @cached_property
    def usual(self) -> Floats:
        """P(Y = k | q) (C, K, G) of a reference rater drawn by how often each of them graded the criterion."""
        rows, size = self.ratings, len(self.ratings.levels)
        grades = np.bincount(rows.rater * size + rows.criterion, weights=rows.weight, minlength=rows.raters * size)
        share = grades[self.pairs.rater * size + self.pairs.criterion] * (rows.layer[self.pairs.rater] == 0)
        share += 1e-9
        each = chances(reaches(self.raters, self.pairs)) * share[:, None, None]
        total = np.zeros((size, *each.shape[1:]))
        np.add.at(total, self.pairs.criterion, each)
        return total / total.sum(1, keepdims=True)


def raters_at_start(ratings: Ratings, pairs: Pairs) -> Raters:
    """Everybody alike; thresholds from how often each level is reached."""
    threshold = np.full((len(ratings.levels), int(ratings.levels.max()) - 1), -np.inf)
    for c, levels in enumerate(ratings.levels.tolist()):
        mine = ratings.criterion == c
        count = np.bincount(ratings.level[mine], weights=ratings.weight[mine], minlength=levels) + 0.5
        reached = 1 - np.cumsum(count)[:-1] / count.sum()
        threshold[c, : levels - 1] = np.log(reached / (1 - reached)) / 1.7
    step = np.where(np.isfinite(threshold)[pairs.criterion, 1:], 0.0, np.nan)
    zeros = np.zeros(len(pairs.rater))
    return Raters(np.zeros(ratings.raters), zeros, np.full(ratings.raters, SHARP), threshold, step)


class _Work:
    """The arrays that every pass needs; sites of the cells are kept between passes."""

    def __init__(self, ratings: Ratings, also: tuple[Ints, Ints], known: Prior | None = None) -> None:
        self.ratings = ratings
        self.cells, cell = cells_of(ratings, also)
        order = np.argsort(cell, kind="stable")
        self.rows = ratings.rows(order)
        self.cell = cell[order]
        code = self.rows.rater * len(ratings.levels) + self.rows.criterion
        found, pair = np.unique(code, return_inverse=True)
        self.pair = pair.astype(np.int64)
        self.pairs = Pairs(found // len(ratings.levels), found % len(ratings.levels))
        count = len(self.cells.answer)
        self.said = np.bincount(self.cell, minlength=count)
        self.tau, self.nu = np.full(count, 1e-12), np.zeros(count)
        self.begin = prior_at_start(self.cells, ratings)
        self.known = None if known is None else as_seen(known, self.begin, ratings)
        if self.known is not None:
            self.begin = as_known(self.begin, self.known)

    def seen(self, at: Raters, prior: Prior, rounds: int) -> tuple[Floats, Floats, Floats, float, Floats, Floats]:
        """E-step: (belief, mean, variance, log-likelihood, gradients for Σ_W and Σ_B)."""
        logs = np.log(np.maximum(chances(reaches(at, self.pairs)), TINY))
        rows, cells = self.rows, self.cells
        likely, top = evidence(self.cell, self.pair, rows.level, rows.weight, logs, len(self.tau))
        return _with_top(
            sweep(
                cells.start, cells.axis, cells.answer, likely, self.said, prior.within, prior.between,
                self.tau, self.nu, GRID, rounds,
            ), float(top.sum()),
        )  # fmt: skip

    def step(self, at: Raters, prior: Prior, spread: Spread) -> tuple[Raters, Prior]:
        belief, _, _, _, within, between = self.seen(at, prior, ROUNDS)
        shape = (len(self.pairs.rater), int(self.ratings.levels.max()))
        counts = tally(self.cell, self.pair, self.rows.level, self.rows.weight, belief, shape)
        better = improved(at, self.pairs, self.ratings.layer, spread, counts)
        sure = self.known is not None
        found = Prior(
            renewed(prior.within, within, self.cells.blocks_of_answers, self.begin.within, known=sure),
            renewed(prior.between, between, self.cells.blocks_of_people, self.begin.between, known=sure),
        )
        if self.known is not None:
            found = as_known(found, self.known)
        return in_units_of_quality(better, found, self.ratings, scaled=self.known is None)

    def uncertainty(
        self, at: Raters, prior: Prior, spread: Spread
    ) -> tuple[Floats, tuple[Floats, Floats, Floats, float]]:
        """Covariance (P, P) of the raters' parameters, and (belief, mean, variance, log-likelihood)."""
        belief, mean, var, total, _, _ = self.seen(at, prior, 20)
        rows, cells, layer = self.rows, self.cells, self.ratings.layer
        z = reaches(at, self.pairs)
        p = chances(z)
        turn = contrasts(at.threshold)[self.pairs.criterion]
        score = scores(z, p, np.exp(at.log_discrimination[self.pairs.rater]), turn)
        column, size = columns(at, self.pairs)
        counts = tally(self.cell, self.pair, rows.level, rows.weight, belief, p.shape[:2])
        _, curvature, coupling = priors(at, self.pairs, layer, spread)
        whole = information(score, counts.sum(1, keepdims=True) * p, column, size, curvature, coupling).toarray()
        first = np.append(np.searchsorted(self.cell, np.arange(len(mean))), len(self.cell))
        whole -= lost_information(
            cells.start, cells.axis, cells.answer, prior.within, prior.between, self.tau, belief, mean, var, GRID,
            first, self.pair, rows.level, rows.weight, score, column, size,
        )  # fmt: skip
        return inverse(whole + anchors(layer, self.pairs, column, size)), (belief, mean, var, total)


def _with_top(
    found: tuple[Floats, Floats, Floats, float, Floats, Floats], top: float
) -> tuple[Floats, Floats, Floats, float, Floats, Floats]:
    return (*found[:3], found[3] + top, *found[4:])


def in_units_of_quality(at: Raters, prior: Prior, ratings: Ratings, *, scaled: bool = True) -> tuple[Raters, Prior]:
    """Mean variance 1 of quality, and of the panel's view of it: what a scale gains, discriminations lose."""
    layers = 1 if ratings.reference is None else 2
    axes = len(prior.within) // layers
    size = np.sqrt(np.diag(prior.within + prior.between).reshape(layers, axes).mean(1))
    if not scaled:
        size[0] = 1.0
    unit = np.repeat(size, axes)
    moved = rescaled(at, float(size[0]))
    own = np.where(ratings.layer == 1, np.log(size[-1] / size[0]), 0.0)
    moved = replace(moved, log_discrimination=moved.log_discrimination + own)
    return moved, Prior(*(matrix / np.outer(unit, unit) for matrix in prior))


def anchors(layer: Ints, pairs: Pairs, column: Ints, size: int) -> Floats:
    """(P, P) precision that holds the reference raters' mean severity, and mean deviations, at 0."""
    pins = [np.bincount(np.flatnonzero(layer == 0), minlength=size) / (layer == 0).sum()]
    if column[0, 1] >= 0:
        for c in np.unique(pairs.criterion):
            mine = (pairs.criterion == c) & (layer[pairs.rater] == 0)
            pins.append(np.bincount(column[mine, 1], minlength=size) / max(mine.sum(), 1))
    pin = np.array(pins)
    return ANCHOR * pin.T @ pin


def inverse(matrix: Floats) -> Floats:
    """Inverse of an information matrix; directions that the data leave open are held by a floor."""
    value, vector = np.linalg.eigh((matrix + matrix.T) / 2)
    return vector / np.maximum(value, 1e-2) @ vector.T


def fit(
    ratings: Ratings, *, also: tuple[Ints, Ints] | None = None, quality: Prior | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Fit:  # fmt: skip
    """Raters, rubric and qualities by marginal likelihood; `also` are (answers, criteria) to be told about too.

    quality: Σ_W and Σ_B of people's view where they are known, as on a published scale; else they are estimated.
    """
    work = _Work(ratings, also or (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)), quality)
    at, prior, spread = raters_at_start(ratings, work.pairs), work.begin, spread_at_start()
    passes, change = 0, np.inf
    for _ in range(RENEWALS):
        at, prior, count, change = climb(work, at, prior, spread, progress, ROUGH)
        passes += count
        covariance, _ = work.uncertainty(at, prior, spread)
        spread = spread_of(at, work.pairs, ratings.layer, np.diag(covariance))
    at, prior, count, change = climb(work, at, prior, spread, progress)
    covariance, (belief, mean, var, total) = work.uncertainty(at, prior, spread)
    return Fit(
        ratings, work.cells, work.pairs, at, spread, prior, belief, mean, np.sqrt(var), work.tau, work.nu, covariance,
        total, passes + count, change,
    )  # fmt: skip


def climb(
    work: _Work,
    at: Raters,
    prior: Prior,
    spread: Spread,
    progress: Callable[[int, float], None] | None,
    enough: float = ENOUGH,
) -> tuple[Raters, Prior, int, float]:
    """EM from here to where it stands still: (raters, Σ, passes, last change)."""
    mixer, change, before = Mixer(), np.inf, np.inf
    for number in range(PASSES):
        better, found = work.step(at, prior, spread)
        x, target = _vector(at, prior), _vector(better, found)
        change = float(np.abs(target - x).max())
        if progress:
            progress(number, change)
        if change <= enough:
            return better, found, number + 1, change
        slower, before = change > 1.2 * before, change
        mixed = mixer.mix(x, target, np.ones(len(x)))
        at, prior = _from_vector(mixed, better, found)
        if slower or number < PLAIN or not (falls(at, work.pairs) and sound(prior, found)):
            mixer.restart()
            at, prior = better, found
    return at, prior, PASSES, change


def _vector(at: Raters, prior: Prior) -> Floats:
    parts = [packed(at)]
    for matrix in prior:
        if matrix.any():
            low = np.linalg.cholesky(matrix + 1e-10 * np.eye(len(matrix)))
            parts += [np.log(np.diag(low)).astype(float), low[np.tril_indices(len(low), -1)].astype(float)]
    return np.concatenate(parts)


def _from_vector(x: Floats, at: Raters, prior: Prior) -> tuple[Raters, Prior]:
    place = len(packed(at))
    raters, found = unpacked(x[:place], at), []
    for matrix in prior:
        size = len(matrix)
        if not matrix.any():
            found.append(matrix)
            continue
        low = np.diag(np.exp(x[place : place + size]))
        low[np.tril_indices(size, -1)] = x[place + size : place + size * (size + 1) // 2]
        place += size * (size + 1) // 2
        found.append(low @ low.T)
    return raters, Prior(*found)
