"""A recruiter's people: each role decides for itself, appeals reach somebody, links and lists are found again."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from sqlalchemy import func, select

from api.auth import sign
from tests.api.front import text
from tests.vetting.story import answered
from vetting import programs, store
from vetting.decisions import decision
from vetting.records import Appeal, Applicant, Decision, Invitation, Role, Sitting
from vetting.sittings import sitting

NAMES = ("=Ann", "Ben Ö", "Cem <b>", "Dee")


@pytest.fixture(scope="module", autouse=True)
def people(front, bank):
    """Four who finished for "A role" and wait; Bea, Cleo and Dan of the fixture are advanced for it."""
    levels = {key: 1 for key, item in bank.items.items() if "math.proof" in item.skills}
    with store.writing(front.house.engine) as db:
        return {name: answered(db, bank, levels, name=name, now=datetime.now(UTC)).id for name in NAMES}


def role_of(front, name="A role"):
    return front.facts(select(func.max(Role.id)).where(Role.name == name))[0][0]


def other_role(front, person):
    """One more role for which somebody sat."""
    now = datetime.now(UTC)
    with store.writing(front.house.engine) as db:
        one = db.get_one(Applicant, person)
        first = one.sittings[0]
        role = Role(at=now, name="Another role", body=first.invitation.role.body | {"name": "Another role"})
        link = Invitation(at=now, role=role, expires=now + timedelta(days=3), uses=1, name=one.name)
        seat = Sitting(at=now, invitation=link, applicant=one, calibration=first.calibration, seat=1, consent="",
                       extra_time=1.0, aim=first.aim, closed_items=[])  # fmt: skip
        db.add(seat)
        db.flush()
        sitting.end(db, seat, "test", now)
        return role.id, seat.id


def decide(staff, role, person, verdict, reason="As the answers say.", **more):
    return staff.post(f"/recruiter/roles/{role}/people/{person}", data={"verdict": verdict, "reason": reason} | more)


def listed(page):
    return re.findall(r'rowheader"><a href="[^"]*/people/(\d+)"', page.text)


def test_each_role_decides_for_itself(front, staff, visitor):
    (bea,) = front.facts(select(Applicant.id).where(Applicant.name == "Bea"))[0]
    role, seat = other_role(front, bea)
    assert "1 to decide : Another role" in text(staff.get("/recruiter").text)
    assert listed(staff.get(f"/recruiter/roles/{role}?decision=waiting")) == [str(bea)]
    result = visitor.get(f"/s/{sign(front.house.key, 'sitting', seat)}/result")
    assert "Advance" not in text(result.text)  # what another role's people decided, and why
    assert decide(staff, role, bea, "decline", "Another role asks for more.").status_code == 303
    with store.reading(front.house.engine) as db:
        assert "Bea" in {one.name for one in programs.experts(db)}  # still advanced for the first
        assert programs.advanced(db.get_one(Applicant, bea)).name == "A role"
    first = text(staff.get(f"/recruiter/roles/{role_of(front)}/people/{bea}").text)
    assert "Decline for Another role" in first
    assert listed(staff.get(f"/recruiter/roles/{role_of(front)}?decision=decline")) == []


def test_an_appeal_is_seen_until_somebody_decides_again(front, staff, visitor, people):
    role, dee = role_of(front), people["Dee"]
    assert decide(staff, role, dee, "decline", "Too few answers.").status_code == 303
    (seat,) = front.facts(select(Sitting.id).where(Sitting.applicant_id == dee))[0]
    mine = f"/s/{sign(front.house.key, 'sitting', seat)}"
    assert visitor.post(f"{mine}/appeal", data={"text": "Question 3 <b>was</b> cut off."}).status_code == 303
    assert "1 appealed : A role" in text(staff.get("/recruiter").text)
    assert listed(staff.get(f"/recruiter/roles/{role}?decision=appeal")) == [str(dee)]
    page = staff.get(f"/recruiter/roles/{role}/people/{dee}")
    assert "Question 3 &lt;b&gt;was&lt;/b&gt; cut off." in page.text
    assert 'class="again"' not in page.text  # the form that answers it is open
    assert "with a person at" in text(visitor.get(f"{mine}/result").text)
    assert decide(staff, role, dee, "hold", "Looked at again.").status_code == 303
    assert listed(staff.get(f"/recruiter/roles/{role}?decision=appeal")) == []
    assert "was answered by a decision" in text(staff.get(f"/recruiter/roles/{role}/people/{dee}").text)
    assert "with a person at" not in text(visitor.get(f"{mine}/result").text)
    assert front.facts(select(func.count(Appeal.id))) == [(1,)]


def test_a_decision_from_an_older_page_takes_no_other_ones_place_unread(front, staff, people):
    role, ben = role_of(front), people["Ben Ö"]
    url = f"/recruiter/roles/{role}/people/{ben}"
    (held,) = re.findall(r'name="held" value="(\d+)"', staff.get(url).text)
    for _ in range(2):  # a double click
        assert decide(staff, role, ben, "advance", "Clear enough.", held=held).status_code == 303
    late = decide(staff, role, ben, "decline", "Not for <me>.", held=held)
    assert late.status_code == 422
    assert "staff decided “advance” since this page was opened" in text(late.text)
    assert "Not for &lt;me&gt;." in late.text
    assert front.facts(select(Decision.verdict).where(Decision.applicant_id == ben)) == [("advance",)]
    (held,) = re.findall(r'name="held" value="(\d+)"', late.text)
    assert decide(staff, role, ben, "decline", "Not for <me>.", held=held).status_code == 303
    assert "P(meets every bar) 0." in text(staff.get(url).text)  # what was known when it was decided


def test_a_form_sent_twice_makes_one_link_which_the_role_shows_until_it_is_used(front, staff, people):
    role = role_of(front)
    until = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
    form = {"role": str(role), "name": "Zoë", "until": until}
    assert [staff.post("/recruiter/invitations", data=form).status_code for _ in range(2)] == [303, 303]
    ask = f"/recruiter/roles/{role}/people/{people['Dee']}/ask/math.proof"
    assert [staff.post(ask).status_code for _ in range(2)] == [303, 303]
    made = front.facts(select(Invitation.id).where(Invitation.name.in_(["Zoë", "Dee"])))
    assert len(made) == 2
    page = staff.get(f"/recruiter/roles/{role}").text
    assert all(f"/i/{sign(front.house.key, 'invitation', number)}" in page for (number,) in made)


def test_people_are_found_by_name_standing_and_decision_and_kept_as_a_table(front, staff, people):
    role = role_of(front)
    everybody = set(listed(staff.get(f"/recruiter/roles/{role}")))
    assert everybody >= {str(number) for number in people.values()}
    by_state = [set(listed(staff.get(f"/recruiter/roles/{role}?state={one}"))) for one in ("clears", "open", "below")]
    assert set.union(*by_state) == everybody
    assert sum(map(len, by_state)) == len(everybody)
    assert listed(staff.get(f"/recruiter/roles/{role}?name=ben ö&state=x&decision=x")) == [str(people["Ben Ö"])]
    nobody = staff.get(f"/recruiter/roles/{role}", params={"name": "<script>", "state": "open"})
    assert "Nobody here is as you asked" in nobody.text
    assert "<script>" not in nobody.text
    sent = staff.get(f"/recruiter/roles/{role}/candidates.csv", params={"name": "=ann"})
    assert sent.headers["content-disposition"] == 'attachment; filename="candidates.csv"'
    (row,) = csv.DictReader(StringIO(sent.text))
    assert (row["name"], row["applicant"], row["decision"]) == ("'=Ann", str(people["=Ann"]), "")
    assert 0 <= float(row["p_meets_every_bar"]) <= 1
    assert float(row["math.proof:sd"]) > 0
    with front.visitor() as stranger:
        assert stranger.get(f"/recruiter/roles/{role}/candidates.csv").status_code == 403


def test_whoever_is_forgotten_is_in_no_list(front, staff, people):
    role, cem = role_of(front), people["Cem <b>"]
    with store.writing(front.house.engine) as db:
        decision.erase(db, db.get_one(Applicant, cem), datetime.now(UTC))
    assert str(cem) not in listed(staff.get(f"/recruiter/roles/{role}"))
    assert staff.get(f"/recruiter/roles/{role}/candidates.csv").text.count("\n") == 1 + len(
        listed(staff.get(f"/recruiter/roles/{role}"))
    )


def test_a_decision_and_a_further_sitting_are_only_for_a_role_that_somebody_came_for(front, staff, people):
    (bea,) = front.facts(select(Applicant.id).where(Applicant.name == "Bea"))[0]
    other, _ = other_role(front, bea)
    page = staff.get(f"/recruiter/roles/{other}/people/{people['Dee']}")
    assert page.status_code == 200
    assert "Your decision" not in page.text
    before = front.facts(select(func.count(Decision.id)))
    assert decide(staff, other, people["Dee"], "advance").status_code == 404
    assert staff.post(f"/recruiter/roles/{other}/people/{people['Dee']}/ask/math.proof").status_code == 404
    assert front.facts(select(func.count(Decision.id))) == before


def test_who_signs_out_is_out(front):
    with front.staff() as client:
        assert 'action="/leave"' in client.get("/recruiter").text
        assert "You are signed out" in client.post("/leave").text
        assert client.get("/recruiter").status_code == 403
