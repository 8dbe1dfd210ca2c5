"""The page of reviewers over the doors: by name unless asked, nothing of few verdicts, a round from those ticked."""

from __future__ import annotations

import pytest

from api.reviewers import across, ordered
from tests.api.front import text


def row(name, severity=None, reviews=0, who=""):
    figure = None if severity is None else {"value": severity, "sd": 0.1}
    return {"id": who or name, "name": name, "reviews": reviews, "severity": figure}


def test_order_is_by_name_unless_a_figure_is_asked_for_and_whoever_has_none_comes_last():
    rows = [row("Ada"), row("Bea", 0.1, 30), row("Cleo", 0.4, 25), row("The customer", 0.9, who="customer:1")]

    assert ordered(rows, "") == ordered(rows, "no such column") == rows
    assert [one["name"] for one in ordered(rows, "severity")] == ["Cleo", "Bea", "Ada", "The customer"]
    assert [one["name"] for one in ordered(rows, "reviews")] == ["Bea", "Cleo", "Ada", "The customer"]


def test_severity_stays_on_its_picture():
    assert [across(x) for x in (-9.0, -0.8, 0.0, 0.4, 9.0)] == [0.0, 0.0, 50.0, 75.0, 100.0]


def test_before_any_verdict_the_page_says_what_comes_first_and_it_is_for_staff(staff, visitor):
    page = staff.get("/lead/1/reviewers")
    assert page.status_code == 200
    assert "Nobody has judged anything here yet" in text(page.text)
    assert visitor.get("/lead/1/reviewers").status_code == 403
    assert staff.get("/lead/999/reviewers").status_code == 404
    assert "/lead/1/reviewers" in staff.get("/lead/1/quality").text


@pytest.mark.parametrize("people", [[], ["1"]])
def test_a_round_of_fewer_than_two_is_refused_with_a_reason(staff, people):
    said = {"act": "round", "queue": "Proofs", "person": people}
    refused = staff.post("/lead/1/quality", data=said)
    assert refused.status_code == 422
    assert "Name 2 to 12 people" in text(refused.text)
