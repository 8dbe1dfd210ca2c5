"""A calibration finds the items that made the answers, on paper's figures and on simulated banks."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import Answers, Design, answers_from_rows, answers_from_table, design_from_table
from irt.estep import e_step, no_sites, parameters, quadrature, settle
from irt.model import Items, probability, projection
from irt.mstep import ItemPrior
from irt.scoring import log_likelihood_held_out, log_predictive, score, split
from irt.start import Anchors

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def rows_of(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here: set ASSAY_DATA to the folder of data sets")
    with gzip.open(path, "rt") if name.endswith("gz") else path.open() as file:
        return list(csv.reader(file))


def table(name, columns=slice(None)):
    return np.array([[float(x) if x not in {"", "NA"} else np.nan for x in row[columns]] for row in rows_of(name)[1:]])


def bank(rng, skills, items, *, two=0.0, levels=2):
    """Items as in the study behind our bars: a log-normal around 1.3, easiness normal, some on two skills."""
    skill = np.full((items, 2), -1)
    skill[:, 0] = np.arange(items) % skills
    both = rng.random(items) < two
    skill[both, 1] = (skill[both, 0] + 1) % skills
    slope = np.where(skill >= 0, np.exp(rng.normal(0.25, 0.3, (items, 2))).clip(0.5, 2.8), 0.0)
    threshold = rng.normal(0, 1, (items, 1)) - 0.9 * np.arange(levels - 1) + 0.45 * (levels - 2)
    design = Design(skills, skill, np.full(items, levels), np.zeros(items))
    return Items(np.maximum(skill, 0), slope, threshold, np.zeros(items)), design


def answer(rng, items, theta, asked=None):
    """Answers of simulated people to all items, or to `asked` of them each."""
    people = len(theta)
    chance = probability(projection(theta, items), items).cumsum(-1)
    level = (rng.random((people, len(items), 1)) > chance[..., :-1]).sum(-1)
    if asked is not None:
        keep = np.argsort(rng.random((people, len(items))), axis=1).argsort(axis=1) < asked
        level = np.where(keep, level, -1)
    return answers_from_table(level)


def correlations(skills, value=0.6):
    return np.full((skills, skills), value) + (1 - value) * np.eye(skills)


def rmse(x):
    return float(np.sqrt(np.mean(np.square(x))))


def grid_log_likelihood(items, levels):
    """Of one-skilled items by a plain sum over 201 points: the judge, in ten lines."""
    theta = np.linspace(-8, 8, 201)[:, None]
    log_p = np.log(probability(projection(theta, items), items))  # (Q, I, K)
    each = np.zeros((len(levels), len(theta)))
    for i in range(len(items)):
        asked = levels[:, i] >= 0
        each[asked] += log_p[:, i, levels[asked, i]].T
    prior = -0.5 * theta[:, 0] ** 2 - 0.5 * np.log(2 * np.pi) + np.log(theta[1, 0] - theta[0, 0])
    return float(np.logaddexp.reduce(each + prior, axis=1).sum())


# Published figures


def test_lsat7_agrees_with_the_published_two_parameter_estimates():
    rows = table("mirt_classics/lsat7.csv")
    fit = calibrate(answers_from_table(rows[:, :-1], rows[:, -1]), design_from_table(np.ones((5, 1))))
    np.testing.assert_allclose(fit.items.slope[:, 0], [0.988, 1.081, 1.706, 0.765, 0.736], atol=0.005)
    np.testing.assert_allclose(fit.items.threshold[:, 0], [1.856, 0.808, 1.804, 0.486, 1.855], atol=0.005)
    # standard errors and log-likelihood as mirt's own test suite and manual print them
    np.testing.assert_allclose(fit.slope_se[:, 0], [0.177, 0.169, 0.321, 0.134, 0.151], rtol=0.03)
    np.testing.assert_allclose(fit.threshold_se[:, 0], [0.132, 0.091, 0.205, 0.075, 0.114], rtol=0.03)
    assert fit.log_likelihood == pytest.approx(-2658.805, abs=0.01)
    assert fit.method == "quadrature"


@pytest.mark.parametrize(
    ("name", "easiness"),
    [("lsat6", [2.730, 0.999, 0.240, 1.306, 2.099]), ("lsat7", [1.868, 0.791, 1.461, 0.521, 1.993])],
)
def test_equal_slopes_give_the_published_rasch_estimates(name, easiness):
    rows = table(f"mirt_classics/{name}.csv")
    design = replace(design_from_table(np.ones((5, 1))), same_slope=True)
    fit = calibrate(answers_from_table(rows[:, :-1], rows[:, -1]), design)
    np.testing.assert_allclose(fit.items.threshold[:, 0], easiness, atol=0.005)
    assert np.ptp(fit.items.slope) == 0


def test_science_agrees_with_the_published_graded_estimates():
    fit = calibrate(answers_from_table(table("mirt_classics/science.csv") - 1), design_from_table(np.ones((4, 1)), 4))
    published = [
        [1.042, 4.865, 2.640, -1.466],
        [1.226, 2.924, 0.901, -2.266],
        [2.296, 5.238, 2.216, -1.965],
        [1.095, 3.348, 0.992, -1.688],
    ]
    np.testing.assert_allclose(np.hstack([fit.items.slope, fit.items.threshold]), published, atol=0.02)
    assert fit.log_likelihood == pytest.approx(-1608.870, abs=0.01)


def sat12():
    raw, key = table("mirt_classics/sat12_raw.csv"), table("mirt_classics/sat12_key.csv", slice(1, 2))
    return (raw == key[:, 0]).astype(int)


def test_no_step_from_the_sat12_estimates_makes_the_answers_likelier():
    levels = sat12()
    fit = calibrate(answers_from_table(levels), design_from_table(np.ones((32, 1))))
    best = grid_log_likelihood(fit.items, levels)
    assert fit.log_likelihood == pytest.approx(best, abs=0.01)
    for i in [0, 7, 15, 31]:
        for step in (-0.03, 0.03):
            a, d = fit.items.slope.copy(), fit.items.threshold.copy()
            a[i] += step
            assert grid_log_likelihood(replace(fit.items, slope=a), levels) < best
            d[i] += step
            assert grid_log_likelihood(replace(fit.items, threshold=d), levels) < best


# The E-step


def mixed_bank(rng):
    skill = np.array([[0, 0], [1, 0], [0, 1], [1, 0], [0, 0], [1, 0]])
    slope = np.array([[1.2, 0], [0.8, 0], [0.9, 0.7], [1.5, 0], [1.0, 0], [1.3, 0]])
    threshold = np.full((6, 3), -np.inf)
    threshold[:, 0] = rng.normal(0, 1, 6)
    threshold[1] = [1.5, 0.2, -1.0]
    threshold[2] = [2.0, 0.3, -0.7]
    return Items(skill, slope, threshold, np.array([0, 0, 0, 0.2, 0, 0]))


@pytest.fixture
def small(rng):
    items = mixed_bank(rng)
    mean, cov = np.array([0.2, -0.3]), correlations(2, 0.5)
    theta = rng.multivariate_normal(mean, cov, 60)
    answers = answer(rng, items, theta, asked=4)
    return answers, parameters(items, mean, cov)


def test_quadrature_gradients_are_the_slopes_of_the_log_likelihood(small):
    answers, at = small
    sites = settle(answers, at, no_sites(answers))

    def log_likelihood(moved):
        return float(quadrature(answers, moved, sites, 25).log_likelihood)

    found, h = quadrature(answers, at, sites, 25), 1e-4
    for i, t in [(0, 0), (1, 0), (2, 1), (3, 0)]:
        up, down = at.slope.copy(), at.slope.copy()
        up[i, t], down[i, t] = up[i, t] + h, down[i, t] - h
        slope = (log_likelihood(replace(at, slope=up)) - log_likelihood(replace(at, slope=down))) / (2 * h)
        assert found.gradient[i, t] == pytest.approx(slope, abs=2e-3)
    for i, k in [(0, 0), (1, 1), (2, 2), (3, 0)]:
        up, down = at.threshold.copy(), at.threshold.copy()
        up[i, k], down[i, k] = up[i, k] + h, down[i, k] - h
        slope = (log_likelihood(replace(at, threshold=up)) - log_likelihood(replace(at, threshold=down))) / (2 * h)
        assert found.gradient[i, 2 + k] == pytest.approx(slope, abs=2e-3)
    turn = np.array([[0, h], [h, 0]])
    slope = (log_likelihood(replace(at, cov=at.cov + turn)) - log_likelihood(replace(at, cov=at.cov - turn))) / (2 * h)
    assert found.cov[0, 1] == pytest.approx(slope, abs=5e-3)
    up, down = at.mean + np.array([h, 0]), at.mean - np.array([h, 0])
    slope = (log_likelihood(replace(at, mean=up)) - log_likelihood(replace(at, mean=down))) / (2 * h)
    assert found.mean[0] == pytest.approx(slope, abs=2e-3)


def test_expectation_propagation_is_close_to_the_exact_integral_even_with_four_answers(small):
    answers, at = small
    sites = settle(answers, at, no_sites(answers))
    near, exact = e_step(answers, at, sites)[0], quadrature(answers, at, sites, 25)
    assert float(near.log_likelihood) == pytest.approx(float(exact.log_likelihood), abs=0.01 * len(answers))
    np.testing.assert_allclose(near.gradient, exact.gradient, atol=0.01 * len(answers))
    np.testing.assert_allclose(near.curvature, exact.curvature, atol=0.02 * len(answers))


def test_statistics_of_shards_add_up_to_those_of_the_whole(small):
    answers, at = small
    sites = settle(answers, at, no_sites(answers))
    whole, _ = e_step(answers, at, sites)
    cut = int(answers.start[25])
    shards = [(answers.people(slice(0, 25)), slice(0, cut)), (answers.people(slice(25, None)), slice(cut, None))]
    parts = [e_step(some, at, type(sites)(*(s[part] for s in sites)))[0] for some, part in shards]
    total = parts[0] + parts[1]
    for name in ["persons", "gradient", "curvature", "crossed", "mean", "cov", "log_likelihood"]:
        np.testing.assert_allclose(getattr(total, name), getattr(whole, name), atol=1e-9)


def test_a_weight_counts_as_so_many_persons(small):
    answers, at = small
    twice = Answers(answers.start, answers.item, answers.level, np.full(len(answers), 2.0))
    sites = settle(answers, at, no_sites(answers))
    one, two = e_step(answers, at, sites)[0], e_step(twice, at, sites)[0]
    np.testing.assert_allclose(two.gradient, 2 * one.gradient, atol=1e-9)
    np.testing.assert_allclose(two.cov, 2 * one.cov, atol=1e-9)


# Recovery


@pytest.fixture(scope="module")
def five_skills():
    rng = np.random.default_rng(21)
    items, design = bank(rng, 5, 100, two=0.1)
    cov = correlations(5, 0.5)
    theta = rng.multivariate_normal(np.zeros(5), cov, 5000)
    answers = answer(rng, items, theta)
    return items, cov, theta, answers, design, calibrate(answers, design)


def test_a_dense_bank_of_five_skills_is_recovered_within_the_bars(five_skills):
    items, cov, _, _, _, fit = five_skills
    error = (fit.items.slope - items.slope)[items.slope > 0]
    assert fit.converged
    assert rmse(error) <= 0.06
    assert abs(error.mean()) <= 0.02
    assert rmse((fit.covariance - cov)[np.tril_indices(5, -1)]) <= 0.03
    assert rmse(fit.items.threshold - items.threshold) <= 0.06


def test_standard_errors_cover_the_truth(five_skills):
    items, _, _, _, _, fit = five_skills
    real = items.slope > 0
    z = np.concatenate(
        [
            ((fit.items.slope - items.slope) / np.where(real, fit.slope_se, 1))[real],
            ((fit.items.threshold - items.threshold) / fit.threshold_se).ravel(),
        ]
    )
    # 210 parameters: the share inside 1.96 se has a standard error of 0.015 (more, as easinesses err together)
    assert 0.90 <= np.mean(np.abs(z) < 1.96) <= 1.0
    assert 0.8 <= z.std() <= 1.2


def test_scores_from_a_calibration_cover_the_truth(five_skills):
    _, _, theta, answers, _, fit = five_skills
    mean, sd = score(fit.items, fit.mean, fit.covariance, fit.answers(answers))
    assert np.mean(np.abs(mean - theta) < 1.96 * sd) == pytest.approx(0.95, abs=0.01)


def test_a_sparse_bank_has_no_bias_in_slopes_or_correlations():
    rng = np.random.default_rng(7)
    items, design = bank(rng, 6, 60)
    cov = correlations(6, 0.6)
    answers = answer(rng, items, rng.multivariate_normal(np.zeros(6), cov, 12_000), asked=10)
    fit = calibrate(answers, design)
    error = (fit.items.slope - items.slope)[items.slope > 0]
    se = rmse(fit.slope_se[items.slope > 0])  # about .14; of the mean over 60 slopes about .02
    assert abs(error.mean()) <= 0.04
    assert rmse(error) <= 1.2 * se
    off = (fit.covariance - cov)[np.tril_indices(6, -1)]
    assert abs(off.mean()) <= 0.02
    assert rmse(off) <= 0.04


def test_graded_and_two_level_items_are_recovered_together():
    rng = np.random.default_rng(8)
    two, _ = bank(rng, 2, 12)
    five, _ = bank(rng, 2, 12, levels=5)
    threshold = np.full((24, 4), -np.inf)
    threshold[:12, :1], threshold[12:] = two.threshold, five.threshold
    items = Items(np.vstack([two.skill, five.skill]), np.vstack([two.slope, five.slope]), threshold, np.zeros(24))
    design = Design(2, np.vstack([two.skill, five.skill])[:, :1], items.levels, np.zeros(24))
    cov = correlations(2, 0.4)
    fit = calibrate(answer(rng, items, rng.multivariate_normal(np.zeros(2), cov, 3000)), design)
    assert rmse(fit.items.slope[:, 0] - items.slope[:, 0]) <= 0.1
    used = np.isfinite(threshold)
    assert rmse(fit.items.threshold[used] - threshold[used]) <= 0.12
    assert fit.covariance[0, 1] == pytest.approx(0.4, abs=0.06)


def test_guessing_that_is_known_does_not_bias_the_slopes():
    rng = np.random.default_rng(9)
    plain, design = bank(rng, 1, 30)
    items = Items(plain.skill, plain.slope, plain.threshold, np.full(30, 0.2))
    fit = calibrate(answer(rng, items, rng.standard_normal((6000, 1))), replace(design, guess=np.full(30, 0.2)))
    assert abs((fit.items.slope - items.slope)[:, 0].mean()) <= 0.05


def test_a_prior_learnt_from_the_bank_beats_plain_likelihood_where_answers_are_few():
    rng = np.random.default_rng(10)
    items, design = bank(rng, 1, 60)
    answers = answer(rng, items, rng.standard_normal((500, 1)), asked=12)  # 100 answers an item
    plain, shrunk = calibrate(answers, design), calibrate(answers, design, prior=ItemPrior())
    assert rmse(shrunk.items.slope[:, 0] - items.slope[:, 0]) < 0.8 * rmse(plain.items.slope[:, 0] - items.slope[:, 0])
    assert shrunk.prior.families[0].log_slope == pytest.approx(0.25, abs=0.2)


def test_a_bank_of_equal_slopes_shrinks_to_their_common_value_and_stays_there():
    rng = np.random.default_rng(10)
    items = Items(np.zeros((30, 1), int), np.full((30, 1), 1.5), rng.normal(0, 0.7, (30, 1)), np.zeros(30))
    answers = answer(rng, items, rng.standard_normal((200, 1)))
    fit = calibrate(answers, design_from_table(np.ones((30, 1))), prior=ItemPrior())
    assert fit.converged
    # one number told by 30 items: its error is about that of one slope (.25) / √30, and the scale's 1 / √400
    assert np.exp(fit.prior.families[0].log_slope) == pytest.approx(1.5, abs=0.25)
    assert fit.items.slope == pytest.approx(1.5, abs=0.5)


# Invariances


def same(one, other, rows=slice(None)):
    np.testing.assert_allclose(other.items.slope[rows], one.items.slope, atol=0.01)
    np.testing.assert_allclose(other.items.threshold[rows], one.items.threshold, atol=0.01)
    np.testing.assert_allclose(other.covariance, one.covariance, atol=0.005)


def test_the_order_of_persons_and_items_does_not_matter():
    rng = np.random.default_rng(11)
    items, design = bank(rng, 2, 16)
    answers = answer(rng, items, rng.multivariate_normal(np.zeros(2), correlations(2), 800), asked=10)
    one = calibrate(answers, design)
    same(one, calibrate(answers.people(rng.permutation(800)), design))
    order = rng.permutation(16)
    place = np.argsort(order)
    moved = answers_from_rows(answers.person, place[answers.item], answers.level, 800)
    other = calibrate(moved, replace(design, skill=design.skill[order]))
    same(one, other, place)


def test_patterns_with_counts_say_what_the_persons_say():
    rng = np.random.default_rng(12)
    items, design = bank(rng, 1, 5)
    answers = answer(rng, items, rng.standard_normal((600, 1)))
    levels = answers.level.reshape(600, 5)
    patterns, count = np.unique(levels, axis=0, return_counts=True)
    same(calibrate(answers, design), calibrate(answers_from_table(patterns, count), design))


def test_a_warm_start_ends_where_a_cold_one_does_and_sooner(five_skills):
    _, _, _, answers, design, fit = five_skills
    again = calibrate(answers, design, start=fit)
    same(fit, again)
    assert again.iterations < fit.iterations


def test_anchored_items_put_a_new_group_on_the_published_scale():
    rng = np.random.default_rng(13)
    items, design = bank(rng, 1, 30)
    able = 0.8 + 1.3 * rng.standard_normal((3000, 1))  # better and more varied than the first group
    anchors = Anchors(np.arange(10), items.rows(np.arange(10)))
    fit = calibrate(answer(rng, items, able), design, anchors=anchors)
    np.testing.assert_array_equal(fit.items.slope[:10], items.slope[:10])
    assert fit.mean[0] == pytest.approx(0.8, abs=0.1)
    assert np.sqrt(fit.covariance[0, 0]) == pytest.approx(1.3, abs=0.12)
    assert rmse(fit.items.slope[10:] - items.slope[10:]) <= 0.15
    assert (fit.slope_se[:10] == 0).all()


# What cannot be told


def test_what_the_answers_cannot_tell_is_refused_with_a_reason_and_left_out():
    rng = np.random.default_rng(14)
    items, design = bank(rng, 3, 12)
    levels = answer(rng, items, rng.multivariate_normal(np.zeros(3), correlations(3), 400)).level.reshape(400, 12)
    levels[:, 0] = 1  # a constant column
    levels[:, 3] = -1  # nobody answered
    levels[:, 6], levels[:, 9] = 1, -1  # skill 0 has nothing left
    fit = calibrate(answers_from_table(levels), design)
    why = {r.what: r.why for r in fit.refused}
    assert "one level" in why["item 0"]
    assert "nobody" in why["item 3"]
    assert "0 usable items" in why["skill 0"]
    assert fit.kept_skills.tolist() == [1, 2]
    assert len(fit.items) == 8
    assert fit.converged


def test_a_booklet_that_shares_nobody_is_refused():
    rng = np.random.default_rng(15)
    items, design = bank(rng, 1, 12)
    levels = answer(rng, items, rng.standard_normal((500, 1))).level.reshape(500, 12)
    levels[:300, 8:] = -1
    levels[300:, :8] = -1
    fit = calibrate(answers_from_table(levels), design)
    assert fit.kept_items.tolist() == list(range(8))
    assert all("not linked" in r.why for r in fit.refused)


def test_two_skills_that_every_item_asks_together_are_not_told_apart():
    design = design_from_table(np.ones((8, 2)))
    levels = np.random.default_rng(16).integers(0, 2, (300, 8))
    design = replace(design, skill=np.array([[0, 1]] * 7 + [[0, -1]]))
    fit = calibrate(answers_from_table(levels), design, prior=ItemPrior())
    assert any("also asks skill" in r.why for r in fit.refused)


def test_levels_nobody_reached_are_joined_with_a_neighbour_and_can_still_be_scored():
    rng = np.random.default_rng(17)
    items, design = bank(rng, 1, 8, levels=5)
    levels = answer(rng, items, rng.standard_normal((800, 1))).level.reshape(800, 8)
    levels[:, 0] = np.minimum(levels[:, 0], 3)
    levels[:, 1] = np.maximum(levels[:, 1], 1)
    levels[:, 2][levels[:, 2] == 2] = 1
    fit = calibrate(answers_from_table(levels), design)
    assert {r.what for r in fit.refused} == {"item 0", "item 1", "item 2"}
    assert np.isnan(fit.threshold_se[0, 3])
    assert np.isnan(fit.threshold_se[1, 0])
    assert (fit.items.levels == 5).all()
    mean, _ = score(fit.items, fit.mean, fit.covariance, answers_from_table(np.array([[4, 4, 2, 4, 4, 4, 4, 4]])))
    assert mean[0, 0] > 1


def test_persons_without_answers_and_perfect_patterns_have_sensible_scores():
    rng = np.random.default_rng(18)
    items, design = bank(rng, 2, 12)
    levels = answer(rng, items, rng.multivariate_normal(np.zeros(2), correlations(2), 600)).level.reshape(600, 12)
    levels[0], levels[1], levels[2] = -1, 1, 0
    fit = calibrate(answers_from_table(levels), design)
    mean, sd = score(fit.items, fit.mean, fit.covariance, answers_from_table(levels))
    np.testing.assert_allclose(mean[0], 0)
    np.testing.assert_allclose(sd[0], 1)
    assert (mean[1] > 1).all()
    assert (mean[2] < -1).all()
    assert (sd[1:] < 1).all()


def test_a_slope_that_runs_away_is_stopped_and_said():
    ladder = (np.arange(40)[:, None] > np.linspace(3, 36, 6)).astype(int)  # a perfect Guttman scale
    fit = calibrate(answers_from_table(ladder), design_from_table(np.ones((6, 1))))
    assert any("ran to the limit" in r.why for r in fit.refused)


@pytest.mark.parametrize(
    ("levels", "message"),
    [([[0, 2]], "levels 0..1"), ([[0.5, 1]], "not a level"), ([], "nothing is left")],
)
def test_nonsense_is_raised(levels, message):
    design = design_from_table(np.ones((2, 1)))
    with pytest.raises(ValueError, match=message):
        calibrate(answers_from_table(np.array(levels, dtype=float).reshape(-1, 2)), design)


def test_a_person_who_answers_an_item_twice_is_raised():
    with pytest.raises(ValueError, match="more than once"):
        answers_from_rows(np.array([0, 1, 0]), np.array([2, 2, 2]), np.array([1, 0, 1]), 2)


def test_correlations_of_one_are_refused_at_birth():
    answers = answers_from_table(np.random.default_rng(0).integers(0, 2, (50, 6)))
    design = design_from_table(np.repeat(np.eye(2), 3, axis=0))
    with pytest.raises(ValueError, match="make them one skill"):
        calibrate(answers, design, correlation=np.ones((2, 2)))


def test_skills_mostly_told_by_reversed_items_are_turned_round():
    rng = np.random.default_rng(19)
    items, design = bank(rng, 1, 10)
    levels = answer(rng, items, rng.standard_normal((1500, 1))).level.reshape(1500, 10)
    levels[:, :3] = 1 - levels[:, :3]
    fit = calibrate(answers_from_table(levels), design)
    assert (fit.items.slope[:3, 0] < 0).all()
    assert (fit.items.slope[3:, 0] > 0).all()


# Foresight


def test_what_is_foreseen_adds_up_to_one_and_agrees_with_a_grid(small):
    answers, at = small
    items = Items(at.skill, at.slope, at.threshold, at.guess)
    person = np.arange(len(answers))
    total = np.zeros(len(answers))
    known = answers.where(answers.item != 1)
    for level in range(4):
        asked = answers_from_rows(person, np.full(len(person), 1), np.full(len(person), level), len(person))
        total += np.exp(log_predictive(items, at.mean, at.cov, known, asked))
    np.testing.assert_allclose(total, 1, atol=1e-9)


# Real answers


def real(name):
    if name == "timss2011_g4_aut":
        design = rows_of(f"{name}/qmatrix.csv")
        head, *_ = rows_of(f"{name}/responses.csv.gz")
        asks = np.array([[float(x) for x in row[1:4]] for row in design[1:]])
        columns = [head.index(row[0]) for row in design[1:]]
        return table(f"{name}/responses.csv.gz")[:, columns], asks
    if name == "ecpe":
        return table(f"{name}/responses.csv", slice(1, None)), table(f"{name}/qmatrix.csv", slice(1, None))
    kinds = [row[1] for row in rows_of(f"{name}/items.csv")[1:]]
    asks = np.array([[k == s for s in sorted(set(kinds))] for k in kinds])
    return table(f"{name}/responses.csv", slice(1, None)), asks


@pytest.mark.parametrize("name", ["timss2011_g4_aut", "ecpe", "icar16"])
def test_estimated_correlations_foresee_real_answers_better_than_independent_skills(name):
    levels, asks = real(name)
    known, held_out = split(answers_from_table(levels), 0.2, np.random.default_rng(20))
    design = design_from_table(asks)

    def foresight(correlation):
        fit = calibrate(known, design, correlation=correlation)
        assert fit.converged
        return log_likelihood_held_out(fit.items, fit.mean, fit.covariance, fit.answers(known), fit.answers(held_out))

    together, apart = foresight(None), foresight(np.eye(asks.shape[1]))
    print(f"{name}: held-out log-likelihood an answer {together:.4f} correlated, {apart:.4f} independent")  # noqa: T201
    assert together > apart + 0.005
