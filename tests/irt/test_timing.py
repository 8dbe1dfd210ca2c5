"""Times: a person's pace and the minutes of the next answer, judged by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from irt.timing import OMEGA, SIGMA, Pace, expected_minutes, pace, simulate_minutes


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_no_times_leave_the_prior():
    assert pace(np.zeros(0), np.zeros(0)) == Pace(0.0, OMEGA**2)


def test_speed_is_recovered_with_an_honest_error_bar(rng):
    people, items = 4000, 20
    intensity, speed = rng.normal(0.5, 0.4, items), rng.normal(0, OMEGA, people)
    minutes = simulate_minutes(intensity, speed, SIGMA, rng)

    known = [pace(np.log(row), intensity) for row in minutes]

    error = (np.array([k.mean for k in known]) - speed) / np.sqrt([k.variance for k in known])
    assert error.mean() == pytest.approx(0, abs=4 / np.sqrt(people))
    assert error.std() == pytest.approx(1, abs=4 / np.sqrt(2 * people))


def test_speed_is_the_conjugate_answer():
    gap = np.array([0.2, -0.1, 0.4])
    known = pace(-gap, np.zeros(3))
    precision = 1 / OMEGA**2 + 3 / SIGMA**2

    assert known.variance == pytest.approx(1 / precision)
    assert known.mean == pytest.approx(gap.sum() / SIGMA**2 / precision)


def test_the_next_answer_takes_as_long_on_average_as_foretold(rng):
    intensity, known = np.array([-0.5, 0.0, 1.2]), Pace(0.2, 0.04)
    speed = rng.normal(known.mean, np.sqrt(known.variance), 400_000)

    minutes = simulate_minutes(intensity, speed, SIGMA, rng)

    np.testing.assert_allclose(expected_minutes(intensity, known), minutes.mean(0), rtol=0.005)


def test_a_guess_and_an_absence_say_nothing_about_speed():
    usual = np.full(8, 0.1)
    odd = np.concatenate([usual, np.log([0.005, 300.0])])

    assert pace(odd, np.zeros(10)) == pace(usual, np.zeros(8))


def test_an_uncertain_intensity_lengthens_the_expected_minutes():
    sure = expected_minutes(np.zeros(1), Pace())

    assert expected_minutes(np.zeros(1), Pace(), spread=0.5) == pytest.approx(sure * np.exp(0.125))


def test_unequal_noise_weighs_the_times(rng):
    gap = rng.normal(size=2) * 0.3

    sharp = pace(-gap, np.zeros(2), np.array([0.05, 5.0]))

    assert sharp.mean == pytest.approx(gap[0], abs=0.05)


def test_a_missing_time_is_no_time():
    with_hole = pace(np.array([0.1, np.nan]), np.zeros(2))

    assert with_hole == pace(np.array([0.1]), np.zeros(1))


def test_times_that_do_not_fit_the_items_are_refused():
    with pytest.raises(ValueError, match="3 times of 2 items"):
        pace(np.zeros(3), np.zeros(2))
