"""Doors of units and of credentials: pages and commands that say what was taken, and name what was not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from api.cli import app
from tests.api.front import Seen, hidden, running, text
from tests.vetting.story import expert
from vetting import programs, store
from vetting.plans import staffing
from vetting.scope import ProgramForm
from vetting.work_records import Credential, CredentialLook, Unit, Upload, UploadUndo

QUEUES = [
    {"name": "Checks", "kind": "verification", "skills": {"math.proof": 1.0}, "units": 9, "value": 300},
    {"name": "Licensed", "skills": {"math.proof": 1.0}, "units": 3, "credentials": ["Licence"]},
]
UNITS, CREDENTIALS = "/lead/1/units", "/lead/people/credentials"
ROWS = "text,tags\nIs 7 prime?,easy;odd\nIs 9 prime?,\n"


@pytest.fixture
def front(tmp_path, bank):
    with running(f"sqlite:///{tmp_path / 'assay.db'}") as made:
        now = datetime.now(UTC)
        with store.writing(made.house.engine) as db:
            for name in ("Ada", "Bea <b>"):
                expert(db, bank, ["math.proof"], name=name, now=now)
            form = ProgramForm.model_validate({"name": "A program", "queues": QUEUES})
            staffing.make_plan(db, programs.keep_program(db, form, now), now)
        yield made


def count(front, kind):
    return front.facts(select(func.count(kind.id)))[0][0]


def test_a_file_of_units_is_added_told_and_taken_back(front, staff, visitor):
    sent = {"file": ("my <units>.csv", ROWS.encode(), "text/csv")}
    assert "No units from files yet" in staff.get(UNITS).text
    assert staff.post(UNITS, data={"act": "add", "queue": "Checks"}, files=sent).status_code == 303
    page = staff.get(UNITS)
    assert "2 units of my <units>.csv added to Checks." in text(page.text)
    assert "<units>" not in page.text
    again = staff.post(UNITS, data={"act": "add", "queue": "Checks"}, files=sent)
    assert again.status_code == 422
    assert "line 2: the same text as unit 1" in text(again.text)
    (upload,) = hidden(staff.get(UNITS).text, "upload")
    assert staff.post(UNITS, data={"act": "undo", "upload": upload}).status_code == 303
    assert "taken back" in staff.get(UNITS).text
    assert (count(front, Unit), count(front, Upload), count(front, UploadUndo)) == (2, 1, 1)
    assert visitor.get(UNITS).status_code == 403


def test_a_wrong_file_is_refused_whole_and_what_was_typed_comes_back(front, staff):
    wrong = [
        ({"act": "add", "queue": "Checks", "rows": "text,language\nKept as typed,xx1\n"}, "line 2: language"),
        ({"act": "add", "queue": "Checks"}, "Pick a file"),
        ({"act": "add", "queue": "None", "rows": ROWS}, "no queue"),
        ({"act": "undo", "upload": "77"}, "no such upload"),
        ({"act": "odd"}, "not complete"),
    ]
    for said, told in wrong:
        page = staff.post(UNITS, data=said)
        assert page.status_code == 422, said
        assert told in text(page.text)
    assert "Kept as typed" in staff.post(UNITS, data=wrong[0][0]).text
    latin = {"file": ("units.csv", "text\né".encode("latin-1"), "text/csv")}
    assert "not text in UTF-8" in text(staff.post(UNITS, data={"act": "add", "queue": "Checks"}, files=latin).text)
    assert count(front, Unit) == 0


def test_a_credential_is_claimed_verified_and_revoked_on_its_page(front, staff, visitor):
    assert "has a credential on record" in text(staff.get(CREDENTIALS).text)
    said = {"act": "claim", "person": "1", "name": "Licence", "issuer": "A board"}
    assert staff.post(CREDENTIALS, data=said).status_code == 303
    page = staff.get(CREDENTIALS)
    assert "It opens nothing until somebody verifies it" in page.text
    assert "claimed" in page.text
    look = {"act": "look", "credential": "1", "verdict": "verified", "until": "2031-01-01", "because": "Register."}
    refused = staff.post(CREDENTIALS, data=look | {"because": ""})
    assert refused.status_code == 422
    assert 'href="#because-1"' in refused.text
    assert 'value="2031-01-01"' in refused.text
    assert 'href="#until-1"' in staff.post(CREDENTIALS, data=look | {"until": "2020-01-01"}).text
    assert staff.post(CREDENTIALS, data=look).status_code == 303
    assert "1 Jan 2031" in staff.get(CREDENTIALS).text
    assert staff.post(CREDENTIALS, data=look | {"verdict": "revoked", "until": ""}).status_code == 303
    assert front.facts(select(CredentialLook.verdict)) == [("verified",), ("revoked",)]
    for odd in ({"act": "claim", "person": "99"}, {"act": "look", "credential": "x"}, said | {"issuer": ""}, {}):
        assert staff.post(CREDENTIALS, data=odd).status_code == 422, odd
    assert count(front, Credential) == 1
    assert visitor.get(CREDENTIALS).status_code == 403


def test_every_page_of_a_program_has_the_same_tabs_and_marks_its_own(staff):
    here = {"queues": "Overview", "": "Plan", "units": "Units", "run": "Work", "quality": "Quality", "report": "Report"}
    tabs = set()
    for path, name in here.items():
        page = staff.get(f"/lead/1/{path}".rstrip("/"))
        seen = [attrs for tag, attrs in Seen(page.text).tags if tag == "a" and "/lead/1" in str(attrs.get("href"))]
        (current,) = [attrs for attrs in seen if attrs.get("aria-current") == "page"]
        assert str(current["href"]).removeprefix("/lead/1").strip("/") == path
        nav = page.text[page.text.index('<nav class="tabs"') :]
        nav = nav[: nav.index("</nav>")]
        assert name in nav
        tabs.add(tuple(Seen(nav).links()) and frozenset(Seen(nav).links()))
        assert page.text.count("<h1") == 1
    assert len(tabs) == 1


def run(front, *words):
    done = CliRunner().invoke(app, [*words, "--database", front.house.settings.database])
    return done, done.output


def test_the_commands_do_the_same(front, tmp_path):
    file = tmp_path / "units.csv"
    file.write_text(ROWS, encoding="utf-8")
    assert "2 units, nothing wrong" in run(front, "program", "units", "A program", str(file), "--queue", "Checks",
                                           "--check")[1]  # fmt: skip
    assert count(front, Unit) == 0
    done, said = run(front, "program", "units", "A program", str(file), "--queue", "Checks", "--json")
    assert json.loads(said[said.index("[") :])[0]["units"] == 2, done
    nowhere = str(tmp_path / "none.csv")
    for words in (("A program", str(file)), ("A program", nowhere, "--queue", "Checks"), ("Nobody's",),
                  ("A program", str(file), "--queue", "Checks"), ("A program", "--undo", "9")):  # fmt: skip
        done, _ = run(front, "program", "units", *words)
        assert isinstance(done.exception, ValueError | LookupError | OSError), words
        assert "Maybe" in str(done.exception)
    assert "taken back" in run(front, "program", "units", "A program", "--undo", "1")[1]
    assert "claimed" in run(front, "credential", "claim", "1", "Licence", "--issuer", "A board")[1]
    words = ("look", "Ada", "licence", "verified", "--because", "Register.", "--until", "2031-01-01")
    assert "2031-01-01" in run(front, "credential", *words)[1]
    assert json.loads(run(front, "credential", "list", "1", "--json")[1])[0]["state"] == "verified"
    assert "Maybe 'Licence'" in str(run(front, "credential", *words[:2], "bar", *words[3:])[0].exception)
