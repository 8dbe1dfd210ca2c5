"""Interviews within a sitting: one question at a time, chosen by value, kept as it happened, judged by raters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from item_bank.schema import UnreadableResponseError
from tests.conftest import NOON
from tests.vetting.story import begin, role_form, say
from vetting import evidence
from vetting import scale as scales
from vetting.decisions.dossier import dossier, evidence_of
from vetting.interviews import interview
from vetting.interviews.interview import Move
from vetting.panel import KINDS, Reading, counted
from vetting.records import Ending, Grade, Question, Turn
from vetting.sittings import choice, probing, sitting

SKILLS = ("computing.python", "computing.algorithms")
TALK = role_form(*SKILLS, minutes=12, interview_minutes=10)


def to_the_interview(db, seat, bank):
    """The first probe of a sitting and the moment it is asked; items before it are answered."""
    now = NOON
    for _ in range(30):
        step = sitting.next_step(db, seat, bank, now)
        if isinstance(step, Ending) or interview.is_interview(step, bank):
            return step, now
        now += timedelta(minutes=1)
        say(db, seat, step, bank, now)
    return None, now


def talk(db, question, bank, now, *, most=20, text="I would count the cases first."):
    """Answer whatever is asked until the interview closes; what was asked."""
    asked = []
    for _ in range(most):
        step = interview.step(db, question, bank, now)
        if step is None:
            break
        if isinstance(step, Move):
            step = interview.ask(db, question, step, step.text, wording="own", now=now)
        asked.append(step)
        now += timedelta(minutes=1)
        interview.say(
            db, question, text, act="answer", to=step.number, request_id=f"{question.id}-{step.number}", now=now
        )
    return asked


@pytest.fixture
def running(db, bank):
    seat = begin(db, TALK)
    question, now = to_the_interview(db, seat, bank)
    assert isinstance(question, Question)
    return seat, question, now


def test_a_role_without_interview_minutes_never_meets_a_probe(db, bank):
    seat = begin(db, role_form(*SKILLS, minutes=12))
    step, _ = to_the_interview(db, seat, bank)
    assert isinstance(step, Ending)
    assert interview.of(seat, bank) == []


def test_the_minutes_of_a_role_are_kept_for_a_probe_that_says_why_it_was_chosen(running, bank):
    _, question, _ = running
    probe = bank.probes[question.item_id]
    assert set(probe.skills) & set(SKILLS)
    assert question.revision == probe.revision
    assert question.why["gain"] > 0
    assert set(question.why["skills"]) & set(SKILLS)


def test_a_conversation_is_asked_one_question_at_a_time_and_each_follow_up_once(db, running, bank):
    _, question, now = running
    asked = talk(db, question, bank, now)
    assert [turn.who for turn in question.turns] == ["asks", "says"] * len(asked)
    assert [turn.number for turn in question.turns] == list(range(1, 2 * len(asked) + 1))
    moves = [turn.move["id"] for turn in asked]
    assert moves[0] == "opening"
    assert len(asked) > 1
    assert len(moves) == len(set(moves)) <= interview.MOST_TURNS
    probe = bank.probes[question.item_id]
    assert set(moves[1:]) <= {one.id for one in probe.follow_ups}
    assert question.answer is not None
    assert question.answer.grades == []
    assert question.answer.seconds == pytest.approx(60 * len(asked))


def test_what_is_asked_next_is_the_same_however_often_one_looks(db, running, bank):
    _, question, now = running
    opening = interview.step(db, question, bank, now)
    turn = interview.ask(db, question, opening, opening.text, wording="own", now=now)
    interview.say(db, question, "First I look at one case.", act="answer", to=1, request_id="one", now=now)
    moves = [interview.next_move(question, bank) for _ in range(3)]
    assert len({(move.kind, move.id) for move in moves}) == 1
    first = interview.ask(db, question, moves[0], moves[0].text, wording="own", now=now)
    again = interview.ask(db, question, moves[0], "another wording", wording="model", now=now)
    assert again is first
    assert turn.number == 1
    assert first.number == 3


def test_what_is_sent_twice_or_to_an_older_question_changes_nothing(db, running, bank):
    _, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    assert interview.say(db, question, "once", act="answer", to=1, request_id="one", now=now) is not None
    assert interview.say(db, question, "twice", act="answer", to=1, request_id="two", now=now) is None
    move = interview.next_move(question, bank)
    interview.ask(db, question, move, move.text, wording="own", now=now)
    assert interview.say(db, question, "late", act="answer", to=1, request_id="three", now=now) is None
    assert interview.say(db, question, "again", act="answer", to=3, request_id="one", now=now) is None
    assert [turn.text for turn in question.turns if turn.who == "says"] == ["once"]


def test_nothing_typed_is_refused_and_nothing_is_kept(db, running, bank):
    _, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    with pytest.raises(UnreadableResponseError, match="nothing was filled in"):
        interview.say(db, question, "  ", act="answer", to=1, request_id="one", now=now)
    assert interview.waiting(question) is not None


def test_a_skipped_probe_counts_as_not_solved_and_a_finished_one_waits_for_its_grades(db, running, bank):
    seat, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    interview.say(db, question, "", act="skip", to=1, request_id="one", now=now)
    assert interview.step(db, question, bank, now) is None
    criteria = {one.id for one in bank.probes[question.item_id].criteria}
    assert {(grade.criterion, grade.level, grade.because) for grade in question.answer.grades} == {
        (key, 0, "skipped") for key in criteria
    }
    scale = scales.of(seat.calibration)
    assert len(evidence.judged([seat], scale)) == len(criteria)


def test_a_pause_is_not_thinking(db, running, bank):
    seat, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    sitting.pause(db, seat, away=True, now=now + timedelta(seconds=30))
    sitting.pause(db, seat, away=False, now=now + timedelta(hours=5))
    db.refresh(seat)
    done = now + timedelta(hours=5, seconds=15)
    interview.say(db, question, "That is all.", act="done", to=1, request_id="one", now=done)
    interview.step(db, question, bank, done)
    assert question.answer.seconds == pytest.approx(45)


def test_a_fact_is_told_to_whoever_asks_for_it_and_to_nobody_else(bank):
    probe = bank.probes["debugging-average-of-nothing"]
    (fact,) = probe.facts
    assert interview.reached(probe, set(), "What do the data look like?") is fact
    assert interview.reached(probe, set(), "Which day is missing in her report?") is fact
    assert interview.reached(probe, {fact.id}, "What do the data look like?") is None
    assert interview.reached(probe, set(), "The last day is missing since the data end.") is None
    assert interview.reached(probe, set(), "Is it raining?") is None


def test_who_asks_for_what_there_is_not_is_told_to_assume_and_the_question_stands(db, running, bank):
    _, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    interview.say(db, question, "Is it raining?", act="ask", to=1, request_id="one", now=now)
    move = interview.next_move(question, bank)
    assert (move.kind, move.id, move.text) == ("fact", "", interview.NOTHING)
    interview.ask(db, question, move, move.text, wording="own", now=now)
    assert interview.current(question).move["kind"] == "opening"


# -- what grades say -------------------------------------------------------------------------------


def graded(db, question, levels, rater="simulated"):
    for criterion, level in levels.items():
        question.answer.grades.append(Grade(at=NOON, rater=rater, criterion=criterion, level=level))
    db.flush()


def test_good_grades_raise_the_skills_of_a_probe_and_bad_ones_lower_them(db, running, bank):
    seat, question, now = running
    talk(db, question, bank, now)
    scale = scales.of(seat.calibration)
    probe = bank.probes[question.item_id]
    row = scale.skills.position[max(probe.skills, key=lambda skill: probe.skills[skill])]
    before = choice.look(seat, scale, bank)
    graded(db, question, {one.id: len(one.levels) - 1 for one in probe.criteria})
    good = choice.look(seat, scale, bank).posterior
    for grade in question.answer.grades:
        grade.level = 0  # in memory, to compare
    bad = choice.look(seat, scale, bank).posterior
    assert bad.mean[row] < before.posterior.mean[row] < good.mean[row]
    assert good.sd[row] < before.posterior.sd[row]


def test_an_ungraded_interview_narrows_what_is_foreseen_and_moves_nothing(db, running, bank):
    seat, question, now = running
    scale = scales.of(seat.calibration)
    talk(db, question, bank, now)
    state = choice.look(seat, scale, bank)
    aimed = state.aim.weight > 0
    assert (np.diag(state.belief.cov)[aimed] < state.posterior.sd[aimed] ** 2).all()
    assert np.array_equal(state.belief.mean, state.posterior.mean)
    levels = {one.id: len(one.levels) // 2 for one in bank.probes[question.item_id].criteria}
    graded(db, question, levels, rater="human:ada")
    after = choice.look(seat, scale, bank)
    assert len(probing.waiting(question, scale)) == 0
    came = after.posterior.sd[aimed] ** 2  # of one outcome among many: tests/irt/test_conversation.py has them all
    np.testing.assert_allclose(np.diag(state.belief.cov)[aimed], came, rtol=0.3)


def test_criteria_of_one_answer_share_its_effect_and_more_questions_sharpen_them(db, running, bank):
    seat, question, now = running
    asked = talk(db, question, bank, now)
    scale = scales.of(seat.calibration)
    probe = bank.probes[question.item_id]
    graded(db, question, {one.id: 1 for one in probe.criteria})
    told = evidence.talked(evidence.judged([seat], scale), scale)
    assert set(told.cluster) == {question.answer.id}
    assert (told.effect > 0).all()
    about = {turn.move["criterion"] for turn in asked[1:]}
    steep = np.linalg.norm(told.items.slope, axis=1)
    full = np.linalg.norm(scale.probes.parameters.rows(scale.probes.of(probe.id)).slope, axis=1)
    sharp = {one.id: share for one, share in zip(probe.criteria, steep / full, strict=True)}
    assert all(sharp[key] > 0.8 for key in about)
    assert all(sharp[key] < 0.5 for key in sharp.keys() - about)


def test_a_dossier_names_the_interview_and_how_far_it_moved(db, running, bank):
    seat, question, now = running
    talk(db, question, bank, now)
    probe = bank.probes[question.item_id]
    graded(db, question, {one.id: len(one.levels) - 1 for one in probe.criteria})
    scale, form = scales.of(seat.calibration), role_form(*SKILLS)
    (piece,) = [one for one in evidence_of(seat.applicant, form, scale, bank, now) if one.kind == "interview"]
    assert piece.title == probe.title
    assert piece.level == piece.most == sum(len(one.levels) - 1 for one in probe.criteria)
    assert piece.moved > 0
    assert dossier(seat.applicant, form, scale, bank, 1, now).answered == len(seat.questions)


def grades(*pairs):
    return [Grade(rater=rater, level=level, criterion="c") for rater, level in pairs]


def test_disputes_wait_an_adjudication_settles_and_uncalibrated_models_stay_in_the_shadow():
    agree = grades(("human:ada", 2), ("human:bob", 1))
    assert [grade.rater for grade, _ in counted(agree, {})] == ["human:ada", "human:bob"]
    dispute = grades(("human:ada", 3), ("human:bob", 1))
    assert counted(dispute, {}) == []
    settled = [*dispute, *grades(("adjudicator:cleo", 2))]
    assert [grade.rater for grade, _ in counted(settled, {})] == ["adjudicator:cleo"]
    shadow = grades(("human:ada", 2), ("model:m@1", 0))
    assert [grade.rater for grade, _ in counted(shadow, {})] == ["human:ada"]
    known = {"model:m@1": Reading(0.6, severity=-0.5)}
    near = grades(("human:ada", 2), ("model:m@1", 1))
    assert [read for _, read in counted(near, known)] == [KINDS["human"], known["model:m@1"]]


def test_a_lenient_rater_is_read_as_one(db, running, bank):
    seat, question, now = running
    talk(db, question, bank, now)
    scale = scales.of(seat.calibration)
    rows = scale.probes.of(question.item_id)
    plain, lenient = (evidence.as_read(scale, rows, [Reading(1.0, severity=s)] * len(rows)) for s in (0.0, -0.5))
    finite = np.isfinite(plain.items.threshold)
    assert (lenient.items.threshold[finite] > plain.items.threshold[finite]).all()


def test_turns_are_numbered_once(db, running, bank):
    _, question, now = running
    opening = interview.step(db, question, bank, now)
    interview.ask(db, question, opening, opening.text, wording="own", now=now)
    db.add(Turn(at=now, question=question, number=1, who="asks", text="", move={}))
    with pytest.raises(Exception, match=r"(?i)unique"):
        db.flush()
    db.rollback()


# -- what must come before -------------------------------------------------------------------------


def probe_with(bank, key, **after):
    """A probe whose follow-ups wait for others."""
    probe = bank.probes[key]
    follow_ups = tuple(one.model_copy(update={"after": after.get(one.id, one.after)}) for one in probe.follow_ups)
    return probe.model_copy(update={"follow_ups": follow_ups})


def running_talk(question, bank, probe):
    scale = scales.of(question.sitting.calibration)
    state = choice.look(question.sitting, scale, bank)
    return probing.talk(question, probe, interview.told(question), state.pace, scale), state


def test_no_follow_up_comes_before_what_it_comes_after(db, bank):
    """Whole interviews on shipped probes of which some questions wait for others, with nothing else to ask."""
    keys = ("law-two-fires", "economics-auction-of-an-oilfield", "debugging-two-awaits")
    few = replace(bank, items={}, probes={key: bank.probes[key] for key in keys})
    seat = begin(
        db, role_form("computing.python", "society.economics", "society.law", minutes=90, interview_minutes=89)
    )
    now, waited = NOON, 0
    for _ in keys:
        question, now = to_the_interview(db, seat, few)
        assert isinstance(question, Question)
        put, follow_ups = set(), {one.id: one for one in bank.probes[question.item_id].follow_ups}
        for turn in talk(db, question, few, now, text="It depends on the case."):
            if turn.move["kind"] == "follow_up":
                assert put.issuperset(follow_ups[turn.move["id"]].after)
                waited += bool(follow_ups[turn.move["id"]].after)
                put.add(turn.move["id"])
        db.expire(seat)
    assert waited > 1


def test_a_question_that_opens_the_way_to_a_better_one_is_worth_the_mean_of_both(running, bank):
    _, question, _ = running
    probe = bank.probes[question.item_id]
    free, state = running_talk(question, bank, probe_with(bank, probe.id, **{o.id: () for o in probe.follow_ups}))
    ranked = probing.further(free, state.belief, state.aim)
    best, worst = ranked[0], ranked[-1]
    assert best.rate > worst.rate
    locked, _ = running_talk(
        question, bank,
        probe_with(bank, probe.id, **{o.id: () for o in probe.follow_ups} | {best.follow_up.id: (worst.follow_up.id,)}),
    )  # fmt: skip
    found = {one.follow_up.id: one for one in probing.further(locked, state.belief, state.aim)}
    assert best.follow_up.id not in found
    opens = found[worst.follow_up.id]
    assert opens.gain == worst.gain
    assert 0 < opens.leads <= best.gain
    assert opens.rate == pytest.approx(max(opens.gain, (opens.gain + opens.leads) / 2) / opens.minutes)
    others = [one for key, one in found.items() if key != worst.follow_up.id]
    assert all(one.leads == 0 for one in others)
