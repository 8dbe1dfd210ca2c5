"""Two scales of the same items are brought together: a known change of scale is found again."""

from __future__ import annotations

import numpy as np
import pytest

from irt.calibration import calibrate
from irt.design import answers_from_table, design_from_table
from irt.linking import Link, haebara, mean_sigma
from irt.model import probability, projection
from irt.simulation import random_items, respond

KNOWN = Link(np.array([1.3, 0.8]), np.array([0.4, -0.7]))
CORRELATED = np.array([[1.0, 0.5], [0.5, 1.0]])


@pytest.fixture
def items(rng):
    return random_items(40, 2, rng, two=0.2)


def test_what_people_do_is_the_same_on_both_scales(items, rng):
    theta = rng.standard_normal((50, 2))
    moved = probability(projection(theta * KNOWN.scale + KNOWN.shift, KNOWN.items(items)), KNOWN.items(items))
    np.testing.assert_allclose(moved, probability(projection(theta, items), items), atol=1e-12)


@pytest.mark.parametrize("way", ["mean-sigma", "haebara"])
def test_a_known_change_of_scale_is_found_exactly(items, rng, way):
    new = KNOWN.items(items)
    mean, cov = KNOWN.population(np.zeros(2), CORRELATED)
    found = mean_sigma(items, new, 2) if way == "mean-sigma" else haebara(items, new, mean, cov, rng)
    np.testing.assert_allclose(found.scale, KNOWN.scale, atol=1e-4)
    np.testing.assert_allclose(found.shift, KNOWN.shift, atol=1e-4)


def test_one_odd_item_throws_mean_sigma_further_than_haebara(items, rng):
    new = KNOWN.items(items)
    threshold = new.threshold.copy()
    single = np.flatnonzero((items.slope != 0).sum(1) == 1)[0]
    threshold[single] += 12.0
    odd = type(new)(new.skill, new.slope, threshold, new.guess)
    mean, cov = KNOWN.population(np.zeros(2), CORRELATED)
    off = [
        np.abs([*(link.scale - KNOWN.scale), *(link.shift - KNOWN.shift)]).max()
        for link in (mean_sigma(items, odd, 2), haebara(items, odd, mean, cov, rng))
    ]
    assert off[1] < 0.7 * off[0]


def test_a_stronger_class_is_placed_where_it_is_on_the_scale_of_the_first():
    """Two fits, each with mean 0 and variance 1; linked, the second class is .6 higher and 1.2 as wide."""
    rng = np.random.default_rng(11)
    items = random_items(30, 1, rng, graded=0.3)
    fits = []
    for mean, sd in ((0.0, 1.0), (0.6, 1.2)):
        level = respond(mean + sd * rng.standard_normal((3000, 1)), items, rng)
        fits.append(
            calibrate(answers_from_table(level), design_from_table(np.ones((30, 1)), items.levels, items.guess))
        )
    link = haebara(fits[1].items, fits[0].items, fits[0].mean, fits[0].covariance, rng)
    mean, cov = link.population(fits[1].mean, fits[1].covariance)
    assert mean[0] == pytest.approx(0.6, abs=0.1)  # standard error .03 of people, and as much of items
    assert np.sqrt(cov[0, 0]) == pytest.approx(1.2, abs=0.1)


def test_links_that_cannot_be_are_refused(items, rng):
    alike = items.rows(np.full(3, np.flatnonzero((items.slope != 0).sum(1) == 1)[0]))
    with pytest.raises(ValueError, match="the same items"):
        mean_sigma(items, items.rows(np.arange(5)), 2)
    with pytest.raises(ValueError, match="0 common items ask skill 2"):
        haebara(items, items, np.zeros(3), np.eye(3), rng)
    with pytest.raises(ValueError, match="0 common items ask skill 2 alone"):
        mean_sigma(items, items, 3)
    with pytest.raises(ValueError, match="above 0"):
        Link(np.array([0.0]), np.array([1.0]))
    with pytest.raises(ValueError, match=r"equally hard|0 common items"):
        mean_sigma(alike, alike, 1 + int(alike.skill.max()))
