"""Long lists come a page at a time: every row once, and what else the address says is kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from itertools import chain

import pytest

from api.quality import SHOWN
from api.running import LOG, ROWS
from tests.api.front import text
from vetting import programs, store
from vetting.records import Applicant, Program
from vetting.work_records import Dispute, Gold, Offer, Submission, Suspicion, Unit

MANY = 2 * ROWS + 5


@pytest.fixture(scope="module", autouse=True)
def crowded(front):
    """A program where many units are disputed, and many suspected."""
    now = datetime.now(UTC)
    with store.writing(front.house.engine) as db:
        program, maker = db.get_one(Program, 1), db.get_one(Applicant, 1)
        wording = programs.wordings(program)["Proofs"]
        for n in range(1, MANY + 1):
            unit = Unit(at=now, program=program, queue="Proofs", number=n, pilot=False, content="")
            offer = Offer(at=now, unit=unit, applicant=maker, task="produce", why={})
            made = Submission(
                at=now, unit=unit, offer=offer, wording=wording, text="x", request_id=f"m{n}", seconds=9.0
            )
            reason = f"They differ on {n}."
            db.add_all([made, Dispute(at=now, unit=unit, submission=made, reason=reason, by="verdicts")])
            db.add(Suspicion(at=now, submission=made, kind="copied", because=f"As before {n}.", by="lead"))
            known = Unit(at=now, program=program, queue="Sums <b>", number=n, pilot=False, content="")
            told = {"text": "x", "noticed": [], "verdict": "pass", "errors": [], "wrong_steps": [], "doubt": 0.02}
            db.add(Gold(at=now, unit=known, because=f"By hand {n}.", people=9, told=False, by="lead", **told))


def numbers(page, words):
    return [int(found) for found in re.findall(words + r" (\d+)", text(page.text))]


@pytest.mark.parametrize(("path", "name", "words", "size"), [
    ("run", "disputes-1", "They differ on", ROWS), ("run", "lane", "As before", ROWS),
    ("report", "page", "Proofs", LOG), ("quality", "gold-2", "By hand", SHOWN),
])  # fmt: skip
def test_every_row_stands_on_one_page(staff, path, name, words, size):
    shown = [numbers(staff.get(f"/lead/1/{path}", params={name: n}), words) for n in (1, 2, 3)]
    pages = -(-MANY // size)
    assert list(chain(*shown[:pages])) == list(range(1, MANY + 1))
    assert {len(one) for one in shown[: pages - 1]} == {size}
    assert numbers(staff.get(f"/lead/1/{path}", params={name: "99"}), words) == shown[pages - 1]
    assert numbers(staff.get(f"/lead/1/{path}", params={name: "-1 or 1=1"}), words) == shown[0]


def test_a_list_goes_on_where_the_others_stay(staff):
    page = staff.get("/lead/1/run?lane=2&disputes-1=3")
    ways = [unescape(one) for one in re.findall(r'<a class="button" href="([^"]*)"', page.text)]
    assert ways == [
        "/lead/1/run?lane=2&disputes-1=2#disputes-1-title",
        "/lead/1/run?disputes-1=3&lane=1#lane-title", "/lead/1/run?disputes-1=3&lane=3#lane-title",
    ]  # fmt: skip
    assert [len(numbers(page, words)) for words in ("They differ on", "As before")] == [5, ROWS]
    assert '<details class="why" open><summary id="gold-2-title">' in staff.get("/lead/1/quality?gold-2=2").text


def test_a_file_of_units_comes_in_pieces(staff):
    """Its length is not known before its last line was made."""
    with staff.stream("GET", "/lead/1/units.csv?all=yes") as answer:
        assert "content-length" not in answer.headers
        assert answer.headers["content-disposition"] == 'attachment; filename="units.csv"'
        lines = list(answer.iter_lines())
    assert len(lines) == 1 + MANY
