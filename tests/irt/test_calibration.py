"""A calibration finds the items that made the answers, on paper's figures and on simulated banks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def table(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here: set ASSAY_DATA to the folder of data sets")
    return np.genfromtxt(path, delimiter=",", skip_header=1)


def test_lsat7_agrees_with_the_published_two_parameter_estimates():
    rows = table("mirt_classics/lsat7.csv")
    fit = calibrate(answers_from_table(rows[:, :-1], rows[:, -1]), design_from_table(np.ones((5, 1))))
    np.testing.assert_allclose(fit.items.slope[:, 0], [0.988, 1.081, 1.706, 0.765, 0.736], atol=0.005)
    np.testing.assert_allclose(fit.items.threshold[:, 0], [1.856, 0.808, 1.804, 0.486, 1.855], atol=0.005)
    # standard errors and log-likelihood that mirt's own test suite and manual print
    np.testing.assert_allclose(fit.slope_se[:, 0], [0.177, 0.169, 0.321, 0.134, 0.151], rtol=0.03)
    assert fit.log_likelihood == pytest.approx(-2658.805, abs=0.01)
