r"""Graded responses to items that lean on one or more skills.

    P(Y >= k | θ) = c + (1 - c) σ(a·θ + d_k),   k = 1..K-1,   σ(z) = 1 / (1 + e^{-z})

θ ∈ R^D        a person's skills
a ∈ R^k        the item's discriminations on its own skills (its loadings); zero elsewhere
d_1 > d_2 > …  thresholds in intercept form: the logit of reaching level k at θ = 0
c              chance of the right answer by guessing; only a two-level item has one

An item sees θ only through s = a·θ: every integral the engine needs is over one dimension.
A rater of discrimination φ and severity ρ (in logits of the item) reads σ(φ (a·θ + d_k - ρ)):
an item with slopes φa and thresholds φ(d_k - ρ); see `rated`.

Shapes: I items, k loadings an item (padded), M = most thresholds of any item (padded), D skills.

References: Samejima (1969), Psychometrika Monograph 17; Reckase (2009), Multidimensional Item
Response Theory, ch. 4; Birnbaum (1968) for guessing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Items:
    """Item parameters on one scale; row i is item i in every array."""

    skill: Ints  # (I, k) columns of θ; padding points at column 0 with slope 0
    slope: Floats  # (I, k)
    threshold: Floats  # (I, M) falling along a row; -inf past the item's own levels
    guess: Floats  # (I,) in [0, 1)

    def __post_init__(self) -> None:
        rows = len(self.guess)
        if self.skill.shape != self.slope.shape or self.skill.ndim != 2 or len(self.skill) != rows:
            raise ValueError(
                f"Items: skill is {self.skill.shape}, slope {self.slope.shape}, guess {self.guess.shape}, "
                "but they must be (I, k), (I, k) and (I,)."
            )
        if self.threshold.ndim != 2 or len(self.threshold) != rows or self.threshold.shape[1] == 0:
            raise ValueError(f"Items: threshold is {self.threshold.shape}, but must be ({rows}, M) with M >= 1.")
        wild = ~np.isfinite(self.slope).all(1) | np.isnan(self.threshold).any(1) | np.isposinf(self.threshold).any(1)
        if wild.any():
            raise ValueError(f"Items: row {first(wild)} has a slope or threshold that is nan or infinite.")
        if (self.skill < 0).any():
            raise ValueError("Items: a skill column is negative. Maybe padding was given as -1; use slope 0.")
        with np.errstate(invalid="ignore"):
            rising = (np.diff(self.threshold, axis=1) >= 0).any(1)  # -inf minus -inf is nan: not rising
        if rising.any() or not np.isfinite(self.threshold[:, 0]).all():
            raise ValueError(f"Items: thresholds of row {first(rising)} do not fall: {self.threshold[first(rising)]}.")
        if not ((self.guess >= 0) & (self.guess < 1)).all() or ((self.guess > 0) & (self.levels > 2)).any():
            raise ValueError("Items: guess must be a number in [0, 1), and 0 for items with more than two levels.")

    def __len__(self) -> int:
        return len(self.guess)

    @property
    def levels(self) -> Ints:
        """Number of levels K of each item, (I,)."""
        return 1 + np.isfinite(self.threshold).sum(1)

    def rows(self, which: Ints | NDArray[np.bool_]) -> Items:
        """The items of some rows, in that order."""
        return Items(self.skill[which], self.slope[which], self.threshold[which], self.guess[which])

    def dense(self, skills: int) -> Floats:
        """Loadings as a full matrix (I, D)."""
        full = np.zeros((len(self), skills))
        np.add.at(full, (np.arange(len(self))[:, None], self.skill), self.slope)
        return full


def first(faulty: ArrayLike) -> int:
    return int(np.argmax(faulty))


def rated(items: Items, discrimination: Floats | float, severity: Floats | float) -> Items:
    """The items as a rater reads them: (I,) or scalar φ and ρ, ρ in logits of the item."""
    phi, rho = np.broadcast_to(discrimination, len(items)), np.broadcast_to(severity, len(items))
    return replace(items, slope=items.slope * phi[:, None], threshold=(items.threshold - rho[:, None]) * phi[:, None])


def projection(theta: Floats, items: Items) -> Floats:
    """The projection s = a·θ of every item: (..., D) -> (..., I)."""
    shown: Floats = (theta[..., items.skill] * items.slope).sum(-1)
    return shown


def probability(s: Floats, items: Items) -> Floats:
    """P(Y = k | s) of each item: s (..., I) -> (..., I, M + 1); levels an item lacks have 0."""
    reach = items.guess[:, None] + (1 - items.guess[:, None]) * expit(s[..., None] + items.threshold)
    reach = np.where(np.isfinite(items.threshold), reach, 0.0)
    ends = [*reach.shape[:-1], 1]
    above = np.concatenate([np.ones(ends), reach], axis=-1)
    return above - np.concatenate([reach, np.zeros(ends)], axis=-1)


def log_likelihood(theta: Floats, items: Items, level: Ints) -> Floats:
    """Σ_i log P(Y_i = level_i | θ): (..., D) and (..., I) -> (...); level -1 was never asked."""
    chance = probability(projection(theta, items), items)
    said = np.take_along_axis(chance, np.maximum(level, 0)[..., None], axis=-1)[..., 0]
    logs: Floats = np.where(level < 0, 0.0, np.log(np.maximum(said, 1e-300))).sum(-1)
    return logs


def fisher(s: Floats, items: Items) -> Floats:
    """Information about s in one answer, Σ_k P_k'(s)^2 / P_k(s): (..., I) -> (..., I).

    The matrix of item i is `fisher * outer(a_i, a_i)`. Samejima (1969), eq. 6.
    """
    z = expit(s[..., None] + items.threshold)
    slope = np.where(np.isfinite(items.threshold), (1 - items.guess[:, None]) * z * (1 - z), 0.0)
    ends = np.zeros([*slope.shape[:-1], 1])
    change = np.concatenate([ends, slope], -1) - np.concatenate([slope, ends], -1)
    known: Floats = (change**2 / np.maximum(probability(s, items), 1e-12)).sum(-1)
    return known
