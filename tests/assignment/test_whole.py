from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignment.whole import assign_whole


def cheapest(cost, load, capacity):
    """The least cost over all plans, counted through."""
    m, n = cost.shape
    best = np.inf
    for agent in product(range(m), repeat=n):
        at = (np.array(agent), np.arange(n))
        if (np.bincount(at[0], load[at], minlength=m) <= capacity).all():
            best = min(best, cost[at].sum())
    return best


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 3), st.integers(1, 6), st.floats(0.5, 1.2))
def test_the_plan_is_the_cheapest_of_all_and_nobody_is_overloaded(seed, agents, jobs, room):
    rng = np.random.default_rng(seed)
    cost = rng.integers(5, 30, (agents, jobs)).astype(float)
    cost[rng.random(cost.shape) < 0.15] = np.inf
    load = rng.integers(3, 20, (agents, jobs)).astype(float)
    capacity = np.floor(room * load.mean() * jobs / agents) * np.ones(agents)
    plan, best = assign_whole(cost, load, capacity), cheapest(cost, load, capacity)

    assert plan.finished
    assert plan.cost == best
    if np.isfinite(best):
        assert (np.bincount(plan.agent, load[plan.agent, np.arange(jobs)], minlength=agents) <= capacity).all()
        assert plan.cost == cost[plan.agent, np.arange(jobs)].sum()
        assert plan.gap <= 1e-9
    else:
        assert (plan.agent == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_large_tight_instance_is_planned_near_its_bound(seed):
    """Type C of Chu and Beasley: loads 5..25, costs 10..50, capacities 0.8 of the mean load."""
    rng = np.random.default_rng(seed)
    load = rng.integers(5, 26, (10, 100)).astype(float)
    cost = rng.integers(10, 51, (10, 100)).astype(float)
    capacity = np.floor(0.8 * load.sum(axis=1) / 10)
    plan = assign_whole(cost, load, capacity, time_limit=4.0)

    assert (np.bincount(plan.agent, load[plan.agent, np.arange(100)], minlength=10) <= capacity).all()
    assert plan.gap <= 0.01


def test_bad_tables_are_named():
    good = np.ones((2, 3))
    with pytest.raises(ValueError, match="transposed"):
        assign_whole(good, good.T, np.ones(2))
    with pytest.raises(ValueError, match="a sign turned"):
        assign_whole(good, -good, np.ones(2))
    with pytest.raises(ValueError, match=r"cost\[0, 0\]"):
        assign_whole(np.full((2, 3), np.nan), good, np.ones(2))
