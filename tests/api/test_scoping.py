"""The form of a program: the same object as a file's, every fault beside its field, nothing kept by halves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from sqlalchemy import func, select

from api import lead
from api.scoping import MOST_QUEUES
from tests.api.front import hidden, text
from vetting import programs, store
from vetting.quality import reweighting
from vetting.records import Program, Queue
from vetting.scope import ProgramForm

ASKED = {
    "name": "From a form", "budget": "9000", "mix": "easy 40, hard 60", "explore": "0.1",
    "q0-name": "Proofs", "q0-kind": "verification",
    "q0-units": "80", "q0-priority": "high", "q0-part": "easy", "q0-skill-0": "math.proof", "q0-weight-0": "1",
    "q0-bar-0": "-0.5", "q0-reviews": "2", "q0-human_only": "yes", "q1-name": "Sums", "q1-kind": "other",
    "q1-units": "10", "q1-part": "hard", "q1-skill-0": "math.algebra", "q1-least_review": "2", "act": "keep",
}  # fmt: skip
THE_SAME = {
    "name": "From a form", "budget": 9000, "mix": {"easy": 0.4, "hard": 0.6}, "explore": 0.1,
    "queues": [
        {"name": "Proofs", "kind": "verification", "units": 80, "priority": "high", "part": "easy", "reviews": 2,
         "skills": {"math.proof": 1}, "bars": {"math.proof": -0.5}, "human_only": True},
        {"name": "Sums", "units": 10, "part": "hard", "skills": {"math.algebra": 1}, "least": {"review": 2}},
    ],
}  # fmt: skip


def scope(front, name):
    with store.reading(front.house.engine) as db:
        return programs.scope_of(db, db.scalars(select(Program).where(Program.name == name)).one())


def shown(staff, path):
    """The version that a form of a change is made from."""
    return {"version": hidden(staff.get(path).text, "version")[0]}


def counts(front):
    return [front.facts(select(func.count(kind.id)))[0][0] for kind in (Program, Queue)]


def test_a_form_and_a_file_give_the_same_object(front, staff):
    answer = staff.post("/lead/programs/new", data=ASKED)
    assert answer.status_code == 303
    assert scope(front, "From a form") == ProgramForm.model_validate(THE_SAME)
    page = staff.get(answer.headers["location"])
    assert "Can it be done" in page.text
    assert "In 48 hours" in page.text
    plan = answer.headers["location"].replace("/queues", "")
    assert staff.post(plan).status_code == 303
    assert "trials of who fits which queue" in staff.get(plan).text
    # what is shown again for a change, sent back unchanged, changes nothing
    path = answer.headers["location"].replace("queues", "edit")
    before = counts(front)
    assert (
        staff.post(path, data={k: v for k, v in ASKED.items() if k != "name"} | shown(staff, path)).status_code == 303
    )
    assert counts(front) == before
    assert staff.post(path, data=ASKED | {"q1-units": "25"} | shown(staff, path)).status_code == 303
    assert scope(front, "From a form").queues[1].units == 25
    assert 'value="25"' in staff.get(path).text


def test_every_fault_stands_beside_its_field_and_nothing_is_kept(front, staff):
    before = counts(front)
    wrong = {
        "q0-units": ("-3", "q0-units"), "q0-bar-0": ("17", "q0-bar-0"), "q0-weight-0": ("nan", "q0-weight-0"),
        "q1-name": ("Proofs", "name"), "q0-due": ("2020-01-01", "q0-due"), "mix": ("easy forty", "mix"),
        "q1-least_review": ("many", "q1-least_review"), "name": ("A program", "name"),
        "q0-skill-0": ("math.magic", "q0-skill-0"), "q0-language": ("English", "q0-language"),
        "budget": ("free", "budget"), "explore": ("10", "explore"),
    }  # fmt: skip
    for field, (said, where) in wrong.items():
        page = staff.post("/lead/programs/new", data=ASKED | {"name": "Never kept", field: said})
        assert page.status_code == 422, field
        assert f'href="#{where}"' in page.text, (field, text(page.text)[:400])
        assert f'id="{where}"' in page.text, field
    assert counts(front) == before


def test_an_empty_form_says_what_is_needed(staff):
    page = staff.post("/lead/programs/new", data={"act": "keep"})
    assert page.status_code == 422
    assert 'href="#q0-units"' in page.text
    assert staff.post("/lead/programs/new", data={"act": "queue"}).text.count("<legend>Queue") == 2


def test_feasibility_is_there_for_machines(front, staff):
    found = staff.get("/lead/1/feasibility.json").json()
    assert {queue["name"] for queue in found["queues"]} == {"Proofs", "Sums <b>"}
    assert all(len(queue["supply"]) == 3 for queue in found["queues"])
    with front.visitor() as stranger:
        assert stranger.get("/lead/1/feasibility.json").status_code == 403
        assert stranger.post("/lead/programs/new", data=ASKED).status_code == 403


def test_a_word_in_place_of_a_number_is_told_once_and_plainly(staff):
    page = text(staff.post("/lead/programs/new", data=ASKED | {"q0-units": "a lot"}).text)
    assert "Queue 1, units: 'a lot' is not a number." in page
    page = text(staff.post("/lead/programs/new", data=ASKED | {"q0-minutes": "12,50"}).text)
    assert "Queue 1, minutes: '12,50' is not a number. Maybe 12.50, with a point." in page
    assert "unable to parse" not in page


def test_learnt_weights_stand_beside_stated_ones_and_survive_a_change_of_something_else(front, staff):
    path = staff.post("/lead/programs/new", data=ASKED | {"name": "Weighed"}).headers["location"]
    base = path.removesuffix("/queues")
    page = staff.get(f"{base}/weights")
    assert "Weights learnt from the work" in staff.get(path).text
    assert "there is nothing to weigh" in page.text
    assert [queue["taken"] for queue in staff.get(f"{base}/weights.json").json()["queues"]] == [False, False]
    refused = staff.post(f"{base}/weights", data={"queue": "Proofs", "act": "accept"})
    assert refused.status_code == 422
    assert "Maybe wait" in refused.text
    assert staff.post(f"{base}/weights", data={"queue": "Nobody's", "act": "take back"}).status_code == 422
    with store.writing(front.house.engine) as db:
        program = db.scalars(select(Program).where(Program.name == "Weighed")).one()
        (proofs, *_) = programs.queues_of(program)
        learnt = proofs.model_copy(update={"skills": {"math.proof": 0.6123}, "stated": proofs.skills})
        reweighting.reword(db, program, learnt, "took learnt weights", "test", datetime.now(UTC))
    assert "Take them back" in staff.get(f"{base}/weights").text
    change = {k: v for k, v in ASKED.items() if k != "name"} | {"q0-units": "90"}
    assert (
        staff.post(f"{base}/edit", data=change | {"q0-weight-0": "0.6123"} | shown(staff, f"{base}/edit")).status_code
        == 303
    )
    assert scope(front, "Weighed").queues[0].stated == {"math.proof": 1}
    assert staff.post(f"{base}/weights", data={"queue": "Proofs", "act": "take back"}).status_code == 303
    assert scope(front, "Weighed").queues[0].skills == {"math.proof": 1}
    assert (
        staff.post(f"{base}/edit", data=change | {"q0-weight-0": "0.5"} | shown(staff, f"{base}/edit")).status_code
        == 303
    )
    assert scope(front, "Weighed").queues[0].stated == {}


def test_a_seat_says_how_much_of_it_is_a_trial_and_what_may_come_of_it():
    row = {"learning": 2.5, "tries": 4.0000001, "hoped": 0.71, "acceptance": 0.58}
    assert lead.to_learn(row) == (
        " 2.5 h of it are a trial of 4 units, to learn how well they fit: the plan counts on P(accepted) 0.58, which "
        "one time in six will then be 0.71 or more."
    )
    assert "of one unit," in lead.to_learn(row | {"tries": 1.0})
    for without in ({}, {"learning": 0.0, "tries": 0.0, "hoped": None}, {"learning": 1.0, "hoped": None}):
        assert lead.to_learn(without) == ""


# -- two leads, and files that say more than a form shows -------------------------------------------


class Form(HTMLParser):
    """The form of a page as a browser would send it untouched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.list, self.words = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        seen = dict(attrs)
        name, value = seen.get("name") or "", seen.get("value") or ""
        if tag == "input" and name and (seen.get("type") != "checkbox" or "checked" in seen):
            self.said[name] = value
        elif tag in {"select", "textarea"}:
            self.list, self.words = name, ""
            self.said[name] = ""
        elif tag == "option" and "selected" in seen:
            self.said[self.list] = value

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.said[self.list] = self.words


def untouched(staff, path):
    return Form(staff.get(path).text).said | {"act": "keep"}


def kept(front, **body):
    """A program from a file; the address of its form."""
    with store.writing(front.house.engine) as db:
        made = programs.keep_program(db, ProgramForm.model_validate(body), datetime.now(UTC), whole=True)
        return f"/lead/{made.id}/edit"


def test_what_a_file_says_survives_a_form_that_is_sent_back_untouched(front, staff):
    queue = {"skills": {"math.proof": 0.7, "language.english": 0.3}, "style_skills": ["language.english"], "units": 50,
             "second": 0.5, "second_minutes": 12.5, "least": {"produce": 2, "second": 3}, "credentials": ["A licence"],
             "guideline": "Be exact.\nBe kind."}  # fmt: skip
    queues = [queue | {"name": f"Queue {n}", "value": 40.0 + n} for n in range(MOST_QUEUES + 3)]
    path = kept(front, name="From a file", queues=queues, block=2.0, budget=1_234_567.5)
    before = scope(front, "From a file")
    page = staff.get(path)
    assert "3 further queues of this program are not shown (Queue 40, Queue 41, Queue 42)" in text(page.text)
    answer = staff.post(path, data=untouched(staff, path))
    assert answer.status_code == 303, text(answer.text)[:600]
    assert scope(front, "From a file") == before
    said = untouched(staff, path) | {"q0-units": "60", "act": "keep"}
    del said["q1-style-1"]
    assert staff.post(path, data=said).status_code == 303
    after = scope(front, "From a file")
    assert (after.queues[0].units, after.queues[1].style_skills) == (60, [])
    assert after.queues[2:] == before.queues[2:]


def test_a_save_over_somebody_elses_is_refused_with_what_they_changed_and_may_be_meant(front, staff):
    two = [{"name": name, "skills": {"math.proof": 1.0}, "units": 50, "value": 40.0} for name in ("One", "Two")]
    path = kept(front, name="Shared", queues=two)
    mine, hers = untouched(staff, path), untouched(staff, path)
    hers |= {"q0-units": "75", "q0-due": "2099-01-01", "budget": "9000", "q1-name": "Three"}
    assert staff.post(path, data=hers).status_code == 303
    mine |= {"q0-guideline": "Mine.", "q1-units": "5"}
    before = counts(front)
    page = staff.post(path, data=mine)
    assert page.status_code == 422
    assert counts(front) == before
    seen = text(page.text)
    for words in ("Queue 'One': units was 50, is 75; due was empty, is 2099-01-01.", "Queue 'Three' was added.",
                  "Queue 'Two' was left out.", "The program: budget was empty, is 9000."):  # fmt: skip
        assert words in seen, seen[:900]
    again = Form(page.text).said
    assert (again["q0-guideline"], again["q1-units"], again["q0-units"]) == ("Mine.", "5", "50")
    longer = staff.post(path, data=mine | {"act": "queue"})  # a longer form is still made from the same version
    assert hidden(longer.text, "version") == [mine["version"]]
    assert staff.post(path, data=again | {"act": "keep"}).status_code == 303
    assert [queue.name for queue in scope(front, "Shared").queues] == ["One", "Two"]
    assert scope(front, "Shared").queues[0].units == 50


def test_the_first_button_of_the_form_keeps_it(staff):
    """A browser presses the first button of a form when Enter is pressed in a field."""
    html = staff.post("/lead/programs/new", data=ASKED | {"act": "queue"}).text
    buttons = re.findall(r'<button[^>]*name="act" value="([^"]*)"', html)
    assert buttons[0] == buttons[-1] == "keep"
    assert {"drop-0", "drop-1", "drop-2"} < set(buttons)
