"""Whoever began comes back to their test: by the link they were sent, after a second click, in another browser."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from api.grader import tidy
from tests.api.front import Seen, fields, hidden, text
from tests.api.test_conversation import LONG, come_to_the_interview, send
from vetting import store
from vetting.records import Answer, Ending, Question, Sitting
from vetting.sittings.sitting import WISH


def sittings(front) -> int:
    return front.facts(select(func.count(Sitting.id)))[0][0]


def test_a_form_that_is_sent_twice_begins_one_test_for_one_person_or_many(front):
    for link, name in ((front.invite(name="Ada"), ""), (front.invite(uses=20), "Bob")):
        before = sittings(front)
        with front.visitor() as visitor:
            form = {"consent": "yes", "name": name, "request_id": hidden(visitor.get(link).text, "request_id")[0]}
        places = []
        for _ in range(3):  # a second click aborts the first answer: whatever cookie came with it is lost
            with front.visitor() as again:
                sent = again.post(link, data=form)
            assert sent.status_code == 303
            places.append(sent.headers["location"])
        assert len(set(places)) == 1
        assert sittings(front) == before + 1


def test_the_link_of_one_person_leads_back_to_their_test_in_any_browser_but_not_its_maker(front, visitor, staff):
    link = front.invite(name="Ada")
    mine = front.begin(visitor, link)
    with front.visitor() as elsewhere:
        for way in (visitor, elsewhere):
            assert way.get(link).headers["location"] == mine
            assert way.post(link, data={"consent": "yes"}).headers["location"] == mine
    assert staff.get(link).status_code == 410
    assert staff.post(link, data={"consent": "yes"}).status_code == 410


def test_a_link_of_many_leads_back_in_the_browser_where_one_began_and_still_takes_others(front, visitor):
    link = front.invite(uses=2)
    mine = front.begin(visitor, link, "First")
    page = visitor.get(link)
    assert page.status_code == 200
    assert f'href="{mine}"' in page.text
    with front.visitor() as other:
        assert mine not in other.get(link).text
        theirs = front.begin(other, link, "Second")
        assert theirs != mine
        assert f'href="{theirs}"' in other.get(link).text
    full = visitor.get(link)
    assert full.status_code == 410
    assert f'href="{mine}"' in full.text
    with front.visitor() as late:
        told = late.get(link)
        assert "go on in the browser where you did" in text(told.text)
        assert "/s/" not in told.text


def test_coming_back_after_the_end_and_after_the_deletion_tells_what_there_is(front, visitor):
    link = front.invite(name="Ada")
    mine = front.begin(visitor, link)
    visitor.post(f"{mine}/delete", data={"confirm": "yes"})
    gone = visitor.get(link, follow_redirects=True)
    assert gone.status_code == 410
    assert "Your name was removed" in text(gone.text)


def test_a_name_is_one_line_that_turns_no_text_around_and_who_has_no_limit_sees_no_clock(front, visitor):
    mine = front.begin(visitor, name="Ada\u202e\u2066 \r\n\x07Love\u200dlace", time_factor="10")
    assert visitor.get(f"{mine}/data.json").json()["name"] == "Ada Love\u200dlace"
    assert "minutes left" not in visitor.get(mine).text
    assert "minutes left" in visitor.get(front.begin(visitor)).text


# -- two windows, and too much ----------------------------------------------------------------------


def test_an_answer_from_another_window_is_said_to_be_late_and_the_same_form_again_is_not(front, visitor):
    mine = front.begin(visitor)
    page = visitor.get(mine)
    first, second = (fields(page.text) | {"act": "skip", "request_id": one} for one in ("one", "two"))
    assert visitor.post(mine, data=first).headers["location"] == mine
    assert visitor.post(mine, data=first).headers["location"] == mine
    late = visitor.post(mine, data=second, follow_redirects=True)
    assert "The first answer counts" in text(late.text)
    assert "The first answer counts" not in text(visitor.get(mine).text)


def test_words_written_to_an_earlier_turn_come_back_beside_the_one_that_stands(front, visitor):
    mine, page = come_to_the_interview(front, visitor, LONG)
    _, after = send(visitor, mine, page, "From the first window")
    stale = fields(page.text) | {"request_id": "another", "turn": hidden(page.text, "turn")[0], "act": "answer"}
    back = visitor.post(mine, data=stale | {"text": "From the second <window>"})
    assert back.status_code == 422
    assert "It was not sent" in text(back.text)
    assert "From the second &lt;window&gt;</textarea>" in back.text
    assert hidden(back.text, "turn") == hidden(after.text, "turn")


def test_too_long_an_answer_is_sent_back_whole_with_how_much_to_shorten(front, visitor):
    much = "é\r\n" * 10_002  # a browser sends two letters for the end of a line; one was typed
    mine, page = come_to_the_interview(front, visitor)
    _, back = send(visitor, mine, page, much)
    assert back.status_code == 422
    assert "Shorten it by 4." in text(back.text)
    assert back.text.count("é") == 10_002
    other = front.begin(visitor)
    page = visitor.get(other)
    back = visitor.post(other, data=fields(page.text) | {"act": "answer", "rewrite": "x" * 20_001})
    assert back.status_code == 422
    assert "Shorten it by 1." in text(back.text)


def test_too_large_a_file_says_so_and_leads_back(front, visitor):
    mine = front.begin(visitor)
    for size, status in ((5_000_001, 422), (6_500_000, 413)):
        page = visitor.post(f"{mine}/experience", files={"file": ("cv.pdf", b"x" * size, "application/pdf")})
        assert page.status_code == status
        assert "larger than 5 MB" in text(page.text)
        assert f'href="{mine}' in page.text


def test_an_appeal_that_is_sent_twice_is_one_and_one_that_is_too_long_comes_back(front, visitor):
    mine = front.begin(visitor)
    front.sit(visitor, mine)
    long = visitor.post(f"{mine}/appeal", data={"text": "x" * 20_001})
    assert long.status_code == 422
    assert "Shorten it by 1." in text(long.text)
    for _ in range(2):
        assert visitor.post(f"{mine}/appeal", data={"text": "Look at the second one."}).status_code == 303
    assert len(visitor.get(f"{mine}/data.json").json()["appeals"]) == 1


def test_who_rests_can_download_and_delete_as_promised_at_any_time(front, visitor):
    mine = front.begin(visitor, name="Ada Resting")
    visitor.post(mine, data=fields(visitor.get(mine).text) | {"act": "pause"})
    page = visitor.get(mine)
    assert {f"{mine}/data.json"} <= Seen(page.text).links()
    assert "your name and this test" in text(page.text)
    assert visitor.post(f"{mine}/delete").headers["location"] == mine  # not without the tick
    visitor.post(f"{mine}/delete", data={"confirm": "yes"})
    assert visitor.get(mine).status_code == 410


# -- leaving ---------------------------------------------------------------------------------------


def test_who_has_had_enough_ends_the_test_and_what_was_said_counts(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    send(visitor, mine, page, "I begin with the smallest case.")
    visitor.post(mine, data={"question_id": number, "act": "pause"})
    resting = visitor.get(mine)
    assert f'action="{mine}/end"' in resting.text
    assert visitor.post(f"{mine}/end").headers["location"] == mine
    assert "The clock has stopped" in visitor.get(mine).text  # nothing is ended without a tick
    assert visitor.post(f"{mine}/end", data={"sure": "yes"}).status_code == 303
    assert "Your result" in text(visitor.get(f"{mine}/result").text)
    told = select(Answer.response, Ending.reason).join(Question).join(Sitting).join(Ending)
    (kept,) = front.facts(told.where(Question.id == int(number)))
    assert kept == ({"turns": ["2"]}, WISH)
    late = visitor.post(mine, data=fields(page.text) | {"text": "One more thing.", "act": "answer"})
    assert late.status_code == 303
    assert visitor.get(mine).headers["location"] == f"{mine}/result"


def test_a_question_that_waited_is_not_held_against_who_ends(front, visitor):
    mine = front.begin(visitor, front.invite())
    front.sit(visitor, mine, most=2)
    (number,) = hidden(visitor.get(mine).text, "question_id")
    visitor.post(f"{mine}/end", data={"sure": "yes"})
    assert front.facts(select(Answer.id).where(Answer.question_id == int(number))) == []


def test_a_conversation_that_was_left_is_graded_once_its_link_has_run_out(front, visitor):
    mine, page = come_to_the_interview(front, visitor)
    (number,) = hidden(page.text, "question_id")
    with front.visitor() as silent:
        _, other = come_to_the_interview(front, silent)
    (unsaid,) = hidden(other.text, "question_id")
    send(visitor, mine, page, "I begin with the smallest case.")
    with store.writing(front.house.engine) as db:
        ends = db.get_one(Question, int(number)).sitting.invitation.expires
        tidy(db, front.house.bank, ends - timedelta(seconds=1))
        assert db.get_one(Question, int(number)).answer is None
        tidy(db, front.house.bank, ends)
        db.expire_all()
        assert db.get_one(Question, int(number)).answer.response == {"turns": ["2"]}
        assert db.get_one(Question, int(unsaid)).answer is None
