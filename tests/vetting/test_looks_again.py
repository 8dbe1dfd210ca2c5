"""Units looked at again: hidden repeats, calibration rounds with a retest, and fresh people's labels."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from assignment.agreement import Labels, gwet
from tests.conftest import NOON
from tests.vetting.bustle import bustle, do, planned, program, queue, take, team
from tests.vetting.test_gold import judging, of_task
from tests.vetting.test_learning import made
from tests.vetting.test_work import scaled
from vetting import learning, programs
from vetting.offers import offering
from vetting.quality import delivery, gate, gold, looks, recalls, repeats, rounds
from vetting.round_records import Recall, Round
from vetting.units import work
from vetting.work_records import Look, Review, Submission, Unit

AFTER = NOON + timedelta(hours=1)


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora", "Eli"], right_share=0.7)


# -- hidden repeats ----------------------------------------------------------------------------------


def judge_on(db, person, units, say):
    """So many judgements of what comes, each as said of (offer, number)."""
    for number in range(units):
        offer = take(db, person, NOON)
        do(db, offer, NOON, label=say(offer, number))


def test_repeats_come_once_each_after_the_stated_distance_and_tell_self_agreement(db, people):
    where, form = judging(db, ordinary=60, golds=0, repeats=0.3, repeat_after=6, units=60)
    rng = np.random.default_rng(3)
    firm = {}
    judge_on(db, people[0], 50, lambda offer, _: firm.setdefault(offer.unit_id, str(rng.choice(form.labels))))
    again = of_task(db, "repeat")
    seen = [one for one in people[0].looks if one.offer.task == "repeat"]
    assert abs(len(again) - 0.3 * 44) < 3 * np.sqrt(44 * 0.3 * 0.7)
    assert len({one.unit_id for one in again}) == len(again)  # each unit once
    offers = [one.id for one in db.scalars(select(Submission).order_by(Submission.id))]
    for one in again:
        before = looks.own_earlier(one)
        between = [other for other in (*offers, *(o.id for o in again)) if before.id < other < one.id]
        assert len(between) + 1 >= 6
    told = repeats.self_agreement(db, where, form)
    assert (told["all"]["share"], told["all"]["of"]) == (1.0, len(seen))
    assert told["people"][0]["person"] == "Ada"
    assert told["all"]["low"] < 1
    assert len(db.scalars(select(Unit)).all()) == 60
    assert db.scalar(select(func.count(Submission.id))) == 50 - len(again)  # a repeat is no second label


def test_somebody_who_tosses_a_coin_agrees_with_themselves_by_chance(db, people):
    where, form = judging(db, ordinary=60, golds=0, repeats=0.3, repeat_after=5, units=60)
    rng = np.random.default_rng(4)
    judge_on(db, people[0], 60, lambda _, __: str(rng.choice(form.labels)))
    told = repeats.self_agreement(db, where, form)["all"]
    assert told["low"] < 0.5 < told["high"]
    assert told["agreement"]["low"] < 0 < told["agreement"]["high"]
    pairs = repeats.pairs(db, where, form.name)
    codes = np.array([[form.labels.index(one.before), form.labels.index(one.after)] for one in pairs])
    n = len(pairs)
    labels = Labels(np.repeat(np.arange(n), 2), np.tile([0, 1], n), codes.ravel(), 2)
    assert told["agreement"]["value"] == pytest.approx(gwet(labels).analytic().value)


def test_a_repeated_review_shows_the_very_work_that_was_judged_before(db, people):
    where = planned(db, queue(units=30, repeats=0.3, repeat_after=5))
    scaled(db, where)
    for n in range(24):
        made(db, where, people[1], [], [], text=f"1. proof {n}")
    for _ in range(20):
        offer = take(db, people[0], AFTER)
        do(db, offer, AFTER)
    again = of_task(db, "repeat")
    assert again
    for one in again:
        assert looks.face(one) == "review"
        before = looks.own_earlier(one)
        assert looks.judged(one).text == before.review.submission.text
        assert looks.told(one)["pay"] == pytest.approx(before.why["pay"])  # not paid differently
    assert learning.works(people[0].work_seen) == []  # says nothing about skills


# -- calibration rounds ------------------------------------------------------------------------------


def settled_units(db, people, count):
    """A scaled queue with units that the last two people made and judged."""
    where = planned(db, queue(units=80))
    scaled(db, where)
    for n in range(count):
        made(db, where, people[3], [people[4]], ["pass"], text=f"1. proof {n}")
    (form,) = programs.queues_of(where)
    return where, form


def go_round(db, people, say):
    for person in people:
        while (offer := take(db, person, AFTER)) is not None and offer.task == "round":
            do(db, offer, AFTER, verdict=say(person, offer.unit_id))
        if offer is not None:
            work.give_back(db, offer, AFTER)
    db.expire_all()


def ask(db, where, form, named, units=6, **others):
    said = {"people": [one.id for one in named], "units": units, "source": "settled", "note": "", "by": "lead"}
    return rounds.start(db, where, form, **(said | others), now=AFTER)


def test_a_round_is_blind_until_all_is_in_then_shown_talked_over_and_retested(db, people):
    where, form = settled_units(db, people, 16)
    three = people[:3]
    first = ask(db, where, form, three)
    offer = take(db, three[0], AFTER)
    assert (offer.task, looks.face(offer), offer.why["rule"]) == ("round", "review", "round")
    seen = rounds.account(db, first, form)
    assert not seen["shown"]
    assert seen["rows"] == []
    assert seen["agreement"] is None
    with pytest.raises(work.FormError, match="still open"):
        rounds.remark(db, first, first.units[0], "I think", three[0], AFTER)
    do(db, offer, AFTER, verdict="pass")
    go_round(db, three, lambda one, unit: "pass" if one is three[0] or unit % 3 else "send_back")
    seen = rounds.account(db, first, form)
    assert seen["shown"]
    assert [len(row["said"]) for row in seen["rows"]] == [3] * 6
    rounds.remark(db, first, first.units[0], "Step 2 leans on the lemma.", three[1], AFTER)
    rounds.remark(db, first, first.units[0], "The guideline says so now.", None, AFTER)
    db.expire_all()
    remarks = rounds.account(db, first, form)["rows"][0]["remarks"]
    assert [(one["who"], one["words"]) for one in remarks] == [
        (three[1].id, "Step 2 leans on the lemma."), (None, "The guideline says so now."),
    ]  # fmt: skip
    retest = ask(db, where, form, [], of=first)
    assert retest.people == first.people
    assert not set(retest.units) & set(first.units)
    assert rounds.change(db, retest, form) is None
    go_round(db, three, lambda _, unit: "pass" if unit % 2 else "reject")
    told = rounds.change(db, retest, form)
    assert told["after"]["value"] == pytest.approx(1.0)
    assert told["gain"]["value"] == pytest.approx(told["after"]["value"] - told["before"]["value"])
    assert told["gain"]["low"] < told["gain"]["value"] < told["gain"]["high"]


def test_nothing_said_in_a_round_is_delivered_counts_for_agreement_or_is_evidence(db, people):
    where, form = settled_units(db, people, 6)
    before = list(delivery.export(db, where, NOON)), gate.gate(db, where, form)
    first = ask(db, where, form, people[:2], units=4)
    go_round(db, people[:2], lambda *_: "reject")
    assert rounds.shown(db, first)
    assert (list(delivery.export(db, where, NOON)), gate.gate(db, where, form).judged) == (before[0], before[1].judged)
    assert learning.works(people[0].work_seen) == []


def test_a_round_that_is_closed_early_shows_what_there_is_and_takes_no_more(db, people):
    where, form = settled_units(db, people, 6)
    first = ask(db, where, form, people[:2], units=2)
    offer = take(db, people[0], AFTER)
    do(db, offer, AFTER, verdict="pass")
    other = take(db, people[1], AFTER)
    rounds.close(db, first, "lead", AFTER)
    rounds.close(db, first, "lead", AFTER)
    db.expire_all()
    assert rounds.shown(db, first)
    with pytest.raises(work.TakenError, match="shown already"):
        do(db, other, AFTER, verdict="pass")
    assert offering.current(db, people[1], AFTER) is None  # it does not stand in the way of other work
    assert [len(row["said"]) for row in rounds.account(db, first, form)["rows"]].count(1) == 1
    assert db.scalar(select(func.count(Look.id))) == 1


def test_a_round_of_gold_units_says_who_was_right(db, people):
    where, form = judging(db, ordinary=2, golds=4, gold=0.0)
    first = ask(db, where, form, people[:2], units=3, source="gold")
    go_round(db, people[:2], lambda one, _: "valid" if one is people[0] else "invalid")
    seen = rounds.account(db, first, form)
    assert [(one["share"], one["of"]) for one in seen["people"]] == [(1.0, 3), (0.0, 3)]
    assert {row["gold"]["verdict"] for row in seen["rows"]} == {"valid"}
    assert gold.due(db, where, form.name, people[0], AFTER).id not in first.units
    assert [one["seen"] for one in gold.results(db, where, form.name, AFTER)["units"]].count(2) == 3


def test_a_round_shows_no_gold_unit_to_more_people_than_may_see_it(db, people):
    where, form = judging(db, ordinary=2, golds=3, gold_people=2)
    assert len(rounds.fresh(db, where, form, [people[0].id, people[1].id], "gold", AFTER)) == 3
    assert rounds.fresh(db, where, form, [one.id for one in people[:3]], "gold", AFTER) == []


def test_a_round_that_cannot_be_is_refused_with_a_way_out(db, people):
    where, form = settled_units(db, people, 4)
    for wrong, said in (
        ({"units": 5}, r"Only 4 settled units of Proofs.*none of these 2 people\. Maybe ask for fewer"),
        ({"units": 1}, "Ask for 2 to 50"), ({"people": [people[0].id]}, "Name 2 to 12 people; 1 are named"),
        ({"people": [people[0].id, 999]}, "Applicant 999 has no hours"),
        ({"source": "air"}, "Pick one of: settled, gold"),
        ({"people": [people[3].id, people[4].id], "units": 2}, "Only 0 settled units"),
    ):  # fmt: skip
        with pytest.raises(work.FormError, match=said):
            ask(db, where, form, people[:2], **wrong)
    open_one = ask(db, where, form, people[:2], units=2)
    with pytest.raises(work.FormError, match=r"not over yet\. Maybe close it first"):
        ask(db, where, form, [], of=open_one)
    assert db.scalar(select(func.count(Round.id))) == 1


# -- fresh labels ------------------------------------------------------------------------------------


def test_fresh_labels_stand_beside_the_others_and_a_differing_one_is_a_dispute_for_a_third_person(db, people):
    where, form = settled_units(db, people, 3)
    units = recalls.choose(db, where, form, AFTER, way="numbers", numbers=[1, 2, 1])
    assert [unit.number for unit in units] == [1, 2]  # each once
    recalls.send(db, units, people=2, because="Customer asks.", by="lead", now=AFTER)
    said = {people[0].id: "pass", people[1].id: "reject"}
    for person in people[:2]:
        for _ in units:
            offer = take(db, person, AFTER)
            assert (offer.task, looks.face(offer)) == ("again", "review")
            do(db, offer, AFTER, verdict=said[person.id] if offer.unit_id == units[0].id else "pass")
    db.expire_all()
    assert [work.state(unit, AFTER) for unit in units] == ["disputed", "accepted"]
    assert units[0].disputes[0].reason == "fresh labels differ: reject against pass"
    (row,) = [one for one in delivery.export(db, where, AFTER) if one["unit"] == 2]
    assert row["distribution"] == {"pass": 3}
    assert row["label"] == "pass"
    third = take(db, people[2], AFTER)
    assert third.task == "resolve"
    do(db, third, AFTER, verdict="pass")
    (row,) = [one for one in delivery.export(db, where, AFTER) if one["unit"] == 1]
    assert row["distribution"] == {"pass": 3, "reject": 1}
    assert (row["label"], row["state"]) == ("pass", "accepted")
    assert db.scalar(select(func.count(Submission.id))) == 3  # nothing is replaced
    assert [one["said"] for one in recalls.account(db, recalls.sent(db, where, form.name))] == [
        ["pass", "pass"],
        ["pass", "reject"],
    ]


def test_fresh_labels_go_only_to_people_who_never_met_the_unit_and_only_as_many_as_were_asked(db, people):
    where, form = settled_units(db, people, 1)
    (unit,) = recalls.choose(db, where, form, AFTER, way="reviewer", reviewer=people[4].id)
    recalls.send(db, [unit], people=1, because="One reviewer only.", by="lead", now=AFTER)
    assert recalls.due(db, where, people[3], AFTER) == recalls.due(db, where, people[4], AFTER) == []
    assert [one.id for _, one in recalls.due(db, where, people[0], AFTER)] == [unit.id]
    take(db, people[0], AFTER)
    db.expire_all()
    assert recalls.due(db, where, people[1], AFTER) == []  # it is out already
    with pytest.raises(work.FormError, match="all such are out already"):
        recalls.send(db, [unit], people=1, because="Again.", by="lead", now=AFTER)
    assert gate.judgements(unit.submissions[0]) == [(people[4].id, "pass")]


def test_units_are_chosen_by_how_sure_their_label_is_by_dispute_and_by_reviewer(db, people):
    where = program(db, queue(units=40))
    form = programs.queues_of(where)[0]
    for n in range(12):
        made(db, where, people[3], people[:3], ["pass", "pass", "send_back" if n == 5 else "pass"])
    planned_anyway = [unit for unit in db.scalars(select(Unit)) if unit.number == 6]
    assert work.state(planned_anyway[0], NOON) == "disputed"
    made(db, where, people[3], [people[4]], ["pass"])
    sure = delivery.confidence(work.whole(where, form.name, db), form)
    lowest = recalls.choose(db, where, form, NOON, way="confidence", below=1.0)
    assert [sure[unit.id] for unit in lowest] == sorted(sure[unit.id] for unit in lowest)
    assert recalls.choose(db, where, form, NOON, way="confidence", below=0.0) == []
    assert recalls.choose(db, where, form, NOON, way="disputed") == []  # it is still open
    with pytest.raises(work.FormError, match="Unit 6 is not accepted"):
        recalls.choose(db, where, form, NOON, way="numbers", numbers=[1, 6])
    with pytest.raises(work.FormError, match="Pick one of: confidence"):
        recalls.choose(db, where, form, NOON, way="luck")
    assert db.scalar(select(func.count(Recall.id))) == 0


def test_a_third_persons_word_holds_against_fresh_labels(db, people):
    where = planned(db, queue(units=30, reviews=2))
    scaled(db, where)
    form = programs.queues_of(where)[0]
    unit = made(db, where, people[0], people[1:3], ["pass", "send_back"])
    do(db, take(db, people[3], NOON), NOON, verdict="pass")
    assert work.state(unit, NOON) == "accepted"
    assert recalls.choose(db, where, form, AFTER, way="disputed") == [unit]
    recalls.send(db, [unit], people=1, because="It was close.", by="lead", now=AFTER)
    offer = take(db, people[4], AFTER)
    do(db, offer, AFTER, verdict="reject")
    db.expire_all()
    assert work.state(unit, AFTER) == "accepted"
    (row,) = delivery.export(db, where, AFTER)
    assert (row["label"], row["distribution"]) == ("pass", {"pass": 2, "send_back": 1, "reject": 1})
    assert db.scalar(select(func.count(Review.id))) == 3


def test_everything_at_once_still_comes_to_an_end(db, people):
    where = planned(
        db, queue("Checks", kind="verification", units=12, reviews=1, gold=0.2, repeats=0.2, repeat_after=5)
    )
    scaled(db, where, "Checks")
    form = programs.queues_of(where)[0]
    offering.add_units(db, where, form, [f"Is {n} prime?" for n in range(12)], NOON)
    marks = [gold.GoldForm(content=f"Gold {n}", verdict="valid", because="By hand.") for n in range(6)]
    gold.mark(db, where, form, marks, "lead", NOON)
    rounds.start(
        db, where, form, people=[one.id for one in people[:2]], units=2, source="gold", note="", by="lead", now=NOON
    )
    assert bustle(db, people, NOON, step=timedelta(seconds=1)) < 200
    assert {work.state(unit, NOON) for unit in work.whole(where, form.name, db)} == {"accepted"}
