"""Every door: who may pass, what is said when they may not, and that nothing typed can do harm."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import func, select

from api.auth import staff_key
from tests.api.conftest import QUEUES
from tests.api.front import Seen, fields, hidden, running, text
from tests.item_bank.responses import other, right
from tests.vetting.story import role_form
from vetting import programs, store
from vetting.records import (
    Answer,
    Appeal,
    Applicant,
    Availability,
    Certificate,
    Decision,
    PlanRecord,
    Program,
    Role,
    Sitting,
    Wish,
)  # fmt: skip
from vetting.scope import ProgramForm
from vetting.sittings import sitting


def count(front, kind):
    return front.facts(select(func.count(kind.id)))[0][0]


def wrong_field(page, field):
    return page.status_code == 422 and f'href="#{field}"' in page.text


# -- every page answers ----------------------------------------------------------------------------


def test_every_page_that_staff_can_reach_by_a_link_answers(staff):
    todo, seen = {"/recruiter", "/lead"}, set()
    while todo and len(seen) < 60:
        path = todo.pop()
        seen.add(path)
        page = staff.get(path)
        assert page.status_code == 200, (path, page.status_code)
        todo |= {link for link in Seen(page.text).links() if link.startswith("/") and link not in seen}
    assert len(seen) >= 8


def test_every_page_of_an_applicant_answers(front, visitor):
    link = front.invite()
    assert visitor.get(link).status_code == 200
    for number in range(1, 9):
        assert visitor.get(f"{link}/practice/{number}").status_code == 200
    mine = front.begin(visitor, link)
    page = visitor.get(mine)
    assert page.status_code == 200
    assert visitor.post(mine, data=fields(page.text) | {"act": "pause"}).status_code == 303
    assert "clock has stopped" in visitor.get(mine).text
    assert visitor.post(f"{mine}/resume").status_code == 303
    assert visitor.get(mine).text.count("<form") >= 1
    assert front.sit(visitor, mine).headers["location"] == f"{mine}/result"
    assert visitor.get(f"{mine}/result").status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/static/app.css"])
def test_the_way_in_is_open(visitor, path):
    assert visitor.get(path).status_code in {200, 303}


# -- who may pass ----------------------------------------------------------------------------------

FILLED = {"number": "1", "person": "1", "answer": "1", "skill": "math.proof", "which": "1"}


def routes(front, *, staff):
    """(method, path) of every door for staff, or for applicants."""
    for route in (
        one for door in front.app.routes for one in getattr(getattr(door, "original_router", None), "routes", [])
    ):
        path = route.path
        if path.startswith(("/recruiter", "/lead", "/desk", "/raters")) == staff:
            for method in route.methods - {"HEAD"}:
                yield method, path


def test_staff_pages_refuse_strangers(front, visitor):
    doors = list(routes(front, staff=True))
    assert len(doors) >= 10
    for method, path in doors:
        page = visitor.request(method, path.format(**FILLED))
        assert page.status_code == 403, (method, path)
        assert "for staff" in page.text


def test_a_wrong_key_lets_nobody_in(visitor):
    for key in ("0" * 32, "", "é", "x" * 10_000):
        assert visitor.get(f"/enter/{key}").status_code in {403, 404}
    assert visitor.get("/recruiter").status_code == 403


def test_a_session_that_somebody_made_up_is_none(front):
    with httpx.Client(base_url=front.url, cookies={"session": "eyJzdGFmZiI6ICJzdGFmZiJ9.aaaa.bbbb"}) as client:
        assert client.get("/recruiter").status_code == 403


def test_forged_and_foreign_links_lead_nowhere(front, visitor):
    link = front.invite()
    mine = front.begin(visitor, front.invite())
    token, seat = link[3:], mine[3:]
    turned = token[:-1] + ("A" if token[-1] != "A" else "B")
    for path in (f"/i/{turned}", f"/i/{seat}", f"/s/{token}", "/s/x", "/i/1", "/i/%00", "/s/" + "A" * 5000):
        assert visitor.get(path).status_code == 404, path
    for tail in ("result", "data.json", "answers"):
        assert visitor.get(f"/s/{token}/{tail}").status_code == 404
    with (
        running(f"sqlite:///{front.house.settings.secret_file.with_name('other.db')}") as elsewhere,
        elsewhere.visitor() as there,
    ):
        assert there.get(link).status_code == 404


def test_a_question_of_somebody_else_cannot_be_answered(front, visitor):
    mine, theirs = front.begin(visitor), front.begin(visitor)
    visitor.get(mine)
    other_page = visitor.get(theirs)
    before = count(front, Answer)
    page = visitor.post(mine, data=fields(other_page.text) | {"act": "skip"})
    assert page.status_code == 404
    assert count(front, Answer) == before


CROSS = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
]


@pytest.mark.parametrize("headers", CROSS)
def test_no_form_is_taken_from_another_site(front, staff, headers):
    mine = front.begin(staff)
    token = mine[3:]
    posts = [path for side in (True, False) for method, path in routes(front, staff=side) if method == "POST"]
    before = [count(front, kind) for kind in (Answer, Sitting, Decision, PlanRecord)]
    assert len(posts) >= 9
    for path in posts:
        page = staff.post(path.format(**FILLED | {"token": token}), headers=headers, data={"act": "skip"})
        assert page.status_code == 403, path
    assert [count(front, kind) for kind in (Answer, Sitting, Decision, PlanRecord)] == before


def test_a_form_of_our_own_pages_is_taken(front, visitor):
    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": front.url}, {}):
        link = front.invite()
        assert visitor.post(link, data={"consent": "yes", "name": "Ada"}, headers=headers).status_code == 303


# -- what is too much, or not enough ---------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_however_it_comes(front, visitor):
    link = front.invite()
    much = b"name=" + b"x" * 1_100_000
    head = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.post(link, content=much, headers=head).status_code == 413
    pieces = (much[at : at + 50_000] for at in range(0, len(much), 50_000))
    assert visitor.post(link, content=pieces, headers=head).status_code == 413
    small = (b"&".join([b"name=" + b"x" * 90] * 500) + b"&" for _ in range(25))  # each field is short
    answer = visitor.post(link, content=small, headers=head)
    assert answer.status_code == 413
    assert "Maybe shorten it" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_invitation_asks_for_consent_and_name_and_keeps_what_was_typed(front, visitor):
    link, before = front.invite(), count(front, Applicant)
    page = visitor.post(link, data={"name": "Ada L.", "time_factor": "1.5"})
    assert wrong_field(page, "consent")
    assert 'value="Ada L."' in page.text
    assert 'value="1.5" aria-describedby="time-hint" checked' in page.text
    assert wrong_field(visitor.post(link, data={"consent": "yes", "name": " \u200b "}), "name")
    assert count(front, Applicant) == before


def test_an_answer_that_cannot_be_read_is_sent_back_with_what_was_typed(front, visitor):
    form = role_form("math.combinatorics")
    mine = front.begin(visitor, front.invite(form=form))
    for _ in range(12):
        page = visitor.get(mine)
        if front.item_of(page).kind == "numeric":
            break
        visitor.post(mine, data=fields(page.text) | right(front.item_of(page)))
    before = count(front, Answer)
    back = visitor.post(mine, data=fields(page.text) | {"number": 'about "three"'})
    assert wrong_field(back, "number")
    assert 'value="about &#34;three&#34;"' in back.text
    assert hidden(back.text, "question_id") == hidden(page.text, "question_id")
    assert count(front, Answer) == before
    fragment = visitor.post(mine, data=fields(page.text) | {"number": "x"}, headers={"hx-request": "true"})
    assert fragment.status_code == 422
    assert "<html" not in fragment.text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"role": ""}, "role"),
        ({"role": "999999"}, "role"),
        ({"role": "²"}, "role"),
        ({"role": "9" * 40}, "role"),
        ({"name": ""}, "name"),
        ({"until": "2020-01-01"}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"until": "9999-12-31"}, "until"),
    ],
)
def test_an_invitation_form_says_which_field_is_wrong_and_keeps_the_rest(front, staff, wrong, field):
    soon = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    good = {"role": str(front.facts(select(func.max(Role.id)))[0][0]), "name": "Grace H.", "until": soon}
    page = staff.post("/recruiter/invitations", data=good | wrong)
    assert wrong_field(page, field), page.status_code
    assert field == "name" or 'value="Grace H."' in page.text
    assert staff.post("/recruiter/invitations", data=good).status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/recruiter/roles/0", "/recruiter/roles/99999999999999999999999", "/recruiter/roles/-1", "/recruiter/roles/x",
        "/recruiter/roles/1/people/424242", "/recruiter/roles/1/people/1/answers/424242", "/lead/424242", "/lead/x",
        "/lead/1/nothing", "/nothing",
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(staff, path):
    page = staff.get(path)
    assert page.status_code == 404
    assert "<h1" in page.text


@pytest.mark.parametrize("at", ["0", "-1", "²", "x", "99999999999999999999"])
def test_a_page_number_that_makes_no_sense_is_the_first_or_an_empty_page(staff, at):
    assert staff.get("/recruiter/roles/1", params={"page": at}).status_code == 200
    assert staff.get("/lead/1", params={"page": at}).status_code == 200


# -- what an applicant may know --------------------------------------------------------------------


def with_another_key(item):
    """The same question with other answers to it."""
    changes = {
        "choice": lambda: {"key": other(item.key)},
        "multi": lambda: {"keys": tuple(set("abc") ^ set(item.keys)) or ("a",)},
        "numeric": lambda: {"answer": item.answer + 1, "tolerance": 7.0},
        "text": lambda: {"accepted": ("another",)},
        "follow": lambda: {"example": "another", "constraints": item.constraints[:2]},
        "step_grade": lambda: {"first_error": 0, "reason_key": other(item.reason_key), "rewrite": "another"},
        "preference": lambda: {"better": other(item.better), "reason_key": other(item.reason_key)},
        "claim_check": lambda: {
            "claims": tuple(claim.model_copy(update={"verdict": "not_stated"}) for claim in item.claims)
        },
    }[item.kind]()
    return item.model_copy(update=changes | {"explanation": "another", "title": "another"})


def test_the_page_of_a_question_is_the_same_whatever_its_key(front):
    """For every item of the bank: no key, explanation or title can be read from what is shown."""
    page = front.house.pages.env.get_template("applicant/_question.html")
    context = {"asked": {"id": 1, "number": 1}, "request_id": "r", "action": "/s/x", "practice": False, "errors": []}
    for item in front.house.bank.items.values():
        shown = page.render(item=item, **context)
        assert shown == page.render(item=with_another_key(item), **context), item.id
        assert item.explanation[:60] not in shown


def test_no_page_before_the_answer_holds_the_explanation(front, visitor):
    mine = front.begin(visitor)
    for _ in range(5):
        page = visitor.get(mine)
        item = front.item_of(page)
        words = text(item.explanation)[:40]
        for shown in (page.text, visitor.get(f"{mine}/result", follow_redirects=True).text):
            assert words not in text(shown)
        assert item.title not in visitor.get(f"{mine}/data.json").text
        visitor.post(mine, data=fields(page.text) | right(item))


def test_the_result_is_shown_only_after_the_end(front, visitor):
    mine = front.begin(visitor)
    visitor.get(mine)
    page = visitor.get(f"{mine}/result")
    assert (page.status_code, page.headers["location"]) == (303, mine)
    front.sit(visitor, mine)
    assert "What you showed" in visitor.get(f"{mine}/result").text
    assert visitor.get(mine).headers["location"] == f"{mine}/result"


def test_a_group_link_lets_in_as_many_as_it_says_each_by_their_own_name(front, visitor):
    link = front.invite(uses=2)
    seats = [front.begin(visitor, link, name) for name in ("First Person", "Second Person")]
    assert len(set(seats)) == 2
    page = visitor.get(link)
    assert page.status_code == 410
    assert "has been used" in page.text
    assert visitor.post(link, data={"consent": "yes", "name": "Third"}).status_code == 410
    names = {row[0] for row in front.facts(select(Applicant.name))}
    assert {"First Person", "Second Person"} <= names
    assert "Third" not in names


def test_an_expired_invitation_is_a_page_that_says_so(front, visitor):
    with store.writing(front.house.engine) as db:
        past = datetime.now(UTC) - timedelta(days=20)
        made = sitting.invite(db, db.scalars(select(Role)).first(), now=past, days=1)
        link = front.link("invitation", made.id)
    page = visitor.get(link)
    assert page.status_code == 410
    assert "ended on" in page.text


def test_the_download_holds_everything_that_is_kept_about_the_applicant(front, visitor, staff):
    mine = front.begin(visitor, name="Download Person")
    front.sit(visitor, mine)
    visitor.post(f"{mine}/appeal", data={"text": "Question two had a typing mistake."})
    (person,) = front.facts(select(Applicant.id).where(Applicant.name == "Download Person"))
    with store.writing(front.house.engine) as db:
        now = datetime.now(UTC)
        db.add(Certificate(at=now, applicant_id=person[0], issuer="Some School", skill="language.german", level="c1"))
        db.add(Availability(at=now, applicant_id=person[0], hours=17.5, pay=41.0, languages=["en", "de"]))
    role = front.facts(select(func.max(Role.id)))[0][0]
    staff.post(f"/recruiter/roles/{role}/people/{person[0]}", data={"verdict": "hold", "reason": "Wait a little."})
    page = visitor.get(f"{mine}/data.json")
    held = json.loads(page.text)
    assert page.headers["content-type"] == "application/json"
    assert "attachment" in page.headers["content-disposition"]
    assert held["name"] == "Download Person"
    answered = [one for one in held["sittings"][0]["questions"] if one["answer"] is not None]
    assert len(answered) == count_of(front, person[0])
    for word in ("typing mistake", "Some School", "17.5", "Wait a little."):
        assert word in page.text, word


def count_of(front, person):
    statement = select(func.count(Answer.id)).join(Answer.question).join(Sitting).where(Sitting.applicant_id == person)
    return front.facts(statement)[0][0]


def test_an_appeal_is_kept_when_it_says_something(front, visitor):
    mine = front.begin(visitor)
    before = count(front, Appeal)
    visitor.post(f"{mine}/appeal", data={"text": ""})
    assert count(front, Appeal) == before
    front.sit(visitor, mine)
    assert wrong_field(visitor.post(f"{mine}/appeal", data={"text": " a "}), "appeal")
    assert visitor.post(f"{mine}/appeal", data={"text": "Please look again."}).status_code == 303
    assert count(front, Appeal) == before + 1
    assert "Your appeal of" in visitor.get(f"{mine}/result").text


def test_deletion_asks_to_confirm_also_in_the_middle_of_a_test(front, visitor):
    mine = front.begin(visitor, name="Still Here")
    visitor.get(mine)
    assert visitor.post(f"{mine}/delete").status_code in {303, 422}
    front.sit(visitor, mine)
    assert wrong_field(visitor.post(f"{mine}/delete"), "confirm")
    assert front.facts(select(Applicant.id).where(Applicant.name == "Still Here"))


def test_who_was_forgotten_is_gone_from_every_door(front, visitor, staff):
    mine = front.begin(visitor, name="Forget Me Please")
    front.sit(visitor, mine, most=3)
    role = front.facts(select(func.max(Role.id)))[0][0]
    (person,) = front.facts(select(Applicant.id).where(Applicant.name == "Forget Me Please"))
    assert visitor.post(f"{mine}/delete", data={"confirm": "yes"}).status_code == 303
    for path in (mine, f"{mine}/result", f"{mine}/data.json"):
        page = visitor.get(path)
        assert page.status_code == 410, path
        assert "Forget Me" not in page.text
    assert visitor.post(mine, data={"act": "skip", "question_id": "1"}).status_code == 410
    dossier = staff.get(f"/recruiter/roles/{role}/people/{person[0]}")
    assert "deleted on request" in dossier.text
    verdict = {"verdict": "advance", "reason": "Too late for that."}
    staff.post(f"/recruiter/roles/{role}/people/{person[0]}", data=verdict)
    assert not front.facts(select(Decision.id).where(Decision.applicant_id == person[0]))
    assert staff.post(f"/recruiter/roles/{role}/people/{person[0]}/ask/math.proof").status_code == 410


# -- staff's forms ---------------------------------------------------------------------------------


def test_a_decision_needs_a_verdict_and_a_reason_and_keeps_what_was_typed(front, staff):
    path = "/recruiter/roles/1/people/1"
    before = count(front, Decision)
    assert wrong_field(staff.post(path, data={"verdict": "advance"}), "reason")
    page = staff.post(path, data={"reason": "A reason that was typed with care."})
    assert wrong_field(page, "verdict")
    assert "A reason that was typed with care." in page.text
    assert wrong_field(staff.post(path, data={"verdict": "promote", "reason": "why not"}), "verdict")
    assert wrong_field(staff.post(path, data={"verdict": "hold", "reason": "x" * 5000}), "reason")
    assert count(front, Decision) == before
    assert staff.post(path, data={"verdict": "advance", "reason": "Sound."}).status_code == 303
    assert count(front, Decision) == before + 1
    assert "Sound." in staff.get(path).text


def test_a_plan_follows_the_wishes_that_were_ticked(front, staff):
    pinned = {"pin": ["1:Proofs"], "bar": ["2:Sums <b>"]}
    assert staff.post("/lead/1", data=pinned).status_code == 303
    assert wishes(front) == {(1, "Proofs", "pin"), (2, "Sums <b>", "bar")}
    assert staff.post("/lead/1", data={}).status_code == 303  # a page made before that
    assert wishes(front) == {(1, "Proofs", "pin"), (2, "Sums <b>", "bar")}
    assert staff.post("/lead/1", data={"was": ["pin:1:Proofs", "bar:2:Sums <b>"]}).status_code == 303
    assert wishes(front) == set()


def test_an_older_page_neither_frees_what_a_colleague_wished_nor_wishes_what_they_freed(front, staff):
    """Two leads have the page open; each one's ticks count by what they changed, whoever sends first."""
    page = staff.get("/lead/1")
    (seat, *_) = [one for one in re.findall(r'name="pin" value="([^"]*)"', page.text) if one.endswith(":Proofs")]
    other = next(f"{number}:Proofs" for number in (1, 2, 3) if not seat.startswith(f"{number}:"))
    assert 'name="was"' not in page.text
    assert staff.post("/lead/1", data={"pin": [seat], "bar": [other]}).status_code == 303
    hers = re.findall(r'name="was" value="([^"]*)"', staff.get("/lead/1").text)
    assert sorted(hers) == sorted([f"pin:{seat}", f"bar:{other}"])
    held = wishes(front)
    assert staff.post("/lead/1", data={}).status_code == 303  # from the tab that was opened before
    assert wishes(front) == held
    assert staff.post("/lead/1", data={"was": hers, "bar": [other]}).status_code == 303  # she takes the pin back
    assert staff.post("/lead/1", data={"was": hers, "pin": [seat], "bar": [other]}).status_code == 303
    assert wishes(front) == {(int(other[0]), "Proofs", "bar")}
    assert staff.post("/lead/1", data={"was": [f"bar:{other}"]}).status_code == 303
    assert wishes(front) == set()


def wishes(front):
    with store.reading(front.house.engine) as db:
        return {(wish.applicant_id, wish.queue, wish.kind) for wish in programs.wishes(db, one_program(db))}


def one_program(db):
    return db.get_one(Program, 1)


@pytest.mark.parametrize(
    "wish", ["nonsense", "1", ":", "²:Proofs", "999999:Proofs", "1:No such queue", "9" * 40 + ":Proofs"]
)
def test_a_wish_that_makes_no_sense_changes_nothing(front, staff, wish):
    before = count(front, Wish)
    said = {"pin": [wish], "bar": [wish], "was": [wish, f"pin:{wish}", f"free:{wish}"]}
    assert staff.post("/lead/1", data=said).status_code == 303
    assert count(front, Wish) == before


def test_a_plan_that_cannot_be_made_says_why_and_keeps_nothing(front, staff):
    with store.writing(front.house.engine) as db:
        late = {"name": "Late", "queues": [QUEUES[0] | {"due": "2020-01-01"}]}
        number = programs.keep_program(db, ProgramForm.model_validate(late), datetime.now(UTC)).id
    before = count(front, PlanRecord), count(front, Wish)
    page = staff.post(f"/lead/{number}", data={"pin": ["1:Proofs"]})
    assert page.status_code == 422
    assert "was due on 2020-01-01" in page.text
    assert (count(front, PlanRecord), count(front, Wish)) == before


# -- headers ---------------------------------------------------------------------------------------


def test_every_answer_carries_the_headers_that_keep_strangers_content_out(front, visitor, staff):
    link = front.invite()
    answers = [
        visitor.get(link), visitor.get("/recruiter"), visitor.get("/nothing"), staff.get("/recruiter"),
        visitor.post(link, headers={"origin": "https://evil.example"}), visitor.get("/static/app.css"),
        visitor.post(link, content=b"x" * 1_100_000),
    ]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert visitor.get(link).headers["cache-control"] == "no-store"


def test_the_session_cannot_be_read_by_scripts_or_sent_by_other_sites(front):
    with front.visitor() as client:
        said = client.get(f"/enter/{front_key(front)}").headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said


def front_key(front):
    return staff_key(front.house.key)


def test_a_wrong_address_leads_staff_back_and_shows_strangers_no_door(staff, visitor):
    assert "/recruiter" in Seen(staff.get("/lead/999999").text).links()
    assert "/recruiter" not in Seen(visitor.get("/nowhere").text).links()
