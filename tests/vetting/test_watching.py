"""Models that grade, watched through the real tables: who changed counts no more, and everything stays told."""

import shutil
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import delete, func, select

from tests.conftest import NOON
from tests.vetting.story import spoken
from tests.vetting.test_rater_readings import MODEL, interview
from vetting import evidence, store
from vetting import scale as scales
from vetting.grades import desk, hearings, rater_changes, rater_drift, rater_page, rater_readings, watching
from vetting.grades.grading import Graded, Judged, Panel
from vetting.grades.rater_changes import RulingError
from vetting.grades.verdicts import Verdict
from vetting.models.llm import Access
from vetting.panel import Reading
from vetting.rater_records import PanelAccount, RaterChange, Steady, WatchStep
from vetting.records import Answer, Applicant, Referral

USUAL, STRICTER = Reading(0.9, severity=0.2), Reading(0.9, severity=0.8)
NUMBERS = {"discrimination": 0.9, "severity": 0.2, "sd_log_discrimination": 0.1, "sd_severity": 0.05}
PROBES = 12
STEADY = 300
PUBLISHED = NOON + timedelta(days=300)


def moment(number):
    return NOON + timedelta(days=number)


@pytest.fixture(scope="module")
def steady_file(tmp_path_factory, bank):
    """300 answers that people and one model graded, and a calibration that knows the model."""
    file = tmp_path_factory.mktemp("watch") / "steady.db"
    engine = store.connect(f"sqlite:///{file}")
    store.migrate(engine)
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        rng = np.random.default_rng(1)
        for number in range(STEADY):
            told(db, bank, rng, number, USUAL)
        db.flush()
        newest = scales.latest(db)
        scales.publish(db, {**newest.body, "raters": {MODEL: NUMBERS}}, "a test", "a test", PUBLISHED)
    assert watching.follow(engine, PUBLISHED) == []
    engine.dispose()
    return file


def told(db, bank, rng, number, read, model=MODEL):
    """One more interview, graded by a person and then by the model."""
    probe = list(bank.probes.values())[number % PROBES]
    scale = scales.of(scales.latest(db))
    return interview(db, scale, probe, rng, number, audited=True, at=moment(number), read=read, model=model)


@pytest.fixture
def world(steady_file, tmp_path):
    """A copy of it for each test."""
    shutil.copy(steady_file, tmp_path / "own.db")
    engine = store.connect(f"sqlite:///{tmp_path / 'own.db'}")
    yield engine
    engine.dispose()


def go_on(engine, bank, read, most, seed=1, first=1_000):
    """Further answers, one look after each ten, until a change is noticed; how many there were."""
    rng = np.random.default_rng(seed)
    for number in range(first, first + most):
        with store.writing(engine) as db:
            told(db, bank, rng, number, read)
        if number % 10 == 9 and watching.follow(engine, moment(number)):
            return number - first + 1
    return most


@pytest.fixture
def changed(world, bank):
    """The model became .6 sd stricter, which was noticed."""
    assert go_on(world, bank, STRICTER, 100) < 100
    return world


def graded_by_the_model_alone(db, bank, level=0):
    """An answer that only the model graded, through the door that keeps its verdicts."""
    probe = next(iter(bank.probes.values()))
    answer = interview_without_grades(db, probe)
    found = tuple(Graded(one.id, MODEL, Verdict(level, "", 0.9)) for one in probe.criteria)
    hearings.keep(db, answer, probe, Judged(found, ()), moment(1_500))
    db.refresh(answer)
    return answer


def interview_without_grades(db, probe):
    number = 5_000 + db.scalar(select(func.count(Answer.id)))
    return spoken(db, probe, "Something.", name=f"Late {number}", now=moment(1_500))


def waits(db, bank, answer):
    found = desk.tasks(db, bank, scales.of(scales.latest(db)), moment(1_600))
    return {one.lane for task in found if task.answer is answer for one in task.wanted}


def test_a_steady_model_goes_on_counting(world, bank, monkeypatch):
    go_on(world, bank, USUAL, 100)
    monkeypatch.setattr(desk.drawn, "__defaults__", (0.0,))
    with store.writing(world) as db:
        assert db.scalars(select(RaterChange)).all() == []
        assert db.scalar(select(func.count(WatchStep.id))) == 100
        answer = graded_by_the_model_alone(db, bank)
        assert {one.rater for one in answer.grades} == {MODEL}
        assert len(evidence.verdicts_on(answer.question, scales.of(scales.latest(db)))) == len(answer.grades)
        assert waits(db, bank, answer) == set()
        assert str(state(db)) == "steady over 100 answers since it counts."


def state(db):
    return watching.state(db, MODEL, watching.numbers(db), rater_changes.of(db))


def test_a_model_that_became_stricter_counts_no_more_and_its_answers_go_to_people(changed, bank):
    with store.writing(changed) as db:
        (change,) = db.scalars(select(RaterChange)).all()
        assert (change.rater, change.by, change.body["direction"]) == (MODEL, "watch", "stricter")
        assert "became stricter" in str(state(db))
        answer = graded_by_the_model_alone(db, bank)
        person = answer.question.sitting.applicant
        scale = scales.of(scales.latest(db))
        assert {one.rater for one in answer.grades} == {f"{MODEL}~{change.id}"}  # kept and shown
        assert evidence.verdicts_on(answer.question, scale) == []
        moved = evidence.belief(person, scale, moment(1_600)).belief
        assert moved.mean == pytest.approx(scale.population.mean)  # and moves nothing
        assert waits(db, bank, answer) == {"ungraded"}
        again = len(answer.grades)  # the same rater grades nothing twice, whatever it is called
        found = tuple(Graded(one.criterion, MODEL, Verdict(1, "", 0.9)) for one in answer.grades)
        hearings.keep(db, answer, bank.probes[answer.question.item_id], Judged(found, ()), moment(1_501))
        db.refresh(answer)
        assert len(answer.grades) == again


def test_what_was_said_before_is_read_as_before_and_what_led_to_the_alarm_goes_to_people(changed):
    with store.writing(changed) as db:
        (change,) = db.scalars(select(RaterChange)).all()
        sent = db.scalars(select(Referral)).all()
        assert {one.answer_id for one in sent} >= {change.body["since"]}
        assert len({one.answer_id for one in sent}) >= change.body["run"]
        assert all("it became stricter about here" in one.why for one in sent)
        scale = scales.of(scales.latest(db))
        for answer in db.scalars(select(Answer).order_by(Answer.id).limit(5)):
            before = evidence.verdicts_on(answer.question, scale, moment(999))
            assert [(one.grade.id, one.reading) for one in before] == [
                (one.grade.id, one.reading) for one in evidence.verdicts_on(answer.question, scale)
            ]
            assert MODEL in {one.grade.rater for one in before} or not before


def test_the_same_facts_give_the_same_steps(changed):
    with store.writing(changed) as db:
        kept = [(one.answer_id, one.stricter, one.milder) for one in db.scalars(select(WatchStep))]
        body = db.scalars(select(Steady)).one().body
        for kind in (Referral, WatchStep, RaterChange, Steady):
            db.execute(delete(kind))
    (number,) = watching.follow(changed, moment(3_000))
    with store.reading(changed) as db:
        change = db.get_one(RaterChange, number)
        (again,) = db.scalars(select(Steady)).all()
        assert again.body == body
        steps = [(one.answer_id, one.stricter, one.milder) for one in db.scalars(select(WatchStep))]
        assert steps == kept[: len(steps)]
        assert len(steps) == change.body["answers"]


def test_a_person_overrules_a_false_alarm_and_may_take_that_back(changed, bank):
    with store.writing(changed) as db:
        (change,) = db.scalars(select(RaterChange)).all()
        answer = graded_by_the_model_alone(db, bank)
        old = scales.of(scales.latest(db))
        with pytest.raises(RulingError, match="Say why"):
            rater_changes.rule(db, change, " ", moment(1_510), holds=False, by="bea")
        rater_changes.rule(db, change, "New probes only.", moment(1_510), holds=False, by="bea")
        with pytest.raises(RulingError, match="said already"):
            rater_changes.rule(db, change, "Twice.", moment(1_510), holds=False, by="bea")
        new = scales.of(scales.latest(db))
        assert [one.reading for one in evidence.verdicts_on(answer.question, new)] == [new.raters[MODEL]] * len(
            answer.grades
        )
        assert evidence.verdicts_on(answer.question, old) == []  # a sitting that began with the old scale keeps it
        assert rater_changes.of(db).called(MODEL) == MODEL
        task = [one for one in desk.tasks(db, bank, new, moment(1_600)) if one.lane == "referral"]
        assert task == []  # nobody looks at what led to a false alarm
        assert watching.pending(db, db.scalars(select(Steady)).one(), MODEL, rater_changes.of(db))[-1][0] == answer.id
        rater_changes.rule(db, change, "It did change.", moment(1_520), holds=True, by="dan")
        assert evidence.verdicts_on(answer.question, scales.of(scales.latest(db))) == []
        assert rater_changes.of(db).called(MODEL) == f"{MODEL}~{change.id}"


def test_a_calibration_that_knows_the_changed_model_lets_it_count_again(changed, bank, monkeypatch):
    with store.writing(changed) as db:
        (change,) = db.scalars(select(RaterChange)).all()
        name, rng = f"{MODEL}~{change.id}", np.random.default_rng(5)
        for number in range(2_000, 2_060):
            told(db, bank, rng, number, STRICTER, model=name)
        db.flush()
        old, new = rater_readings.measure(db, scales.of(scales.latest(db)), moment(2_100))
        assert (old.ended, new.ended, new.live) == (True, False, False)
        assert new.rater == name
        assert new.found.severity > old.found.severity
        monkeypatch.setattr(rater_readings, "SURE", 0.5)
        ready = [rater_readings.replace(one, lacking=()) for one in (old, new)]
        made = scales.of(rater_readings.publish(db, ready, "a test", moment(2_100)))
        assert made.raters[MODEL] == Reading(**NUMBERS)  # as it was read before it changed
        assert made.raters[name].severity == pytest.approx(new.found.severity)
        with pytest.raises(RulingError, match="count by their own numbers"):
            rater_changes.rule(db, change, "No.", moment(2_101), holds=False, by="bea")
        answer = graded_by_the_model_alone(db, bank)
        assert evidence.verdicts_on(answer.question, made)
        assert str(watching.state(db, name, watching.numbers(db), rater_changes.of(db))).startswith(
            "not watched yet: 61"
        )


def test_a_person_who_knows_of_a_change_says_so(world, bank):
    with store.writing(world) as db:
        with pytest.raises(RulingError, match="whose verdicts count"):
            rater_changes.tell(db, "model:nobody@1", "Why not.", moment(900), by="bea")
        change = rater_changes.tell(db, MODEL, "The provider wrote to us.", moment(900), by="bea")
        assert rater_changes.of(db).called(MODEL) == f"{MODEL}~{change.id}"
        assert rater_changes.counting(db, rater_changes.of(db)) == []
        assert evidence.verdicts_on(graded_by_the_model_alone(db, bank).question, scales.of(scales.latest(db))) == []
    assert watching.follow(world, moment(1_600)) == []


def test_grading_any_answer_brings_the_watch_up_to_date(world, bank):
    rng = np.random.default_rng(1)
    with store.writing(world) as db:
        for number in range(1_000, 1_060):
            told(db, bank, rng, number, STRICTER)
        late = interview_without_grades(db, next(iter(bank.probes.values()))).id
    hearings.grade_kept(world, late, bank, Panel(Access(), offline=True), moment(1_500))
    with store.reading(world) as db:
        assert [one.rater for one in db.scalars(select(RaterChange))] == [MODEL]


def test_a_change_leaves_what_was_believed_at_any_moment_as_it_was(world, bank):
    def then():
        with store.reading(world) as db:
            scale = scales.of(scales.latest(db))
            people = db.scalars(select(Applicant).order_by(Applicant.id).limit(320)).all()[-40:]
            return [evidence.gather(one.sittings, [], [], scale, moment(1_019), moment(1_019)) for one in people]

    go_on(world, bank, STRICTER, 20)
    before = then()
    assert go_on(world, bank, Reading(0.9, severity=1.4), 80, seed=2, first=1_020) < 80
    for old, new in zip(before, then(), strict=True):
        assert (old.level.tolist(), old.blur.tolist()) == (new.level.tolist(), new.blur.tolist())
        assert old.items.threshold.tolist() == new.items.threshold.tolist()


def test_both_databases_tell_the_same_of_raters(engine, bank):
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        body = scales.latest(db).body
        for number in range(2):
            told(db, bank, np.random.default_rng(number), number, USUAL)
        scales.publish(db, {**body, "raters": {MODEL: NUMBERS}}, "a test", "a test", moment(3))
        scales.publish(db, {**body, "raters": {MODEL: NUMBERS}}, "another", "a test", moment(4))
    assert watching.follow(engine, moment(5)) == []
    with store.writing(engine) as db:
        assert rater_drift.known_since(db, [MODEL]) == {MODEL: moment(3)}
        assert watching.by_answer(db, [MODEL])[1][2] == moment(1)
        rater_changes.tell(db, MODEL, "The provider wrote to us.", moment(6), by="bea")
        first, second = rater_page.raters(db).rows
        assert (first.name, first.standing, first.answers) == (MODEL, rater_page.CHANGED, 2)
        assert (second.name, second.standing, second.last) == ("human:bea", rater_page.PEOPLE, moment(1))
        assert [one.rater for one in rater_page.alarms(db)] == [MODEL]


def test_raters_are_measured_anew_once_verdicts_have_grown(world):
    rater_readings.keep_up(world, moment(900))
    rater_readings.keep_up(world, moment(901))
    with store.writing(world) as db:
        (account,) = db.scalars(select(PanelAccount)).all()
        (row,) = [one for one in rater_page.raters(db).rows if one.name == MODEL]
        assert (row.measured, row.answers) == (account.body["raters"][0], STEADY)
        assert row.measured["agreement"]["low"] < row.measured["agreement"]["value"] < row.measured["agreement"]["high"]
        account.body = {**account.body, "verdicts": account.body["verdicts"] * 0.79}  # as if there had been fewer
    rater_readings.keep_up(world, moment(902))
    with store.reading(world) as db:
        assert db.scalar(select(func.count(PanelAccount.id))) == 2
