"""The prior of skills: factors plus specifics, and what follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from irt.population import Population, bifactor, from_covariance
from irt.simulation import random_items


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def population():
    return bifactor(np.full(12, 0.5), np.full(12, 0.15), [skill // 4 for skill in range(12)])


def test_a_bifactor_prior_has_the_correlations_of_its_shares(population):
    cov = population.cov

    np.testing.assert_allclose(np.diag(cov), 1.0)
    assert cov[0, 1] == pytest.approx(0.65)
    assert cov[0, 5] == pytest.approx(0.5)


def test_products_with_items_need_no_matrix_of_skills_by_skills(population, rng):
    items = random_items(40, 12, rng)

    np.testing.assert_allclose(population.times(items), population.cov @ items.dense(12).T, atol=1e-12)


def test_an_item_may_name_the_same_skill_twice(population):
    items = random_items(3, 12, np.random.default_rng(0))
    items.skill[:] = 7
    items.slope[:] = [[1.0, 0.5]]

    np.testing.assert_allclose(population.times(items), population.cov @ items.dense(12).T, atol=1e-12)


def test_people_drawn_have_the_mean_and_covariance_said(population, rng):
    shifted = Population(np.linspace(-1, 1, 12), population.loading, population.specific)

    theta = shifted.draw(200_000, rng)

    # standard errors: 1/sqrt(n) = .0022 of a mean, at most sqrt(2/n) = .0032 of a covariance; five of them
    np.testing.assert_allclose(theta.mean(0), shifted.mean, atol=0.011)
    np.testing.assert_allclose(np.cov(theta.T), shifted.cov, atol=0.016)


def test_any_positive_definite_covariance_is_kept(rng):
    root = rng.normal(size=(6, 6))
    cov = root @ root.T + 0.1 * np.eye(6)

    kept = from_covariance(np.arange(6.0), cov)

    np.testing.assert_allclose(kept.cov, cov, atol=1e-10)
    assert (kept.specific > 0).all()


def test_skills_that_are_nearly_one_are_allowed_and_skills_that_are_one_are_refused():
    close = from_covariance(np.zeros(2), np.array([[1, 1 - 1e-6], [1 - 1e-6, 1]]))
    assert close.cov[0, 1] == pytest.approx(1 - 1e-6)

    with pytest.raises(ValueError, match="make them one skill"):
        from_covariance(np.zeros(2), np.ones((2, 2)))
    with pytest.raises(ValueError, match="make them one skill"):
        Population(np.zeros(2), np.ones((2, 1)), np.zeros(2))


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (lambda: Population(np.zeros(3), np.ones((2, 1)), np.ones(3)), r"\(D, R\)"),
        (lambda: Population(np.zeros(3), np.ones(3), np.ones(3)), r"\(D, R\)"),
        (lambda: Population(np.array([np.nan]), np.ones((1, 1)), np.ones(1)), "finite"),
        (lambda: Population(np.zeros(1), np.array([[np.nan]]), np.ones(1)), "finite"),
        (lambda: Population(np.zeros(1), np.ones((1, 1)), np.array([np.nan])), "specific variance"),
        (lambda: bifactor(np.array([0.6]), np.array([0.5]), [0]), "general"),
        (lambda: from_covariance(np.zeros(2), np.eye(3)), "symmetric"),
        (lambda: from_covariance(np.zeros(2), np.array([[1.0, 0.5], [0.2, 1.0]])), "symmetric"),
        (lambda: from_covariance(np.zeros(1), np.array([[np.nan]])), "finite"),
    ],
)
def test_priors_that_cannot_be_are_refused_in_words(faulty, words):
    with pytest.raises(ValueError, match=words):
        faulty()


def test_an_item_on_a_skill_that_does_not_exist_is_refused(population, rng):
    with pytest.raises(ValueError, match="skill 12"):
        population.times(random_items(200, 13, rng))
