r"""A floor under every queue: first as much as possible for the worst served, then as much value as possible.

    t* = max { t : accepted_q ≥ t N_q for every queue that can be served at all }

and the plan is the most valuable one with accepted_q ≥ share · t* · N_q. Below the floor F_q a unit is worth `price`
more; a floor that cannot be kept is missed at that price, so that nothing is ever infeasible.

The floor needs no new mathematics: queue q is cut into a first part with demand F_q and value V_q + price and a rest
with demand N_q - F_q and value V_q. The two parts have the same people, rates, budget and due date. Every plan of the
whole splits in proportion into plans of the parts that are as well reviewed and paired, and back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.pairing import Cut, broken_pairings
from assignment.plan import Columns, Plan, Prices, weigh
from assignment.problem import PROMISE, Problem
from assignment.projection import PRODUCE
from assignment.rows import coupling, cut_rows, hour_rows, servable
from assignment.solve import GOAL, LARGE, ROUNDS, solve

HALVINGS = 8  # of the interval in which a large problem's floor is sought


@dataclass(frozen=True, eq=False)
class _Parts:
    """The problem with its queues cut in two: part q is the first units, part Q + q the rest."""

    problem: Problem
    whole: Rows  # (2 A,) the arc that each arc is part of
    first: Bools  # (2 A,)
    price: float


def best_floor(problem: Problem) -> float:
    """t*: the largest share of its demand that every servable queue can get at once."""
    served = servable(problem)
    if not served.any():
        return 0.0
    return _by_programme(problem, served) if problem.arcs < LARGE else _by_halving(problem, served)


def solve_with_floor(problem: Problem, *, share: float = 0.95, floor: float | None = None, goal: float = GOAL) -> Plan:
    """The most valuable plan that gives every servable queue `share` of the best floor (or of the given one).

    `objective` and `bound` count what a missed floor costs; `value` does not. With promises or kept hours they speak
    of the queues cut in two, where these are held in proportion.
    """
    level = best_floor(problem) if floor is None else floor
    units = np.where(servable(problem), share * level * problem.queues.demand, 0.0)
    parts = _cut(problem, units)
    return _joined(problem, parts, units, solve(parts.problem, goal=goal))


def _by_programme(problem: Problem, served: Bools) -> float:
    """Max t, with the rows t N_q - accepted_q <= 0 beside the usual ones, pairing included."""
    shared, limits = coupling(problem)
    hourly, hours = hour_rows(problem, Columns(np.arange(problem.arcs), np.empty(0), np.empty(0)))
    wanted = csr_array(np.where(served, problem.queues.demand, 0.0)[:, None])
    floors = hstack([-shared[: len(served)], wanted])[served]
    cuts: list[Cut] = []
    for _ in range(ROUNDS):
        rows = vstack([shared, hourly, cut_rows(problem, cuts)])
        rows = vstack([hstack([rows, csr_array((rows.shape[0], 1))]), floors], format="csr")
        right = np.concatenate([limits, hours, np.zeros(len(cuts) + floors.shape[0])])
        finite = np.isfinite(right)
        aim = np.append(np.zeros(problem.arcs), -1.0)
        found = linprog(aim, A_ub=rows[finite], b_ub=right[finite], method="highs-ds")
        broken = broken_pairings(problem, found.x[:-1])
        if not broken:
            break
        cuts += broken
    return min(1.0, float(found.x[-1]))


def _by_halving(problem: Problem, served: Bools) -> float:
    """The same by trial: which floors are kept when missing them is dear."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        level = (low + high) / 2
        units = np.where(served, level * problem.queues.demand, 0.0)
        plan = _joined(problem, parts := _cut(problem, units), units, solve(parts.problem))
        made = total_by(problem.queue, problem.accepted * plan.hours, len(served))
        low, high = (level, high) if (made >= units * (1 - 1e-3)).all() else (low, level)
    return low


def _cut(problem: Problem, units: Floats) -> _Parts:
    """Every queue in two parts; promises and kept hours are laid on both in proportion to their demand."""
    queues, size = problem.queues, len(problem.queues)
    dearest = float((problem.gain / np.maximum(problem.accepted, 1e-9)).max(where=problem.role == PRODUCE, initial=0.0))
    price = PROMISE * max(dearest, float(queues.value.max(initial=1.0)))
    whole = np.repeat(np.arange(problem.arcs), 2)
    first = np.tile([True, False], problem.arcs)
    queue = np.where(first, problem.queue[whole], problem.queue[whole] + size)
    order = np.lexsort((problem.role[whole], queue, problem.expert[whole]))
    whole, first, queue = whole[order], first[order], queue[order]
    twice = {name: np.tile(getattr(queues, name), 2) for name in ("review_share", "second_share", "due", "purse")}
    parts = replace(
        queues,
        demand=np.concatenate([units, np.maximum(queues.demand - units, 0.0)]),
        value=np.concatenate([queues.value + price, queues.value]),
        **twice,
    )
    arcs = {name: getattr(problem, name)[whole] for name in ("expert", "role", "rate", "accepted", "cost")}
    worth = np.maximum(queues.value, 1e-300)[problem.queue[whole]]
    quality = problem.quality[whole]
    arcs["quality"] = np.where(
        first, (worth * quality + price) / (worth + price), quality
    )  # the price knows no quality
    share = (units / np.maximum(queues.demand, 1e-300))[problem.queue[whole]]
    for name in ("pinned", "before"):
        arcs[name] = getattr(problem, name)[whole] * np.where(first, share, 1.0 - share)
    cut = replace(problem, queues=parts, queue=queue, promise=problem.promise + price, **arcs)
    return _Parts(cut, whole, first, price)


def _joined(problem: Problem, parts: _Parts, units: Floats, plan: Plan) -> Plan:
    """The plan of the whole; a floor that pays appears among the charges of its arcs, as what it adds."""
    size = len(problem.queues)
    hours = total_by(parts.whole, plan.hours, problem.arcs)
    prices = plan.prices
    rest = slice(size, 2 * size)
    paid = np.maximum(parts.price + prices.demand[rest] - prices.demand[:size], 0.0)  # an accepted unit, by the floor
    review = np.maximum(prices.review[:size], prices.review[rest])
    second = np.maximum(prices.second[:size], prices.second[rest])
    made = np.where(problem.role == PRODUCE, problem.accepted * paid[problem.queue], 0.0)
    offset = parts.price * float(units.sum())
    return replace(
        plan,
        hours=hours,
        value=weigh(problem, hours)[0],
        objective=plan.objective - offset,
        bound=plan.bound - offset,
        prices=Prices(prices.demand[rest], review, second, prices.budget, prices.hour, -made),
        broken=np.maximum(problem.pinned - hours, 0.0),
    )
