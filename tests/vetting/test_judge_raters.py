"""A scale with raters is judged with them: clean grades pass, what is planted in a rater or an item is found there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from irt import rater_fit
from irt.estep import parameters
from irt.facet_step import spelled
from irt.facets import Facets
from irt.fit import foreseen
from irt.model import Items
from tests.irt.test_facets import World
from vetting.calibration import calibrate, judge, report
from vetting.calibration.groupings import Grouping
from vetting.tables import Grades, Item, Responses

PEOPLE = 500
RATERS = tuple(f"r{n}" for n in range(8))


def said(world):
    p, item, rater, answer, level = world.rows
    people = tuple(f"p{n}" for n in range(len(world.theta)))
    names = tuple(f"i{n}" for n in range(len(world.slope)))
    grades = Grades(RATERS, rater.astype(np.int64), answer.astype(np.int64))
    return Responses(people, names, p, item, level, np.arange(len(p)), Path("grades.csv"), grades)


def items_of(world):
    return {f"i{n}": Item(f"i{n}", ("ab"[s],), 4, 0.0) for n, s in enumerate(world.skill)}


def afresh(world, seed, severity=None, easier=None):
    """Other people, graded by the same raters on the same items; severity (8,) of today; easier (P, I) logits."""
    rng, (p, item, rater, answer, _) = np.random.default_rng(seed), world.rows
    other = World.__new__(World)
    other.__dict__ |= world.__dict__
    people = len(world.theta)
    other.theta = rng.multivariate_normal(np.zeros(2), 0.5 + 0.5 * np.eye(2), people)
    today = world.severity if severity is None else severity
    quality = other.theta[p, world.skill[item]] + 0.5 * rng.standard_normal((people, 3))[p, answer]
    quality += 0.4 * rng.standard_normal((people, 9))[p, item]
    z = world.slope[item] * (quality - today[rater]) + (0 if easier is None else easier[p, item])
    z = np.exp(world.log_phi[rater])[:, None] * (z[:, None] + world.threshold[item])
    other.rows = p, item, rater, answer, (rng.random(len(p))[:, None] < expit(z)).sum(1)
    return other


@pytest.fixture(scope="module")
def world():
    return World(500, people=PEOPLE)


@pytest.fixture(scope="module")
def scale(world):
    return calibrate.fit(items_of(world), said(world))


@pytest.fixture(scope="module")
def true(world):
    """The truth as parameters, with answers to its cells."""
    answers, cells = world.given()
    items = Items(world.skill[:, None], world.slope[:, None], world.threshold, np.zeros(9))
    many = Facets(cells, world.severity, world.log_phi, np.log([0.5, 0.4]), 0.5, 0.3)
    return replace(parameters(items, np.zeros(2), 0.5 + 0.5 * np.eye(2)), facets=many), answers


def about(found, check):
    return [one.why for one in found.reasons if one.check == check]


def test_clean_grades_are_let_through_and_raters_fit(world, scale):
    parts = np.random.default_rng(1).random(PEOPLE)
    groups = [Grouping("language", tuple("ab"[int(x < 0.4)] for x in parts))]
    found = judge.judge(scale, said(world), groupings=groups, time=parts)
    assert found.verdict != "refuse"
    assert {one.standing for one in found.raters.raters} <= {"fits", "dull"}
    assert [one.infit for one in found.raters.raters] == pytest.approx([1] * 8, abs=0.1)
    assert all(one.moved is None for one in found.raters.raters)
    assert found.answers == len(world.rows[0])
    assert all(one.answers == PEOPLE for one in found.items)  # of people, not of grades
    assert 'id="raters"' in report.page(found)


def test_what_a_rater_became_is_told_and_laid_at_no_other_door(world, scale):
    """Rater 2 is .8 stricter since, rater 3 grades by chance, rater 4 is a level lower on one item."""
    today = world.severity + 0.8 * (np.arange(8) == 2)
    fresh = afresh(world, 1, severity=today)
    rng, (p, item, rater, answer, level) = np.random.default_rng(2), fresh.rows
    level = np.where(rater == 3, rng.integers(0, 4, len(p)), level)
    fresh.rows = p, item, rater, answer, np.where((rater == 4) & (item == 5), np.maximum(level - 1, 0), level)
    found = judge.judge(scale, said(fresh))
    by_name = {one.rater: one for one in found.raters.raters}
    assert by_name["r3"].standing == "erratic"
    assert {one.standing for name, one in by_name.items() if name not in ("r2", "r3")} == {"fits"}
    assert by_name["r2"].moved == pytest.approx(0.8, abs=3 * by_name["r2"].moved_se + 0.1)
    assert sum("stricter here than" in why for why in about(found, "raters")) == 1
    first = found.raters.deviations[0]
    assert (first.rater, first.item) == ("r4", "i5")
    assert first.deviation > 0.5
    assert not [one for one in found.reasons if one.weight == "refuse" and one.items]


def test_an_item_that_is_harder_for_some_is_found_with_its_size(world, scale):
    focal = np.random.default_rng(3).random(PEOPLE) < 0.5
    fresh = afresh(world, 4, easier=-1.2 * focal[:, None] * (np.arange(9) == 4))
    found = judge.judge(scale, said(fresh), groupings=[Grouping("g", tuple("ab"[int(x)] for x in focal))])
    (groups,) = found.groups
    sign = 1 if groups.focal == "b" else -1  # the smaller group is the focal one
    (large,) = groups.large
    assert large.item == "i4"
    assert abs(large.shift + sign * 1.2) < 3 * large.se


def test_means_of_several_raters_have_the_spread_that_is_foreseen(true):
    at, answers = true
    marks = rater_fit.compared(at, answers)
    assert len(marks.item) == 9 * PEOPLE
    ratio = marks.residual**2
    assert ratio.mean() == pytest.approx(1, abs=3 * ratio.std() / np.sqrt(PEOPLE))
    assert marks.residual.mean() == pytest.approx(0, abs=0.05)


def test_slopes_of_means_are_their_derivatives(true):
    at, answers = true
    marks, h = rater_fit.compared(at, answers), 1e-4
    mine = marks.item == 3
    for move, told in (
        (lambda x: replace(at, threshold=at.threshold + x * (np.arange(9) == 3)[:, None] * [1, 0, 0]), 1),
        (lambda x: replace(at, slope=at.slope + x * (np.arange(9) == 3)[:, None]), 0),
    ):
        up, down = (rater_fit.compared(move(x), answers).expected[mine] for x in (h, -h))
        np.testing.assert_allclose(marks.slope[mine, told], (up - down) / (2 * h), atol=0.03)  # others' sites move too


def test_infit_is_one_under_the_truth(true):
    at, answers = true
    wide = spelled(at)
    seen = foreseen(Items(wide.skill, wide.slope, wide.threshold, wide.guess), wide.mean, wide.cov, answers)
    found = rater_fit.rater_fit(at.facets.cells, answers, seen)
    assert found.infit == pytest.approx(np.ones(8), abs=0.12)
    assert np.abs(found.z).max() < 4


@pytest.mark.slow
def test_tests_with_raters_keep_near_their_rates():
    items, shifts, moved, persons, refused = [], [], [], [], 0
    for seed in range(10):
        truth = World(500 + seed, people=PEOPLE)
        scale = calibrate.fit(items_of(truth), said(truth))
        parts = np.random.default_rng(seed).random(PEOPLE) < 0.4
        groups = [Grouping("g", tuple("ab"[int(x)] for x in parts))]
        found = judge.judge(scale, said(afresh(truth, 9000 + seed)), groupings=groups)
        items += [one.p_value for one in found.items]
        shifts += [one.shift / one.se for one in found.groups[0].items]
        moved += [one.moved / one.moved_se for one in found.raters.raters]
        persons.append(found.persons.below / found.persons.judged)
        refused += found.verdict == "refuse"
    noise = 2.6 * np.sqrt(0.05 * 0.95)
    assert np.mean(np.array(items) < 0.05) == pytest.approx(0.05, abs=noise / np.sqrt(len(items)))
    assert np.mean(np.abs(shifts) > 1.96) == pytest.approx(0.05, abs=noise / np.sqrt(len(shifts)))
    assert np.mean(np.abs(moved) > 1.96) == pytest.approx(0.05, abs=noise / np.sqrt(len(moved)))
    assert np.mean(persons) == pytest.approx(0.05, abs=0.03)
    assert refused == 0
