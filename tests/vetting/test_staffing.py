"""From a program to a plan: bars, languages, wishes and dates are kept, refusals name themselves, nothing is halved."""

from datetime import date, timedelta

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from tests.conftest import NOON
from tests.vetting.story import answered, expert
from vetting import programs
from vetting import scale as scales
from vetting.plans import scene, staffing
from vetting.records import Decision, PlanRecord, Wish
from vetting.scope import ProgramForm

MATHS = ("math.algebra", "math.proof", "math.combinatorics", "math.analysis", "math.number_theory")
SUM_OF_SHARES = pytest.approx(1.0, abs=1e-9)


def queue(name="Proofs", **fields):
    return {"name": name, "skills": {"math.proof": 1.0}, "units": 100, "value": 100, "minutes": 60} | fields


def program(db, *queues, name="A program"):
    return programs.keep_program(db, ProgramForm.model_validate({"name": name, "queues": queues or [queue()]}), NOON)


@pytest.fixture
def pool(db, bank):
    """Three people strong in mathematics, two weak ones."""
    strong = [expert(db, bank, MATHS, name=name) for name in ("Ada", "Bea", "Cleo")]
    weak = [expert(db, bank, MATHS, right_share=0.0, name=name) for name in ("Dan", "Eli")]
    db.expire_all()
    return [str(person.id) for person in strong], [str(person.id) for person in weak]


def plan(db, made, **others):
    return staffing.make_plan(db, made, NOON, **others).body


def hours(body, *, queue=None, expert=None):
    return sum(
        row["hours"] for row in body["hours"] if queue in {None, row["queue"]} and expert in {None, row["expert"]}
    )


def count(db, kind):
    return db.scalar(select(func.count(kind.id)))


# -- what a plan keeps to --------------------------------------------------------------------------


def test_only_who_surely_clears_a_bar_is_let_in(db, pool):
    strong, weak = pool
    body = plan(db, program(db, queue(bars={"math.proof": -0.3})))
    assert {row["expert"] for row in body["hours"]} <= set(strong)
    assert hours(body) > 0
    assert sum(hours(body, expert=one) for one in weak) == 0


def test_reviewers_need_to_clear_a_higher_bar_than_producers(db, pool):
    body = plan(db, program(db, queue(bars={"math.proof": -0.3})))
    people = body["queues"][0]["people"]
    assert people["second"] <= people["review"] <= people["produce"] == len(pool[0])


def test_a_queue_without_a_bar_is_open_to_all_who_speak_its_language(db, bank, pool):
    german = str(expert(db, bank, MATHS, name="Greta", languages=("de",)).id)
    body = plan(db, program(db, queue("English"), queue("German", language="de", reviews=0)))
    assert {row["expert"] for row in body["hours"] if row["queue"] == "German"} == {german}
    assert german not in {row["expert"] for row in body["hours"] if row["queue"] == "English"}
    assert body["queues"][0]["people"]["produce"] == sum(map(len, pool))


def test_nobody_works_more_hours_than_they_gave(db, pool):
    body = plan(db, program(db, queue(), queue("Algebra", skills={"math.algebra": 1.0})))
    for one in (*pool[0], *pool[1]):
        assert hours(body, expert=one) <= 20 + 1e-6


def test_every_made_unit_has_its_independent_review(db, pool):
    made = queue(units=30, review_minutes=30, reviews=1.0)
    body = plan(db, program(db, made))
    submitted = sum(row["hours"] * 60 / row["minutes"] for row in body["hours"] if row["role"] == "produce")
    reviewing = sum(row["hours"] for row in body["hours"] if row["role"] == "review")
    assert submitted > 1
    assert reviewing > 0
    one_maker = {row["expert"] for row in body["hours"] if row["role"] == "produce"}
    assert len(one_maker | {row["expert"] for row in body["hours"] if row["role"] == "review"}) >= 2
    assert pool


def test_no_more_is_planned_than_is_asked(db, pool):
    body = plan(db, program(db, queue(units=3)))
    assert body["queues"][0]["accepted"] <= 3 + 1e-6
    assert body["queues"][0]["missing"] == pytest.approx(3 - body["queues"][0]["accepted"])
    assert pool


def test_the_gap_of_a_plan_is_proven(db, pool):
    body = plan(db, program(db))
    assert body["value"] <= body["bound"] * (1 + 1e-9)
    assert 0 <= body["gap"] < 1e-3
    assert pool


def test_planning_twice_gives_the_same_plan(db, pool):
    made = program(db, queue(), queue("Algebra", skills={"math.algebra": 1.0}, units=40))
    one, two = plan(db, made), plan(db, made)
    assert two["value"] == pytest.approx(one["value"], rel=1e-6)
    for name in ("Proofs", "Algebra"):
        assert hours(two, queue=name) == pytest.approx(hours(one, queue=name), abs=0.1)
    assert pool


# -- wishes ----------------------------------------------------------------------------------------


def wish(db, made, person, kind, name="Proofs"):
    db.add(Wish(at=NOON, program_id=made.id, applicant_id=int(person), queue=name, kind=kind))
    db.flush()


def test_a_barred_expert_does_not_work_in_the_queue(db, pool):
    made = program(db, queue(), queue("Algebra", skills={"math.algebra": 1.0}))
    for one in pool[0]:
        wish(db, made, one, "bar")
    body = plan(db, made)
    assert sum(hours(body, queue="Proofs", expert=one) for one in pool[0]) == 0
    assert sum(hours(body, queue="Algebra", expert=one) for one in pool[0]) > 0


def test_a_pinned_expert_is_kept_where_they_are_wished(db, pool):
    made = program(db, queue(), queue("Dull", value=1.0))
    assert hours(plan(db, made), queue="Dull", expert=pool[0][0]) < 1
    wish(db, made, pool[0][0], "pin", "Dull")
    body = plan(db, made)
    assert hours(body, queue="Dull", expert=pool[0][0]) == pytest.approx(10, abs=0.1)
    assert body["broken"] == []


def test_the_latest_wish_holds_and_a_freed_one_is_gone(db, pool):
    made = program(db)
    wish(db, made, pool[0][0], "bar")
    wish(db, made, pool[0][0], "pin")
    assert [one.kind for one in programs.wishes(db, made)] == ["pin"]
    wish(db, made, pool[0][0], "free")
    assert programs.wishes(db, made) == []


def test_somebody_may_be_pinned_to_many_queues_or_to_one_that_is_due_tomorrow(db, pool):
    names = [f"Queue {n}" for n in range(4)]
    soon = (NOON + timedelta(days=1)).date()
    made = program(db, *(queue(name) for name in names), queue("Urgent", due=soon))
    for name in (*names, "Urgent"):
        wish(db, made, pool[0][0], "pin", name)
    body = plan(db, made)
    assert hours(body, expert=pool[0][0]) <= 20 + 1e-6
    assert all(hours(body, queue=name, expert=pool[0][0]) > 0 for name in (*names, "Urgent"))


def test_a_wish_for_a_queue_or_a_person_that_is_gone_is_no_trouble(db, bank, pool):
    made = program(db)
    wish(db, made, pool[0][0], "pin", "No such queue")
    stranger = answered(db, bank, {next(iter(bank.items)): 1})
    wish(db, made, stranger.id, "pin")
    assert plan(db, made)["value"] > 0


# -- what is refused -------------------------------------------------------------------------------


def test_a_queue_that_nobody_may_work_on_is_refused_with_its_bar_and_the_way_out(db, pool):
    made = program(db, queue(bars={"math.proof": 2.9}))
    with pytest.raises(
        staffing.ClosedQueueError, match=r"'Proofs'.*make.*math\.proof.*90 %.*Maybe lower the bar to -?\d"
    ):
        plan(db, made, allow_empty=False)
    assert count(db, PlanRecord) == 0
    assert pool


def test_the_bar_that_is_proposed_opens_the_queue(db, pool):
    made = program(db, queue(bars={"math.proof": 2.9}, reviews=0))
    body = plan(db, made)
    assert hours(body) == 0
    low = float(body["closed"][0].split("lower the bar to ")[1].split(",")[0])
    opened = program(db, queue(bars={"math.proof": low}, reviews=0), name="Lower")
    assert hours(plan(db, opened, allow_empty=False)) > 0
    assert pool


def test_the_rest_is_planned_when_one_queue_is_closed(db, pool):
    body = plan(db, program(db, queue(bars={"math.proof": 2.9}), queue("Open")))
    assert len(body["closed"]) == 1
    assert hours(body, queue="Open") > 0
    assert pool


def test_a_language_nobody_speaks_closes_a_queue(db, pool):
    with pytest.raises(staffing.ClosedQueueError, match="language"):
        plan(db, program(db, queue(language="vi")), allow_empty=False)
    assert pool


def test_a_due_date_that_is_past_is_refused_by_queue_and_date(db, pool):
    made = program(db, queue(due=date(2026, 3, 1)))
    with pytest.raises(ValueError, match=r"'Proofs' was due on 2026-03-01\. Maybe"):
        plan(db, made)
    assert count(db, PlanRecord) == 0
    assert pool


def test_an_unknown_skill_is_refused_by_queue_and_name(db, pool):
    made = program(db, queue(skills={"math.magic": 1.0}))
    with pytest.raises(ValueError, match=r"queue 'Proofs': there is no skill 'math\.magic'\. Maybe"):
        plan(db, made)
    assert pool


def test_a_program_without_experts_is_refused(db):
    with pytest.raises(ValueError, match=r"no experts to plan with\. Maybe"):
        plan(db, program(db))


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": 0},
        {"units": float("inf")},
        {"value": float("nan")},
        {"minutes": -1},
        {"skills": {}},
        {"skills": {"math.proof": 0.0}},
        {"bars": {"math.proof": 7}},
        {"language": "English"},
        {"priority": 1},
    ],
)
def test_a_queue_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ProgramForm.model_validate({"name": "A program", "queues": [queue(**wrong)]})


def test_two_queues_of_one_name_are_refused():
    with pytest.raises(ValidationError, match="stands twice"):
        ProgramForm.model_validate({"name": "A program", "queues": [queue(), queue()]})


def test_a_new_wording_of_a_queue_replaces_the_old_one(db):
    made = program(db, queue(units=10), queue("Other"))
    program(db, queue(units=20))
    db.expire_all()
    assert {one.name: one.units for one in programs.queues_of(made)} == {"Proofs": 20, "Other": 100}


# -- who is an expert ------------------------------------------------------------------------------


def test_an_expert_is_somebody_whom_the_latest_decision_advanced_and_who_gave_hours(db, bank):
    person = expert(db, bank, ["math.proof"])
    expert(db, bank, ["math.proof"], hours=0.0)
    assert [one.id for one in programs.experts(db)] == [person.id]
    role = person.sittings[0].invitation.role
    db.add(Decision(at=NOON, applicant=person, role=role, verdict="decline", reason="later", by="test", evidence={}))
    db.flush()
    db.expire_all()
    assert programs.experts(db) == []


# -- the loop --------------------------------------------------------------------------------------


def test_demand_is_a_share_of_what_plans_are_short_of(db, pool):
    assert programs.demand(db) == {}
    plan(db, program(db, queue(units=5000, skills={"math.proof": 1.0, "math.algebra": 1.0})))
    plan(db, program(db, queue("Law", units=5000, skills={"society.law": 1.0}, bars={"society.law": 0.5}), name="Law"))
    shares = programs.demand(db)
    assert sum(shares.values()) == SUM_OF_SHARES
    assert min(shares.values()) > 0
    assert shares["society.law"] > 0
    assert pool


def test_a_plan_that_is_short_of_nothing_demands_nothing(db, pool):
    plan(db, program(db, queue(units=0.5)))
    assert programs.demand(db) == {}
    assert pool


def test_the_latest_plan_of_a_program_speaks_for_it(db, pool):
    made = program(db, queue(units=5000))
    plan(db, made)
    program(db, queue(units=0.5))
    db.expire_all()
    plan(db, made)
    assert programs.demand(db) == {}
    assert pool


def test_whom_to_vet_next_are_experts_who_do_not_surely_clear_a_bar_of_the_queue(db, bank, pool):
    """Four people of whom algebra is known and proof is not, and a bar above what is sure of them."""
    unknown = {str(expert(db, bank, ["math.algebra"], right_share=0.6, name=f"Unknown {n}").id) for n in range(4)}
    body = plan(db, program(db, queue(units=5000, bars={"math.proof": 0.8})))
    everyone = {str(person.id) for person in programs.experts(db)}
    assert body["vet_next"]
    for row in body["vet_next"]:
        assert row["expert"] in everyone
        assert row["skills"] == ["math.proof"]
        assert 0 < row["chance"] <= 1
        assert row["gain"] > 0
    assert {row["expert"] for row in body["vet_next"]} & unknown
    assert pool


def test_supply_is_told_for_every_skill_that_is_asked(db, pool):
    body = plan(db, program(db, queue(skills={"math.proof": 1.0, "math.algebra": 0.5})))
    rows = {row["skill"]: row for row in body["supply"]}
    assert set(rows) == {"math.proof", "math.algebra"}
    assert rows["math.proof"]["ready_hours"] == pytest.approx(2 * rows["math.algebra"]["ready_hours"])
    assert all(row["demand_hours"] >= row["ready_hours"] - 1e-9 for row in rows.values())
    assert pool


def test_weights_of_a_queue_add_up_to_one_whatever_was_typed(db):
    scale = scales.of(scales.latest(db))
    forms = programs.queues_of(program(db, queue(skills={"math.proof": 3.0, "math.algebra": 1.0})))
    weights, bars = scene.table(forms, scale.skills)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights[0, scale.skills.position["math.proof"]] == pytest.approx(0.75)
    assert np.isnan(bars).all()


# -- wishes about the whole --------------------------------------------------------------------------


def test_hours_by_part_come_to_the_mix_that_was_asked(db, bank, pool):
    for n in range(4):
        expert(db, bank, MATHS, name=f"More {n}")
    db.expire_all()
    shares = {"baseline": 0.3, "weak areas": 0.4, "patterns": 0.3}
    queues = [queue(part, part=part, value=value, units=300) for part, value in zip(shares, (300, 90, 60), strict=True)]
    plain = plan(db, program(db, *queues, name="Without"))
    form = ProgramForm.model_validate({"name": "With", "mix": shares, "queues": queues})
    body = plan(db, programs.keep_program(db, form, NOON))
    assert hours(plain, queue="baseline") > 0.9 * hours(plain)  # left alone, what is worth most takes all
    for part, share in shares.items():
        assert hours(body, queue=part) / hours(body) == pytest.approx(share, abs=0.02)
    assert pool


def test_a_role_gets_the_people_it_was_asked_to_have_at_least(db, bank, pool):
    for n in range(4):
        expert(db, bank, MATHS, name=f"More {n}")
    db.expire_all()
    plain = plan(db, program(db, queue(units=12), name="Without"))
    body = plan(db, program(db, queue(units=12, least={"produce": 3, "review": 3}), name="With"))

    def people(said, role):
        return len({row["expert"] for row in said["hours"] if row["role"] == role})

    assert min(people(plain, "produce"), people(plain, "review")) < 3
    assert people(body, "produce") >= 3
    assert people(body, "review") >= 3
    assert pool


# -- exploring ---------------------------------------------------------------------------------------


@pytest.fixture
def half_known(db, bank):
    """Three people of whom much is known, and four of whom only algebra is: as good by forecast, a little dearer."""
    for n in range(3):
        expert(db, bank, MATHS, right_share=0.8, name=f"Known {n}")
    more = [expert(db, bank, ["math.algebra"], right_share=0.86, pay=41, name=f"Half known {n}") for n in range(4)]
    db.expire_all()
    return [str(person.id) for person in more]


def exploring(db, share, name="Exploring", **fields):
    form = {"name": name, "explore": share, "queues": [queue(units=40, value=400, difficulty=1.0, **fields)]}
    return programs.keep_program(db, ProgramForm.model_validate(form), NOON)


def seats_of(body):
    return {(row["expert"], row["queue"], row["role"]): row["hours"] for row in body["hours"]}


def test_a_plan_explores_only_if_it_was_asked_to_and_says_which_hours_and_why(db, half_known):
    plain = plan(db, exploring(db, 0.0, "Plain"))
    assert plain["exploring"] is None
    assert {row["learning"] for row in plain["hours"]} == {0.0}
    body = plan(db, exploring(db, 0.4))
    told = body["exploring"]
    tried = [row for row in body["hours"] if row["learning"] > 0]
    assert told["hours"] == pytest.approx(
        sum(row["learning"] for row in tried), abs=0.1
    )  # seats of minutes are left out
    assert 0 < told["share"] <= told["most"] == 0.4
    assert body["value"] <= plain["value"] + 1e-9
    assert body["value"] + told["costs"] >= plain["value"] - 1e-6
    for row in tried:
        assert row["learning"] <= row["hours"] + 1e-9
        assert row["role"] == "produce"
        assert row["acceptance"] < row["hoped"] <= 1
        assert row["repays"] > 0
        assert row["from"] == str(NOON.date())
        assert row["tries"] <= 8 + 1e-6
    assert told["worth"] == pytest.approx(sum(row["repays"] for row in tried))
    assert {row["expert"] for row in tried} & set(half_known)


def test_an_exploring_plan_made_again_is_the_same_however_often(db, half_known):
    made = exploring(db, 0.4)
    first = plan(db, made)
    for _ in range(3):
        db.expire_all()
        again = plan(db, made)
        assert seats_of(again) == seats_of(first)
        assert [row["learning"] for row in again["hours"]] == pytest.approx([row["learning"] for row in first["hours"]])
    assert half_known


def test_trials_end_as_a_queues_date_comes_near_and_go_on_where_there_is_none(db, half_known):
    dated = exploring(db, 0.4, due=(NOON + timedelta(days=30)).date())
    told = []
    for day in (0, 15, 28, 29):
        told.append(staffing.make_plan(db, dated, NOON + timedelta(days=day)).body["exploring"])
        db.expire_all()
    assert [one["share"] > 0 for one in told] == [True, True, False, False]
    assert told[0]["worth"] > told[1]["worth"] > told[2]["worth"] == 0  # fewer hours are left to use it
    endless = exploring(db, 0.4, "Endless")
    first = plan(db, endless)["exploring"]
    db.expire_all()
    late = staffing.make_plan(db, endless, NOON + timedelta(days=40)).body["exploring"]
    assert late["share"] == pytest.approx(first["share"], abs=0.02)
    assert late["share"] > 0
    assert half_known


def test_wishes_hold_while_a_plan_explores_and_mean_the_same_tomorrow(db, half_known):
    shares = {"one": 0.3, "two": 0.7}
    queues = [queue(part, part=part, units=300, least={"produce": 2}) for part in shares]
    form = {"name": "Wished", "mix": shares, "explore": 0.1, "queues": queues}
    made = programs.keep_program(db, ProgramForm.model_validate(form), NOON)
    body = plan(db, made)
    for part, share in shares.items():
        makers = {row["expert"] for row in body["hours"] if row["role"] == "produce" and row["queue"] == part}
        assert len(makers) >= 2
        assert hours(body, queue=part) / hours(body) == pytest.approx(share, abs=0.02 + 0.1)
    db.expire_all()
    assert seats_of(plan(db, made)) == seats_of(body)
    assert half_known
