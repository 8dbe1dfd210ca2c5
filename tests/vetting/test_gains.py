"""What more would bring: as planning again with the change says, kept once with its plan, told for what there is."""

from datetime import timedelta

import numpy as np
import pytest

from assignment.solve import solve
from tests.conftest import NOON
from tests.vetting.test_staffing import pool, program, queue
from vetting import programs
from vetting.plans import gains, scene, staffing
from vetting.scope import ProgramForm

__all__ = ["pool"]  # three strong people and two weak ones


@pytest.fixture
def planned(db, pool):  # noqa: ARG001 -- who is planned
    made = program(db, queue(units=400, bars={"math.proof": -0.3}), queue("Sums", skills={"math.algebra": 1.0}))
    return made, staffing.make_plan(db, made, NOON)


def rows(body, what):
    return {row["share"]: row for row in body["more"][what]}


def test_gains_are_what_planning_again_with_the_change_brings(db, planned):
    made, record = planned
    body = gains.of_plan(db, record, NOON)
    setting = scene.scene(db, made, NOON)
    here = solve(setting.problem).objective
    for what, week in (("hours", 1.05), ("days", 1.05)):
        problem = setting.problem
        more = solve(scene.replace(problem, hours=problem.hours * week)).objective - here
        assert rows(body, what)[0.05]["gain"] == pytest.approx(more, rel=1e-5)
        assert rows(body, what)[0.05]["gain"] <= rows(body, what)[0.05]["by_price"] + 1e-6
    assert rows(body, "hours")[0.05]["amount"] == pytest.approx(0.05 * setting.problem.hours.sum())
    assert rows(body, "days")[0.05]["amount"] == pytest.approx(0.05 * 7)


def test_more_is_never_less_and_gains_fall_off(db, planned):
    body = gains.of_plan(db, planned[1], NOON)
    for what in ("hours", "days"):
        five, ten = rows(body, what)[0.05]["gain"], rows(body, what)[0.1]["gain"]
        assert 0 < five <= ten <= 2 * five * (1 + 1e-6)
    for what in ("hours", "people", "days"):
        for row in body["more"][what]:
            assert 0 <= row["least"] <= row["gain"]
            assert row["units"] > 0
            assert row["units_sd"] > 0


def test_a_newcomer_is_like_the_one_who_would_bring_most(db, planned, pool):
    strong, _ = pool
    body = gains.of_plan(db, planned[1], NOON)
    one = rows(body, "people")[None]
    assert one["who"][0] in strong
    assert (one["amount"], rows(body, "people")[0.1]["amount"]) == (1.0, 1.0)
    assert 0.05 not in rows(body, "people")  # 5 % of five people is nobody
    assert rows(body, "people")[0.1]["gain"] == one["gain"]
    assert one["gain"] > rows(body, "hours")[None]["gain"]  # a week is more than an hour


@pytest.mark.usefixtures("pool")
def test_money_counts_only_where_there_is_a_limit(db):
    free = staffing.make_plan(db, program(db, queue(units=400)), NOON)
    assert gains.of_plan(db, free, NOON)["more"]["money"] == []
    form = ProgramForm.model_validate({"name": "Tight", "budget": 400.0, "queues": [queue(units=400)]})
    tight = staffing.make_plan(db, programs.keep_program(db, form, NOON), NOON)
    body = gains.of_plan(db, tight, NOON)
    one, five, ten = (rows(body, "money")[share] for share in (None, 0.05, 0.1))
    assert (one["amount"], five["amount"], ten["amount"]) == (1.0, 20.0, 40.0)
    assert 20 * one["gain"] == pytest.approx(five["gain"], rel=1e-3)  # far from the next thing that is short
    assert one["gain"] > 0
    assert rows(body, "hours")[0.05]["gain"] == pytest.approx(0, abs=1e-3)  # hours are not what is short


@pytest.mark.usefixtures("pool")
def test_wishes_about_the_whole_are_named_where_they_are_left_out(db):
    form = ProgramForm.model_validate({"name": "Stints", "block": 2.0, "queues": [queue()]})
    record = staffing.make_plan(db, programs.keep_program(db, form, NOON), NOON)
    assert gains.of_plan(db, record, NOON)["apart"] == ["Whole stints are left out: hours are divided as they fit."]


def test_what_was_worked_out_is_kept_once_with_its_plan(db, planned):
    made, record = planned
    assert gains.kept(db, record) is None
    first = gains.keep(db, record, gains.of_plan(db, record, NOON), NOON)
    again = gains.keep(db, record, {"more": {}, "apart": [], "seconds": 0.0}, NOON + timedelta(hours=1))
    assert again is first
    newer = staffing.make_plan(db, made, NOON)
    assert gains.kept(db, newer) is None
    assert np.isfinite([row["gain"] for some in first.body["more"].values() for row in some]).all()


@pytest.mark.usefixtures("pool")
def test_a_date_that_has_passed_is_refused_by_name(db):
    made = program(db, queue(due=str((NOON + timedelta(days=2)).date())))
    record = staffing.make_plan(db, made, NOON)
    with pytest.raises(ValueError, match="Maybe give it a later date"):
        gains.of_plan(db, record, NOON + timedelta(days=4))
