"""Simulated people answer as the model says."""

from __future__ import annotations

import numpy as np

from irt.model import probability, projection
from irt.simulation import random_items, respond


def test_levels_come_with_the_frequencies_of_the_model():
    rng = np.random.default_rng(2)
    bank = random_items(25, 3, rng, graded=0.5)
    theta = rng.standard_normal(3)
    people = 40_000

    level = respond(np.tile(theta, (people, 1)), bank, rng)

    seen = (level[..., None] == np.arange(5)).mean(0)
    # 125 shares with standard errors of at most .0025: five of them
    np.testing.assert_allclose(seen, probability(projection(theta, bank), bank), atol=0.0125)


def test_no_item_is_answered_at_a_level_it_lacks():
    rng = np.random.default_rng(4)
    bank = random_items(50, 2, rng, graded=0.3)
    level = respond(rng.normal(0, 3, (500, 2)), bank, rng)

    assert (level >= 0).all()
    assert (level < bank.levels).all()


def test_a_bank_has_the_shares_asked_for():
    bank = random_items(20_000, 8, np.random.default_rng(1), graded=0.3, two=0.4)

    assert abs((bank.levels == 5).mean() - 0.3) < 0.02
    assert abs((bank.slope[:, 1] > 0).mean() - 0.4) < 0.02
    second = bank.slope[:, 1] > 0
    assert (bank.skill[second, 0] != bank.skill[second, 1]).all()
    assert (bank.skill[~second, 1] == 0).all()
    assert (bank.guess[bank.levels == 5] == 0).all()


def test_a_bank_for_one_skill_leans_on_no_second_one():
    bank = random_items(100, 1, np.random.default_rng(1), two=0.9)

    assert (bank.slope[:, 1] == 0).all()
    assert (bank.skill == 0).all()


def test_the_same_seed_gives_the_same_bank_and_answers():
    once, again = (random_items(30, 4, np.random.default_rng(9)) for _ in range(2))

    np.testing.assert_array_equal(once.threshold, again.threshold)
    theta = np.zeros((5, 4))
    one, two = (respond(theta, once, np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
