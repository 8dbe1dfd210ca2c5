r"""What a change would bring, at most: more or fewer hours, units, money, all at once if one likes.

V(b), the worth of the best plan under limits b, is concave. A price is its slope at b, and

    V(b + d) - V(b)  ≤  λ·d      for every price λ at b          what a step along the prices promises
    V(b + d)         ≤  bound(λ; b + d)  for *any* λ ≥ 0         a proof, whoever found λ

The first is sharp for small d only: 5 % more demand on a queue soon meets the next thing that is short, and the price
at b does not know it. The price at b + d does: there the bound is the worth itself. So the change is laid out, solved
again from today's prices (`solve` starts there), and the least bound of the prices at both ends is what is shown: it is
proven, it never promises too little, and it lies above what comes by no more than the gap of the second plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assignment.plan import Plan, bound
from assignment.problem import Problem
from assignment.solve import solve

SHARE = 0.05  # of everything, by which people ask "and with a little more?"
SURE = 1e-6  # gap of the plan at the other end: small beside what a twentieth brings


@dataclass(frozen=True)
class Foreseen:
    """Bounds on what a change adds to the objective of a plan; both hold, `gain` is the lower."""

    gain: float  # at most, by the prices at both ends
    by_price: float  # at most, by the prices of the plan alone


def foresee(plan: Plan, changed: Problem, *, goal: float = SURE) -> Foreseen:
    """What the changed problem brings beyond the plan; its queues and arcs are those of the plan's problem."""
    if len(plan.hours) != changed.arcs:
        raise ValueError(
            f"foresee: the plan has {len(plan.hours)} arcs and the changed problem {changed.arcs}. "
            "Maybe solve it anew: whoever comes or goes brings or takes arcs."
        )
    here = bound(changed, plan.prices)
    there = solve(changed, start=plan.prices, goal=goal)
    return Foreseen(min(here, there.bound) - plan.objective, here - plan.objective)


def with_more(problem: Problem, share: float = SHARE) -> dict[str, Problem]:
    """The problem with this share more of people's hours, of wanted units, of money; less where it is negative."""
    queues, factor = problem.queues, 1.0 + share
    return {
        "hours": replace(problem, hours=problem.hours * factor),
        "units": replace(problem, queues=replace(queues, demand=queues.demand * factor)),
        "money": replace(problem, queues=replace(queues, budget=queues.budget * factor)),
    }
