r"""Who works where: the staffing problem as a linear programme, solved with a proven gap.

    maximise    Σ_produce (V_q ψ_a g_a - c_a) h_a - Σ_review c_a h_a - broken promises - lost hours
    subject to  D_q    Σ_e g_a h_a                                ≤ N_q         no more than is wanted        α_q
                R1_q   k1_q Σ s_a h_a - Σ v_a h_a (review)        ≤ 0           every unit finds its reviews  β1_q
                R2_q   k2_q Σ s_a h_a - Σ v_a h_a (second)        ≤ 0           and second-level reviews      β2_q
                B_g    Σ_{q paid by g} c_a h_a                    ≤ B_g         budgets                       μ_g
                H_et   Σ_{a of e, due ≤ t} h_a                    ≤ hours_et    everybody's hours             U_et
                O_q    nobody reviews their own work              (rows added where broken, see `pairing`)    π_a
                0 ≤ h_a ≤ most_a                                            limits on arcs, where there are any

All right-hand sides are ≥ 0, so h = 0 is feasible: there is no infeasible problem, only a plan that is short of
something, and `explain` says of what.

    >>> import numpy as np
    >>> from assignment.problem import Problem, Queues
    >>> problem = Problem(
    ...     queues=Queues.of(demand=[40.0], value=[50.0], review_share=1.0),
    ...     hours=np.array([[20.0], [20.0]]),  # two experts, one due date
    ...     expert=np.array([0, 1, 1]), queue=np.array([0, 0, 0]),
    ...     role=np.array([0, 0, 1]),  # expert 0 may produce, expert 1 may produce and review
    ...     rate=np.array([2.0, 3.0, 6.0]), accepted=np.array([1.5, 2.5, 0.0]),
    ...     cost=np.array([30.0, 30.0, 30.0]), quality=np.ones(3), pinned=np.zeros(3), before=np.zeros(3),
    ... )
    >>> plan = solve(problem)
    >>> [round(float(h), 3) for h in plan.hours], round(plan.value, 3), plan.status
    ([20.0, 0.0, 6.667], 700.0, 'optimal')

Expert 1 would produce more than expert 0, but nobody else could review it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import vstack

from assignment.arrays import Floats, total_by
from assignment.pairing import Cut, broken_pairings
from assignment.plan import Plan, Prices, Status, bound, columns, weigh
from assignment.problem import Problem
from assignment.repair import repair, within_limits
from assignment.rows import coupling, cut_rows, hour_rows

ROUNDS = 50  # of added rows, after which the pairing is repaired instead
LARGE = 20_000  # arcs from which prices are found first
GOAL = 1e-4  # gap at which a large plan is good enough
AGAIN = 5e-4  # and where an earlier plan's prices are given: most are still right, and proven so before any is moved
REACH = 0.02  # of all hours: where the ties at earlier prices leave more in the wrong places, prices are renewed
EXACT = 1e-7  # gap of a plan by simplex, up to rounding


@dataclass(frozen=True, eq=False)
class _Answer:
    """What the solver says about the programme: hours on the arcs and prices of the rows."""

    hours: Floats  # (A,)
    prices: Prices
    finished: bool


def solve(
    problem: Problem, *, time_limit: float | None = None, start: Prices | None = None, goal: float | None = None
) -> Plan:
    """The best plan, or for large problems one whose proven gap is at most `goal`.

    With `time_limit` (seconds) the best that was found in time, and its gap. `start`: prices of an earlier plan of a
    problem with the same queues, from which a large one is solved faster. The goal is GOAL unless told, and AGAIN from
    earlier prices.
    """
    goal = (GOAL if start is None else AGAIN) if goal is None else goal
    if start is not None:
        _refuse_other_queues(problem, start)
    if problem.arcs >= LARGE and not problem.capped:  # limits on arcs are for the programme as a whole
        return calm(problem, _large(problem, start, goal, time_limit), goal)
    answer = _small(problem, time_limit)
    if answer.finished:
        return calm(problem, _planned(problem, repair(problem, answer.hours), answer.prices, "optimal"), EXACT)
    return calm(problem, _large(problem, start, goal, 0.0), goal)


def calm(problem: Problem, plan: Plan, goal: float) -> Plan:
    """Yesterday's plan itself, to the bit, where moving has a price and it is proven as good as the goal asks."""
    objective = kept(problem)
    if plan.bound - objective > max(goal * abs(plan.bound), plan.bound - plan.objective):
        return plan
    hours = problem.before.copy()
    broken = np.maximum(problem.pinned - hours, 0.0)
    return replace(plan, hours=hours, value=weigh(problem, hours)[0], objective=objective, broken=broken)


def kept(problem: Problem) -> float:
    """What yesterday's plan would bring today; -inf where moving has no price, or the plan breaks a rule."""
    before = problem.before
    if not problem.switching or not before.any():
        return -np.inf
    if not np.allclose(within_limits(problem, before), before, rtol=1e-9, atol=1e-9):
        return -np.inf
    return -np.inf if broken_pairings(problem, before) else weigh(problem, before)[1]


def _refuse_other_queues(problem: Problem, start: Prices) -> None:
    sizes = (len(problem.queues), len(problem.queues.budget))
    if (len(start.demand), len(start.budget)) != sizes:
        raise ValueError(
            f"start: prices of {len(start.demand)} queues and {len(start.budget)} budgets, but the problem has "
            f"{sizes[0]} and {sizes[1]}. Maybe leave the start out: the queues have changed."
        )


def _small(problem: Problem, time_limit: float | None) -> _Answer:
    """The whole programme by simplex, with pairing rows added until none is broken."""
    cuts: list[Cut] = []
    answer = _programme(problem, cuts, time_limit)
    for _ in range(ROUNDS):
        broken = broken_pairings(problem, answer.hours) if answer.finished else []
        if not broken:
            break
        cuts += broken
        answer = _programme(problem, cuts, time_limit)
    return answer


def _large(problem: Problem, start: Prices | None, goal: float, time_limit: float | None) -> Plan:
    """Prices first, then a vertex near them; what is there when time is up is made to obey the rules."""
    from assignment.polish import polish  # noqa: PLC0415  (small problems start without the compiler)
    from assignment.prices import as_prices, earlier, find_prices, smooth_dual, soft_hours  # noqa: PLC0415

    end = np.inf if time_limit is None else monotonic() + time_limit

    def late() -> bool:
        return monotonic() > end

    dual = smooth_dual(problem)
    priced = find_prices(problem, dual, late=late) if start is None else earlier(dual, start.shared)
    if late():
        hours = repair(problem, soft_hours(problem, dual, priced))
        return _planned(problem, hours, as_prices(problem, priced.price), "time limit")
    rough = np.inf if start is None else REACH
    found = polish(problem, dual, priced, goal=goal, kept=kept(problem), reach=rough, late=late)
    if found.far:
        priced = find_prices(problem, dual, start=found.price, late=late)
        found = polish(problem, dual, priced, goal=goal, kept=kept(problem), late=late)
    hours = found.hours if found.sound else repair(problem, found.hours)
    plan = _planned(problem, hours, as_prices(problem, found.price, found.pairing), "optimal")
    if plan.gap <= goal:
        return plan
    if start is not None and not late():  # the prices were too far away
        return _large(problem, None, goal, end - monotonic() if time_limit else None)
    return replace(plan, status="time limit" if late() else "near optimal")


def _planned(problem: Problem, hours: Floats, prices: Prices, status: Status) -> Plan:
    """The plan of hours (A,) that obey every rule, with its proof."""
    value, objective = weigh(problem, hours)
    return Plan(
        hours=hours,
        value=value,
        objective=objective,
        bound=bound(problem, prices),
        prices=prices,
        broken=np.maximum(problem.pinned - hours, 0.0),
        status=status,
    )


def _programme(problem: Problem, cuts: list[Cut], time_limit: float | None) -> _Answer:
    if not problem.arcs:
        return _Answer(np.zeros(0), _no_prices(problem), finished=True)
    pieces = columns(problem)
    shared, limits = coupling(problem)
    hourly, at_most = hour_rows(problem, pieces)
    rows = vstack([shared[:, pieces.arc], cut_rows(problem, cuts)[:, pieces.arc], hourly], format="csr")
    edges = np.cumsum([len(limits), len(cuts)])
    right = np.concatenate([limits, np.zeros(len(cuts)), at_most])
    real = np.isfinite(right)
    found = linprog(
        -pieces.gain,
        A_ub=rows[real],
        b_ub=right[real],
        bounds=np.column_stack([np.zeros(len(pieces.most)), pieces.most]),
        method="highs-ds",
        options={} if time_limit is None else {"time_limit": time_limit},
    )
    if found.x is None:
        return _Answer(np.zeros(problem.arcs), _no_prices(problem), finished=False)
    dual = np.zeros(len(right))
    dual[real] = np.maximum(-found.ineqlin.marginals, 0.0)
    by_row, by_cut, by_hour = np.split(dual, edges)
    hours = total_by(pieces.arc, found.x, problem.arcs)
    return _Answer(hours, _prices(problem, by_row, by_cut @ cut_rows(problem, cuts), by_hour), found.status == 0)


def _prices(problem: Problem, by_row: Floats, pairing: Floats, by_hour: Floats) -> Prices:
    size = len(problem.queues)
    demand, review, second, budget = np.split(by_row, [size, 2 * size, 3 * size])
    return Prices(demand, review, second, budget, by_hour.reshape(problem.hours.shape), pairing)


def _no_prices(problem: Problem) -> Prices:
    size = len(problem.queues)
    return _prices(
        problem, np.zeros(3 * size + len(problem.queues.budget)), np.zeros(problem.arcs), np.zeros(problem.hours.size)
    )
