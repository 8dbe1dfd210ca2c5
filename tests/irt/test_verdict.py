"""Information and decisions as objectives, judged by counting through outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from irt.belief import Belief, answers, solve
from irt.population import bifactor
from irt.selection import Pool, scan
from irt.simulation import random_items, respond
from irt.tilt import tilt
from irt.verdict import Knowledge, Verdicts
from irt.worth import effect

SKILLS = 10


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def seat(count, answered, rng):
    """A bank with minutes, and a belief after some answers."""
    population = bifactor(np.full(SKILLS, 0.5), np.full(SKILLS, 0.15), [skill // 5 for skill in range(SKILLS)])
    bank = random_items(count, SKILLS, rng)
    asked = bank.rows(rng.choice(count, answered, replace=False))
    level = respond(population.draw(1, rng)[0], asked, rng)
    pool = Pool(bank, rng.uniform(0, 0.2, count), rng.lognormal(0.3, 0.5, count))
    return solve(population, answers(asked, level)).belief, pool


def queues(rng, count=4):
    return Verdicts(rng.dirichlet(np.ones(SKILLS), count), rng.normal(0, 0.7, count), rng.uniform(0.5, 2, count))


def entropy(p):
    p = np.clip(p, 1e-300, 1)
    return -(p * np.log(p) + (1 - p) * np.log(np.maximum(1 - p, 1e-300)))


def counted(belief, pool, ask, j):
    """Expected fall of the entropy of the queues' decisions, with whole covariance matrices after each outcome."""
    a = pool.items.dense(SKILLS)[j]
    u = belief.cov @ a
    m, v = a @ belief.mean, a @ u + pool.blur[j]
    left = 0.0
    for level in range(pool.items.levels[j]):
        z, m1, v1 = tilt(m, v, level, pool.items.threshold[j], pool.items.guess[j])
        after = Belief(belief.mean + u * (m1 - m) / v, belief.cov - np.outer(u, u) * (v - v1) / v**2)
        left += z * (ask.seats * entropy(after.above(ask.weight, ask.bar))).sum()
    return (ask.seats * entropy(belief.above(ask.weight, ask.bar))).sum() - left


def test_the_worth_of_an_item_for_decisions_is_what_counting_its_outcomes_gives(rng):
    belief, pool = seat(60, 12, rng)
    ask = queues(rng)

    seen = scan(belief, pool, ask, np.ones(60, dtype=bool))

    np.testing.assert_allclose(seen.gain, [counted(belief, pool, ask, j) for j in range(60)], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("answered", [0, 5, 25])
def test_no_other_item_of_a_large_bank_would_settle_more_a_minute(answered):
    rng = np.random.default_rng(answered)
    belief, pool = seat(1200, answered, rng)
    ask = queues(rng)

    chosen = scan(belief, pool, ask, np.ones(1200, dtype=bool)).order[0]

    rates = np.array([counted(belief, pool, ask, j) for j in range(1200)]) / pool.minutes
    assert rates[chosen] >= 0.995 * rates.max()


@pytest.mark.parametrize("answered", [0, 5, 25])
def test_no_other_item_of_a_large_bank_would_tell_more_a_minute(answered):
    rng = np.random.default_rng(answered)
    belief, pool = seat(3000, answered, rng)
    items, everything = pool.items, np.arange(3000)

    chosen = scan(belief, pool, Knowledge(), np.ones(3000, dtype=bool)).order[0]

    bank = items.skill, items.slope, items.threshold, items.guess, pool.blur
    rates = effect(belief.mean, belief.cov, *bank, everything)[1] / pool.minutes
    assert rates[chosen] >= 0.995 * rates.max()


def test_a_decision_that_is_all_but_settled_is_worth_no_question(rng):
    belief, pool = seat(100, 20, rng)
    sure = Verdicts(np.eye(SKILLS)[:1], np.array([-12.0]), np.ones(1))

    assert scan(belief, pool, sure, np.ones(100, dtype=bool)).rate.max() < 1e-9


def test_the_question_is_about_the_queue_in_doubt(rng):
    pool = seat(400, 0, rng)[1]
    belief = Belief(np.zeros(SKILLS), np.eye(SKILLS))
    ask = Verdicts(np.eye(SKILLS)[[2, 7]], np.array([0.1, 4.0]), np.ones(2))

    best = scan(belief, pool, ask, np.ones(400, dtype=bool)).order[0]

    assert 2 in pool.items.skill[best][pool.items.slope[best] > 0]


def test_doubt_is_greatest_at_the_bar(rng):
    belief, _ = seat(50, 10, rng)
    weight = np.full((1, SKILLS), 0.1)
    middle = float(belief.mean.mean())
    sd = np.sqrt(weight[0] @ belief.cov @ weight[0])

    assert belief.above(weight, middle + sd) == pytest.approx(norm.cdf(-1))
    forms = [
        np.trace(Verdicts(weight, np.array([middle + gap]), np.ones(1)).tangent(belief).form) for gap in (0, 0.5, 1.5)
    ]
    assert forms[0] > forms[1] > forms[2]


@pytest.mark.parametrize(
    ("weight", "bar", "seats", "words"),
    [
        (np.ones((2, 3)), np.zeros(3), np.ones(3), r"\(Q, D\)"),
        (np.zeros((1, 3)), np.zeros(1), np.ones(1), "some skill"),
        (np.ones((1, 3)), np.array([np.nan]), np.ones(1), "finite"),
        (np.ones((1, 3)), np.zeros(1), np.array([-1.0]), "seats"),
    ],
)
def test_queues_that_cannot_be_are_refused_in_words(weight, bar, seats, words):
    with pytest.raises(ValueError, match=words):
        Verdicts(weight, bar, seats)
