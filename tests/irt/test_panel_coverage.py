"""Two noisy graders and an audit by people: do a profile's intervals hold when severities had to be estimated?"""

import numpy as np
import pytest

from irt.belief import Evidence, solve
from irt.model import Items, rated
from irt.population import Population
from irt.rater_cells import Ratings
from irt.raters import fit

PEOPLE, ANSWERS, SKILLS = 500, 6, 3
SLOPE, EFFECT = 1.6, 0.8  # logits; what an answer's criteria share
CUTS = np.array([1.8, 0.3, -1.2])
SEVERITY = np.array([0.0, 0.35, -0.4])  # a person, and two graders; in sds of skill
SHARP = np.array([0.9, 0.7, 0.5])
AUDIT = 0.1
STEEP = float(np.hypot(SLOPE, EFFECT))  # sd of a criterion's quality in logits, with skills of unit variance


@pytest.mark.slow
def test_a_composite_is_covered_when_severities_come_from_a_tenth_graded_by_people():
    rng = np.random.default_rng(40)
    population = Population(np.zeros(SKILLS), np.full((SKILLS, 1), 0.6**0.5), np.full(SKILLS, 0.4))
    theta = rng.multivariate_normal(np.zeros(SKILLS), population.cov, PEOPLE)
    levels = said(rng, theta)  # (people, answers, criteria, raters)
    audited = rng.random((PEOPLE, ANSWERS)) < AUDIT
    sharp, severity, doubt = calibrated(levels, audited)
    held = 0
    for person in range(PEOPLE):
        seen = evidence(levels[person], audited[person], sharp, severity, doubt)
        told = solve(population, seen).belief
        gap = (told.mean - theta[person]).mean()
        held += abs(gap) <= 1.96 * np.sqrt(told.cov.mean())
    assert held / PEOPLE + 2 * (0.05 * 0.95 / PEOPLE) ** 0.5 >= 0.93
    assert held / PEOPLE - 2 * (0.05 * 0.95 / PEOPLE) ** 0.5 <= 0.97


def said(rng, theta):
    quality = SLOPE * theta[:, None, :] + EFFECT * rng.normal(size=(PEOPLE, ANSWERS, 1))
    logit = SHARP * (quality[..., None] - SLOPE * SEVERITY)  # (people, answers, criteria, raters)
    reach = 1 / (1 + np.exp(-(logit[..., None] + SHARP[:, None] * CUTS)))
    return (rng.random(logit.shape)[..., None] < reach).sum(axis=-1)


def calibrated(levels, audited):
    """(discrimination, severity, variance of the two graders' readings) by marginal likelihood, people as anchors."""
    person, answer, criterion, rater = np.indices(levels.shape).reshape(4, -1)
    keep = (rater > 0) | audited[person, answer]
    person, answer, criterion, rater = person[keep], answer[keep], criterion[keep], rater[keep]
    grades = Ratings(
        person * ANSWERS + answer, criterion, rater, levels[person, answer, criterion, rater],
        np.full(SKILLS, len(CUTS) + 1), PEOPLE * ANSWERS, 3, np.ones(len(person)),
        np.repeat(np.arange(PEOPLE), ANSWERS), np.array([0]),
    )  # fmt: skip
    found = fit(grades)
    (rho, rho_se), (phi, phi_se) = found.severity, found.discrimination
    doubt = (rho_se * STEEP) ** 2 + (phi_se / phi * SLOPE) ** 2
    return phi / STEEP, rho * STEEP / SLOPE, doubt


def evidence(levels, audited, sharp, severity, doubt):
    answer, criterion, rater = np.indices(levels.shape).reshape(3, -1)
    keep = (rater > 0) | audited[answer]
    answer, criterion, rater = answer[keep], criterion[keep], rater[keep]
    n = len(answer)
    own = Items(criterion[:, None], np.full((n, 1), SLOPE), np.tile(CUTS, (n, 1)), np.zeros(n))
    return Evidence(
        rated(own, sharp[rater], severity[rater] * SLOPE), levels[answer, criterion, rater], np.zeros(n), np.ones(n),
        sharp[rater] ** 2 * doubt[rater], answer, sharp[rater] * EFFECT,
    )  # fmt: skip
