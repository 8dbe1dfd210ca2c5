"""The response model: probabilities, what raters see of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irt.model import Items, fisher, log_likelihood, probability, projection, rated
from irt.simulation import random_items, respond


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def bank(rng):
    return random_items(60, 4, rng)


def one(threshold, guess=0.0, slope=1.0):
    return Items(np.array([[0]]), np.array([[slope]]), np.array([threshold], dtype=float), np.array([guess]))


def test_the_chances_of_all_levels_add_up_to_one_and_none_is_negative(bank, rng):
    chance = probability(rng.normal(0, 3, (200, len(bank))), bank)

    assert chance.min() >= 0
    np.testing.assert_allclose(chance.sum(-1), 1.0, atol=1e-12)


def test_levels_that_an_item_lacks_have_no_chance(bank, rng):
    chance = probability(rng.normal(0, 3, (50, len(bank))), bank)

    assert (chance[:, bank.levels == 2, 2:] == 0).all()


@given(s=st.floats(-30, 30), guess=st.floats(0, 0.5))
def test_nobody_does_worse_than_guessing(s, guess):
    assert probability(np.array([s]), one([0.3], guess))[0, 1] >= guess


def test_a_higher_projection_makes_every_higher_level_likelier(bank):
    steps = np.linspace(-6, 6, 200)[:, None] * np.ones(len(bank))
    reach = probability(steps, bank)[..., ::-1].cumsum(-1)

    assert (np.diff(reach, axis=0) >= -1e-12).all()


def test_the_projection_is_the_product_with_the_dense_loadings(bank, rng):
    theta = rng.standard_normal((30, 4))

    np.testing.assert_allclose(projection(theta, bank), theta @ bank.dense(4).T, atol=1e-12)


def test_fisher_information_is_the_expected_squared_slope_of_the_log_likelihood(bank, rng):
    s, h = rng.normal(0, 1.5, (40, len(bank))), 1e-5
    below, above = probability(s - h, bank), probability(s + h, bank)
    middle = probability(s, bank)
    slope = np.divide(above - below, 2 * h * middle, out=np.zeros_like(middle), where=middle > 0)

    np.testing.assert_allclose(fisher(s, bank), (middle * slope**2).sum(-1), rtol=1e-4, atol=1e-8)


def test_an_answer_that_was_never_asked_for_says_nothing(bank, rng):
    theta = rng.standard_normal((20, 4))
    level = respond(theta, bank, rng)
    half = np.where(np.arange(len(bank)) % 2, level, -1)
    odd = np.flatnonzero(np.arange(len(bank)) % 2)

    np.testing.assert_allclose(
        log_likelihood(theta, bank, half), log_likelihood(theta, bank.rows(odd), level[:, odd]), atol=1e-12
    )


def test_a_plain_rater_changes_nothing(bank):
    same = rated(bank, 1.0, 0.0)

    np.testing.assert_array_equal(same.slope, bank.slope)
    np.testing.assert_array_equal(same.threshold, bank.threshold)


def test_a_severe_rater_needs_so_much_more_for_the_same_level(rng):
    item = one([2.0, 0.0, -1.0])
    s = rng.normal(0, 2, (100, 1))

    harsh = probability(s, rated(item, 1.0, 0.7))

    np.testing.assert_allclose(harsh, probability(s - 0.7, item), atol=1e-12)


def test_a_rater_reads_phi_times_quality_less_severity(bank, rng):
    theta = rng.standard_normal((50, 4))
    phi, rho = rng.uniform(0.5, 2, len(bank)), rng.normal(0, 1, len(bank))
    read = rated(bank, phi, rho)
    quality = phi * (projection(theta, bank) - rho)
    scaled = Items(bank.skill, bank.slope, bank.threshold * phi[:, None], bank.guess)

    np.testing.assert_allclose(probability(projection(theta, read), read), probability(quality, scaled), atol=1e-12)


def test_rows_keep_their_order(bank):
    which = np.array([5, 3, 3, 40])

    np.testing.assert_array_equal(bank.rows(which).slope, bank.slope[which])


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (lambda: one([0.0, 0.5]), "do not fall"),
        (lambda: one([0.0, 0.0]), "do not fall"),
        (lambda: one([np.nan]), "nan"),
        (lambda: one([-np.inf]), "do not fall"),
        (lambda: one([0.0], slope=np.nan), "nan"),
        (lambda: one([0.0], guess=1.0), "guess"),
        (lambda: one([0.0], guess=-0.1), "guess"),
        (lambda: one([1.0, 0.0], guess=0.2), "more than two levels"),
        (lambda: Items(np.array([[-1]]), np.ones((1, 1)), np.zeros((1, 1)), np.zeros(1)), "negative"),
        (lambda: Items(np.array([[0]]), np.ones((1, 2)), np.zeros((1, 1)), np.zeros(1)), r"\(I, k\)"),
        (lambda: Items(np.array([[0]]), np.ones((1, 1)), np.zeros((1, 0)), np.zeros(1)), "M >= 1"),
        (lambda: Items(np.array([[0]]), np.ones((1, 1)), np.zeros((2, 1)), np.zeros(1)), "threshold"),
    ],
)
def test_items_that_cannot_be_are_refused_in_words(faulty, words):
    with pytest.raises(ValueError, match=words):
        faulty()
