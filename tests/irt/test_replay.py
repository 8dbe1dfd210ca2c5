"""A replay asks what was recorded and nothing else, and knows no more than it was told."""

import numpy as np
import pytest

from irt.population import bifactor
from irt.replay import (
    POLICIES,
    Record,
    Ruler,
    Times,
    correlations,
    estimates,
    finished,
    learn_times,
    minutes_to,
    replay,
)  # fmt: skip
from irt.simulation import random_items, respond

SKILLS, ITEMS, PEOPLE = 3, 40, 60


@pytest.fixture
def ruler(rng):
    population = bifactor(np.full(SKILLS, 0.5), np.full(SKILLS, 0.1), [0, 0, 1])
    times = Times(rng.normal(0, 0.6, ITEMS), np.full(ITEMS, 0.3))
    return Ruler(random_items(ITEMS, SKILLS, rng), population, times)


@pytest.fixture
def records(ruler, rng):
    level = respond(ruler.population.draw(PEOPLE, rng), ruler.items, rng)
    minutes = np.exp(ruler.times.intensity + rng.normal(0, 0.3, (PEOPLE, ITEMS)))
    return [Record(np.arange(ITEMS), level[p], minutes[p]) for p in range(PEOPLE)]


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_asks_every_answered_item_once(name, ruler, records, rng):
    order = replay(ruler, records[0], POLICIES[name], rng)
    assert sorted(order) == list(range(ITEMS))


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_sees_an_answer_before_it_asked(name, ruler, records):
    one = records[0]
    order = replay(ruler, one, POLICIES[name], np.random.default_rng(5))
    late = order[ITEMS // 2 :]
    level, minutes = one.level.copy(), one.minutes.copy()
    level[late], minutes[late] = 0, 7.0
    other = replay(ruler, Record(one.item, level, minutes), POLICIES[name], np.random.default_rng(5))
    np.testing.assert_array_equal(other[: ITEMS // 2 + 1], order[: ITEMS // 2 + 1])


def test_the_whole_record_scores_alike_in_every_order(ruler, records, rng):
    ways = [[replay(ruler, one, POLICIES[name], rng) for one in records] for name in ("engine", "recorded")]
    first, second = (estimates(ruler, finished(records, orders, np.inf)) for orders in ways)
    np.testing.assert_allclose(first, second, atol=2e-3)  # both are the same answers, scored to convergence


def test_only_answers_finished_by_the_minute_count(records):
    orders = [np.arange(ITEMS)[::-1] for _ in records]
    answers = finished(records, orders, 5.0)
    for p, one in enumerate(records):
        spent = one.minutes[::-1].cumsum()
        assert answers.start[p + 1] - answers.start[p] == (spent <= 5.0).sum()


def test_the_engine_needs_fewer_minutes_than_chance_where_items_differ_in_time_and_worth(ruler, records):
    everyone = np.ones((1, PEOPLE))
    whole = estimates(ruler, finished(records, [np.arange(ITEMS)] * PEOPLE, np.inf)).mean(1)
    grid, found = np.geomspace(1, 60, 25), {}
    for name in ("engine", "random"):
        orders = [replay(ruler, one, POLICIES[name], np.random.default_rng(p)) for p, one in enumerate(records)]
        r = [correlations(estimates(ruler, finished(records, orders, m)).mean(1), whole, everyone) for m in grid]
        found[name] = minutes_to(0.9, np.array(r).T, grid)[0]
    assert found["engine"] < found["random"]


def test_time_intensities_are_found_again_from_simulated_minutes(rng):
    beta, speed, people = rng.normal(0, 0.5, ITEMS), rng.normal(0, 0.3, 400), 400
    person, item = np.divmod(np.arange(people * ITEMS), ITEMS)
    minutes = np.exp(beta[item] - speed[person] + rng.normal(0, 0.4, people * ITEMS))
    minutes[rng.random(len(minutes)) < 0.2] = np.nan
    minutes[:10] = 3000.0  # absences
    found = learn_times(person, item, minutes, ITEMS)
    # standard error of an intensity: .4/sqrt(320) = .022, and one common .3/sqrt(400) = .015 of the mean pace
    np.testing.assert_allclose(found.intensity, beta - speed.mean(), atol=0.1)
    np.testing.assert_allclose(found.sigma, 0.4, atol=0.07)  # standard error .4/sqrt(640) = .016


def test_an_item_that_nobody_was_timed_on_takes_a_typical_time():
    found = learn_times(np.array([0, 1]), np.array([0, 0]), np.array([2.0, 2.0]), 2)
    assert found.intensity[1] == pytest.approx(np.log(2.0))


def test_weighted_correlations_are_those_of_repeated_people(rng):
    x, y, count = rng.standard_normal(20), rng.standard_normal(20), rng.integers(0, 4, 20)
    found = correlations(x, y, count[None].astype(float))
    assert found[0] == pytest.approx(np.corrcoef(np.repeat(x, count), np.repeat(y, count))[0, 1])


def test_minutes_to_a_bar_are_read_between_points_and_absent_where_it_is_never_reached():
    grid = np.array([1.0, 4.0, 16.0])
    found = minutes_to(0.9, np.array([[0.5, 0.8, 1.0], [0.1, 0.2, 0.3], [0.95, 0.96, 0.97]]), grid)
    np.testing.assert_allclose(found, [8.0, np.nan, 1.0])


def test_a_record_without_a_time_is_refused():
    with pytest.raises(ValueError, match="leave out answers without a time"):
        Record(np.array([0]), np.array([1]), np.array([0.0]))
