"""The kernel: one answer against a Gaussian, judged by dense numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irt.model import Items, probability
from irt.tilt import NODES, W, X, tilt

FIVE = [1.8, 0.4, -0.6, -2.0]


def dense(m, v, level, threshold, guess, points=40_001):
    """Moments of P(level | s) N(s; m, v) by the trapezium rule over 12 sds either side."""
    item = Items(np.array([[0]]), np.ones((1, 1)), np.array([threshold], dtype=float), np.array([guess]))
    s = m + np.sqrt(v) * np.linspace(-12, 12, points)
    weight = np.exp(-0.5 * (s - m) ** 2 / v) * probability(s[:, None], item)[:, 0, level]
    z = weight.sum()
    mean = (weight * s).sum() / z
    width = np.sqrt(2 * np.pi * v) / (s[1] - s[0])
    return z / width, mean, (weight * (s - mean) ** 2).sum() / z


@settings(max_examples=150, deadline=None)
@given(
    m=st.floats(-4, 4), v=st.floats(0.01, 400), d=st.floats(-3, 3), guess=st.floats(0, 0.35), level=st.integers(0, 1)
)
def test_moments_of_a_guessable_answer_match_dense_integration(m, v, d, guess, level):
    z, mean, variance = tilt(m, v, level, np.array([d]), guess)
    gold = dense(m, v, level, [d], guess)

    assert z == pytest.approx(gold[0], rel=2e-3)
    assert mean == pytest.approx(gold[1], abs=2e-3 * np.sqrt(v))
    assert variance == pytest.approx(gold[2], rel=1e-2)


@settings(max_examples=100, deadline=None)
@given(m=st.floats(-3, 3), v=st.floats(0.01, 400), level=st.integers(0, 4))
def test_moments_of_a_graded_answer_match_dense_integration(m, v, level):
    z, mean, variance = tilt(m, v, level, np.array(FIVE), 0.0)
    gold = dense(m, v, level, FIVE, 0.0)

    assert z == pytest.approx(gold[0], rel=1e-3)
    assert mean == pytest.approx(gold[1], abs=2e-3 * np.sqrt(v))
    assert variance == pytest.approx(gold[2], rel=1e-2)


def test_at_usual_widths_the_error_is_below_one_in_ten_thousand():
    rng = np.random.default_rng(0)
    for _ in range(200):
        m, v, d, level = rng.normal(), rng.uniform(0.05, 2.5), rng.normal(), int(rng.integers(2))
        ours, gold = tilt(m, v, level, np.array([d]), 0.2), dense(m, v, level, [d], 0.2, 4001)
        np.testing.assert_allclose(ours, gold, rtol=1e-4, atol=1e-4)


def test_the_chances_of_all_levels_add_up_to_one():
    total = sum(tilt(0.4, 2.0, level, np.array(FIVE), 0.0)[0] for level in range(5))

    assert total == pytest.approx(1.0, abs=1e-12)


def test_padding_past_an_items_levels_changes_nothing():
    padded = np.array([0.3, -np.inf, -np.inf])

    assert tilt(0.1, 1.5, 1, padded, 0.2) == tilt(0.1, 1.5, 1, np.array([0.3]), 0.2)
    assert tilt(0.1, 1.5, 0, padded, 0.2) == tilt(0.1, 1.5, 0, np.array([0.3]), 0.2)


def test_a_right_guess_against_the_odds_may_widen_the_belief():
    _, _, wider = tilt(-2.5, 1.0, 1, np.array([0.0]), 0.25)

    assert wider > 1.0


def test_what_is_certain_stays_finite():
    for m in (-800.0, 800.0):
        for level in (0, 1):
            assert np.isfinite(tilt(m, 0.5, level, np.array([0.0]), 0.0)).all()


def test_the_rule_integrates_a_normals_moments():
    assert len(X) == NODES
    assert W.sum() == pytest.approx(1)
    assert [(W * X**power).sum() for power in (1, 2, 3, 4)] == pytest.approx([0, 1, 0, 3], abs=1e-12)
