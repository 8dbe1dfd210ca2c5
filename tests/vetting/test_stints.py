"""Whole stints, few queues a person, no queue of one person's making, and who works when: in a plan as in a file."""

import csv
from datetime import date, timedelta
from io import StringIO

import numpy as np
import pytest
from pydantic import ValidationError

from tests.conftest import NOON
from tests.vetting.bustle import program, queue, team
from vetting import programs
from vetting.plans import staffing
from vetting.plans.plan_files import as_table
from vetting.scope import ProgramForm

SOON, LATER = str(NOON.date() + timedelta(days=3)), str(NOON.date() + timedelta(days=10))
SKILLS = ("math.proof", "math.algebra", "math.analysis")


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora"])


def three(**fields):
    return [
        queue(f"Queue {n}", skills={skill: 1.0}, units=units, minutes=60, **fields)
        for n, (skill, units) in enumerate(zip(SKILLS, (11, 13, 17), strict=True))
    ]


def planned(db, form, **others):
    made = programs.keep_program(db, ProgramForm.model_validate(form), NOON)
    return staffing.make_plan(db, made, NOON, **others).body


def by_person(body):
    found = {}
    for row in body["hours"]:
        found.setdefault(row["expert"], []).append(row)
    return found


def test_nobody_works_less_than_a_block_or_on_more_queues_than_wished(db, people):
    plain = planned(db, {"name": "Plain", "queues": three()})
    body = planned(db, {"name": "Stints", "queues": three(), "block": 3, "most_queues": 1})
    assert min(row["hours"] for row in body["hours"]) >= 3 - 1e-6
    assert all(len({row["queue"] for row in rows}) == 1 for rows in by_person(body).values())
    assert body["value"] <= plain["value"] + 1e-6
    assert body["bound"] >= body["value"]
    again = planned(db, {"name": "Plain", "queues": three()}, wishes={"block": 3, "most_queues": 1})
    assert min(row["hours"] for row in again["hours"]) >= 3 - 1e-6  # for one plan alone
    assert people


def test_no_one_makes_more_than_their_share_of_a_queue_and_more_people_are_asked_for(db, people):
    (free,) = planned(db, {"name": "Free", "queues": [queue(units=10, minutes=60)]})["queues"]
    assert free["missing"] == pytest.approx(0, abs=1e-6)
    body = planned(db, {"name": "Shared", "queues": [queue(units=10, minutes=60, most_share=0.2)]})
    made = [row for row in body["hours"] if row["role"] == "produce"]
    units = [row["hours"] * 60 / row["minutes"] for row in made]
    assert len(made) == len(people)
    assert max(units) <= 2 * 1.05 / min(row["acceptance"] for row in made)  # of 10 accepted units, one in five
    (shared,) = body["queues"]
    assert shared["missing"] == pytest.approx(10 - 2 * len(people), abs=0.1)
    assert shared["held_back_by"] == "produce"


def test_what_is_due_first_comes_first_and_is_done_by_its_date(db, people):
    body = planned(db, {"name": "When", "queues": [
        queue("Late", units=30, minutes=60, due=LATER), queue("Early", units=20, minutes=60, due=SOON),
    ]})  # fmt: skip
    for rows in by_person(body).values():
        for row in rows:
            assert NOON.date() <= date.fromisoformat(row["from"]) <= date.fromisoformat(row["until"])
            assert row["until"] <= (SOON if row["queue"] == "Early" else LATER)
        early = [row["until"] for row in rows if row["queue"] == "Early"]
        late = [row["from"] for row in rows if row["queue"] == "Late"]
        assert max(early, default="") <= min(late, default="9")
    (first, *_) = csv.DictReader(StringIO(as_table(body)))
    assert first["from"]
    days = (date.fromisoformat(first["until"]) - date.fromisoformat(first["from"])).days
    assert days <= np.ceil(float(first["hours"]) / (20 / 7))
    assert people


def test_wishes_that_make_no_sense_are_refused():
    for wrong in ({"block": -1}, {"most_queues": 0}, {"block": 2, "explore": 0.1}, {"queues": [queue(most_share=2)]}):
        with pytest.raises(ValidationError):
            ProgramForm.model_validate({"name": "Wrong", "queues": [queue()]} | wrong)


def test_a_program_keeps_its_wishes(db):
    made = program(db, queue())
    asked = programs.scope_of(db, made).wishing({"block": 4, "most_queues": 2})
    assert programs.scope_of(db, programs.keep_program(db, asked, NOON)) == asked
