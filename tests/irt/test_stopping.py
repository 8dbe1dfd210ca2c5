"""When to stop: judged by closed forms, by simulation of the decision, and by what must be monotone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from irt.stopping import undecided, worth_continuing


def test_a_free_minute_is_always_worth_spending_and_a_dear_one_never():
    assert worth_continuing(0.1, 0.4, 0.05, 1.0, 0.0) > 0
    assert worth_continuing(0.1, 0.4, 0.05, 1.0, 10.0) <= 0


def test_an_answer_that_tells_nothing_is_not_worth_its_price():
    assert worth_continuing(0.1, 0.4, 0.0, 2.0, 0.01) == pytest.approx(-0.02)
    assert worth_continuing(0.1, 0.0, 0.0, 2.0, 0.01) < 0


def test_the_nearer_the_bar_the_more_is_a_minute_worth():
    values = [worth_continuing(gap, 0.3, 0.03, 1.0, 0.001) for gap in (0.0, 0.2, 0.5, 1.0, 3.0)]

    assert (np.diff(values) <= 0).all()
    assert values[0] > values[2] > values[-1] == 0


def test_the_dearer_a_minute_the_less_is_it_worth():
    values = [worth_continuing(0.2, 0.5, 0.03, 1.0, price) for price in np.geomspace(1e-9, 1, 60)]

    assert (np.diff(values) <= 1e-4).all()


@pytest.mark.parametrize("gap", [0.0, 0.4, 1.5])
def test_free_minutes_are_worth_what_knowing_the_truth_is(gap):
    """E[max(t, 0)] - max(m, 0) for t ~ N(-gap, V)."""
    sd = np.sqrt(0.7)
    perfect = sd * (norm.pdf(gap / sd) - gap / sd * norm.cdf(-gap / sd))

    assert worth_continuing(gap, 0.7, 0.05, 1.0, 0.0) == pytest.approx(perfect, rel=1e-9)
    assert worth_continuing(gap, 0.7, 0.05, 1.0, 1e-8) == pytest.approx(perfect, rel=0.01)


def test_one_item_too_weak_to_turn_the_decision_may_still_be_worth_asking():
    gap, variance, fall, price = 0.3, 0.3, 0.01, 1e-4
    sd = np.sqrt(fall)
    at_once = sd * (norm.pdf(gap / sd) - gap / sd * norm.cdf(-gap / sd)) - price

    assert at_once < 0
    assert worth_continuing(gap, variance, fall, 1.0, price) > 0


def play(gap, variance, rate, price, going_on, rng, people=20_000):
    """Net value over stopping at once, of asking minute by minute while going_on(gap, variance)."""
    mean, left = np.full(people, -gap), variance
    truth = mean + np.sqrt(variance) * rng.standard_normal(people)
    net, playing = np.zeros(people), np.ones(people, dtype=bool)
    for _ in range(400):
        gaps = np.linspace(0, 3, 301)
        boundary = gaps[np.argmin([going_on(g, left) for g in gaps])]  # the first gap at which one stops
        playing &= np.abs(mean) < boundary
        if not playing.any():
            break
        seen = truth[playing] + rng.standard_normal(playing.sum()) / np.sqrt(rate)
        after = 1 / (1 / left + rate)
        mean[playing] += after * rate * (seen - mean[playing])
        net[playing] -= price
        left = after
    return (net + np.where(mean > 0, truth, 0.0)).mean() - max(-gap, 0.0)


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_what_going_on_is_said_to_be_worth_is_what_people_who_go_on_get(gap):
    variance, rate, price = 1.0, 0.15, 0.004
    rng = np.random.default_rng(3)

    def fall(v):
        return v - 1 / (1 / v + rate)

    def rule(g, v):
        return worth_continuing(g, v, fall(v), 1.0, price) > 0

    got = play(gap, variance, rate, price, rule, rng)

    # standard error .004; asking in whole minutes can only lose a little against the continuous problem
    assert got == pytest.approx(worth_continuing(gap, variance, fall(variance), 1.0, price), abs=0.015)


def test_no_fixed_length_does_better():
    variance, rate, price, gap = 1.0, 0.15, 0.004, 0.5
    rng = np.random.default_rng(4)

    def after(minutes):
        sd = np.sqrt(variance - variance / (1 + rate * variance * minutes))
        return sd * (norm.pdf(gap / sd) - gap / sd * norm.cdf(-gap / sd)) - price * minutes

    best = max(after(minutes) for minutes in range(1, 200))
    got = play(
        gap, variance, rate, price, lambda g, v: worth_continuing(g, v, v - 1 / (1 / v + rate), 1.0, price) > 0, rng
    )

    assert got > best


# -- several bars ----------------------------------------------------------------------------------


def test_one_bar_is_worth_what_it_is_alone():
    one = undecided(np.array([-0.3]), np.array([0.4]), np.array([0.05]), np.array([1.0]), 2.0, 0.001)
    assert one == pytest.approx(worth_continuing(0.3, 0.4, 0.05, 2.0, 0.001))


def test_a_bar_on_which_nothing_hangs_is_not_worth_a_minute():
    gap, variance, fall = np.array([0.1, -3.0]), np.array([0.3, 0.1]), np.array([0.05, 0.01])
    assert undecided(gap, variance, fall, np.array([1e-12, 0.6]), 1.0, 0.0005) <= 0
    assert undecided(gap, variance, fall, np.array([0.9, 0.6]), 1.0, 0.0005) > 0


def test_the_surer_that_all_other_bars_are_met_the_more_is_a_minute_worth():
    worth = [
        undecided(np.array([0.2]), np.array([0.3]), np.array([0.04]), np.array([hangs]), 1.0, 0.001)
        for hangs in (0.05, 0.2, 0.5, 1.0)
    ]
    assert (np.diff(worth) > 0).all()
