r"""How strict and how sharp a new rater is, from verdicts on answers about which something is known already.

    P(Y >= k | s) = σ(φ (s + d_k - ρ |a|)),        s ~ N(m, v)

s is what the criterion sees of the answer: m and v come from everything but this rater, that is the person's other
evidence and other raters' verdicts on the same answer. No "true score" is made of averages: s is integrated out,

    log L(ρ, log φ) = Σ log ∫ P(y | s; ρ, φ) N(s; m, v) ds + log N(ρ; 0, .5²) + log N(log φ; log φ₀, .5²).

The criteria of one answer share what is not known of it. Errors are therefore Huber's: with H the curvature of the
penalised log-likelihood and g_a the gradients of answers, Cov = H⁻¹ (Σ_a g_a g_a' + prior's precision) H⁻¹.

Reference: Linacre (1989), Many-Facet Rasch Measurement; White (1982) for the errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from irt.model import Floats, Ints, Items

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
SEVERITY_SD = 0.5  # of untrained raters, in sds
USUAL = 0.6  # discrimination of a rater nobody has seen, as a share of a faultless one's
LOG_SD = 0.5  # its spread
STEP = 1e-4  # of the numerical derivatives
TINY = 1e-12


class Newcomer(NamedTuple):
    """A rater's severity in sds and log discrimination, with their standard errors."""

    severity: float
    severity_se: float
    log_discrimination: float
    log_discrimination_se: float


def newcomer(level: Ints, items: Items, mean: Floats, variance: Floats, answer: Ints) -> Newcomer:
    """The rater behind n verdicts: level (n,), criteria as a faultless rater reads them (n,), what is known of s (n,).

    answer (n,): verdicts with equal numbers are on one answer. Raises ValueError where the arrays do not fit.
    """
    n = len(items)
    if any(column.shape != (n,) for column in (level, mean, variance, answer)) or n == 0:
        raise ValueError(f"newcomer: {n} criteria, but columns of other lengths. Maybe a verdict has no belief yet.")
    if (level < 0).any() or (level >= items.levels).any() or not (variance > 0).all():
        raise ValueError("newcomer: a level its criterion does not have, or a variance not above 0.")
    groups = np.unique(answer, return_inverse=True)[1]

    def cost(at: Floats) -> float:
        return -float(logs(at, level, items, mean, variance).sum()) + penalty(at)

    found = minimize(cost, np.array([0.0, np.log(USUAL)]), method="BFGS").x
    slopes = np.column_stack(
        [
            logs(found + step, level, items, mean, variance) - logs(found - step, level, items, mean, variance)
            for step in STEP * np.eye(2)
        ]
    ) / (2 * STEP)  # fmt: skip
    each = np.column_stack([np.bincount(groups, column) for column in slopes.T])
    precision = np.array([SEVERITY_SD**-2, LOG_SD**-2])
    bread = np.linalg.inv(curvature(cost, found))
    spread = np.sqrt(np.diag(bread @ (each.T @ each + np.diag(precision)) @ bread))
    return Newcomer(float(found[0]), float(spread[0]), float(found[1]), float(spread[1]))


def moved(
    found: Newcomer, level: Ints, items: Items, mean: Floats, variance: Floats, shift: float
) -> tuple[Floats, Floats]:
    """(n,) log-likelihood ratios of a rater now stricter, and now milder, by `shift` sds, against one as found."""
    at = np.array([found.severity, found.log_discrimination])
    as_found = logs(at, level, items, mean, variance)
    off = np.array([shift, 0.0])
    up, down = (logs(at + side * off, level, items, mean, variance) - as_found for side in (1, -1))
    return up, down


def logs(at: Floats, level: Ints, items: Items, mean: Floats, variance: Floats) -> Floats:
    """(n,) log-likelihood of each verdict at (ρ, log φ)."""
    severity, phi = at[0], np.exp(at[1])
    steep = np.linalg.norm(items.slope, axis=1)
    s = mean[:, None] + np.sqrt(variance)[:, None] * NODES - severity * steep[:, None]  # (n, Q)
    padded = np.column_stack([np.full(len(items), np.inf), items.threshold, np.full(len(items), -np.inf)])
    rows = np.arange(len(items))
    above, below = padded[rows, level], padded[rows, level + 1]
    chance = expit(phi * (s + above[:, None])) - expit(phi * (s + below[:, None]))
    return np.asarray(np.log(np.maximum(chance @ WEIGHTS, TINY)))


def penalty(at: Floats) -> float:
    return float(0.5 * (at[0] / SEVERITY_SD) ** 2 + 0.5 * ((at[1] - np.log(USUAL)) / LOG_SD) ** 2)


def curvature(cost: Callable[[Floats], float], at: Floats) -> Floats:
    """(2, 2) second differences."""
    step = 10 * STEP * np.eye(2)
    out = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            out[i, j] = (
                cost(at + step[i] + step[j]) - cost(at + step[i] - step[j])
                - cost(at - step[i] + step[j]) + cost(at - step[i] - step[j])
            ) / (4 * (10 * STEP) ** 2)  # fmt: skip
    return out
