"""Checks of a calibration are quiet on answers the model made, and speak up on those it did not make."""

from __future__ import annotations

import numpy as np
import pytest

from irt import dif
from irt import fit as checks
from irt.calibration import calibrate
from irt.design import Design, answers_from_table
from irt.model import Items, probability, projection
from irt.scoring import score

PEOPLE, ITEMS = 3000, 45


def simulate(rng, items, theta, asked=None):
    chance = probability(projection(theta, items), items).cumsum(-1)
    level = (rng.random((len(theta), len(items), 1)) > chance[..., :-1]).sum(-1)
    if asked is not None:
        keep = np.argsort(rng.random(level.shape), axis=1).argsort(axis=1) < asked
        level = np.where(keep, level, -1)
    return level


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(3)
    skill = (np.arange(ITEMS) % 3)[:, None]
    threshold = rng.normal(0, 1, (ITEMS, 1))
    items = Items(skill, np.exp(rng.normal(0.25, 0.3, (ITEMS, 1))).clip(0.5, 2.8), threshold, np.zeros(ITEMS))
    design = Design(3, skill, np.full(ITEMS, 2), np.zeros(ITEMS))
    theta = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), PEOPLE)
    return items, design, theta


def fitted(design, level):
    answers = answers_from_table(level)
    fit = calibrate(answers, design)
    return fit.items, fit.mean, fit.covariance, fit.answers(answers)


@pytest.fixture(scope="module")
def true_model(world):
    items, design, theta = world
    scale = fitted(design, simulate(np.random.default_rng(4), items, theta, asked=25))
    return *scale, checks.foreseen(*scale)


def test_items_that_fit_are_said_to_fit(true_model):
    items, _, _, answers, seen = true_model
    found = checks.item_fit(items, checks.compared(answers, seen))
    # 45 items at 5 %: 2.2 expected, 7 or more has a chance below .01
    assert (found.p_value < 0.05).sum() < 7
    assert (found.chi2 / found.freedom).mean() == pytest.approx(1, abs=0.2)
    assert found.rmsd.max() < 0.05


def test_persons_who_answer_by_the_model_are_standard_normal(true_model):
    *_, answers, seen = true_model
    z = checks.person_fit(answers, seen)
    assert z.mean() == pytest.approx(0, abs=0.1)
    assert z.std() == pytest.approx(1, abs=0.1)


def test_residuals_of_the_true_model_are_hardly_related(true_model):
    items, _, _, answers, seen = true_model
    found = checks.local_dependence(items, checks.compared(answers, seen), PEOPLE)
    assert len(found.q3) == ITEMS * (ITEMS - 1) // 2
    assert np.abs(found.q3).max() < 0.2
    assert found.z.std() == pytest.approx(1, abs=0.2)


def test_an_item_with_another_curve_is_found(world):
    items, design, theta = world
    rng = np.random.default_rng(5)
    level = simulate(rng, items, theta)
    level[:, 0] = rng.random(PEOPLE) < 0.3 + 0.6 * (np.abs(theta[:, 0]) < 0.7)  # right in the middle only
    scale = fitted(design, level)
    found = checks.item_fit(scale[0], checks.compared(scale[3], checks.foreseen(*scale)))
    assert np.argmax(found.rmsd) == 0
    assert found.p_value[0] < 1e-6


def test_people_who_click_at_random_are_found(world):
    items, design, theta = world
    rng = np.random.default_rng(6)
    level = simulate(rng, items, theta)
    level[:100] = rng.integers(0, 2, (100, ITEMS))
    scale = fitted(design, level)
    z = checks.person_fit(scale[3], checks.foreseen(*scale))
    assert (z[:100] < -1.645).mean() > 0.8
    assert (z[100:] < -1.645).mean() < 0.08


def test_a_pair_that_copies_is_the_first_named(world):
    items, design, theta = world
    rng = np.random.default_rng(7)
    level = simulate(rng, items, theta)
    level[:, 13] = np.where(rng.random(PEOPLE) < 0.5, level[:, 10], level[:, 13])
    scale = fitted(design, level)
    found = checks.local_dependence(scale[0], checks.compared(scale[3], checks.foreseen(*scale)), PEOPLE)
    assert {int(found.first[0]), int(found.second[0])} == {10, 13}
    assert found.q3[0] > 0.2


def test_a_weaker_group_is_not_taken_for_unfair_items_and_unfair_items_are_found(world):
    items, design, theta = world
    rng = np.random.default_rng(8)
    focal = rng.random(PEOPLE) < 0.4
    hurt = np.arange(ITEMS) < 4
    harder = Items(items.skill, items.slope, items.threshold - 0.8 * hurt[:, None], items.guess)
    able = theta - 0.5 * focal[:, None]
    level = np.where(focal[:, None], simulate(rng, harder, able), simulate(rng, items, able))
    found = dif.group_difference(*fitted(design, level), focal)
    assert set(found.ets[:4]) <= {"B", "C"}  # 0.8 logits are 1.9 delta units, with a standard error of 0.25
    assert set(found.ets[4:]) == {"A"}
    assert (np.abs(found.shift[:4] + 0.8) < 3.3 * found.se[:4]).all()
    assert (found.shift / found.se)[4:].std() == pytest.approx(1, abs=0.25)
    np.testing.assert_allclose(found.groups[0] - found.groups[1], 0.5, atol=0.12)


def test_too_few_answers_give_no_verdict_on_fairness(world):
    items, design, theta = world
    rng = np.random.default_rng(9)
    level = simulate(rng, items, theta)
    focal = np.arange(PEOPLE) < 30
    assert "?" in dif.group_difference(*fitted(design, level), focal).ets


def test_correlations_that_hold_and_that_do_not_are_told_apart(true_model):
    items, mean, cov, answers, _ = true_model
    rng = np.random.default_rng(10)
    assert np.abs(checks.correlation_check(items, mean, cov, answers, rng).z).max() < 4
    assert checks.correlation_check(items, mean, np.eye(3), answers, rng).z.min() > 6


def test_reliability_is_the_squared_correlation_with_the_truth(world):
    items, _, theta = world
    cov = 0.5 + 0.5 * np.eye(3)
    answers = answers_from_table(simulate(np.random.default_rng(11), items, theta))
    mean, sd = score(items, np.zeros(3), cov, answers)
    share = checks.reliability(mean, sd)
    truth = [np.corrcoef(mean[:, d], theta[:, d])[0, 1] ** 2 for d in range(3)]
    np.testing.assert_allclose(share, truth, atol=0.03)


def test_a_bank_of_middling_items_has_little_to_say_at_the_ends():
    items = Items(np.zeros((10, 1), int), np.full((10, 1), 1.5), np.zeros((10, 1)), np.zeros(10))
    found = checks.bank_coverage(items, 1, np.array([-3.0, 0.0, 3.0]))
    assert found[0, 1] == pytest.approx(10 * 1.5**2 / 4)
    assert found[0, 0] < 0.1 * found[0, 1]
