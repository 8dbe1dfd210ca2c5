r"""What a change would bring, at most: more or fewer hours, units, money, all at once if one likes.

V(b), the worth of the best plan under limits b, is concave. A price is its slope at b, and

    V(b + d) - V(b)  ≤  λ·d      for every price λ at b          what a step along the prices promises
    V(b + d)         ≤  bound(λ; b + d)  for *any* λ ≥ 0         a proof, whoever found λ

The first is sharp for small d only: 5 % more demand on a queue soon meets the next thing that is short, and the price
at b does not know it. The price at b + d does: there the bound is the worth itself. So the change is laid out, solved
again from today's prices (`solve` starts there), and the least bound of the prices at both ends is what is shown: it is
proven, it never promises too little, and it lies above what comes by no more than the gap of the second plan.

Whoever comes brings arcs of their own, which have no price yet: there the plan solved again is the only proof, and the
price is what an unbound copy of somebody would earn at today's prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from assignment.arrays import Floats, Rows
from assignment.best_reply import best_reply
from assignment.plan import Plan, bound, hour_values
from assignment.problem import Problem
from assignment.solve import solve

SHARE = 0.05  # of everything, by which people ask "and with a little more?"
SURE = 1e-6  # gap of the plan at the other end: small beside what a twentieth brings


@dataclass(frozen=True, eq=False)
class Foreseen:
    """Bounds on what a change adds to the objective of a plan; both hold, `gain` is the lower."""

    gain: float  # at most, by the prices at both ends
    by_price: float  # at most, by the prices of the plan alone
    there: Plan  # of the changed problem


def foresee(plan: Plan, changed: Problem, *, goal: float = SURE) -> Foreseen:
    """What the changed problem brings beyond the plan; its queues and arcs are those of the plan's problem."""
    if len(plan.hours) != changed.arcs:
        raise ValueError(
            f"foresee: the plan has {len(plan.hours)} arcs and the changed problem {changed.arcs}. "
            "Maybe solve it anew: whoever comes or goes brings or takes arcs."
        )
    here = bound(changed, plan.prices)
    there = solve(changed, start=plan.prices, goal=goal)
    return Foreseen(min(here, there.bound) - plan.objective, here - plan.objective, there)


def foresee_newcomers(plan: Plan, problem: Problem, like: Rows, *, goal: float = SURE) -> Foreseen:
    """What one more person like each of these experts brings beyond the plan of this problem."""
    there = solve(joined(problem, like), start=plan.prices, goal=goal)
    promised = float(worth_of_copies(problem, plan)[like].sum())
    return Foreseen(there.bound - plan.objective, promised, there)


def worth_of_copies(problem: Problem, plan: Plan) -> Floats:
    """(E,) what somebody with each expert's skills, hours and pay, and no promises, would earn at the plan's prices.

    "Nobody reviews their own work" binds the copy to nobody who is there, so that its price is left out.
    """
    worth = hour_values(problem, replace(plan.prices, pairing=np.zeros(problem.arcs)))
    return best_reply(worth, problem.cap, problem.expert, problem.queues.due[problem.queue], problem.hours)


def joined(problem: Problem, like: Rows) -> Problem:
    """The problem with one more person like each of these: their arcs and hours, nothing promised, no plan before."""
    starts = problem.starts
    own = [np.arange(starts[e], starts[e + 1]) for e in like]
    arcs = np.concatenate([np.arange(problem.arcs), *own])
    who = np.repeat(problem.experts + np.arange(len(like)), [len(rows) for rows in own])
    nothing = np.zeros(len(who))
    return replace(
        problem, hours=np.concatenate([problem.hours, problem.hours[like]]),
        expert=np.concatenate([problem.expert, who]), queue=problem.queue[arcs], role=problem.role[arcs],
        rate=problem.rate[arcs], accepted=problem.accepted[arcs], cost=problem.cost[arcs],
        quality=problem.quality[arcs], pinned=np.concatenate([problem.pinned, nothing]),
        before=np.concatenate([problem.before, nothing]), most=problem.most[arcs] if problem.capped else problem.most,
    )  # fmt: skip


def with_more(problem: Problem, share: float = SHARE) -> dict[str, Problem]:
    """The problem with this share more of people's hours, of wanted units, of money; less where it is negative."""
    queues, factor = problem.queues, 1.0 + share
    return {
        "hours": replace(problem, hours=problem.hours * factor),
        "units": replace(problem, queues=replace(queues, demand=queues.demand * factor)),
        "money": replace(problem, queues=replace(queues, budget=queues.budget * factor)),
    }
