r"""Which question is worth its minutes.

Each skill has a target standard error t_d and a weight w_d (what the demand says it is worth). The
hinge counts how far the log standard errors stand above their targets,

    H(S) = Σ_d w_d · ½ log max(1, S_dd / t_d²),

and a question's value is the H it is expected to take away, per expected minute. An answer to item j
shrinks Var(s_j) by the fraction f_j = E[(v - v')/v], so with u = S a_j

    S_dd after ≈ S_dd - (f_j / v_j) u_d²,      f_j = Σ_k (Σ_q W_q p_k(s_q) x_q)² / p̄_k   (total variance)

No credit goes to a skill already known well enough, none to what other answers will tell by correlation
later: the fall of all skills is counted at once. `information` gives the mutual information of the same
answer, for the record. Expected values are over the belief, guessing and item uncertainty included.

References: van der Linden & Pashley (2010), Elements of Adaptive Testing; Fan, Wang, Chang & Douglas
(2012), JEBS 37, for information per minute; van der Linden & Veldkamp (2007), JEBS 32, for eligibility;
Frazier & Powell (2010), Decision Analysis 7, for why a horizon is needed to stop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr

from irt.belief import Belief
from irt.model import Floats, Ints, Items
from irt.tilt import W, X, chance

SHORTLIST = 128  # items whose hinge is computed exactly after the linear scan


@dataclass(frozen=True, eq=False)
class Aim:
    """What the questions are for, by skill."""

    target: Floats  # (D,) standard error that is good enough
    weight: Floats  # (D,) worth of a unit of log standard error; 0: not wanted

    def __post_init__(self) -> None:
        if not ((self.target > 0).all() and (self.weight >= 0).all() and np.isfinite(self.weight).all()):
            raise ValueError("Aim: every target must be above 0 and every weight finite and not negative.")


@dataclass(frozen=True, eq=False)
class Pool:
    """The items one may choose from."""

    items: Items
    blur: Floats  # (I,) variance of s_j from not knowing the item exactly
    minutes: Floats  # (I,) expected minutes for this person


@dataclass(frozen=True, eq=False)
class Scan:
    """What an answer to each item is expected to do, under one belief."""

    gain: Floats  # (I,) fall of the hinge; 0 outside the shortlist
    information: Floats  # (I,) mutual information with θ, nats
    rate: Floats  # (I,) gain per expected minute
    shrink: Floats  # (I,) f/v: what `falls` needs to say which skills gain
    order: Ints  # shortlisted rows, best rate first


def hinge(variance: Floats, aim: Aim) -> float:
    """H(S) of a belief's variances (D,): what is still to be learnt."""
    return float((aim.weight * 0.5 * np.log(np.maximum(1.0, variance / aim.target**2))).sum())


def scan(belief: Belief, pool: Pool, aim: Aim, allowed: NDArray[np.bool_]) -> Scan:
    """Value per minute of every allowed item; (I,) arrays in the pool's order."""
    count = len(pool.items)
    variance = np.diag(belief.cov)
    short = aim.weight * (variance > aim.target**2)
    steep = short / (2 * variance)  # slope of the hinge in each variance
    spread = (belief.cov * steep) @ belief.cov  # M: u'diag(steep)u = a'M a
    items = pool.items
    v, fraction, information = look(
        belief.mean, belief.cov, items.skill, items.slope, items.threshold, items.guess, pool.blur, allowed
    )
    shrink = fraction / v
    linear = shrink * quadratic(spread, items.skill, items.slope) / pool.minutes
    linear[~allowed] = -1.0
    shortlist = np.argsort(-linear, kind="stable")[:SHORTLIST]
    shortlist = shortlist[allowed[shortlist]]
    gain = np.zeros(count)
    gain[shortlist] = falls(belief.cov, items.rows(shortlist), shrink[shortlist], aim).sum(1)
    rate = gain / pool.minutes
    order = shortlist[np.argsort(-rate[shortlist], kind="stable")]
    return Scan(gain, information, rate, shrink, order[rate[order] > 0])


def falls(cov: Floats, items: Items, shrink: Floats, aim: Aim) -> Floats:
    """Expected fall of each skill's share of the hinge: (I, D). shrink = f/v."""
    variance = np.diag(cov)
    u = (cov[:, items.skill] * items.slope).sum(-1)  # (D, I)
    after = variance[:, None] - shrink * u**2
    target = aim.target[:, None] ** 2
    before = np.log(np.maximum(1.0, variance[:, None] / target))
    fall = 0.5 * (before - np.log(np.maximum(1.0, after / target)))
    return (aim.weight[:, None] * fall).T


def quadratic(matrix: Floats, skill: Ints, slope: Floats) -> Floats:
    """The form a'M a of every item, by its own columns only: (I,)."""
    pairs = matrix[skill[:, :, None], skill[:, None, :]]
    return np.einsum("ic,ice,ie->i", slope, pairs, slope)


@njit(cache=True)
def look(
    mean: Floats,
    cov: Floats,
    skill: Ints,
    slope: Floats,
    threshold: Floats,
    guess: Floats,
    blur: Floats,
    allowed: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats]:
    """Variance v of s, expected shrink f of it, and mutual information of each allowed item."""
    count, loads = skill.shape
    variance, fraction, information = np.ones(count), np.zeros(count), np.zeros(count)
    for j in range(count):
        if not allowed[j]:
            continue
        m, v = 0.0, blur[j]
        for c in range(loads):
            m += slope[j, c] * mean[skill[j, c]]
            for e in range(loads):
                v += slope[j, c] * slope[j, e] * cov[skill[j, c], skill[j, e]]
        variance[j] = v
        fraction[j], information[j] = worth(m, v, threshold[j], guess[j])
    return variance, fraction, information


@njit(cache=True)
def worth(m: float, v: float, threshold: Floats, guess: float) -> tuple[float, float]:
    """(f, mutual information) of one answer for s ~ N(m, v)."""
    sd = np.sqrt(v)
    fraction = information = 0.0
    for level in range(threshold.shape[0] + 1):
        if level > 0 and threshold[level - 1] == -np.inf:
            break
        p0 = p1 = known = 0.0
        for q in range(X.shape[0]):
            p = chance(m + sd * X[q], level, threshold, guess)
            p0 += W[q] * p
            p1 += W[q] * p * X[q]
            known += W[q] * p * np.log(p)
        fraction += p1 * p1 / p0
        information += known - p0 * np.log(p0)
    return fraction, information


# -- security --------------------------------------------------------------------------------------


def eligible(shown: Ints, offered: Ints, limit: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which items one sitting may use, so that no item is shown to more than `limit` of the people.

    shown, offered (I,): sittings so far that were asked the item, and in which it was open to be asked.
    Item j is open with probability min(1, limit · offered_j / shown_j): van der Linden & Veldkamp's
    item eligibility. One draw a sitting.
    """
    chance_open = np.where(shown > 0, limit * (offered + 1) / np.maximum(shown, 1), 1.0)
    return rng.random(len(shown)) < chance_open


# -- when to stop ----------------------------------------------------------------------------------

HORIZONS = 1.5 ** np.arange(12)


def worth_continuing(gap: float, variance: float, fall: float, minutes: float, price: float) -> float:
    """Net value of asking on, for one decision "is t = w·θ above the bar?"; stop when not positive.

    gap       |mean of t - bar|; variance: Var(t); fall: expected fall of Var(t) by the best next item
    minutes   that item takes; price: of a minute, in units of t

    If information keeps coming at rate ρ = fall / (V (V - fall) minutes), then after h minutes the mean
    will have moved by σ_h² = V - V/(1 + ρVh), and the better decision is worth
    EVI(h) = σ_h [φ(z) - z Φ(-z)], z = gap/σ_h. The best horizon decides: looking one item ahead stops
    too early, since one item seldom turns a decision.
    """
    if fall <= 0 or fall >= variance:
        return -price * minutes if fall <= 0 else np.inf
    rate = fall / (variance * (variance - fall) * minutes)
    h = minutes * HORIZONS
    sigma = np.sqrt(variance - variance / (1 + rate * variance * h))
    z = gap / sigma
    gained = sigma * (np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) - z * ndtr(-z))
    return float((gained - price * h).max())
