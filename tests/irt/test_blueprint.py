"""What a test must and must not contain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irt.blueprint import ALONE, Blueprint, unrelated, without_enemies

NONE = np.zeros(0, dtype=np.int64)


@given(seed=st.integers(0, 10_000), length=st.integers(4, 12))
def test_whoever_asks_only_what_may_be_asked_keeps_the_blueprint(seed, length):
    rng = np.random.default_rng(seed)
    area = np.concatenate([np.repeat(np.arange(4), 12), rng.integers(0, 4, 20)])
    blueprint = Blueprint(area, least=np.array([1, 0, 2, 1]), most=np.array([5, 12, 4, 12]))
    asked = NONE
    for left in range(length, 0, -1):
        may = blueprint.may(asked, left)
        may[asked] = False
        asked = np.append(asked, rng.choice(np.flatnonzero(may)))

    count = np.bincount(area[asked], minlength=4)
    assert (count >= blueprint.least).all()
    assert (count <= blueprint.most).all()


def test_a_minimum_binds_only_when_it_must():
    blueprint = Blueprint(np.array([0, 0, 0, 1, 1]), least=np.array([0, 2]), most=np.array([3, 2]))

    assert blueprint.may(NONE, 3).all()
    assert blueprint.may(NONE, 2).tolist() == [False, False, False, True, True]
    assert blueprint.may(NONE, 1).tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("area", "least", "most", "words"),
    [
        ([0, 1], [0], [1], "not among"),
        ([0, 0], [2], [1], "area 0 asks for 2 to 1"),
        ([0, 0], [3], [4], "but has 2 items"),
        ([0, 0], [1], [1, 2], r"\(A,\)"),
    ],
)
def test_blueprints_that_cannot_be_kept_are_refused(area, least, most, words):
    with pytest.raises(ValueError, match=words):
        Blueprint(np.array(area), np.array(least), np.array(most))


def test_kin_of_what_was_asked_are_closed_and_loners_never_are():
    family = np.array([ALONE, 3, 3, 5, ALONE, 3])

    assert unrelated(family, np.array([1])).tolist() == [True, False, False, True, True, False]
    assert unrelated(family, np.array([0])).all()
    assert unrelated(family, NONE).all()


def test_enemies_close_each_other_in_both_directions():
    pairs = np.array([[0, 1], [2, 0], [3, 4]])

    assert without_enemies(pairs, np.array([0]), 6).tolist() == [True, False, False, True, True, True]
    assert without_enemies(pairs, np.array([4]), 6).tolist() == [True, True, True, False, True, True]
    assert without_enemies(np.zeros((0, 2), dtype=int), np.array([1]), 3).all()
