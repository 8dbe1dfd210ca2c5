"""Two noisy graders and an audit by people: do intervals of persons hold when nothing of the graders was known?"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from irt.rater_cells import Ratings
from irt.rater_people import people
from irt.rater_prior import Prior
from irt.raters import fit

SLOPE, EFFECT = 1.6, 0.8  # logits; what an answer's criteria share
STEEP = float(np.hypot(SLOPE, EFFECT))  # sd of a criterion's quality in logits, with skills of unit variance
CUTS = np.array([1.8, 0.3, -1.2])
SEVERITY = np.array([0.0, 0.35, -0.4])  # a person, and two graders; in sds of quality
SHARP = np.array([0.9, 0.7, 0.5])
SKILLS = 0.6 * np.ones((3, 3)) + 0.4 * np.eye(3)
QUALITY = Prior(np.full((3, 3), (EFFECT / STEEP) ** 2), SKILLS * (SLOPE / STEEP) ** 2)
AUDIT = 0.1


def drawn(rng, persons, answers, blind):
    """(ratings, what a person's answers share): graders see `blind` sds that people do not, half of it the person's."""
    skill = rng.multivariate_normal(np.zeros(3), SKILLS, persons)
    quality = SLOPE * skill[:, None] + EFFECT * rng.normal(size=(persons, answers, 1))
    own = rng.normal(size=(persons, 1, 3)) + rng.normal(size=(persons, answers, 3))
    seen = np.stack([quality, *2 * [quality + blind * STEEP * 0.5**0.5 * own]], axis=-1)
    reach = expit((SHARP * (seen - STEEP * SEVERITY))[..., None] + SHARP[:, None] * CUTS)
    level = (rng.random(seen.shape)[..., None] < reach).sum(axis=-1)
    audited = rng.random((persons, answers)) < AUDIT
    person, answer, criterion, rater = np.indices(level.shape).reshape(4, -1)
    kept = (rater > 0) | audited[person, answer]
    person, answer, criterion, rater = person[kept], answer[kept], criterion[kept], rater[kept]
    ratings = Ratings(
        person * answers + answer, criterion, rater, level[person, answer, criterion, rater], np.full(3, 4),
        persons * answers, 3, np.ones(len(person)), np.repeat(np.arange(persons), answers), np.array([0]),
    )  # fmt: skip
    return ratings, skill * SLOPE / STEEP


@pytest.mark.slow
@pytest.mark.parametrize("blind", [0.0, 0.5])
def test_a_composite_is_covered_when_raters_come_from_a_tenth_graded_by_people(blind):
    persons = 300
    ratings, truth = drawn(np.random.default_rng(40), persons, 6, blind)
    told = people(fit(ratings, quality=QUALITY))
    held = np.abs((told.mean - truth).mean(1)) <= 1.96 * np.sqrt(told.cov.mean((1, 2)))
    slack = 2 * (0.05 * 0.95 / persons) ** 0.5
    assert 0.93 - slack <= held.mean() <= 0.97 + slack


def test_a_known_scale_stays_as_it_is_known():
    ratings, _ = drawn(np.random.default_rng(41), 60, 3, 0.3)
    found = fit(ratings, quality=QUALITY)
    for got, known in zip(found.prior, QUALITY, strict=True):
        assert np.allclose(got[:3, :3], known, atol=2e-3)
        assert np.linalg.eigvalsh(got)[0] > 0


def one_criterion(rng, persons=40, answers=2):
    severity, n = np.array([-0.3, 0.3]), persons * answers
    shared = rng.normal(size=persons)
    quality = np.repeat(0.8 * shared, answers) + 0.6 * rng.normal(size=n)
    reach = expit(2.0 * (quality[:, None, None] - severity[:, None] + np.array([0.7, -0.7])))
    level = (rng.random((n, 2, 1)) < reach).sum(-1)
    answer, rater = np.indices(level.shape).reshape(2, -1)
    return Ratings(
        answer, 0 * answer, rater, level[answer, rater], np.array([3]), n, 2, np.ones(2 * n),
        np.repeat(np.arange(persons), answers),
    )  # fmt: skip


def by_quadrature(found, shift):
    """(mean, variance) (persons,) of what a person's answers share, the first rater stricter by `shift`."""
    rows, at = found.ratings, found.raters
    between, within = float(found.prior.between[0, 0]), float(found.prior.within[0, 0])
    grid = np.linspace(-6, 6, 161)
    b, w = grid * between**0.5, grid * within**0.5
    q = b[:, None] + w
    mass = np.exp(-0.5 * grid**2) / np.exp(-0.5 * grid**2).sum()
    like = np.ones((rows.answers, *q.shape))
    for answer, rater, level in zip(rows.answer, rows.rater, rows.level, strict=True):
        own = q - at.severity[rater] - shift * (rater == 0)
        reach = expit(np.exp(at.log_discrimination[rater]) * (own + at.threshold[0][:, None, None]))
        like[answer] *= (
            np.concatenate([np.ones((1, *q.shape)), reach])[level]
            - np.concatenate([reach, np.zeros((1, *q.shape))])[level]
        )
    weight = np.stack([np.prod((like @ mass)[rows.person == p], axis=0) for p in range(rows.person.max() + 1)]) * mass
    weight /= weight.sum(1, keepdims=True)
    mean = weight @ b
    return mean, weight @ b**2 - mean**2


def test_persons_are_as_integration_tells_and_so_is_what_a_raters_severity_would_move():
    found = fit(one_criterion(np.random.default_rng(42)))
    sure = people(replace(found, covariance=np.zeros_like(found.covariance)))
    mean, variance = by_quadrature(found, 0.0)
    assert np.allclose(sure.mean[:, 0], mean, atol=0.01)
    assert np.allclose(sure.cov[:, 0, 0], variance, atol=0.01)
    only = np.zeros_like(found.covariance)
    only[0, 0] = 1.0  # as if nothing but the first rater's severity were open, with an error of 1
    moved = people(replace(found, covariance=only)).cov[:, 0, 0] - sure.cov[:, 0, 0]
    slope = (by_quadrature(found, 0.01)[0] - by_quadrature(found, -0.01)[0]) / 0.02
    assert np.allclose(np.sqrt(moved), slope, atol=0.03)
    assert slope.mean() > 0.1


def test_without_persons_there_is_nothing_to_tell():
    ratings = replace(one_criterion(np.random.default_rng(43)), person=None)
    with pytest.raises(ValueError, match="whose answers they are"):
        people(fit(ratings))


def test_a_scale_that_does_not_fit_the_ratings_is_refused():
    ratings, _ = drawn(np.random.default_rng(44), 10, 2, 0.0)
    with pytest.raises(ValueError, match="the ratings have 3 axes and persons are named"):
        fit(ratings, quality=Prior(np.eye(2), np.eye(2)))
    with pytest.raises(ValueError, match="persons are not named"):
        fit(replace(ratings, person=None), quality=QUALITY)
