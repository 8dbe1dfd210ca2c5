"""Verdicts on steps: a chain is valid if every step is; errors have a weight and a kind; both reach the export."""

import csv
import json

import pytest

from tests.conftest import NOON
from tests.vetting.bustle import do, planned, queue, take, team
from tests.vetting.test_learning import WHY
from tests.vetting.test_work import scaled
from vetting import programs
from vetting.offers import offering
from vetting.quality import chains, delivery, gold, looks
from vetting.units import work
from vetting.work_records import Offer

THREE = "1. n is even.\n2. So n = 2k.\n3. So n^2 = 2k^2."


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora"])


@pytest.fixture
def where(db, people):
    made = planned(db, queue("Chains", kind="process_supervision", units=30, reviews=2))
    scaled(db, made, "Chains")
    assert people
    return made


def judged(db, where, people, *said):
    """A chain of three steps by the first person, judged by the next ones: (verdict, errors, wrong steps) each."""
    (form,) = programs.queues_of(where)
    (unit,) = offering.add_units(db, where, form, [""], NOON)
    for task, person, one in [("produce", people[0], None), *zip(["review"] * 3, people[1:], said, strict=False)]:
        offer = Offer(at=NOON, unit=unit, applicant=person, task=task, why=WHY)
        db.add(offer)
        db.flush()
        work.reply(db, offer, NOON, taken=True)
        seen = {} if one is None else {"verdict": one[0], "errors": one[1], "wrong_steps": one[2]}
        do(db, offer, NOON, text=THREE, **seen)
    return unit


def test_a_chain_is_valid_if_every_step_is_and_says_so_in_the_export(db, people, where):
    right = judged(db, where, people, ("pass", [], []), ("pass", ["minor style"], []))
    wrong = judged(db, where, people, ("reject", ["major content"], [3]), ("reject", ["major content"], [3]))
    rows = {row["unit"]: row for row in delivery.export(db, where, NOON, unfinished=True)}
    assert [step["status"] for step in rows[right.number]["steps"]] == ["right"] * 3
    assert (rows[right.number]["valid"], rows[right.number]["errors"]) == (True, {"minor style": 1})
    assert [step["status"] for step in rows[wrong.number]["steps"]] == ["right", "right", "wrong"]
    assert (rows[wrong.number]["valid"], rows[wrong.number]["errors"]) == (False, {"major content": 2})
    table = {row["unit"]: row for row in csv.DictReader(delivery.as_csv(rows.values()))}
    assert (table["1"]["valid"], json.loads(table["1"]["errors"])) == ("True", {"minor style": 1})


def test_where_judges_differ_on_a_step_the_chain_is_open_until_a_third_person_decides(db, people, where):
    unit = judged(db, where, people, ("send_back", [], [2, 3]), ("send_back", ["minor content"], [3]))
    (made,) = unit.submissions
    assert [step["status"] for step in chains.step_status(made)] == ["right", "disputed", "wrong"]
    assert chains.chain_valid(made) is False  # one step is surely wrong
    other = judged(db, where, people, ("pass", [], []), ("send_back", [], [2]))
    (open_one,) = other.submissions
    assert chains.chain_valid(open_one) is None
    do(db, take(db, people[3], NOON), NOON, verdict="pass")
    assert chains.chain_valid(open_one) is True


def test_a_dispute_that_is_kept_as_ambiguous_keeps_its_steps_open(db, people, where):
    unit = judged(db, where, people, ("pass", [], []), ("send_back", [], [2]))
    do(db, take(db, people[3], NOON), NOON, verdict="ambiguous")
    assert [step["status"] for step in chains.step_status(unit.submissions[0])] == ["right", "disputed", "right"]
    assert chains.chain_valid(unit.submissions[0]) is None


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        (("pass", [], [2]), "verdict", "Step 2 is wrong, so the whole cannot be judged"),
        (("pass", ["major content"], []), "verdict", "With a major content error it cannot pass"),
        (("send_back", ["minor content"], []), "wrong_steps", "Mark the step that is wrong"),
        (("reject", [], [9]), "wrong_steps", "There is no step 9; 3 are numbered"),
    ],
)
def test_a_verdict_that_its_own_steps_speak_against_is_refused(db, people, where, said, field, words):
    with pytest.raises(work.FormError, match=words) as told:
        judged(db, where, people, said)
    assert told.value.field == field


def test_errors_of_style_alone_need_no_wrong_step(db, people, where):
    unit = judged(db, where, people, ("send_back", ["major style"], []), ("send_back", ["minor style"], []))
    assert work.state(unit, NOON) == "sent back"
    assert unit.submissions[0].outcome.level == 2


def test_agreement_on_steps_is_told_beside_that_on_the_whole(db, people, where):
    for wrong in ([3], [3], [2]):
        judged(db, where, people, ("reject", [], wrong), ("reject", [], [3]))
    units = work.whole(where, "Chains", db)
    seen = chains.step_agreement([unit.submissions[0] for unit in units])
    # 9 steps, 7 alike: 3 + 2 + 2; right is said of 12 of 18, so chance is 2 * 2/3 * 1/3
    assert seen.value == pytest.approx((7 / 9 - 4 / 9) / (1 - 4 / 9))
    report = delivery.report(db, where, NOON)["queues"][0]
    assert report["step_agreement"]["value"] == pytest.approx(seen.value)
    assert report["steps"] == {"right": 5, "wrong": 2, "disputed": 2}


# -- chains that are put before a judge ----------------------------------------------------------------


def chains_to_verify(db, people, **fields):
    made = planned(db, queue("Verify", kind="verification", units=20, reviews=1, **fields))
    scaled(db, made, "Verify")
    (form,) = programs.queues_of(made)
    offering.add_units(db, made, form, [THREE, "Is 7 prime?"], NOON)
    assert people
    return made, form


def test_a_judge_of_a_given_chain_marks_its_wrong_steps_and_a_valid_one_has_none(db, people):
    where, _ = chains_to_verify(db, people)
    offer = take(db, people[0], NOON)
    for label, steps, words in (("valid", [3], "Step 3 is wrong, so the whole cannot be judged"),
                                ("invalid", [], "Mark the step that is wrong"),
                                ("invalid", [4], "There is no step 4; 3 are numbered")):  # fmt: skip
        with pytest.raises(work.FormError, match=words):
            do(db, offer, NOON, label=label, wrong_steps=steps)
    do(db, offer, NOON, label="invalid", wrong_steps=[3])
    do(db, take(db, people[1], NOON), NOON, verdict="invalid", wrong_steps=[2])
    plain = take(db, people[0], NOON)
    assert plain.unit.content == "Is 7 prime?"
    do(db, plain, NOON, label="invalid")  # nothing is numbered there
    rows = {row["unit"]: row for row in delivery.export(db, where, NOON, unfinished=True)}
    assert [step["status"] for step in rows[1]["steps"]] == ["right", "disputed", "disputed"]
    assert (rows[1]["label"], rows[1]["valid"], rows[2]["steps"]) == ("invalid", None, [])


def test_steps_of_what_is_only_preferred_or_rated_are_not_asked_for(db, people):
    made = planned(db, queue("Prefer", kind="preference", units=20, reviews=0))
    scaled(db, made, "Prefer")
    offering.add_units(db, made, programs.queues_of(made)[0], [THREE], NOON)
    do(db, take(db, people[0], NOON), NOON, label="first")
    (row,) = delivery.export(db, made, NOON, unfinished=True)
    assert (row["steps"], row["valid"]) == ([], None)


def test_gold_chains_are_held_to_the_same(db, people):
    where, form = chains_to_verify(db, people)
    fine = gold.GoldForm(content=THREE, verdict="invalid", wrong_steps=[3], because="(2k)^2 = 4k^2")
    with pytest.raises(work.FormError, match="Gold 1: A chain is valid if every step is"):
        gold.mark(db, where, form, [fine.model_copy(update={"wrong_steps": []})], "lead", NOON)
    (mark,) = gold.mark(db, where, form, [fine], "lead", NOON)
    offer = Offer(at=NOON, unit=mark.unit, applicant=people[0], task="gold", why={"face": "produce"})
    db.add(offer)
    db.flush()
    work.reply(db, offer, NOON, taken=True)
    assert len(looks.chain_of(form, offer)) == 3
    with pytest.raises(work.FormError, match="cannot be judged"):
        do(db, offer, NOON, verdict="valid", wrong_steps=[1])
    assert do(db, offer, NOON, verdict="invalid", wrong_steps=[1]).wrong_steps == [1]
