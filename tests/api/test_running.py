"""Doors of running work: an expert's page, the lead's page, the files; nobody sees what is not theirs."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from sqlalchemy import func, select

from api.auth import sign
from tests.api.front import SECRET, Seen, hidden, running, text
from tests.vetting.story import expert
from vetting import programs, store
from vetting.plans import staffing
from vetting.records import Applicant, Program
from vetting.scope import ProgramForm
from vetting.work_records import Offer, Outcome, QueueDecision, Reply, Submission, Suspicion

MATHS = ["math.algebra", "math.proof"]
QUEUES = [
    {"name": "Proofs", "skills": {"math.proof": 1.0}, "units": 3, "value": 300, "human_only": True,
     "guideline": "Be *exact*."},
    {"name": "Checks", "kind": "verification", "skills": {"math.algebra": 1.0}, "units": 2, "value": 300},
]  # fmt: skip


@pytest.fixture
def front(tmp_path, bank):
    """Four experts with a plan for two queues, in their pilots."""
    with running(f"sqlite:///{tmp_path / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for name in ("Ada", "Bea", "Cleo", "Dan <b>"):
                expert(db, bank, MATHS, name=name, now=now)
            form = ProgramForm.model_validate({"name": "A program", "queues": QUEUES})
            staffing.make_plan(db, programs.keep_program(db, form, now), now)
        yield made


@pytest.fixture
def links(front):
    people = front.facts(select(Applicant.id).order_by(Applicant.id))
    return [f"/w/{sign(SECRET, 'work', number)}" for (number,) in people]


def count(front, kind):
    return front.facts(select(func.count(kind.id)))[0][0]


def fill(page):
    return {name: hidden(page.text, name)[0] for name in ("offer", "request_id") if hidden(page.text, name)}


def take(client, link):
    page = client.get(link)
    if "Take it" not in page.text:
        return page
    assert client.post(link, data=fill(page) | {"act": "take"}).status_code == 303
    return client.get(link)


def send(client, link, page, **said):
    plain = {"act": "send", "text": "1. 2 + 2 = 4", "attested": "yes", "label": "valid", "because": "Looked at it."}
    plain["verdict"] = "valid" if 'value="valid"' in page.text else "pass"
    return client.post(link, data=fill(page) | plain | said)


def test_an_expert_takes_makes_and_another_reviews_without_knowing_whose_it_is(front, visitor, links):
    page = take(visitor, links[0])
    assert "Be <em>exact</em>" in page.text
    refused = send(visitor, links[0], page, attested="")
    assert refused.status_code == 422
    assert "decline the unit" in refused.text
    assert "1. 2 + 2 = 4" in refused.text  # what was typed is kept
    form = fill(page) | {"act": "send", "text": "1. 2 + 2 = 5", "attested": "yes"}
    for _ in range(2):  # a second sending changes nothing
        assert visitor.post(links[0], data=form).status_code == 303
    assert count(front, Submission) == 1
    review = take(visitor, links[1])
    assert "review a unit" in review.text
    assert "2 + 2 = 5 is not so" in review.text
    assert "Ada" not in text(review.text)
    assert send(visitor, links[1], review).status_code == 303


def test_declining_and_a_machines_question_for_the_next_unit(front, visitor, links):
    first = visitor.get(f"{links[0]}/next.json").json()["offer"]
    assert first["why"]["rule"] in {"plan", "price", "spare"}
    page = visitor.get(links[0])
    assert visitor.post(links[0], data=fill(page) | {"act": "decline"}).status_code == 303
    assert front.facts(select(Reply.taken)) == [(False,)]
    second = visitor.get(f"{links[0]}/next.json").json()["offer"]
    assert second is None or second["id"] != first["id"]


def test_strangers_and_others_links_open_nothing(front, visitor, links, staff):
    page = take(visitor, links[0])
    stolen = fill(page)
    assert visitor.post(links[1], data=stolen | {"act": "send", "text": "mine", "attested": "yes"}).status_code == 422
    assert count(front, Submission) == 0
    assert visitor.get("/w/forged").status_code == 404
    assert visitor.get(links[0].replace("/w/", "/s/")).status_code == 404
    for path in ("run", "report", "report.json", "units.csv", "units.jsonl", "adjudications.json"):
        assert visitor.get(f"/lead/1/{path}").status_code == 403
        assert staff.get(f"/lead/1/{path}").status_code == 200


def test_a_program_runs_to_its_end_over_the_doors_and_its_files_reconcile(front, visitor, links, staff):
    assert (
        staff.post(
            "/lead/1/units", data={"act": "add", "queue": "Checks", "rows": "text\nIs 7 prime?\n=Is 9 prime?"}
        ).status_code
        == 303
    )
    shut = staff.post("/lead/1/run", data={"act": "decide", "queue": "Proofs", "verdict": "scale", "reason": "Now."})
    assert shut.status_code == 422
    assert "cannot scale yet" in shut.text
    for _ in range(60):
        busy = False
        for link in links:
            page = take(visitor, link)
            if 'value="send"' in page.text:
                assert send(visitor, link, page).status_code == 303
                busy = True
        if not busy:
            break
    assert sorted(front.facts(select(Outcome.verdict))) == [("accepted",)] * 5
    open_page = staff.get("/lead/1/run")
    assert "The gate is open" in open_page.text
    assert (
        staff.post(
            "/lead/1/run", data={"act": "decide", "queue": "Proofs", "verdict": "scale", "reason": "All agree."}
        ).status_code
        == 303
    )
    assert front.facts(select(QueueDecision.verdict)) == [("scale",)]
    rows = [json.loads(line) for line in staff.get("/lead/1/units.jsonl").text.splitlines()]
    table = list(csv.DictReader(StringIO(staff.get("/lead/1/units.csv").text)))
    assert len(rows) == len(table) == 5
    assert {row["content"] for row in table} >= {"'=Is 9 prime?"}
    report = staff.get("/lead/1/report.json").json()
    assert report["open_checks"] == []
    assert [queue["states"] for queue in report["queues"]] == [{"accepted": 3}, {"accepted": 2}]
    assert "Nothing stands against a release" in staff.get("/lead/1/report").text


def test_a_suspicion_goes_to_a_person_and_the_expert_may_appeal(front, visitor, links, staff):
    assert send(visitor, links[0], take(visitor, links[0])).status_code == 303
    review = take(visitor, links[1])
    send(visitor, links[1], review, suspicion_kind="copied", suspicion_because="Word for word <script>")
    assert count(front, Outcome) == 0
    lane = staff.get("/lead/1/run")
    assert "For a person to look at" in lane.text
    assert "<script>" not in lane.text.replace('<script src="/static', "")
    (flag,) = hidden(lane.text, "suspicion")
    assert (
        staff.post("/lead/1/run", data={"act": "find", "suspicion": flag, "verdict": "true", "reason": ""}).status_code
        == 422
    )
    staff.post("/lead/1/run", data={"act": "find", "suspicion": flag, "verdict": "true", "reason": "It is."})
    mine = visitor.get(links[0])
    assert "A person found: copied" in mine.text
    assert (
        visitor.post(links[0], data={"act": "appeal", "suspicion": flag, "words": "I have drafts."}).status_code == 303
    )
    assert "I have drafts" in staff.get("/lead/1/run").text
    assert count(front, Suspicion) == 1


def test_what_makes_no_sense_is_refused_and_nothing_is_kept(front, visitor, links, staff):
    for said in ({"act": "decide", "queue": "None", "verdict": "stop", "reason": "why"}, {"act": "odd"},
                 {"act": "decide", "queue": "Proofs", "verdict": "stop", "reason": ""},
                 {"act": "decide", "queue": "Proofs", "verdict": "stop", "reason": "why", "measured": "much"},
                 {"act": "units", "queue": "Checks", "lines": "  "},
                 {"act": "find", "suspicion": "77", "verdict": "true"}):  # fmt: skip
        assert staff.post("/lead/1/run", data=said).status_code == 422, said
    for said in ({"act": "take", "offer": "99"}, {"act": "object", "submission": "1", "words": "long enough"}, {}):
        assert visitor.post(links[0], data=said).status_code == 422, said
    assert count(front, QueueDecision) == count(front, Submission) == 0


def test_every_link_of_the_running_pages_leads_somewhere(front, staff):
    for path in ("/lead/1/run", "/lead/1/report", "/lead/1", "/lead/1/queues"):
        for href in Seen(staff.get(path).text).links():
            if href.startswith("/"):
                assert staff.get(href).status_code == 200, href
    assert count(front, Offer) >= 1
    assert re.search(r'href="/w/[^"]+"', staff.get("/lead/1/run").text)


@pytest.mark.parametrize("typed", ["fast", "nan", "1e999"])
def test_a_refused_decision_comes_back_as_typed_beside_its_fault(front, staff, typed):
    with store.reading(front.house.engine) as db:
        queue = programs.queues_of(db.scalars(select(Program)).first())[0].name
    said = {"act": "decide", "queue": queue, "verdict": "change", "reason": "Too slow.", "measured": typed}
    page = staff.post("/lead/1/run", data=said)
    assert page.status_code == 422
    assert 'href="#measured-1"' in page.text
    assert f'value="{typed}" aria-invalid="true"' in page.text
    assert '<option value="change" selected>' in page.text
    assert 'value="Too slow."' in page.text
