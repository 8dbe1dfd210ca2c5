"""Reviewers are read as they are: severity and slips come back from simulated verdicts, with errors that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chi2

from assignment.pooling import SLIP, observed, slips
from assignment.reviewing import NOBODY, SEVERITY, USUAL, VERDICTS, levels_seen, read

MAKERS, UNITS = 24, 10


def level_of(y):
    return (y >= -1.0).astype(int) + (y >= 0.0)


def written(level, slip, rng):
    """Levels as somebody writes them down."""
    chance = slips(np.broadcast_to(slip, level.shape))[np.arange(len(level)), level].cumsum(axis=-1)
    return (rng.random(len(level))[:, None] > chance).sum(axis=-1)


def shift(rng, severity, slip, *, makers=MAKERS, units=UNITS, seconds=0.5, vague=0.3):
    """One reviewer's verdicts: anchors, groups, verdicts, others' verdicts on some of the units."""
    mean = rng.normal(0.5, 0.5, makers)
    x = mean + vague * rng.standard_normal(makers)
    group = np.repeat(np.arange(makers), units)
    y = x[group] + rng.standard_normal(len(group))
    other = np.where(rng.random(len(group)) < seconds, written(level_of(y), SLIP, rng), NOBODY)
    return mean, np.full(makers, vague**2), group, written(level_of(y - severity), slip, rng), other


def test_without_verdicts_a_reviewer_is_usual():
    none = np.zeros(0, dtype=np.intp)
    assert read(np.zeros(1), np.ones(1), none, none, none) == USUAL
    assert (USUAL.severity_sd, USUAL.slip) == (SEVERITY, SLIP)


def test_levels_of_a_unit_and_of_what_a_reviewer_sees_add_up(rng):
    """Marginals are those of the probit, and a strict reviewer never sees a higher level than there is."""
    x, severity = rng.normal(0, 1, 7), np.array([-0.4, 0.0, 0.3])
    both = levels_seen(x, severity)
    assert both.sum(axis=(2, 3)) == pytest.approx(np.ones((3, 7)))
    drawn = x[:, None] + rng.standard_normal((7, 40_000))
    for n, sigma in enumerate(severity):
        for k in range(3):
            for j in range(3):
                share = ((level_of(drawn) == k) & (level_of(drawn - sigma) == j)).mean(axis=1)
                assert both[n, :, k, j] == pytest.approx(share, abs=5 * 0.5 / 200)
    assert both[2][:, 0, 1:].max() == both[2][:, 1, 2].max() == 0.0
    assert both[0][:, 2, :2].max() == both[0][:, 1, 0].max() == 0.0


def test_severities_and_slips_come_back_with_errors_that_hold(rng):
    """Reviewers drawn from the prior: misses over stated errors have variance 1; 90 % intervals hold nine in ten."""
    people = 120
    severity = SEVERITY * rng.standard_normal(people)
    slip = rng.beta(VERDICTS * SLIP, VERDICTS * (1 - SLIP), people)
    found = [read(*shift(rng, *one)) for one in zip(severity, slip, strict=True)]
    miss = np.array([(one.severity - s) / one.severity_sd for one, s in zip(found, severity, strict=True)])
    low, high = chi2.ppf([0.0005, 0.9995], people) / people
    assert low < np.mean(miss**2) < high
    held = (np.abs(miss) < 1.645).sum()
    assert binom.ppf(0.0005, people, 0.9) <= held <= binom.ppf(0.9995, people, 0.9)
    told = np.array([[one.severity, one.slip] for one in found])
    assert np.corrcoef(told[:, 0], severity)[0, 1] > 0.75
    assert np.corrcoef(told[:, 1], slip)[0, 1] > 0.5
    assert np.mean((told[:, 1] - slip) ** 2) < 0.75 * np.var(slip)
    assert np.mean((told[:, 0] - severity) ** 2) < 0.45 * SEVERITY**2
    assert np.mean([(one.slip - s) ** 2 / one.slip_sd**2 for one, s in zip(found, slip, strict=True)]) < high + 0.2


def test_more_verdicts_say_more_and_few_leave_a_reviewer_usual(rng):
    few, many = (read(*shift(rng, 0.4, 0.2, makers=makers)) for makers in (2, 80))
    assert many.severity_sd < few.severity_sd < SEVERITY
    assert abs(few.severity) < abs(many.severity) == pytest.approx(0.4, abs=4 * many.severity_sd)
    assert abs(few.slip - SLIP) < abs(many.slip - SLIP)
    assert many.slip == pytest.approx(0.2, abs=4 * many.slip_sd)


def test_people_are_judged_more_truly_when_their_judges_are_known(rng):
    """Two makers in three judged by a strict and careless reviewer, the others by a lenient one.

    With reviewers read from their verdicts the error of what outcomes say of people falls; read as they truly are it
    falls a little further.
    """
    severity, slip = np.array([0.5, -0.4, 0.0]), np.array([0.2, 0.03, 0.07])
    mean, vague, units = rng.normal(0.5, 0.5, 90), 0.5, 40
    x = mean + vague * rng.standard_normal(90)
    judge = np.arange(90) % 3
    verdicts = [
        (written(level_of(x[e] + rng.standard_normal(units) - severity[j]), np.full(units, slip[j]), rng))
        for e, j in enumerate(judge)
    ]
    known = []
    for j in range(3):
        mine = np.flatnonzero(judge == j)
        said = np.concatenate([verdicts[e] for e in mine])
        group = np.repeat(np.arange(len(mine)), units)
        known.append(read(mean[mine], np.full(len(mine), vague**2), group, said, np.full(len(said), NOBODY)))

    def error(readings):
        misses = []
        for e, j in enumerate(judge):
            counts = np.bincount(verdicts[e], minlength=3).astype(float)[None]
            as_read = readings[j]
            value, noise = observed(
                counts, 0.0, mean[e], severity=np.array([as_read[0]]), labels=slips(np.array([as_read[1]]))
            )
            misses.append((mean[e] / vague**2 + value / noise) / (1 / vague**2 + 1 / noise) - x[e])
        return np.mean(np.square(misses))

    plain = error([(0.0, SLIP)] * 3)
    read_ = error([(one.severity, one.slip) for one in known])
    truly = error(list(zip(severity, slip, strict=True)))
    assert read_ < 0.8 * plain
    assert truly < 1.1 * read_


def test_one_judge_for_all_is_what_counts_without_judges_say():
    counts = np.array([2.0, 3.0, 9.0])
    split = np.array([[1.0, 3.0, 4.0], [1.0, 0.0, 5.0]])
    assert observed(split, 0.3, 0.5) == pytest.approx(observed(counts, 0.3, 0.5))
    strict = observed(counts, 0.3, 0.5, severity=np.array([0.4]), labels=slips(np.array([SLIP])))
    assert strict[0] > observed(counts, 0.3, 0.5)[0] + 0.3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": np.array([3])}, "0, 1 or 2"),
        ({"group": np.array([2])}, "rows of mean"),
        ({"other": np.array([0, 1])}, "Maybe a column"),
        ({"mean": np.array([np.nan])}, "no number"),
    ],
)
def test_what_cannot_be_right_is_refused(change, said):
    sound = {"mean": np.zeros(1), "variance": np.ones(1), "group": np.zeros(1, int), "verdict": np.array([2]),
             "other": np.array([NOBODY])}  # fmt: skip
    with pytest.raises(ValueError, match=said):
        read(**(sound | change))
