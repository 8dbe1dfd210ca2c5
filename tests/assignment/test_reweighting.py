"""Weights of a queue come back from simulated outcomes, with errors that hold; few outcomes leave them as stated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import binom, chi2

from assignment.pooling import FIT, observed
from assignment.reweighting import SHIFT, SPREAD, reweigh

NOBODY = np.zeros((0, 3))


def people_of(rng, count, skills, vague):
    """True skills and what vetting believes of them."""
    theta = rng.multivariate_normal(np.zeros(skills), 0.4 + 0.6 * np.eye(skills), count)
    spread = np.broadcast_to(vague**2 * np.eye(skills), (count, skills, skills))
    gain = np.linalg.solve(0.4 + 0.6 * np.eye(skills) + vague**2 * np.eye(skills), 0.4 + 0.6 * np.eye(skills))
    seen = theta + vague * rng.standard_normal(theta.shape)
    return theta, seen @ gain, spread @ gain


def worked(rng, count, true, shift=0.0, *, units=30, vague=0.4):
    """Counts of simulated units turned into observations, around what is believed, as the product does."""
    theta, mean, cov = people_of(rng, count, len(true), vague)
    x = theta @ true + shift * -1.0 + FIT * rng.standard_normal(count)
    y = x[:, None] + rng.standard_normal((count, units))
    counts = np.stack([(y < -1).sum(1), ((y >= -1) & (y < 0)).sum(1), (y >= 0).sum(1)], axis=1).astype(float)
    told = np.array([observed(c, 0.0, float(m @ true)) for c, m in zip(counts, mean, strict=True)])
    return told[:, 0], told[:, 1], mean, cov


def test_without_outcomes_weights_are_the_stated_ones_and_errors_the_priors():
    stated = np.array([2.0, 1.0, 1.0])
    found = reweigh(np.zeros(0), np.zeros(0), NOBODY, np.zeros((0, 3, 3)), stated)
    assert found.weights == pytest.approx([0.5, 0.25, 0.25])
    turn = np.diag(found.weights) - np.outer(found.weights, found.weights)
    assert found.cov == pytest.approx(SPREAD**2 * turn @ turn)
    assert (found.shift, found.shift_sd) == (pytest.approx(0.0), pytest.approx(SHIFT))


def test_weights_come_back_from_many_outcomes(rng):
    true = np.array([0.6, 0.3, 0.1])
    found = reweigh(*worked(rng, 2000, true, 0.3, units=40), np.ones(3))
    assert found.weights == pytest.approx(true, abs=4 * found.sds.max())
    assert found.sds.max() < 0.03
    assert found.shift == pytest.approx(-0.3, abs=0.05)
    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights > 0).all()


def test_errors_hold_for_worlds_drawn_from_the_prior():
    """Misses over stated errors, whitened: chi-square; 90 % intervals of single weights hold nine times in ten."""
    rng = np.random.default_rng(7)
    stated, worlds, squares, held = np.array([0.5, 0.3, 0.2]), 150, [], 0
    for _ in range(worlds):
        log = np.log(stated) + SPREAD * rng.standard_normal(3)
        true = np.exp(log) / np.exp(log).sum()
        found = reweigh(*worked(rng, 40, true, SHIFT * rng.standard_normal(), units=25), stated)
        miss = (found.weights - true)[:2]
        squares.append(miss @ np.linalg.solve(found.cov[:2, :2], miss))
        held += int(abs(miss[0]) < 1.645 * found.sds[0])
    low, high = chi2.ppf([0.001, 0.999], 2 * worlds) / worlds
    assert low < np.mean(squares) < high
    assert binom.ppf(0.001, worlds, 0.9) <= held <= binom.ppf(0.999, worlds, 0.9)


def test_learnt_weights_are_nearer_the_truth_than_stated_ones():
    rng = np.random.default_rng(8)
    stated, before, after = np.array([0.5, 0.3, 0.2]), [], []
    for _ in range(40):
        log = np.log(stated) + SPREAD * rng.standard_normal(3)
        true = np.exp(log) / np.exp(log).sum()
        found = reweigh(*worked(rng, 120, true, units=25), stated)
        before.append(np.square(stated - true).sum())
        after.append(np.square(found.weights - true).sum())
    assert np.mean(after) < 0.6 * np.mean(before)


def test_a_doubtful_skill_is_not_drawn_towards_nothing(rng):
    """Berkson's error: two skills weigh the same, one is vaguely known; neither loses."""
    theta, mean, cov = people_of(rng, 3000, 2, 0.1)
    rough = np.array([0.1, 0.9])
    seen = theta + rough * rng.standard_normal(theta.shape)
    prior = 0.4 + 0.6 * np.eye(2)
    gain = prior @ np.linalg.inv(prior + np.diag(rough**2))
    mean, cov = seen @ gain.T, np.broadcast_to(prior - gain @ prior, (3000, 2, 2))
    value = theta @ np.array([0.5, 0.5]) + np.sqrt(FIT**2 + 0.05) * rng.standard_normal(3000)
    found = reweigh(value, np.full(3000, 0.05), mean, cov, np.array([1.0, 1.0]))
    assert found.weights == pytest.approx([0.5, 0.5], abs=4 * found.sds[0])
    assert found.sds[0] < 0.05


def test_the_mode_is_where_the_slope_is_zero(rng):
    """Against a plain numerical derivative of the posterior written out anew."""
    value, noise, mean, cov = worked(rng, 30, np.array([0.7, 0.3]))
    stated = np.array([0.4, 0.6])
    found = reweigh(value, noise, mean, cov, stated)

    def loss(at):
        w = stated * np.exp(at[:2])
        w /= w.sum()
        v = noise + FIT**2 + np.array([w @ c @ w for c in cov])
        misses = (value - mean @ w - at[2]) ** 2 / v + np.log(v)
        return 0.5 * (misses.sum() + (at[:2] ** 2).sum() / SPREAD**2 + at[2] ** 2 / SHIFT**2)

    log = np.log(found.weights / stated)
    at = np.append(log - log.mean(), found.shift)  # the prior puts the mean of the changes at 0
    assert approx_fprime(at, loss, 1e-6) == pytest.approx(np.zeros(3), abs=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stated": np.array([1.0, 0.0])}, "positive"),
        ({"noise": np.array([np.inf])}, "no number"),
        ({"mean": np.zeros((2, 2))}, "Maybe a row"),
    ],
)
def test_what_cannot_be_right_is_refused(change, said):
    sound = {"value": np.zeros(1), "noise": np.ones(1), "mean": np.zeros((1, 2)), "cov": np.zeros((1, 2, 2)),
             "stated": np.ones(2)}  # fmt: skip
    with pytest.raises(ValueError, match=said):
        reweigh(**(sound | change))
