"""Markov chains over the marginal model agree with the fast fit, and gates name what is wrong with a sample."""

from __future__ import annotations

import numpy as np
import pytest

from irt import bayes
from irt.calibration import calibrate
from irt.design import Design, answers_from_table
from irt.estep import parameters
from irt.model import Items, probability, projection
from irt.mstep import ItemPrior

PRIOR = ItemPrior(0.25, 0.4, 0.0, 1.5, estimated=False)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(3)
    items = Items(np.zeros((8, 1), int), np.exp(rng.normal(0.25, 0.3, (8, 1))), rng.normal(0, 1, (8, 1)), np.zeros(8))
    chance = probability(projection(rng.standard_normal((200, 1)), items), items)
    answers = answers_from_table((rng.random((200, 8)) > chance[..., 0]).astype(int))
    design = Design(1, np.zeros((8, 1), int), np.full(8, 2), np.zeros(8))
    return answers, calibrate(answers, design, prior=PRIOR)


def test_gradients_given_to_the_chains_are_those_of_the_log_likelihood(fitted):
    answers, fit = fitted
    at = parameters(fit.items, fit.mean, fit.covariance)
    marginal = bayes.Marginal(answers, at, nodes=21)
    found, h = marginal.statistics(at.slope, at.threshold, at.cov), 1e-4
    for i in (0, 5):
        step = h * (np.arange(8) == i)[:, None]
        up = marginal.statistics(at.slope + step, at.threshold, at.cov).log_likelihood
        down = marginal.statistics(at.slope - step, at.threshold, at.cov).log_likelihood
        assert found.gradient[i, 0] == pytest.approx((up - down) / (2 * h), abs=1e-3)


@pytest.mark.slow
def test_posterior_means_agree_with_the_fast_fit(fitted):
    answers, fit = fitted
    draws = bayes.sample(fit.answers(answers), fit, seed=1, prior=PRIOR, draws=300, tune=200)
    slope = draws.posterior["slope"].to_numpy().mean((0, 1))
    threshold = draws.posterior["threshold"].to_numpy().mean((0, 1))
    # the fit reports modes and the sample means: apart by a share of the posterior's skewness
    np.testing.assert_allclose(slope, fit.items.slope, atol=0.05 * np.abs(fit.items.slope).max() + 0.03)
    np.testing.assert_allclose(threshold, fit.items.threshold, atol=0.08)
    assert not [why for why in bayes.faults(draws) if "diverged" in why]


@pytest.mark.slow
def test_a_sample_too_short_is_refused_with_reasons(fitted):
    answers, fit = fitted
    draws = bayes.sample(fit.answers(answers), fit, seed=2, prior=PRIOR, draws=20, tune=20)
    assert any("too few effective draws" in why for why in bayes.faults(draws))
