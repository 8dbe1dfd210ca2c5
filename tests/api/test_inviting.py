"""Whom a plan would vet next becomes invitations in one click, each to a sitting about the skills that would pay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from tests.api.front import running, text
from tests.vetting.story import expert
from vetting import programs, store
from vetting.plans import further, staffing
from vetting.records import AuditEntry, Invitation, Program, Sitting
from vetting.scope import ProgramForm

SHORT = {"name": "Proofs", "skills": {"math.proof": 1.0}, "bars": {"math.proof": 0.8}, "units": 5000, "value": 200}


@pytest.fixture
def front(tmp_path, bank):
    """Four people of whom algebra is known and proof is not, and a bar above what is sure of them."""
    with running(f"sqlite:///{tmp_path / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for n in range(4):
                expert(db, bank, ["math.algebra"], right_share=0.6, name=f"Unknown {n}", now=now)
            expert(db, bank, ["math.algebra", "math.proof"], name="Known", now=now)
            program = programs.keep_program(db, ProgramForm.model_validate({"name": "Short", "queues": [SHORT]}), now)
            staffing.make_plan(db, program, now)
        yield made


def plan_of(db):
    return db.scalars(select(Program)).one().plans[-1]


def invitations(front):
    with store.reading(front.house.engine) as db:
        wanted = {row["expert"]: row["skills"] for row in further.ranked(plan_of(db).body)}
        sent = db.scalars(select(Invitation).where(Invitation.applicant_id.is_not(None))).all()
        return wanted, {str(one.applicant_id): one.focus for one in sent}, plan_of(db).id


def test_one_click_invites_the_ranked_list_each_person_once_and_shows_the_links(front, staff, visitor):
    wanted, sent, plan = invitations(front)
    assert wanted
    assert sent == {}
    page = staff.get("/lead/1")
    assert page.text.count('name="who"') == len(wanted)
    said = {"plan": plan, "who": [*wanted, "777", "x"]}
    for _ in range(2):  # a second click invites nobody again
        assert staff.post("/lead/1/invite", data=said).status_code == 303
    assert invitations(front)[1] == wanted
    assert front.facts(select(AuditEntry.what).where(AuditEntry.what.startswith("invited whom"))) != []
    page = staff.get("/lead/1")
    assert 'name="who"' not in page.text
    assert page.text.count("their link") == len(wanted)
    person = next(iter(wanted))
    link = front.facts(select(Invitation.id).where(Invitation.applicant_id == int(person)))[0][0]
    front.begin(visitor, front.link("invitation", link))
    with store.reading(front.house.engine) as db:
        begun = db.scalars(select(Sitting).where(Sitting.invitation_id == link)).one()
        assert set(begun.aim["weight"]) == set(wanted[person])
    assert "has begun" in staff.get("/lead/1").text


def test_only_those_who_are_ticked_and_only_from_the_latest_plan(front, staff):
    wanted, _, plan = invitations(front)
    (first, *_) = wanted
    assert staff.post("/lead/1/invite", data={"plan": plan, "who": [first]}).status_code == 303
    assert set(invitations(front)[1]) == {first}
    assert staff.post("/lead/1", data={}).status_code == 303  # a newer plan
    old = staff.post("/lead/1/invite", data={"plan": plan, "who": list(wanted)})
    assert old.status_code == 422
    assert "There is a newer plan by now. Maybe" in text(old.text)
    assert "of no plan. Maybe" in text(staff.post("/lead/1/invite", data={"plan": "x"}).text)
    assert set(invitations(front)[1]) == {first}


def test_the_page_says_how_far_sittings_follow_what_the_plan_is_short_of(front, staff, visitor):
    assert "Sittings that begin now give 25 % of their questions' weight to this; none has begun" in text(
        staff.get("/lead/1").text.replace("&#39;", "'")
    )
    front.begin(visitor)
    page = text(staff.get("/lead/1").text)
    assert "1 has begun since this plan" in page
    with store.reading(front.house.engine) as db:
        newest = db.scalars(select(Sitting).order_by(Sitting.id.desc())).first()
        assert newest.aim["weight"]["math.proof"] > newest.aim["weight"]["math.algebra"]  # short of proof, so asked
