r"""Have items become easier or harder? Shifts by windows of time, and where each item changed.

In window w, with its people's own mean and covariance, item i is s_iw ± e_iw logits easier than on the scale (less the
mean of all clean items, a shift of which is one of the people). For a change after τ windows

    δ_τ = s̄_after - s̄_before  (means weighted by 1/e²),   z_τ = δ_τ / se_τ,

se_τ with the items' own errors in it (`irt.dif`). The change is put where |z_τ| is largest. What the largest of several
|z| reaches by chance is simulated (windows of equal information), and takes the place of 1.645 and 1.96 in classes
and intervals. A time of change is in its 95 % set where z_τ² is within 3.84 of the largest.

References: Hawkins (1977), Testing a sequence of observations for a shift in location, JASA 72; Siegmund (1988),
Confidence sets in change-point problems; Dorans & Holland (1993) for the classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from irt.design import Answers
from irt.dif import classes, shifts
from irt.facets import Facets
from irt.model import Floats, Ints, Items

DRAWS = 20_000  # of the null distribution of the largest |z|
FEW = 50  # draws beyond a |z| below which the bound takes their place
CHI = 3.84  # 95 % point of chi-square with one degree of freedom


class Drift(NamedTuple):
    """Of W windows and I items."""

    shift: Floats  # (W, I) logits easier than on the scale, less the mean of all items
    window_se: Floats  # (W, I) inf where nobody answered
    size: Floats  # (I,) after the change less before it
    se: Floats  # (I,) inf where one side has no answers
    split: Ints  # (I,) windows before the change
    earliest: Ints  # (I,) of the splits that cannot be excluded
    latest: Ints  # (I,)
    p_value: Floats  # (I,)
    ets: tuple[str, ...]
    sure: float  # standard errors that chance reaches once in 20 items
    means: Floats  # (W, D)


def drift(
    items: Items, mean: Floats, cov: Floats, answers: Answers, window: Ints, rng: np.random.Generator, *,
    errors: Floats | None = None, rounds: int = 2, facets: Facets | None = None,
) -> Drift:  # fmt: skip
    """Over windows 0..W-1, numbered for each person (P,); items found to have changed do not tell the skills again."""
    count = int(window.max()) + 1
    largest = largest_by_chance(count, rng)
    sure = (float(np.quantile(largest, 0.90)), float(np.quantile(largest, 0.95)))
    clean = np.ones(len(items), dtype=bool)
    for _ in range(rounds):
        seen = [shifts(items, mean, cov, answers.people(window == w), clean, facets) for w in range(count)]
        se = np.array([one.se for one in seen])
        shift = np.array([centred(one.shift, one.se, clean) for one in seen])
        size, spread = split_differences(shift, se, np.array([one.weight for one in seen]), errors)
        z = np.where(np.isfinite(spread), np.abs(size) / spread, 0.0)
        best = z.argmax(0)
        row = np.arange(len(items))
        ets = classes(size[best, row], spread[best, row], sure)
        clean = np.array([c != "C" for c in ets])
    near = z**2 >= (z**2).max(0) - CHI
    return Drift(
        shift, se, size[best, row], spread[best, row], best + 1, near.argmax(0) + 1, count - 1 - near[::-1].argmax(0),
        chance_of(z.max(0), largest, count), ets, sure[1], np.array([one.mean for one in seen]),
    )  # fmt: skip


def chance_of(z: Floats, largest: Floats, windows: int) -> Floats:
    """P-values of the largest |z|: by the draws, and in their far tail by Bonferroni's bound, which is close there."""
    drawn = 1 - np.searchsorted(np.sort(largest), z) / len(largest)
    return np.where(drawn * len(largest) > FEW, drawn, np.minimum(2 * (windows - 1) * norm.sf(z), 1.0))


def centred(shift: Floats, se: Floats, clean: Ints) -> Floats:
    """Less the clean items' mean, weighted by how surely each is known."""
    known = clean & np.isfinite(se)
    return shift - np.average(shift[known], weights=1 / np.maximum(se[known], 1e-6) ** 2) if known.any() else shift


def split_differences(shift: Floats, se: Floats, weight: Floats, errors: Floats | None) -> tuple[Floats, Floats]:
    """(δ, se) (W - 1, I) of a change after 1, 2, … windows; weight (W, I, p) as in `irt.dif.Shifts`."""
    known = 1 / se**2
    total, drawn, leaning = (
        np.cumsum(x, axis=0) for x in (known, known * shift, known[:, :, None] * weight)
    )  # fmt: skip
    before, after = total[:-1], total[-1] - total[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        size = (drawn[-1] - drawn[:-1]) / after - drawn[:-1] / before
        variance = 1 / before + 1 / after
        if errors is not None:
            apart = (leaning[-1] - leaning[:-1]) / after[..., None] - leaning[:-1] / before[..., None]
            variance += np.einsum("wip,ipq,wiq->wi", apart, errors, apart)
    told = (before > 0) & (after > 0)
    return np.where(told, size, 0.0), np.where(told, np.sqrt(variance), np.inf)


def largest_by_chance(windows: int, rng: np.random.Generator) -> Floats:
    """Draws of the largest |z| over splits where nothing changes."""
    noise = rng.standard_normal((DRAWS, windows))
    left, n = np.cumsum(noise, axis=1)[:, :-1], np.arange(1, windows)
    gap = (noise.sum(1, keepdims=True) - left) / (windows - n) - left / n
    return np.abs(gap / np.sqrt(1 / n + 1 / (windows - n))).max(1)
