"""The graders' door: signing on, grading blind, seeing others afterwards; in a browser by keyboard alone."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from api.auth import staff_key
from tests.api.front import SECRET, hidden
from tests.vetting.story import spoken
from vetting import store
from vetting.records import Grade, Referral

NASTY = "<script>alert(1)</script> Two lamps in each household."


@pytest.fixture
def told(front):
    """An answer that waits, fresh for each test."""
    probe = next(iter(front.house.bank.probes.values()))
    with store.writing(front.house.engine) as db:
        answer = spoken(db, probe, NASTY, name=f"Speaker {datetime.now(UTC).timestamp()}", now=datetime.now(UTC))
        db.add(Grade(at=datetime.now(UTC), answer=answer, rater="model:new@1", criterion=probe.criteria[0].id, level=2))
        return answer.id, probe


def form(probe, **others):
    return {f"{criterion.id}-level": "1" for criterion in probe.criteria} | others


def test_nothing_can_be_graded_before_there_is_a_name(staff, told):
    assert staff.get(f"/desk/{told[0]}").headers["location"] == "/desk"
    refused = staff.post("/desk", data={"grader": "a/b"})
    assert refused.status_code == 422
    assert "Give a name" in refused.text
    assert staff.post("/desk", data={"grader": "Bea Lind"}).status_code == 303
    assert "For you" in staff.get("/desk").text


def test_grading_is_blind_first_and_open_afterwards(staff, told, front):
    answer, probe = told
    staff.post("/desk", data={"grader": "bea"})
    page = staff.get(f"/desk/{answer}").text
    assert "model:new" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    lacking = staff.post(f"/desk/{answer}", data={f"{probe.criteria[0].id}-level": "2"})
    assert lacking.status_code == 422
    assert "choose a level" in lacking.text
    forged = staff.post(f"/desk/{answer}", data=form(probe, **{f"{probe.criteria[0].id}-quote": "three lamps"}))
    assert forged.status_code == 422
    assert "do not stand in the answer" in forged.text.lower()
    assert front.facts(select(Grade).where(Grade.answer_id == answer, Grade.rater == "human:bea")) == []
    quoted = form(probe, **{f"{probe.criteria[0].id}-quote": "Two lamps"})
    assert staff.post(f"/desk/{answer}", data=quoted).status_code == 303
    after = staff.get(f"/desk/{answer}").text
    assert "model:new@1" in after
    assert "human:bea" in after
    again = staff.post(f"/desk/{answer}", data=quoted)
    assert again.status_code == 303
    kept = front.facts(select(Grade.level).where(Grade.answer_id == answer, Grade.rater == "human:bea"))
    assert len(kept) == len(probe.criteria)


def test_no_reason_to_grade_tells_what_level_others_gave(staff, told, front):
    answer, probe = told
    with store.writing(front.house.engine) as db:
        why = "raters lie too far apart: 0, 3"
        db.add(Referral(at=datetime.now(UTC), answer_id=answer, criterion=probe.criteria[0].id, rater="x", why=why))
    staff.post("/desk", data={"grader": "bea"})
    page = staff.get(f"/desk/{answer}").text
    assert "raters lie too far apart</p>" in page
    assert "0, 3" not in page


def test_two_who_grade_the_same_answer_at_once_are_both_kept_and_under_their_own_names(front, staff, told):
    answer, probe = told
    with front.staff() as other:
        forms = {}
        for name, who in (("ida", staff), ("jon", other)):
            who.post("/desk", data={"grader": name})
            forms[name] = form(probe, shown=hidden(who.get(f"/desk/{answer}").text, "shown")[0])
        assert staff.post(f"/desk/{answer}", data=forms["ida"]).status_code == 303
        assert other.post(f"/desk/{answer}", data=forms["jon"]).status_code == 303
        again = other.post(f"/desk/{answer}", data=forms["jon"], follow_redirects=True)
        assert "nothing more was kept" not in again.text
    kept = [rater for (rater,) in front.facts(select(Grade.rater).where(Grade.answer_id == answer))]
    assert kept.count("human:ida") == kept.count("human:jon") == len(probe.criteria)


def test_a_page_that_was_opened_under_another_name_asks_before_it_keeps(front, staff, told):
    answer, probe = told
    staff.post("/desk", data={"grader": "kim"})
    filled = form(probe, shown=hidden(staff.get(f"/desk/{answer}").text, "shown")[0])
    staff.post("/desk", data={"grader": "lea"})
    asks = staff.post(f"/desk/{answer}", data=filled)
    assert asks.status_code == 422
    assert "you are signed on as lea" in asks.text
    assert (
        front.facts(select(Grade).where(Grade.answer_id == answer, Grade.rater.in_(["human:kim", "human:lea"]))) == []
    )
    assert asks.text.count(" checked") >= len(probe.criteria)  # nothing is to be filled in again


def test_strangers_and_wrong_numbers_are_turned_away(visitor, staff):
    assert visitor.get("/desk").status_code == 403
    staff.post("/desk", data={"grader": "bea"})
    assert staff.get("/desk/999999").status_code == 404


@pytest.mark.browser
def test_an_answer_is_graded_by_keyboard_alone(chromium, front, told):
    answer, probe = told
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    tab = context.new_page()
    tab.goto(f"{front.url}/enter/{staff_key(SECRET)}")
    tab.goto(f"{front.url}/desk")
    tab.get_by_label("Your name as a grader").fill("Dan")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    tab.goto(f"{front.url}/desk/{answer}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.set_viewport_size({"width": 1280, "height": 800})
    title, talk = (tab.locator(which).bounding_box() for which in ("#talk-title", "ol.talk"))
    assert talk["y"] >= title["y"] + title["height"]  # the conversation stands under its title
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.keyboard.press("0")
    tab.reload()
    assert tab.locator("[type=radio]:checked").get_attribute("value") == "0"  # what was chosen outlives the page
    tab.locator("[type=radio]").first.focus()
    for _ in probe.criteria:
        tab.keyboard.press("2")
        tab.keyboard.press("Enter")
    assert tab.locator("#chosen").inner_text().count(": 2") == len(probe.criteria)
    tab.evaluate("getSelection().selectAllChildren(document.querySelector('.says .verbatim'))")
    tab.keyboard.press("q")
    assert tab.locator("textarea[name$=-quote]").last.input_value() == NASTY
    tab.locator("form.grading button.main").focus()
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="What everybody said").wait_for()
    kept = front.facts(select(Grade.level).where(Grade.answer_id == answer, Grade.rater == "human:dan"))
    assert [level for (level,) in kept] == [2] * len(probe.criteria)
    context.close()
