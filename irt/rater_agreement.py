r"""How far raters agree beyond chance: weighted kappa against the references, Krippendorff's alpha with intervals.

    α = 1 - (n - 1) Σ_u Σ_kl o_ukl δ²_kl / Σ_kl n_k n_l δ²_kl,     o_ukl = r_uk (r_ul - [k = l]) / (r_u - 1)

Intervals: answers are drawn again with all their units, and quantiles are taken; a draw only adds up the
sums of each answer.
References: Cohen (1968); Krippendorff (2019), Content Analysis, ch. 12.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irt.model import Floats, Ints

TINY = 1e-300


class Alpha(NamedTuple):
    """A coefficient with its 95 % bootstrap interval; nan where there is nothing to compare."""

    value: float
    low: float
    high: float


def pair_counts(
    cell: Ints, rater: Ints, level: Ints, weight: Floats, reference: Ints, shape: tuple[int, int]
) -> Floats:
    """(R, K, K): level k by the rater where a reference rater, not the same one, gave l; shape (raters, K)."""
    raters, levels = shape
    anchor = np.isin(rater, reference)
    counts = np.zeros((int(cell.max()) + 1, levels))
    np.add.at(counts, (cell[anchor], level[anchor]), weight[anchor])
    others = counts[cell]
    others[np.flatnonzero(anchor), level[anchor]] -= weight[anchor]
    out = np.zeros((raters, levels, levels))
    np.add.at(out, (rater, level), weight[:, None] * others)
    return out


def kappa(pairs: Floats, power: int) -> Floats:
    """Weighted kappa (R,) of (R, K, K) pairs, disagreement |k - l|^power; nan without pairs or spread. Cohen (1968)."""
    steps = np.arange(pairs.shape[1])
    far = np.abs(np.subtract.outer(steps, steps)).astype(float) ** power
    margins = pairs.sum(2)[:, :, None] * pairs.sum(1)[:, None, :] / np.maximum(pairs.sum((1, 2)), TINY)[:, None, None]
    by_chance = (far * margins).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance > 0, 1 - (far * pairs).sum((1, 2)) / by_chance, np.nan)


def alpha(
    unit: Ints, level: Ints, values: Floats, answer: Ints, metric: str, rng: np.random.Generator, draws: int = 1000
) -> Alpha:
    """Units (N,) with levels (N,) as rows of values (K,); answer (units,) is drawn again as a whole."""
    counts = np.zeros((len(answer), len(values)))
    np.add.at(counts, (unit, level), 1.0)
    double = counts.sum(1) >= 2
    counts, owner = counts[double], np.unique(answer[double], return_inverse=True)[1]
    if not len(counts):
        return Alpha(np.nan, np.nan, np.nan)
    k = len(values)
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(k)) / (counts.sum(1) - 1)[:, None, None]
    sums = np.zeros((owner.max() + 1, k * k + k))
    np.add.at(sums, owner, np.concatenate([pairs.reshape(len(counts), k * k), counts], axis=1))
    times = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    again = coefficient(times.astype(float) @ sums, values, metric)
    again = again[np.isfinite(again)]
    low, high = np.quantile(again, [0.025, 0.975]) if len(again) else (np.nan, np.nan)
    return Alpha(float(coefficient(sums.sum(0)[None], values, metric)[0]), float(low), float(high))


def coefficient(total: Floats, values: Floats, metric: str) -> Floats:
    """Alpha (n,) from sums (n, K² + K)."""
    k = len(values)
    seen = total[:, k * k :]
    far = distance(seen, values, metric)
    observed = (total[:, : k * k].reshape(-1, k, k) * far).sum((1, 2))
    expected = (seen[:, :, None] * far * seen[:, None, :]).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (seen.sum(1) - 1) * observed / expected, np.nan)


def distance(seen: Floats, values: Floats, metric: str) -> Floats:
    """δ² (n, K, K): nominal, interval, or ordinal from how often each level was seen (n, K)."""
    if metric == "nominal":
        return np.broadcast_to(1.0 - np.eye(len(values)), (len(seen), len(values), len(values)))
    middle = np.cumsum(seen, 1) - seen / 2 if metric == "ordinal" else np.broadcast_to(values, seen.shape)
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)
