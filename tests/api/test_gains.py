"""What more would bring, over the doors: worked out once on demand, kept with the plan, told where there is none."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from api.gains import more
from tests.api.front import text
from vetting import programs, store
from vetting.scope import ProgramForm
from vetting.work_records import Gains


def count(front):
    return front.facts(select(func.count(Gains.id)))[0][0]


def test_it_is_worked_out_once_for_a_plan_and_stays_on_its_page(front, staff, visitor):
    assert "Work it out" in staff.get("/lead/1").text
    assert visitor.post("/lead/1/gains").status_code == 403
    fragment = staff.post("/lead/1/gains", headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    assert "data-arrived" in fragment.text
    assert staff.post("/lead/1/gains").headers["location"] == "/lead/1#gains"
    assert count(front) == 1
    page = text(staff.get("/lead/1").text)
    assert "Work it out" not in page
    assert "1 person like" in page
    assert "Less than half a person" in page  # 10 % of three
    assert "No budget is set" in page
    assert text(fragment.text).count("at most") == 8  # seven figures, and the caption
    assert staff.post("/lead/1").status_code == 303  # a newer plan is asked about anew
    assert "Work it out" in staff.get("/lead/1").text


def test_without_a_plan_the_page_says_what_comes_first(front, staff):
    queue = {"name": "Sums", "skills": {"math.algebra": 1.0}, "units": 10, "value": 50}
    with store.writing(front.house.engine) as db:
        form = ProgramForm.model_validate({"name": "Unplanned", "queues": [queue]})
        number = programs.keep_program(db, form, datetime.now(UTC)).id
    page = text(staff.get(f"/lead/{number}").text)
    assert "There is no plan yet. Once there is one, this says what one more hour" in page
    assert staff.post(f"/lead/{number}/gains").headers["location"] == f"/lead/{number}"
    assert staff.post("/lead/999/gains").status_code == 404


def test_amounts_are_in_words():
    said = [(1.0, "people"), (3.0, "people"), (0.25, "days"), (1.0, "hours"), (1500.0, "money")]
    assert [more(*one) for one in said] == ["1 person", "3 people", "0.2 days", "1 hour", "1,500 of budget"]
