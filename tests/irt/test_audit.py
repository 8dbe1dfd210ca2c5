"""People's mean from a panel and an audit: it covers whatever the panel's bias, and people alone are hardly better."""

import numpy as np
import pytest

from irt.audit import corrected_mean

RUNS = 2000


def levels(rng, quality, severity, phi):
    cuts = np.array([-1.0, 0.0, 1.0])
    reach = 1 / (1 + np.exp(-phi * (quality[:, None] - severity - cuts)))
    return (rng.random((len(quality), 1)) < reach).sum(axis=1).astype(float)


def drawn(rng, total, audited, *, severity, phi):
    """A biased panel's verdicts on all answers, a person's on an audited tenth."""
    quality = rng.normal(size=total)
    panel = (levels(rng, quality, severity, phi) + levels(rng, quality, severity, phi)) / 2
    person = levels(rng, quality, 0.0, 2.5)
    return panel[audited:], panel[:audited], person[:audited], person[audited:]


def expected(phi=2.5):
    """People's mean level over the population, by quadrature."""
    x, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()
    return sum(float(w @ (1 / (1 + np.exp(-phi * (x - cut))))) for cut in (-1.0, 0.0, 1.0))


@pytest.mark.parametrize(("severity", "phi"), [(0.5, 1.5), (-0.8, 0.6), (0.0, 4.0)])
def test_the_interval_covers_peoples_mean_at_its_rate_whatever_the_bias(severity, phi):
    rng, truth = np.random.default_rng(20), expected()
    held, width, alone = 0, [], []
    for _ in range(RUNS):
        rest, audited, people, _ = drawn(rng, 1000, 100, severity=severity, phi=phi)
        told = corrected_mean(rest, audited, people)
        held += told.low <= truth <= told.high
        width.append(told.se)
        alone.append(people.std(ddof=1) / 10)
    assert held / RUNS == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / RUNS) ** 0.5)
    assert np.mean(width) < np.mean(alone)


def test_a_panel_that_knows_nothing_costs_nothing():
    rng = np.random.default_rng(21)
    people = rng.normal(size=200)
    told = corrected_mean(rng.normal(size=5000), rng.normal(size=200), people)
    assert told.se == pytest.approx(people.std(ddof=1) / 200**0.5, rel=0.05)


def test_answers_of_one_person_are_one_draw():
    rng = np.random.default_rng(22)
    person = np.repeat(np.arange(60), 5)
    people = np.repeat(rng.normal(size=60), 5)
    audited = people + rng.normal(scale=0.1, size=300)
    rest, whose = rng.normal(size=100), np.arange(100, 200)
    apart = corrected_mean(rest, audited, people)
    together = corrected_mean(rest, audited, people, groups=(whose, person))
    assert together.se > 1.5 * apart.se


def test_what_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="1 audited draws"):
        corrected_mean(np.zeros(5), np.zeros(1), np.ones(1))
    with pytest.raises(ValueError, match="both must be"):
        corrected_mean(np.zeros(5), np.zeros(2), np.ones(3))
