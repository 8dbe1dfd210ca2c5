"""The human desk: what waits for whom and why, what is kept, what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.conftest import NOON
from tests.vetting.story import spoken
from vetting import evidence, panel
from vetting import scale as scales
from vetting.grades import desk
from vetting.grades.desk import DeskError, Verdict
from vetting.panel import Reading
from vetting.records import Grade, Referral

KNOWN = {"model:one@1": Reading(0.9), "model:two@1": Reading(0.9)}


@pytest.fixture
def probe(bank):
    return next(iter(bank.probes.values()))


@pytest.fixture
def answer(db, probe):
    return spoken(db, probe, "Say a million households. Each has two lamps.")


def graded(db, answer, probe, rater, level, *, confidence=None, but=()):
    for criterion in probe.criteria:
        if criterion.id not in but:
            verdict = Grade(at=NOON, answer=answer, rater=rater, criterion=criterion.id, level=level)
            verdict.confidence = confidence
            db.add(verdict)
    db.flush()
    db.refresh(answer)


def waiting(db, bank, grader=None, known=KNOWN):
    return desk.tasks(db, bank, replace(scales.of(scales.latest(db)), raters=known), NOON, grader)


def lane_of(db, bank, grader=None, known=KNOWN):
    found = waiting(db, bank, grader, known)
    return {one.criterion: one.lane for task in found for one in task.wanted}


def test_an_answer_nobody_graded_waits_and_one_that_said_nothing_does_not(db, bank, probe, answer):
    spoken(db, probe, "  ", name="Silent")
    found = waiting(db, bank, known={})
    assert [task.answer for task in found] == [answer]
    assert {one.lane for one in found[0].wanted} == {"ungraded"}
    assert desk.lanes(found)["ungraded"] == len(probe.criteria)


def test_a_model_in_the_shadow_leaves_the_answer_to_people(db, bank, probe, answer):
    graded(db, answer, probe, "model:new@1", 1, confidence=0.9)
    assert set(lane_of(db, bank).values()) == {"ungraded"}


def test_a_known_model_is_enough_but_for_the_lot(db, bank, probe, answer, monkeypatch):
    graded(db, answer, probe, "model:one@1", 1, confidence=0.9)
    monkeypatch.setattr(desk.drawn, "__defaults__", (0.0,))
    assert lane_of(db, bank) == {}
    monkeypatch.setattr(desk.drawn, "__defaults__", (1.0,))
    assert set(lane_of(db, bank).values()) == {"audit"}


def test_the_lot_is_fair_and_steady():
    drawn = [desk.drawn(answer, "estimate") for answer in range(20_000)]
    assert abs(sum(drawn) / 20_000 - desk.AUDIT) < 4 * (0.1 * 0.9 / 20_000) ** 0.5
    assert drawn == [desk.drawn(answer, "estimate") for answer in range(20_000)]


def test_models_that_are_unsure_and_referrals_come_to_people(db, bank, probe, answer):
    graded(db, answer, probe, "model:one@1", 1, confidence=0.4)
    assert set(lane_of(db, bank).values()) == {"unsure"}
    first = probe.criteria[0].id
    db.add(Referral(at=NOON, answer=answer, criterion=first, rater="panel", why="the quote was forged"))
    db.flush()
    assert lane_of(db, bank)[first] == "referral"


def test_a_dispute_waits_for_a_third_person_and_an_adjudication_ends_it(db, bank, probe, answer):
    graded(db, answer, probe, "human:bea", 0)
    graded(db, answer, probe, "model:one@1", 2, confidence=0.9)
    assert set(lane_of(db, bank).values()) == {"dispute"}
    assert lane_of(db, bank, "bea") == {}
    task = waiting(db, bank, "cleo")[0]
    kept = desk.grade(db, task, [Verdict(one.criterion, 2) for one in task.wanted], grader="cleo", now=NOON)
    assert {grade.rater for grade in kept} == {panel.ADJUDICATOR + "cleo"}
    db.refresh(answer)
    assert lane_of(db, bank) == {}
    counts = panel.counted([g for g in answer.grades if g.criterion == probe.criteria[0].id], KNOWN)
    assert [grade.level for grade, _ in counts] == [2]


def test_disputes_come_first_then_the_oldest(db, bank, probe, answer):
    later = spoken(db, probe, "Something else.", name="Later", now=NOON + timedelta(hours=1))
    graded(db, later, probe, "human:bea", 0)
    graded(db, later, probe, "human:dan", 2)
    assert [task.answer for task in waiting(db, bank)] == [later, answer]


def test_what_models_alone_decide_comes_to_people(db, bank, probe, answer, monkeypatch):
    monkeypatch.setattr(desk.drawn, "__defaults__", (0.0,))
    graded(db, answer, probe, "model:one@1", len(probe.criteria[0].levels) - 1, confidence=0.9)
    seat, skill = answer.question.sitting, next(iter(probe.criteria[0].skills))
    assert lane_of(db, bank) == {}  # the role has no bars
    scale = replace(scales.of(scales.latest(db)), raters=KNOWN)
    known = evidence.belief_without(seat.applicant, None, scale, NOON).belief
    row = scale.skills.position[skill]
    bar = float(known.mean[row] - 1.3 * known.cov[row, row] ** 0.5)  # P = .903: above .9 only with the verdicts
    seat.aim = {**seat.aim, "bars": {skill: bar}}
    db.flush()
    assert set(lane_of(db, bank).values()) == {"decisive"}
    seat.aim = {**seat.aim, "bars": {skill: bar - 3.0}}
    db.flush()
    assert lane_of(db, bank) == {}


@pytest.mark.usefixtures("answer")
def test_a_verdict_is_kept_with_its_words_or_not_at_all(db, bank, probe):
    task = waiting(db, bank, "bea")[0]
    whole = [Verdict(one.criterion, 1, quote="two  LAMPS") for one in task.wanted]
    for broken, words in (
        (whole[1:], "choose a level"),
        ([*whole[1:], Verdict(whole[0].criterion, 9)], "level 9 is not one of"),
        ([*whole[1:], Verdict(whole[0].criterion, 1, quote="three lamps")], "do not stand in the answer"),
        ([*whole, Verdict("else", 1)], "graded in the meantime"),
    ):
        with pytest.raises(DeskError, match=words):
            desk.grade(db, task, broken, grader="bea", now=NOON)
    assert len(desk.grade(db, task, whole, grader="bea", now=NOON)) == len(probe.criteria)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "-a", "x" * 61])
def test_a_name_that_cannot_stand_on_record_is_refused(name):
    with pytest.raises(DeskError, match="Give a name"):
        desk.name_of(name)


def test_names_are_one_whatever_the_case():
    assert desk.name_of(" Bea Lind ") == desk.name_of("bea-lind") == "bea-lind"
