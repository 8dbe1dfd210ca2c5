"""Model graders: found strict and dull as they are, in the shadow until surely known, counted afterwards."""

from datetime import timedelta

import numpy as np
import pytest

from irt.model import probability
from tests.conftest import NOON
from tests.vetting.story import spoken
from vetting import evidence, panel, store
from vetting import scale as scales
from vetting.grades import rater_readings
from vetting.grades.rater_drift import known_since
from vetting.panel import Reading
from vetting.records import Grade, Turn

STRICT = Reading(0.7, severity=0.5)
MODEL = "model:one@abc"
HOUR = timedelta(hours=1)


def interview(db, scale, probe, rng, number, *, audited, at=NOON, read=STRICT, model=MODEL):
    """A person's interview with a follow-up on each criterion, graded by the model and perhaps by a person."""
    answer = spoken(db, probe, "Something.", name=f"Person {number}")
    for k, criterion in enumerate(probe.criteria):
        about = {"kind": "follow_up", "id": f"f{k}", "criterion": criterion.id}
        for n, (who, move) in enumerate((("asks", about), ("says", {"act": "answer"}))):
            db.add(Turn(at=NOON, question=answer.question, number=3 + 2 * k + n, who=who, text="More.", move=move))
    db.flush()
    db.refresh(answer.question)
    theta = rng.multivariate_normal(scale.population.mean, scale.population.cov)
    shared = rng.normal()
    if audited:
        grade(db, scale, answer, probe, rng, "human:bea", panel.KINDS["human"], theta, shared, at)
    grade(db, scale, answer, probe, rng, model, read, theta, shared, at)
    return answer


def grade(db, scale, answer, probe, rng, rater, read, theta, shared, at):
    asked = evidence.asked_about(answer.question)
    for row, criterion in zip(scale.probes.of(probe.id), probe.criteria, strict=True):
        sure = Reading(read.discrimination, read.severity)  # the rater as it is, without our doubt about it
        seen = evidence.as_read(scale, np.array([row]), [sure]).after(np.array([asked[criterion.id]]))
        s = (seen.items.slope * theta[seen.items.skill]).sum() + seen.effect[0] * shared
        s += rng.normal() * seen.blur[0] ** 0.5
        chance = probability(np.array([s]), seen.items)[0]
        level = int(rng.choice(len(chance), p=chance / chance.sum()))
        db.add(Grade(at=at, answer=answer, rater=rater, criterion=criterion.id, level=level, confidence=0.9))


@pytest.fixture
def sqlite_db(sqlite_engine, bank):
    """A session on an embedded database: nothing here depends on which one it is."""
    with store.writing(sqlite_engine) as session:
        scales.keep_up(session, bank, NOON)
        yield session


@pytest.fixture
def world(sqlite_db, bank):
    """60 interviews on one probe, every one graded by a strict model and by a person."""
    db, rng = sqlite_db, np.random.default_rng(7)
    scale = scales.of(scales.latest(db))
    probe = next(iter(bank.probes.values()))
    for number in range(60):
        interview(db, scale, probe, rng, number, audited=True)
    db.flush()
    return db, scale, probe


def test_a_strict_model_is_found_strict_and_counts_once_it_is_published(world, monkeypatch):
    db, scale, probe = world
    monkeypatch.setattr(rater_readings, "SURE", 0.3)  # one unvalidated probe tells less than a bank of them
    (found,) = rater_readings.measure(db, scale, NOON)
    assert found.rater == MODEL
    assert found.answers == found.beside == 60
    assert abs(found.found.severity - STRICT.severity) < 3 * found.found.severity_se
    gap = found.found.log_discrimination - np.log(STRICT.discrimination)
    assert abs(gap) < 3 * found.found.log_discrimination_se
    assert found.mean_level.value > found.model_mean  # people are milder
    assert not found.live
    assert panel.reading(MODEL, scale.raters) is None
    made = rater_readings.publish(db, [found], "a test", NOON)
    assert found.lacking == ()
    known = panel.reading(MODEL, scales.of(made).raters)
    assert known.severity == pytest.approx(found.found.severity)
    assert len(scales.of(made).probes.criteria.ids) >= len(probe.criteria)
    assert found.watch is None


def test_a_model_is_watched_from_the_calibration_on_that_made_it_count(sqlite_db, bank):
    db, rng = sqlite_db, np.random.default_rng(9)
    scale, probe = scales.of(scales.latest(db)), next(iter(bank.probes.values()))
    interview(db, scale, probe, rng, 1, audited=True)
    numbers = {"discrimination": 0.7, "severity": 0.5, "sd_log_discrimination": 0.1, "sd_severity": 0.05}
    for hour, known in ((1, {MODEL: numbers}), (5, {MODEL: numbers, "model:other@x": numbers})):
        made = scales.publish(db, {**scales.latest(db).body, "raters": known}, "a test", "a test", NOON + hour * HOUR)
    assert known_since(db, [MODEL, "model:other@x", "model:unknown@x"]) == {
        MODEL: NOON + HOUR, "model:other@x": NOON + 5 * HOUR,
    }  # fmt: skip
    interview(db, scale, probe, rng, 2, audited=False, at=NOON + 2 * HOUR)
    (found,) = rater_readings.measure(db, scales.of(made), NOON)
    assert (found.watch.steady, found.watch.since, found.watch.alarm) == (2, 0, None)
    assert str(found.watch) == "not watched yet: 2 of the 300 answers that tell what is steady are there."


def test_few_grades_leave_a_model_in_the_shadow_with_the_reason(sqlite_db, bank):
    scale, rng = scales.of(scales.latest(sqlite_db)), np.random.default_rng(8)
    probe = next(iter(bank.probes.values()))
    for number in range(6):
        interview(sqlite_db, scale, probe, rng, number, audited=number < 2)
    (found,) = rater_readings.measure(sqlite_db, scale, NOON)
    assert any("2 of its answers" in reason for reason in found.lacking)
    assert any("severity is known to" in reason for reason in found.lacking)
    assert rater_readings.publish(sqlite_db, [found], "a test", NOON) is None


def test_nobody_graded_is_an_empty_list(sqlite_db):
    assert rater_readings.measure(sqlite_db, scales.of(scales.latest(sqlite_db)), NOON) == []
