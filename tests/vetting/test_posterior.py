"""Chains become a scale with their own errors, their draws are kept by name, and large banks are refused."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from irt.mstep import ItemPrior
from vetting.calibration import posterior


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(4)
    theta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 300)
    chance = 1 / (1 + np.exp(-(1.3 * theta[:, np.arange(8) % 2] + rng.normal(0, 0.7, 8))))
    answers = answers_from_table((rng.random(chance.shape) < chance).astype(int))
    return answers, calibrate(answers, design_from_table(np.eye(2)[np.arange(8) % 2]), prior=ItemPrior())


@pytest.fixture(scope="module")
def draws(fitted):
    """Draws made by hand, so that their means and sds are known."""
    _, fit = fitted
    rng = np.random.default_rng(5)
    slope = fit.items.slope * np.exp(0.1 * rng.standard_normal((2, 2000, 8, 1)))
    threshold = fit.items.threshold + 0.2 * rng.standard_normal((2, 2000, 8, 1))
    r = 0.4 + 0.05 * rng.standard_normal((2, 2000))
    one = np.ones_like(r)
    cov = np.stack([np.stack([one, r], -1), np.stack([r, one], -1)], -2)
    given = {"slope": slope, "log_slope": np.log(slope), "threshold": threshold, "covariance": cov}
    stats = {"lp": rng.standard_normal(r.shape), "diverging": np.zeros(r.shape, dtype=bool)}
    return az.from_dict(posterior=given, sample_stats=stats)


def test_the_scale_holds_the_means_and_sds_of_the_draws(fitted, draws):
    answers, fit = fitted
    found = posterior.summarised(fit, draws.posterior, fit.answers(answers))
    assert found.slope_se[:, 0] == pytest.approx(0.1 * fit.items.slope[:, 0], rel=0.06)  # 4,000 draws: 1.1 % each
    assert found.threshold_se[:, 0] == pytest.approx(0.2, rel=0.06)
    assert found.items.threshold == pytest.approx(fit.items.threshold, abs=0.02)
    assert found.covariance[0, 1] == pytest.approx(0.4, abs=0.005)
    variance = np.diagonal(found.item_covariance, axis1=1, axis2=2)
    assert np.sqrt(variance[:, 1]) == pytest.approx(found.threshold_se[:, 0])
    assert found.log_likelihood < fit.log_likelihood + 0.5


def test_draws_are_kept_by_name_and_read_again(fitted, draws, tmp_path):
    _, fit = fitted
    items = [f"q{n}" for n in range(8)]
    file = tmp_path / "scale.draws.nc"
    posterior.keep(posterior.named(draws, fit, items, ["s", "t"]), file)
    again = az.from_netcdf(file).posterior
    assert again["loading"].dims == ("chain", "draw", "item", "skill")
    assert (again["loading"].sel(item="q1", skill="s") == 0).all()
    np.testing.assert_array_equal(again["loading"].sel(item="q1", skill="t"), draws.posterior["slope"][:, :, 1, 0])
    np.testing.assert_array_equal(
        again["correlation"].sel(skill="s", other_skill="t"), draws.posterior["covariance"][:, :, 0, 1]
    )
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_a_folder_that_is_not_there_is_said_and_nothing_is_left(fitted, draws, tmp_path):
    _, fit = fitted
    with pytest.raises(OSError, match="cannot be written"):
        posterior.keep(posterior.named(draws, fit, [f"q{n}" for n in range(8)], ["s", "t"]), tmp_path / "no" / "a.nc")


def test_large_banks_are_refused_with_the_sizes(fitted, monkeypatch):
    answers, fit = fitted
    posterior.refuse_large(fit.answers(answers), fit)
    monkeypatch.setattr(posterior, "MOST_ANSWERS", 1_000)
    with pytest.raises(ValueError, match=r"17 parameters and 2400 answers.*Maybe leave it out"):
        posterior.refuse_large(fit.answers(answers), fit)
