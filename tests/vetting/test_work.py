"""Units of work: who is offered what, that reviews are independent, that nothing is averaged or left to a machine."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from tests.conftest import NOON
from tests.vetting.bustle import bustle, do, planned, program, queue, take, team
from vetting import programs
from vetting.offers import offering
from vetting.programs import offer as week_of
from vetting.quality import gate
from vetting.records import Availability, Wish
from vetting.units import checks, suspicion, work
from vetting.work_records import MechanicalCheck, Offer, Outcome, QueueDecision, Submission, Unit

LEGAL = {  # where a unit may stand after it stood somewhere
    "waiting": {"offered"},
    "offered": {"in work", "waiting", "sent back", "rejected"},
    "in work": {"submitted", "checked", "accepted", "waiting", "sent back", "rejected"},
    "submitted": {"checked", "reviewed", "accepted", "sent back", "rejected", "disputed", "held"},
    "checked": {"reviewed", "accepted", "sent back", "rejected", "disputed", "held"},
    "reviewed": {"accepted", "sent back", "rejected", "disputed", "held"},
    "disputed": {"accepted", "sent back", "rejected", "held"},
    "sent back": {"offered", "disputed", "held"},
    "rejected": {"offered", "disputed", "held"},
    "accepted": {"disputed", "held"},
    "held": {"submitted", "checked", "reviewed", "accepted", "sent back", "rejected", "disputed"},
}


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora"])


def scaled(db, made, name="Proofs"):
    """The queue is let off its pilot, for tests of what comes after."""
    db.add(QueueDecision(at=NOON, program_id=made.id, queue=name, verdict="scale", reason="test", by="t", evidence={}))
    db.flush()


def unit_of(db):
    return db.scalars(select(Unit).order_by(Unit.id)).first()


def take_as(db, person, task, now=NOON):
    offer = take(db, person, now)
    assert offer is not None
    assert offer.task == task
    return offer


def one_unit(db, people, **fields):
    """A scaled queue of one unit, made by the first person it is offered to; (unit, maker, the others)."""
    made = planned(db, queue(units=1, **fields))
    scaled(db, made)
    for person in people:
        if (offer := take(db, person, NOON)) is not None:
            do(db, offer, NOON)
            return unit_of(db), person, [one for one in people if one is not person]
    raise AssertionError


# -- offers ------------------------------------------------------------------------------------------


def test_the_same_state_offers_the_same_unit_and_keeps_it_until_it_is_answered(db, people):
    planned(db)
    first = offering.next_offer(db, people[0], NOON)
    assert first.task == "produce"
    assert offering.next_offer(db, people[0], NOON + timedelta(hours=1)) is first
    assert first.why["rule"] in {"plan", "price"}
    assert 0 < first.why["acceptance_low"] < first.why["acceptance"] < first.why["acceptance_high"] < 1
    assert first.why["minutes"] > 0


@pytest.mark.parametrize(("tried", "begins"), [("Long", 0), ("Short", 0), ("Short", 1)])
def test_a_trial_is_offered_before_the_rest_of_somebodys_plan_once_it_begins(db, people, tried, begins):
    made = planned(db, queue("Long", units=50), queue("Short", units=50))
    shares = {"Long": (9.0, 0.5), "Short": (1.0, 0.5)}
    day = str((NOON + timedelta(days=begins)).date())
    row = made.plans[-1].body["hours"][0] | {"expert": str(people[0].id), "role": "produce"}
    rows = [
        row
        | {"queue": name, "hours": hours}
        | {"learning": trial if name == tried else 0.0, "from": day if name == tried else str(NOON.date())}
        for name, (hours, trial) in shares.items()
    ]
    made.plans[-1].body = made.plans[-1].body | {"hours": rows}
    offered = []
    for _ in range(6):
        offer = take_as(db, people[0], "produce")
        offered.append(offer.unit.queue)
        do(db, offer, NOON)  # in ten minutes
    assert offered[:3] == (["Long"] if begins else [tried]) * 3
    assert offered[3:] == ["Long"] * 3


def test_declining_leaves_no_trace_but_that_the_unit_is_not_offered_again(db, people):
    planned(db)
    first = offering.next_offer(db, people[0], NOON)
    work.reply(db, first, NOON, taken=False)
    second = offering.next_offer(db, people[0], NOON)
    assert second is not None
    assert second.unit_id != first.unit_id
    other = offering.next_offer(db, people[1], NOON)
    assert other.unit_id == first.unit_id  # it goes on to the next one
    assert db.scalar(select(func.count(Outcome.id))) == 0


def test_an_offer_that_nobody_answers_lapses_and_the_unit_goes_on(db, people):
    planned(db, queue(units=1))
    late = NOON + work.ANSWER_WITHIN + timedelta(minutes=1)
    first = offering.next_offer(db, people[0], NOON)
    with pytest.raises(work.TakenError, match=r"lapsed\. Maybe"):
        work.reply(db, first, late, taken=True)
    assert offering.next_offer(db, people[1], late).unit_id == first.unit_id


def test_nobody_is_offered_what_they_are_barred_from_or_not_eligible_for(db, bank, people):
    made = planned(db, queue(bars={"math.proof": -0.5}))
    db.add(Wish(at=NOON, program_id=made.id, applicant_id=people[0].id, queue="Proofs", kind="bar"))
    (weak,) = team(db, bank, ["Eli"], right_share=0.0)
    assert offering.next_offer(db, people[0], NOON) is None
    assert offering.next_offer(db, weak, NOON) is None
    assert offering.next_offer(db, people[1], NOON) is not None


def test_without_a_plan_or_on_a_stopped_queue_nothing_is_offered(db, people):
    made = program(db)
    assert offering.next_offer(db, people[0], NOON) is None
    planned(db, name="Another")
    for one in (made, *db.scalars(select(type(made)).where(type(made).name == "Another"))):
        db.add(
            QueueDecision(at=NOON, program_id=one.id, queue="Proofs", verdict="stop", reason="t", by="t", evidence={})
        )
    db.flush()
    assert offering.next_offer(db, people[0], NOON) is None


# -- independence ------------------------------------------------------------------------------------


def test_no_maker_reviews_their_own_unit_and_no_reviewer_twice(db, people):
    planned(db, queue(units=6, reviews=2))
    bustle(db, people, NOON)
    units = db.scalars(select(Unit)).all()
    assert len(units) == 6
    for unit in units:
        (made,) = unit.submissions
        judges = [review.offer.applicant_id for review in made.reviews]
        assert len(judges) == len(set(judges)) == 3  # a pilot: three people judge
        assert made.offer.applicant_id not in judges
        assert work.state(unit, NOON) == "accepted"


def test_reviewers_come_from_another_team_where_the_queue_says_so(db, people):
    for person, name in zip(people, ["red", "red", "blue", "blue"], strict=True):
        had = week_of(person)
        db.add(Availability(at=NOON, applicant=person, hours=had.hours, pay=had.pay, languages=["en"], team=name))
    db.flush()
    db.expire_all()
    unit, maker, others = one_unit(db, people, outside_team=True)
    assert unit.submissions
    ours = next(one for one in others if week_of(one).team == week_of(maker).team)
    theirs = next(one for one in others if week_of(one).team != week_of(maker).team)
    assert offering.next_offer(db, ours, NOON) is None
    assert offering.next_offer(db, theirs, NOON).task == "review"


def test_a_second_level_review_is_somebody_elses_again(db, people):
    unit, maker, others = one_unit(db, people, second=1.0)
    do(db, take_as(db, others[0], "review"), NOON)
    assert work.state(unit, NOON) == "reviewed"
    assert offering.next_offer(db, maker, NOON) is None
    assert offering.next_offer(db, others[0], NOON) is None
    do(db, take_as(db, others[1], "second"), NOON)
    assert work.state(unit, NOON) == "accepted"


# -- verdicts ----------------------------------------------------------------------------------------


def test_verdicts_that_differ_are_a_dispute_for_a_third_person_and_never_averaged(db, people):
    unit, _, others = one_unit(db, people, reviews=2)
    do(db, take_as(db, others[0], "review"), NOON, verdict="pass")
    do(db, take_as(db, others[1], "review"), NOON, verdict="reject", errors=["major content"])
    assert work.state(unit, NOON) == "disputed"
    assert unit.submissions[0].outcome is None
    for party in others[:2]:
        assert offering.next_offer(db, party, NOON) is None
    do(db, take_as(db, others[2], "resolve"), NOON, verdict="send_back", errors=["minor content"])
    assert work.state(unit, NOON) == "sent back"
    outcome = unit.submissions[0].outcome
    assert (outcome.settled, outcome.level, outcome.style) == ("adjudicated", 1, 2)


def test_errors_of_style_alone_say_nothing_against_the_content(db, people):
    unit, _, others = one_unit(db, people)
    do(db, take_as(db, others[0], "review"), NOON, verdict="reject", errors=["major style"])
    outcome = unit.submissions[0].outcome
    assert (outcome.level, outcome.style) == (2, 0)


def test_a_unit_sent_back_goes_to_its_maker_and_a_rejected_one_to_somebody_fresh(db, people):
    unit, maker, others = one_unit(db, people)
    do(db, take_as(db, others[0], "review"), NOON, verdict="send_back")
    again = take_as(db, maker, "produce")
    assert again.unit_id == unit.id
    assert again.why["rule"] == "rework"
    do(db, again, NOON)
    assert len(unit.submissions) == 2
    do(db, take_as(db, others[1], "review"), NOON, verdict="reject")
    assert work.state(unit, NOON) == "rejected"
    assert offering.next_offer(db, maker, NOON) is None
    assert take_as(db, others[2], "produce").unit_id == unit.id


def test_units_that_are_judgements_are_judged_again_blind_and_an_ambiguous_one_keeps_its_labels(db, people):
    made = planned(db, queue(kind="verification", units=1))
    scaled(db, made)
    (form,) = programs.queues_of(made)
    offering.add_units(db, made, form, ["Is 91 prime? Claimed: yes."], NOON)
    do(db, take_as(db, people[0], "produce"), NOON, label="invalid")
    do(db, take_as(db, people[1], "review"), NOON, verdict="valid")
    unit = unit_of(db)
    assert work.state(unit, NOON) == "disputed"
    do(db, take_as(db, people[2], "resolve"), NOON, verdict="ambiguous")
    assert work.state(unit, NOON) == "accepted"
    assert unit.submissions[0].outcome.settled == "ambiguous"
    assert dict(gate.judgements(unit.submissions[0])) == {people[0].id: "invalid", people[1].id: "valid"}


def test_a_maker_may_object_once_and_a_third_person_decides(db, people):
    unit, maker, others = one_unit(db, people)
    do(db, take_as(db, others[0], "review"), NOON, verdict="reject")
    (made,) = unit.submissions
    with pytest.raises(work.TakenError):
        work.object_to(db, others[0], made, "not mine", NOON)
    work.object_to(db, maker, made, "The lemma holds: see the second line.", NOON)
    assert work.state(unit, NOON) == "disputed"
    do(db, take_as(db, others[1], "resolve", NOON + timedelta(minutes=1)), NOON + timedelta(minutes=1), verdict="pass")
    assert work.state(unit, NOON) == "accepted"
    with pytest.raises(work.TakenError, match="decision stands"):
        work.object_to(db, maker, made, "again", NOON)


# -- what is sent ------------------------------------------------------------------------------------


def test_a_submission_is_kept_once_per_request_and_attested_where_only_people_may_make_it(db, people):
    made = planned(db, queue(human_only=True))
    assert made
    offer = take(db, people[0], NOON)
    with pytest.raises(work.FormError, match="decline the unit"):
        work.submit(db, offer, text="A proof", request_id="a", seconds=5, now=NOON)
    one = work.submit(db, offer, text="A proof", attested=True, request_id="a", seconds=5, now=NOON)
    two = work.submit(db, offer, text="Another", attested=True, request_id="a", seconds=5, now=NOON)
    assert one is two
    assert one.attested == work.ATTESTED
    with pytest.raises(work.TakenError):
        work.submit(db, offer, text="Late", attested=True, request_id="b", seconds=5, now=NOON)
    assert db.scalar(select(func.count(Submission.id))) == 1


def test_a_verdict_without_a_reason_or_of_no_known_kind_is_refused(db, people):
    _, _, others = one_unit(db, people)
    offer = take_as(db, others[0], "review")
    common = {"request_id": "x", "seconds": 1.0, "now": NOON}
    for wrong, field in (
        ({"verdict": "fine", "because": "good"}, "verdict"), ({"verdict": "reject", "because": " "}, "because"),
        ({"verdict": "reject", "because": "bad", "errors": ["huge"]}, "errors"),
    ):  # fmt: skip
        with pytest.raises(work.FormError) as told:
            work.review(db, offer, **wrong, **common)
        assert told.value.field == field


def test_a_suspicion_holds_the_unit_for_a_person_changes_no_score_and_can_be_appealed(db, people):
    unit, _, others = one_unit(db, people)
    (made,) = unit.submissions
    flag = suspicion.suspect(db, made, "model text", "It reads like one.", "reviewer", NOON)
    assert work.state(unit, NOON) == "held"
    assert offering.next_offer(db, others[0], NOON) is None
    suspicion.find(db, flag, upheld=True, because="Same text elsewhere.", by="staff", now=NOON)
    assert work.state(unit, NOON) == "rejected"
    assert db.scalar(select(func.count(Outcome.id))) == 0
    db.expire_all()
    suspicion.appeal(db, flag, "I wrote it; here are my drafts.", NOON)
    db.expire_all()
    assert work.state(unit, NOON) == "held"
    suspicion.find(db, flag, upheld=False, because="The drafts show it.", by="staff", now=NOON)
    db.expire_all()
    assert work.state(unit, NOON) == "checked"


# -- every way through -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_a_unit_moves_only_where_it_may(db, people, seed):
    rng = np.random.default_rng(seed)
    made = planned(db, queue(units=6, reviews=1.5, second=0.3))
    scaled(db, made)
    stood: dict[int, str] = {}
    now = NOON

    def look() -> None:
        for unit in db.scalars(select(Unit)):
            at = work.state(unit, now)
            before = stood.get(unit.id, "waiting")
            assert at == before or at in LEGAL[before], (before, at)
            stood[unit.id] = at

    for _ in range(90):
        now += timedelta(minutes=int(rng.integers(1, 300)))
        look()
        person = people[int(rng.integers(len(people)))]
        offer = offering.next_offer(db, person, now)
        look()
        if offer is None:
            continue
        if offer.reply is None:
            work.reply(db, offer, now, taken=bool(rng.random() < 0.85))
            look()
        if offer.reply.taken:
            verdict = str(rng.choice(work.VERDICTS, p=[0.7, 0.2, 0.1])) if offer.task != "produce" else None
            do(db, offer, now, verdict=verdict)
            look()
    for unit in db.scalars(select(Unit)):
        judged_by_others(unit)
    assert db.scalar(select(func.count(Offer.id))) >= 20


def judged_by_others(unit):
    for made in unit.submissions:
        judges = {review.offer.applicant_id for review in made.reviews}
        assert made.offer.applicant_id not in judges
        if len({review.verdict for review in made.reviews}) > 1:
            assert [one for one in unit.disputes if one.submission_id == made.id]
    for third in (dispute.resolution.offer for dispute in unit.disputes if dispute.resolution):
        before = [offer for offer in unit.offers if offer.reply and offer.reply.taken and offer.id < third.id]
        assert third.applicant_id not in {offer.applicant_id for offer in before}


# -- what a machine notices --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1. first\n2. second\n4. fourth", {"steps": ["Step 4 stands where step 3 is expected."]}),
        ("So 12 * 12 = 146, as wanted.", {"arithmetic": ["12 * 12 = 146 is not so."]}),
        ("2^10 = 1024 and 1/3 = 0.333 and 3 × 4 = 12", {}),
        ("2x + 3 = 7 and f(2) = 5 and x^2 = 4", {}),
        ("1 + 1 = 2 = 3", {"arithmetic": ["2 = 3 is not so."]}),
        ("9^9^9 = 1 and 1/0 = 2", {}),
        ("  ", {"form": ["Nothing is written."]}),
        ("$x + 1", {"form": ["A formula is opened by $ and not closed."]}),
    ],
)
def test_mechanical_faults_are_noticed_and_sound_text_is_left_alone(text, told):
    assert {name: faults for name, faults in checks.noticed(text).items() if faults} == told


def test_a_check_decides_nothing_and_one_that_breaks_loses_nothing(db, people):
    planned(db, queue(units=1, reviews=0))
    offer = take(db, people[0], NOON)
    do(db, offer, NOON, text="1. 2 + 2 = 5")
    noted = {check.name: check.faults for check in db.scalars(select(MechanicalCheck))}
    assert noted["arithmetic"] == ["2 + 2 = 5 is not so."]
    for judge in people[1:]:
        do(db, take_as(db, judge, "review"), NOON)
    assert work.state(unit_of(db), NOON) == "accepted"  # people judged it valid
    assert checks.noticed("text", {"odd": lambda _: 1 / 0})["odd"] == ["The check itself broke: ZeroDivisionError."]


# -- the pilot's gate --------------------------------------------------------------------------------


def pilot(db, people, judge, units=50):
    """A pilot's facts as they are when all its work is done: made by one, judged by the three others."""
    made = planned(db, queue(units=200, pilot=50))
    (form,) = programs.queues_of(made)
    for unit in offering.add_units(db, made, form, [""] * units, NOON):
        order = [people[(unit.number + n) % 4] for n in range(4)]
        for task, person in zip(["produce", *["review"] * 3], order, strict=True):
            offer = Offer(at=NOON, unit=unit, applicant=person, task=task, why={})
            db.add(offer)
            db.flush()
            work.reply(db, offer, NOON, taken=True)
            do(db, offer, NOON, verdict=judge(unit.number))
    return made, form


def test_a_queue_scales_only_when_the_lower_end_of_its_pilots_agreement_clears_the_threshold(db, people):
    made, form = pilot(db, people, lambda _: "pass")
    seen = gate.gate(db, made, form)
    assert (seen.units, seen.judged, seen.wanted) == (50, 50, 50)
    assert seen.faults() == []
    assert offering.next_offer(db, people[0], NOON) is None  # the pilot is all there is until then
    gate.decide(db, made, form, "scale", "People agree.", "lead", {}, NOON)
    assert offering.next_offer(db, people[0], NOON).unit.pilot is False


def test_a_pilot_whose_people_disagree_keeps_the_queue_shut_and_a_change_pilots_again(db, people):
    rng = np.random.default_rng(7)
    made, form = pilot(db, people, lambda _: str(rng.choice(work.VERDICTS)))
    seen = gate.gate(db, made, form)
    assert seen.judged == seen.wanted
    assert seen.agreement.low < 0.2
    with pytest.raises(work.FormError, match=r"cannot scale yet.*lower end must reach 0\.60.*Maybe mend the guideline"):
        gate.decide(db, made, form, "scale", "Please.", "lead", {}, NOON)
    assert gate.phase(db, made, form.name) == "pilot"
    later = NOON + timedelta(days=1)
    gate.decide(db, made, form, "change", "The guideline says now what counts.", "lead", {}, later)
    assert gate.gate(db, made, form).units == 0
    (fresh,) = offering.add_units(db, made, form, [""], later)
    assert fresh.pilot


def test_a_small_queue_is_its_own_pilot_and_comes_to_its_end_through_offers_alone(db, people):
    made = planned(db, queue(units=5))
    assert bustle(db, people, NOON, step=timedelta(seconds=1)) < 400
    (form,) = programs.queues_of(made)
    assert gate.gate(db, made, form).judged == 5
    assert {work.state(unit, NOON) for unit in db.scalars(select(Unit))} == {"accepted"}


def test_an_unfinished_pilot_says_what_is_missing(db, people):
    made = planned(db)
    (form,) = programs.queues_of(made)
    assert gate.gate(db, made, form).faults() == [
        "0 of 60 units of the pilot are judged by 3 people.",
        "Agreement is not known yet; its lower end must reach 0.60.",
    ]
    assert people


def test_the_steps_of_a_text_are_its_numbered_parts_and_a_text_without_any_has_none():
    assert checks.step_texts("1. a\nand so on\n2) b") == ["1. a\nand so on", "2) b"]
    assert checks.step_texts("Because it is so.") == checks.step_texts("") == []
