"""Calibration of a panel's word: what is too sure is mended from grades that were seen, what is right stays."""

import numpy as np
import pytest
from scipy.special import expit

from irt.rater_cells import Ratings
from vetting.agreement.rating_baselines import Told, compare, losses, mended, votes
from vetting.agreement.rating_table import RatingTable

CUTS = np.array([1.0, -1.0])
LEVELS = np.array([3, 2])  # the second criterion has two levels


def chances(z, criterion):
    reach = expit(z[:, None] + CUTS)
    reach[criterion == 1, 1] = 0.0
    ends = np.ones((len(z), 1))
    return np.concatenate([ends, reach], axis=1) - np.concatenate([reach, 0 * ends], axis=1)


@pytest.mark.parametrize("too_sure", [1.0, 3.0])
def test_a_panel_that_is_too_sure_is_mended_and_one_that_is_right_is_left_as_it_is(too_sure):
    rng = np.random.default_rng(1)
    z, criterion = rng.normal(0, 1.5, 3000), rng.integers(2, size=3000)
    true = chances(z, criterion)
    level = (rng.random((3000, 1)) > np.cumsum(true, axis=1)).sum(1)
    said = Told(chances(too_sure * z, criterion), rng.normal(size=3000), criterion)
    past, now = (Told(*(part[half] for part in said)) for half in (slice(0, 1500), slice(1500, None)))
    p = mended(past, level[:1500], now, LEVELS)
    assert np.allclose(p.sum(1), 1)
    assert (p[criterion[1500:] == 1, 2] == 0).all()
    late = level[1500:]
    worst = losses(late, now.p).mean()
    best = losses(late, true[1500:]).mean()
    assert losses(late, p).mean() - best < 0.006  # about 8 numbers learnt from 1500 grades: 8 / 3000 and its noise
    assert (too_sure == 1.0) or worst - best > 0.1


def test_knowing_who_grades_foretells_better_than_the_average_where_raters_differ():
    rng = np.random.default_rng(2)
    quality, severity = rng.normal(size=120), np.array([-1.0, 0.0, 1.0])
    level = (rng.random((120, 3, 1)) < expit(2.5 * (quality[:, None, None] - severity[:, None] + CUTS))).sum(-1)
    answer, rater = np.indices(level.shape).reshape(2, -1)
    rows = Ratings(answer, 0 * answer, rater, level[answer, rater], np.array([3]), 120, 3, np.ones(360))
    names = tuple(str(n) for n in range(120))
    told = compare(RatingTable(rows, names, ("",), ("x", "y", "z"), ((0, 1, 2),)), 0.5, 1)
    loss = {one.rule: one.log_loss for one in told.all}
    assert set(loss) == {
        "corrected", "corrected, known grader", "raw votes", "raw average", "calibrated", "calibrated, known grader",
    }  # fmt: skip
    assert loss["corrected, known grader"] < loss["raw average"] - 0.1
    assert loss["calibrated, known grader"] < loss["raw average"] - 0.1
    assert told.gain == pytest.approx(loss["raw average"] - loss["calibrated"])


def test_votes_are_the_panels_grades_and_one_of_its_usual_spread():
    answer, rater, level = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1]), np.array([2, 2, 1, 0, 0])
    known = Ratings(answer, 0 * answer, rater, level, np.array([3]), 2, 3, np.ones(5))
    hidden = Ratings(
        np.array([1, 0]), np.zeros(2, int), np.array([2, 2]), np.array([0, 2]), np.array([3]), 2, 3, np.ones(2)
    )
    assert votes(known, hidden) == pytest.approx(np.array([[2.4, 0.2, 0.4], [0.4, 1.2, 2.4]]) / np.array([[3], [4]]))
