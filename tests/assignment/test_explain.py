from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from assignment.explain import choices, eligible_people, one_more_hour, shortages, skill_demand, unmet
from assignment.foresee import foresee, foresee_newcomers, joined, with_more
from assignment.plan import hour_values
from assignment.problem import Problem, Queues, staff
from assignment.projection import Asks, eligible, project
from assignment.solve import solve
from assignment.vet_next import by_person_and_skill, vet_next
from tests.assignment.worlds import small_problem

ASKS = Asks(np.zeros(2), np.full(2, 30.0), np.full(2, 10.0), np.full(2, 15.0))
WEIGHTS = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])


def world(means, *, demand=(100.0, 100.0), hours=10.0, bars=None, second=0.0, budget=None):
    means = np.asarray(means, float)
    sds = np.full(means.shape, 0.2)
    bars = np.full((2, 3), np.nan) if bars is None else np.asarray(bars, float)
    forecast = project(means @ WEIGHTS.T, np.full((len(means), 2), 0.04), ASKS, np.ones(len(means)))
    queues = Queues.of(demand, 100.0, second_share=second, budget=budget)
    problem = staff(forecast, eligible(means, sds, bars), queues, hours=np.full(len(means), hours), pay=30.0)
    return problem, forecast, means, sds, bars


def test_what_is_short_names_the_role_that_nobody_may_take():
    bars = [[1.0, np.nan, np.nan], [np.nan, 0.5, np.nan]]
    problem, *_ = world([[1.4, 3.0, 0.0], [1.4, 3.0, 0.0]], bars=bars)  # clear 1.0, but not 1.3 to review
    first = next(shortages(problem, solve(problem)))

    assert (first.queue, first.held_back_by, first.people) == (0, "review", (2, 0, 0))
    assert first.missing == pytest.approx(100.0)
    assert np.isnan(first.prices[1])


def test_a_queue_that_nobody_may_enter_is_reported_and_is_no_error():
    problem, *_ = world([[0.0, 3.0, 0.0]] * 3, bars=[[9.0, np.nan, np.nan], [np.nan] * 3])
    plan = solve(problem)

    assert eligible_people(problem)[0].tolist() == [0, 0, 0]
    assert {short.queue for short in shortages(problem, plan)} == {0, 1}
    assert unmet(problem, plan)[0] == 100.0


def test_when_money_ends_first_money_is_what_is_short():
    problem, *_ = world([[2.0, 2.0, 2.0]] * 40, budget=[60.0, 60.0], hours=40.0)
    for short in shortages(problem, solve(problem)):
        assert short.held_back_by == "budget"
        assert short.money > 0


def test_the_scarcest_skill_weighs_most_and_a_staffed_pool_asks_for_nothing():
    bars = [[1.0, np.nan, np.nan], [np.nan, np.nan, np.nan]]
    problem, *_ = world([[0.0, 2.0, 2.0]] * 4, demand=(50.0, 1.0), bars=bars)
    weights = skill_demand(problem, solve(problem), WEIGHTS, np.asarray(bars))
    assert weights.sum() == pytest.approx(1.0)
    assert weights.argmax() == 0

    plenty, *_ = world([[2.0, 2.0, 2.0]] * 9, demand=(1.0, 1.0))
    assert skill_demand(plenty, solve(plenty), WEIGHTS, np.asarray(bars)).tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_moving_a_person_to_the_second_choice_costs_at_least_what_is_said(seed):
    problem = small_problem(np.random.default_rng(seed), 5, 3)
    plan = solve(problem)
    for e in range(problem.experts):
        mine = list(choices(problem, plan, e))
        for choice in mine:
            assert choice.worth >= choice.second_worth - 1e-6 * (1 + abs(choice.worth))
        if len(mine) == 1:  # all of it elsewhere: solve without this arc
            gone = (problem.expert == e) & (problem.queue == mine[0].queue) & (problem.role == mine[0].role)
            arcs = ("expert", "queue", "role", "rate", "accepted", "cost", "quality", "pinned", "before")
            without = replace(problem, **{name: getattr(problem, name)[~gone] for name in arcs})
            lost = plan.objective - solve(without).objective
            assert lost >= mine[0].moving_costs - 1e-6 * (1 + abs(plan.objective))


def test_people_at_work_are_paid_their_hour_price_and_nobody_could_earn_more_elsewhere():
    problem = small_problem(np.random.default_rng(4), 12, 5)
    plan = solve(problem)
    worth, hourly = hour_values(problem, plan.prices), one_more_hour(plan)[problem.expert]

    assert (worth <= hourly + 1e-6).all()
    assert worth[plan.hours > 1e-6] == pytest.approx(hourly[plan.hours > 1e-6], abs=1e-6)


def test_vetting_is_offered_where_a_bar_is_nearly_cleared_and_an_hour_is_worth_most():
    bars = np.array([[1.0, np.nan, np.nan], [np.nan, np.nan, np.nan]])
    means = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [2.5, 0.0, 0.0], [2.5, 0.0, 0.0]]
    problem, forecast, means, sds, bars = world(means, demand=(500.0, 0.0), bars=bars)
    sds = np.full(means.shape, 0.8)
    sds[3:] = 0.2
    plan = solve(problem)
    found = vet_next(problem, plan, forecast, means, sds, bars, pay=np.full(5, 30.0), vetting_cost=np.full(3, 5.0))

    assert found.expert.tolist()[:2] == [0, 1]
    assert 2 not in found.expert  # hopeless
    assert (np.diff(found.gain) <= 0).all()
    assert found.skills[0].tolist() == [True, False, False]
    z = (1.0 - 1.0 - norm.ppf(0.9) * 0.3) / np.sqrt(0.8**2 - 0.3**2)
    assert found.chance[0] == pytest.approx(norm.cdf(z))
    table = by_person_and_skill(found, 5)
    assert table[0, 0] == pytest.approx(found.gain[0])
    assert table[2].tolist() == [0.0, 0.0, 0.0]


def test_an_invitation_promises_at_least_what_solving_again_brings():
    bars = np.array([[1.0, np.nan, np.nan], [np.nan, np.nan, np.nan]])
    problem, forecast, means, sds, bars = world(
        [[0.8, 0.0, 0.0], [2.5, 0.0, 0.0], [2.5, 0.0, 0.0]], demand=(500.0, 0.0), bars=bars
    )
    plan = solve(problem)
    found = vet_next(problem, plan, forecast, means, sds + 0.5, bars, pay=np.full(3, 30.0), vetting_cost=np.zeros(3))
    first = int(np.flatnonzero(found.expert == 0)[0])
    opened = eligible(means, sds, bars)
    opened[0, found.queue[first], found.role[first]] = True
    again = staff(forecast, opened, problem.queues, hours=np.full(3, 10.0), pay=30.0)

    assert found.hours[first] * found.worth[first] >= solve(again).value - plan.value - 1e-6


def test_a_queue_whose_only_reviewer_is_its_maker_is_short_of_reviewers():
    """One person who may do both: the rule "nobody reviews their own work" holds back every unit."""
    two = np.zeros(2)
    problem = Problem(
        Queues.of([100.0], [200.0]), np.array([[20.0]]), np.array([0, 0]), np.array([0, 0]), np.array([0, 1]),
        np.array([1.3, 4.0]), np.array([1.2, 0.0]), np.array([40.0, 40.0]), np.ones(2), two, two,
    )  # fmt: skip
    plan = solve(problem)
    (short,) = shortages(problem, plan)
    assert plan.hours.tolist() == [0, 0]
    assert (short.held_back_by, short.missing) == ("review", 100)
    assert np.isnan(short.prices[1])  # no price of the plan says what a stranger would bring
    assert skill_demand(problem, plan, np.array([[1.0, 0.0]]), np.full((1, 2), np.nan)).tolist() == [1, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.05, -0.05, 0.5, -0.5]), st.sampled_from(["hours", "units", "money"]))
def test_what_a_change_brings_is_foretold_from_above_and_closely(seed, share, what):
    problem = small_problem(np.random.default_rng(seed), 10, 4)
    plan, changed = solve(problem), with_more(problem, share)[what]
    came, said = solve(changed).objective - plan.objective, foresee(plan, changed)
    slack = 1e-6 * max(1.0, abs(plan.objective))

    assert came <= said.gain + slack
    assert said.gain <= said.by_price + slack
    assert said.gain <= came + 0.05 * abs(came) + slack


def test_two_ended_prices_see_the_next_thing_that_is_short():
    """A unit has a price while three people stand idle; a hundred times as many units find nobody left."""
    problem, *_ = world([[3.0, 0.0, 0.0]] * 3, demand=(1.0, 0.0))
    plan = solve(problem)
    changed = with_more(problem, 100.0)["units"]
    said = foresee(plan, changed)

    assert said.gain < 0.9 * said.by_price
    assert said.gain == pytest.approx(solve(changed).objective - plan.objective, rel=1e-6)


def test_a_changed_problem_with_other_arcs_is_refused():
    plan = solve(small_problem(np.random.default_rng(1), 6, 3))

    with pytest.raises(ValueError, match="Maybe solve it anew"):
        foresee(plan, small_problem(np.random.default_rng(2), 9, 3))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_what_newcomers_bring_is_foretold_and_is_less_than_their_price(seed, count):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 8, 3)
    plan, like = solve(problem), rng.choice(8, size=count, replace=False)
    changed = joined(problem, like)
    came, said = solve(changed).objective - plan.objective, foresee_newcomers(plan, problem, like)
    slack = 1e-6 * max(1.0, abs(plan.objective))

    assert changed.experts == problem.experts + count
    assert (changed.pinned.sum(), changed.before.sum()) == (problem.pinned.sum(), problem.before.sum())
    assert np.abs(changed.hours[-count:] - problem.hours[like]).max() == 0
    assert came == pytest.approx(said.gain, abs=slack)
    assert said.gain >= -slack
    if not plan.prices.pairing.any():  # else whoever comes may also review those who could not review themselves
        assert said.gain <= said.by_price + slack
