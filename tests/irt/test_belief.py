"""Beliefs: judged by importance sampling, closed forms, simulation and invariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from benchmarks.beliefs import importance, running, shared
from irt.belief import GAUSSIAN, Belief, Evidence, answers, solve, update
from irt.model import Items, rated
from irt.population import Population, bifactor
from irt.simulation import random_items, respond


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def prior(skills):
    return bifactor(np.full(skills, 0.5), np.full(skills, 0.15), [skill // 5 for skill in range(skills)])


def asked_of_one(skills, count, rng):
    bank = random_items(count, skills, rng)
    return answers(bank, respond(prior(skills).draw(1, rng)[0], bank, rng))


def directly(skills, value, variance):
    """Gaussian evidence on some skills."""
    n = len(skills)
    items = Items(np.array(skills)[:, None], np.ones((n, 1)), np.zeros((n, 1)), np.zeros(n))
    nothing = np.zeros(n)
    return Evidence(items, np.full(n, GAUSSIAN), np.array(value), np.array(variance), nothing, np.full(n, -1), nothing)


# -- exactness -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skills", "count"), [(5, 10), (5, 20), (5, 40), (20, 10), (20, 20), (20, 40)])
def test_the_belief_is_the_posterior_that_importance_sampling_finds(skills, count, rng):
    wrong_mean, wrong_sd = [], []
    for _ in range(4):
        evidence = asked_of_one(skills, count, rng)
        posterior = solve(prior(skills), evidence)
        mean, sd, effective = importance(posterior, evidence, rng)
        assert effective > 0.5
        wrong_mean.append((posterior.mean - mean) / sd)
        wrong_sd.append(np.abs(posterior.sd / sd - 1))

    assert np.sqrt(np.mean(np.square(wrong_mean))) <= 0.01
    assert np.percentile(wrong_sd, 95) <= 0.02


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(25)), seed=st.integers(0, 4))
def test_the_order_of_answers_does_not_matter(order, seed):
    evidence = asked_of_one(6, 25, np.random.default_rng(seed))
    turned = answers(evidence.items.rows(np.array(order)), evidence.level[order])

    one, other = solve(prior(6), evidence), solve(prior(6), turned)

    assert np.abs((one.mean - other.mean) / one.sd).max() < 0.01
    np.testing.assert_allclose(one.sd, other.sd, rtol=0.01)


def test_gaussian_evidence_alone_gives_the_closed_form():
    population = prior(7)
    evidence = directly([0, 3, 3], [1.0, -0.5, 0.2], [0.36, 0.5, 2.0])
    a, noise = evidence.items.dense(7), evidence.variance
    precision = np.linalg.inv(population.cov) + a.T @ (a / noise[:, None])
    cov = np.linalg.inv(precision)

    posterior = solve(population, evidence)

    np.testing.assert_allclose(posterior.belief.cov, cov, atol=1e-10)
    np.testing.assert_allclose(posterior.mean, cov @ a.T @ (evidence.value / noise), atol=1e-10)
    np.testing.assert_allclose(posterior.sd, np.sqrt(np.diag(cov)), atol=1e-10)


def test_a_prior_mean_is_carried_through():
    plain, evidence = prior(4), directly([1], [0.9], [0.25])
    shift = np.array([0.3, -0.2, 1.0, 0.0])
    moved = Population(shift, plain.loading, plain.specific)
    there = solve(moved, replace(evidence, value=evidence.value + shift[1]))

    np.testing.assert_allclose(there.mean, solve(plain, evidence).mean + shift, atol=1e-10)


def test_shifting_people_and_items_together_shifts_the_belief(rng):
    plain = prior(5)
    evidence = asked_of_one(5, 30, rng)
    shift = rng.normal(size=5)
    items = evidence.items
    harder = replace(items, threshold=items.threshold - (items.dense(5) @ shift)[:, None])

    moved = solve(Population(shift, plain.loading, plain.specific), answers(harder, evidence.level))

    np.testing.assert_allclose(moved.mean, solve(plain, evidence).mean + shift, atol=1e-6)


def test_skills_nobody_asked_about_change_nothing_for_the_others(rng):
    small, large = prior(5), prior(50)
    evidence = asked_of_one(5, 20, rng)

    np.testing.assert_allclose(solve(large, evidence).mean[:5], solve(small, evidence).mean, atol=1e-8)
    np.testing.assert_allclose(solve(large, evidence).sd[:5], solve(small, evidence).sd, atol=1e-8)


def test_one_answer_is_exact_and_the_running_update_agrees(rng):
    evidence = asked_of_one(6, 1, rng)
    belief, ran = solve(prior(6), evidence).belief, running(prior(6), evidence)

    np.testing.assert_allclose(ran.mean, belief.mean, atol=1e-9)
    np.testing.assert_allclose(ran.cov, belief.cov, atol=1e-9)


def test_the_running_update_stays_near_the_solved_belief(rng):
    apart = []
    for _ in range(40):
        evidence = asked_of_one(8, 30, rng)
        posterior = solve(prior(8), evidence)
        apart.append((running(prior(8), evidence).mean - posterior.mean) / posterior.sd)

    assert np.sqrt(np.mean(np.square(apart))) <= 0.10


def test_an_update_leaves_the_belief_it_came_from_alone(rng):
    start = Belief(np.zeros(3), np.eye(3))
    update(start, random_items(1, 3, rng), 1)

    np.testing.assert_array_equal(start.mean, 0)
    np.testing.assert_array_equal(start.cov, np.eye(3))


# -- what widens and ties answers ----------------------------------------------------------------------


def test_an_uncertain_item_says_less(rng):
    evidence = asked_of_one(5, 20, rng)
    blurred = replace(evidence, blur=np.full(20, 0.5))
    lost = replace(evidence, blur=np.full(20, 1e9))

    assert (solve(prior(5), blurred).sd >= solve(prior(5), evidence).sd).all()
    np.testing.assert_allclose(solve(prior(5), lost).sd, 1.0, atol=1e-3)


def test_blur_is_the_variance_of_a_nuisance_skill(rng):
    """A blurred item is an item that also leans on a skill of its own, of which nothing else is known."""
    population, count = prior(3), 4
    evidence = replace(asked_of_one(3, count, rng), blur=np.array([0.1, 0.9, 0.0, 2.0]))
    items = evidence.items
    own = replace(
        items,
        skill=np.column_stack([items.skill, 3 + np.arange(count)]),
        slope=np.column_stack([items.slope, np.sqrt(evidence.blur)]),
    )
    loading = np.vstack([population.loading, np.zeros((count, population.loading.shape[1]))])
    wide = Population(np.zeros(3 + count), loading, np.concatenate([population.specific, np.ones(count)]))

    told = solve(wide, answers(own, evidence.level))

    np.testing.assert_allclose(solve(population, evidence).mean, told.mean[:3], atol=1e-7)
    np.testing.assert_allclose(solve(population, evidence).sd, told.sd[:3], atol=1e-7)


def test_criteria_of_one_answer_share_a_nuisance_skill(rng):
    population, answer, gamma = prior(3), np.array([0, 0, 0, 1, 1, 1]), 1.2
    plain = asked_of_one(3, 6, rng)
    items = plain.items
    own = replace(
        items,
        skill=np.column_stack([items.skill, 3 + answer]),
        slope=np.column_stack([items.slope, np.full(6, gamma)]),
    )
    loading = np.vstack([population.loading, np.zeros((2, population.loading.shape[1]))])
    wide = Population(np.zeros(5), loading, np.concatenate([population.specific, np.ones(2)]))

    tied, told = solve(population, shared(items, plain.level, answer, gamma)), solve(wide, answers(own, plain.level))

    np.testing.assert_allclose(tied.mean, told.mean[:3], atol=1e-7)
    np.testing.assert_allclose(tied.sd, told.sd[:3], atol=1e-7)


def test_a_rater_who_sees_nothing_says_nothing(rng):
    evidence = asked_of_one(4, 10, rng)
    items = random_items(10, 4, rng, graded=1.0)
    blind = answers(rated(items, 1e-9, 0.0), evidence.level * 0 + 2)

    np.testing.assert_allclose(solve(prior(4), blind).sd, 1.0, atol=1e-6)


def test_a_severe_raters_low_grade_says_less_against_a_person(rng):
    items = random_items(8, 3, rng, graded=1.0)
    level = np.full(8, 1)

    plain, harsh = solve(prior(3), answers(items, level)), solve(prior(3), answers(rated(items, 1.0, 1.0), level))

    assert (harsh.mean > plain.mean).all()


# -- questions to a belief --------------------------------------------------------------------------


def test_the_chance_of_clearing_a_bar_is_the_normals():
    belief = Belief(np.array([0.5, -0.2]), np.array([[0.3, 0.1], [0.1, 0.4]]))
    weight = np.array([0.7, 0.3])
    points = np.random.default_rng(0).multivariate_normal(belief.mean, belief.cov, 400_000) @ weight

    assert belief.above(weight, 0.4) == pytest.approx((points >= 0.4).mean(), abs=0.004)
    assert belief.above(np.stack([weight, weight]), np.array([0.4, -np.inf])).tolist()[1] == 1.0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_chance_of_clearing_all_bars_is_the_multivariate_normals(count, rng):
    cov = prior(8).cov * 0.4
    belief = Belief(rng.normal(0, 0.5, 8), cov)
    skill, bar = np.arange(count) + 1, rng.normal(-0.3, 0.4, count)
    gold = multivariate_normal(-belief.mean[skill], cov[np.ix_(skill, skill)]).cdf(-bar)

    assert belief.all_above(skill, bar) == pytest.approx(gold, abs=0.006)


def test_no_bars_are_always_cleared():
    assert Belief(np.zeros(2), np.eye(2)).all_above(np.zeros(0, dtype=int), np.zeros(0)) == 1.0


def test_seeing_a_skill_is_solving_gaussian_evidence():
    population = prior(6)
    prior_belief = Belief(population.mean, population.cov)
    moved, cov = prior_belief.seeing(2, 0.3)

    posterior = solve(population, directly([2], [0.0], [0.3]))

    np.testing.assert_allclose(cov, posterior.belief.cov, atol=1e-10)
    np.testing.assert_allclose(cov + np.outer(moved, moved), population.cov, atol=1e-10)  # total variance


# -- the edges --------------------------------------------------------------------------------------


def test_no_evidence_leaves_the_prior(rng):
    posterior = solve(prior(5), answers(random_items(0, 5, rng), np.zeros(0, dtype=np.int64)))

    np.testing.assert_array_equal(posterior.mean, 0)
    np.testing.assert_allclose(posterior.sd, 1.0)
    np.testing.assert_allclose(posterior.belief.cov, prior(5).cov)
    assert posterior.settled


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_are_finite_and_on_their_side(right, rng):
    bank = random_items(60, 5, rng)
    posterior = solve(prior(5), answers(bank, (bank.levels - 1) * right))

    assert posterior.settled
    assert np.isfinite(posterior.mean).all()
    assert ((posterior.mean > 0.5) == right).all()
    assert ((posterior.sd > 0.05) & (posterior.sd < 1)).all()


def test_one_skill_is_a_population_too(rng):
    alone = Population(np.zeros(1), np.zeros((1, 1)), np.ones(1))
    bank = random_items(30, 1, rng)
    evidence = answers(bank, respond(np.array([0.4]), bank, rng))
    posterior = solve(alone, evidence)
    mean, sd, _ = importance(posterior, evidence, rng)

    np.testing.assert_allclose(posterior.mean, mean, atol=0.01 * sd[0])
    np.testing.assert_allclose(posterior.sd, sd, rtol=0.01)


def test_skills_that_are_nearly_one_move_together(rng):
    twins = bifactor(np.array([0.5, 0.5]), np.array([0.4999, 0.4999]), [0, 0])
    bank = random_items(20, 1, rng)
    posterior = solve(twins, answers(bank, respond(np.zeros(1), bank, rng)))

    assert posterior.mean[1] == pytest.approx(posterior.mean[0], abs=0.01)
    assert posterior.sd[1] == pytest.approx(posterior.sd[0], abs=0.01)


def test_three_hundred_answers_by_luck_still_settle(rng):
    bank = random_items(300, 3, rng, graded=0.1)
    level = np.where(rng.random(300) < 0.5, bank.levels - 1, 0)

    assert solve(prior(3), answers(bank, level)).settled


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 50), skills=st.integers(1, 6))
def test_answers_by_luck_alone_leave_a_proper_belief(seed, count, skills):
    """Steep items, guessing up to one half, shared effects, and levels that have nothing to do with any skill."""
    rng = np.random.default_rng(seed)
    bank = random_items(count, skills, rng, graded=rng.random())
    steeper = rng.uniform(0.5, 2)
    bank = replace(bank, slope=steeper * bank.slope, threshold=steeper * bank.threshold)
    bank = replace(bank, guess=np.where(bank.levels == 2, rng.uniform(0, 0.5, count), 0))
    evidence = answers(bank, rng.integers(0, bank.levels))
    tied = replace(
        evidence, blur=rng.exponential(0.3, count), cluster=rng.integers(-1, 5, count), effect=np.ones(count)
    )

    for known in (solve(prior(skills), evidence), solve(prior(skills), tied)):
        assert np.isfinite(known.mean).all()
        assert (known.sd > 0.01).all()
        assert np.linalg.eigvalsh(known.belief.cov)[0] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": np.array([0, 2])}, "row 1 has level 2 of an item with 2 levels"),
        ({"level": np.array([-2, 0])}, "row 0 has level -2"),
        ({"level": np.array([0])}, "2 items, but columns"),
        ({"blur": np.array([0.0, -1.0])}, "blur"),
        ({"blur": np.array([0.0, np.nan])}, "blur"),
        ({"effect": np.array([0.0, np.nan])}, "effect"),
        ({"level": np.array([0, GAUSSIAN]), "value": np.array([0.0, np.nan])}, "finite value"),
        ({"level": np.array([0, GAUSSIAN]), "variance": np.array([1.0, 0.0])}, "variance above 0"),
    ],
)
def test_evidence_that_cannot_be_is_refused_in_words(change, words, rng):
    plain = answers(random_items(2, 2, rng, graded=0.0), np.array([0, 1]))

    with pytest.raises(ValueError, match=words):
        replace(plain, **change)


def test_an_answer_the_item_does_not_have_is_refused_by_the_running_update(rng):
    with pytest.raises(ValueError, match="level 2"):
        update(Belief(np.zeros(2), np.eye(2)), random_items(1, 2, rng, graded=0.0), 2)
    with pytest.raises(ValueError, match="level -1"):
        update(Belief(np.zeros(2), np.eye(2)), random_items(1, 2, rng), -1)
    with pytest.raises(ValueError, match="one item"):
        update(Belief(np.zeros(2), np.eye(2)), random_items(2, 2, rng), 1)
