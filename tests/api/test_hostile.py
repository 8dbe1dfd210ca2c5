"""Hostile text is inert wherever it is typed and wherever it is shown."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from api.forms import LONGEST_ANSWER
from tests.api.front import Front, Seen, fields, running
from tests.item_bank.responses import right
from tests.vetting.story import role_form
from vetting import store
from vetting.records import Sitting

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' OR 1=1; DROP TABLE answer; --",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "</textarea></form><form action=https://evil.example>",
    "[a](javascript:alert(1)) ![b](https://evil.example/x.png)",
    "zero\u200bwidth\u202eright to left\u2066",
    "nul\x00and\x1bescape",
    "x" * 100_000,
    "\N{PILE OF POO}\N{COMBINING ENCLOSING CIRCLE BACKSLASH}" * 50,
]


def harmless(page):
    """No element that our templates would not write, and nothing computed."""
    for tag, attrs in Seen(page.text).tags:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        assert "evil.example" not in str(attrs.get("src", "")) + str(attrs.get("action", ""))
        assert not str(attrs.get("href", "")).lower().startswith("javascript:")
        assert tag != "script" or str(attrs.get("src", "")).startswith("/static/")
    assert "49$" not in page.text


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_inert_wherever_it_is_typed_and_shown(front, visitor, staff, words):
    hostile_walk(front, visitor, staff, words)


def hostile_walk(front: Front, visitor, staff, words):
    """A name, answers, an appeal, a reason and a decision of the same words; every page that shows them."""
    link = front.invite(form=role_form("language.english", minutes=8))
    harmless(visitor.post(link, data={"name": words}))
    mine = front.begin(visitor, link, name=words)
    for _ in range(40):
        page = visitor.get(mine)
        if page.status_code != 200:
            break
        fill = dict.fromkeys(("number", "text", "option", "step", "reason", "answer", "claim1", "rationale"), words)
        back = visitor.post(mine, data=fields(page.text) | fill)
        assert back.status_code in {303, 422}
        if back.status_code == 422:
            harmless(back)
            given = right(front.item_of(page)) | dict.fromkeys(("rationale", "rewrite"), words[:LONGEST_ANSWER])
            assert visitor.post(mine, data=fields(page.text) | given).status_code == 303
    assert visitor.post(f"{mine}/appeal", data={"text": words}).status_code in {303, 422}
    number = front.facts(select(func.max(Sitting.id)))[0][0]
    with store.reading(front.house.engine) as db:
        seat = db.get_one(Sitting, number)
        person, role = seat.applicant_id, seat.invitation.role_id
        answers = [question.answer.id for question in seat.questions if question.answer]
    here = f"/recruiter/roles/{role}/people/{person}"
    assert staff.post(here, data={"verdict": "hold", "reason": words}).status_code in {303, 422}
    pages = [
        visitor.get(f"{mine}/result"),
        staff.get(here),
        staff.get(f"/recruiter/roles/{role}"),
        staff.get("/recruiter"),
    ]
    pages += [staff.get(f"{here}/answers/{answer}") for answer in answers]
    for page in pages:
        assert page.status_code == 200
        harmless(page)
    assert json.loads(visitor.get(f"{mine}/data.json").text)["name"]


@pytest.mark.postgres
def test_hostile_text_is_inert_on_postgresql_too(postgres_url):
    with running(postgres_url) as front, front.visitor() as visitor, front.staff() as staff:
        hostile_walk(front, visitor, staff, "nul\x00'; DROP TABLE answer; --\u200b")
