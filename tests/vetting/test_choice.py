"""Which question comes next: replayed from the record, kept to a role's content, and told why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.conftest import NOON
from tests.vetting.story import begin, go, role_form
from vetting import programs, store
from vetting import scale as scales
from vetting.messages import RoleForm
from vetting.records import Grade, PlanRecord, Sitting
from vetting.scope import ProgramForm
from vetting.sittings import aim as aims
from vetting.sittings import choice, content, sitting

MIXED = ("math.algebra", "math.proof", "science.physics", "language.german")


def domain_counts(asked, bank):
    """How many questions of each domain, by the skill that each leans on most."""
    main = [max(bank.items[key].skills, key=bank.items[key].skills.get) for key in asked]
    return {domain: sum(bank.tree.domain_of[skill] == domain for skill in main) for domain in bank.tree.domains}


# -- on record -------------------------------------------------------------------------------------


def test_a_sitting_on_record_is_replayed_to_the_bit(engine, bank):
    """Every question and every number of its reasons, though grades and sittings came later."""
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        form = role_form(*MIXED, content={"language": {"least": 2, "most": 3}, "math": {"most": 5}})
        for person in range(3):  # so that some items are closed, and some called for
            seat = begin(db, form, seed=person)
            go(db, seat, bank, most=12, minutes=1.3, knows=lambda number, n=person: (number + n) % 3 != 0)
        later = NOON + timedelta(days=2)
        go(db, begin(db, applicant=seat.applicant, focus=("math.proof",), now=later), bank)
        seat.questions[1].answer.grades.append(Grade(at=later, rater="human:ada", level=0))
        number = seat.id
    with store.reading(engine) as db:
        seat = db.get_one(Sitting, number)
        scale = scales.of(seat.calibration)
        again = list(choice.replay(seat, scale, bank))
        assert len(again) == 12
        assert [chosen.item_id for _, chosen in again] == [question.item_id for question, _ in again]
        assert [chosen.why for _, chosen in again] == [question.why for question, _ in again]


def test_a_record_that_was_touched_is_not_what_the_facts_lead_to(db, bank):
    seat = begin(db, role_form(*MIXED))
    go(db, seat, bank, most=6)
    seat.questions[2].answer.grades[0].level = 1 - min(1, seat.questions[2].answer.grades[0].level)
    again = list(choice.replay(seat, scales.of(seat.calibration), bank))
    assert [chosen.why == question.why for question, chosen in again][:3] == [True] * 3
    assert any(chosen.why != question.why for question, chosen in again[3:])


# -- content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("luck", [2, 3, 100])
def test_a_sitting_holds_the_content_its_role_asks_for(db, bank, luck):
    asks = {"language": {"least": 4, "most": 4}, "math": {"least": 2, "most": 3}, "science": {"least": 1}}
    seat = begin(db, role_form(*MIXED, minutes=20, content=asks))
    asked = domain_counts(go(db, seat, bank, knows=lambda number: number % luck != 0), bank)
    assert asked["language"] == 4
    assert 2 <= asked["math"] <= 3
    assert asked["science"] >= 1


def test_content_moves_no_question_that_is_worth_asking_anyway(db, bank):
    """A minimum that is met of itself, and a maximum that is not reached, change nothing."""
    seats = [begin(db, role_form(*MIXED, content=asks)) for asks in ({}, {"math": {"least": 1, "most": 60}})]
    one, two = (go(db, seat, bank, most=9) for seat in seats)
    assert one == two


def test_what_the_content_still_lacks_is_asked_though_nothing_more_need_be_known(db, bank):
    known = {skill: {"weight": 1.0, "target": 1.0} for skill in MIXED}
    for least in (0, 3):
        seat = begin(db, role_form(skills=known, content={"science": {"least": least}}))
        asked = go(db, seat, bank)
        assert domain_counts(asked, bank)["science"] == len(asked) == least
        assert seat.ending.reason == "precise"


def test_a_minimum_that_kin_put_out_of_reach_ends_nothing_early(db, bank):
    german = [key for key, item in bank.items.items() if set(item.skills) == {"language.german"}]
    kin = {key: bank.items[key].model_copy(update={"family": "one"}) for key in german}
    seat = begin(db, role_form(*MIXED, minutes=25, content={"language": {"least": 6}}))
    asked = go(db, seat, replace(bank, items={**bank.items, **kin}))
    assert sum(key in kin for key in asked) == 1
    assert len(asked) > 6


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"math": {"least": 5, "most": 2}}, "at least 5 and at most 2"),
        ({"math": {"least": 40}}, "40 questions at least in 30 minutes"),
        ({"math": {"leats": 4}}, "leats"),
        ({"math": {"least": -1}}, "greater than or equal to 0"),
    ],
)
def test_content_that_cannot_be_is_refused(asks, said):
    with pytest.raises(ValidationError, match=said):
        role_form("math.algebra", content=asks)


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"maths": {"least": 1}}, r"content\.maths: there is no such domain\. Maybe one of math"),
        ({"science": {"least": 1}}, r"content\.science: the role has no skill of this domain\. Maybe"),
        ({"math": {"least": 30}}, r"content\.math: 30 questions are asked for, but the bank has \d+ there"),
    ],
)
def test_content_that_the_bank_cannot_give_is_refused(bank, asks, said):
    form = RoleForm.model_validate({"name": "A role", "skills": {"math.algebra": {}}, "content": asks})
    with pytest.raises(ValueError, match=said):
        content.check_content(form, bank)


def test_what_the_bank_does_not_ask_about_is_named(bank):
    talks = replace(bank, items={})
    assert content.unasked(role_form("math.proof"), bank) == []
    assert content.unasked(role_form("math.proof"), talks) == [bank.tree.skills["math.proof"].name]
    assert content.unasked(role_form("math.proof", interview_minutes=20), talks) == []


def test_without_items_there_are_interviews_or_a_reason(db, bank):
    talks = replace(bank, items={})
    scales.keep_up(db, talks, NOON)
    talk = sitting.next_step(db, begin(db, role_form(interview_minutes=20)), talks, NOON)
    assert talk.item_id in talks.probes
    none = sitting.next_step(db, begin(db, name="Bo"), talks, NOON)
    assert none.reason == "no question left that would tell us more"


# -- bars ------------------------------------------------------------------------------------------


def with_bars(bars, **fields):
    skills = {skill: {"weight": 1.0, "target": 0.3, "bar": bar} for skill, bar in bars.items()}
    return role_form(skills=skills, stop_when_decided=True, minutes=40, **fields)


def test_with_bars_questions_go_where_the_decision_hangs(db, bank):
    """One bar out of sight, one where people are: the first question settles more of the second."""
    far, near = "science.physics", "math.algebra"
    shares = []
    for bars in ({far: -3.0, near: 0.0}, {far: 0.0, near: -3.0}):
        seat = begin(db, with_bars(bars))
        asked = go(db, seat, bank, most=7)
        shares.append(sum(near in bank.items[key].skills for key in asked) / len(asked))
        assert any(question.why["settles"] > 0 for question in seat.questions)
    assert shares[0] > shares[1]


def test_without_bars_to_settle_nothing_is_asked_for_their_sake(db, bank):
    seat = begin(db, role_form(*MIXED))
    go(db, seat, bank, most=4)
    assert [question.why["settles"] for question in seat.questions] == pytest.approx([0.0] * 4, abs=1e-12)


def test_the_dearer_a_minute_the_sooner_an_open_decision_is_left(db, bank):
    lengths, reasons = [], []
    for price in (0.0, 0.05):
        seat = begin(db, with_bars({"math.algebra": 0.0, "math.proof": 0.0}, decision_price=price))
        lengths.append(len(go(db, seat, bank, minutes=2.0)))
        reasons.append(seat.ending.reason)
    assert lengths[1] < lengths[0]
    assert lengths[1] >= choice.DECIDED_FROM
    assert reasons[1] == "decided as far as minutes are worth it"


def test_a_queue_that_is_short_has_its_bars_looked_at_within_the_share_that_follows_demand(db):
    scale = scales.of(scales.latest(db))
    form = with_bars({"math.algebra": 0.0, "science.physics": 0.0}, follow_demand=0.4)
    short = [
        {"bars": {"science.physics": 1.0, "society.law": 0.0}, "share": 0.75},
        {"bars": {"society.law": 0.0}, "share": 0.25},
    ]
    aim = aims.aim_of(form, {"science.physics": 1.0}, scale, queues=short)
    assert aim["queues"] == [{"bars": {"science.physics": 1.0}, "seats": pytest.approx(0.3)}]
    own, queue = aims.decisions(aim, scale)
    assert (own.seats, queue.seats) == (pytest.approx(0.7), pytest.approx(0.3))
    assert list(queue.skill) == [scale.skills.position["science.physics"]]
    assert aims.aim_of(form.model_copy(update={"follow_demand": 0.0}), {}, scale, queues=short)["queues"] == []


def test_the_queues_that_are_short_are_those_of_each_latest_plan(db):
    bars = {"Proofs": {"math.proof": 0.5}, "Essays": {"math.algebra": 0.0}, "Anything": {}}
    asked = [{"name": name, "skills": {"math.proof": 1.0}, "bars": bar, "units": 10} for name, bar in bars.items()]
    program = programs.keep_program(db, ProgramForm.model_validate({"name": "A program", "queues": asked}), NOON)
    for worth in ({"Proofs": 9.0, "Essays": 9.0}, {"Proofs": 30.0, "Essays": 10.0, "Anything": 60.0}):
        body = {"queues": [{"name": name, "worth": worth.get(name, 0.0)} for name in bars]}
        program.plans.append(PlanRecord(at=NOON, body=body))
    db.flush()
    assert programs.short_queues(db) == [
        {"bars": {"math.proof": 0.5}, "share": 0.75},
        {"bars": {"math.algebra": 0.0}, "share": 0.25},
    ]
