"""Simulated people hold interviews: openly marked, as their drawn levels have it, through the real doors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import NOON
from tests.vetting.story import role, role_form
from vetting import evidence
from vetting import scale as scales
from vetting.grades import desk, hearings
from vetting.grades.grading import Panel, grade
from vetting.interviews import interview
from vetting.models.llm import Access
from vetting.panel import Reading
from vetting.rehearsals import mock_interview, rehearsal
from vetting.sittings import sitting

SKILLS = ("stats.inference", "society.economics")
TALK = role_form(*SKILLS, minutes=14, interview_minutes=12)
FAULTLESS = Reading(60.0)


@pytest.fixture
def truth(db, rng):
    return rehearsal.world(scales.of(scales.latest(db)), 3, rng)


@pytest.fixture
def seats(db, bank, truth, rng):
    """Three simulated people who sat a role with interviews."""
    invited = sitting.invite(db, role(db, TALK), now=NOON, uses=3)
    return [
        rehearsal.sit(db, invited, truth, person, bank, demand={}, now=NOON, rng=rng, name=f"Simulated {person}")
        for person in range(3)
    ]


def talks(seats, bank):
    return [(person, question) for person, seat in enumerate(seats) for question in interview.of(seat, bank)]


def test_simulated_people_hold_interviews_to_their_end_and_every_word_of_theirs_is_marked(seats, bank):
    held = talks(seats, bank)
    assert held
    for seat in seats:
        assert seat.ending is not None
        assert seat.applicant.simulated
    for _, question in held:
        assert question.answer is not None
        said = [turn.text for turn in question.turns if turn.who == "says"]
        assert said
        assert all(text.startswith(mock_interview.MARK) for text in said)
        asked = [turn.move["id"] for turn in question.turns if turn.who == "asks" and turn.move["id"]]
        assert len(asked) == len(set(asked))


def test_what_they_say_is_the_example_of_their_level_once_they_are_asked_and_one_below_before(seats, truth, db, bank):
    scale = scales.of(scales.latest(db))
    for person, question in talks(seats, bank):
        probe, rows = bank.probes[question.item_id], scale.probes.of(question.item_id)
        said = " ".join(turn.text for turn in question.turns if turn.who == "says")
        asked = {turn.move.get("criterion") for turn in question.turns if turn.who == "asks"}
        for criterion, level in zip(probe.criteria, truth.talk.levels(person, rows), strict=True):
            shown = int(level) if criterion.id in asked else max(int(level) - 1, 0)
            assert criterion.levels[shown].example in said
            assert not any(anchor.example in said for anchor in criterion.levels[level + 1 :])


def test_who_asks_for_a_fact_is_told_that_very_fact(bank, rng):
    probe = bank.probes["case-labels-getting-worse"]
    best = {one.id: len(one.levels) - 1 for one in probe.criteria}
    wanted = mock_interview.facts_asked_for(probe, best, rng)
    assert len(wanted) == mock_interview.MOST_ASKED
    assert mock_interview.facts_asked_for(probe, dict.fromkeys(best, 0), rng) == []
    for fact in wanted:
        _, asked = mock_interview.reply(probe, best, None, [fact])
        assert interview.reached(probe, set(), asked) is fact


def test_a_faultless_reader_gives_the_levels_that_were_drawn_and_a_severe_one_lower_levels(truth, db, rng):
    scale = scales.of(scales.latest(db))
    rows = np.arange(len(scale.probes.criteria.ids))
    often = np.full(len(rows), 9)
    seen = mock_interview.drawn(truth.talk, 0, rows, often, FAULTLESS, rng)
    assert np.mean(seen == truth.talk.levels(0, rows)) > 0.95
    kind, hard = (
        np.mean([mock_interview.drawn(truth.talk, 0, rows, often, Reading(1.0, by), rng) for _ in range(5)])
        for by in (-1.0, 1.0)
    )
    assert hard < kind - 0.3


def test_after_the_opening_alone_a_reader_tells_people_apart_less_well(truth, db, rng):
    scale = scales.of(scales.latest(db))
    rows = np.arange(len(scale.probes.criteria.ids))

    def agreement(asked):
        seen = mock_interview.drawn(truth.talk, 1, rows, np.full(len(rows), asked), Reading(1.0), rng)
        return np.corrcoef(seen, truth.talk.levels(1, rows))[0, 1]

    assert agreement(0) < agreement(3) - 0.1


def test_probes_change_nobodys_answers_to_items(db):
    scale = scales.of(scales.latest(db))
    fewer = scales.read({**scales.latest(db).body, "probes": {}, "criteria": {}})
    one, other = (rehearsal.world(which, 4, np.random.default_rng(3)) for which in (scale, fewer))
    np.testing.assert_array_equal(one.theta, other.theta)
    np.testing.assert_array_equal(one.levels, other.levels)
    np.testing.assert_array_equal(one.minutes, other.minutes)


def test_simulated_people_grade_at_the_desk_with_words_that_stand_in_the_answer(seats, truth, db, bank, rng, later):
    scale = scales.of(scales.latest(db))
    by = mock_interview.grader("ada", rng)
    for person, question in talks(seats, bank):
        probe = bank.probes[question.item_id]
        found = grade(probe, hearings.said_in(question), Panel(Access(), offline=True))
        hearings.keep(db, question.answer, probe, found, later)
        (task,) = (one for one in desk.tasks(db, bank, scale, later, by.name) if one.answer is question.answer)
        assert task.lane == "ungraded"
        kept = mock_interview.judge(db, task, by, truth.talk, person, scale, later, rng)
        assert {one.rater for one in kept} == {"human:simulated-ada"}
        assert all(one.because == "Drawn for a simulated grader." for one in kept)
        assert all(one.quote for one in kept if one.level)
    assert desk.tasks(db, bank, scale, later) == []


def test_a_rater_that_only_counts_words_disputes_nobody(seats, db, bank, later):
    """Its distance from a person is foretold by its low discrimination; two people as far apart are a dispute."""
    scale = scales.of(scales.latest(db))
    answer = talks(seats, bank)[0][1].answer
    criterion = bank.probes[answer.question.item_id].criteria[0].id
    counted = desk.Grade(at=later, rater="offline:words@1", criterion=criterion, level=0)
    first = desk.Grade(at=later, rater="human:ada", criterion=criterion, level=2)
    answer.grades += [counted, first]
    db.flush()
    assert criterion not in waits(answer, db, bank, scale, later)
    assert len(evidence_on(answer, scale)) == 2
    answer.grades.append(desk.Grade(at=later, rater="human:ben", criterion=criterion, level=0))
    db.flush()
    assert waits(answer, db, bank, scale, later)[criterion] == "dispute"
    assert evidence_on(answer, scale) == []


def waits(answer, db, bank, scale, now):
    return {
        one.criterion: one.lane
        for task in desk.tasks(db, bank, scale, now)
        if task.answer is answer
        for one in task.wanted
    }


def evidence_on(answer, scale):
    return evidence.verdicts_on(answer.question, scale)
