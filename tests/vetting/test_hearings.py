"""Gradings on record: kept whole, graded once, read again to the same verdicts; the answer survives every fault."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import select

from item_bank.load import load
from tests.conftest import NOON, serve
from tests.llm_server import Say, refused_address, serving
from tests.vetting.attacks.models import Seen, honest, reply
from tests.vetting.story import WHY, begin
from vetting import scale as scales
from vetting import store
from vetting.grades import hearings, rater_changes
from vetting.grades.grading import NOTHING_SAID, Panel, Rater, panel
from vetting.grades.offline_rater import RATER
from vetting.models.llm import Access
from vetting.models.prompts import Prompt, prompt
from vetting.records import Answer, Grade, ModelCall, Question, Referral, Turn

FREE = {f"openai/{name}": (0.0, 0.0) for name in ("one", "two", "absent")}
PROBE = next(probe for probe in load().probes.values() if probe.language == "en")


def weak(level):
    return "\n".join(one.levels[level].example for one in PROBE.criteria)


def asked_and_said(db, text):
    """An interview's question with its opening, and what was said to it."""
    seat = begin(db)
    question = Question(at=NOON, sitting=seat, number=1, item_id=PROBE.id, revision=PROBE.revision, why=WHY)
    question.turns = [
        Turn(at=NOON, number=1, who="asks", text=PROBE.opening, move={}),
        Turn(at=NOON, number=2, who="says", text=text, move={}),
    ]
    answer = Answer(at=NOON, question=question, request_id="one", response={}, seconds=60.0)
    db.add(answer)
    db.flush()
    return answer.id


@pytest.fixture
def kept(engine, bank):
    """Keep an answer; its id."""

    def keep(text):
        with store.writing(engine) as db:
            scales.keep_up(db, bank, NOON)
            return asked_and_said(db, text)

    return keep


@pytest.fixture
def small(sqlite_engine):
    return sqlite_engine


@pytest.fixture
def once(sqlite_engine, bank):
    """The same on SQLite alone."""

    def keep(text):
        with store.writing(sqlite_engine) as db:
            scales.keep_up(db, bank, NOON)
            return asked_and_said(db, text)

    return keep


def graders(*models, **others):
    access = Access(models, **({"seconds": 5.0, "deadline": 8.0, "prices": FREE} | others))
    return panel(access, models)


def facts(engine, answer_id):
    with store.reading(engine) as db:
        grades = db.scalars(select(Grade).where(Grade.answer_id == answer_id).order_by(Grade.id)).all()
        found = [(one.criterion, one.rater, one.level, one.quote, one.confidence) for one in grades]
        referred = {one.criterion: one.why for one in db.scalars(select(Referral))}
        calls = db.scalars(select(ModelCall).order_by(ModelCall.id)).all()
        return found, referred, [(one.purpose, one.fault, one.answer_id) for one in calls]


def test_a_grading_is_kept_with_its_quotes_raters_and_calls(engine, bank, kept):
    answer = kept(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"), server.named("two"))
        hearings.grade_kept(engine, answer, bank, by, NOON)
    grades, referred, calls = facts(engine, answer)
    assert referred == {}
    assert {(criterion, rater) for criterion, rater, *_ in grades} == {
        (one.id, rater.id) for one in PROBE.criteria for rater in by.raters
    }
    assert all(level == 1 and quote and quote in weak(1) for _, _, level, quote, _ in grades)
    assert len(calls) == 2 * (1 + len(PROBE.criteria))
    with store.reading(engine) as db:
        assert all(grade.call.prompt_version == by.raters[0].prompt.version for grade in db.scalars(select(Grade)))


def test_grading_twice_keeps_the_first_verdicts(engine, bank, kept):
    answer = kept(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"))
        hearings.grade_kept(engine, answer, bank, by, NOON)
        first, _, calls = facts(engine, answer)
        hearings.grade_kept(engine, answer, bank, by, NOON)
    again, _, more = facts(engine, answer)
    assert again == first
    assert len(more) == 2 * len(calls)


def test_no_transaction_is_open_while_a_model_thinks(sqlite_engine, bank):
    with store.writing(sqlite_engine) as db:
        scales.keep_up(db, bank, NOON)
        answer = asked_and_said(db, weak(1))

    def writes_meanwhile(request):
        with store.writing(sqlite_engine) as db:
            db.add(Referral(at=NOON, answer_id=answer, criterion="meanwhile", rater="test", why="another process"))
        return honest(request)

    with serving(writes_meanwhile) as server:
        hearings.grade_kept(sqlite_engine, answer, bank, graders(server.named("one")), NOON)
    grades, referred, _ = facts(sqlite_engine, answer)
    assert len(grades) == len(PROBE.criteria)
    assert "meanwhile" in referred


def test_the_command_grades_what_waits_in_the_database_once(assay, tmp_path, bank):
    url = f"sqlite:///{tmp_path / 'assay.db'}"
    engine = store.connect(url)
    store.migrate(engine)
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        answer = asked_and_said(db, weak(1))
    engine.dispose()
    told = []
    with serving(honest) as server:
        for _ in range(2):
            done = assay("grade", "--raters", server.named("one"), "--database", url, "--json")
            assert done.returncode == 0, done.stderr
            told.append(json.loads(done.stdout))
    assert told == [[{"answer": answer, "grades": len(PROBE.criteria), "people": 0}], []]


def test_a_running_server_grades_what_waits_and_a_killed_one_goes_on(tmp_path, bank):
    url = f"sqlite:///{tmp_path / 'assay.db'}"
    engine = store.connect(url)
    store.migrate(engine)
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        answer = asked_and_said(db, weak(1))
    with serving(Say(fault="time-out")) as silent:
        killed = serve(url, ASSAY_MODELS=silent.named("one"))
        until(lambda: silent.requests)
        killed.kill()
    assert facts(engine, answer) == ([], {}, [])
    with serving(honest) as model:
        server = serve(url, ASSAY_MODELS=model.named("one"))
        until(lambda: facts(engine, answer)[0])
        server.kill()
    assert len(facts(engine, answer)[0]) == len(PROBE.criteria)
    engine.dispose()


def until(holds, seconds=60):
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


# -- regrading -------------------------------------------------------------------------------------


def test_regrading_reads_the_same_verdicts_from_the_kept_replies_and_asks_nobody(engine, bank, kept):
    answer = kept(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"), f"{server.named('two')}")
        hearings.grade_kept(engine, answer, bank, by, NOON)
        asked = len(server.requests)
        version = by.raters[0].prompt.version
        with store.reading(engine) as db:
            again = hearings.regrade(db, version)
        assert len(server.requests) == asked
    assert len(again) == 2 * len(PROBE.criteria)
    assert all(one.same for one in again)
    assert {one.now.level for one in again} == {1}


def test_regrading_shows_where_a_kept_reply_no_longer_gives_the_verdict_on_record(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"))
        hearings.grade_kept(small, answer, bank, by, NOON)
    with store.writing(small) as db:
        db.scalars(select(Grade).order_by(Grade.id)).first().level = 0  # as nobody should
    with store.reading(small) as db:
        again = hearings.regrade(db, by.raters[0].prompt.version)
    assert [one.same for one in again].count(False) == 1


def test_regrading_misses_a_verdict_that_no_reply_gives(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"))
        hearings.grade_kept(small, answer, bank, by, NOON)
    with store.writing(small) as db:
        db.add(Grade(at=NOON, answer_id=answer, rater=by.raters[0].id, criterion="invented", level=3))
    with store.reading(small) as db:
        again = hearings.regrade(db, by.raters[0].prompt.version)
    assert [one.then.criterion for one in again if not one.same] == ["invented"]


def test_an_answer_graded_twice_gives_the_verdicts_on_record_again(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"))
        hearings.grade_kept(small, answer, bank, by, NOON)
        hearings.grade_kept(small, answer, bank, by, NOON)
    with store.reading(small) as db:
        again = hearings.regrade(db, by.raters[0].prompt.version)
    assert len(again) == len(PROBE.criteria)
    assert all(one.same for one in again)


def test_a_rater_that_changed_is_another_on_record_and_its_replies_are_read_again(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"))
        with store.writing(small) as db:
            change = rater_changes.note(db, by.raters[0].id, "Its provider said so.", NOON, by="bea").id
        hearings.grade_kept(small, answer, bank, by, NOON)
    with store.reading(small) as db:
        again = hearings.regrade(db, by.raters[0].prompt.version)
        assert set(db.scalars(select(Grade.rater))) == {f"{by.raters[0].id}~{change}"}
    assert len(again) == len(PROBE.criteria)
    assert all(one.same for one in again)


def test_verdicts_under_an_older_wording_of_a_prompt_stay_readable(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        model = server.named("one")
        older = Prompt("grade", prompt("grade").text.replace("nothing else.", "nothing more.", 1))
        by = Panel(Access((model,), seconds=5, deadline=8, prices=FREE), (Rater(model, older),))
        hearings.grade_kept(small, answer, bank, by, NOON)
        hearings.grade_kept(small, answer, bank, graders(model), NOON)
        asked = len(server.requests)
        with store.reading(small) as db:
            again = hearings.regrade(db, older.version)
        assert len(server.requests) == asked
    assert older.version != prompt("grade").version
    assert {one.now.rater for one in again} == {f"model:openai/one@{older.version}"}
    assert len(again) == len(PROBE.criteria)
    assert all(one.same for one in again)


def test_an_unknown_version_has_nothing_to_read_again(small, once):
    once(weak(1))
    with store.reading(small) as db:
        assert hearings.regrade(db, "0" * 12) == []


# -- faults ----------------------------------------------------------------------------------------


def forged(request):
    return reply(Seen(request).codes[0 if Seen(request).is_control else -1], "Words that nobody said here at all.")


def wrong_level(_request):
    return json.dumps({"level": "3", "quote": "", "confidence": 1})


FAULTS = {
    "time-out": (Say(fault="time-out"), "time-out"),
    "429": (Say(fault="429", retry_after=60), "rate limit"),
    "500": (Say(fault="500"), "provider down"),
    "cut": (Say("{}", fault="cut"), "provider down"),
    "bad JSON": (Say("The level is three."), "not JSON"),
    "wrong level": (wrong_level, "wrong form"),
    "forged quote": (forged, "the quote does not stand"),
}


def patience(fault):
    """Short only where nothing ever comes: a busy machine is slow to say that something went wrong."""
    return {"seconds": 1.0, "deadline": 6.0} if fault == "time-out" else {"seconds": 20.0, "deadline": 40.0}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_models_do_the_answer_stays_and_people_are_told_why(small, bank, once, fault):
    answer = once(weak(1))
    say, why = FAULTS[fault]
    with serving(say) as server:
        by = graders(server.named("one"), **patience(fault))
        hearings.grade_kept(small, answer, bank, by, NOON)
    grades, referred, calls = facts(small, answer)
    assert grades == []
    assert set(referred) == {one.id for one in PROBE.criteria}
    assert all(why in said for said in referred.values())
    assert calls
    assert all(answer_id == answer for _, _, answer_id in calls)
    with store.reading(small) as db:
        assert db.get_one(Answer, answer).question.turns[1].text == weak(1)


@pytest.mark.parametrize("fault", FAULTS)
def test_another_model_steps_in_where_the_first_fails(small, bank, once, fault):
    answer = once(weak(1))
    say, _ = FAULTS[fault]
    with serving(say) as failing, serving(honest) as server:
        models = (failing.named("one"), server.named("two"))
        by = panel(Access(models, prices=FREE, **patience(fault)), models[:1])
        hearings.grade_kept(small, answer, bank, by, NOON)
    grades, referred, _ = facts(small, answer)
    assert {(criterion, level) for criterion, _, level, _, _ in grades} == {(one.id, 1) for one in PROBE.criteria}
    assert {rater.partition("@")[0] for _, rater, *_ in grades} == {"model:openai/two"}
    assert referred == {}


def test_a_provider_that_is_not_there_sends_the_answer_to_people(small, bank, once):
    answer = once(weak(1))
    hearings.grade_kept(small, answer, bank, graders(refused_address(), deadline=3.0), NOON)
    grades, referred, _ = facts(small, answer)
    assert grades == []
    assert all("provider down" in why for why in referred.values())


def test_spent_money_sends_the_answer_to_people_and_asks_nobody(small, bank, once):
    answer = once(weak(1))
    with serving(honest) as server:
        by = graders(server.named("one"), prices={"openai/one": (1.0, 1.0)}, money=1e-6)
        hearings.grade_kept(small, answer, bank, by, NOON)
        assert server.requests == []
    _, referred, calls = facts(small, answer)
    assert all("budget spent" in why for why in referred.values())
    assert {fault for _, fault, _ in calls} == {"budget spent"}


def test_an_answer_that_says_nothing_is_the_lowest_level_without_any_model(small, bank, once):
    answer = once("Thought process:")
    with serving(honest) as server:
        hearings.grade_kept(small, answer, bank, graders(server.named("one")), NOON)
        assert server.requests == []
    grades, referred, _ = facts(small, answer)
    assert {(rater, level) for _, rater, level, _, _ in grades} == {(NOTHING_SAID, 0)}
    assert referred == {}


def test_the_rater_that_counts_words_grades_without_any_key(small, bank, once):
    answer = once(weak(2))
    hearings.grade_kept(small, answer, bank, panel(Access(), [], offline=True), NOON)
    grades, referred, _ = facts(small, answer)
    assert {rater for _, rater, *_ in grades} == {RATER}
    assert set(referred) == {one.id for one in PROBE.criteria}
