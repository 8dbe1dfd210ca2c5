"""A forecast that falls says why, and a look after a plan says who left and who came."""

from datetime import timedelta

import numpy as np
import pytest

from tests.conftest import NOON
from tests.vetting.story import answered, expert
from tests.vetting.test_feasibility import MATHS, asked, queue
from vetting import evidence, programs
from vetting import scale as scales
from vetting.plans import papers, shifts, staffing
from vetting.plans.feasibility import CHANCE, feasibility
from vetting.plans.shifts import because, moved
from vetting.records import Availability, Wish

LICENCE = papers.ClaimForm(name="Licence", issuer="A board")


def look(db, form, now=NOON):
    return feasibility(db, form, now, np.random.default_rng(1))


def floor_of(db, person, skill):
    """The highest bar that this person surely clears."""
    scale = scales.of(scales.latest(db))
    known = evidence.belief(person, scale, NOON)
    k = scale.skills.position[skill]
    return float(known.mean[k] - 1.2816 * known.sd[k])


def test_a_forecast_falls_where_vetting_may_find_people_below_a_bar_and_says_so(db, bank):
    """Four people who just clear: a few minutes may find some below, and what they make is gone with them."""
    people = [expert(db, bank, ["math.algebra"], right_share=0.8, name=f"Expert {n}") for n in range(4)]
    db.expire_all()
    bar = floor_of(db, people[0], "math.proof") - 0.01
    wide = queue(units=500, reviews=0, skills={"math.algebra": 1.0}, bars={"math.proof": bar})
    (seen,) = look(db, asked(wide))["queues"]
    now, day, _ = seen["supply"]
    assert now["units"] > 0
    assert "because" not in now
    assert day["units"] < now["units"]
    assert 0 < day["who"]["lost"] <= len(people) * CHANCE["expert"][1]
    assert day["who"]["cleared"] == day["who"]["came"] == 0
    assert "fewer, in the mean" in day["because"]
    assert "people who may work now are found below a bar once they are vetted" in day["because"]
    assert day["error"] > 0


def test_a_forecast_rises_with_newcomers_and_says_so(db, bank):
    expert(db, bank, MATHS, name="Ada")
    for n in range(4):
        answered(db, bank, {item.id: item.levels - 1 for item in bank.items.values() if "math.proof" in item.skills},
                 name=f"New {n}", now=NOON - timedelta(days=1))  # fmt: skip
    db.expire_all()
    (seen,) = look(db, asked(queue(units=500, reviews=0)))["queues"]
    day = seen["supply"][1]
    assert day["who"]["came"] > 0
    assert "more, in the mean:" in day["because"]
    assert "newcomers come through" in day["because"]


def test_who_is_lost_and_won_is_counted_against_now():
    now = np.array([[True], [True], [False], [False]])
    later = [np.array([[True], [False], [True], [False]]), np.array([[True], [True], [False], [True]])]
    kind = np.array(["expert", "expert", "expert", "invited"])
    assert moved(now, later, kind, 0) == {"lost": 0.5, "cleared": 0.5, "came": 0.5}
    at = {"hours": 24, "units": 90.0, "error": 3.0}
    nobody = {"lost": 0.0, "cleared": 0.0, "came": 0.0}
    assert because(90.2, at, nobody, 16) == ""
    assert "By chance alone it may differ by 6: 16 futures are drawn." in because(94, at, nobody, 16)
    assert "By chance" not in because(97, at, nobody, 16)


@pytest.fixture
def planned(db, bank):
    """A plan for two queues, one of which needs a licence that Ada and Bea hold."""
    people = {name: expert(db, bank, MATHS, name=name) for name in ("Ada", "Bea", "Cleo")}
    for name in ("Ada", "Bea"):
        one = papers.claim(db, people[name], LICENCE, "lead", NOON)
        papers.look(db, one, papers.LookForm(verdict="verified", because="Seen."), "lead", NOON)
    db.expire_all()
    form = asked(queue(reviews=0), queue("Licensed", reviews=0, credentials=["licence"]))
    made = programs.keep_program(db, form, NOON)
    staffing.make_plan(db, made, NOON)
    return made, people


def since(db, made, now=NOON):
    db.expire_all()
    return shifts.since_plan(db, made, look(db, programs.scope_of(db, made), now)["able"], now)


def test_nothing_is_said_while_nothing_has_changed(db, planned):
    made, _ = planned
    assert since(db, made) == []


def test_who_left_and_who_came_is_named_with_the_reason(db, bank, planned):
    made, people = planned
    licence = papers.told(db, people["Ada"], NOON)[0]["id"]
    gone = papers.LookForm(verdict="revoked", because="Struck off.")
    papers.look(db, db.get_one(papers.Credential, licence), gone, "lead", NOON)
    db.add(Availability(at=NOON, applicant=people["Cleo"], hours=0, pay=40, languages=["en"]))
    db.add(Wish(at=NOON, program_id=made.id, applicant_id=people["Bea"].id, queue="Proofs", kind="bar"))
    expert(db, bank, MATHS, name="Dora")
    proofs, licensed = since(db, made)
    assert proofs == (
        "Proofs: 2 people instead of 3, without Bea (not wished here), "
        "Cleo (has no hours any more, or was not advanced) and with Dora."
    )
    assert licensed == "Licensed: 1 person instead of 2, without Ada (no longer holds licence, verified)."
