from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import vstack

from assignment.checker import violations
from assignment.pairing import broken_pairings
from assignment.plan import Columns
from assignment.rows import coupling, cut_rows, hour_rows
from assignment.simulation import simulate_problem
from assignment.solve import solve
from assignment.stints import solve_stints
from tests.assignment.worlds import small_problem


def queues_each(problem, hours):
    used = np.flatnonzero(hours > 0)
    seats = np.unique(problem.expert[used] * len(problem.queues) + problem.queue[used])
    return np.bincount(seats // len(problem.queues), minlength=problem.experts)


def best_of_all_supports(problem, block, most):
    """The best value over every choice of arcs, each a linear programme with h >= block on what is chosen."""
    shared, limits = coupling(problem)
    hourly, at_most = hour_rows(problem, Columns(np.arange(problem.arcs), np.empty(0), np.empty(0)))
    best = 0.0
    for chosen in product([0.0, 1.0], repeat=problem.arcs):
        use = np.array(chosen)
        if queues_each(problem, use).max(initial=0) > most:
            continue
        cuts = []
        while True:
            rows = vstack([shared, cut_rows(problem, cuts), hourly], format="csr")
            right = np.concatenate([limits, np.zeros(len(cuts)), at_most])
            real = np.isfinite(right)
            bounds = np.column_stack([block * use, np.where(use > 0, np.inf, 0.0)])
            found = linprog(-problem.gain, A_ub=rows[real], b_ub=right[real], bounds=bounds)
            broken = broken_pairings(problem, found.x) if found.status == 0 else []
            if not broken:
                break
            cuts += broken
        if found.status == 0:
            best = max(best, -found.fun)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_stints_are_worth_what_the_best_choice_of_arcs_is_worth_or_say_by_how_much_they_may_not_be(seed):
    problem = small_problem(np.random.default_rng(seed), 3, 2, keep=0.4)
    plan, best = solve_stints(problem, block=1.5, most_queues=1), best_of_all_supports(problem, 1.5, 1)

    assert list(violations(problem, plan.hours)) == []
    assert ((plan.hours == 0) | (plan.hours >= 1.5 - 1e-5)).all()
    assert queues_each(problem, plan.hours).max() <= 1
    assert plan.value <= best + 1e-5 * max(1.0, best)
    assert plan.bound >= best - 1e-5 * max(1.0, best)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 4.0), st.integers(1, 3))
def test_no_stint_is_short_and_nobody_has_too_many_queues(seed, block, most):
    problem = small_problem(np.random.default_rng(seed), 8, 4, 2, keep=0.5)
    plan = solve_stints(problem, block=[block, block, block / 2], most_queues=most, time_limit=5)
    least = np.array([block, block, block / 2])[problem.role]

    assert list(violations(problem, plan.hours)) == []
    assert ((plan.hours == 0) | (plan.hours >= least - 1e-5)).all()
    assert queues_each(problem, plan.hours).max() <= most
    assert plan.objective <= plan.bound + 1e-6 * max(1.0, abs(plan.bound))


def test_whole_stints_cost_a_large_pool_next_to_nothing():
    problem = simulate_problem(np.random.default_rng(1), 800, 12, load=2.0)
    free, plan = solve(problem), solve_stints(problem, block=[8.0, 8.0, 2.0], most_queues=2, time_limit=10)

    assert list(violations(problem, plan.hours)) == []
    assert queues_each(problem, plan.hours).max() <= 2
    assert plan.gap <= 0.01
    assert plan.value <= free.value * (1 + 1e-6)


def test_impossible_wishes_are_refused():
    problem = small_problem(np.random.default_rng(0))
    with pytest.raises(ValueError, match="block"):
        solve_stints(problem, block=-1.0)
    with pytest.raises(ValueError, match="most_queues"):
        solve_stints(problem, most_queues=0)
