"""Verdicts on steps: a chain is valid if every step is; errors have a weight and a kind; both reach the export."""

import csv
import json
from io import StringIO

import pytest

from tests.conftest import NOON
from tests.vetting.bustle import do, planned, queue, take, team
from tests.vetting.test_learning import WHY
from tests.vetting.test_work import scaled
from vetting import chains, delivery, offering, programs, work
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
    table = {row["unit"]: row for row in csv.DictReader(StringIO(delivery.as_csv(rows.values())))}
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
        (("pass", [], [2]), "verdict", "Step 2 is wrong, so the whole cannot pass"),
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
