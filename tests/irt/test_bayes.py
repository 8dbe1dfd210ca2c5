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


@pytest.fixture(scope="module")
def graded():
    """Three skills, graded items: every kind of coordinate that chains move in."""
    rng = np.random.default_rng(5)
    skill = (np.arange(9) % 3)[:, None]
    items = Items(skill, np.full((9, 1), 1.4), np.tile([0.8, -0.8], (9, 1)), np.zeros(9))
    theta = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), 150)
    chance = probability(projection(theta, items), items).cumsum(-1)
    answers = answers_from_table((rng.random((150, 9, 1)) > chance[..., :-1]).sum(-1))
    fit = calibrate(answers, Design(3, skill, np.full(9, 3), np.zeros(9)), prior=PRIOR)
    return bayes.model(answers, fit, bayes.priors(PRIOR, 9), exact=False), fit


@pytest.mark.filterwarnings("ignore:Numba will use object mode")  # the marginal model is a function of Python
def test_chains_begin_where_the_fit_is(graded):
    built, fit = graded
    here, spread = bayes._place(built, fit)
    point = bayes._named(built, here)
    assert np.exp(point["log_slope"]) == pytest.approx(fit.items.slope[:, 0])
    assert point["gap"] == pytest.approx(-np.diff(fit.items.threshold, axis=1)[:, 0])
    assert np.linalg.eigvalsh(spread)[0] > 0
    errors = fit.slope_se[:, 0] / fit.items.slope[:, 0]  # of log slopes; the Hessian and sums of squares agree roughly
    assert np.sqrt(np.diag(spread))[:9] == pytest.approx(errors, rel=0.5)


def test_partial_correlations_have_the_density_of_their_prior():
    """Log LKJ(η) density of Σ with the Jacobian of Σ in z is what the model adds, up to a constant."""
    import pymc as pm

    with pm.Model() as built:
        pm.Deterministic("covariance", bayes._correlations(3, 2.0))
    height, value = built.compile_logp(), built["covariance"]
    cov_of = built.compile_fn(built.replace_rvs_by_values([value])[0], inputs=built.value_vars, point_fn=True)
    row, col = np.tril_indices(3, -1)
    gaps, h = [], 1e-5
    for z in np.random.default_rng(6).normal(0, 0.7, (4, 3)):
        at = cov_of({"partial": z})
        assert bayes._partial(at) == pytest.approx(z)
        jacobian = [
            (cov_of({"partial": z + step}) - cov_of({"partial": z - step}))[row, col] / (2 * h)
            for step in h * np.eye(3)
        ]
        told = np.linalg.slogdet(at)[1] + np.linalg.slogdet(np.array(jacobian))[1]
        gaps.append(float(height({"partial": z})) - told)
    assert gaps == pytest.approx([gaps[0]] * 4, abs=1e-6)


@pytest.mark.slow
def test_posterior_means_agree_with_the_fast_fit(fitted):
    answers, fit = fitted
    draws = bayes.sample(fit.answers(answers), fit, seed=1, prior=PRIOR, draws=300, tune=200)
    size = bayes.az.ess(draws, var_names=["slope", "threshold"])
    for name, mode in (("slope", fit.items.slope), ("threshold", fit.items.threshold)):
        values = draws.posterior[name].to_numpy()
        mean, sd = values.mean((0, 1)), values.std((0, 1))
        # the fit reports modes and the sample means: apart by skewness, at most .26 of an sd in the longer chains of
        # `bench judge`, and by three Monte-Carlo errors
        assert (np.abs(mean - mode) <= (0.3 + 3 / np.sqrt(size[name].to_numpy())) * sd).all()
    assert not [why for why in bayes.faults(draws) if "diverged" in why]


@pytest.mark.slow
def test_a_sample_too_short_is_refused_with_reasons(fitted):
    answers, fit = fitted
    draws = bayes.sample(fit.answers(answers), fit, seed=2, prior=PRIOR, draws=20, tune=20)
    assert any("too few effective draws" in why for why in bayes.faults(draws))
