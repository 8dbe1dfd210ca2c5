"""A rater watched answer by answer, three criteria each: a drift of .3 sd is found soon, a steady one left in peace."""

import numpy as np
import pytest

from irt.rater_watch import by_answer, drift_by_answer

CUTS = np.array([1.2, 0.4, -0.4, -1.2])
GRID = np.linspace(-4, 4, 81)
PHI, PERSON, EFFECT = 2.5, 0.3, 0.5  # the rater's sharpness; what is not known of the person, and of the answer
CRITERIA = 3
SHARED, MASS = np.polynomial.hermite_e.hermegauss(9)
BATCH = 2_000


def chances(quality, severity):
    reach = 1 / (1 + np.exp(-PHI * (quality[..., None] - severity + CUTS)))
    ends = np.ones((*reach.shape[:-1], 1))
    return np.concatenate([ends, reach], axis=-1) - np.concatenate([reach, 0 * ends], axis=-1)


def drawn(rng, p):
    return (rng.random((*p.shape[:-1], 1)) > np.cumsum(p, axis=-1)[..., :-1]).sum(axis=-1)


def watched(rng, answers, shift):
    """(stricter, milder) sums of answers by people measured elsewhere, whose criteria share an effect of the answer.

    One other rater as sharp has graded each criterion; the belief is what its grades on that answer and the person's
    profile say.
    """
    parts = [part(rng, BATCH, shift) for _ in range(-(-answers // BATCH))]
    return tuple(np.concatenate(side)[:answers] for side in zip(*parts, strict=True))


def part(rng, answers, shift):
    known = rng.normal(0, (1 - PERSON**2 - EFFECT**2) ** 0.5, (answers, 1))
    quality = known + PERSON * rng.normal(size=(answers, CRITERIA)) + EFFECT * rng.normal(size=(answers, 1))
    other = drawn(rng, chances(quality, 0.0))
    own = np.exp(-0.5 * (GRID - known[..., None] - EFFECT * SHARED[:, None]) ** 2 / PERSON**2)  # given the effect
    own /= own.sum(axis=-1, keepdims=True)
    said = chances(GRID, 0.0).T[other]
    like = said @ own.transpose(0, 2, 1)  # (answers, criteria, effects)
    weight = MASS * like.prod(axis=1)
    belief = said * ((weight / weight.sum(axis=1, keepdims=True))[:, None] / like @ own)
    p, up, down = (belief @ chances(GRID, severity) for severity in (0.0, 0.3, -0.3))
    level = drawn(rng, chances(quality, shift)).ravel()
    answer = np.repeat(np.arange(answers), CRITERIA)
    return tuple(by_answer(answer, level, (np.log(side) - np.log(p)).reshape(-1, 5)) for side in (up, down))


def first_alarms(limit, up, down):
    """Answers to each alarm, the chart begun anew after it."""
    runs, high, low, since = [], 0.0, 0.0, 0
    for one, two in zip(up, down, strict=True):
        high, low, since = max(0.0, high + one), max(0.0, low + two), since + 1
        if max(high, low) > limit:
            runs.append(since)
            high, low, since = 0.0, 0.0, 0
    return np.array(runs)


def test_a_drift_is_found_within_a_hundred_answers_and_a_steady_rater_is_hardly_ever_accused():
    rng = np.random.default_rng(30)
    moved, calm = watched(rng, 30_000, 0.3), watched(rng, 60_000, 0.0)
    found, accused = [], 0
    for _ in range(6):
        limit = drift_by_answer(watched(rng, 400, 0.0), calm).limit
        found.append(first_alarms(limit, *moved))
        accused += len(first_alarms(limit, *calm))
    delays = np.concatenate(found)
    assert np.median(delays) <= 50
    assert np.mean(delays <= 100) >= 0.945
    assert accused <= 36 + 3 * 36**0.5  # one in 10,000, and three standard errors


def test_sums_are_taken_by_answer_in_the_order_they_came():
    ratio = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 4.0]])
    assert by_answer(np.array([7, 3, 7]), np.array([1, 1, 1]), ratio).tolist() == [5.0, 2.0]


def test_too_short_a_history_is_refused():
    with pytest.raises(ValueError, match="299 answers from the calibration"):
        drift_by_answer((np.zeros(299), np.zeros(299)), (np.zeros(5), np.zeros(5)))
