"""A model words further questions: streamed, checked, kept as shown; what fails or says too much is never asked."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import select

from tests.api.front import fields, hidden, running
from tests.api.test_conversation import TALK, come_to_the_interview, send
from tests.llm_server import Say, refused_address, serving
from tests.vetting.story import role_form
from vetting.interviews.interview import NOTHING
from vetting.records import ModelCall, Question, Turn

GOOD = "Thank you for that. Could you tell me more about how you would go on from there?"


def talk(front, client):
    """Come to the first further question of an interview: the personal path and its page."""
    mine, page = come_to_the_interview(front, client, TALK)
    _, page = send(client, mine, page, "I begin with the smallest case and follow it line by line.")
    return mine, page


@pytest.fixture(scope="module")
def model():
    with serving(GOOD) as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory, model):
    """An application with a model that says what it is told."""
    with pytest.MonkeyPatch.context() as settings, ExitStack() as stack:
        settings.setenv("ASSAY_MODELS", model.model)
        settings.setenv("ASSAY_CALL_SECONDS", "6")
        settings.setenv("ASSAY_DEADLINE_SECONDS", "8")
        made = stack.enter_context(running(f"sqlite:///{tmp_path_factory.mktemp('words') / 'assay.db'}"))
        yield made


@pytest.fixture
def talking(front, model):
    """The front, somebody who waits for words, their path and page, and the model, which will say this."""
    with front.visitor() as client:

        def begin(*says):
            model.says[:] = list(says)
            mine, page = talk(front, client)
            model.requests.clear()
            return front, client, mine, page, model

        yield begin


@contextmanager
def another(folder, **settings):
    """A front with settings of its own."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(f"ASSAY_{name.upper()}", value)
        with running(f"sqlite:///{folder / 'assay.db'}") as made, made.visitor() as client:
            yield made, client, *talk(made, client)


NEWEST = Turn.id.desc()


def asked(front):
    return front.facts(select(Turn.text, Turn.move).where(Turn.number == 3).order_by(NEWEST))[0]


def own_words(front):
    key, move = front.facts(select(Question.item_id, Turn.move).join(Turn).where(Turn.number == 3).order_by(NEWEST))[0]
    return next(one.asks for one in front.house.bank.probes[key].follow_ups if one.id == move["id"])


def test_a_good_wording_streams_and_is_kept_as_shown(talking):
    front, client, mine, page, model = talking(Say(GOOD, piece_seconds=0.01))
    assert "on its way" in page.text
    assert not hidden(page.text, "turn")
    streamed = client.get(f"{mine}/words").text
    assert streamed
    assert GOOD.startswith(streamed)
    text, move = asked(front)
    assert (text, move["wording"]) == (GOOD, "model")
    shown = client.get(mine)
    assert GOOD in shown.text
    assert hidden(shown.text, "turn") == ["3"]
    assert front.facts(select(ModelCall.purpose, ModelCall.fault).order_by(ModelCall.id.desc()))[0] == ("phrase", "")
    assert client.get(f"{mine}/words").text == ""  # nothing waits for words any more
    assert len(model.requests) == 1


def test_the_model_never_sees_rubric_explanation_or_untold_facts(talking):
    front, client, mine, _, model = talking(GOOD)
    client.get(f"{mine}/words")
    (prompt,) = model.prompts()
    key = front.facts(select(Question.item_id).join(Turn).order_by(NEWEST))[0][0]
    probe = front.house.bank.probes[key]
    secret = [probe.explanation, *(fact.says for fact in probe.facts)]
    secret += [text for one in probe.criteria for anchor in one.levels for text in (anchor.means, anchor.example)]
    assert [text for text in secret if text.strip()[:40] in prompt] == []
    assert own_words(front) in prompt
    assert "smallest case" in prompt


@pytest.mark.parametrize(
    "said",
    [
        "What do you mean? And how would you test that?",
        "Well done. How would you go on from there?",
        "Wie würden Sie das den Kunden und der Firma mit der Zeit für sich zeigen?",
        "How would you go on? " + "word " * 80,
        "Have a look at https://example.org first, how would you go on?",
        "I have nothing to ask.",
        Say(GOOD, fault="cut"),
        Say(fault="500"),
        Say("", seconds=9.0),
    ],
    ids=["two questions", "praise", "German", "long", "link", "none", "cut", "down", "slow"],
)
def test_whatever_else_comes_the_banks_own_words_ask(talking, said):
    front, client, mine, _, _ = talking(said)
    client.get(f"{mine}/words")
    text, move = asked(front)
    assert move["wording"] == "own"
    assert text == own_words(front)
    assert move["why"]["not the model's words"]
    assert hidden(client.get(mine).text, "turn") == ["3"]


def test_what_was_asked_in_these_words_before_is_asked_in_the_banks_own(talking):
    """A model that always says the same would ask one question twice."""
    front, client, mine, _, _ = talking(GOOD)
    client.get(f"{mine}/words")
    assert asked(front)[1]["wording"] == "model"
    _, page = send(client, mine, client.get(mine), "Then I would look at the next line and follow it as well.")
    assert "on its way" in page.text
    client.get(f"{mine}/words")
    client.get(mine)
    number = front.facts(select(Turn.question_id).order_by(NEWEST))[0][0]
    text, move = front.facts(select(Turn.text, Turn.move).where(Turn.question_id == number, Turn.number == 5))[0]
    assert text != GOOD
    assert move["wording"] == "own"
    assert "asks what was asked already" in move["why"]["not the model's words"]


def test_a_hint_is_neither_streamed_nor_asked(talking):
    front, client, mine, _, model = talking(GOOD)
    key = front.facts(select(Question.item_id).join(Turn).order_by(NEWEST))[0][0]
    probe = front.house.bank.probes[key]
    model.says[:] = [Say(f"Have you thought of this: {' '.join(probe.explanation.split()[:20])} Could you say more?")]
    streamed = client.get(f"{mine}/words").text
    text, move = asked(front)
    assert move["wording"] == "own"
    assert text == own_words(front)
    assert not any(word in streamed for word in probe.explanation.split()[8:20] if len(word) > 6)


def test_no_money_and_no_script_are_no_obstacle(tmp_path, model):
    model.requests.clear()
    prices = '{"openai/scripted": [1, 1]}'
    with another(tmp_path, models=model.model, interview_money="0", prices=prices) as (front, client, mine, _):
        client.get(f"{mine}/words")
        assert asked(front)[1]["wording"] == "own"
        assert model.requests == []
        _, page = send(client, mine, client.get(mine), "Then I would go on.")
        if "plain=1" in page.text:
            assert hidden(client.get(f"{mine}?plain=1").text, "turn") == ["5"]


def test_a_server_that_is_not_there_costs_seconds_and_nothing_else(tmp_path):
    with another(tmp_path, models=refused_address(), deadline_seconds="3") as (front, client, mine, _):
        client.get(f"{mine}/words")
        assert asked(front)[1]["wording"] == "own"


def test_two_tabs_hear_two_wordings_and_one_question_stands(talking):
    front, client, mine, _, _ = talking(Say(GOOD, piece_seconds=0.02), Say(GOOD.replace("more", "further")))
    with client.stream("GET", f"{mine}/words") as slow:
        first = slow.iter_text()
        next(first)
        client.get(f"{mine}/words")
        for _ in first:
            pass
    number = front.facts(select(Turn.question_id).order_by(NEWEST))[0][0]
    assert len(front.facts(select(Turn.id).where(Turn.question_id == number, Turn.number == 3))) == 1
    assert fields(client.get(mine).text)


# -- résumés ---------------------------------------------------------------------------------------

CV = b"Wrote the reporting of a hospital in COBOL and, since 2019, in Python\nRaised in Hue"


def vietnamese(request):
    code = re.search(r"^([B-Z]{2}): Vietnamese", request["messages"][0]["content"], re.MULTILINE)[1]
    claim = {"skill": code, "words": "Raised in Hue", "level": "expert", "level_words": "Raised in"}
    return json.dumps({"claims": [claim]})


def test_a_resume_is_read_by_the_model_and_by_the_rule_where_the_model_fails(front, model):
    with front.visitor() as client:
        mine = front.begin(client, front.invite(form=TALK))
        assert "A language model reads it" in client.get(f"{mine}/experience").text
        model.says[:] = [vietnamese]
        client.post(f"{mine}/experience", files={"file": ("cv.txt", CV, "text/plain")})
        page = client.get(f"{mine}/experience").text
        assert "“Raised in Hue”" in page
        assert "read by a language model" in page
        model.says[:] = [Say(fault="500")]
        client.post(f"{mine}/experience", files={"file": ("cv.txt", CV, "text/plain")})
        page = client.get(f"{mine}/experience").text
        assert "“Raised in Hue”" not in page
        assert "in Python”" in page
        assert "read by a simple rule" in page
    faults = front.facts(select(ModelCall.fault).where(ModelCall.purpose == "résumé").order_by(ModelCall.id))
    assert [row.fault for row in faults] == ["", "provider down", "provider down"]


# -- facts -----------------------------------------------------------------------------------------


FACTS = role_form(
    "stats.inference", "society.economics", minutes=12, interview_minutes=10
)  # whose probes keep some back


def names_the_first(request):
    """A model that finds the first of the facts asked for in whatever is said."""
    code = re.search(r"^([B-Z]{2}): .+ It says: ", request["messages"][0]["content"], re.MULTILINE)[1]
    return json.dumps({"fact": code, "words": "how this thing is used"})


def test_which_fact_is_asked_for_is_found_by_the_model_and_told_in_the_banks_words(front, model):
    with front.visitor() as client:
        mine, page = come_to_the_interview(front, client, FACTS)
        model.says[:] = [names_the_first]
        key = front.facts(select(Question.item_id).join(Turn).order_by(NEWEST))[0][0]
        facts = front.house.bank.probes[key].facts
        assert facts, "the first probe of this role keeps facts back"
        _, waits = send(client, mine, page, "I wonder how this thing is used.", act="ask")
        assert "on its way" in waits.text
        assert client.get(f"{mine}/words").text == ""
        told = front.facts(select(Turn.text, Turn.move).order_by(NEWEST))[0]
        assert told.text == facts[0].says
        assert told.move["why"]["by"] == "model"
        shown = client.get(mine)
        assert hidden(shown.text, "turn") == ["3"]
        assert client.get(f"{mine}/words").text == ""


def test_who_does_not_wait_for_the_model_is_told_by_shared_words(front):
    with front.visitor() as client:
        mine, page = come_to_the_interview(front, client, FACTS)
        send(client, mine, page, "I wonder how this thing is used.", act="ask")
        client.get(f"{mine}?plain=1")
        told = front.facts(select(Turn.text, Turn.move).order_by(NEWEST))[0]
        assert (told.text, told.move["id"]) == (NOTHING, "")
