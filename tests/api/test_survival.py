"""A server that dies at any moment loses nothing it has acknowledged, and goes on at the same question."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from api.auth import sign
from tests.api.front import SECRET, fields, hidden, running
from tests.api.phoenix import Phoenix
from tests.item_bank.responses import right, wrong
from tests.vetting.story import begin, role_form
from vetting import scale as scales
from vetting import store
from vetting.records import Answer, Grade, Question, Sitting
from vetting.sittings import sitting

KILLS = 12
QUESTIONS = 26
LONGEST_WAIT = 0.05  # seconds between sending an answer and the kill: a request takes about as long
CONSENT = {"consent": "yes", "name": "Ada"}
FORM = role_form("math.algebra", "math.proof", "science.physics", "society.law", minutes=240)


def response(item):
    """Right or wrong, and the same for an item in every run."""
    return right(item) if len(item.id) % 3 else wrong(item)


class Walker:
    """A client that sits a test on a server which is killed under it."""

    def __init__(self, database, seat, bank):
        self.engine, self.bank = store.connect(database), bank
        self.seat = seat
        self.path = f"/s/{sign(SECRET, 'sitting', seat)}"
        self.acknowledged: dict[str, dict] = {}  # question id -> what was said
        self.server = Phoenix(database, ASSAY_SECRET=SECRET)
        self.client = httpx.Client(base_url=self.server.url, timeout=30)

    def stop(self):
        self.client.close()
        self.server.end()

    def revive(self):
        self.client.close()
        self.server.kill()
        self.server.rise()
        self.client = httpx.Client(base_url=self.server.url, timeout=30)

    def question(self):
        """(id, form fields) of the question that is shown."""
        page = self.client.get(self.path)
        assert page.status_code == httpx.codes.OK
        return hidden(page.text, "question_id")[0], fields(page.text)

    def item(self, number):
        with store.reading(self.engine) as db:
            return self.bank.items[db.get_one(Question, int(number)).item_id]

    def send(self, number, form):
        said = response(self.item(number))
        try:
            answer = self.client.post(self.path, data=form | said | {"act": "answer"})
        except httpx.TransportError:
            return
        assert answer.status_code == httpx.codes.SEE_OTHER
        self.acknowledged[number] = said

    def send_and_kill(self, number, form, delay):
        """The answer is on its way when the server dies."""
        thread = threading.Thread(target=self.send, args=(number, form))
        thread.start()
        thread.join(delay)
        self.server.kill()
        thread.join()
        self.revive()


def set_up(database, bank):
    engine = store.connect(database)
    store.migrate(engine)
    with store.writing(engine) as db:
        now = datetime.now(UTC)
        scales.keep_up(db, bank, now)
        number = begin(db, FORM, now=now).id
    engine.dispose()
    return number


@pytest.mark.slow
def test_killed_at_random_moments_the_server_loses_and_repeats_nothing(tmp_path, bank):
    rng = np.random.default_rng(20261121)
    database = f"sqlite:///{tmp_path / 'assay.db'}"
    walker = Walker(database, set_up(database, bank), bank)
    moments = set(rng.choice(np.arange(1, QUESTIONS), KILLS, replace=False).tolist())
    try:
        for step in range(QUESTIONS):
            number, form = walker.question()
            if step not in moments:
                walker.send(number, form)
            elif rng.random() < 0.25:  # between two requests
                walker.revive()
                assert walker.question()[0] == number
                walker.send(number, form)
            else:
                walker.send_and_kill(number, form, rng.uniform(0, LONGEST_WAIT))
                resumed = walker.question()[0]
                assert (resumed == number) != kept(walker, number)  # the same question, unless its answer is kept
                walker.send(number, form)  # a client that heard nothing sends the same form once more
    finally:
        walker.stop()
    check_record(walker)
    check_replay(walker, tmp_path, bank)
    walker.engine.dispose()


def kept(walker, number):
    with store.reading(walker.engine) as db:
        return db.get_one(Question, int(number)).answer is not None


def check_record(walker):
    """Every acknowledged answer is there once, with its grade, and no item was asked twice."""
    with store.reading(walker.engine) as db:
        seat = db.get_one(Sitting, walker.seat)
        answered = {str(question.id): question for question in seat.questions if question.answer}
        items = [question.item_id for question in seat.questions]
        assert len(walker.acknowledged) == QUESTIONS
        assert set(walker.acknowledged) == set(answered)
        assert all(answered[number].answer.response == said for number, said in walker.acknowledged.items())
        assert len(items) == len(set(items))
        assert [question.number for question in seat.questions] == list(range(1, len(items) + 1))
        assert db.scalar(select(func.count(Grade.id))) == db.scalar(select(func.count(Answer.id))) == QUESTIONS


def check_replay(walker, folder, bank):
    """The same answers in the same time, without any interruption, are asked for by the same questions."""
    with store.reading(walker.engine) as db:
        seat = db.get_one(Sitting, walker.seat)
        told = [(question.item_id, question.answer.seconds) for question in seat.questions if question.answer]
    engine = store.connect(f"sqlite:///{folder / 'again.db'}")
    store.migrate(engine)
    with store.writing(engine) as db:
        now = datetime.now(UTC)
        scales.keep_up(db, bank, now)
        quiet = begin(db, FORM, now=now)
        for item_id, seconds in told:
            question = sitting.next_step(db, quiet, bank, now)
            assert question.item_id == item_id
            said = response(bank.items[item_id])
            sitting.answer(
                db, quiet, question, said, request_id=f"{question.id}", bank=bank, now=now, seconds=seconds
            )  # fmt: skip
    engine.dispose()


def at_once(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def check_races(database, tries=8):
    """Two clients answer one question at the same moment; two people press one last button."""
    with running(database) as front, front.visitor() as one, front.visitor() as two:
        mine = front.begin(one)
        for _ in range(tries):
            forms = [fields(client.get(mine).text) for client in (one, two)]
            item = front.item_of(one.get(mine))
            sent = at_once(
                lambda forms=forms, item=item: one.post(mine, data=forms[0] | right(item)),
                lambda forms=forms, item=item: two.post(mine, data=forms[1] | wrong(item)),
            )
            assert [page.status_code for page in sent] == [303, 303]
        questions = front.facts(select(func.count(Question.id)))[0][0]
        assert front.facts(select(func.count(Answer.id)))[0][0] == tries
        assert front.facts(select(func.count(Grade.id)))[0][0] == tries
        assert questions in {tries, tries + 1}
        asked = at_once(lambda: one.get(mine), lambda: two.get(mine))
        assert len({hidden(page.text, "question_id")[0] for page in asked}) == 1
        for number in range(tries // 2):
            link = front.invite(uses=2)
            with front.visitor() as first:
                front.begin(first, link)
            begun = at_once(*(lambda c=c, link=link: c.post(link, data=CONSENT) for c in (one, two)))
            assert sorted(page.status_code for page in begun) == [303, 410]  # one seat was left
            alone = front.invite()
            begun = at_once(*(lambda c=c, link=alone: c.post(link, data=CONSENT) for c in (one, two)))
            assert [page.status_code for page in begun] == [303, 303]  # to their one sitting
            assert len({page.headers["location"] for page in begun}) == 1
            assert front.facts(select(func.count(Sitting.id)))[0][0] == 1 + 3 * (number + 1)


def test_two_at_the_same_moment_have_one_effect(tmp_path):
    check_races(f"sqlite:///{tmp_path / 'assay.db'}")


@pytest.mark.postgres
def test_two_at_the_same_moment_have_one_effect_on_postgresql_too(postgres_url):
    check_races(postgres_url)
