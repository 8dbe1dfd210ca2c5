from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignment.blocks import blocks
from assignment.checker import violations
from assignment.nearest import FOLD, STEP, Stand, asked, nearest
from assignment.pairing import _pair, _plainly_whole
from assignment.plan import bound
from assignment.polish import polish
from assignment.prices import FINE, SHARP, _sample, as_prices, earlier, find_prices, smooth_dual
from assignment.repair import within_limits
from assignment.reply_map import best_choices, curvature, fees
from assignment.simulation import change_some, simulate_problem
from assignment.solve import AGAIN, LARGE, _large, solve
from tests.assignment.worlds import small_problem

SEEDS = st.integers(0, 10**6)


def large(problem, start=None, goal=1e-9):
    """The way of large problems, however small the problem."""
    return _large(problem, start, goal, None)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 3), st.booleans(), st.booleans())
def test_prices_and_polish_find_what_simplex_finds(seed, dates, pins, several):
    problem = small_problem(
        np.random.default_rng(seed), 12, 4, dates, keep=0.4, pins=pins and dates == 1, several=several
    )
    plan, exact = large(problem), solve(problem)
    slack = 1e-6 * max(1.0, abs(exact.objective))

    assert list(violations(problem, plan.hours)) == []
    assert plan.bound >= exact.objective - slack
    assert plan.objective <= exact.objective + slack
    assert plan.objective >= exact.objective - max(plan.gap * abs(plan.bound), slack) - slack


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("load", [0.4, 1.0, 2.5])
def test_a_pool_is_planned_to_a_proven_ten_thousandth(seed, load):
    problem = simulate_problem(np.random.default_rng(seed), 400, 12, load=load)
    plan, exact = large(problem, goal=1e-4), solve(problem)

    assert plan.gap <= 1e-4
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(exact.objective, rel=1.1e-4)
    assert list(violations(problem, plan.hours)) == []


def test_usage_and_hessian_are_the_derivatives_of_the_smoothed_bound():
    problem = small_problem(np.random.default_rng(3), 8, 3, 2, pins=True)
    dual = smooth_dual(problem)
    at = dual.frame
    rng = np.random.default_rng(4)
    price = at.start * rng.uniform(0.5, 1.5, len(at.start))
    epsilon = 0.3 * at.hour
    per, who = 1.0 / at.scale, dual.blocks
    usage = dual.sums(price, epsilon)[1]
    upper = curvature(dual.ground, who, np.arange(len(who.hours)), fees(dual.ground, price * per), per, epsilon, 0.0)
    hessian = np.triu(upper) + np.triu(upper, 1).T
    for row in at.on:
        step = np.zeros(len(price))
        step[row] = 1e-5 * at.worth[row]
        ahead, behind = dual.sums(price + step, epsilon), dual.sums(price - step, epsilon)
        assert (ahead[0] - behind[0]) / (2 * step[row]) == pytest.approx(-usage[row], rel=1e-5, abs=1e-7)
        assert (ahead[1] - behind[1]) / (2 * step[row]) == pytest.approx(-hessian[row], rel=1e-3, abs=1e-9)
    assert FINE < 1e-3


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 3))
def test_soft_prices_prove_a_bound_that_the_best_plan_keeps(seed, dates):
    problem = small_problem(np.random.default_rng(seed), 8, 4, dates)
    proven = bound(problem, as_prices(problem, find_prices(problem, smooth_dual(problem)).price))

    assert proven >= solve(problem).objective - 1e-6 * max(1.0, abs(proven))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_bonus_blocks_hold_all_hours_and_no_more(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 6, 4, int(rng.integers(1, 4)), pins=True)
    problem = replace(problem, before=rng.uniform(0, 3, problem.arcs), switching=1.0)
    found = blocks(problem)
    total = np.bincount(found.expert, found.hours, minlength=problem.experts)
    has_arcs = np.diff(problem.starts) > 0

    assert (found.hours >= 0).all()
    assert total == pytest.approx(np.where(has_arcs, problem.hours[:, -1], 0.0))
    assert (np.diff(found.expert) >= 0).all()


def test_a_sample_speaks_for_the_whole_pool():
    problem = simulate_problem(np.random.default_rng(2), 3000, 20)
    everybody = blocks(problem)
    some = _sample(problem, everybody)

    assert len(some.expert) < 0.5 * len(everybody.expert)
    assert some.hours.sum() == pytest.approx(everybody.hours.sum(), rel=0.05)


def test_large_problems_take_the_way_of_prices_and_give_the_same_plan_to_the_bit():
    first, again = (solve(simulate_problem(np.random.default_rng(1), 4000, 60, load=1.5)) for _ in range(2))

    assert first.gap <= 1e-4
    assert (first.hours == again.hours).all()
    assert first.bound == again.bound


def test_yesterdays_prices_lead_to_a_plan_as_good():
    problem = simulate_problem(np.random.default_rng(5), 800, 20, load=1.5)
    plan = large(problem, goal=1e-4)
    changed = change_some(np.random.default_rng(6), problem)

    assert large(changed, plan.prices, 1e-4).objective == pytest.approx(solve(changed).objective, rel=1.1e-4)


def test_a_price_on_switching_keeps_untouched_people_where_they_are():
    problem = simulate_problem(np.random.default_rng(7), 800, 20, load=1.5)
    plan = large(problem, goal=1e-6)
    changed = change_some(np.random.default_rng(8), problem)
    same = (changed.hours == problem.hours).all(axis=1)[problem.expert]
    free = large(changed, goal=1e-6)
    calm = large(replace(changed, before=plan.hours, switching=3.0), goal=1e-6)
    moved = [np.maximum(plan.hours - new.hours, 0.0)[same].sum() / plan.hours.sum() for new in (free, calm)]

    assert moved[1] < 0.8 * moved[0]
    assert calm.value >= 0.995 * free.value


def test_when_time_is_up_there_is_a_plan_with_its_gap():
    problem = simulate_problem(np.random.default_rng(9), 400, 12)
    plan = _large(problem, None, 1e-4, 0.0)

    assert plan.status == "time limit"
    assert list(violations(problem, plan.hours)) == []
    assert plan.bound >= plan.objective
    assert np.isfinite(plan.gap)


@pytest.mark.parametrize("seed", [10, 11, 12])
@pytest.mark.parametrize("way", [solve, lambda problem: large(problem, goal=1e-4)])
def test_unchanged_input_keeps_yesterdays_plan_to_the_bit(seed, way):
    problem = simulate_problem(np.random.default_rng(seed), 400, 20, load=1.5)
    plan = way(problem)
    again = way(replace(problem, before=plan.hours, switching=2.0))

    assert (again.hours == plan.hours).all()
    assert again.value == plan.value
    assert again.gap <= 1e-4


def test_a_warm_plan_needs_no_newton_step_and_falls_back_when_the_prices_are_far_away():
    problem = simulate_problem(np.random.default_rng(5), 800, 20, load=1.5)
    plan = large(problem, goal=1e-4)
    far = replace(plan.prices, demand=50.0 * plan.prices.demand, review=0.0 * plan.prices.review)

    assert earlier(smooth_dual(problem), plan.prices.shared).steps == 0
    assert large(problem, far, 1e-4).gap <= 1e-4


def test_prices_of_other_queues_are_refused():
    plan = solve(small_problem(np.random.default_rng(1), 6, 3))

    with pytest.raises(ValueError, match="the queues have changed"):
        solve(small_problem(np.random.default_rng(1), 6, 4), start=plan.prices)


def after_a_change(seed):
    """(hours moved away, moved among people who did not change, forced, planned), and the share of value given up."""
    problem = simulate_problem(np.random.default_rng(seed), 2500, 40, load=6.0)
    plan = large(problem, goal=1e-4)
    changed = change_some(np.random.default_rng(100 + seed), problem)
    calm = replace(changed, before=plan.hours, switching=0.05 * float(np.median(problem.cost)))
    free, new = large(changed, plan.prices, 1e-4), large(calm, plan.prices, 1e-4)
    lost = np.maximum(plan.hours - new.hours, 0.0)
    used = np.bincount(problem.expert, plan.hours, minlength=problem.experts)
    same = (changed.hours == problem.hours).all(axis=1)[problem.expert]
    forced = np.maximum(used - changed.hours[:, 0], 0.0).sum()
    return lost.sum(), lost[same].sum(), forced, plan.hours.sum(), 1.0 - new.value / free.value


def test_prices_that_are_too_far_away_are_given_up_and_found_again_from_where_they_are():
    problem = simulate_problem(np.random.default_rng(10), 800, 20, load=1.5)
    dual = smooth_dual(problem)
    found = find_prices(problem, dual)
    away = found.price * np.random.default_rng(11).uniform(0.67, 1.5, len(found.price))
    again = find_prices(problem, dual, start=away)

    def worth(price):
        scaled = price * dual.frame.scale
        return dual.frame.limit @ scaled + dual.sums(scaled, found.epsilon)[0]

    assert polish(problem, dual, earlier(dual, away), goal=1e-4, reach=0.02).far
    assert not polish(problem, dual, earlier(dual, found.price), goal=1e-4, reach=0.02).far
    assert again.epsilon == pytest.approx(found.epsilon)
    assert again.steps < found.steps
    assert worth(away) > 1.01 * worth(found.price)
    assert worth(again.price) == pytest.approx(worth(found.price), rel=3 * SHARP**2)  # where Newton's method ends


def test_a_change_of_a_twentieth_moves_little_more_than_it_must():
    moved, untouched, forced, planned, given_up = np.transpose([after_a_change(seed) for seed in range(6)])

    assert moved.sum() <= 2.0 * forced.sum()
    assert untouched.sum() <= 0.025 * planned.sum()
    assert given_up.max() <= 1e-3


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_what_is_plainly_whole_can_be_paired(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 7, 3, keep=0.8)
    hours = within_limits(problem, rng.uniform(0, 10, problem.arcs) * (rng.random(problem.arcs) < 0.6))
    used = np.flatnonzero(hours > 0)
    units = problem.rate[used] * hours[used]
    for q in np.flatnonzero(_plainly_whole(problem, used, units)):
        mine = problem.queue[used] == q
        assert _pair(problem, int(q), used[mine], units[mine]) is None


def test_whoever_is_nearest_to_a_tie_is_asked_and_as_many_as_bring_the_hours():
    problem = simulate_problem(np.random.default_rng(3), 400, 12, load=1.5)
    dual = smooth_dual(problem)
    at, who = dual.frame, dual.blocks
    price = find_prices(problem, dual).price
    worth = np.zeros(problem.arcs)
    stand = Stand(*best_choices(dual.ground, who, fees(dual.ground, price), np.zeros(0), worth), worth)
    traded = np.zeros(len(price))
    q = int(np.argmax(np.bincount(problem.queue[problem.role == 0], minlength=len(problem.queues))))
    traded[q] = -60.0 * at.pull[q]  # sixty hours of production are missing
    needed, spare = asked(problem.queues, at, traded)
    nobody = np.zeros(len(who.hours), dtype=bool)
    bands, found = nearest(dual.ground, who, stand, 1e-3 * at.hour, (needed, spare), nobody)

    assert needed[3 * q] == pytest.approx(60.0)
    assert not spare.any()
    assert np.isinf(bands.enter[needed == 0]).all()
    home = {e: b for b, e in enumerate(who.expert)}
    mine = [a for a in np.flatnonzero((problem.queue == q) & (problem.role == 0)) if problem.expert[a] in home]
    rows = np.array([home[problem.expert[a]] for a in mine])
    margin = stand.best[rows] - worth[mine]
    come = (margin <= bands.enter[3 * q]) & (stand.choice[rows] != mine)
    assert found[rows[come]].all()
    assert who.hours[rows[come]].sum() >= FOLD * 60.0
    nearer = come & (margin <= bands.enter[3 * q] / STEP)
    assert who.hours[rows[nearer]].sum() < FOLD * 60.0  # no band is wider than a rung more than it must


def test_a_warm_plan_is_proven_and_the_same_again():
    problem = simulate_problem(np.random.default_rng(1), 4000, 60, load=8.0)
    plan = solve(problem)
    changed = change_some(np.random.default_rng(2), problem)
    warm, again = (solve(changed, start=plan.prices) for _ in range(2))

    assert problem.arcs >= LARGE
    assert warm.gap <= AGAIN
    assert bound(changed, warm.prices) == warm.bound
    assert list(violations(changed, warm.hours)) == []
    assert (warm.hours == again.hours).all()
    assert warm.bound == again.bound
