from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from assignment.checker import violations
from assignment.exploration import BATCHES, PART, Unknown, explore
from assignment.plan import weigh
from assignment.pooling import information
from assignment.problem import Queues
from assignment.projection import PRODUCE, Asks
from assignment.solve import solve
from tests.assignment.worlds import small_problem


def unknown_of(rng, experts, queues, **told):
    """Beliefs under which trials often pay: much is unknown, and there is time to use it."""
    asks = Asks(np.zeros(queues), np.full(queues, 40.0), np.full(queues, 15.0), np.full(queues, 25.0))
    usual = Unknown(
        mean=rng.normal(0.5, 0.5, (experts, queues)), variance=rng.uniform(0.1, 1.0, (experts, queues)), asks=asks,
        pace_var=np.full(experts, 0.04), spread=0.5, checked=np.ones(queues),
        ahead=rng.uniform(50, 500, (experts, queues)), under_way=np.zeros((experts, queues)),
    )  # fmt: skip
    return replace(usual, **told)


@pytest.mark.parametrize("seed", range(3, 12))
def test_an_exploring_plan_obeys_every_rule_tries_few_hours_and_says_what_it_costs(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 12, 5, dates=1 + seed % 3, pins=True)
    problem = replace(problem, most=np.where(rng.random(problem.arcs) < 0.2, 1.0, np.inf))
    plain = solve(problem)
    found = explore(problem, unknown_of(rng, 12, 5), most=0.3)

    assert list(violations(problem, found.plan.hours)) == []
    assert found.share == pytest.approx(found.trials.hours.sum() / plain.hours.sum())
    assert 0 < found.share <= 0.3
    assert found.plan.broken.sum() <= plain.broken.sum() + 1e-6
    assert (found.plan.value, found.plan.objective) == pytest.approx(weigh(problem, found.plan.hours))
    assert found.plan.objective <= plain.bound + 1e-6 * abs(plain.bound)
    assert found.plan.gap >= plain.gap - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_a_trial_is_a_batch_of_units_one_a_person_where_nothing_was_planned(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 12, 5, dates=2, budgets=False)
    found, plain = explore(problem, unknown_of(rng, 12, 5), most=0.3), solve(problem)
    tried = np.flatnonzero(found.trials.hours)
    assert len(tried) > 0
    assert len(set(problem.expert[tried])) == len(tried)
    assert (problem.role[tried] == PRODUCE).all()
    assert (plain.hours[tried] == 0).all()
    assert (found.trials.hours <= found.plan.hours + 1e-9).all()
    units = found.trials.hours[tried] * problem.rate[tried]
    whole = [min(abs(one - n) for n in BATCHES) < 1e-6 for one in units]  # else reviews or money ran out
    assert units.max() <= max(BATCHES) + 1e-6
    assert np.mean(whole) > 0.5
    there = problem.hours[problem.expert[tried], problem.queues.due[problem.queue[tried]]]
    assert (found.trials.hours[tried] <= PART * there + 1e-9).all()
    assert (found.trials.worth[tried] > 0).all()
    assert (found.trials.hoped[tried] < 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_unchanged_input_keeps_an_exploring_plan_to_the_bit_and_what_it_tries(seed):
    rng = np.random.default_rng(seed)
    problem, unknown = replace(small_problem(rng, 14, 5), switching=0.5), unknown_of(rng, 14, 5)
    first = explore(problem, unknown, most=0.2)
    assert first.share > 0
    held = first
    for _ in range(3):
        held = explore(replace(problem, before=held.plan.hours), unknown, most=0.2)
        assert (held.plan.hours == first.plan.hours).all()
        assert held.trials.hours == pytest.approx(first.trials.hours, abs=1e-9)
        assert (held.trials.worth == first.trials.worth).all()


@pytest.mark.parametrize("seed", range(4))
def test_hours_that_are_trials_are_told_apart_from_hours_kept_from_the_plan_before(seed):
    """The plan before is the worst for today: what it holds on to is no trial."""
    rng = np.random.default_rng(seed)
    problem = small_problem(rng, 14, 5)
    before = solve(replace(problem, accepted=rng.permutation(problem.accepted) * (problem.role == 0))).hours
    kept = replace(problem, before=before, switching=20.0)
    found = explore(kept, unknown_of(rng, 14, 5, ahead=np.zeros((14, 5))), most=0.2)
    assert found.share == 0
    assert (found.plan.hours == solve(kept).hours).all()
    tried = explore(kept, unknown_of(rng, 14, 5), most=0.2)
    assert (tried.trials.hours <= tried.plan.hours + 1e-9).all()
    assert 0 < tried.share <= 0.2 + 1e-12


def two_makers(rng, **told):
    """Two makers, one unit an hour, as good by forecast, the first a trifle cheaper, and work for one of them."""
    problem = small_problem(rng, 2, 1, budgets=False)
    return replace(
        problem, expert=np.array([0, 1]), queue=np.zeros(2, int), role=np.zeros(2, int), rate=np.ones(2),
        accepted=np.full(2, 0.5), cost=np.array([5.0, 5.01]), quality=np.ones(2), pinned=np.zeros(2),
        before=np.zeros(2), hours=np.full((2, 1), 20.0), promise=np.nan,
        queues=replace(problem.queues, demand=np.array([8.0]), value=np.array([50.0]), review_share=np.zeros(1),
                       second_share=np.zeros(1)),
    ) if not told else replace(two_makers(rng), **told)  # fmt: skip


def of_two(rng, **told):
    """What is unknown of them: the second may be anything, and there are a hundred hours to use what is learnt."""
    plain = {
        "mean": np.zeros((2, 1)), "variance": np.array([[0.01], [0.5]]), "pace_var": np.zeros(2),
        "ahead": np.full((2, 1), 100.0),
    }  # fmt: skip
    return unknown_of(rng, 2, 1, **(plain | told))


def test_what_a_trial_is_worth_is_what_choosing_after_its_outcome_brings(rng):
    """Drawn: x, then what the trial shows of it; the second expert stays where they earn more, as long as it is of use.

    An hour at the first queue is worth 20 to them as it is believed, at the second 22. Where little is unknown, Φ is as
    good as straight; with a variance of .1 it bends by less than a tenth of what the trial is worth.
    """
    variance, wage = 0.1, 5.0
    mean = norm.ppf(0.5) * np.sqrt(1.0 + variance)
    problem = replace(
        two_makers(rng), expert=np.array([0, 1, 1]), queue=np.array([0, 0, 1]), role=np.zeros(3, int), rate=np.ones(3),
        accepted=np.full(3, 0.5), cost=np.full(3, wage), quality=np.ones(3), pinned=np.zeros(3), before=np.zeros(3),
        queues=Queues.of([100.0, 100.0], [50.0, 54.0], review_share=0.0),
    )  # fmt: skip
    told = unknown_of(
        rng, 2, 2, mean=np.full((2, 2), mean), variance=np.full((2, 2), variance), pace_var=np.zeros(2),
        ahead=np.full((2, 2), 100.0),
    )  # fmt: skip
    found = explore(problem, told, most=1.0)
    n = float(found.trials.hours[1])
    assert n in BATCHES
    noise = 1 / (n * information(np.array([mean]))[0])
    x = mean + np.sqrt(variance) * rng.standard_normal(200_000)
    seen = x + np.sqrt(noise) * rng.standard_normal(len(x))
    k = variance / (variance + noise)
    after, left = mean + k * (seen - mean), variance * (1 - k)
    earns = np.maximum(50 * norm.cdf(after / np.sqrt(1 + left)) - wage, 54 * 0.5 - wage)
    worth = 100 * (earns.mean() - 22) - n * (22 - 20)
    assert found.trials.worth[1] == pytest.approx(worth, rel=0.1)
    above = norm.cdf((mean + k * np.sqrt(variance + noise)) / np.sqrt(1 + left))
    assert found.trials.hoped[1] == pytest.approx(above)


def test_whom_least_is_known_of_is_tried(rng):
    problem = two_makers(rng)
    for unsure in (0, 1):
        doubts, dearer = np.full((2, 1), 0.001), np.where(np.arange(2) == unsure, 5.01, 5.0)
        doubts[unsure] = 0.5
        found = explore(replace(problem, cost=dearer), of_two(rng, variance=doubts), most=0.5)
        assert found.trials.hours[unsure] == 8
        assert found.trials.hours[1 - unsure] == 0
        assert found.plan.hours.sum() == pytest.approx(16)


def test_trials_end_as_time_runs_out_as_people_are_known_and_where_nothing_more_is_told(rng):
    problem = two_makers(rng, accepted=np.array([0.5, 0.45]))
    lengths = [
        explore(problem, of_two(rng, ahead=np.full((2, 1), hours)), most=0.5).trials.hours.sum()
        for hours in (0.0, 2.0, 10.0, 100.0)
    ]
    assert lengths[0] == 0
    assert lengths[-1] > 0
    assert (np.diff(lengths) >= 0).all()
    known = of_two(rng, variance=np.full((2, 1), 1e-6))
    for told in (known, of_two(rng, checked=np.zeros(1))):
        assert explore(problem, told, most=0.5).share == 0
    assert explore(problem, of_two(rng, under_way=np.full((2, 1), 1e6)), most=0.5).share == 0
    lately = explore(problem, of_two(rng, under_way=np.full((2, 1), 8.0)), most=0.5)
    assert 0 < lately.trials.worth.sum() < explore(problem, of_two(rng), most=0.5).trials.worth.sum()
    assert explore(problem, replace(known, pace_var=np.full(2, 0.2)), most=0.5).share > 0


def test_a_trial_that_comes_after_what_is_due_sooner_is_of_use_for_fewer_hours(rng):
    """The second maker is busy before an early date, and their trial is due with the late one."""
    hours = np.array([[0.0, 100.0], [60.0, 100.0]])
    problem = replace(
        two_makers(rng), expert=np.array([0, 1, 1]), queue=np.array([1, 0, 1]), role=np.zeros(3, int), rate=np.ones(3),
        accepted=np.array([0.5, 0.5, 0.45]), cost=np.full(3, 5.0), quality=np.ones(3), pinned=np.zeros(3),
        before=np.zeros(3), hours=hours, queues=Queues.of([90.0, 50.0], 50.0, review_share=0.0, due=[0, 1]),
    )  # fmt: skip
    told = unknown_of(
        rng, 2, 2, mean=np.zeros((2, 2)), variance=np.full((2, 2), 0.5), pace_var=np.zeros(2),
        ahead=np.full((2, 2), 100.0),
    )  # fmt: skip
    free = replace(problem, queues=replace(problem.queues, demand=np.array([20.0, 50.0])))
    busy = [explore(one, told, most=0.5).trials.worth[2] for one in (free, problem)]
    later = explore(free, replace(told, ahead=np.full((2, 2), 40.0)), most=0.5).trials.worth[2]
    assert busy[0] > busy[1] > 0
    assert busy[1] == pytest.approx(later)


def test_without_leave_or_beside_promises_that_leave_no_room_the_plan_is_the_plain_one(rng):
    problem = two_makers(rng)
    full = replace(problem, pinned=np.array([16.0, 0.0]))
    for one, most in ((problem, 0.0), (full, 0.5)):
        found = explore(one, of_two(rng), most=most)
        assert found.share == 0
        assert not found.trials.hours.any()
        assert (found.plan.hours == solve(one).hours).all()


@pytest.mark.parametrize(
    ("told", "most", "said"),
    [
        ({"mean": np.zeros((3, 3))}, 0.1, "mean is"),
        ({"variance": np.full((4, 3), -0.1)}, 0.1, "variance falls to -0.1"),
        ({"ahead": np.full((4, 3), np.inf)}, 0.1, "finite"),
        ({"checked": np.full(3, 2.0)}, 0.1, "checked rises to 2"),
        ({"spread": 0.0}, 0.1, "spread"),
        ({}, 10.0, "Maybe it was given in percent"),
    ],
)
def test_what_cannot_be_right_is_refused(rng, told, most, said):
    with pytest.raises(ValueError, match=f"explore: .*{said}"):
        explore(small_problem(rng), unknown_of(rng, 4, 3, **told), most=most)
