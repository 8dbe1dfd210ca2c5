"""Honest intervals: simulated applicants answer adaptively, and their intervals hold the truth as often as said."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.beliefs import criteria
from irt.belief import Belief, answers, solve, update
from irt.model import probability, projection
from irt.population import bifactor
from irt.selection import Aim, Pool, scan
from irt.simulation import random_items

PEOPLE, SKILLS, BANK = 2000, 6, 400
STOPS = (10, 20, 40)
Z90 = 1.6448536269514722


def sit(theta, bank, pool, aim, prior, rng):
    """Rows asked and levels reached of one adaptive sitting of 40 questions."""
    belief, allowed = prior, np.ones(len(bank), dtype=bool)
    ladder = np.cumsum(probability(projection(theta, bank), bank), axis=-1)[:, :-1]
    level = (rng.random(len(bank))[:, None] > ladder).sum(-1)
    asked = []
    for _ in range(max(STOPS)):
        row = scan(belief, pool, aim, allowed).order[0]
        belief = update(belief, bank.rows(np.array([row])), level[row])
        allowed[row] = False
        asked.append(row)
    return np.array(asked), level[asked]


@pytest.mark.slow
def test_ninety_percent_intervals_cover_nine_times_in_ten_after_ten_twenty_and_forty_adaptive_answers():
    rng = np.random.default_rng(90)
    population = bifactor(np.full(SKILLS, 0.5), np.full(SKILLS, 0.15), [skill // 3 for skill in range(SKILLS)])
    bank = random_items(BANK, SKILLS, rng)
    pool = Pool(bank, np.zeros(BANK), rng.lognormal(0.3, 0.4, BANK))
    aim, prior = Aim(np.full(SKILLS, 0.1), np.ones(SKILLS)), Belief(population.mean, population.cov)
    inside, sds = np.zeros((PEOPLE, len(STOPS), SKILLS), dtype=bool), np.zeros(len(STOPS))
    for person, truth in enumerate(population.draw(PEOPLE, rng)):
        asked, level = sit(truth, bank, pool, aim, prior, rng)
        for stop, count in enumerate(STOPS):
            known = solve(population, answers(bank.rows(asked[:count]), level[:count]))
            inside[person, stop] = np.abs(truth - known.mean) <= Z90 * known.sd
            sds[stop] += known.sd.mean() / PEOPLE

    covered = inside.mean((0, 2))
    for stop, count in enumerate(STOPS):
        print(f"{count} answers: {covered[stop]:.3f} of 90 % intervals hold, sd {sds[stop]:.2f}")  # noqa: T201
    assert ((covered > 0.88) & (covered < 0.92)).all()
    assert ((inside.mean(0) > 0.88) & (inside.mean(0) < 0.92)).all()  # of each skill: standard error .0067


def test_intervals_hold_where_three_criteria_share_an_answer_and_not_if_that_is_ignored():
    rng = np.random.default_rng(33)
    told = criteria(1.0, 1.0, 1200, rng)
    ignored = criteria(1.0, 0.0, 400, rng)

    assert 0.93 < told["skill coverage"] < 0.97
    assert 0.93 < told["composite coverage"] < 0.97  # standard error .0063
    assert ignored["composite coverage"] < 0.90


def test_intervals_hold_where_items_are_known_only_roughly():
    """Each item's threshold is off by an unknown N(0, 1): blur says so, and its lack shows."""
    rng = np.random.default_rng(8)
    population = bifactor(np.full(4, 0.5), np.full(4, 0.15), [0, 0, 1, 1])
    bank = random_items(60, 4, rng, two=0.0)
    told, ignored = [], []
    for truth in population.draw(800, rng):
        s = projection(truth, bank) + rng.standard_normal(60)
        level = (rng.random(60)[:, None] > np.cumsum(probability(s, bank), axis=-1)[:, :-1]).sum(-1)
        known = solve(population, answers(bank, level, np.ones(60)))
        plain = solve(population, answers(bank, level))
        told.append(np.abs(truth - known.mean) <= 1.96 * known.sd)
        ignored.append(np.abs(truth - plain.mean) <= 1.96 * plain.sd)

    assert 0.935 < np.mean(told) < 0.965  # standard error .005: skills of a person are correlated
    assert np.mean(ignored) < np.mean(told) - 0.01
