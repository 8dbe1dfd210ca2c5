"""The page of raters: who counts and who stands in the shadow, a change told and ruled on with a reason, for staff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from api.raters import across, place
from tests.api.front import text
from tests.vetting.story import spoken
from vetting import scale as scales
from vetting import store
from vetting.grades import hearings, rater_readings
from vetting.grades.grading import Graded, Judged
from vetting.grades.verdicts import Verdict
from vetting.rater_records import RaterChange, RaterRuling
from vetting.records import Answer, AuditEntry, Grade

LIVE, NEW = "model:steady@abc", "model:fresh@def"
NUMBERS = {"discrimination": 0.7, "severity": 0.4, "sd_log_discrimination": 0.1, "sd_severity": 0.05}


@pytest.fixture(scope="module")
def panel(front, bank):
    """Two models and a person graded three answers; one of the models counts."""
    now = datetime.now(UTC)
    with store.writing(front.house.engine) as db:
        body = scales.latest(db).body
        scales.publish(db, {**body, "raters": {LIVE: NUMBERS}}, "a test", "a test", now)
        for number in range(3):
            graded(db, bank, number, now + timedelta(minutes=number), LIVE, NEW, "human:bea")
        newest = scales.latest(db)
        found = rater_readings.measure(db, scales.of(newest), now)
        rater_readings.keep(db, found, newest.id, now)
    return front


def graded(db, bank, number, now, *raters):
    probe = next(iter(bank.probes.values()))
    answer = spoken(db, probe, "Say a million.", name=f"Person {number}", now=now)
    for rater in raters:
        found = tuple(Graded(one.id, rater, Verdict(number % 2, "", 0.9)) for one in probe.criteria)
        hearings.keep(db, answer, probe, Judged(found, ()), now)
    return answer


def latest(front):
    return front.facts(select(RaterChange.id).order_by(RaterChange.id.desc()))[0][0]


def test_severity_is_drawn_with_its_error_and_stays_on_the_picture():
    assert [across(x) for x in (-9.0, -1.2, 0.0, 0.6, 9.0)] == [0.0, 0.0, 50.0, 75.0, 100.0]
    drawn = place(0.6, 0.3)
    assert drawn == pytest.approx({"dot": 75.0, "left": 62.5, "width": 25.0, "low": 0.3, "high": 0.9})


def test_the_page_is_for_staff_and_empty_before_anybody_graded(staff, visitor):
    assert visitor.get("/raters").status_code == 403
    page = text(staff.get("/raters").text)
    assert "Nobody has graded an interview yet" in page
    assert "None so far" in page
    assert 'href="/raters"' in staff.get("/desk").text


@pytest.mark.usefixtures("panel")
def test_everybody_who_graded_is_told_with_their_standing(staff):
    page = text(staff.get("/raters").text)
    for words in ("steady, prompt abc", "fresh, prompt def", "in the shadow", "a person, counts", "+0.40", "0.70",
                  "of its answers were graded by people too; 50 are needed", "3 of the 300 answers"):  # fmt: skip
        assert words in page
    assert page.index("steady, prompt abc") < page.index("fresh, prompt def") < page.index("a person, counts")


def test_a_change_is_told_seen_on_the_desk_overruled_and_taken_back(panel, staff, bank):
    staff.post("/desk", data={"grader": "bea"})
    for data, why in (({"rater": NEW, "reason": "x"}, "whose verdicts count"), ({"rater": LIVE}, "Say why")):
        refused = staff.post("/raters", data=data)
        assert refused.status_code == 422
        assert why in text(refused.text)
    assert staff.post("/raters", data={"rater": LIVE, "reason": "They <b>told</b> us."}).status_code == 303
    number, desk = latest(panel), staff.get("/desk").text
    assert "They &lt;b&gt;told&lt;/b&gt; us." in desk
    assert "counts no more" in text(staff.get("/raters").text)
    with store.writing(panel.house.engine) as db:
        answer = graded(db, bank, 10, datetime.now(UTC), LIVE).id
    names = panel.facts(select(Grade.rater).where(Grade.answer_id == answer).distinct())
    assert names == [(f"{LIVE}~{number}",)]
    assert "steady, prompt abc, since it changed" in text(staff.get("/raters").text)

    act = f"/raters/changes/{number}"
    assert staff.post(act, data={"act": "overruled", "reason": " "}).status_code == 422
    assert staff.post(act, data={"act": "overruled", "reason": "Only new probes."}).status_code == 303
    assert "counts no more" not in text(staff.get("/desk").text)
    assert "Only new probes." in text(staff.get("/raters").text)
    again = staff.post(act, data={"act": "overruled", "reason": "Twice."})
    assert again.status_code == 422
    assert "said already" in text(again.text)
    assert staff.post(act, data={"act": "stands", "reason": "It did."}).status_code == 303
    assert "counts no more" in text(staff.get("/desk").text)
    kept = panel.facts(select(RaterRuling.by, RaterRuling.stands).where(RaterRuling.change_id == number))
    assert kept == [("bea", False), ("bea", True)]
    assert len(panel.facts(select(AuditEntry.id).where(AuditEntry.what == "ruled on a rater's change"))) == 2
    assert staff.post("/raters/changes/999999", data={"act": "stands", "reason": "x"}).status_code == 404
    assert panel.facts(select(Answer.id).where(Answer.id == answer))
