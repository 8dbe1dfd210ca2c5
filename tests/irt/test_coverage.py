"""Honest intervals: simulated applicants answer adaptively, and their intervals hold the truth as often as said."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.beliefs import criteria
from irt.belief import Belief, answers, solve, update
from irt.calibration import calibrate
from irt.design import Design, answers_from_rows
from irt.model import Items, probability, projection
from irt.mstep import ItemPrior
from irt.population import bifactor, from_covariance
from irt.selection import Aim, Pool, scan
from irt.simulation import random_items, respond

PEOPLE, SKILLS, BANK = 2000, 6, 400
STOPS = (10, 20, 40)
Z90, Z95 = 1.6448536269514722, 1.959963984540054


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
    wide = inside.copy()
    for person, truth in enumerate(population.draw(PEOPLE, rng)):
        asked, level = sit(truth, bank, pool, aim, prior, rng)
        for stop, count in enumerate(STOPS):
            known = solve(population, answers(bank.rows(asked[:count]), level[:count]))
            inside[person, stop] = np.abs(truth - known.mean) <= Z90 * known.sd
            wide[person, stop] = np.abs(truth - known.mean) <= Z95 * known.sd
            sds[stop] += known.sd.mean() / PEOPLE

    covered = inside.mean((0, 2))
    for stop, count in enumerate(STOPS):
        held = f"{covered[stop]:.3f} of 90 % and {wide[:, stop].mean():.3f} of 95 % intervals hold"
        print(f"{count} answers: {held}, sd {sds[stop]:.2f}")  # noqa: T201
    assert ((wide.mean((0, 2)) > 0.94) & (wide.mean((0, 2)) < 0.96)).all()  # standard error .003
    assert ((covered > 0.88) & (covered < 0.92)).all()
    assert ((inside.mean(0) > 0.88) & (inside.mean(0) < 0.92)).all()  # of each skill: standard error .0067


def roughly_known(answers_each, rng, prior):
    """A true bank, the same bank as calibrated on random booklets of 40, how unsure each item is, the population."""
    population = bifactor(np.full(5, 0.5), np.full(5, 0.15), [0, 0, 0, 1, 1])
    count, booklet = 400, 40
    skill = (np.arange(count) % 5)[:, None]
    slope = np.exp(rng.normal(0.25, 0.3, (count, 1))).clip(0.5, 2.8)
    bank = Items(skill, slope, -slope * rng.standard_normal((count, 1)), np.zeros(count))
    people = answers_each * count // booklet
    level = respond(population.draw(people, rng), bank, rng)
    item = np.argsort(rng.random((people, count)), axis=1)[:, :booklet].ravel()
    person = np.repeat(np.arange(people), booklet)
    said = answers_from_rows(person, item, level[person, item], people)
    fit = calibrate(said, Design(5, skill, np.full(count, 2), np.zeros(count)), prior=prior)
    blur = fit.item_covariance[:, 0, 0] + fit.item_covariance[:, 1, 1]  # of a θ + d over the population
    return bank.rows(fit.kept_items), fit, blur, population


def held_adaptively(answers_each, people, rng, prior, *, blurred):
    """Shares of 95 % intervals that hold after 20 and 60 answers: chosen by rough items, given on true ones."""
    bank, fit, blur, population = roughly_known(answers_each, rng, prior)
    blur = blur if blurred else np.zeros(len(bank))
    near = from_covariance(fit.mean, fit.covariance)
    pool, aim = Pool(fit.items, blur, np.ones(len(bank))), Aim(np.full(5, 0.1), np.ones(5))
    inside = np.zeros((people, 2, 5), dtype=bool)
    for person, truth in enumerate(population.draw(people, rng)):
        level, asked = respond(truth, bank, rng), []
        belief, allowed = Belief(near.mean, near.cov), np.ones(len(bank), dtype=bool)
        for _ in range(60):
            row = scan(belief, pool, aim, allowed).order[0]
            belief = update(belief, fit.items.rows(np.array([row])), level[row])
            allowed[row] = False
            asked.append(row)
        for stop, rows in enumerate((np.array(asked[:20]), np.array(asked))):
            known = solve(near, answers(fit.items.rows(rows), level[rows], blur[rows]))
            inside[person, stop] = np.abs(truth - known.mean) <= Z95 * known.sd
    return inside.mean((0, 2))


@pytest.mark.slow
def test_intervals_hold_where_items_were_estimated_from_a_hundred_answers_each():
    """Adaptive choice seeks out items that look better than they are: a prior and the items' own doubt repair that."""
    honest = [held_adaptively(100, 300, np.random.default_rng([7, n]), ItemPrior(), blurred=True) for n in range(3)]
    naive = held_adaptively(100, 150, np.random.default_rng([7, 0]), None, blurred=False)
    print("items of 100 answers:", np.mean(honest, axis=0), "by likelihood alone:", naive)  # noqa: T201
    assert ((np.mean(honest, axis=0) > 0.93) & (np.mean(honest, axis=0) < 0.97)).all()  # standard error .006
    assert (naive < 0.90).all()


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
