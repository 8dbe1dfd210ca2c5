from dataclasses import replace

import numpy as np
import pytest

from assignment.checker import violations
from assignment.partition import Here, cut, key_of, solve_parts
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


@pytest.fixture(scope="module")
def wished():
    """The pool a day later, with an earlier plan that is dear to leave, and some promised hours."""
    yesterday = solve(POOL)
    rng = np.random.default_rng(7)
    hours = np.maximum(POOL.hours * np.where(rng.random((POOL.experts, 1)) < 0.05, 0.6, 1.0), 1.0)
    pinned, some = np.zeros(POOL.arcs), POOL.starts[:-1][np.diff(POOL.starts) > 0][::50]
    pinned[some] = 0.2 * hours[POOL.expert[some], 0]
    return replace(POOL, hours=hours, before=yesterday.hours, switching=3.0, pinned=pinned)


def test_pins_and_an_earlier_plan_are_kept_the_same_wherever_the_pool_is_cut(wished):
    found = [solve_parts(wished.queues, Here(cut(wished, parts))) for parts in (1, 2, 3, 5, 8)]
    single = solve(wished)
    first = found[0]

    for other in found[1:]:
        assert np.abs(other.price - first.price).max() <= 1e-9 * np.abs(first.price).max()
        assert other.plan.objective == pytest.approx(first.plan.objective, rel=1e-6)
    assert max(one.rounds for one in found) <= 80
    assert first.plan.gap <= 1e-4
    assert first.plan.objective == pytest.approx(single.objective, rel=2e-4)
    assert first.plan.bound >= single.objective - 1e-9 * abs(single.objective)
    assert first.plan.broken.sum() <= single.broken.sum() + 1e-6
    assert list(violations(first.problem, first.plan.hours)) == []


def test_a_promise_costs_every_part_what_the_dearest_hour_of_all_makes_it(wished):
    """Parts that were built alone know their own dearest hour only."""
    alone = [replace(part, problem=replace(part.problem, promise=np.nan)) for part in cut(wished, 4)]
    assert len({part.problem.promise for part in alone}) > 1

    found = solve_parts(wished.queues, Here(alone))
    assert found.problem.promise == max(part.problem.promise for part in alone)
    assert found.plan.gap <= 1e-4


def test_a_pool_in_parts_that_nothing_changed_keeps_its_plan_to_the_bit(whole):
    hours = whole.plan.hours
    key, every = key_of(whole.problem), key_of(POOL)
    before = np.zeros(POOL.arcs)
    before[np.searchsorted(every, key)] = hours
    again = solve_parts(POOL.queues, Here(cut(replace(POOL, before=before, switching=3.0), 3)))

    kept = np.zeros(POOL.arcs)
    kept[np.searchsorted(every, key_of(again.problem))] = again.plan.hours
    assert (kept == before).all()


def test_parts_that_price_switching_differently_are_refused():
    first, second = cut(POOL, 2)
    dearer = replace(second, problem=replace(second.problem, switching=1.0))

    with pytest.raises(ValueError, match="must be the same in all"):
        solve_parts(POOL.queues, Here([first, dearer]))
