"""Gold units: marked by a lead, mixed in blind, to so many people and never twice; evidence, and never delivered."""

import json
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import norm
from sqlalchemy import func, select

from assignment.pooling import observed
from tests.conftest import NOON
from tests.vetting.bustle import bustle, do, planned, queue, take, team
from tests.vetting.test_learning import skill
from tests.vetting.test_work import one_unit, scaled
from vetting import learning, programs
from vetting.offers import offering
from vetting.quality import delivery, gate, gold, hidden, looks, progress
from vetting.records import AuditEntry
from vetting.units import work
from vetting.work_records import Gold, Look, Offer, Outcome, Reply, Submission, Unit

CHECKS = {"kind": "verification", "skills": {"math.algebra": 1.0}, "units": 40, "reviews": 0}


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora"], right_share=0.7)


def judging(db, ordinary=40, golds=3, **fields):
    """A scaled queue of judgements with ordinary units and gold ones; (program, form)."""
    made = planned(db, queue("Checks", **(CHECKS | {"gold": 0.3} | fields)))
    scaled(db, made, "Checks")
    (form,) = programs.queues_of(made)
    offering.add_units(db, made, form, [f"Is {n} prime?" for n in range(ordinary)], NOON)
    marks = [gold.GoldForm(content=f"Gold {n}", verdict="valid", because="By hand.") for n in range(golds)]
    if marks:
        gold.mark(db, made, form, marks, "lead", NOON)
    return made, form


def of_task(db, task):
    return db.scalars(select(Offer).where(Offer.task == task).order_by(Offer.id)).all()


def look_at(db, unit, person, verdict, *, face="produce", **said):
    """One look at a gold unit, kept as the page keeps it."""
    offer = Offer(at=NOON, unit=unit, applicant=person, task="gold", why={"face": face})
    db.add(offer)
    db.flush()
    work.reply(db, offer, NOON, taken=True)
    look = do(db, offer, NOON, verdict=verdict, **said)
    db.expire_all()
    return look


# -- how they are offered ----------------------------------------------------------------------------


def test_gold_comes_at_the_queues_share_among_ordinary_units_and_never_twice_to_one_person(db, people):
    judging(db, ordinary=80, golds=40, units=200)
    for _ in range(25):
        for person in people[:2]:
            do(db, take(db, person, NOON), NOON)
    shown = of_task(db, "gold")
    assert abs(len(shown) / 50 - 0.3) < 3 * np.sqrt(0.3 * 0.7 / 50)
    assert len({(one.applicant_id, one.unit_id) for one in shown}) == len(shown)
    assert {looks.face(one) for one in shown} == {"produce"}
    assert {looks.told(one)["rule"] for one in shown} <= {"plan", "price", "spare"}  # as of any other


def test_each_gold_unit_is_shown_to_so_many_people_and_then_retired(db, people):
    made, form = judging(db, golds=2, gold_people=1)
    for _ in range(12):
        for person in people[:3]:
            if (offer := take(db, person, NOON)) is not None:
                do(db, offer, NOON)
    seen = gold.results(db, made, form.name, NOON)["units"]
    assert [(one["seen"], one["state"]) for one in seen] == [(1, "retired")] * 2
    assert len(of_task(db, "gold")) == 2


def test_an_offer_that_was_left_uses_up_nobodys_place_but_is_not_made_to_them_again(db, people):
    made, form = judging(db, golds=1, gold_people=1)
    (unit,) = gold.golds(db, made, form.name)
    left = Offer(at=NOON, unit=unit, applicant=people[0], task="gold", why={"face": "produce"})
    db.add_all([left, Reply(at=NOON, offer=left, taken=False)])
    db.flush()
    db.expire_all()
    assert gold.due(db, made, form.name, people[0], NOON) is None
    assert gold.due(db, made, form.name, people[1], NOON) is unit


def test_whoever_made_or_judged_the_unit_before_never_meets_it_as_gold(db, people):
    unit, maker, others = one_unit(db, people)
    judge = others[0]
    do(db, take(db, judge, NOON), NOON)
    (form,) = programs.queues_of(unit.program)
    gold.mark(db, unit.program, form, [gold.GoldForm(unit=1, verdict="pass", because="It holds.")], "lead", NOON)
    assert gold.due(db, unit.program, form.name, maker, NOON) is None
    assert gold.due(db, unit.program, form.name, judge, NOON) is None
    assert gold.due(db, unit.program, form.name, others[1], NOON) is unit


def test_where_nothing_ordinary_waits_no_gold_is_offered(db, people):
    judging(db, ordinary=0, golds=5)
    assert offering.next_offer(db, people[0], NOON) is None


def test_the_same_state_draws_the_same_lot_and_the_lot_is_even(db, people):
    made, form = judging(db, ordinary=1, golds=0)
    drawn = [hidden.lot(made, form, person, n) for person in people for n in range(500)]
    assert drawn == [hidden.lot(made, form, person, n) for person in people for n in range(500)]
    assert abs(np.mean(drawn) - 0.5) < 3 * np.sqrt(1 / 12 / len(drawn))


# -- what becomes of them ----------------------------------------------------------------------------


def test_gold_is_never_a_deliverable_unit_and_another_is_made_in_its_place(db, people):
    made = planned(db, queue(units=5))
    bustle(db, people, NOON, step=timedelta(seconds=1))
    (form,) = programs.queues_of(made)
    assert progress.accepted_units(db, made, form.name) == 5
    gold.mark(db, made, form, [gold.GoldForm(unit=2, verdict="pass", because="It holds.")], "lead", NOON)
    assert progress.accepted_units(db, made, form.name) == 4
    assert [row["unit"] for row in delivery.export(db, made, NOON)] == [1, 3, 4, 5]
    assert len(learning.settled(db, made, form.name)) == 4
    assert gate.gate(db, made, form).units == 4
    bustle(db, people, NOON + timedelta(days=1), step=timedelta(seconds=1))
    assert [row["unit"] for row in delivery.export(db, made, NOON)] == [1, 3, 4, 5, 6]


def test_looks_at_gold_are_told_with_intervals_and_move_the_belief_as_other_work_does(db, people):
    made, form = judging(db, golds=12)
    units = gold.golds(db, made, form.name)
    before = [skill(db, person, "math.algebra") for person in people[:2]]
    for n, unit in enumerate(units):
        look_at(db, unit, people[0], "valid")
        look_at(db, unit, people[1], "valid" if n < 3 else "invalid")
    after = [skill(db, person, "math.algebra") for person in people[:2]]
    assert after[0][0] > before[0][0]
    assert after[1][0] < before[1][0]
    assert all(now[1] < then[1] for now, then in zip(after, before, strict=True))
    seen = gold.results(db, made, form.name, NOON)
    assert [(one["person"], one["share"]) for one in seen["people"]] == [("Ada", 1.0), ("Bea", 0.25)]
    assert all(one["low"] <= one["share"] <= one["high"] < 1.001 for one in seen["people"])
    assert seen["all"]["of"] == 24
    assert db.scalar(select(func.count(Outcome.id))) == db.scalar(select(func.count(Submission.id))) == 0


def test_a_gold_unit_found_wrong_says_nothing_any_more_and_a_corrected_one_says_the_contrary(db, people):
    made, form = judging(db, golds=1)
    (unit,) = gold.golds(db, made, form.name)
    before = skill(db, people[0], "math.algebra")
    look_at(db, unit, people[0], "invalid")
    assert skill(db, people[0], "math.algebra")[0] < before[0]
    gold.mark(db, made, form, [gold.GoldForm(unit=unit.number, verdict="invalid", because="7 * 13 = 91.")], "l", NOON)
    assert skill(db, people[0], "math.algebra")[0] > before[0]
    gold.withdraw(db, unit, "Both can be argued.", "lead", NOON, wrong=True)
    assert skill(db, people[0], "math.algebra") == pytest.approx(before)
    assert gold.results(db, made, form.name, NOON)["people"] == []
    assert gold.due(db, made, form.name, people[1], NOON) is None
    assert db.scalar(select(func.count(Gold.id))) == 3  # facts are added
    assert "withdrew a gold unit" in db.scalars(select(AuditEntry.what)).all()


def test_reviews_of_gold_work_are_graded_by_steps_and_refused_as_ordinary_ones_are(db, people):
    made = planned(db, queue())
    (form,) = programs.queues_of(made)
    marks = [gold.GoldForm(text="1. 2 + 2 = 5", verdict="reject", because="2 + 2 = 4", wrong_steps=[1])]
    (mark,) = gold.mark(db, made, form, marks, "lead", NOON)
    assert mark.noticed == ["2 + 2 = 5 is not so."]
    look = look_at(db, mark.unit, people[0], "send_back", face="review")
    assert looks.judged(look.offer) == looks.Judged("1. 2 + 2 = 5", ["2 + 2 = 5 is not so."])
    (seen,) = learning.works(people[0].work_seen)
    assert (seen.tally, seen.gold) == ((0, 0, 0), {0.02: (0, 1, 0)})
    with pytest.raises(work.FormError, match="cannot be judged"):
        look_at(db, mark.unit, people[1], "pass", face="review", wrong_steps=[1])


def test_a_look_is_kept_once_per_request_and_only_while_it_is_taken(db, people):
    made, form = judging(db, golds=1)
    (unit,) = gold.golds(db, made, form.name)
    offer = Offer(at=NOON, unit=unit, applicant=people[0], task="gold", why={"face": "produce"})
    db.add(offer)
    db.flush()
    said = {"verdict": "valid", "because": "", "request_id": "one", "seconds": 9.0, "now": NOON}
    with pytest.raises(work.TakenError):
        looks.keep(db, offer, **said)
    work.reply(db, offer, NOON, taken=True)
    with pytest.raises(work.FormError, match="Pick one of: valid, invalid"):
        looks.keep(db, offer, **(said | {"verdict": "fine"}))
    assert looks.keep(db, offer, **said) is looks.keep(db, offer, **(said | {"verdict": "invalid"}))
    with pytest.raises(work.TakenError):
        looks.keep(db, offer, **(said | {"request_id": "two"}))
    assert db.scalar(select(func.count(Look.id))) == 1


def test_a_gold_unit_that_nearly_everybody_misses_is_called_into_question(db, people):
    made, form = judging(db, golds=1)
    (unit,) = gold.golds(db, made, form.name)
    for person in people:
        assert not gold.results(db, made, form.name, NOON)["units"][0]["doubtful"]
        look_at(db, unit, person, "invalid")
    assert gold.results(db, made, form.name, NOON)["units"][0]["doubtful"]


# -- the evidence, by counting through ---------------------------------------------------------------


@pytest.mark.parametrize("doubt", [0.0, 0.02, 0.3])
def test_gold_counts_are_integrated_with_the_golds_own_error(doubt):
    right, wrong, d = 7, 3, 0.4
    grid = np.linspace(-10, 10, 200_001)
    passed, kept = norm.cdf(grid - d), norm.cdf(grid - d + 1)
    p_right = (1 - doubt) * passed + doubt * (1 - kept)
    p_wrong = (1 - doubt) * (1 - kept) + doubt * passed
    mass = norm.pdf(grid) * p_right**right * p_wrong**wrong
    mass /= mass.sum()
    mean = mass @ grid
    var = mass @ (grid - mean) ** 2
    precision = 1 / var - 1
    value, noise = observed(np.zeros(3), d, 0.0, [(doubt, np.array([wrong, 0.0, right]))])
    assert value == pytest.approx(mean / var / precision, rel=1e-3)
    assert noise == pytest.approx(1 / precision, rel=1e-3)


def test_gold_that_may_be_wrong_says_less_than_gold_that_is_sure():
    seen = [observed(np.zeros(3), 0.0, 0.0, [(doubt, np.array([0.0, 0, 6]))])[1] for doubt in (0.0, 0.1, 0.2, 0.4)]
    assert seen == sorted(seen)


# -- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no unit"),
        ("content,verdict,because\n", "holds no unit"),
        ("content,verdikt\na,b", "no column 'verdikt'. Maybe: unit, content"),
        ("content,verdict,because\na,valid,because it is,more", "more cells than the header"),
        ("content,verdict,because,doubt\na,valid,clear,much", r"line 2: doubt: .*number"),
        ("content,verdict,because\na,valid,x", "line 2: because"),
        ('{"content": "a", "verdict": "valid"}', "line 1: because: is missing."),
        ('{"content": "a",', "not JSON.*Maybe one object a line"),
        ('{"content": ' + "[" * 10**5, "not JSON.*Maybe one object a line"),
        ("content,verdict,because\n" + "a" * 200_000 + ",valid,clear", "no table.*Maybe a quote is not closed"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_its_line(text, said):
    with pytest.raises(ValueError, match=f"(?s)gold.csv.*{said}"):
        gold.rows_of(text, "gold.csv")


def test_a_table_and_json_lines_say_the_same():
    table = gold.rows_of("\ufeffcontent,verdict,because,wrong_steps,told\nA,valid,clear,2;3,yes\n", "t")
    lines = gold.rows_of(json.dumps(table[0].model_dump()), "j")
    assert lines == table
    assert (table[0].wrong_steps, table[0].told) == ([2, 3], True)


def test_gold_that_makes_no_sense_is_refused_with_every_reason_and_nothing_is_kept(db, people):
    made, form = judging(db, golds=0)
    offering.next_offer(db, people[0], NOON)
    units = db.scalar(select(func.count(Unit.id)))
    wrong = [
        gold.GoldForm(content="a", verdict="maybe", because="why not"),
        gold.GoldForm(verdict="valid", because="why not"),
        gold.GoldForm(unit=999, verdict="valid", because="why not"),
        gold.GoldForm(unit=1, verdict="valid", because="why not"),
        gold.GoldForm(unit=2, verdict="valid", because="why not", content="x"),
        gold.GoldForm(content="fine", verdict="valid", because="why not"),
    ]
    with pytest.raises(work.FormError) as told:
        gold.mark(db, made, form, wrong, "lead", NOON)
    for said in ("Gold 1: Pick one of: valid, invalid", "Gold 2: content is empty", "Unit 999: there is none",
                 "Unit 1 is offered. Maybe wait", "Unit 2: it is there already"):  # fmt: skip
        assert said in str(told.value)
    assert db.scalar(select(func.count(Gold.id))) == 0
    assert db.scalar(select(func.count(Unit.id))) == units


# -- work given back ---------------------------------------------------------------------------------


def test_work_that_was_taken_can_be_given_back_and_goes_on_without_any_consequence(db, people):
    made = planned(db, queue(units=1))
    scaled(db, made)
    offer = take(db, people[0], NOON)
    assert work.give_back(db, offer, NOON) is work.give_back(db, offer, NOON)  # twice is once
    assert work.state(offer.unit, NOON) == "waiting"
    with pytest.raises(work.TakenError):
        do(db, offer, NOON)
    assert offering.next_offer(db, people[0], NOON) is None
    other = take(db, people[1], NOON)
    assert other.unit_id == offer.unit_id
    do(db, other, NOON)
    with pytest.raises(work.TakenError, match="nothing to give back"):
        work.give_back(db, other, NOON)
    assert learning.works(people[0].work_seen) == []


def test_a_unit_that_was_sent_back_and_given_back_goes_to_somebody_fresh(db, people):
    unit, maker, others = one_unit(db, people)
    do(db, take(db, others[0], NOON), NOON, verdict="send_back")
    again = take(db, maker, NOON + timedelta(minutes=1))
    assert again.why["rule"] == "rework"
    work.give_back(db, again, NOON + timedelta(minutes=2))
    assert work.state(unit, NOON + timedelta(minutes=2)) == "sent back"
    fresh = take(db, others[1], NOON + timedelta(minutes=3))
    assert (fresh.unit_id, fresh.task) == (unit.id, "produce")
