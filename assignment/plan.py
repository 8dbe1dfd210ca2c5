r"""A plan, its prices, and the proof of how good it is.

Prices λ = (α demand, β1 review, β2 second, μ budget) ≥ 0 turn the problem into one small problem an expert. One hour
on arc a is worth, after paying for everything shared,

    w_a = V_q ψ_a g_a - c_a - α_q g_a - (k1_q β1_q + k2_q β2_q) s_a - μ c_a      produce
    w_a = β1_q v_a - (1 + μ) c_a                                                 review; second with β2
    (less π_a, the price of the rule "nobody reviews their own work", where it binds)

and the expert's best reply fills the hours with the best arcs first, each due date respected. For *any* prices ≥ 0

    bound(λ) = Σ_q N_q α_q + Σ_g B_g μ_g + Σ_e max { Σ_a w_a h_a : h in e's hours }  ≥  every possible plan,

so the gap of a plan is proven by one pass over the arcs, whoever found the prices (Lagrangian duality).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from assignment.arrays import Floats, Rows
from assignment.best_reply import best_reply
from assignment.problem import Problem
from assignment.projection import ROLES

Status = Literal["optimal", "near optimal", "time limit"]  # near: time was left, but the wished gap was not proven


@dataclass(frozen=True, eq=False)
class Prices:
    """What one more unit of everything scarce would bring, at most. All are >= 0, in money."""

    demand: Floats  # (Q,) one more accepted unit wanted
    review: Floats  # (Q,) one more review
    second: Floats  # (Q,) one more second-level review
    budget: Floats  # (G,) one more unit of money, on top of that unit itself
    hour: Floats  # (E, T) one more hour of an expert, before each due date
    pairing: Floats  # (A,) what "nobody reviews their own work" costs an hour on this arc (negative: it earns)

    @property
    def shared(self) -> Floats:
        """(3 Q + G,) the prices of what experts share, in the order of the rows."""
        return np.concatenate([self.demand, self.review, self.second, self.budget])


@dataclass(frozen=True, eq=False)
class Plan:
    """Hours on every arc of a problem, with a proven bound."""

    hours: Floats  # (A,)
    value: float  # worth of what is accepted, less pay; may pass the bound by what was paid for lost hours
    objective: float  # value less the prices of broken promises and lost hours: what was maximised
    bound: float  # no plan has a higher objective
    prices: Prices
    broken: Floats  # (A,) promised hours that could not be kept
    status: Status

    @property
    def gap(self) -> float:
        """How far the objective may be below the best possible, as a share of the bound."""
        return max(self.bound - self.objective, 0.0) / max(abs(self.bound), 1e-6)


@dataclass(frozen=True, eq=False)
class Columns:
    """Arcs cut into pieces, so that a promise or a kept hour is a bonus on the first hours of an arc.

    -p · max(pinned - h, 0) is p · min(h, pinned) less a constant: the first `pinned` hours earn p more. The pieces of
    an arc earn less and less, so that a maximum fills them in order.
    """

    arc: Rows  # (N,)
    most: Floats  # (N,) hours the piece can take, inf for the last unless the arc has a limit
    gain: Floats  # (N,) worth of an hour before prices


def columns(problem: Problem) -> Columns:
    """The pieces of every arc, in the order of arcs."""
    split = np.flatnonzero((problem.pinned > 0) | (problem.before > 0))
    if not problem.switching:
        split = np.flatnonzero(problem.pinned > 0)
    kept = problem.before[split] if problem.switching else np.zeros(len(split))
    pinned = problem.pinned[split]
    low, high = np.minimum(pinned, kept), np.maximum(pinned, kept)
    bonus_high = np.where(pinned > kept, problem.promise, problem.switching)
    cap, rest = problem.cap, problem.cap.copy()
    low, high = np.minimum(low, cap[split]), np.minimum(high, cap[split])
    rest[split] -= high
    pieces = [
        (split, low, problem.gain[split] + problem.promise + problem.switching),
        (split, high - low, problem.gain[split] + bonus_high),
    ]
    arc = np.concatenate([np.arange(problem.arcs), *(piece[0] for piece in pieces)])
    most = np.concatenate([rest, *(piece[1] for piece in pieces)])
    gain = np.concatenate([problem.gain, *(piece[2] for piece in pieces)])
    some = most > 0
    order = np.argsort(arc[some], kind="stable")
    return Columns(arc[some][order], most[some][order], gain[some][order])


def charges(problem: Problem, prices: Prices, among: Rows | None = None) -> Floats:
    """(A,) what one hour of each arc pays for everything shared; a review hour is paid, so its charge is negative.

    For all arcs, or for some of them.
    """
    queues, some = problem.queues, slice(None) if among is None else among
    q, role = problem.queue[some], problem.role[some]
    reviews = queues.review_share * prices.review + queues.second_share * prices.second  # (Q,) a submitted unit
    unit = np.stack([reviews, -prices.review, -prices.second], axis=1)  # (Q, 3) of those handled, by role
    accepted = prices.demand[q] * problem.accepted[some]  # nothing where nothing is produced
    shared = accepted + unit.ravel()[len(ROLES) * q + role] * problem.rate[some]
    return shared + prices.budget[queues.purse][q] * problem.cost[some] + prices.pairing[some]


def hour_values(problem: Problem, prices: Prices) -> Floats:
    """(A,) w_a: what one hour on each arc is worth after paying for everything shared but the expert."""
    return problem.gain - charges(problem, prices)


def constant(problem: Problem) -> float:
    """What the objective loses if no promise and no earlier hour is kept."""
    return float(problem.promise * problem.pinned.sum() + problem.switching * problem.before.sum())


def bound(problem: Problem, prices: Prices) -> float:
    """No plan has a higher objective than this, whatever prices >= 0 are given."""
    limits = np.where(np.isinf(problem.queues.budget), 0.0, problem.queues.budget)
    shared = problem.queues.demand @ prices.demand + limits @ prices.budget
    pieces = columns(problem)
    worth = pieces.gain - charges(problem, prices)[pieces.arc]
    replies = best_reply(
        worth, pieces.most, problem.expert[pieces.arc], problem.queues.due[problem.queue[pieces.arc]], problem.hours
    )
    return float(shared + replies.sum()) - constant(problem)


def weigh(problem: Problem, hours: Floats) -> tuple[float, float]:
    """(value, objective) of hours (A,)."""
    value = float(problem.gain @ hours)
    broken = problem.promise * np.maximum(problem.pinned - hours, 0.0).sum()
    lost = problem.switching * np.maximum(problem.before - hours, 0.0).sum() if problem.switching else 0.0
    return value, float(value - broken - lost)
