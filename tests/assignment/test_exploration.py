from dataclasses import replace

import numpy as np
import pytest

from assignment.checker import violations
from assignment.exploration import explore, hope, waning
from assignment.plan import weigh
from assignment.projection import Asks, project
from assignment.solve import solve
from tests.assignment.worlds import small_problem

ASKS = Asks(np.array([0.0, 0.7]), np.array([40.0, 20.0]), np.array([15.0, 10.0]), np.array([25.0, 20.0]))


def test_hope_is_the_forecast_of_somebody_as_good_as_they_may_be(rng):
    mean, variance = rng.normal(0, 1, (5, 2)), rng.uniform(0, 1, (5, 2))
    better = project(mean + 0.7 * np.sqrt(variance), variance, ASKS, np.ones(5)).acceptance
    assert hope(mean, variance, ASKS, 0.7) == pytest.approx(
        better / project(mean, variance, ASKS, np.ones(5)).acceptance
    )
    assert hope(mean, variance, ASKS, 0.0) == pytest.approx(np.ones((5, 2)))
    assert hope(mean, np.zeros((5, 2)), ASKS, 0.7) == pytest.approx(np.ones((5, 2)))
    apart = hope(mean, variance, ASKS, np.array([0.0, 0.7]))
    assert apart[:, 0] == pytest.approx(np.ones(5))
    assert (apart[:, 1] == hope(mean, variance, ASKS, 0.7)[:, 1]).all()


def test_hope_wanes_to_nothing_halfway():
    reaches = [waning(step, 12) for step in range(13)]
    assert reaches[0] == 0.5
    assert reaches[3] == pytest.approx(0.5 * 0.5**0.5)
    assert reaches[6:] == [0.0] * 7
    assert (np.diff(reaches[:7]) < 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_an_exploring_plan_obeys_every_rule_moves_few_hours_and_says_what_it_costs(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 12, 5, pins=True)
    plain = solve(problem)
    lift = 1.0 + rng.uniform(0, 0.6, (12, 5))
    found = explore(problem, lift, most=0.3)
    moved = np.maximum(found.plan.hours - plain.hours, 0).sum() / plain.hours.sum()

    assert list(violations(problem, found.plan.hours)) == []
    assert found.share == pytest.approx(moved)
    assert found.share <= 0.3
    assert (found.plan.value, found.plan.objective) == pytest.approx(weigh(problem, found.plan.hours))
    assert found.plan.objective <= plain.bound + 1e-6 * abs(plain.bound)
    assert found.plan.gap >= plain.gap - 1e-9


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 6])
def test_unchanged_input_keeps_an_exploring_plan_to_the_bit_and_what_it_explores(seed):
    rng = np.random.default_rng(seed)
    problem = replace(small_problem(rng, 14, 5), switching=0.5)
    lift = 1.0 + rng.uniform(0, 0.5, (14, 5))
    first = explore(problem, lift, most=0.2)
    assert first.share > 0
    held = first
    for _ in range(3):
        held = explore(replace(problem, before=held.plan.hours), lift, most=0.2)
        assert (held.plan.hours == first.plan.hours).all()
        assert held.learning == pytest.approx(first.learning, abs=1e-9)
        assert (held.lift == first.lift).all()


def test_where_a_few_people_are_everybody_a_part_of_somebodys_week_is_tried():
    """Two makers alike but for hope, work for one: hope would move all ten hours, a fifth may move."""
    alike = two_makers(np.random.default_rng(3))
    found = explore(alike, np.array([[1.0], [1.3]]), most=0.2)
    assert found.plan.hours == pytest.approx([8, 2])
    assert found.learning == pytest.approx([0, 2])
    assert found.share == pytest.approx(0.2)
    again = explore(replace(alike, before=found.plan.hours, switching=1.0), np.array([[1.0], [1.3]]), most=0.2)
    assert (again.plan.hours == found.plan.hours).all()


@pytest.mark.parametrize("seed", range(4))
def test_hours_that_are_there_to_learn_are_told_apart_from_hours_kept_from_the_plan_before(seed):
    """The plan before is the worst for today: what it holds on to is no exploring."""
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 14, 5)
    before = solve(replace(problem, accepted=rng.permutation(problem.accepted) * (problem.role == 0))).hours
    kept = replace(problem, before=before, switching=20.0)
    found = explore(kept, np.ones((14, 5)), most=0.2)
    assert found.share == 0
    assert (found.plan.hours == solve(kept).hours).all()
    tried = explore(kept, 1.0 + rng.uniform(0, 0.5, (14, 5)), most=0.2)
    assert (tried.learning <= tried.plan.hours + 1e-9).all()
    assert tried.share <= 0.2 + 1e-12


def two_makers(rng):
    """Two makers, as good by forecast, the first a trifle cheaper, and work for one of them."""
    problem = small_problem(rng, 2, 1, budgets=False)
    return replace(
        problem, expert=np.array([0, 1]), queue=np.zeros(2, int), role=np.zeros(2, int), rate=np.ones(2),
        accepted=np.full(2, 0.5), cost=np.array([5.0, 5.01]), quality=np.ones(2), pinned=np.zeros(2),
        before=np.zeros(2), hours=np.full((2, 1), 10.0), promise=np.nan,
        queues=replace(problem.queues, demand=np.array([5.0]), value=np.array([50.0]), review_share=np.zeros(1),
                       second_share=np.zeros(1)),
    )  # fmt: skip


def test_without_hope_or_leave_the_plan_is_the_plain_one(rng):
    problem = small_problem(rng, 8, 4)
    plain = solve(problem)
    for found in (explore(problem, np.ones((8, 4))), explore(problem, np.full((8, 4), 2.0), most=0.0)):
        assert found.share == 0
        assert (found.plan.hours == plain.hours).all()


def test_hope_sends_the_hours_to_whom_least_is_known_of():
    """Two makers as good by forecast, one of them unknown: the unknown one is tried."""
    alike = two_makers(np.random.default_rng(3))
    assert explore(alike, np.array([[1.0], [1.2]]), most=1.0).plan.hours == pytest.approx([0, 10])
    assert explore(alike, np.array([[1.2], [1.0]]), most=1.0).plan.hours == pytest.approx([10, 0])


@pytest.mark.parametrize(
    ("lift", "most", "said"),
    [
        (np.ones((3, 3)), 0.1, "lift is"),
        (np.full((4, 3), 0.8), 0.1, "at least 1"),
        (np.full((4, 3), np.nan), 0.1, "finite"),
        (np.ones((4, 3)), 10.0, "percent"),
    ],
)
def test_what_cannot_be_right_is_refused(rng, lift, most, said):
    with pytest.raises(ValueError, match=said):
        explore(small_problem(rng), lift, most=most)


def test_more_steps_than_there_are_is_refused():
    with pytest.raises(ValueError, match="Maybe"):
        waning(13, 12)
