r"""Other things an answer may be wanted for: to know the person, or to settle decisions about them.

For queue q the composite t_q = w_q·θ ~ N(m_q, V_q) stands against the bar b_q, and P_q = Φ((m_q - b_q)/√V_q)
is the chance that this person clears it. After level k of item j, with g = w_q'S a_j,

    m_q' = m_q + g (m'_k - m)/v,      V_q' = V_q - g² (v - v'_k)/v²

and the answer is worth Σ_q n_q [H(P_q) - Σ_k p̄_k H(P_q')] nats about the decisions, H the entropy of yes or no
and n_q the queue's seats. To rank a bank it is enough that P_q is a martingale: to second order the entropy falls
by ½ φ(z)² / (Φ(z) Φ(-z)) · (f/v) g²/V_q, z = (m_q - b_q)/√V_q, a quadratic form in a_j.

Reference: Lindley (1956), On a measure of the information provided by an experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc

import numpy as np
from numba import njit
from scipy.special import log_ndtr

from irt.belief import Belief
from irt.model import Floats, Ints
from irt.selection import Aim, Pool, Tangent, Told
from irt.tilt import W, X
from irt.worth import NOWHERE, outcomes, project


@dataclass(frozen=True, eq=False)
class Knowledge:
    """To know the person: mutual information of the answer with all skills, in nats."""

    def tangent(self, belief: Belief) -> Tangent:
        """About f: an answer's information is some -½ log(1 - f)."""
        return flat(belief.cov)

    def gain(self, _belief: Belief, _pool: Pool, told: Told) -> Floats:
        return told.information


@dataclass(frozen=True, eq=False)
class Verdicts:
    """To settle for each queue whether this person clears its bar."""

    weight: Floats  # (Q, D) of each queue's composite
    bar: Floats  # (Q,)
    seats: Floats  # (Q,) how much each queue's decision is worth

    def __post_init__(self) -> None:
        queues = len(self.bar)
        if self.weight.ndim != 2 or len(self.weight) != queues or self.seats.shape != (queues,):
            raise ValueError(
                f"Verdicts: weight {self.weight.shape}, bar {self.bar.shape}, seats {self.seats.shape}, "
                "but they must be (Q, D), (Q,) and (Q,)."
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bar).all() and (self.weight != 0).any(1).all()):
            raise ValueError("Verdicts: every weight and bar must be finite, and every queue must ask for some skill.")
        if not ((self.seats >= 0) & np.isfinite(self.seats)).all():
            raise ValueError("Verdicts: seats must be finite and not negative.")

    def tangent(self, belief: Belief) -> Tangent:
        reach = belief.cov @ self.weight.T  # (D, Q) = S w
        variance = (self.weight.T * reach).sum(0)
        z = (self.weight @ belief.mean - self.bar) / np.sqrt(variance)
        density = np.exp(-(z**2) - np.log(2 * np.pi) - log_ndtr(z) - log_ndtr(-z))  # φ² / (Φ Φ̄)
        return flat((reach * (self.seats * 0.5 * density / variance)) @ reach.T)

    def gain(self, belief: Belief, pool: Pool, told: Told) -> Floats:
        reach = np.ascontiguousarray(belief.cov @ self.weight.T)
        variance, gap = (self.weight.T * reach).sum(0), self.weight @ belief.mean - self.bar
        items = pool.items
        bank = items.skill, items.slope, items.threshold, items.guess, pool.blur
        return settled(belief.mean, belief.cov, reach, gap, variance, self.seats, *bank, told.rows)


@dataclass(frozen=True, eq=False)
class Bars:
    """One decision about a person: whether all of some skills are at their bars."""

    skill: Ints  # (B,)
    bar: Floats  # (B,)
    seats: float  # how much the decision is worth

    def open_to(self, belief: Belief) -> Floats:
        """Chance that all other bars are met, (B,): what each bar's own answer still decides.

        Marginal chances are multiplied, which for skills that go together is a little low, and alike for all bars.
        """
        log_met = log_ndtr((belief.mean[self.skill] - self.bar) / belief.sd[self.skill])
        others: Floats = np.exp(log_met.sum() - log_met)
        return others


def verdicts(decisions: Sequence[Bars], belief: Belief) -> Verdicts:
    """Decisions with several bars each, as one verdict a bar, worth as much as still hangs on it.

    Of a person who misses one bar for sure no other bar need be known.
    """
    skill = np.concatenate([one.skill for one in decisions])
    seats = np.concatenate([one.seats * one.open_to(belief) for one in decisions])
    return Verdicts(np.eye(len(belief.mean))[skill], np.concatenate([one.bar for one in decisions]), seats)


@dataclass(frozen=True, eq=False)
class Both:
    """The hinge, and decisions beside it: a nat about a decision counts as `rate` of the hinge's units."""

    aim: Aim
    verdicts: Verdicts
    rate: float

    def tangent(self, belief: Belief) -> Tangent:
        hinge, settles = self.aim.tangent(belief), self.verdicts.tangent(belief)
        return Tangent(hinge.form + self.rate * settles.form, hinge.steep, hinge.goal, hinge.weight)

    def gain(self, belief: Belief, pool: Pool, told: Told) -> Floats:
        return self.aim.gain(belief, pool, told) + self.rate * self.verdicts.gain(belief, pool, told)


def foretold(decisions: Verdicts, before: Belief, after: Belief) -> float:
    """Expected fall of the doubt where all that is foreseen is how narrow the belief will be.

    Its mean then moves by N(0, what each composite's variance loses).
    """
    weight = decisions.weight
    variance, left = (np.einsum("qd,de,qe->q", weight, one.cov, weight) for one in (before, after))
    moved = np.sqrt(np.maximum(variance - left, 0.0))[:, None] * X
    gap = weight @ before.mean - decisions.bar
    now = np.array([doubt(z) for z in gap / np.sqrt(variance)])
    later = [[doubt(z) for z in row] for row in (gap[:, None] + moved) / np.sqrt(left)[:, None]]
    return float(decisions.seats @ (now - np.array(later) @ W))


def flat(form: Floats) -> Tangent:
    """An objective without a hinge of any skill."""
    nothing = np.zeros(len(form))
    return Tangent(form, nothing, nothing, nothing)


@njit(cache=True)
def doubt(z: float) -> float:
    """Entropy of a decision whose chance is Φ(z), in nats."""
    yes, no = 0.5 * erfc(-z / np.sqrt(2.0)), 0.5 * erfc(z / np.sqrt(2.0))
    return -(yes * np.log(max(yes, 1e-300)) + no * np.log(max(no, 1e-300)))


@njit(cache=True)
def settled(
    mean: Floats,
    cov: Floats,
    reach: Floats,
    gap: Floats,
    variance: Floats,
    seats: Floats,
    skill: Ints,
    slope: Floats,
    threshold: Floats,
    guess: Floats,
    blur: Floats,
    rows: Ints,
) -> Floats:
    """Expected fall of the doubt about all queues by an answer to each row: (n,)."""
    worth = np.zeros(len(rows))
    for i in range(len(rows)):
        j = rows[i]
        m, own = project(mean, cov, skill[j], slope[j])
        if own <= NOWHERE:
            continue
        v = own + blur[j]
        p, m1, v1 = outcomes(m, v, threshold[j], guess[j])
        for q in range(len(gap)):
            g = 0.0
            for c in range(skill.shape[1]):
                g += slope[j, c] * reach[skill[j, c], q]
            left = 0.0
            for k in range(len(p)):
                if p[k] > 0.0:
                    after = max(variance[q] - g * g * (v - v1[k]) / (v * v), 1e-12)
                    left += p[k] * doubt((gap[q] + g * (m1[k] - m) / v) / np.sqrt(after))
            worth[i] += seats[q] * (doubt(gap[q] / np.sqrt(variance[q])) - left)
    return worth
