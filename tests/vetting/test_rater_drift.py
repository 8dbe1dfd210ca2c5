"""A model whose verdicts count is watched: steady it is left in peace, changed it is noticed, and the way is told."""

import numpy as np
import pytest

from irt.model import Items, probability
from vetting.grades.rater_drift import Seen, watch

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


@pytest.mark.parametrize(("shift", "direction"), [(0.0, None), (0.4, "stricter"), (-0.4, "milder")])
def test_a_change_is_noticed_and_told_with_its_direction(shift, direction):
    severity = np.where(np.arange(700) < 500, 0.3, 0.3 + shift)
    found = watch(seen(np.random.default_rng(3), severity), np.repeat(np.arange(700) >= 500, CRITERIA))
    assert (found.steady, found.since, found.direction) == (500, 200, direction)
    if direction:
        assert found.alarm <= 120
        assert f"became {direction} since it counts: noticed after {found.alarm} of 200" in str(found)
    else:
        assert "steady over 200 answers" in str(found)


def test_an_answer_is_later_when_one_of_its_verdicts_is_and_nothing_later_is_nothing_to_watch():
    told = seen(np.random.default_rng(4), np.zeros(310))
    assert watch(told, np.zeros(930, bool)) is None
    later = np.zeros(930, bool)
    later[929] = True
    assert watch(told, later).since == 1
