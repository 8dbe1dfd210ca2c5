"""What is steady in a rater is read with its limit: what is not known of its severity makes the limit higher."""

import numpy as np
import pytest

from irt.model import Items, probability
from irt.rater_watch import FEWEST_STEADY, SHIFT, cusum, least_shift, limit_by_answer
from vetting.grades.rater_drift import Seen, steadiness, sums

STEEP, CRITERIA = 3.0, 3
DOUBT = 0.5  # sd of quality that is not known, half of its variance the answer's


def seen(rng, severity):
    """Verdicts on answers, each by a rater as strict as `severity` (answers,) says."""
    n = len(severity) * CRITERIA
    items = Items(np.zeros((n, 1), int), np.full((n, 1), STEEP), np.tile([3.0, 1.0, -1.0, -3.0], (n, 1)), np.zeros(n))
    mean = rng.normal(size=n)
    unknown = (rng.normal(size=n) + np.repeat(rng.normal(size=len(severity)), CRITERIA)) * DOUBT * 0.5**0.5
    p = probability(STEEP * (mean + unknown - np.repeat(severity, CRITERIA)), items)
    level = (rng.random((n, 1)) > np.cumsum(p, axis=1)).sum(1)
    answer = np.repeat(np.arange(len(severity)), CRITERIA)
    return Seen(level, items, STEEP * mean, np.full(n, (STEEP * DOUBT) ** 2), answer)


def test_a_change_carries_its_own_chart_beyond_the_limit_and_a_steady_rater_stays_below():
    rng = np.random.default_rng(3)
    told = steadiness(seen(rng, np.full(500, 0.3)))
    assert told.answers == 500
    assert abs(told.found.severity - 0.3) < 3 * told.found.severity_se
    for shift, crossed in ((0.0, [False, False]), (0.4, [True, False]), (-0.4, [False, True])):
        paths = [cusum(side)[:150] for side in sums(told.found, seen(rng, np.full(150, 0.3 + shift)), told.shift)]
        assert [bool((path > told.limit).any()) for path in paths] == crossed


def test_what_is_not_known_of_severity_makes_the_limit_higher():
    rng = np.random.default_rng(4)
    step = rng.normal(size=FEWEST_STEADY)
    steady = (0.3 * step - 0.045, -0.3 * step - 0.045)
    limits = [limit_by_answer(steady, doubt=doubt) for doubt in (0.0, 0.02, 0.05)]
    assert limits == sorted(limits)
    assert limits[2] > limits[0] + 1
    assert [least_shift(doubt) for doubt in (0.0, 0.05, 0.1)] == pytest.approx([SHIFT, SHIFT, 2 * SHIFT])


@pytest.mark.parametrize("answers", [1, FEWEST_STEADY - 1])
def test_few_answers_tell_nothing_steady(answers):
    assert steadiness(seen(np.random.default_rng(5), np.zeros(answers))) is None
