r"""From one scale to another by items that both have.

Two fits of the same items differ by the place and width of their skills, θ_to = A θ_from + B, one A > 0 and one B
a skill. A response depends on θ through a·θ + d only, so

    a_to = a_from / A,      d_to = d_from - Σ_e a_from,e B_e / A_e

mean-sigma   A = sd(b_to) / sd(b_from), B = mean(b_to) - A mean(b_from), over the places b = -d_k / a of the common
             items that ask one skill
Haebara      A, B that bring the items' expected scores together:
             least squares of Σ_i Σ_q w_q [E_i(θ_q; to) - E_i(θ_q; from, moved)]² over the population of the new scale

Mean-sigma is thrown by a single odd item; Haebara weighs each by what it says, and takes items of several skills.

References: Marco (1977); Haebara (1980); Kolen & Brennan (2014), Test Equating, Scaling, and Linking, ch. 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from irt.model import Floats, Items, probability, projection

POINTS = 400  # of the population, at which expected scores are compared
FEWEST = 2  # common items a skill


@dataclass(frozen=True, eq=False)
class Link:
    """θ_to = scale · θ_from + shift, skill by skill."""

    scale: Floats  # (D,) above 0
    shift: Floats  # (D,)

    def __post_init__(self) -> None:
        if self.scale.shape != self.shift.shape or self.scale.ndim != 1:
            raise ValueError(f"Link: scale is {self.scale.shape} and shift {self.shift.shape}, but both must be (D,).")
        if not ((self.scale > 0) & np.isfinite(self.scale) & np.isfinite(self.shift)).all():
            raise ValueError(
                f"Link: scale {self.scale} and shift {self.shift} must be numbers, scale above 0. "
                "Maybe the scales share too few items."
            )

    def items(self, items: Items) -> Items:
        """The items on the other scale."""
        slope = items.slope / self.scale[items.skill]
        moved = (slope * self.shift[items.skill]).sum(1)
        return Items(items.skill, slope, items.threshold - moved[:, None], items.guess)

    def population(self, mean: Floats, cov: Floats) -> tuple[Floats, Floats]:
        return self.scale * mean + self.shift, cov * np.outer(self.scale, self.scale)


def mean_sigma(old: Items, new: Items, skills: int) -> Link:
    """From `old` to `new`, the same items in the same order, by places of thresholds of items that ask one skill."""
    _same(old, new)
    scale, shift = np.ones(skills), np.zeros(skills)
    alone = ((old.slope != 0).sum(1) == 1) & ((new.slope != 0).sum(1) == 1)
    for d in range(skills):
        rows = np.flatnonzero(alone & (old.dense(skills)[:, d] != 0) & (new.dense(skills)[:, d] != 0))
        if len(rows) < FEWEST:
            raise ValueError(
                f"mean_sigma: {len(rows)} common items ask skill {d} alone, but {FEWEST} are needed. Maybe use haebara."
            )
        b = [_places(items.rows(rows), items.dense(skills)[rows, d]) for items in (old, new)]
        if b[0].std() == 0:
            raise ValueError(f"mean_sigma: all common items of skill {d} are equally hard: no width to compare.")
        scale[d] = b[1].std() / b[0].std()
        shift[d] = b[1].mean() - scale[d] * b[0].mean()
    return Link(scale, shift)


def haebara(old: Items, new: Items, mean: Floats, cov: Floats, rng: np.random.Generator) -> Link:
    """From `old` to `new`, the same items in the same order; mean and cov are the population of the new scale."""
    _same(old, new)
    skills = len(mean)
    count = (new.dense(skills) != 0).sum(0)
    if (count < FEWEST).any():
        d = int(np.argmin(count))
        raise ValueError(f"haebara: {count[d]} common items ask skill {d}, but {FEWEST} are needed to place it.")
    half = rng.multivariate_normal(np.zeros(skills), cov, POINTS // 2, method="cholesky")
    theta = mean + np.concatenate([half, -half])
    aim = _expected(theta, new)

    def gap(x: Floats) -> Floats:
        moved = Link(np.exp(x[:skills]), x[skills:]).items(old)
        return np.asarray((_expected(theta, moved) - aim).ravel(), dtype=np.float64)

    found = least_squares(gap, np.zeros(2 * skills), x_scale="jac")
    return Link(np.exp(found.x[:skills]), found.x[skills:])


def _expected(theta: Floats, items: Items) -> Floats:
    """Expected scores (P, I)."""
    chance = probability(projection(theta, items), items)
    return np.asarray(chance @ np.arange(chance.shape[-1]), dtype=np.float64)


def _places(items: Items, slope: Floats) -> Floats:
    """Places of all thresholds on the skill."""
    b = -items.threshold / slope[:, None]
    return b[np.isfinite(items.threshold)]


def _same(old: Items, new: Items) -> None:
    if len(old) != len(new) or (old.levels != new.levels).any():
        raise ValueError(
            f"linking: {len(old)} and {len(new)} items, or other levels, but both must be the same items in one order."
        )
