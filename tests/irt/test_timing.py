"""Times: a person's pace and the minutes of the next answer, judged by simulation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from irt.timing import OMEGA, SIGMA, Pace, expected_minutes, fit_times, pace, simulate_minutes


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


def test_a_persons_pace_is_what_is_left_after_the_overhead():
    work = np.array([0.3, -0.4, 0.9])

    slower = pace(np.log(np.exp(work) + 0.2), np.zeros(3), omega=0.5, overhead=0.2)

    assert slower.mean == pytest.approx(pace(work, np.zeros(3), omega=0.5).mean)
    assert pace(np.log([0.1]), np.zeros(1), overhead=0.2) == Pace()


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


# -- from recorded seconds ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Clocked:
    """Times with known truth: 30 questions a person out of 80."""

    intensity: np.ndarray
    sigma: np.ndarray
    speed: np.ndarray
    person: np.ndarray
    item: np.ndarray
    minutes: np.ndarray
    kind: np.ndarray  # 0 work, 1 rapid guess, 2 absence


def clocked(rng, *, people=500, items=80, overhead=0.0, guesses=0.0, absences=0.0):
    intensity, sigma = rng.normal(np.log(1.2), 0.5, items), np.exp(rng.normal(np.log(0.4), 0.2, items))
    speed = rng.normal(0, OMEGA, people)
    person = np.repeat(np.arange(people), 30)
    item = np.concatenate([rng.choice(items, 30, replace=False) for _ in range(people)])
    log_work = intensity[item] - speed[person] + sigma[item] * rng.standard_normal(len(item))
    work = overhead + np.exp(log_work)
    kind = rng.choice(3, len(item), p=[1 - guesses - absences, guesses, absences])
    guess = np.exp(rng.normal(np.log(4 / 60), 0.4, len(item)))
    away = work * np.exp(rng.normal(np.log(20), 0.8, len(item)))
    return Clocked(intensity, sigma, speed, person, item, np.choose(kind, [work, guess, away]), kind)


def fitted(seen):
    return fit_times(seen.person, seen.item, seen.minutes, len(seen.speed), len(seen.intensity))


def rms(error):
    return np.sqrt(np.mean(error**2))


@pytest.mark.parametrize(("guesses", "absences"), [(0.0, 0.0), (0.1, 0.03)])
def test_times_are_calibrated_from_minutes_with_guesses_and_absences_among_them(guesses, absences, rng):
    seen = clocked(rng, guesses=guesses, absences=absences)
    known = fitted(seen)

    assert known.settled
    # about 190 times an item with noise .4: standard error .03; people's mean pace adds .3 / sqrt(500) = .013
    assert rms(known.intensity - seen.intensity) < 0.055
    assert rms(known.sigma - seen.sigma) < 0.04
    assert rms(known.speed - seen.speed) < 0.09  # 30 times with noise .4
    assert known.omega == pytest.approx(OMEGA, abs=0.03)
    assert known.share[1] == pytest.approx(guesses, abs=0.01)
    assert known.share[2] == pytest.approx(absences, abs=0.01)


def test_guesses_are_told_from_work(rng):
    seen = clocked(rng, guesses=0.1, absences=0.03)
    work = fitted(seen).work

    assert (work[seen.kind == 1] < 0.5).mean() > 0.95
    assert (work[seen.kind == 0] > 0.5).mean() > 0.99


def test_averaging_guesses_in_would_have_been_wrong(rng):
    seen = clocked(rng, guesses=0.1)
    plain = np.bincount(seen.item, np.log(seen.minutes), 80) / np.bincount(seen.item, minlength=80)

    assert rms(plain - seen.intensity) > 3 * rms(fitted(seen).intensity - seen.intensity)


@pytest.mark.parametrize("overhead", [0.0, 0.12])
def test_the_overhead_of_a_question_is_found(overhead, rng):
    seen = clocked(rng, overhead=overhead)

    assert fitted(seen).overhead == pytest.approx(overhead, abs=0.03)


def test_expected_minutes_from_a_calibration_are_what_people_take(rng):
    seen = clocked(rng, overhead=0.1)
    known = fitted(seen)
    foretold = expected_minutes(
        known.intensity, Pace(0.0, known.omega**2), known.sigma, known.intensity_sd, known.overhead
    )

    taken = np.bincount(seen.item, seen.minutes, 80) / np.bincount(seen.item, minlength=80)
    assert foretold.mean() == pytest.approx(taken.mean(), rel=0.03)


def test_an_item_without_times_is_like_the_others(rng):
    seen = clocked(rng)
    known = fit_times(seen.person, seen.item, np.where(seen.item == 7, np.nan, seen.minutes), 500, 81)

    assert known.intensity[[7, 80]] == pytest.approx(known.middle, abs=1e-3)
    assert known.intensity_sd[7] == pytest.approx(known.spread, rel=0.01)
    assert np.isnan(known.work[seen.item == 7]).all()


def test_the_order_of_times_does_not_matter(rng):
    seen = clocked(rng, people=100, guesses=0.05)
    turn = rng.permutation(len(seen.item))
    turned = replace(seen, person=seen.person[turn], item=seen.item[turn], minutes=seen.minutes[turn])

    np.testing.assert_allclose(fitted(turned).intensity, fitted(seen).intensity, atol=1e-6)


@pytest.mark.parametrize(
    ("minutes", "item", "words"),
    [
        ([1.0, 0.0], [0, 1], "row 1 took 0.0 minutes"),
        ([1.0, -2.0], [0, 1], "row 1"),
        ([np.inf, 1.0], [0, 1], "row 0"),
        ([np.nan, 1.0], [0, 1], "fewer than two"),
        ([1.0, 1.0], [0, 2], "not among"),
        ([1.0], [0, 1], "must match"),
    ],
)
def test_times_that_cannot_be_are_refused_in_words(minutes, item, words):
    with pytest.raises(ValueError, match=words):
        fit_times(np.array([0, 1]), np.array(item), np.array(minutes), 2, 2)
