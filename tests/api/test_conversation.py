"""An interview over HTTP, without scripts and without a model: the bank's own words ask, people will grade."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.api.front import fields, hidden, running, text
from tests.conftest import NOON
from tests.vetting.story import role_form
from vetting import store
from vetting.models import calls
from vetting.models.llm import Attempt
from vetting.models.prompts import Prompt
from vetting.records import Answer, Claim, Grade, Question, Resume, Turn
from vetting.sittings import sitting

SKILLS = ("computing.python", "computing.algorithms")
TALK = role_form(*SKILLS, minutes=30, interview_minutes=29.9)
LONG = role_form(*SKILLS, minutes=90, interview_minutes=89)  # nothing ends a talk after one turn


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    with running(f"sqlite:///{tmp_path_factory.mktemp('talk') / 'assay.db'}") as made:
        yield made


@pytest.fixture
def visitor(front):
    with front.visitor() as client:
        yield client


def come_to_the_interview(front, client, form=TALK):
    """The personal path and the page of the first probe."""
    mine = front.begin(client, front.invite(form=form))
    page = client.get(mine)
    while not hidden(page.text, "turn"):
        page = front.sit(client, mine, most=1)
    return mine, page


def send(client, mine, page, said, act="answer"):
    form = fields(page.text) | {"turn": hidden(page.text, "turn")[0], "text": said, "act": act}
    answer = client.post(mine, data=form)
    return form, client.get(mine) if answer.status_code == 303 else answer


def turns(front, number):
    return front.facts(select(Turn.who, Turn.text).where(Turn.question_id == int(number)).order_by(Turn.number))


def test_an_invitation_says_who_judges_conversations_and_only_where_there_are_some(front, visitor):
    told = text(visitor.get(front.invite(form=TALK)).text)
    assert "judged against written criteria by people." in told
    assert "up to 29.9 minutes in all" in told or "up to 30 minutes in all" in told
    assert "A machine scores answers that have a key by fixed rules" in told
    plain = text(visitor.get(front.invite(form=role_form(*SKILLS))).text)
    assert "A machine scores your answers by fixed rules" in plain
    for said in (told, plain):
        assert "language model" not in said.replace("no language model", "")  # none is set
    assert "conversation" not in plain


def test_a_whole_interview_keeps_what_was_asked_and_said_and_then_goes_on(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    probe = front.house.bank.probes[front.facts(select(Question.item_id).where(Question.id == int(number)))[0][0]]
    assert "Send" in page.text
    assert probe.explanation[:40] not in page.text
    said = []
    while hidden(page.text, "question_id") == [number]:
        words = f"My thought number {len(said) + 1}; <b>not bold</b>"
        _, page = send(visitor, mine, page, words, act="answer" if len(said) < 3 else "done")
        said.append(words)
        if hidden(page.text, "question_id") == [number]:
            assert "My thought number 1; &lt;b&gt;not bold&lt;/b&gt;" in page.text
    kept = turns(front, number)
    assert [row.text for row in kept if row.who == "says"] == said
    assert next(row.text for row in kept if row.who == "asks") == probe.opening
    assert front.facts(select(Answer.id).where(Answer.question_id == int(number)))
    mine_to_keep = visitor.get(f"{mine}/data.json").json()["sittings"][0]["questions"]
    talked = next(one for one in mine_to_keep if one["conversation"])
    assert [turn["text"] for turn in talked["conversation"] if turn["who"] == "says"] == said
    assert talked["title"] == probe.title
    assert page.status_code == 200


def test_who_leaves_with_the_last_word_has_said_it_to_graders(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    form = fields(page.text) | {"turn": hidden(page.text, "turn")[0], "text": "That is all.", "act": "done"}
    visitor.post(mine, data=form)  # and no page is opened after it
    assert front.facts(select(Answer.id).where(Answer.question_id == int(number)))


def test_the_same_form_sent_again_has_no_second_effect_and_the_page_shows_one_question(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    form, page = send(visitor, mine, page, "once")
    for _ in range(3):
        assert visitor.post(mine, data=form).status_code == 303
    assert [row.text for row in turns(front, number) if row.who == "says"] == ["once"]
    again = visitor.get(mine)
    assert hidden(again.text, "turn") == hidden(page.text, "turn")
    assert again.text.count('id="current"') == 1


def test_an_empty_answer_is_mended_not_lost_and_a_fact_can_be_asked_for(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    _, empty = send(visitor, mine, page, "   ")
    assert empty.status_code == 422
    assert "Fill this in, or skip the question." in text(empty.text)
    if "Ask for a fact" in page.text:
        _, told = send(visitor, mine, page, "Is the moon made of cheese?", act="ask")
        assert "Make an assumption" in text(told.text)
        assert hidden(told.text, "question_id") == [number]
    _, page = send(visitor, mine, page, "I begin with the smallest case.")
    if hidden(page.text, "question_id") == [number]:
        _, empty = send(visitor, mine, page, "")
        assert "Fill this in, or say that you are done with this question." in text(empty.text)


def test_who_is_asked_to_fill_in_something_is_offered_only_what_there_is(front, visitor):
    """Practice has no skip, and a résumé may be left out."""
    invitation = front.invite(form=TALK)
    tried = visitor.post(f"{invitation}/practice/1", data=fields(visitor.get(f"{invitation}/practice/1").text))
    assert tried.status_code == 422
    assert "Fill this in." in text(tried.text)
    assert "Skip" not in text(tried.text).replace("Skip to the content", "")
    assert "skip the question" not in tried.text
    mine = front.begin(visitor, invitation)
    for typed in ({}, {"text": ""}, {"text": "  "}):
        nothing = visitor.post(f"{mine}/experience", data=typed)
        assert nothing.status_code == 422
        assert "Nothing was sent. Maybe choose a file or type the text, or go on without." in text(nothing.text)
    empty = visitor.post(f"{mine}/experience", files={"file": ("cv.txt", b"", "text/plain")})
    assert "The file is empty" in text(empty.text)


def test_a_pause_comes_back_to_the_same_turn(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    _, paused = send(visitor, mine, page, "", act="pause")
    assert "The clock has stopped" in paused.text
    visitor.post(f"{mine}/resume")
    back = visitor.get(mine)
    assert hidden(back.text, "turn") == hidden(page.text, "turn")


def test_staff_read_the_transcript_behind_an_answer(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    send(visitor, mine, page, "I begin with the smallest case.", act="done")
    with store.reading(front.house.engine) as db:
        answer = db.scalars(select(Answer).where(Answer.question_id == int(number))).one()
        seat = answer.question.sitting
        url = f"/recruiter/roles/{seat.invitation.role_id}/people/{seat.applicant_id}/answers/{answer.id}"
    with front.staff() as staff:
        shown = staff.get(url)
    assert shown.status_code == 200
    assert "I begin with the smallest case." in shown.text
    assert "waits for its grades" in text(shown.text)


def test_staff_read_the_quote_that_decided_and_what_the_models_took(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    send(visitor, mine, page, "I begin with the smallest case.", act="done")
    with store.writing(front.house.engine) as db:
        answer = db.scalars(select(Answer).where(Answer.question_id == int(number))).one()
        seat, probe = answer.question.sitting, front.house.bank.probes[answer.question.item_id]
        graded = Attempt(Prompt("grade", "x"), "openai/one", "", [], "{}", 2.5, 10, 10, 0.0125, "")
        calls.keep(db, [graded], purpose=calls.GRADE, now=NOON, sitting_id=seat.id, answer_id=answer.id)
        worded = replace(graded, seconds=1.25, cost=0.001)
        for about, attempts in (
            ({"question": int(number)}, [worded, replace(worded, seconds=3.0, fault="cut", cost=None)]),
            ({"question": 0}, [worded]),  # of another interview
        ):
            calls.keep(db, attempts, purpose=calls.PHRASE, now=NOON, sitting_id=seat.id, about=about)
        criterion = probe.criteria[0].id
        answer.grades.append(Grade(at=NOON, rater="model:x@1", criterion=criterion, level=1, quote="the smallest case"))
        url = f"/recruiter/roles/{seat.invitation.role_id}/people/{seat.applicant_id}/answers/{answer.id}"
    with front.staff() as staff:
        shown = text(staff.get(url).text)
    assert "“the smallest case”" in shown
    assert "Grading 1 call, 2.5 s, cost 0.0125" in shown
    worded = "Wording questions 2 calls (1 failed), 4.2 s (longest 3.0 s), cost 0.0010, 1 of them of unknown price"
    assert worded in shown
    assert "The applicant waited for 4.2 s of it" in shown
    assert "Models for this sitting so far: 4 calls (1 failed), 8.0 s (longest 3.0 s), cost 0.0145" in shown


def test_a_resume_is_read_corrected_and_taken_until_the_test_is_over(front, visitor):
    mine = front.begin(visitor, front.invite(form=TALK))
    assert f"{mine}/experience" in visitor.get(mine).text
    file = {"file": ("cv.txt", b"Senior engineer, Python for 9 years\nAlgebra at school", "text/plain")}
    assert visitor.post(f"{mine}/experience", files=file).status_code == 303
    page = visitor.get(f"{mine}/experience")
    assert "Python for 9 years" in page.text
    assert visitor.post(f"{mine}/experience/right", data={"computing.python": "solid"}).status_code == 303
    assert [row.skill for row in front.facts(select(Claim.skill))] == ["computing.python"]
    empty = visitor.post(f"{mine}/experience", files={"file": ("cv.pdf", b"%PDF-1.4 broken", "application/pdf")})
    assert empty.status_code == 422
    assert "cannot be read" in empty.text
    with store.writing(front.house.engine) as db:
        sitting.end(db, db.scalars(select(Resume)).first().applicant.sittings[0], "test", NOON)
    for late in ("experience", "experience/right"):
        assert visitor.post(f"{mine}/{late}", data={"math.algebra": "expert"}).headers["location"] == mine
    assert visitor.get(f"{mine}/experience").headers["location"] == mine
    assert [row.skill for row in front.facts(select(Claim.skill))] == ["computing.python"]


def test_a_conversation_without_grades_is_named_as_waiting_to_applicant_and_recruiter(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    send(visitor, mine, page, "I begin with the smallest case.", act="done")
    with store.writing(front.house.engine) as db:
        question = db.get_one(Question, int(number))
        sitting.end(db, question.sitting, "test", NOON)
        title = front.house.bank.probes[question.item_id].title
        seat = question.sitting
        dossier = f"/recruiter/roles/{seat.invitation.role_id}/people/{seat.applicant_id}"
    assert f"People grade what you said about “{title}”" in text(visitor.get(f"{mine}/result").text)
    with front.staff() as staff:
        assert "waits for its grades" in text(staff.get(dossier).text)
    with store.writing(front.house.engine) as db:
        answer = db.get_one(Question, int(number)).answer
        for one in front.house.bank.probes[answer.question.item_id].criteria:
            answer.grades.append(Grade(at=NOON, rater="human:ada", criterion=one.id, level=1))
    with front.staff() as staff:
        shown = text(staff.get(dossier).text)
        assert "graded by ada" in shown
        assert "waits for its grades" not in shown
    assert "People grade what you said" not in text(visitor.get(f"{mine}/result").text)


@pytest.mark.browser
def test_on_a_phone_the_next_question_of_a_long_talk_is_in_view_and_has_the_focus(chromium, front, visitor):
    mine, page = come_to_the_interview(front, visitor, LONG)
    context = chromium.new_context(viewport={"width": 360, "height": 640}, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(front.url + mine)
    tab.locator("#text").fill("I begin with the smallest case and follow it.\n" * 30)
    tab.get_by_role("button", name="Send").click()
    (number,) = hidden(page.text, "question_id")
    tab.locator(f"form.answer[data-draft='{number}-3']").wait_for()
    top = tab.locator("#current").bounding_box()["y"]
    assert tab.evaluate("scrollY") > 0
    assert 0 <= top < 640
    assert tab.evaluate("document.activeElement.id") == "current"
    context.close()
