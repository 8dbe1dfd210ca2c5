import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from assignment.projection import Asks, chance_of_clearing, clearing_each_bar, eligible, project

ASKS = Asks(
    difficulty=np.array([0.0, 0.7]),
    minutes=np.array([40.0, 20.0]),
    review_minutes=np.array([15.0, 10.0]),
    second_minutes=np.array([25.0, 20.0]),
)


def test_acceptance_its_spread_and_rework_are_those_of_a_million_simulated_units():
    rng = np.random.default_rng(1)
    mean, variance = np.array([[0.6, -0.2], [1.5, 0.1]]), np.array([[0.5, 0.05], [1.2, 0.3]])
    found = project(mean, variance, ASKS, np.array([1.0, 0.7]))
    ability = mean + np.sqrt(variance) * rng.standard_normal((1_000_000, 2, 2)) - ASKS.difficulty
    share = norm.cdf(ability)

    assert found.acceptance == pytest.approx(share.mean(axis=0), abs=3e-3)  # 4 standard errors are 1.6e-3
    assert found.acceptance_sd == pytest.approx(share.std(axis=0), abs=2e-3)
    assert found.acceptance_low == pytest.approx(np.quantile(share, 0.05, axis=0), abs=3e-3)
    assert found.acceptance_high == pytest.approx(np.quantile(share, 0.95, axis=0), abs=3e-3)
    assert found.rework == pytest.approx((norm.cdf(ability + 1.0) - share).mean(axis=0), abs=3e-3)


def test_minutes_and_rates_speak_of_the_same_hour():
    found = project(np.zeros((1, 2)), np.full((1, 2), 0.2), ASKS, np.array([0.5]), speed_sd=0.2)

    assert found.submitted * found.minutes == pytest.approx(np.full((1, 2), 60.0))
    assert found.accepted == pytest.approx(found.acceptance * found.submitted)
    assert found.reviews[0, 0] == pytest.approx(60 / 7.5)
    assert np.log(found.minutes_high / found.minutes_low) == pytest.approx(2 * 1.6448536 * 0.2 * np.ones((1, 2)))
    loaded = found.loaded_minutes(ASKS, np.array([1.0, 0.0]), np.array([0.0, 0.0]))
    assert loaded[0, 0] == pytest.approx((found.minutes[0, 0] + 15) / found.acceptance[0, 0])


@given(st.floats(-4, 4), st.floats(0, 4), st.floats(0, 4))
def test_doubt_about_a_strong_expert_lowers_the_forecast(mean, less, more):
    less, more = sorted((less, more))
    sure, doubtful = (
        project(np.full((1, 2), mean), np.full((1, 2), v), ASKS, np.ones(1)).acceptance[0, 0] for v in (less, more)
    )
    assert (sure >= doubtful - 1e-12) if mean >= 0 else (sure <= doubtful + 1e-12)


@pytest.mark.parametrize("correlation", [-0.9, -0.3, 0.0, 0.5, 0.99])
def test_joint_bars_hold_together_for_any_correlation(correlation):
    rng = np.random.default_rng(2)
    sds = np.array([[0.4, 0.6]])
    bars = np.array([[0.2, -0.1]])
    at_the_edge = bars + norm.ppf(0.95) * sds + 1e-9  # the weakest mean that Bonferroni lets in for two bars
    draws = at_the_edge + sds * rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 200_000)

    assert eligible(at_the_edge, sds, bars, joint=True)[0, 0, 0]
    assert not eligible(at_the_edge - 1e-6, sds, bars, joint=True)[0, 0, 0]
    assert np.mean((draws >= bars).all(axis=1)) >= 0.9 - 0.003


def test_a_bar_holds_for_each_skill_and_rises_with_the_role():
    means, sds = np.array([[1.0, 5.0], [2.2, 5.0], [5.0, 0.0]]), np.full((3, 2), 0.5)
    bars = np.array([[0.3, np.nan], [np.nan, np.nan], [np.nan, -0.5]])
    who = eligible(means, sds, bars)

    assert who[:, 0].tolist() == [[True, False, False], [True, True, True], [True, True, True]]
    assert who[:, 1].all()
    assert who[2, 2].tolist() == [False, False, False]  # P(θ >= -0.5) = 0.84
    assert chance_of_clearing(means[2, 1], sds[2, 1], -0.5) == pytest.approx(norm.cdf(1.0))
    assert clearing_each_bar(means, sds, bars).tolist() == [[3, -1], [-1, -1], [-1, 2]]


def test_a_certain_belief_clears_its_bar_or_not():
    assert chance_of_clearing(np.array([1.0, 1.0]), np.zeros(2), np.array([1.0, 1.1])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("mean", "variance", "speed", "words"),
    [
        (np.array([[0.0, np.nan]]), np.ones((1, 2)), np.ones(1), r"mean\[0, 1\] = nan.*Maybe"),
        (np.zeros((1, 2)), np.array([[0.1, -0.1]]), np.ones(1), r"variance\[0, 1\] = -0.1 is negative.*Maybe"),
        (np.zeros((1, 2)), np.ones((1, 2)), np.zeros(1), r"speed\[0\] = 0.*Maybe"),
        (np.zeros((2, 2)), np.ones((1, 2)), np.ones(2), r"variance is \(1, 2\), but must be \(2, 2\).*Maybe"),
    ],
)
def test_a_wrong_belief_is_named_with_its_place(mean, variance, speed, words):
    with pytest.raises(ValueError, match=words):
        project(mean, variance, ASKS, speed)


def test_wrong_asks_and_bars_are_named():
    with pytest.raises(ValueError, match=r"Asks.minutes\[1\] = 0, but a unit takes time. Maybe"):
        Asks(np.zeros(2), np.array([1.0, 0.0]), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="thresholds were exchanged"):
        Asks(np.zeros(1), np.ones(1), np.ones(1), np.ones(1), accepted_from=-2.0)
    with pytest.raises(ValueError, match=r"Maybe bars was given as \(S, Q\)"):
        eligible(np.zeros((2, 3)), np.ones((2, 3)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="in percent"):
        eligible(np.zeros((2, 1)), np.ones((2, 1)), np.zeros((3, 1)), sure=90)
    with pytest.raises(ValueError, match=r"bars\[0, 0\] is infinite"):
        eligible(np.zeros((2, 1)), np.ones((2, 1)), np.full((3, 1), np.inf))
