"""Raters in the calibration: gradients, recovery, error bars, agreement with `irt.raters`, who cannot be placed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from irt import raters as alone
from irt.calibration import calibrate
from irt.design import Design, answers_from_rows
from irt.estep import e_step, no_sites, parameters, settle
from irt.facet_step import jacobian, pulled, spelled
from irt.facets import Cells, Facets, cells_of, entries, free, groups, packed, unpacked
from irt.model import Items
from irt.rater_cells import Ratings
from irt.scoring import score
from irt.start import Anchors

CUTS = np.array([1.2, 0.0, -1.2])


class World:
    """Graded answers with known truth; items are criteria of `topics` answers, each answer by `per` raters."""

    def __init__(self, seed, people=400, raters=8, skills=2, topics=3, criteria=3, per=2, own=0.4):
        rng = np.random.default_rng(seed)
        self.skills, count = skills, topics * criteria
        self.skill = np.arange(count) % criteria % skills
        self.slope = np.exp(rng.normal(0.4, 0.25, count))
        self.threshold = self.slope[:, None] * (CUTS + rng.normal(0, 0.4, (count, 1)))
        self.severity, self.log_phi = rng.normal(0, 0.5, raters), rng.normal(0, 0.25, raters)
        self.severity -= self.severity.mean()
        self.log_phi -= self.log_phi.mean()
        self.theta = rng.multivariate_normal(np.zeros(skills), 0.5 + 0.5 * np.eye(skills), people)
        p, t, c, r = (x.ravel() for x in np.indices((people, topics, criteria, per)))
        who = rng.random((people, topics, raters)).argsort(-1)[..., :per]
        item, rater = t * criteria + c, who[p, t, r]
        quality = self.theta[p, self.skill[item]] + 0.5 * rng.standard_normal((people, topics))[p, t]
        if own and criteria > 1:
            quality += own * rng.standard_normal((people, topics, criteria))[p, t, c]
        z = self.slope[item] * (quality - self.severity[rater])
        z = np.exp(self.log_phi[rater])[:, None] * (z[:, None] + self.threshold[item])
        self.rows = p, item, rater, t, (rng.random(len(p))[:, None] < expit(z)).sum(1)
        self.design = Design(skills, self.skill[:, None], np.full(count, 4), np.zeros(count))

    def given(self, keep=slice(None), reference=None):
        p, item, rater, answer, level = (x[keep] for x in self.rows)
        cells, cell = cells_of(p, item, rater, answer, len(self.severity), reference)
        return answers_from_rows(p, cell, level, len(self.theta)), cells

    def fit(self, **how):
        answers, cells = self.given(**how)
        return calibrate(answers, self.design, cells=cells)


@pytest.fixture(scope="module")
def world():
    return World(1)


@pytest.fixture(scope="module")
def fitted(world):
    return world.fit()


def moved(at, step):
    return replace(at, facets=unpacked(packed(at.facets) + step, at.facets))


@pytest.fixture(scope="module")
def somewhere():
    """Parameters away from any optimum, with two skills on some items, a key and a missing effect."""
    rng = np.random.default_rng(4)
    items = Items(
        np.array([[0, 1], [1, 0], [0, 0]]), np.array([[1.2, 0.7], [0.9, 0.0], [1.5, 0.0]]),
        np.array([[1.0, -0.5], [0.3, -np.inf], [0.8, -0.8]]), np.zeros(3),
    )  # fmt: skip
    cells = Cells(
        np.array([0, 0, 1, 2, 2]), np.array([0, 1, -1, 2, 1]), np.array([[0, 2], [1, -1], [-1, -1], [-1, 2], [0, 3]]),
        ("answer", "answer and item"), 3, np.arange(3),
    )  # fmt: skip
    many = Facets(cells, np.array([0.3, -0.5, 0.2]), np.array([0.1, 0.2, -0.3]), np.log([0.5, 0.3]), 0.5, 0.3)
    return replace(parameters(items, np.zeros(2), 0.5 + 0.5 * np.eye(2)), facets=many), rng


def test_the_jacobian_is_the_slope_of_slopes_and_thresholds_as_raters_read_them(somewhere):
    at, _ = somewhere
    J, cells = jacobian(at, at.facets), at.facets.cells
    T, column, p = free(cells), entries(cells), at.slope.shape[1] + at.threshold.shape[1]

    def stacked(one):
        wide = spelled(one)
        return np.concatenate([wide.slope, np.where(np.isfinite(wide.threshold), wide.threshold, 0)], axis=1)

    h = 1e-6
    for n in range(T.shape[1]):  # raters and effects
        step = h * (np.arange(T.shape[1]) == n)
        slope = (stacked(moved(at, step)) - stacked(moved(at, -step))) / (2 * h)
        told = np.einsum("vij,vj->vi", J[:, :, p:], np.where(column < 0, 0.0, T[np.maximum(column, 0), n]))
        np.testing.assert_allclose(told, slope, atol=1e-7)
    for i in range(3):  # items
        for t in range(at.width[i]):
            up, down = at.slope.copy(), at.slope.copy()
            up[i, t] += h
            down[i, t] -= h
            slope = (stacked(replace(at, slope=up)) - stacked(replace(at, slope=down))) / (2 * h)
            np.testing.assert_allclose(np.where(cells.item == i, J[:, :, t].T, 0.0).T, slope, atol=1e-7)


def test_pulled_gradients_are_the_slopes_of_the_log_likelihood(world):
    answers, cells = world.given()
    k, many = len(world.slope), len(world.severity)
    items = Items(world.skill[:, None], world.slope[:, None], world.threshold, np.zeros(k))
    facets = Facets(cells, world.severity, world.log_phi, np.log([0.5, 0.4]), 0.5, 0.3)
    at = replace(parameters(items, np.zeros(2), 0.5 + 0.5 * np.eye(2)), facets=facets)

    def height(one):
        wide = spelled(one)
        return e_step(answers, wide, settle(answers, wide, no_sites(answers), 60, 1e-9))[0]

    seen, h = pulled(height(at), at), 1e-3
    for n in (0, many - 1, len(seen.gradient) - 2, len(seen.gradient) - 1):
        step = h * (np.arange(len(seen.gradient)) == n)
        slope = (height(moved(at, step)).log_likelihood - height(moved(at, -step)).log_likelihood) / (2 * h)
        assert seen.gradient[n] == pytest.approx(slope, abs=1e-3 * np.sqrt(seen.curvature[n, n]))


def test_raters_items_effects_and_correlations_come_back_within_their_errors(world, fitted):
    told = fitted.panel
    assert fitted.converged
    assert told.cells.shares == ("answer", "answer and item")
    z = np.concatenate([
        (told.severity - world.severity) / told.severity_se,
        (told.log_discrimination - world.log_phi) / told.log_discrimination_se,
        (told.effect - [0.5, 0.4]) / told.effect_se,
        (fitted.items.slope[:, 0] - world.slope) / fitted.slope_se[:, 0],
        ((fitted.items.threshold - world.threshold) / fitted.threshold_se).ravel(),
        [(fitted.covariance[0, 1] - 0.5) / fitted.covariance_se[0, 1]],
    ])  # fmt: skip
    assert np.abs(z).max() < 4
    assert np.sqrt((z**2).mean()) == pytest.approx(1, abs=0.25)  # some 30 independent parameters
    assert np.sqrt(((told.severity - world.severity) ** 2).mean()) < 1.5 * told.severity_se.mean()


def test_severities_and_sharpness_are_held_by_the_raters_named(world, fitted):
    anchors = np.array([2, 5])
    named = world.fit(reference=anchors).panel
    assert abs(named.severity[anchors].mean()) < 1e-9
    assert abs(named.log_discrimination[anchors].mean()) < 1e-9
    gap = fitted.panel.severity - fitted.panel.severity[anchors].mean()  # shrinkage is of all against 0: a little off
    np.testing.assert_allclose(named.severity, gap, atol=0.35 * fitted.panel.severity_se.max())


@pytest.mark.slow
def test_error_bars_of_raters_cover_the_truth():
    inside, off, claimed = [], [], []
    for seed in range(60):
        truth = World(100 + seed, people=250)
        told = truth.fit().panel
        off.append(told.severity - truth.severity)
        claimed.append(told.severity_se)
        inside += [np.abs(off[-1]) < 1.96 * claimed[-1]]
        inside += [np.abs(told.log_discrimination - truth.log_phi) < 1.96 * told.log_discrimination_se]
    assert 0.93 <= np.mean(inside) <= 0.97  # 960 of them: the standard error of their share is .007
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(np.mean(claimed), rel=0.1)


def test_one_skill_gives_the_severities_that_a_panel_of_raters_measured_alone_has():
    truth = World(7, people=500, skills=1, topics=4, criteria=1)
    truth_items = np.full(4, 1.5)
    p, item, rater, answer, level = truth.rows
    fit = truth.fit()
    n, one = np.unique(np.column_stack([p, answer]), axis=0, return_inverse=True)
    rows = Ratings(
        one.ravel(), item, rater, level, np.full(len(truth_items), 4), len(n), 8, np.ones(len(p)), n[:, 0]
    )  # fmt: skip
    severity, se = alone.fit(rows).severity
    unit = np.sqrt(1 + fit.panel.effect[0] ** 2)  # a quality's sd, in sds of the skill
    np.testing.assert_allclose(fit.panel.severity / unit, severity, atol=0.5 * se.max())
    np.testing.assert_allclose(fit.panel.severity_se / unit, se, rtol=0.25)
    assert np.abs(fit.panel.severity - truth.severity).max() < 4 * fit.panel.severity_se.max()


def test_answers_that_no_rater_graded_are_fitted_as_ever():
    rng = np.random.default_rng(2)
    theta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 600)
    level = (rng.random((600, 8)) < expit(1.3 * theta[:, np.arange(8) % 2] + rng.normal(0, 1, 8))).astype(np.int64)
    p, item = (x.ravel() for x in np.indices(level.shape))
    design = Design(2, (np.arange(8) % 2)[:, None], np.full(8, 2), np.zeros(8))
    nobody = np.full(len(p), -1)
    cells, cell = cells_of(p, item, nobody, nobody, 0)
    plain = calibrate(answers_from_rows(p, item, level.ravel(), 600), design, exact=False, tolerance=1e-6)
    graded = calibrate(answers_from_rows(p, cell, level.ravel(), 600), design, cells=cells, tolerance=1e-6)
    np.testing.assert_allclose(graded.items.slope, plain.items.slope, atol=1e-4)
    np.testing.assert_allclose(graded.slope_se, plain.slope_se, rtol=1e-3)
    assert graded.panel.cells.shares == ()


def test_keyed_items_and_graded_answers_share_one_scale():
    truth = World(9, people=600, topics=3, criteria=2)
    rng = np.random.default_rng(3)
    asked = truth.theta[:, np.arange(10) % 2]
    level = (rng.random(asked.shape) < expit(1.4 * asked)).astype(np.int64)
    p, item = (x.ravel() for x in np.indices(level.shape))
    nobody = np.full(len(p), -1)
    both = [np.concatenate(pair) for pair in zip(truth.rows, (p, 6 + item, nobody, nobody, level.ravel()), strict=True)]
    cells, cell = cells_of(*both[:4], 8)
    design = Design(
        2, np.append(truth.skill, np.arange(10) % 2)[:, None], np.append([4] * 6, [2] * 10), np.zeros(16)
    )  # fmt: skip
    fit = calibrate(answers_from_rows(both[0], cell, both[4], 600), design, cells=cells)
    z = (fit.items.slope[:, 0] - np.append(truth.slope, np.full(10, 1.4))) / fit.slope_se[:, 0]
    assert np.abs(z).max() < 4
    assert np.abs((fit.panel.severity - truth.severity) / fit.panel.severity_se).max() < 4
    mean, sd = score(*fit.read, fit.answers(answers_from_rows(both[0], cell, both[4], 600)))
    covered = np.abs(mean[:, :2] - truth.theta) < 1.96 * sd[:, :2]
    assert covered.mean() == pytest.approx(0.95, abs=0.03)  # 1,200 intervals, on items known to a tenth


def test_renaming_raters_and_answers_changes_nothing(world, fitted):
    rng = np.random.default_rng(8)
    p, item, rater, answer, level = world.rows
    name, turn, order = rng.permutation(8), rng.permutation(3), rng.permutation(len(p))
    cells, cell = cells_of(p[order], item[order], name[rater[order]], turn[answer[order]], 8)
    again = calibrate(answers_from_rows(p[order], cell, level[order], len(world.theta)), world.design, cells=cells)
    assert again.log_likelihood == pytest.approx(fitted.log_likelihood, abs=0.05)
    np.testing.assert_allclose(again.panel.severity[name], fitted.panel.severity, atol=5e-3)
    np.testing.assert_allclose(again.items.slope, fitted.items.slope, atol=2e-2)


def test_anchored_items_carry_raters_onto_their_scale(world):
    held = Items(world.skill[:4, None], world.slope[:4, None], world.threshold[:4], np.zeros(4))
    answers, cells = world.given()
    fit = calibrate(answers, world.design, cells=cells, anchors=Anchors(np.arange(4), held))
    assert fit.converged
    np.testing.assert_array_equal(fit.items.slope[:4], held.slope)
    assert np.abs((fit.panel.severity - world.severity) / fit.panel.severity_se).max() < 4
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx([1, 1], abs=0.2)
    assert np.abs(fit.mean).max() < 0.3


def test_one_rater_is_the_measure_of_severity():
    truth = World(5, people=300, raters=1, per=1)
    told = truth.fit().panel
    assert told.severity.tolist() == [0.0]
    assert told.cells.shares == ("answer",)


# -- who can be placed -----------------------------------------------------------------------------


def test_raters_who_share_nobody_with_the_others_are_refused_with_the_reason(world):
    p, _, rater, *_ = world.rows
    first = p < 200
    apart = np.where(first, rater < 5, rater >= 5)
    answers, cells = world.given(apart)
    fit = calibrate(answers, world.design, cells=cells)
    refused = [one for one in fit.refused if one.kind == "rater"]
    assert {one.index for one in refused} in ({5, 6, 7}, {0, 1, 2, 3, 4})
    assert all("no chain of shared persons" in one.why for one in refused)
    assert len(fit.panel.severity) == 8 - len(refused)


def test_a_rater_of_one_level_is_refused_and_the_others_are_fitted(world):
    p, item, rater, answer, level = world.rows
    cells, cell = cells_of(p, item, rater, answer, 8)
    dull = np.where(rater == 3, 2, level)
    fit = calibrate(answers_from_rows(p, cell, dull, len(world.theta)), world.design, cells=cells)
    (refused,) = [one for one in fit.refused if one.kind == "rater"]
    assert refused.index == 3
    assert "one level" in refused.why
    assert fit.panel.kept_raters.tolist() == [0, 1, 2, 4, 5, 6, 7]


def test_raters_who_all_keep_to_one_level_leave_nothing_to_fit(world):
    p, item, rater, answer, _ = world.rows
    cells, cell = cells_of(p, item, rater, answer, 8)
    alike = answers_from_rows(p, cell, np.full(len(p), 2), len(world.theta))
    with pytest.raises(ValueError, match=r"nothing is left to fit.*rater 0: it gave no grade, or all"):
        calibrate(alike, world.design, cells=cells)


def test_a_rater_who_keeps_to_one_item_cannot_be_told_from_it():
    """Rater r on item r only: strict raters and hard items say the same. One shared item is enough to tell."""
    p = np.repeat(np.arange(50), 3)
    item = np.tile([0, 1, 2], 50)
    kin = np.zeros(3, dtype=np.int64)
    assert len(set(groups(p, item, item.copy(), kin, 3))) == 3
    crossed = item.copy()
    crossed[3:6] = [1, 2, 0]  # one person is graded the other way round
    assert len(set(groups(p, item, crossed, kin, 3))) == 1
    unlike = np.arange(3)  # items on three skills: what a person does on one says nothing exact of the others
    assert len(set(groups(p, item, crossed, unlike, 3))) == 3


def test_an_effect_is_kept_only_where_grades_can_tell_it():
    p, item = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    single = cells_of(p, item, np.array([0, 1, 1, 0]), item, 2)[0]
    assert single.shares == ()  # nobody shares an answer
    one_answer = cells_of(p, item, np.array([0, 1, 1, 0]), np.zeros(4, int), 2)[0]
    assert one_answer.shares == ()  # one answer a person: it is the person
    twice = [np.repeat(x, 2) for x in (p, item, item)]
    assert cells_of(twice[0], twice[1], np.tile([0, 1], 4), twice[2], 2)[0].shares == ("answer",)
