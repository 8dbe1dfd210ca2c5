"""A new rater's severity and sharpness: found from a hundred answers graded once more, with honest error bars."""

import numpy as np
import pytest

from irt.model import Items
from irt.newcomer import SEVERITY_SD, newcomer

SLOPE, EFFECT, PERSON = 2.0, 1.0, 0.3  # logits; logits; sd of what is not known of the person
CUTS = np.array([2.4, 0.8, -0.8, -2.4])
QUALITY = float(np.hypot(SLOPE, EFFECT))  # sd of a criterion's quality, in logits
TYPICAL = 2.5 / QUALITY  # a typical grader: 2.5 logits an sd of quality
RUNS = 600


def verdicts(rng, answers, criteria, severity, phi, *, human=TYPICAL):
    """A newcomer's verdicts, and what a person of known sharpness and the candidates' profiles say of each answer."""
    n = answers * criteria
    answer = np.repeat(np.arange(answers), criteria)
    known = np.repeat(rng.normal(0, (1 - PERSON**2) ** 0.5, answers), criteria)
    s = SLOPE * (known + np.repeat(PERSON * rng.normal(size=answers), criteria))
    s += EFFECT * np.repeat(rng.normal(size=answers), criteria)
    items = Items(np.zeros((n, 1), dtype=np.int64), np.full((n, 1), SLOPE), np.tile(CUTS, (n, 1)), np.zeros(n))
    mean, variance = known * SLOPE, np.full(n, (SLOPE * PERSON) ** 2 + EFFECT**2)
    mean, variance = after(drawn(rng, human * (s[:, None] + CUTS)), human, mean, variance)
    level = drawn(rng, phi * (s[:, None] + CUTS - severity * SLOPE))
    return level, items, mean, variance, answer


def drawn(rng, logit):
    return (rng.random((len(logit), 1)) < 1 / (1 + np.exp(-logit))).sum(axis=1)


def after(level, phi, mean, variance):
    """Moments of s after a verdict by somebody whose reading is known, by quadrature."""
    grid = mean[:, None] + np.sqrt(variance)[:, None] * np.linspace(-5, 5, 101)
    weight = np.exp(-0.5 * np.linspace(-5, 5, 101) ** 2)
    reach = 1 / (1 + np.exp(-phi * (grid[..., None] + CUTS)))
    full = np.concatenate([np.ones((*grid.shape, 1)), reach, np.zeros((*grid.shape, 1))], axis=-1)
    chance = full[..., :-1] - full[..., 1:]
    weight = weight * np.take_along_axis(chance, level[:, None, None], axis=-1)[..., 0]
    weight /= weight.sum(axis=1, keepdims=True)
    first = (weight * grid).sum(axis=1)
    return first, (weight * grid**2).sum(axis=1) - first**2


@pytest.mark.slow
@pytest.mark.parametrize(("answers", "criteria"), [(100, 1), (50, 3)])
def test_a_hundred_answers_are_enough_and_the_error_bar_is_honest(answers, criteria):
    rng = np.random.default_rng(50)
    held, se, gap = np.zeros(2), [], []
    for _ in range(RUNS):
        severity, log_phi = rng.normal(0, SEVERITY_SD), rng.normal(np.log(TYPICAL), 0.3)
        told = newcomer(*verdicts(rng, answers, criteria, severity, np.exp(log_phi)))
        held += [
            abs(told.severity - severity) <= 1.96 * told.severity_se,
            abs(told.log_discrimination - log_phi) <= 1.96 * told.log_discrimination_se,
        ]
        se.append(told.severity_se)
        gap.append(told.severity - severity)
    noise = 2 * (0.05 * 0.95 / RUNS) ** 0.5
    assert 0.93 - noise <= held[0] / RUNS <= 0.97 + noise
    in_quality = SLOPE / QUALITY  # a severity in sds of the person's skill, as one in sds of quality
    assert np.median(se) * in_quality <= 0.10
    assert np.sqrt(np.mean(np.square(gap))) * in_quality <= 0.10 + 0.01


def test_levels_that_a_criterion_does_not_have_are_refused():
    level, items, mean, variance, answer = verdicts(np.random.default_rng(1), 10, 1, 0.0, 1.0)
    with pytest.raises(ValueError, match="a level its criterion does not have"):
        newcomer(level + 5, items, mean, variance, answer)
    with pytest.raises(ValueError, match="other lengths"):
        newcomer(level[:-1], items, mean, variance, answer)
