"""Information and decisions as objectives, judged by counting through outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from irt.belief import Belief, answers, solve
from irt.population import bifactor
from irt.selection import Aim, Pool, Told, scan
from irt.simulation import random_items, respond
from irt.tilt import tilt
from irt.verdict import Bars, Both, Knowledge, Verdicts, foretold, verdicts
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


# -- several bars of one decision ------------------------------------------------------------------


def test_of_a_person_who_misses_one_bar_for_sure_no_other_bar_need_be_known(rng):
    belief, pool = seat(200, 12, rng)
    missed, close = belief.mean[0] + 8 * belief.sd[0], belief.mean[1]
    both = verdicts([Bars(np.array([0, 1]), np.array([missed, close]), 1.0)], belief)
    alone = verdicts([Bars(np.array([1]), np.array([close]), 1.0)], belief)
    everything = np.ones(200, dtype=bool)
    assert scan(belief, pool, both, everything).gain.max() < 1e-6 * scan(belief, pool, alone, everything).gain.max()


def test_a_bar_counts_by_the_chance_that_all_others_are_met(rng):
    """Where skills are independent, exactly: hangs_d = product of the others' chances."""
    belief = Belief(rng.normal(0, 0.5, 4), np.diag(rng.uniform(0.1, 0.5, 4)))
    bar = rng.normal(0, 0.5, 4)
    chance = norm.cdf((belief.mean - bar) / belief.sd)
    hangs = Bars(np.arange(4), bar, 2.0).open_to(belief)
    assert hangs == pytest.approx([np.prod(np.delete(chance, d)) for d in range(4)])
    assert verdicts([Bars(np.arange(4), bar, 2.0)], belief).seats == pytest.approx(2 * hangs)


def test_hinge_and_decisions_together_are_worth_their_sum(rng):
    belief, pool = seat(300, 8, rng)
    aim, ask = Aim(np.full(SKILLS, 0.4), np.ones(SKILLS) / SKILLS), queues(rng)
    everything = np.ones(300, dtype=bool)
    both = scan(belief, pool, Both(aim, ask, 2.5), everything)
    rows = both.order[:20]
    told = told_of(belief, pool, rows)
    assert both.gain[rows] == pytest.approx(aim.gain(belief, pool, told) + 2.5 * ask.gain(belief, pool, told))
    exact = Both(aim, ask, 2.5).gain(belief, pool, told_of(belief, pool, np.arange(300))) / pool.minutes
    assert both.rate[rows[0]] >= 0.99 * exact.max()


def told_of(belief, pool, rows):
    items = pool.items
    return Told(rows, *effect(belief.mean, belief.cov, items.skill, items.slope, items.threshold, items.guess,
                              pool.blur, rows))  # fmt: skip


def test_what_is_foreseen_of_many_answers_is_what_drawing_them_gives(rng):
    """A Gaussian observation of one skill: the doubt after it, by Monte Carlo over what it may show."""
    belief, _ = seat(10, 5, rng)
    ask, noise, row = queues(rng), 0.4, 3
    gain = belief.cov[:, row] / np.sqrt(belief.cov[row, row] + noise)
    cov = belief.cov - np.outer(gain, gain)
    means = belief.mean + rng.standard_normal((40_000, 1)) * gain
    sd = np.sqrt(np.einsum("qd,de,qe->q", ask.weight, cov, ask.weight))
    later = entropy(norm.cdf((means @ ask.weight.T - ask.bar) / sd)) @ ask.seats
    now = (ask.seats * entropy(belief.above(ask.weight, ask.bar))).sum()
    error = later.std() / np.sqrt(len(later))
    assert foretold(ask, belief, Belief(belief.mean, cov)) == pytest.approx(now - later.mean(), abs=4 * error)
