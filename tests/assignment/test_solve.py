from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignment.checker import violations
from assignment.pairing import broken_pairings
from assignment.plan import Prices, bound, weigh
from assignment.problem import Problem, Queues
from assignment.projection import PRODUCE
from assignment.solve import solve
from tests.assignment.units import best_value_by_units
from tests.assignment.worlds import small_problem

SEEDS = st.integers(0, 10**6)


@pytest.mark.parametrize("seed", range(60))
def test_the_plan_is_worth_what_the_best_plan_of_single_units_is_worth(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, experts=3 + seed % 2, queues=1 + seed % 3, dates=1 + seed % 2, keep=0.75, several=True)
    plan = solve(problem)

    assert plan.value == pytest.approx(best_value_by_units(problem), rel=1e-6, abs=1e-5)
    assert list(violations(problem, plan.hours)) == []
    assert plan.gap < 1e-6


@pytest.mark.slow
def test_a_thousand_small_plans_match_the_count_of_units_and_break_no_rule():
    for seed in range(1000, 2000):
        rng = np.random.default_rng(seed)
        problem = small_problem(rng, 3 + seed % 2, 1 + seed % 3, 1 + seed % 2, keep=0.75, several=True)
        plan = solve(problem)

        assert plan.value == pytest.approx(best_value_by_units(problem), rel=1e-9, abs=1e-7), seed
        assert list(violations(problem, plan.hours)) == [], seed


def limited(problem, rng):
    """The problem with limits on half of its arcs."""
    some = rng.random(problem.arcs) < 0.5
    return replace(problem, most=np.where(some, rng.uniform(0, 4, problem.arcs), np.inf))


@pytest.mark.parametrize("seed", range(40))
def test_limits_on_arcs_are_kept_and_cost_what_they_must(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, experts=3, queues=2, dates=1 + seed % 2, keep=0.75, pins=seed % 3 == 0)
    plan = solve(limited(problem, rng))

    tight = limited(problem, np.random.default_rng(seed))
    again = solve(tight)
    assert list(violations(tight, again.hours)) == []
    assert (again.hours <= tight.cap + 1e-9).all()
    assert again.gap < 1e-6
    assert plan.objective <= solve(problem).objective + 1e-6
    if not problem.pinned.any():
        assert again.value == pytest.approx(best_value_by_units(tight), rel=1e-6, abs=1e-5)


def test_the_checker_names_an_arc_above_its_limit():
    problem = small_problem(np.random.default_rng(1), 3, 2)
    plan = solve(problem)
    busy = int(plan.hours.argmax())
    half = np.full(problem.arcs, np.inf)
    half[busy] = plan.hours[busy] / 2
    assert any(said.startswith(f"arc {busy} takes") for said in violations(replace(problem, most=half), plan.hours))
    with pytest.raises(ValueError, match=r"arcs: most.*Maybe"):
        replace(problem, most=-half)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 3), st.booleans())
def test_no_plan_breaks_a_rule_and_none_is_above_its_bound(seed, dates, pins):
    problem = small_problem(np.random.default_rng(seed), 6, 4, dates, keep=0.5, pins=pins, several=True)
    plan = solve(problem)

    assert list(violations(problem, plan.hours)) == []
    assert plan.status == "optimal"
    assert plan.objective <= plan.bound + 1e-6 * max(1.0, abs(plan.bound))
    assert plan.gap < 1e-6


@settings(max_examples=25, deadline=None)
@given(SEEDS, SEEDS)
def test_any_prices_prove_a_bound(seed, other):
    rng = np.random.default_rng(other)
    problem = small_problem(np.random.default_rng(seed), 4, 3, 2, pins=True)
    plan = solve(problem)
    size = len(problem.queues)
    wild = Prices(
        *(rng.exponential(20.0, size) for _ in range(3)), rng.exponential(0.5, len(problem.queues.budget)),
        np.zeros(problem.hours.shape), np.zeros(problem.arcs),
    )  # fmt: skip

    assert bound(problem, wild) >= plan.objective - 1e-6 * max(1.0, abs(plan.objective))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 5), st.floats(0.1, 20.0))
def test_more_hours_never_lower_the_value_and_bring_at_most_their_price(seed, who, more):
    problem = small_problem(np.random.default_rng(seed), 6, 3, 2)
    plan = solve(problem)
    longer = problem.hours.copy()
    longer[who, -1] += more
    gain = solve(replace(problem, hours=longer)).objective - plan.objective

    assert gain >= -1e-6 * max(1.0, abs(plan.objective))
    assert gain <= plan.prices.hour[who, -1] * more + 1e-6 * max(1.0, abs(plan.objective))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0.1, 20.0))
def test_more_demand_and_money_bring_at_most_their_price(seed, more):
    problem = small_problem(np.random.default_rng(seed), 6, 3)
    plan, queues = solve(problem), problem.queues
    slack = 1e-6 * max(1.0, abs(plan.objective))
    wanted = solve(replace(problem, queues=replace(queues, demand=queues.demand + more)))
    richer = solve(replace(problem, queues=replace(queues, budget=queues.budget + more)))

    assert -slack <= wanted.objective - plan.objective <= plan.prices.demand.sum() * more + slack
    assert -slack <= richer.objective - plan.objective <= plan.prices.budget.sum() * more + slack


def test_equal_input_gives_the_same_plan_to_the_bit():
    first, again = (solve(small_problem(np.random.default_rng(5), 40, 8, 2)) for _ in range(2))

    assert (first.hours == again.hours).all()
    assert first.bound == again.bound
    assert (first.prices.review == again.prices.review).all()


def test_the_order_of_experts_does_not_change_the_value():
    problem = small_problem(np.random.default_rng(8), 9, 4)
    other = 8 - problem.expert
    order = np.lexsort((problem.role, problem.queue, other))
    moved = {name: getattr(problem, name)[order] for name in ("queue", "role", "rate", "accepted", "cost", "quality")}
    turned = replace(problem, expert=other[order], hours=problem.hours[::-1].copy(), **moved)

    assert solve(turned).value == pytest.approx(solve(problem).value, rel=1e-9)


def alone(roles, k1=1.0, k2=0.0, hours=10.0):
    """Experts with the given roles on one queue; everything handled at one unit an hour."""
    expert, role = (np.array(column, dtype=np.intp) for column in zip(*roles, strict=True))
    made = (role == PRODUCE).astype(float)
    return Problem(
        queues=Queues.of([1000.0], [100.0], review_share=k1, second_share=k2),
        hours=np.full((int(expert.max()) + 1, 1), hours), expert=expert, queue=np.zeros(len(role), np.intp), role=role,
        rate=np.ones(len(role)), accepted=made, cost=np.ones(len(role)), quality=np.ones(len(role)),
        pinned=np.zeros(len(role)), before=np.zeros(len(role)),
    )  # fmt: skip


def test_nobody_reviews_their_own_work_even_when_they_could_do_both():
    assert solve(alone([(0, 0), (0, 1)])).hours.tolist() == [0.0, 0.0]
    two = solve(alone([(0, 0), (0, 1), (1, 1)]))
    assert two.hours == pytest.approx([10.0, 0.0, 10.0])


def test_three_people_can_review_each_other_round_and_round():
    plan = solve(alone([(e, r) for e in range(3) for r in range(2)]))

    assert (plan.hours.reshape(3, 2).sum(axis=0)) == pytest.approx([15.0, 15.0])
    assert not broken_pairings(alone([(e, r) for e in range(3) for r in range(2)]), plan.hours)


def test_a_second_reader_is_neither_producer_nor_reviewer():
    both = solve(alone([(0, 0), (1, 1), (1, 2)], k1=1.0, k2=1.0))
    assert both.hours.tolist() == [0.0, 0.0, 0.0]  # expert 1 would read each unit twice
    third = solve(alone([(0, 0), (1, 1), (1, 2), (2, 2)], k1=1.0, k2=1.0))
    assert third.hours == pytest.approx([10.0, 10.0, 0.0, 10.0])


def test_two_reviews_a_unit_come_from_two_people():
    assert solve(alone([(0, 0), (1, 1)], k1=2.0)).value == 0.0
    assert solve(alone([(0, 0), (1, 1), (2, 1)], k1=2.0)).hours == pytest.approx([10.0, 10.0, 10.0])


def test_a_pin_is_kept_at_a_loss_and_a_promise_that_cannot_be_kept_is_named():
    problem = alone([(0, 0), (1, 1)])
    costly = replace(problem, queues=replace(problem.queues, value=np.array([0.5])), pinned=np.array([4.0, 0.0]))
    kept = solve(costly)
    assert kept.hours == pytest.approx([4.0, 4.0])
    assert kept.value < 0
    assert not kept.broken.any()

    nobody_reviews = solve(replace(alone([(0, 0)]), pinned=np.array([4.0])))
    assert nobody_reviews.broken.tolist() == [4.0]
    assert nobody_reviews.gap < 1e-9


def test_work_due_early_takes_only_early_hours():
    problem = small_problem(np.random.default_rng(3), 5, 4, dates=3, keep=0.8)
    plan = solve(problem)
    early = problem.queues.due[problem.queue] == 0
    used = np.bincount(problem.expert[early], plan.hours[early], minlength=5)

    assert (used <= problem.hours[:, 0] * (1 + 1e-9)).all()


def test_a_price_on_switching_keeps_a_plan_and_unchanged_input_keeps_it_whole():
    problem = small_problem(np.random.default_rng(11), 20, 6, keep=0.4)
    first = solve(problem)
    calm = replace(problem, before=first.hours, switching=2.0)
    assert solve(calm).hours == pytest.approx(first.hours, abs=1e-6)

    rng = np.random.default_rng(12)
    changed = replace(problem.queues, demand=problem.queues.demand * rng.uniform(0.8, 1.2, 6))
    loose, tied = (
        solve(replace(problem, queues=changed, before=first.hours, switching=price)).hours for price in (0.0, 5.0)
    )
    moved = [np.maximum(first.hours - hours, 0).sum() for hours in (loose, tied)]
    assert moved[1] <= moved[0] + 1e-6


def test_an_empty_problem_has_an_empty_plan():
    problem = small_problem(np.random.default_rng(0))
    none = np.zeros(0)
    plan = solve(Problem(problem.queues, problem.hours, *(np.zeros(0, np.intp),) * 3, *(none,) * 6))

    assert plan.value == 0.0
    assert plan.gap == 0.0


def test_value_and_objective_differ_by_what_was_promised_and_not_kept():
    problem = replace(alone([(0, 0), (1, 1)]), pinned=np.array([5.0, 0.0]), before=np.array([0.0, 3.0]), switching=2.0)
    value, objective = weigh(problem, np.array([4.0, 0.0]))

    assert value == pytest.approx(4 * 99.0)
    assert objective == pytest.approx(value - problem.promise - 6.0)
