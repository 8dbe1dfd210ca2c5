from itertools import product

import numpy as np
import pytest
from scipy.special import gammaln, ndtr

from assignment.pooling import FIT, REWORK_FROM, SLIP, information, observed, paced, pooled, slips, with_fit


def posterior(counts, difficulty, mean, variance):
    """Mean and variance of x after the counts, by a fine sum over x."""
    x = np.linspace(mean - 10 * variance**0.5, mean + 10 * variance**0.5, 20_001)
    passed, kept = ndtr(x - difficulty), ndtr(x - difficulty - REWORK_FROM)
    clean = np.stack([1 - kept, kept - passed, passed])
    off = np.array([[1 - SLIP, SLIP / 2, 0], [SLIP, 1 - SLIP, SLIP], [0, SLIP / 2, 1 - SLIP]])
    weight = np.exp(counts @ np.log(np.maximum(off @ clean, 1e-300)) - (x - mean) ** 2 / (2 * variance))
    weight /= weight.sum()
    return weight @ x, weight @ (x - weight @ x) ** 2


@pytest.mark.parametrize("counts", [(3, 5, 22), (0, 2, 18), (10, 10, 10), (1, 0, 4)])
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 0.25), (0.6, 0.5), (-0.5, 1.0)])
def test_counts_as_one_observation_give_the_belief_that_all_units_give(counts, mean, variance):
    """The site stands for the units within a third of a prior sd, whichever reasonable prior it meets."""
    counts = np.array(counts, float)
    value, noise = observed(counts, 0.2)
    precision = 1 / variance + 1 / noise
    exact_mean, exact_variance = posterior(counts, 0.2, mean, variance)
    assert (mean / variance + value / noise) / precision == pytest.approx(exact_mean, abs=0.3 * variance**0.5)
    assert (1 / precision) ** 0.5 == pytest.approx(exact_variance**0.5, rel=0.3)


def test_more_units_say_more_and_better_units_say_better():
    small, large = observed(np.array([1.0, 1, 8]), 0), observed(np.array([10.0, 10, 80]), 0)
    assert large[1] < small[1] / 5
    assert observed(np.array([0.0, 1, 9]), 0)[0] > observed(np.array([5.0, 3, 2]), 0)[0]


def test_pooling_is_the_conditional_mean_of_the_two_levels(rng):
    """Against plain conditioning of the joint normal of queues' effects and observations."""
    group = np.array([0, 0, 1, 1, 1])
    variance = np.array([0.04, 0.2, 0.01, np.inf, 0.5])
    seen = rng.standard_normal(5)
    between, across = 0.25, 0.35
    cov = between**2 * np.eye(5) + across**2 * (group[:, None] == group)
    known = np.isfinite(variance)
    gain = cov[:, known] @ np.linalg.inv(cov[np.ix_(known, known)] + np.diag(variance[known]))
    mean, spread = pooled(seen, variance, group, between=between, across=across)
    assert mean == pytest.approx(gain @ seen[known])
    assert spread == pytest.approx(np.diag(cov - gain @ cov[known]))


def test_the_fit_to_a_queue_is_the_conditional_of_the_joint_normal():
    mean0, var0, noise, value = 0.3, 0.4, 0.2, 1.1
    joint = np.array([[var0, 0, var0], [0, FIT**2, FIT**2], [var0, FIT**2, var0 + FIT**2 + noise]])
    gain = joint[:2, 2] / joint[2, 2]
    after = np.array([mean0, 0]) + gain * (value - mean0)
    cov = joint[:2, :2] - np.outer(gain, joint[2, :2])
    m, v = with_fit(np.array([after[0]]), np.array([cov[0, 0]]), np.array([value]), np.array([noise]))
    assert m[0] == pytest.approx(after.sum())
    assert v[0] == pytest.approx(cov.sum())
    m, v = with_fit(np.array([mean0]), np.array([var0]), np.array([0.0]), np.array([np.inf]))
    assert (m[0], v[0]) == (pytest.approx(mean0), pytest.approx(var0 + FIT**2))


def test_paces_of_queues_and_people_are_the_means_of_the_joint_normal(rng):
    """Against conditioning the joint normal of all effects on every unit's log ratio."""
    people, group = 6, np.array([0, 0, 1, 1])
    units = rng.poisson(2.0, (people, len(group))).astype(float)
    spread, person, between, across = 0.5, 0.2, 0.25, 0.35
    e, q = (index.repeat(units.astype(int).ravel()) for index in np.indices(units.shape).reshape(2, -1))
    ratio = rng.normal(0.2, 0.6, len(e))
    logs = np.zeros_like(units)
    np.add.at(logs, (e, q), ratio)
    own, of_queue = np.eye(people)[e], np.eye(len(group))[q]
    queues = between**2 * np.eye(len(group)) + across**2 * (group[:, None] == group)
    cov = person**2 * own @ own.T + of_queue @ queues @ of_queue.T + spread**2 * np.eye(len(e))
    gain = np.linalg.solve(cov, ratio)
    found = paced(logs, units, group, spread=spread, person=person, between=between, across=across)
    assert found.person == pytest.approx(person**2 * own.T @ gain, abs=1e-7)
    assert found.group == pytest.approx(queues @ of_queue.T @ gain, abs=1e-7)
    none = paced(np.zeros((1, 2)), np.zeros((1, 2)), group[:2], spread=0.5, person=0.2, between=0.25, across=0.35)
    assert (none.person[0], none.person_var[0]) == (0.0, pytest.approx(0.2**2))


def test_many_units_of_somebody_known_already_say_as_much_as_a_fine_sum_finds_in_them():
    """A hundred units, nearly all accepted: read around what was believed, mean and variance are those of the sum."""
    counts, centre, sd = np.array([1.0, 7, 92]), 0.2, 0.52
    x = np.linspace(-5, 6, 20_001)
    passed, kept = ndtr(x + 1.2), ndtr(x + 1.2 - REWORK_FROM)
    seen = np.array([1 - kept, kept - passed, passed]).T @ slips(np.array(SLIP))
    logged = np.log(seen) @ counts - (x - centre) ** 2 / (2 * sd**2)
    weight = np.exp(logged - logged.max()) / np.exp(logged - logged.max()).sum()
    mean = float(weight @ x)
    variance = float(weight @ (x - mean) ** 2)
    found = {}
    for wide in (sd, 1.0):
        value, noise = observed(counts, -1.2, centre, wide=wide)
        found[wide] = 1 / (1 / sd**2 + 1 / noise)
        if wide == sd:
            assert (centre / sd**2 + value / noise) * found[sd] == pytest.approx(mean, abs=1e-4)
    assert found[sd] == pytest.approx(variance, rel=1e-3)
    assert found[1.0] > 1.2 * variance


@pytest.mark.parametrize(("mean", "variance", "units"), [(0.0, 0.3, 4), (0.7, 0.3, 1), (0.7, 0.3, 8), (-0.5, 0.5, 4)])
def test_by_information_units_move_the_mean_as_far_as_all_their_outcomes_do(mean, variance, units):
    """Every outcome of so many units, by its chance, and what it moves the mean by; verdicts are taken as normal."""
    x = np.linspace(mean - 6, mean + 6, 1001)
    weight = np.exp(-((x - mean) ** 2) / (2 * variance))
    weight /= weight.sum()
    passed, kept = ndtr(x), ndtr(x - REWORK_FROM)
    chance = np.log(slips(np.array(SLIP)).T @ np.stack([1 - kept, kept - passed, passed]))
    moved = 0.0
    for counts in product(range(units + 1), repeat=3):
        if sum(counts) == units:
            joint = weight * np.exp(gammaln(units + 1) - gammaln(np.add(counts, 1)).sum() + np.array(counts) @ chance)
            moved += joint.sum() * (joint @ x / joint.sum() - mean) ** 2
    told = units * information(np.array([mean]))[0]
    assert variance**2 / (variance + 1 / told) == pytest.approx(moved, rel=0.08)
