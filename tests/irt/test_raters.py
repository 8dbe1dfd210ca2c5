"""Raters: recovery, error bars, coefficients, drift."""

from dataclasses import replace

import krippendorff
import numpy as np
import pytest
from scipy.special import expit

from irt.rater_agreement import alpha, kappa, pair_counts
from irt.rater_cells import Ratings
from irt.rater_step import Pairs, Raters, chances, contrasts, own_thresholds, reaches, scores
from irt.rater_watch import cusum, drift, limit_for, ratios, run_length, shifted, without
from irt.raters import fit

CUTS = np.array([1.2, 0.0, -1.2])


def draw(rng, answers, severity, log_phi, chosen, criteria=1, reference=None, share=0.6):
    """Ratings by `chosen` (answers, per) raters; criteria of one answer correlate `share`."""
    common, own = rng.standard_normal((answers, 1)), rng.standard_normal((answers, criteria))
    quality = np.sqrt(share) * common + np.sqrt(1 - share) * own if criteria > 1 else own
    a = np.repeat(np.arange(answers), chosen.shape[1] * criteria)
    r = np.repeat(chosen.ravel(), criteria)
    c = np.tile(np.arange(criteria), chosen.size)
    z = np.exp(log_phi[r])[:, None] * (quality[a, c][:, None] - severity[r][:, None] + CUTS)
    level = (rng.random(len(a))[:, None] < expit(z)).sum(1)
    real = r >= 0
    rows = Ratings(
        a[real], c[real], r[real], level[real], np.full(criteria, 4), answers, len(severity), np.ones(real.sum()),
        reference=reference,
    )  # fmt: skip
    return rows, quality


def pool(rng, answers=400, raters=6):
    severity = rng.normal(0, 0.5, raters)
    severity -= severity.mean()
    log_phi = np.log(2.5) + rng.normal(0, 0.2, raters)
    chosen = np.array([rng.choice(raters, 2, replace=False) for _ in range(answers)])
    return severity, log_phi, chosen


@pytest.mark.parametrize("criteria", [1, 3])
def test_severities_and_discriminations_come_back(criteria):
    rng = np.random.default_rng(5)
    severity, log_phi, chosen = pool(rng, 600, 8)
    rows, quality = draw(rng, 600, severity, log_phi, chosen, criteria)
    found = fit(rows)
    value, se = found.severity
    phi, phi_se = found.discrimination
    assert found.converged
    assert abs(value.mean()) < 0.02
    assert (np.abs(value - severity) < 4 * se).all()
    assert (np.abs(np.log(phi) - log_phi) < 4 * phi_se / phi).all()
    assert np.corrcoef(found.mean, quality.ravel())[0, 1] > 0.8


def test_the_score_of_a_grade_is_the_derivative_of_its_log_probability():
    pairs = Pairs(np.array([0, 1]), np.array([0, 0]))
    at = Raters(
        np.array([0.2, -0.4]), np.array([0.1, 0.0]), np.array([0.9, 0.3]), CUTS[None],
        np.array([[0.1, -0.2], [0.0, 0.3]]),
    )  # fmt: skip
    z = reaches(at, pairs)
    said = scores(z, chances(z), np.exp(at.log_discrimination), contrasts(at.threshold)[pairs.criterion])
    step = 1e-6
    for entry, moved in (
        (0, replace(at, severity=at.severity + step)),
        (1, replace(at, deviation=at.deviation + step)),
        (2, replace(at, log_discrimination=at.log_discrimination + step)),
        (4, replace(at, threshold=at.threshold + step * np.array([0, 1, 0]))),
        (7, replace(at, step=at.step + step * np.array([0, 1]))),
    ):
        slope = (np.log(chances(reaches(moved, pairs))) - np.log(chances(z))) / step
        assert np.allclose(slope, said[:, :, entry], rtol=1e-3, atol=1e-3)


def test_a_rater_with_a_scale_of_his_own_is_read_by_it():
    rng = np.random.default_rng(13)
    own = np.array([[0.0], [0.0], [-0.6]]) * np.array([1.0, 0.0, -1.0])  # the last: the middle levels hardly used
    quality = rng.standard_normal((500, 1, 1))
    level = (rng.random((500, 3, 1)) < expit(2.5 * (quality + CUTS + own))).sum(-1)
    answer, rater = np.indices(level.shape).reshape(2, -1)
    found = fit(Ratings(answer, 0 * answer, rater, level[answer, rater], np.array([4]), 500, 3, np.ones(1500)))
    step = own_thresholds(found.raters, found.pairs) - found.raters.threshold
    assert np.allclose(step.sum(1), 0)
    assert np.allclose(step - step.mean(0), own - own.mean(0), atol=0.25)
    assert (np.abs(found.severity[0]) < 4 * found.severity[1]).all()


def test_relabelling_answers_and_raters_changes_nothing():
    rng = np.random.default_rng(6)
    severity, log_phi, chosen = pool(rng, 150, 4)
    rows, _ = draw(rng, 150, severity, log_phi, chosen)
    turn = rng.permutation(len(rows.answer))
    names, people = rng.permutation(150), rng.permutation(4)
    again = rows.rows(turn)
    again = Ratings(
        names[again.answer], again.criterion, people[again.rater], again.level, again.levels, 150, 4, again.weight
    )
    one, two = fit(rows), fit(again)
    assert np.allclose(one.severity[0], two.severity[0][people], atol=5e-3)
    assert np.allclose(one.mean, two.mean[names], atol=1e-2)


@pytest.mark.slow
def test_a_new_graders_error_bar_covers_after_a_hundred_single_double_grades():
    rng = np.random.default_rng(7)
    hits, widths = [], []
    for _ in range(60):
        severity, log_phi, chosen = pool(rng, 500, 6)
        severity, log_phi = np.append(severity, rng.normal(0, 0.5)), np.append(log_phi, np.log(2.5))
        new = np.full((500, 1), -1)
        new[:100] = 6
        chosen = np.column_stack([chosen, new])
        chosen[:100, 1] = -1
        rows, _ = draw(rng, 500, severity, log_phi, chosen, reference=None)
        value, se = fit(rows).severity
        truth = severity - severity.mean()
        hits.append(np.abs(value - truth) <= 1.96 * se)
        widths.append(se[6])
    share = np.mean([hit[6] for hit in hits])
    assert np.mean(widths) < 0.12
    assert share >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)


def test_kappa_of_two_raters_is_cohens():
    first, second = np.array([0, 1, 2, 2, 1, 0, 2, 1]), np.array([0, 1, 1, 2, 1, 0, 2, 0])
    cell = np.tile(np.arange(8), 2)
    rater = np.repeat([0, 1], 8)
    pairs = pair_counts(cell, rater, np.append(first, second), np.ones(16), np.array([0, 1]), (2, 3))
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    far = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    expected = 1 - (far * table).sum() / (far * np.outer(table.sum(1), table.sum(0)) / 8).sum()
    assert kappa(pairs, 1) == pytest.approx([expected, expected])


def test_alpha_is_krippendorffs():
    rng = np.random.default_rng(8)
    data = np.clip(rng.integers(0, 4, (1, 50)) + rng.integers(-1, 2, (3, 50)), 0, 3).astype(float)
    data[rng.random(data.shape) < 0.2] = np.nan
    rater, unit = np.nonzero(np.isfinite(data))
    for metric in ("nominal", "ordinal", "interval"):
        told = alpha(unit, data[rater, unit].astype(int), np.arange(4.0), np.arange(50), metric, rng)
        assert told.value == pytest.approx(krippendorff.alpha(data, level_of_measurement=metric), abs=1e-9)
        assert told.low < told.value < told.high


def test_a_cusum_is_the_recursion_it_abbreviates():
    steps = np.random.default_rng(9).normal(-0.1, 1, 500)
    high, path = 0.0, []
    for step in steps:
        high = max(0.0, high + step)
        path.append(high)
    assert np.allclose(cusum(steps), path)


def test_the_markov_chain_foretells_the_run_length_of_a_steady_rater():
    rng = np.random.default_rng(10)
    p = np.array([[0.5, 0.5]])
    steps = np.array([[0.3, np.log(2 - np.exp(0.3))]])
    limit = 3.0
    runs = []
    for _ in range(1500):
        path = cusum(steps[0][(rng.random(3000) < 0.5).astype(int)])
        runs.append(np.argmax(path > limit) + 1 if (path > limit).any() else 3000)
    expected = run_length(p, steps, limit)
    assert expected == pytest.approx(np.mean(runs), rel=0.12)  # 4 standard errors of the runs, and the grid of states


def test_a_drift_is_found_and_a_steady_rater_is_left_in_peace():
    rng = np.random.default_rng(11)
    severity, log_phi, chosen = np.zeros(4), np.full(4, np.log(4.0)), np.tile(np.arange(4), (600, 1))
    rows, _ = draw(rng, 600, severity, log_phi, chosen)
    found = fit(rows)
    mine = np.flatnonzero(rows.rater == 0)
    belief = without(found, mine)
    p, up, down = ratios(belief, rows.criterion[mine], 0, found)
    assert limit_for(p, (up, down), 1e4) > limit_for(p, (up, down), 1e2)
    assert drift(rows.level[mine], p, up, down).alarm is None
    stricter = (shifted(found, rows.criterion[mine], 0, 0.3) * belief[:, None, :]).sum(2)
    delays = []
    for _ in range(40):
        turn = rng.permutation(len(mine))
        level = (rng.random((len(mine), 1)) > np.cumsum(stricter[turn], axis=1)[:, :-1]).sum(1)
        told = drift(level, p[turn], up[turn], down[turn])
        assert told.direction == "stricter"
        delays.append(told.alarm)
    assert np.median(delays) <= 100
