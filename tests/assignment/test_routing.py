import numpy as np
import pytest

from assignment.plan import hour_values
from assignment.routing import offers
from assignment.solve import solve
from tests.assignment.worlds import small_problem

PROBLEM = small_problem(np.random.default_rng(4), 8, 5, keep=0.8)
PLAN = solve(PROBLEM)
EVERYTHING = np.ones(PROBLEM.arcs, dtype=bool)


def busiest():
    """The expert with most planned arcs."""
    return int(np.bincount(PROBLEM.expert, PLAN.hours > 0).argmax())


def test_an_expert_who_takes_what_is_offered_follows_the_plan_to_within_a_unit():
    e = busiest()
    mine = np.arange(*PROBLEM.starts[e : e + 2])
    done = np.zeros(PROBLEM.arcs)
    share = PLAN.hours[mine] / PLAN.hours[mine].sum()
    assert np.count_nonzero(share) >= 2
    while (first := offers(PROBLEM, PLAN, e, done, EVERYTHING)) and first[0].planned:
        done[first[0].arc] += 1.0 / PROBLEM.rate[first[0].arc]
        behind = share * done[mine].sum() - done[mine]
        assert behind.max() <= 1.0 / PROBLEM.rate[mine].min() + 1e-9
    assert done[mine] == pytest.approx(PLAN.hours[mine], abs=1.0 / PROBLEM.rate[mine].min())


def test_a_trial_is_made_before_anything_else_and_then_the_plan_goes_on():
    e = busiest()
    mine = np.flatnonzero((PROBLEM.expert == e) & (PLAN.hours > 0))
    last = offers(PROBLEM, PLAN, e, np.zeros(PROBLEM.arcs), EVERYTHING)[len(mine) - 1].arc
    trials = np.zeros(PROBLEM.arcs)
    trials[last] = 0.4 * PLAN.hours[last]
    done, order = np.zeros(PROBLEM.arcs), []
    while (first := offers(PROBLEM, PLAN, e, done, EVERYTHING, trials=trials)) and first[0].planned:
        order.append(first[0].arc)
        done[first[0].arc] += 0.1 * PLAN.hours[last]
    assert order[:4] == [last] * 4
    assert set(order[4:]) == set(mine)
    assert order[4] != last


def test_where_nothing_planned_waits_the_most_valuable_work_is_offered_or_none():
    waiting = PLAN.hours == 0
    worth = hour_values(PROBLEM, PLAN.prices)
    for e in range(PROBLEM.experts):
        found = offers(PROBLEM, PLAN, e, np.zeros(PROBLEM.arcs), waiting)
        assert all(not offer.planned and offer.worth > 0 for offer in found)
        assert [offer.worth for offer in found] == sorted((worth[o.arc] for o in found), reverse=True)


def test_what_does_not_wait_is_never_offered():
    rng = np.random.default_rng(1)
    for e in range(PROBLEM.experts):
        waiting = rng.random(PROBLEM.arcs) < 0.5
        found = offers(PROBLEM, PLAN, e, PLAN.hours * rng.random(PROBLEM.arcs), waiting)
        assert all(waiting[offer.arc] and PROBLEM.expert[offer.arc] == e for offer in found)
        planned = [offer.planned for offer in found]
        assert planned == sorted(planned, reverse=True)


def test_hours_of_another_plan_are_refused():
    with pytest.raises(ValueError, match="Maybe they belong to an earlier plan"):
        offers(PROBLEM, PLAN, 0, np.zeros(3), EVERYTHING)
