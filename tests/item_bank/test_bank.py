"""The bank that is shipped: complete, keyed, explained, without twins; and the practice shelf beside it."""

from difflib import SequenceMatcher
from math import exp, log

import numpy as np
import pytest

from item_bank.load import load
from item_bank.schema import Choice
from item_bank.start import SPREAD, log_minutes, start, words
from tests.item_bank.responses import right, wrong

ALIKE = 0.9  # share of equal text from which two questions are twins
KINDS = {"choice", "multi", "numeric", "text", "follow", "step_grade", "preference", "claim_check"}


@pytest.fixture(scope="module")
def practice():
    return load(shelf="practice")


def test_there_are_at_least_120_items_of_every_kind(bank):
    assert len(bank.items) >= 120
    assert {item.kind for item in bank.items.values()} == KINDS


def test_every_leaf_of_the_skill_tree_has_items(bank):
    asked = {skill for item in bank.items.values() for skill in item.skills}
    assert asked == set(bank.tree.skills)


def test_every_key_scores_full_marks_on_its_own_item(bank):
    low = [item.id for item in bank.items.values() if item.score(right(item)) != item.levels - 1]
    assert low == []


def test_a_plainly_wrong_answer_to_any_item_earns_less_than_its_key(bank):
    high = [item.id for item in bank.items.values() if item.score(wrong(item)) >= item.levels - 1]
    assert high == []


def test_no_right_answer_is_the_same_letter_everywhere(bank):
    """Somebody who always picks one letter is right about as often as chance."""
    keys = [item.key for item in bank.items.values() if isinstance(item, Choice)]
    most = max(keys.count(letter) for letter in set(keys))
    assert most / len(keys) < 0.4


def text_of(item):
    fields = ("options", "steps", "answers")
    shown = [item.stem, *(part for field in fields for part in getattr(item, field, ()))]
    return " ".join([*shown, getattr(item, "source", ""), *(claim.text for claim in getattr(item, "claims", ()))])


def test_no_two_questions_are_nearly_equal(bank):
    texts = [(item.id, text_of(item)) for item in bank.items.values()]
    twins = []
    for n, (one, here) in enumerate(texts):
        match = SequenceMatcher(None, autojunk=False)
        match.set_seq2(here)
        for two, there in texts[:n]:
            match.set_seq1(there)
            if match.real_quick_ratio() > ALIKE and match.quick_ratio() > ALIKE and match.ratio() > ALIKE:
                twins.append((one, two))
    assert twins == []


def test_every_item_explains_itself_and_says_where_it_comes_from(bank):
    for item in bank.items.values():
        assert len(item.explanation.split()) >= 5, item.id
        assert item.provenance.author, item.id
        assert item.provenance.licence, item.id


def test_no_item_gives_its_explanation_away_in_what_is_shown(bank):
    shown = {item.id: text_of(item) for item in bank.items.values()}
    assert [item.id for item in bank.items.values() if item.explanation.strip() in shown[item.id]] == []


def test_enemies_are_enemies_both_ways(bank):
    asked = {**bank.items, **bank.probes}
    for key, one in asked.items():
        for enemy in one.enemies:
            assert key in asked[enemy].enemies, (key, enemy)


def test_the_practice_shelf_has_one_item_of_each_kind_and_none_of_the_bank(bank, practice):
    assert sorted(item.kind for item in practice.items.values()) == sorted(KINDS)
    assert not set(practice.items) & set(bank.items)
    assert not {item.stem for item in practice.items.values()} & {item.stem for item in bank.items.values()}
    assert all(item.score(right(item)) == item.levels - 1 for item in practice.items.values())


# -- start values ----------------------------------------------------------------------------------


def test_start_values_rank_an_item_by_its_study_level_and_its_authors_nudge(bank):
    item = next(item for item in bank.items.values() if isinstance(item, Choice))
    levels = ["school", "undergraduate", "hard_undergraduate", "graduate", "expert"]
    easiness = [start(item.model_copy(update={"level": level, "nudge": 0.0})).thresholds[0] for level in levels]
    minutes = [start(item.model_copy(update={"level": level, "minutes": None})).minutes for level in levels]
    assert easiness == sorted(easiness, reverse=True)
    assert minutes == sorted(minutes)
    nudged = [start(item.model_copy(update={"nudge": nudge})).thresholds[0] for nudge in (-0.5, 0.0, 0.5)]
    assert nudged == sorted(nudged, reverse=True)


def test_start_values_of_every_item_are_usable(bank):
    for item in bank.items.values():
        rule = start(item)
        assert set(rule.slopes) == set(item.skills)
        assert all(slope > 0 for slope in rule.slopes.values())
        assert len(rule.thresholds) == item.levels - 1
        assert list(rule.thresholds) == sorted(rule.thresholds, reverse=True)
        assert 0 <= rule.guess < 0.5
        assert (rule.guess > 0) == isinstance(item, Choice)
        assert 0.1 < rule.minutes <= 60


def test_the_length_of_the_loading_depends_on_the_kind_alone(bank):
    lengths = {}
    for item in bank.items.values():
        lengths.setdefault(item.kind, set()).add(round(float(np.linalg.norm(list(start(item).slopes.values()))), 9))
    assert all(len(found) == 1 for found in lengths.values()), lengths


def test_neighbouring_levels_lie_a_stated_distance_apart_on_the_scale(bank):
    item = next(item for item in bank.items.values() if item.levels == 4)
    rule = start(item)
    slope = float(np.linalg.norm(list(rule.slopes.values())))
    assert np.diff(rule.thresholds) / -slope == pytest.approx(SPREAD)


def test_a_longer_question_takes_longer_and_stated_minutes_are_kept(bank):
    item = next(iter(bank.items.values())).model_copy(update={"minutes": None})
    longer = item.model_copy(update={"stem": item.stem + " and more" * 110})
    assert words(longer) == words(item) + 220
    assert start(longer).minutes == pytest.approx(start(item).minutes + 1)
    assert exp(log_minutes(start(item.model_copy(update={"minutes": 7.0})))) == pytest.approx(7.0)
    assert log_minutes(start(item)) == pytest.approx(log(start(item).minutes))
