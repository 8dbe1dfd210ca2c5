"""Items that change over time, and items known roughly: tests keep their rates, intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from irt import dif
from irt import fit as checks
from irt.calibration import calibrate
from irt.design import Design, answers_from_table
from irt.drift import chance_of, drift, largest_by_chance
from irt.model import Items

PEOPLE, COUNT, WINDOWS = 1600, 24, 8


def world(seed, people=PEOPLE, *, later=(), size=1.0, after=5, mean=0.0):
    """Answers to 24 items on two skills; `later` items are `size` logits easier from window `after` on."""
    bank = np.random.default_rng(77)
    skill = np.arange(COUNT) % 2
    slope, easiness = np.exp(bank.normal(0.25, 0.3, COUNT)).clip(0.6, 2.5), bank.normal(0, 1, COUNT)
    rng = np.random.default_rng(seed)
    theta = rng.multivariate_normal([mean, mean], [[1, 0.5], [0.5, 1]], people)
    window = np.arange(people) * WINDOWS // people
    theta += np.where(window >= 6, 0.3, 0.0)[:, None]  # stronger people come last: no fault of an item
    logit = slope * theta[:, skill] + easiness
    logit[:, list(later)] += size * (window >= after)[:, None]
    level = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    truth = Items(skill[:, None], slope[:, None], easiness[:, None], np.zeros(COUNT))
    return level, window, truth


DESIGN = Design(2, (np.arange(COUNT) % 2)[:, None], np.full(COUNT, 2), np.zeros(COUNT))


def fitted(level):
    answers = answers_from_table(level)
    return answers, calibrate(answers, DESIGN, exact=False)


def test_a_change_is_found_with_its_time_and_size_and_nothing_else_is():
    level, window, _ = world(1, later=(3,))
    answers, fit = fitted(level)
    errors = fit.item_covariance
    found = drift(fit.items, fit.mean, fit.covariance, answers, window, np.random.default_rng(0), errors=errors)
    assert [i for i, one in enumerate(found.ets) if one == "C"] == [3]
    assert found.earliest[3] <= 5 <= found.latest[3]
    assert abs(found.split[3] - 5) <= 1
    assert abs(found.size[3] - 1.0) < found.sure * found.se[3]
    assert found.p_value[3] < 1e-4
    assert found.means[6:].mean() - found.means[:6].mean() == pytest.approx(0.3, abs=0.2)


@pytest.mark.slow
def test_where_nothing_changes_the_largest_change_is_as_large_as_chance_makes_it():
    p, truly = [], []
    for seed in range(12):
        level, window, _ = world(200 + seed)
        answers, fit = fitted(level)
        parts = fit.items, fit.mean, fit.covariance, answers, window, np.random.default_rng(seed)
        p.append(drift(*parts, errors=fit.item_covariance).p_value)
    share = np.mean(np.array(p) < 0.05)
    assert share == pytest.approx(0.05, abs=2.6 * np.sqrt(0.05 * 0.95 / np.size(p)))
    for seed in range(20):  # and the interval of a real change holds it, although its time was looked for
        level, window, _ = world(300 + seed, later=(3, 10), size=0.8)
        answers, fit = fitted(level)
        parts = fit.items, fit.mean, fit.covariance, answers, window, np.random.default_rng(seed)
        found = drift(*parts, errors=fit.item_covariance)
        truly += [abs(found.size[i] - 0.8) < found.sure * found.se[i] for i in (3, 10)]
        truly += [found.earliest[i] <= 5 <= found.latest[i] for i in (3, 10)]
    assert np.mean(truly) >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / len(truly))


def test_the_largest_of_several_changes_needs_more_than_one_of_them():
    largest = largest_by_chance(8, np.random.default_rng(0))
    assert 2.4 < np.quantile(largest, 0.95) < 2.9
    assert np.quantile(largest_by_chance(2, np.random.default_rng(0)), 0.95) == pytest.approx(1.96, abs=0.05)
    z = np.array([0.0, 2.0, 3.0, 3.5, 4.0, 6.0])
    p = chance_of(z, largest, 8)
    assert (np.diff(p) < 0).all()
    assert chance_of(z, largest[:40], 8)[3] == pytest.approx(p[3], rel=0.35)  # few draws: the bound, which is near


@pytest.mark.slow
def test_items_known_roughly_keep_their_rate_on_new_answers_only_if_errors_are_counted():
    with_errors, without = [], []
    for seed in range(12):
        rough, fit = fitted(world(400 + seed, people=300)[0])  # 300 people calibrate, 1,600 others are looked at
        level, *_ = world(500 + seed)
        answers = fit.answers(answers_from_table(level))
        mean, cov = dif.population(fit.items, fit.mean, fit.covariance, answers)
        seen = checks.compared(answers, checks.foreseen(fit.items, mean, cov, answers))
        with_errors.append(checks.item_fit(fit.items, seen, errors=fit.item_covariance).p_value)
        without.append(checks.item_fit(fit.items, seen).p_value)
        assert len(rough) == 300
    noise = 2.6 * np.sqrt(0.05 * 0.95 / np.size(with_errors))
    assert np.mean(np.array(with_errors) < 0.05) < 0.05 + noise
    assert np.mean(np.array(without) < 0.05) > 0.3


def test_errors_of_slopes_count_where_groups_differ_and_those_of_easiness_do_not():
    level, _, truth = world(7)
    answers = answers_from_table(level)
    cov = np.array([[1, 0.5], [0.5, 1]])
    focal = np.arange(PEOPLE) % 2 == 0
    only_slope, only_easy = np.zeros((COUNT, 2, 2)), np.zeros((COUNT, 2, 2))
    only_slope[:, 0, 0] = only_easy[:, 1, 1] = 0.04
    alike = np.zeros(2)
    plain = dif.group_difference(truth, alike, cov, answers, focal)
    np.testing.assert_allclose(
        dif.group_difference(truth, alike, cov, answers, focal, errors=only_easy).se, plain.se, rtol=1e-9
    )
    strong = world(8, mean=1.5)[0]
    both = answers_from_table(np.concatenate([level, strong]))
    late = np.arange(2 * PEOPLE) >= PEOPLE
    bare, counted = (
        dif.group_difference(truth, alike, cov, both, late, rounds=1, errors=one) for one in (None, only_slope)
    )
    gap = np.sqrt(counted.se**2 - bare.se**2) / 0.2  # by how many sds the groups differ, as an item sees it
    x, w = np.polynomial.hermite_e.hermegauss(41)
    told = []
    for a, d in zip(truth.slope[:, 0], truth.threshold[:, 0], strict=True):
        centres = []
        for mean in (0.0, 1.5):
            p = 1 / (1 + np.exp(-(a * (x + mean) + d)))
            centres.append((w * p * (1 - p) * (x + mean)).sum() / (w * p * (1 - p)).sum())
        told.append(centres[1] - centres[0])
    assert gap == pytest.approx(np.array(told), abs=0.15)


def test_the_slope_of_an_expected_score_is_its_derivative():
    level, _, truth = world(9, people=60)
    answers = answers_from_table(level)
    alike, cov = np.zeros(2), np.array([[1, 0.5], [0.5, 1]])
    seen = checks.foreseen(truth, alike, cov, answers)
    last, h = COUNT - 1, 1e-4
    mine = answers.item == last
    for place in (0, 1):
        moved = []
        for step in (h, -h):
            slope, threshold = truth.slope.copy(), truth.threshold.copy()
            (slope if place == 0 else threshold)[last, 0] += step
            bent = Items(truth.skill, slope, threshold, truth.guess)
            moved.append(checks.foreseen(bent, alike, cov, answers))
        told = (moved[0].expected - moved[1].expected)[mine] / (2 * h)
        np.testing.assert_allclose(seen.slope[mine, place], told, rtol=0.03, atol=2e-3)  # others' sites move too
