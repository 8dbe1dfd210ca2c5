r"""How far raters agree beyond chance, each coefficient with its interval.

N labels: unit, rater, category. r_uk of the r_u raters of unit u chose category k. w_kl is the credit of a pair (k, l):
1 on the diagonal, and between 0 and 1 off it for ordered categories; δ²_kl is Krippendorff's distance.

    percent agreement   p_o as Fleiss

    κ = (p_o - p_e) / (1 - p_e)

    Cohen    two raters           p_o = mean w(a_u, b_u)             p_e = Σ w_kl p_k q_l      (weighted kappa with w)
    Scott    two raters           Fleiss' κ over the units that both labelled
    Fleiss   any raters           p_o = mean_u Σ_k r_uk (Σ_l w_kl r_ul - 1) / (r_u (r_u - 1))   p_e = Σ w_kl π_k π_l
    Gwet     AC1 (AC2 with w)     p_o as Fleiss                      p_e = Σ w / (K (K - 1)) · Σ π_k (1 - π_k)

    α = 1 - (n - 1) Σ_u Σ_kl o_ukl δ²_kl / Σ_kl n_k n_l δ²_kl,       o_ukl = r_uk (r_ul - [k = l]) / (r_u - 1)
        nominal   δ² = [k ≠ l]             ordinal  δ² = (n_k / 2 + n_k+1 + ... + n_l / 2)²
        interval  δ² = (x_k - x_l)²        ratio    δ² = ((x_k - x_l) / (x_k + x_l))²

Every one is a smooth function f of a sum T = Σ_u x_u of unit statistics, and that gives both intervals at once:

    analytic    se² = U / (U - 1) Σ_u (g·x_u - mean)², g = ∇f(T) (delta method; the complex-step derivative is exact),
                and the bounds f ± t_{U-1} se
    bootstrap   f(Σ_u m_u x_u), m multinomial: units are drawn, not single labels, and quantiles are taken; with
                `accelerated` the quantiles are moved for bias and skew (BCa), its acceleration from g·x_u

References: Scott (1955); Cohen (1960, 1968); Fleiss (1971); Efron (1987), Better bootstrap confidence intervals; Squire
& Trapp (1998), Using complex variables to estimate derivatives; Gwet (2008), Computing inter-rater reliability and its
variance in the presence of high agreement; Gwet (2014), Handbook of Inter-Rater Reliability; Krippendorff (2019),
Content Analysis, ch. 12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from assignment.arrays import Bools, Floats, Rows

Function: TypeAlias = Callable[[Floats], Floats]  # (..., m) sums to (...) coefficients
Distance: TypeAlias = Callable[[Floats], Floats]  # (..., K) label totals to (..., K, K) squared distances

STEP = 1e-30  # of the complex-step derivative: no cancellation, so the smaller the better
AT_ONCE = 4_000_000  # numbers of a resample held at a time
UNSAID = 0.05  # share of resamples without a coefficient beyond which the others are no fair sample


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
        cells = np.bincount(self.unit * self.categories + self.category, minlength=units * self.categories)
        return cells.reshape(units, self.categories).astype(np.float64)

    def where(self, keep: Bools) -> Labels:
        """The labels that are kept (N,), their units counted anew."""
        unit = np.unique(self.unit[keep], return_inverse=True)[1].astype(np.intp)
        return Labels(unit, self.rater[keep], self.category[keep], self.categories)

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

    def influence(self) -> Floats:
        """(U,) g·x_u less its mean: how far each unit moves the coefficient."""
        total = self.per_unit.sum(axis=0)
        size = len(total)
        rows = max(AT_ONCE // size**2, 1)
        slope = [
            np.imag(self.of(total + 1j * STEP * np.eye(min(rows, size - start), size, start))) / STEP
            for start in range(0, size, rows)
        ]
        pull = self.per_unit @ np.concatenate(slope)
        return np.asarray(pull - pull.mean())

    def analytic(self, level: float = 0.95) -> Estimate:
        """Estimate with the delta-method interval."""
        units = len(self.per_unit)
        value = _real(self.of(self.per_unit.sum(axis=0)))
        if units < 2 or not np.isfinite(value):
            return Estimate(value, np.nan, np.nan, np.nan, units)
        se = float(np.sqrt(units / (units - 1) * np.sum(self.influence() ** 2)))
        reach = float(student.ppf(0.5 + level / 2, units - 1)) * se
        return Estimate(value, se, value - reach, min(value + reach, 1.0), units)

    def bootstrap(
        self, rng: np.random.Generator, *, draws: int = 2000, level: float = 0.95, accelerated: bool = False
    ) -> Estimate:
        """Estimate with the quantiles of resampled units; no interval where too many resamples say nothing."""
        units = len(self.per_unit)
        value = _real(self.of(self.per_unit.sum(axis=0)))
        again = self._resampled(rng, draws) if units > 1 and np.isfinite(value) else np.full(draws, np.nan)
        kept = again[np.isfinite(again)]
        if len(kept) < (1.0 - UNSAID) * draws or len(kept) < 2:
            return Estimate(value, np.nan, np.nan, np.nan, units)
        places = np.array([0.5 - level / 2, 0.5 + level / 2])
        low, high = np.quantile(kept, self._moved(places, kept, value) if accelerated else places)
        return Estimate(value, float(kept.std(ddof=1)), float(low), float(high), units)

    def _resampled(self, rng: np.random.Generator, draws: int) -> Floats:
        units, size = self.per_unit.shape
        rows = max(AT_ONCE // max(units, size), 1)
        parts = []
        for start in range(0, draws, rows):
            count = min(rows, draws - start)
            drawn = rng.integers(units, size=(count, units)) + units * np.arange(count)[:, None]
            times = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
            parts.append(np.real(self.of(times @ self.per_unit)))
        return np.concatenate(parts)

    def _moved(self, places: Floats, kept: Floats, value: float) -> Floats:
        """Where BCa reads the quantiles; the plain places where nothing varies."""
        pull = self.influence()
        spread = float((pull**2).sum())
        skew = float((pull**3).sum()) / (6.0 * spread**1.5) if spread > 0 else 0.0
        below = np.mean(kept < value) + np.mean(kept == value) / 2
        bias = ndtri(np.clip(below, 0.5 / len(kept), 1 - 0.5 / len(kept)))
        z = bias + ndtri(places)
        return np.asarray(ndtr(bias + z / (1.0 - skew * z)))


def nominal_credit(categories: int) -> Floats:
    """(K, K) only equal is right."""
    return np.eye(categories)


def linear_credit(values: Floats | int) -> Floats:
    """(K, K) credit falls with the distance of the values (K,), or of 0 .. K-1."""
    at = np.arange(values, dtype=np.float64) if isinstance(values, int) else values
    step = np.abs(np.subtract.outer(at, at))
    return np.asarray(1.0 - step / max(float(step.max()), np.finfo(float).tiny))


def quadratic_credit(values: Floats | int) -> Floats:
    """(K, K) credit falls with the squared distance."""
    return np.asarray(1.0 - (1.0 - linear_credit(values)) ** 2)


def percent(labels: Labels, credit: Floats | None = None) -> Statistic:
    """Share of agreeing pairs within a unit, mean over units, not corrected for chance."""
    w = nominal_credit(labels.categories) if credit is None else credit
    return _many_raters(labels, w, lambda share: np.zeros_like(share[..., 0]))


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


def scott(labels: Labels, first: int, second: int, credit: Floats | None = None) -> Statistic:
    """Scott's pi of two raters over the units that both labelled."""
    a, b = _both(labels, first, second)
    units = np.arange(len(a), dtype=np.intp)
    rater = np.repeat(np.arange(2, dtype=np.intp), len(a))
    return fleiss(Labels(np.tile(units, 2), rater, np.concatenate([a, b]), labels.categories), credit)


def gwet(labels: Labels, credit: Floats | None = None) -> Statistic:
    """Gwet's AC1, or AC2 with `credit`: steady where nearly all labels fall into one category."""
    k = labels.categories
    w = nominal_credit(k) if credit is None else credit
    scale = w.sum() / (k * (k - 1.0)) if k > 1 else np.nan

    def chance(share: Floats) -> Floats:
        return np.asarray(scale * (share * (1.0 - share)).sum(axis=-1))

    return _many_raters(labels, w, chance)


def alpha(labels: Labels, distance: Floats | Distance) -> Statistic:
    """Krippendorff's alpha for any number of raters a unit; units with one label say nothing.

    distance: `nominal(K)`, `interval(values)`, `ratio(values)`, or `ordinal`, which depends on the labels themselves.
    """
    counts = labels.counts
    counts = counts[counts.sum(axis=1) >= 2]
    return _alpha_by_pairs(counts, distance) if callable(distance) else _alpha(counts, distance)


def _alpha(counts: Floats, far: Floats) -> Statistic:
    """A fixed distance: each unit's disagreement is one number."""
    within = (counts * (counts @ far)).sum(axis=1) / (counts.sum(axis=1) - 1.0)

    def coefficient(total: Floats) -> Floats:
        return _one_less(total[..., 0], total[..., 1:], far)

    return Statistic(np.column_stack([within, counts]), coefficient)


def _alpha_by_pairs(counts: Floats, distance: Distance) -> Statistic:
    """A distance that moves with the labels: each unit keeps its pairs k < l."""
    k, l = np.triu_indices(counts.shape[1], 1)  # noqa: E741 -- the equation's letter
    pairs = 2.0 * counts[:, k] * counts[:, l] / (counts.sum(axis=1)[:, None] - 1.0)

    def coefficient(total: Floats) -> Floats:
        seen = total[..., len(k) :]
        far = distance(seen)
        return _one_less((total[..., : len(k)] * far[..., k, l]).sum(axis=-1), seen, far)

    return Statistic(np.concatenate([pairs, counts], axis=1), coefficient)


def _one_less(observed: Floats, seen: Floats, far: Floats) -> Floats:
    """1 - (n - 1) observed / Σ_kl n_k n_l δ²_kl."""
    expected = (np.einsum("...k,...kl->...l", seen, far, optimize=True) * seen).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - (seen.sum(axis=-1) - 1.0) * observed / expected)


def nominal(categories: int) -> Floats:
    """(K, K) δ² = 1 between different categories."""
    return 1.0 - np.eye(categories)


def ordinal(totals: Floats) -> Floats:
    """(..., K, K) δ² = (labels between the middles of k and l)², from the label totals (..., K) themselves."""
    middle = np.cumsum(totals, axis=-1) - totals / 2.0
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)


def interval(values: Floats) -> Floats:
    """(K, K) δ² = (x_k - x_l)² for the values (K,) of the categories."""
    return np.asarray(np.subtract.outer(values, values) ** 2)


def ratio(values: Floats) -> Floats:
    """(K, K) δ² = ((x_k - x_l) / (x_k + x_l))² for values (K,) from 0 up; two zeros do not differ."""
    if (values < 0).any():
        raise ValueError(f"ratio: value {values.min():g} is negative. Maybe take the interval level.")
    total = np.add.outer(values, values)
    return np.asarray((np.subtract.outer(values, values) / np.where(total > 0, total, 1.0)) ** 2)


def disagreement(labels: Labels, credit: Floats | None = None) -> Floats:
    """(U,) 1 - the mean credit of a unit's pairs of labels: 0 where all agree, nan where there is one label only."""
    w = nominal_credit(labels.categories) if credit is None else credit
    counts = labels.counts
    raters = counts.sum(axis=1)
    pairs = np.where(raters >= 2, raters * (raters - 1.0), np.nan)
    return np.asarray(1.0 - ((counts * (counts @ w.T)).sum(axis=1) - counts @ np.diag(w)) / pairs)


def retest(labels: Labels, time: Floats) -> tuple[Labels, Rows]:
    """Hidden repeats: each time a rater met a unit again, as a unit labelled by "before" (0) and "after" (1).

    time (N,) orders the labels. Also returns whose repeat each of them is, (number of repeats,).
    """
    order = np.lexsort((time, labels.unit, labels.rater))
    unit, rater, category = labels.unit[order], labels.rater[order], labels.category[order]
    again = np.flatnonzero((unit[1:] == unit[:-1]) & (rater[1:] == rater[:-1]))
    count = len(again)
    pair = Labels(
        np.tile(np.arange(count, dtype=np.intp), 2), np.repeat(np.arange(2, dtype=np.intp), count),
        np.concatenate([category[again], category[again + 1]]), labels.categories,
    )  # fmt: skip
    return pair, rater[again]


def by_category(labels: Labels, coefficient: Callable[[Labels], Statistic]) -> list[Estimate]:
    """The coefficient of each category against all others."""
    return [coefficient(labels.against_rest(k)).analytic() for k in range(labels.categories)]


def over_time(
    labels: Labels, time: Floats, edges: Floats, coefficient: Callable[[Labels], Statistic]
) -> list[Estimate]:
    """The coefficient in each window [edges_i, edges_i+1), units by the time (N,) of their labels."""
    windows = []
    for start, stop in pairwise(edges):
        windows.append(coefficient(labels.where((time >= start) & (time < stop))).analytic())
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
