"""What an answer can be expected to tell: the glance at a whole bank against exact integration."""

from __future__ import annotations

import numpy as np
import pytest

from irt.tilt import tilt
from irt.worth import curves, fraction, integrate, outcomes


def some_item(rng):
    """Where the belief stands, and an item, two-level with guessing or five-level."""
    m, v = rng.normal(0, 1.5), rng.uniform(0.02, 6)
    if rng.random() < 0.5:
        return m, v, np.array([rng.normal(0, 2), -np.inf, -np.inf, -np.inf]), rng.uniform(0, 0.35)
    return m, v, np.sort(rng.normal(0, 2, 4))[::-1].copy(), 0.0


@pytest.mark.parametrize("seed", range(4))
def test_the_table_gives_the_share_of_variance_that_integration_gives(seed):
    rng = np.random.default_rng(seed)
    for _ in range(300):
        m, v, threshold, guess = some_item(rng)
        exact = integrate(m, v, threshold, guess)[0]
        assert fraction(m, v, threshold, guess, curves()) == pytest.approx(exact, rel=0.02, abs=2e-4)


def test_a_belief_wider_than_the_table_is_integrated():
    threshold = np.array([0.2])

    assert fraction(0.0, 30.0, threshold, 0.1, curves()) == integrate(0.0, 30.0, threshold, 0.1)[0]


def test_an_item_far_beyond_the_table_tells_nothing():
    assert fraction(0.0, 1.0, np.array([40.0]), 0.0, curves()) < 1e-3
    assert fraction(0.0, 1.0, np.array([-40.0]), 0.2, curves()) < 1e-3


def test_an_expected_share_of_variance_is_what_its_outcomes_leave():
    rng = np.random.default_rng(5)
    for _ in range(100):
        m, v, threshold, guess = some_item(rng)
        chance, _, after = outcomes(m, v, threshold, guess)
        assert 1 - chance @ after / v == pytest.approx(integrate(m, v, threshold, guess)[0], abs=1e-9)


def test_outcomes_are_the_kernels_and_keep_the_mean():
    rng = np.random.default_rng(6)
    for _ in range(50):
        m, v, threshold, guess = some_item(rng)
        chance, mean, after = outcomes(m, v, threshold, guess)
        assert chance.sum() == pytest.approx(1.0)
        assert chance @ mean == pytest.approx(m, abs=1e-9)
        for level in range(1 + np.isfinite(threshold).sum()):
            np.testing.assert_allclose(
                (chance[level], mean[level], after[level]), tilt(m, v, level, threshold, guess), rtol=5e-3, atol=5e-3
            )


def test_information_is_never_negative_nor_more_than_the_answer_can_say():
    rng = np.random.default_rng(7)
    for _ in range(200):
        m, v, threshold, guess = some_item(rng)
        share, information = integrate(m, v, threshold, guess)
        assert 0 <= share < 1
        assert 0 <= information <= np.log(1 + np.isfinite(threshold).sum())
