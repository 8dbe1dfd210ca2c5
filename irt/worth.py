r"""What an answer to an item can be expected to tell, from a Gaussian belief about s = a·θ.

With s ~ N(m, v), x = (s - m)/√v and p_k(s) = P(Y = k | s), an answer shrinks Var(s) by the fraction

    f = E[(v - v')/v] = Σ_k E[p_k x]² / p̄_k,     p̄_k = E[p_k]           (law of total variance)

and is worth I = E[Σ_k p_k log p_k] - Σ_k p̄_k log p̄_k nats about θ. Since p_k is a difference of two
curves c + (1-c) σ(s + d), two functions of (m + d, √v) hold all that f needs, for any item:

    A(b, r) = E[σ(b + r x)],     B(b, r) = E[σ(b + r x) x]

`glance` reads them from a table (relative error of f below 1 %), to rank a whole bank; `effect`
integrates exactly, for the few items that come near the top.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import expit

from irt.model import Floats, Ints
from irt.tilt import TINY, W, X, sigmoid

STEP_B, STEP_R = 0.125, 0.0625  # of the table's two axes
MOST_B, MOST_R = 12.0, 5.0
NOWHERE = 1e-12  # variance of s below which an answer can tell nothing


@lru_cache(maxsize=1)
def curves() -> Floats:
    """A and B over the grid of (b, r): (b, r, 2)."""
    b = np.arange(-MOST_B, MOST_B + STEP_B, STEP_B)[:, None, None]
    r = np.arange(0.0, MOST_R + STEP_R, STEP_R)[:, None]
    x = np.linspace(-8, 8, 129)  # the trapezium rule is all but exact for a smooth curve under a normal
    weight = np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()
    curve = expit(b + r * x)
    return np.stack([curve @ weight, curve @ (weight * x)], axis=-1)


@njit(cache=True)
def glance(
    mean: Floats,
    cov: Floats,
    form: Floats,
    goal: Floats,
    weight: Floats,
    steep: Floats,
    skill: Ints,
    slope: Floats,
    threshold: Floats,
    guess: Floats,
    blur: Floats,
    allowed: NDArray[np.bool_],
    table: Floats,
) -> Floats:
    """About what an answer to each allowed item is worth: (I,); -1 where not allowed.

    That is (f/v) a'M a, M = form (D, D), where for each of the item's own skills d the part
    steep_d (f/v) u_d² of it, u = S a, gives way to the hinge itself, w_d ½ log(S_dd / max(goal_d, S_dd - (f/v) u_d²)).
    """
    count, loads = skill.shape
    value = np.full(count, -1.0)
    for j in range(count):
        if not allowed[j]:
            continue
        m = own = spread = 0.0
        for c in range(loads):
            a, d = slope[j, c], skill[j, c]
            if a == 0.0:
                continue
            m += a * mean[d]
            own += a * a * cov[d, d]
            spread += a * a * form[d, d]
            for e in range(c):
                both, other = 2.0 * a * slope[j, e], skill[j, e]
                own += both * cov[d, other]
                spread += both * form[d, other]
        if own <= NOWHERE:
            value[j] = 0.0
            continue
        shrink = fraction(m, own + blur[j], threshold[j], guess[j], table) / (own + blur[j])
        value[j] = shrink * spread
        for c in range(loads):
            d = skill[j, c]
            if slope[j, c] != 0.0 and steep[d] > 0.0:
                u = 0.0
                for e in range(loads):
                    u += slope[j, e] * cov[skill[j, e], d]
                fall = shrink * u * u
                value[j] += 0.5 * weight[d] * np.log(cov[d, d] / max(goal[d], cov[d, d] - fall)) - steep[d] * fall
    return value


@njit(cache=True)
def fraction(m: float, v: float, threshold: Floats, guess: float, table: Floats) -> float:
    """About f, by bilinear interpolation of the curves A and B."""
    r = np.sqrt(v)
    if r >= MOST_R:
        return exact_fraction(m, v, threshold, guess)
    column = int(r / STEP_R)
    right = r / STEP_R - column
    total = above0 = above1 = 0.0
    above0 = 1.0
    for k in range(threshold.shape[0]):
        if threshold[k] == -np.inf:
            break
        b = min(max(m + threshold[k], -MOST_B), MOST_B - 1e-9)
        row = int((b + MOST_B) / STEP_B)
        down = (b + MOST_B) / STEP_B - row
        near, far = table[row], table[row + 1]
        a = (1 - down) * ((1 - right) * near[column, 0] + right * near[column + 1, 0])
        a += down * ((1 - right) * far[column, 0] + right * far[column + 1, 0])
        x = (1 - down) * ((1 - right) * near[column, 1] + right * near[column + 1, 1])
        x += down * ((1 - right) * far[column, 1] + right * far[column + 1, 1])
        a, x = guess + (1.0 - guess) * a, (1.0 - guess) * x
        total += (above1 - x) ** 2 / max(above0 - a, 1e-12)
        above0, above1 = a, x
    return total + above1 * above1 / above0


@njit(cache=True)
def exact_fraction(m: float, v: float, threshold: Floats, guess: float) -> float:
    return integrate(m, v, threshold, guess)[0]


@njit(cache=True)
def integrate(m: float, v: float, threshold: Floats, guess: float) -> tuple[float, float]:
    """(f, mutual information in nats) of one answer for s ~ N(m, v), by quadrature."""
    sd = np.sqrt(v)
    count = threshold.shape[0] + 1
    p0, p1 = np.zeros(count), np.zeros(count)
    information = 0.0
    for q in range(X.shape[0]):
        s = m + sd * X[q]
        above = 1.0
        for k in range(count):
            last = k == count - 1 or threshold[k] == -np.inf
            below = 0.0 if last else guess + (1.0 - guess) * sigmoid(s + threshold[k])
            p = max(above - below, TINY)
            p0[k] += W[q] * p
            p1[k] += W[q] * p * X[q]
            information += W[q] * p * np.log(p)
            above = below
            if last:
                break
    f = 0.0
    for k in range(count):
        if p0[k] > 0.0:
            f += p1[k] * p1[k] / p0[k]
            information -= p0[k] * np.log(p0[k])
    return f, max(information, 0.0)


@njit(cache=True)
def effect(
    mean: Floats, cov: Floats, skill: Ints, slope: Floats, threshold: Floats, guess: Floats, blur: Floats, rows: Ints
) -> tuple[Floats, Floats]:
    """f/v and mutual information of some rows of a bank, exactly: (n,), (n,)."""
    shrink, information = np.zeros(len(rows)), np.zeros(len(rows))
    for i in range(len(rows)):
        j = rows[i]
        m, own = project(mean, cov, skill[j], slope[j])
        if own > NOWHERE:
            f, information[i] = integrate(m, own + blur[j], threshold[j], guess[j])
            shrink[i] = f / (own + blur[j])
    return shrink, information


@njit(cache=True)
def project(mean: Floats, cov: Floats, skill: Ints, slope: Floats) -> tuple[float, float]:
    """Mean and variance of s = a·θ."""
    m = own = 0.0
    for c in range(len(skill)):
        m += slope[c] * mean[skill[c]]
        for e in range(len(skill)):
            own += slope[c] * slope[e] * cov[skill[c], skill[e]]
    return m, own


@njit(cache=True)
def hinge_falls(
    cov: Floats, skill: Ints, slope: Floats, rows: Ints, shrink: Floats, target: Floats, weight: Floats
) -> Floats:
    """Fall of Σ_d w_d ½ log max(1, S_dd/t_d²) when S_dd falls by shrink (S a)_d²: (n,)."""
    skills = len(target)
    fall = np.zeros(len(rows))
    for i in range(len(rows)):
        j = rows[i]
        for d in range(skills):
            goal = target[d] * target[d]
            if weight[d] == 0.0 or cov[d, d] <= goal:
                continue
            u = 0.0
            for c in range(skill.shape[1]):
                u += slope[j, c] * cov[skill[j, c], d]
            after = max(cov[d, d] - shrink[i] * u * u, goal)
            fall[i] += 0.5 * weight[d] * np.log(cov[d, d] / after)
    return fall


@njit(cache=True)
def outcomes(m: float, v: float, threshold: Floats, guess: float) -> tuple[Floats, Floats, Floats]:
    """Chance of every level, mean and variance of s after it: (M + 1,) each; chance 0 for levels the item lacks."""
    sd = np.sqrt(v)
    count = threshold.shape[0] + 1
    p, p1, p2 = np.zeros(count), np.zeros(count), np.zeros(count)
    for q in range(X.shape[0]):
        s = m + sd * X[q]
        above = 1.0
        for k in range(count):
            last = k == count - 1 or threshold[k] == -np.inf
            below = 0.0 if last else guess + (1.0 - guess) * sigmoid(s + threshold[k])
            share = W[q] * max(above - below, TINY)
            p[k] += share
            p1[k] += share * X[q]
            p2[k] += share * X[q] * X[q]
            above = below
            if last:
                break
    for k in range(count):
        if p[k] > 0.0:
            centre = p1[k] / p[k]
            p1[k], p2[k] = m + sd * centre, v * max(p2[k] / p[k] - centre * centre, 1e-12)
    return p, p1, p2
