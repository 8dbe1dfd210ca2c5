"""What a conversation is expected to tell: held against simulated conversations, and against what must be so."""

from __future__ import annotations

import numpy as np
import pytest

from irt.belief import Belief, Evidence, solve
from irt.conversation import Criteria, chance_between, foreseen, share, worth, worth_of_asking
from irt.model import Items, probability
from irt.population import bifactor
from irt.selection import Aim

POPULATION = bifactor(np.full(3, 0.5), np.full(3, 0.15), [0, 0, 1])
PRIOR = Belief(POPULATION.mean, POPULATION.cov)
AIM = Aim(np.full(3, 0.3), np.ones(3) / 3)


def criteria(count=3, *, steep=1.3, effect=0.8, blur=0.4):
    skill = np.array([[0, 1], [0, 2], [1, 0], [0, 0]])[:count]
    slope = np.array([[steep, 0.3], [steep, 0.4], [steep, 0.0], [steep, 0.0]])[:count]
    threshold = np.tile([1.2, 0.0, -1.4], (count, 1))
    return Criteria(Items(skill, slope, threshold, np.zeros(count)), np.full(count, blur), np.full(count, effect))


def simulated(asked, people, rng):
    """Mean posterior variances (D,) over people whose answers are drawn, graded and solved."""
    items, n = asked.items, len(asked.blur)
    theta = POPULATION.draw(people, rng)
    s = (theta[:, items.skill] * items.slope).sum(-1) + rng.standard_normal((people, 1)) * asked.effect
    s += rng.standard_normal((people, n)) * np.sqrt(asked.blur)
    reach = probability(s, items)[..., ::-1].cumsum(-1)[..., ::-1]  # P(Y >= k)
    level = (rng.random((people, n, 1)) < reach[..., 1:]).sum(-1)
    one = np.ones(n)
    seen = [
        solve(POPULATION, Evidence(items, row, 0 * one, one, asked.blur, np.zeros(n, dtype=int), asked.effect)).sd ** 2
        for row in level
    ]
    return np.mean(seen, axis=0), np.std(seen, axis=0) / np.sqrt(people)


@pytest.mark.parametrize("effect", [0.0, 0.8, 1.6])
def test_the_variance_foreseen_is_the_mean_of_those_that_come(effect, rng):
    asked = criteria(effect=effect)
    came, error = simulated(asked, 1500, rng)
    expected = np.diag(foreseen(PRIOR, asked).cov)
    # the mean stays where it is while criteria are taken in turn: some hundredths of the variance are lost by that
    assert (np.abs(expected - came) < 4 * error + 0.03).all()


def test_an_answers_effect_makes_the_fourth_criterion_worth_less_than_the_first():
    alone = [worth(PRIOR, criteria(n, effect=0.0), AIM) for n in range(1, 5)]
    shared = [worth(PRIOR, criteria(n, effect=1.5), AIM) for n in range(1, 5)]
    assert shared[0] < alone[0]
    assert shared[3] - shared[2] < alone[3] - alone[2]
    assert np.all(np.diff(shared) > 0)


def test_no_shared_effect_and_one_criterion_are_an_ordinary_item():
    asked = criteria(1, effect=0.0)
    after = np.diag(foreseen(PRIOR, asked).cov)
    split = criteria(1, effect=np.sqrt(asked.blur[0]), blur=0.0)  # an effect nobody shares is blur
    np.testing.assert_allclose(np.diag(foreseen(PRIOR, split).cov), after, rtol=1e-9)


def test_questions_sharpen_with_less_and_less_to_gain():
    sharp = share(np.arange(6))
    assert (np.diff(sharp) > 0).all()
    assert (np.diff(np.diff(sharp)) < 0).all()
    assert sharp[-1] < 1
    none, one = (worth(PRIOR, criteria().after(np.full(3, n)), AIM) for n in (0, 1))
    assert 0 < none < one < worth(PRIOR, criteria(), AIM)


def test_a_question_that_tells_apart_levels_nobody_like_this_has_is_worth_little():
    able = Belief(np.full(3, 2.0), 0.2 * POPULATION.cov)
    nothing = np.zeros(3, dtype=int)
    low, high = (worth_of_asking(able, criteria(), AIM, nothing, 0, apart) for apart in ((0, 1), (2, 3)))
    assert low < 0.2 * high
    assert chance_between(able, criteria(), 0, (0, 3)) == pytest.approx(1.0)


def test_columns_of_different_lengths_are_refused():
    good = criteria()
    with pytest.raises(ValueError, match="3 criteria, but blur is"):
        Criteria(good.items, good.blur[:2], good.effect)
