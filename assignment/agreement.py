r"""How far raters agree beyond chance, each coefficient with its interval.

N labels: unit, rater, category. r_uk of the r_u raters of unit u chose category k. w_kl is the credit of a pair (k, l):
1 on the diagonal, and between 0 and 1 off it for ordered categories; δ²_kl is Krippendorff's distance.

    κ = (p_o - p_e) / (1 - p_e)

    Cohen    two raters           p_o = mean w(a_u, b_u)             p_e = Σ w_kl p_k q_l      (weighted kappa with w)
    Fleiss   any raters           p_o = mean_u Σ_k r_uk (Σ_l w_kl r_ul - 1) / (r_u (r_u - 1))   p_e = Σ w_kl π_k π_l
    Gwet     AC1 (AC2 with w)     p_o as Fleiss                      p_e = Σ w / (K (K - 1)) · Σ π_k (1 - π_k)

    α = 1 - (n - 1) Σ_u Σ_kl o_ukl δ²_kl / Σ_kl n_k n_l δ²_kl,       o_ukl = r_uk (r_ul - [k = l]) / (r_u - 1)
        nominal  δ² = [k ≠ l]      interval  δ² = (x_k - x_l)²       ordinal  δ² = (n_k / 2 + n_k+1 + ... + n_l / 2)²

Every one is a smooth function f of a sum T = Σ_u x_u of unit statistics, and that gives both intervals at once:

    analytic    se² = U / (U - 1) Σ_u (g·x_u - mean)², g = ∇f(T) (delta method; the complex-step derivative is exact),
                and the bounds f ± t_{U-1} se
    bootstrap   f(Σ_u m_u x_u), m multinomial: units are drawn, not single labels, and quantiles are taken

References: Cohen (1960, 1968); Fleiss (1971); Krippendorff (2019), Content Analysis, ch. 12; Gwet (2014), Handbook of
Inter-Rater Reliability; Squire & Trapp (1998), Using complex variables to estimate derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.stats import t as student

from assignment.arrays import Floats, Rows

Function: TypeAlias = Callable[[Floats], Floats]  # (..., m) sums to (...) coefficients
Distance: TypeAlias = Callable[[Floats], Floats]  # (..., K) label totals to (..., K, K) squared distances

STEP = 1e-30  # of the complex-step derivative: no cancellation, so the smaller the better


@dataclass(frozen=True, eq=False)
class Labels:
    """Who put which unit into which category; row i is one label in every array."""

    unit: Rows  # (N,) 0 .. U-1
    rater: Rows  # (N,) 0 .. R-1
    category: Rows  # (N,) 0 .. K-1
    categories: int  # K

    def __post_init__(self) -> None:
        if not self.unit.shape == self.rater.shape == self.category.shape or self.unit.ndim != 1:
            raise ValueError(
                f"Labels: unit is {self.unit.shape}, rater {self.rater.shape}, category {self.category.shape}, but all "
                "must be (N,). Maybe a column was left out."
            )
        for name in ("unit", "rater", "category"):
            if len(self.unit) and getattr(self, name).min() < 0:
                raise ValueError(
                    f"Labels: {name} has a row below 0. Maybe a missing value was coded as -1: leave it out."
                )
        if len(self.category) and self.category.max() >= self.categories:
            raise ValueError(
                f"Labels: category {self.category.max()} among {self.categories} categories. Maybe they count from 1."
            )

    @property
    def counts(self) -> Floats:
        """(U, K) how many raters put each unit into each category."""
        units = int(self.unit.max(initial=-1)) + 1
        table = np.zeros((units, self.categories))
        np.add.at(table, (self.unit, self.category), 1.0)
        return table

    def against_rest(self, category: int) -> Labels:
        """The same labels as "this category" (1) or "another" (0)."""
        return replace(self, category=(self.category == category).astype(np.intp), categories=2)


@dataclass(frozen=True)
class Estimate:
    """A coefficient with its standard error and interval; nan where the labels cannot say."""

    value: float
    se: float
    low: float
    high: float
    units: int

    def clears(self, threshold: float) -> bool:
        """Whether even the lower bound reaches the threshold: the gate of a pilot."""
        return self.low >= threshold


@dataclass(frozen=True, eq=False)
class Statistic:
    """A coefficient as a function of sums over units."""

    per_unit: Floats  # (U, m)
    of: Function

    def analytic(self, level: float = 0.95) -> Estimate:
        """Estimate with the delta-method interval."""
        units = len(self.per_unit)
        total = self.per_unit.sum(axis=0)
        value = _real(self.of(total))
        if units < 2 or not np.isfinite(value):
            return Estimate(value, np.nan, np.nan, np.nan, units)
        pushed = total + 1j * STEP * np.eye(len(total))  # (m, m)
        slope = np.imag(self.of(pushed)) / STEP
        pull = self.per_unit @ slope
        se = float(np.sqrt(units / (units - 1) * np.sum((pull - pull.mean()) ** 2)))
        reach = float(student.ppf(0.5 + level / 2, units - 1)) * se
        return Estimate(value, se, value - reach, min(value + reach, 1.0), units)

    def bootstrap(self, rng: np.random.Generator, *, draws: int = 2000, level: float = 0.95) -> Estimate:
        """Estimate with the quantiles of resampled units."""
        units = len(self.per_unit)
        value = _real(self.of(self.per_unit.sum(axis=0)))
        if units < 2:
            return Estimate(value, np.nan, np.nan, np.nan, units)
        times = rng.multinomial(units, np.full(units, 1.0 / units), size=draws).astype(float)
        again = np.real(self.of(times @ self.per_unit))
        again = again[np.isfinite(again)]
        if not len(again):
            return Estimate(value, np.nan, np.nan, np.nan, units)
        low, high = np.quantile(again, [0.5 - level / 2, 0.5 + level / 2])
        return Estimate(value, float(again.std(ddof=1)), float(low), float(high), units)


def nominal_credit(categories: int) -> Floats:
    """(K, K) only equal is right."""
    return np.eye(categories)


def linear_credit(categories: int) -> Floats:
    """(K, K) credit falls with the distance."""
    step = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    return np.asarray(1.0 - step / max(categories - 1, 1))


def quadratic_credit(categories: int) -> Floats:
    """(K, K) credit falls with the squared distance."""
    return np.asarray(1.0 - (1.0 - linear_credit(categories)) ** 2)


def cohen(labels: Labels, first: int, second: int, credit: Floats | None = None) -> Statistic:
    """Cohen's kappa of two raters over the units that both labelled; weighted kappa with `credit`."""
    w = nominal_credit(labels.categories) if credit is None else credit
    a, b = _both(labels, first, second)
    k = labels.categories
    hot = np.eye(k)
    per_unit = np.column_stack([w[a, b], hot[a], hot[b], np.ones(len(a))])

    def kappa(total: Floats) -> Floats:
        units = total[..., -1]
        p, q = total[..., 1 : k + 1] / units[..., None], total[..., k + 1 : 2 * k + 1] / units[..., None]
        return _corrected(total[..., 0] / units, np.einsum("...k,kl,...l->...", p, w, q))

    return Statistic(per_unit, kappa)


def fleiss(labels: Labels, credit: Floats | None = None) -> Statistic:
    """Fleiss' kappa for any number of raters a unit; units with one rater count for the margins only."""
    w = nominal_credit(labels.categories) if credit is None else credit

    def chance(share: Floats) -> Floats:
        return np.asarray(np.einsum("...k,kl,...l->...", share, w, share))

    return _many_raters(labels, w, chance)


def gwet(labels: Labels, credit: Floats | None = None) -> Statistic:
    """Gwet's AC1, or AC2 with `credit`: steady where nearly all labels fall into one category."""
    k = labels.categories
    w = nominal_credit(k) if credit is None else credit
    scale = w.sum() / (k * (k - 1.0)) if k > 1 else np.nan

    def chance(share: Floats) -> Floats:
        return np.asarray(scale * (share * (1.0 - share)).sum(axis=-1))

    return _many_raters(labels, w, chance)


def alpha(labels: Labels, distance: Distance) -> Statistic:
    """Krippendorff's alpha for any number of raters a unit, with `nominal`, `ordinal` or `interval(values)`."""
    counts = labels.counts
    counts = counts[counts.sum(axis=1) >= 2]
    k = labels.categories
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(k)) / (counts.sum(axis=1)[:, None, None] - 1.0)
    per_unit = np.concatenate([pairs.reshape(len(counts), k * k), counts], axis=1)

    def coefficient(total: Floats) -> Floats:
        seen = total[..., k * k :]
        far = distance(seen)
        observed = (total[..., : k * k].reshape(*total.shape[:-1], k, k) * far).sum(axis=(-2, -1))
        expected = np.einsum("...k,...kl,...l->...", seen, far, seen)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 - (seen.sum(axis=-1) - 1.0) * observed / expected)

    return Statistic(per_unit, coefficient)


def nominal(totals: Floats) -> Floats:
    """δ² = 1 between different categories."""
    k = totals.shape[-1]
    return np.broadcast_to(1.0 - np.eye(k), (*totals.shape[:-1], k, k))


def ordinal(totals: Floats) -> Floats:
    """δ² = (labels between the middles of k and l)², from the label totals themselves."""
    middle = np.cumsum(totals, axis=-1) - totals / 2.0
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)


def interval(values: Floats) -> Distance:
    """δ² = (x_k - x_l)² for the values (K,) of the categories."""
    square = np.subtract.outer(values, values) ** 2

    def distance(totals: Floats) -> Floats:
        return np.broadcast_to(square, (*totals.shape[:-1], *square.shape))

    return distance


def by_category(labels: Labels, coefficient: Callable[[Labels], Statistic]) -> list[Estimate]:
    """The coefficient of each category against all others."""
    return [coefficient(labels.against_rest(k)).analytic() for k in range(labels.categories)]


def over_time(
    labels: Labels, time: Floats, edges: Floats, coefficient: Callable[[Labels], Statistic]
) -> list[Estimate]:
    """The coefficient in each window [edges_i, edges_i+1), units by the time (N,) of their labels."""
    windows = []
    for start, stop in pairwise(edges):
        here = (time >= start) & (time < stop)
        unit = np.unique(labels.unit[here], return_inverse=True)[1].astype(np.intp)
        part = Labels(unit, labels.rater[here], labels.category[here], labels.categories)
        windows.append(coefficient(part).analytic())
    return windows


def _many_raters(labels: Labels, w: Floats, chance: Function) -> Statistic:
    counts = labels.counts
    counts = counts[counts.sum(axis=1) > 0]
    raters = counts.sum(axis=1)
    paired = raters >= 2
    agreed = (counts * (counts @ w.T - 1.0)).sum(axis=1) / np.where(paired, raters * (raters - 1.0), 1.0)
    share = counts / raters[:, None]
    per_unit = np.column_stack([np.where(paired, agreed, 0.0), paired, share, np.ones(len(counts))])

    def coefficient(total: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            observed = total[..., 0] / total[..., 1]
            return _corrected(observed, chance(total[..., 2:-1] / total[..., -1:]))

    return Statistic(per_unit, coefficient)


def _both(labels: Labels, first: int, second: int) -> tuple[Rows, Rows]:
    """The categories that two raters chose on the units that both labelled, once each."""
    units = int(labels.unit.max(initial=-1)) + 1
    table = np.full((2, units), -1, dtype=np.intp)
    for row, rater in enumerate((first, second)):
        mine = labels.rater == rater
        if (np.bincount(labels.unit[mine], minlength=1) > 1).any():
            raise ValueError(f"cohen: rater {rater} labelled a unit twice. Maybe keep the last label only.")
        table[row, labels.unit[mine]] = labels.category[mine]
    shared = (table >= 0).all(axis=0)
    return table[0, shared], table[1, shared]


def _corrected(observed: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((observed - expected) / (1.0 - expected))


def _real(value: Floats) -> float:
    return float(np.real(value))
