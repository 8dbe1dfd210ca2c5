import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignment import floor
from assignment.checker import violations
from assignment.floor import best_floor, solve_with_floor
from assignment.rows import servable
from assignment.simulation import simulate_problem
from assignment.solve import solve
from tests.assignment.worlds import small_problem


def coverage(problem, plan):
    made = np.bincount(problem.queue, problem.accepted * plan.hours, minlength=len(problem.queues))
    served = servable(problem)
    return (made / np.maximum(problem.queues.demand, 1e-12))[served]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_worst_queue_gets_its_share_of_the_best_floor_and_value_pays_no_more_than_it_must(seed):
    problem = small_problem(np.random.default_rng(seed), 10, 4, keep=0.7)
    plan, free, best = solve_with_floor(problem, share=0.95), solve(problem), best_floor(problem)

    assert list(violations(problem, plan.hours)) == []
    assert plan.value <= free.value + 1e-6 * max(1.0, abs(free.value))
    assert plan.objective == pytest.approx(plan.value, rel=1e-6, abs=1e-4)  # no floor is missed
    assert plan.gap < 1e-6
    if servable(problem).any():
        assert coverage(problem, plan).min() >= 0.95 * best - 1e-6
        assert coverage(problem, free).min() <= best + 1e-6 or best == 1.0


def test_a_floor_that_cannot_be_kept_is_missed_at_its_price_and_nothing_fails():
    problem = small_problem(np.random.default_rng(1), 4, 3)
    plan = solve_with_floor(problem, share=1.0, floor=1.0)

    assert list(violations(problem, plan.hours)) == []
    assert plan.objective < plan.value
    assert plan.gap < 1e-6


def test_the_floor_of_a_large_problem_is_found_by_halving(monkeypatch):
    problem = simulate_problem(np.random.default_rng(3), 300, 8, load=2.0)
    exact = best_floor(problem)
    monkeypatch.setattr(floor, "LARGE", 0)

    assert best_floor(problem) == pytest.approx(exact, abs=2.0**-7)
