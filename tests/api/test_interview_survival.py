"""Interviews in a real browser while server and browser die at random points: nothing is lost, nothing asked twice.

A few kills here; `ASSAY_KILLS=500 python -m pytest --timeout 0 tests/api/test_interview_survival.py` for many.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from playwright.sync_api import Error
from sqlalchemy import select

from api.auth import sign
from item_bank.load import load
from tests.api.front import SECRET
from tests.api.phoenix import Phoenix
from tests.api.test_proposing import is_proposal, proposes, small_bank
from tests.llm_server import Say, serving
from tests.vetting.story import begin, role_form
from vetting import scale as scales
from vetting import store
from vetting.interviews import asking, interview, proposing
from vetting.models import calls
from vetting.records import ModelCall, Question, Sitting, Turn
from vetting.sittings import choice

KILLS = int(os.environ.get("ASSAY_KILLS", "6"))
LONGEST = 0.6  # seconds between pressing Send and the kill: a turn with its streamed wording takes about as long
FORM = role_form("humanities.journalism", "society.economics", "stats.inference", minutes=60, interview_minutes=59)
GOOD = "Could you tell me a little more about how you would go on from there?"
PROPOSAL = "On which small case would you look {word}?"
WORDINGS = [Say(GOOD, piece_seconds=0.02), Say(GOOD, fault="cut"), Say("No question here."), Say(fault="500")]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def either(wording):
    """A model that words questions so, and finds the first fact asked for wherever it is asked about facts."""

    def script(request):
        code = re.search(r"^([B-Z]{2}): .+ It says: ", request["messages"][0]["content"], re.MULTILINE)
        return json.dumps({"fact": code[1], "words": "the smallest case"}) if code else wording

    return script


SAYS = [either(wording) for wording in WORDINGS]


class Walk:
    """A person, a browser and a server, any of which but the person may be gone the next moment."""

    def __init__(self, chromium, database, bank, rng, form=FORM, done_at=4, **settings):
        self.chromium, self.bank, self.rng, self.form, self.done_at = chromium, bank, rng, form, done_at
        self.engine = store.connect(database)
        store.migrate(self.engine)
        with store.writing(self.engine) as db:
            scales.keep_up(db, bank, datetime.now(UTC))
        self.server = Phoenix(database, ASSAY_SECRET=SECRET, **settings)
        self.context, self.seats, self.kills, self.number = None, [], 0, 0
        self.acknowledged: set[str] = set()
        self.tally = {"server": 0, "browser": 0, "both": 0}
        self.sit_down()

    def sit_down(self):
        with store.writing(self.engine) as db:
            seat = begin(db, self.form, now=datetime.now(UTC), seed=len(self.seats))
            self.seats.append(seat.id)
        self.path = f"{self.server.url}/s/{sign(SECRET, 'sitting', self.seats[-1])}"
        self.open()

    def open(self):
        if self.context is None:
            self.context = self.chromium.new_context()
            self.page = self.context.new_page()
        self.visit()

    def visit(self):
        """The sitting's page; a visit that the page's own redirect cut short is made again."""
        for _ in range(5):
            try:
                return self.page.goto(self.path)
            except Error as cut:
                if not any(word in str(cut) for word in ("ERR_ABORTED", "interrupted by another navigation")):
                    raise
                time.sleep(0.2)
        return self.page.goto(self.path)

    def stands(self):
        """What the page asks for: "text" of an interview, "item", or "end"."""
        ready = self.page.locator("form.answer, [data-drafts=done]").first
        ready.wait_for(timeout=30_000)
        if self.page.url.endswith("/result"):
            return "end"
        return "text" if self.page.locator(".talk form.answer").count() else "item"

    def one_step(self, *, kill):
        kind = self.stands()
        if kind == "end":
            return self.sit_down()
        if kind == "item":
            with self.page.expect_response(lambda answer: answer.request.method == "POST"):
                self.page.get_by_role("button", name="Skip").click()
            return self.open()
        return self.speak(kill=kill)

    def speak(self, *, kill):
        self.number += 1
        words = f"Thought {self.number}: I look at the smallest case and follow it."
        turn = self.turn()
        self.page.locator("#text").fill(words)
        self.page.evaluate("window.sent = true")  # gone with the page
        done, send, ask = (self.page.locator(f".actions [value={act}]") for act in ("done", "answer", "ask"))
        asks = self.number % 3 == 1 and ask.count()
        button = done if self.number % self.done_at == 0 and done.count() else ask if asks else send
        button.click(no_wait_after=True)
        if kill:
            time.sleep(self.rng.uniform(0, LONGEST))
            self.die()
        self.go_on(words, turn)

    def turn(self, **waiting):
        """Which question of which interview the page shows."""
        return self.page.locator("form.answer").get_attribute("data-draft", **waiting)

    def die(self):
        """Server, browser or both, as a power cut would take them."""
        what = str(self.rng.choice(["server", "server", "browser", "both"]))
        self.tally[what] += 1
        self.kills += 1
        if what in {"browser", "both"}:
            self.context.close()
            self.context = None
        if what in {"server", "both"}:
            self.server.kill()
            foreseen = self.next_asked()
            self.server.rise()
            self.open()
            self.stands()
            assert foreseen in {None, self.asked()}  # the same further question as if nothing had happened
        elif what == "browser":
            self.open()

    def next_asked(self):
        """What the record alone says comes next in the running interview.

        None where something stands already, or a model is to be asked first what could be asked, or which fact is.
        """
        with store.reading(self.engine) as db:
            question = self.running(db)
            if question is None or interview.waiting(question) is not None or proposing.due(question, self.bank):
                return None
            move = interview.next_move(question, self.bank)
            return (question.id, move.id) if move is not None and move.kind != "fact" else None

    def asked(self):
        with store.reading(self.engine) as db:
            question = self.running(db)
            standing = question and interview.waiting(question)
            return standing and (question.id, standing.move["id"])

    def proposed(self):
        with store.reading(self.engine) as db:
            return any(turn.move.get("proposed") for turn in db.scalars(select(Turn)))

    def running(self, db):
        seat = db.get_one(Sitting, self.seats[-1])
        last = seat.questions[-1] if seat.questions else None
        return last if last is not None and last.answer is None and interview.is_interview(last, self.bank) else None

    def go_on(self, words, turn):
        """Wait until the page goes on; if what was said is not on record the same question stands, with the draft."""
        for _ in range(100):
            if self.kept(words):
                self.acknowledged.add(words)
                self.past(turn)
                return
            try:
                if self.turn(timeout=300) == turn and self.settled():
                    break
            except Error:
                pass
            time.sleep(0.05)
        if not self.kept(words):
            self.visit()
            assert self.stands() == "text"
            assert self.turn() == turn
            assert self.page.locator("#text").input_value() in {words, ""}  # "": the browser is another one
            self.number -= 1

    def past(self, turn):
        """The page goes on; one that a new browser opened just before the words were kept does so when seen again."""
        gone = "t => document.querySelector('form.answer')?.dataset.draft !== t"
        try:
            self.page.wait_for_function(gone, arg=turn, timeout=8_000)
        except Error:
            self.visit()
            self.page.wait_for_function(gone, arg=turn)

    def settled(self):
        """No request of this page is on its way any more."""
        return (
            self.page.evaluate("!document.querySelector('.htmx-request')")
            and not self.page.locator("#unsent:visible").count()
        ) or bool(self.page.locator("#unsent:visible").count())

    def kept(self, words):
        with store.reading(self.engine) as db:
            return db.scalar(select(Turn.id).where(Turn.text == words)) is not None

    def end(self):
        if self.context is not None:
            self.context.close()
        self.server.end()


def check_record(walk):
    """Everything acknowledged is there once, in order; nothing was asked twice; replay chooses the same probes."""
    with store.reading(walk.engine) as db:
        said = db.scalars(select(Turn.text).where(Turn.who == "says", Turn.text != "")).all()
        assert len(said) == len(set(said))
        assert walk.acknowledged <= set(said)
        for question in db.scalars(select(Question)):
            turns = question.turns
            assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
            assert [turn.who for turn in turns] == ["asks", "says"] * (len(turns) // 2) + ["asks"] * (len(turns) % 2)
            asked = [(turn.move["kind"], turn.move["id"]) for turn in turns if turn.who == "asks"]
            asked = [one for one in asked if one != ("fact", "")]
            assert len(asked) == len(set(asked))
            for turn, move in interview.replay(question, walk.bank):
                assert (move.id, move.why) == (turn.move["id"], turn.move["why"])
        for number in walk.seats:
            seat = db.get_one(Sitting, number)
            items = [question.item_id for question in seat.questions]
            assert len(items) == len(set(items))
            for question, again in choice.replay(seat, scales.of(seat.calibration), walk.bank):
                assert again.item_id == question.item_id
        asked = db.scalars(select(Turn).where(Turn.who == "asks")).all()
        wordings = [turn.move["wording"] for turn in asked]
        proposed = sum(bool(turn.move.get("proposed")) for turn in asked)
        matched = sum(turn.move["why"].get("by") == "model" for turn in asked)
        counts = {key: wordings.count(key) for key in ("own", "model")} | {"proposed": proposed, "facts": matched}
        for call in db.scalars(select(ModelCall).where(ModelCall.purpose == calls.FACT, ModelCall.fault == "")):
            about = call.sent["about"]
            turn = db.get_one(Question, about["question"]).turns[about["turn"]]  # what was said to that asking
            found = asking.reread(call.reply, call.sent["messages"], about["codes"], about["none"])
            assert turn.move["why"].get("by") != "model" or turn.move["id"] == found
        return counts, len(db.scalars(select(ModelCall.id)).all())


def survive(walk, kills, *, and_proposed=False):
    """Walk until so many kills, and until a proposal was asked; what happened, once the record is checked."""
    began, after = time.monotonic(), 0
    try:
        while walk.kills < kills or (and_proposed and after < 30 and not walk.proposed()):
            after += walk.kills >= kills
            walk.one_step(kill=bool(walk.rng.random() < 0.8))
    except Exception as wrong:
        wrong.add_note(f"after {walk.kills} kills, at {walk.page.url}: {walk.page.locator('main').inner_text()}")
        raise
    finally:
        walk.end()
    wordings, asked = check_record(walk)
    walk.engine.dispose()
    return {
        "kills": walk.kills, **walk.tally, "sittings": len(walk.seats), "said and kept": len(walk.acknowledged),
        "wordings": wordings, "calls of the model": asked, "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def test_server_and_browser_are_killed_in_the_middle_of_interviews(chromium, tmp_path, bank, capsys):
    rng = np.random.default_rng(20261121)
    with serving(*(SAYS * (4 * KILLS + 10)), SAYS[0]) as model:
        told = survive(Walk(chromium, f"sqlite:///{tmp_path / 'assay.db'}", bank, rng, **settings(model)), KILLS)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert told["said and kept"] >= KILLS / 4
    assert told["wordings"]["own"] > 0


def settings(model):
    return {"ASSAY_MODELS": model.model, "ASSAY_CALL_SECONDS": "3", "ASSAY_DEADLINE_SECONDS": "4"}


def test_they_are_killed_while_a_model_proposes_what_to_ask(chromium, tmp_path, capsys):
    """A bank of two probes with few questions, so that proposals come to be asked."""
    home, rng = (
        small_bank(tmp_path / "bank", "debugging-cached-list", "debugging-board-of-copies"),
        np.random.default_rng(20261122),
    )
    form = role_form("computing.python", "computing.algorithms", minutes=60, interview_minutes=59, model_proposals=8)
    with serving(
        *[said_or_proposed(one) for one in WORDINGS * (6 * KILLS + 10)], said_or_proposed(WORDINGS[0])
    ) as model:
        given = settings(model) | {"ASSAY_BANK": str(home)}
        walk = Walk(chromium, f"sqlite:///{tmp_path / 'assay.db'}", load(home), rng, form, done_at=9, **given)
        told = survive(walk, KILLS, and_proposed=True)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert told["wordings"]["proposed"] > 0


def said_or_proposed(say):
    """Proposes where it is asked to, unless it fails; words what it is given otherwise."""
    other = either(say)
    return lambda request: proposes(PROPOSAL)(request) if is_proposal(request) and not say.fault else other(request)
