"""A calibration against a model of its own in PyMC: the same mode, and means within Monte-Carlo error."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from benchmarks import judge
from benchmarks.calibration import Workload, simulate
from irt.calibration import calibrate


@pytest.fixture(scope="module")
def truth():
    return simulate(Workload(3, 12, 150), np.random.default_rng(2))


@pytest.fixture(scope="module")
def height(truth):
    return judge.tangent(truth)


def test_the_gradient_given_to_the_optimiser_is_that_of_the_density(height):
    x = np.concatenate([np.full(12, 0.2), np.linspace(-1, 1, 12), [0.5, 0.4, 0.6]])
    _, slope = height(x)
    for n in (0, 13, 25):
        step = 1e-4 * (np.arange(27) == n)
        assert slope[n] == pytest.approx((height(x + step)[0] - height(x - step)[0]) / 2e-4, abs=1e-4)


def test_the_exact_calibration_is_the_mode_that_pymc_finds(truth, height):
    fit = judge.of_fit(calibrate(truth.answers, truth.design, prior=judge.PRIOR, exact=True))
    mode = judge.climbed(height, fit - 0.1)
    sd = np.sqrt(np.diag(np.linalg.inv(judge.curvature(height, mode))))
    assert np.abs((fit - mode) / sd).max() < 0.01  # the calibration's own tolerance is .001 of an error


def test_four_answers_a_skill_leave_expectation_propagation_within_a_quarter_of_an_error(truth, height):
    near = judge.of_fit(calibrate(truth.answers, truth.design, prior=judge.PRIOR))
    mode = judge.climbed(height, near)
    sd = np.sqrt(np.diag(np.linalg.inv(judge.curvature(height, mode))))
    assert np.abs((near - mode) / sd).max() < 0.25


@pytest.mark.slow
def test_every_mean_is_within_three_monte_carlo_errors_and_five_percent():
    chosen = argparse.Namespace(items=12, people=150, seed=2, draws=200, tune=200, chains=2, engine=False)
    found = judge.run(chosen)
    assert found["r-hat, worst"] < 1.05
    assert found["comparisons"]["exact: mode against the judge's mode"]["of sd"] == 27
    assert found["comparisons"]["exact: moved to the mean, against it"]["of value"] >= 26
