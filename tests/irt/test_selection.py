"""Which question is asked: judged by counting through every outcome of every item."""

from __future__ import annotations

import numpy as np
import pytest

from irt.belief import Belief, answers, solve
from irt.model import Items, probability
from irt.population import bifactor
from irt.selection import Aim, Pool, bonus, eligible, falls, hinge, moved, priced, scan, since, tolls
from irt.simulation import random_items, respond
from irt.tilt import tilt


@pytest.fixture
def rng():
    return np.random.default_rng(21)


def prior(skills):
    return bifactor(np.full(skills, 0.5), np.full(skills, 0.15), [skill // 5 for skill in range(skills)])


def some_belief(skills, bank, count, rng):
    """What is believed of a simulated person after some answers at random."""
    asked = bank.rows(rng.choice(len(bank), count, replace=False))
    return solve(prior(skills), answers(asked, respond(prior(skills).draw(1, rng)[0], asked, rng))).belief


def pool_of(bank, rng):
    return Pool(bank, np.zeros(len(bank)), rng.lognormal(0.3, 0.5, len(bank)))


def outcomes(belief, bank, j, blur=0.0):
    """Chance of each level of item j, and the variances of all skills after it: (K,), (K, D)."""
    a = bank.dense(len(belief.mean))[j]
    u = belief.cov @ a
    m, v = a @ belief.mean, a @ u + blur
    chances, after = [], []
    for level in range(bank.levels[j]):
        z, _, narrower = tilt(m, v, level, bank.threshold[j], bank.guess[j])
        chances.append(z)
        after.append(np.diag(belief.cov) - u**2 * (v - narrower) / v**2)
    return np.array(chances), np.array(after)


def counted(belief, pool, aim, j):
    """Fall of the hinge at the expected variances after item j, by counting through its outcomes."""
    chances, after = outcomes(belief, pool.items, j, pool.blur[j])
    shifts = chances @ after  # the within-outcome part; the rest of the variance moved the mean
    return hinge(np.diag(belief.cov), aim) - hinge(shifts, aim)


def test_the_gain_of_an_item_is_what_counting_its_outcomes_gives(rng):
    bank = random_items(60, 5, rng)
    belief, pool, aim = some_belief(5, bank, 8, rng), pool_of(bank, rng), Aim(np.full(5, 0.4), np.ones(5))

    seen = scan(belief, pool, aim, np.ones(60, dtype=bool))

    assert len(seen.order) == 60
    np.testing.assert_allclose(seen.gain, [counted(belief, pool, aim, j) for j in range(60)], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(seen.rate, seen.gain / pool.minutes)


@pytest.mark.parametrize("seed", range(6))
def test_no_other_item_of_a_large_bank_would_be_a_better_choice(seed):
    """The full bank by brute force; targets near the present sds make the hinge as bent as it gets."""
    rng = np.random.default_rng(seed)
    bank = random_items(1500, 10, rng)
    belief, pool = some_belief(10, bank, 10 * seed + 3, rng), pool_of(bank, rng)
    sd = np.sqrt(np.diag(belief.cov))
    near = np.where(rng.random(10) < 0.5, sd * rng.uniform(0.9, 1.05, 10), rng.uniform(0.25, 0.5, 10))
    aim = Aim(near, rng.exponential(size=10))

    chosen = scan(belief, pool, aim, np.ones(1500, dtype=bool)).order[0]

    rates = np.array([counted(belief, pool, aim, j) for j in range(1500)]) / pool.minutes
    assert rates[chosen] >= 0.995 * rates.max()


def test_counting_the_hinge_in_every_outcome_would_choose_no_much_better_item(rng):
    """The hinge is taken at expected variances; averaged over outcomes it ranks nearly the same."""
    bank = random_items(400, 6, rng)
    shares = []
    for count in (0, 5, 15, 30):
        belief, pool, aim = some_belief(6, bank, count, rng), pool_of(bank, rng), Aim(np.full(6, 0.35), np.ones(6))
        before = hinge(np.diag(belief.cov), aim)
        worth = np.zeros(400)
        for j in range(400):
            chances, after = outcomes(belief, bank, j)
            worth[j] = (before - chances @ [hinge(row, aim) for row in after]) / pool.minutes[j]
        shares.append(worth[scan(belief, pool, aim, np.ones(400, dtype=bool)).order[0]] / worth.max())

    assert min(shares) > 0.9
    assert np.mean(shares) > 0.97


def test_mutual_information_is_what_dense_summing_gives(rng):
    bank = random_items(40, 4, rng)
    belief, pool = some_belief(4, bank, 6, rng), pool_of(bank, rng)
    a = bank.dense(4)
    m, sd = a @ belief.mean, np.sqrt(np.einsum("id,de,ie->i", a, belief.cov, a))
    z = np.linspace(-8, 8, 4001)
    chance = probability(m[:, None].T + sd * z[:, None], bank)  # (z, I, K)
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()

    def entropy(p):
        return -np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0).sum(-1)

    information = entropy(np.einsum("z,zik->ik", weight, chance)) - weight @ entropy(chance)
    seen = scan(belief, pool, Aim(np.full(4, 0.1), np.ones(4)), np.ones(40, dtype=bool))
    np.testing.assert_allclose(seen.information, information, rtol=1e-3, atol=1e-6)


def test_falls_add_up_to_the_gain(rng):
    bank = random_items(50, 6, rng)
    belief, pool, aim = some_belief(6, bank, 5, rng), pool_of(bank, rng), Aim(np.full(6, 0.4), rng.random(6))
    seen = scan(belief, pool, aim, np.ones(50, dtype=bool))

    np.testing.assert_allclose(falls(belief.cov, bank, seen.shrink, aim).sum(1), seen.gain, atol=1e-12)


def test_only_allowed_items_are_ordered(rng):
    bank = random_items(80, 4, rng)
    allowed = rng.random(80) < 0.3
    seen = scan(some_belief(4, bank, 5, rng), pool_of(bank, rng), Aim(np.full(4, 0.3), np.ones(4)), allowed)

    assert len(seen.order) == allowed.sum()
    assert allowed[seen.order].all()
    assert (seen.gain[~allowed] == 0).all()
    assert (np.diff(seen.rate[seen.order]) <= 0).all()


def test_nothing_is_asked_when_nothing_is_allowed_or_all_is_known(rng):
    bank = random_items(30, 3, rng)
    belief, pool = some_belief(3, bank, 5, rng), pool_of(bank, rng)

    assert len(scan(belief, pool, Aim(np.full(3, 0.3), np.ones(3)), np.zeros(30, dtype=bool)).order) == 0
    assert len(scan(belief, pool, Aim(np.full(3, 9.0), np.ones(3)), np.ones(30, dtype=bool)).order) == 0
    assert len(scan(belief, pool, Aim(np.full(3, 0.3), np.zeros(3)), np.ones(30, dtype=bool)).order) == 0
    empty = bank.rows(np.zeros(0, dtype=int))
    nothing = scan(belief, Pool(empty, np.zeros(0), np.zeros(0)), Aim(np.full(3, 0.3), np.ones(3)), np.zeros(0, bool))
    assert len(nothing.order) == 0


def test_a_skill_without_weight_is_not_asked_about_for_its_own_sake(rng):
    bank = random_items(300, 5, rng, two=0.0)
    belief = Belief(np.zeros(5), np.eye(5))
    only = np.array([0, 0, 1.0, 0, 0])

    seen = scan(belief, pool_of(bank, rng), Aim(np.full(5, 0.3), only), np.ones(300, dtype=bool))

    assert (bank.skill[seen.order, 0] == 2).all()


def test_half_the_minutes_are_worth_double(rng):
    bank = random_items(1, 2, rng)
    twice = bank.rows(np.array([0, 0]))
    pool = Pool(twice, np.zeros(2), np.array([2.0, 1.0]))
    seen = scan(Belief(np.zeros(2), np.eye(2)), pool, Aim(np.full(2, 0.3), np.ones(2)), np.ones(2, dtype=bool))

    assert seen.order.tolist() == [1, 0]
    assert seen.rate[1] == pytest.approx(2 * seen.rate[0])


def test_an_uncertain_item_is_worth_less():
    bank = Items(np.zeros((2, 1), dtype=int), np.full((2, 1), 1.5), np.zeros((2, 1)), np.zeros(2))
    pool = Pool(bank, np.array([0.8, 0.0]), np.ones(2))
    seen = scan(Belief(np.zeros(2), np.eye(2)), pool, Aim(np.full(2, 0.3), np.ones(2)), np.ones(2, dtype=bool))

    assert seen.gain[0] < seen.gain[1]


def test_extreme_items_and_wide_beliefs_keep_their_numbers_finite():
    bank = Items(np.array([[0]] * 4), np.array([[0.0], [1e-9], [30.0], [1.0]]),
                 np.array([[0.0], [0.0], [0.0], [60.0]]), np.array([0.0, 0.2, 0.2, 0.0]))  # fmt: skip
    pool = Pool(bank, np.zeros(4), np.ones(4))

    seen = scan(Belief(np.zeros(1), np.eye(1)), pool, Aim(np.array([0.1]), np.ones(1)), np.ones(4, dtype=bool))

    assert np.isfinite(seen.rate).all()
    assert np.isfinite(seen.information).all()
    assert seen.order[0] == 2


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (lambda _: Aim(np.array([0.3, 0.0]), np.ones(2)), "target"),
        (lambda _: Aim(np.array([0.3, np.nan]), np.ones(2)), "target"),
        (lambda _: Aim(np.full(2, 0.3), np.array([1.0, -1.0])), "weight"),
        (lambda _: Aim(np.full(2, 0.3), np.ones(3)), "2 targets"),
        (lambda bank: Pool(bank, np.zeros(5), np.ones(4)), "5 items"),
        (lambda bank: Pool(bank, np.zeros(5), np.zeros(5)), "minutes"),
        (lambda bank: Pool(bank, np.zeros(5), np.full(5, np.nan)), "minutes"),
        (lambda bank: Pool(bank, np.full(5, -1.0), np.ones(5)), "blur"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused_in_words(faulty, words, rng):
    with pytest.raises(ValueError, match=words):
        faulty(random_items(5, 2, rng))


def test_a_mask_of_another_bank_is_refused(rng):
    bank = random_items(5, 2, rng)
    with pytest.raises(ValueError, match="allowed"):
        scan(Belief(np.zeros(2), np.eye(2)), pool_of(bank, rng), Aim(np.full(2, 0.3), np.ones(2)), np.ones(4, bool))


# -- security --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.15, 0.3])
def test_no_item_is_shown_to_more_people_than_the_limit(limit, rng):
    """Every sitting asks the 10 best of the 200 items that are open to it; favourites change half-way."""
    shown, people = np.zeros(200, dtype=np.int64), 2000
    for person in range(people):
        is_open = eligible(shown, np.full(200, person), limit, rng)
        order = np.arange(200) if person < people // 2 else np.arange(200)[::-1]
        shown[order[is_open[order]][:10]] += 1

    assert shown.max() / people <= limit + 1 / people


def test_a_favourite_is_open_to_the_share_of_people_allowed(rng):
    shown, people = np.zeros(1, dtype=np.int64), 3000
    for person in range(people):
        shown += eligible(shown, np.array([person]), 0.25, rng)

    assert 0.22 < shown[0] / people <= 0.25 + 1 / people


def test_a_limit_that_is_no_share_is_refused(rng):
    with pytest.raises(ValueError, match="limit"):
        eligible(np.zeros(1, dtype=int), np.zeros(1, dtype=int), 0.0, rng)


def test_an_item_nobody_has_seen_is_open(rng):
    assert eligible(np.zeros(5, dtype=int), np.zeros(5, dtype=int), 0.2, rng).all()


def market(rng, people, limit, floor=0.0, items=60):
    """Everybody is asked the 6 items of best value per minute and toll; values differ by person around a common one."""
    worth = np.sort(rng.uniform(1, 3, items)) + rng.normal(0, 0.4, (people, items))
    shown, could = np.zeros((people, items), dtype=bool), np.ones((people, items), dtype=bool)
    toll, unseen = np.zeros(items), np.zeros(items, dtype=np.int64)
    for person in range(people):
        asked = np.argsort(-worth[person] / priced(np.ones(items), toll - bonus(unseen, floor)))[:6]
        shown[person, asked] = True
        toll, unseen = (
            moved(toll, shown[person], could[person], limit, person),
            since(unseen, shown[person], could[person]),
        )
    return worth, shown, could


def test_tolls_keep_favourites_at_their_limit(rng):
    _, shown, _ = market(rng, 1500, 0.25)
    assert shown[:, -1].mean() == pytest.approx(0.25, abs=0.03)
    assert shown[500:].mean(0).max() <= 0.25 + 0.02


def test_tolls_give_favourites_to_those_to_whom_they_are_worth_most(rng):
    """Against closing them by lot, at the same limit, the same people are asked what is worth more to them."""
    worth, shown, _ = market(rng, 1500, 0.25)
    times, by_lot = np.zeros(60, dtype=np.int64), 0.0
    for person in range(1500):
        is_open = eligible(times, np.full(60, person), 0.25, rng)
        asked = np.argsort(-np.where(is_open, worth[person], -np.inf))[:6]
        times[asked] += 1
        by_lot += worth[person, asked].sum()
    assert worth[shown].sum() > 1.02 * by_lot


def test_what_nobody_has_seen_for_long_is_called_up():
    unseen = [(market(np.random.default_rng(3), 1200, 0.3, floor)[1].sum(0) == 0).mean() for floor in (0.0, 0.01)]
    assert unseen[0] > 0.1
    assert unseen[1] == 0


def test_tolls_are_derived_from_the_record_alone(rng):
    _, shown, could = market(rng, 200, 0.25, 0.01)
    whole = tolls(shown, could, 0.25, 0.01)
    toll, unseen = np.zeros(60), np.zeros(60, dtype=np.int64)
    for person in range(200):
        toll, unseen = (
            moved(toll, shown[person], could[person], 0.25, person),
            since(unseen, shown[person], could[person]),
        )
    assert (whole == toll - bonus(unseen, 0.01)).all()
    nobody = tolls(np.zeros((0, 4), dtype=bool), np.zeros((0, 4), dtype=bool), 0.25)
    assert nobody.tolist() == [0.0] * 4


def test_one_that_is_closed_to_some_keeps_its_toll_and_is_not_forgotten():
    """Closed to half of the people, asked of 40 % of the others: too many of those, too few of all."""
    people = np.arange(400)[:, None]
    may, shown = people % 2 == 0, people % 10 <= 2
    shown = shown & may
    assert tolls(shown, may, 0.25) > 0.0 == tolls(shown, np.ones_like(may), 0.25)
    never = np.zeros_like(may)
    assert tolls(never, may, 0.25, 0.0025) == 0.0 > tolls(never, np.ones_like(may), 0.25, 0.0025)


@pytest.mark.parametrize(("limit", "floor"), [(0.0, 0.0), (1.2, 0.0), (0.2, 0.2), (0.2, -0.1)])
def test_limits_that_cannot_be_kept_together_are_refused(limit, floor):
    with pytest.raises(ValueError, match="floor"):
        tolls(np.zeros((3, 2), dtype=bool), np.zeros((3, 2), dtype=bool), limit, floor)
