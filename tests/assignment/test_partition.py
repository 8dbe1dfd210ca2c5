import numpy as np
import pytest

from assignment.checker import violations
from assignment.partition import Here, cut, solve_parts
from assignment.simulation import simulate_problem
from assignment.solve import solve

POOL = simulate_problem(np.random.default_rng(4), 4000, 40, load=3.0)


@pytest.fixture(scope="module")
def whole():
    return solve_parts(POOL.queues, Here(cut(POOL, 1)))


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_where_the_pool_is_cut_does_not_change_prices_or_plan(whole, parts):
    found = solve_parts(POOL.queues, Here(cut(POOL, parts)))
    scale = np.abs(whole.price).max()

    assert np.abs(found.price - whole.price).max() <= 1e-9 * scale
    assert found.plan.objective == pytest.approx(whole.plan.objective, rel=1e-6)


def test_the_plan_of_parts_is_as_good_as_that_of_the_whole_and_its_bound_holds(whole):
    single = solve(POOL)

    assert whole.rounds <= 80
    assert whole.plan.gap <= 1e-4
    assert whole.plan.objective == pytest.approx(single.objective, rel=2e-4)
    assert whole.plan.bound >= single.objective * (1 - 1e-9)
    assert list(violations(whole.problem, whole.plan.hours)) == []
    assert whole.problem.arcs < 0.5 * POOL.arcs


def test_a_cut_pool_holds_everybody_once():
    parts = cut(POOL, 5)

    assert sum(part.problem.arcs for part in parts) == POOL.arcs
    assert np.concatenate([part.problem.hours for part in parts]).tolist() == POOL.hours.tolist()
    assert (np.concatenate([part.problem.expert + part.first for part in parts]) == POOL.expert).all()
