"""Reviewers in figures: counted right, hidden where few, overturned by the last word, drift told from chance."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assignment.pooling import SLIP, slips
from assignment.reviewing import NOBODY, USUAL, Reviewing, read
from tests.conftest import NOON
from tests.vetting.bustle import program, queue, team
from vetting import programs, store
from vetting import scale as scales
from vetting.quality import delivery, reviewers, reviewing
from vetting.quality.reviewing import DRIFT, apart
from vetting.records import Applicant, Certificate, Program
from vetting.work_records import CustomerVerdict, Dispute, Offer, Outcome, Resolution, Review, Submission, Unit

numbers = count(1)
FIGURES = ("severity", "slip", "overturned", "minutes", "pace")


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Maker"], right_share=0.7)


@pytest.fixture
def where(db):
    return program(db, queue(reviews=1, units=900))


def judged(db, where, maker, said, *, third=None, customer=None, settled=True, seconds=60.0):
    """One unit, judged by {person: verdict}, decided by a third person or the customer where they are given."""
    n = next(numbers)
    at = NOON + timedelta(minutes=n)
    unit = Unit(at=at, program=where, queue="Proofs", number=n, pilot=False, content="")
    offer = Offer(at=at, unit=unit, applicant=maker, task="produce", why={})
    db.add(unit)
    work = Submission(at=at, unit=unit, offer=offer, wording=programs.wordings(where)["Proofs"], text="x",
                      request_id=f"made-{n}", seconds=60.0)  # fmt: skip
    db.add(work)
    for person, verdict in said.items():
        looked = Offer(at=at, unit=unit, applicant=person, task="review", why={})
        db.add(looked)
        db.add(Review(at=at, submission=work, offer=looked, request_id=f"said-{n}-{person.id}", verdict=verdict,
                      errors=["minor style"] if verdict == "send_back" else [], wrong_steps=[], because="seen",
                      seconds=seconds))  # fmt: skip
    if third:
        who, verdict = third
        dispute = Dispute(at=at, unit=unit, submission=work, reason="differ", by="verdicts")
        looked = Offer(at=at, unit=unit, applicant=who, task="resolve", why={})
        db.add(looked)
        db.add(Resolution(at=at, dispute=dispute, offer=looked, request_id=f"third-{n}", verdict=verdict, errors=[],
                          wrong_steps=[], because="so", seconds=60.0))  # fmt: skip
    if settled:
        db.add(Outcome(at=at, submission=work, applicant=maker, level=2, style=2, settled="agreed", verdict="accepted"))
    if customer is not None:
        db.add(CustomerVerdict(at=at, submission=work, level=customer, because="", by="them"))
    db.flush()
    return work


def told(db, where):
    db.expire_all()
    return {row["name"]: row for row in reviewers.account(db, where, NOON + timedelta(days=9))}


def test_figures_are_hidden_until_enough_verdicts_stand_behind_them(db, where, people):
    ada, *_, maker = people
    for _ in range(reviewers.LEAST - 1):
        judged(db, where, maker, {ada: "pass"})
    row = told(db, where)["Ada"]
    assert row["reviews"] == reviewers.LEAST - 1
    assert [row[name] for name in ("severity", "slip", "overturned", "minutes", "pace", "gold", "repeats")] == [
        None
    ] * 7
    judged(db, where, maker, {ada: "pass"})
    row = told(db, where)["Ada"]
    assert None not in [row[name] for name in FIGURES]
    assert row["severity"]["value"] < 0  # whoever passes everything is mild, as far as it is known
    assert row["passes"] > 0.5
    assert (row["gold"], row["repeats"]) == (None, None)


def test_a_verdict_is_overturned_by_the_last_word_on_its_content(db, where, people):
    ada, bea, cleo, maker = people
    judged(db, where, maker, {ada: "pass", bea: "reject"}, third=(cleo, "reject"))  # Ada is overturned
    judged(db, where, maker, {ada: "pass", bea: "reject"}, third=(cleo, "reject"), customer=2)  # then Bea
    judged(db, where, maker, {ada: "pass", bea: "reject"}, third=(cleo, "ambiguous"))  # neither
    judged(db, where, maker, {ada: "send_back", bea: "pass"}, third=(cleo, "pass"))  # errors of style: neither
    judged(db, where, maker, {ada: "pass", bea: "pass"}, settled=False)  # not known yet
    for _ in range(16):
        judged(db, where, maker, {ada: "pass", bea: "pass"})
    rows = told(db, where)
    for name in ("Ada", "Bea"):
        assert (rows[name]["reviews"], rows[name]["overturned"]["of"]) == (21, 20)
        assert rows[name]["overturned"]["share"] == pytest.approx(1 / 20)
    assert "Cleo" not in rows  # who only decided disputes gave no review


def test_pace_is_beside_what_everybody_takes_and_order_is_by_name(db, where, people):
    ada, bea, _, maker = people
    for n in range(20):
        judged(db, where, maker, {bea: "pass"}, seconds=120.0)
        judged(db, where, maker, {ada: "pass"}, seconds=360.0 if n else 7200.0)
    rows = told(db, where)
    assert list(rows) == ["Ada", "Bea"]
    assert (rows["Ada"]["minutes"], rows["Bea"]["minutes"]) == (6.0, 2.0)
    assert rows["Ada"]["pace"] == pytest.approx(3 * rows["Bea"]["pace"])


def test_the_report_has_the_same_figures_without_names(db, where, people):
    ada, *_, maker = people
    for _ in range(20):
        judged(db, where, maker, {ada: "pass"}, customer=2)
    mine, report = told(db, where)["Ada"], delivery.report(db, where, NOON + timedelta(days=9))
    hers, customers = report["reviewers"]
    assert hers == {name: value for name, value in mine.items() if name not in {"id", "name"}} | {
        "reviewer": f"expert {ada.id}"
    }
    assert customers["reviewer"].startswith("customer:")
    assert "Ada" not in str(report)
    assert report["digest"] == delivery.digest(report)


# -- measured once -----------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """How often somebody was measured."""
    seen, whole = [], reviewing.measure
    monkeypatch.setattr(reviewing, "measure", lambda *args, **named: seen.append(1) or whole(*args, **named))
    return seen


def look(engine, now=NOON):
    with store.reading(engine) as db:
        return [one.as_json() for one in reviewing.measured(db, now)]


def further(db, verdict):
    """One more verdict by Ada."""
    maker, ada = (db.scalars(select(Applicant).where(Applicant.name == name)).one() for name in ("Maker", "Ada"))
    judged(db, db.get_one(Program, 1), maker, {ada: verdict})


def test_the_same_facts_are_measured_once_and_other_facts_anew(engine, bank, counted):
    with store.writing(engine) as db:
        scales.keep_up(db, bank, NOON)
        _, maker = team(db, bank, ["Ada", "Maker"])
        program(db, queue(reviews=1, units=900))
        further(db, "pass")
        said = {"skill": "language.english", "level": "b2", "issuer": "x", "expires": NOON + timedelta(days=3)}
        db.add(Certificate(at=NOON, applicant=maker, **said))
    first = look(engine)
    assert (look(engine), len(counted), first[0]["verdicts"]) == (first, 1, 1)
    with Session(engine) as db:
        further(db, "reject")
        assert reviewing.measured(db, NOON)[0].found.verdicts == 2  # seen, and not kept: it is never committed
    assert (look(engine), len(counted)) == (first, 2)
    with store.writing(engine) as db:
        further(db, "send_back")
    assert look(engine)[0]["verdicts"] == 2
    look(engine)
    assert len(counted) == 3
    look(engine, NOON + timedelta(days=4))  # the paper has run out since
    assert len(counted) == 4


def test_two_databases_share_nothing(tmp_path, bank, counted):
    engines = [store.connect(f"sqlite:///{tmp_path / name}.db") for name in ("one", "two")]
    for engine, verdict in zip(engines, ("pass", "reject"), strict=True):
        store.migrate(engine)
        with store.writing(engine) as db:
            scales.keep_up(db, bank, NOON)
            ada, maker = team(db, bank, ["Ada", "Maker"])
            judged(db, program(db, queue(reviews=1, units=900)), maker, {ada: verdict})
    (mild,), (strict,) = (look(engine) for engine in engines)
    assert mild["severity"] < strict["severity"]
    assert [look(engine) for engine in engines] == [[mild], [strict]]
    assert len(counted) == 2
    with store.reading(engines[0]) as db, store.reading(engines[0]) as again:
        assert scales.of(scales.latest(db)) is scales.of(scales.latest(again))  # read once a database
    for engine in engines:
        engine.dispose()


# -- drift -------------------------------------------------------------------------------------------


def looked(rng, shift, before=100, after=50):
    """Standard errors between two readings of a judge whose severity moves by `shift` in between."""
    mean, variance = rng.normal(0.3, 0.6, 8), np.full(8, 0.06)
    group = rng.integers(0, 8, before + after)
    y = rng.normal(mean, np.sqrt(variance))[group] + rng.standard_normal(before + after)
    seen = np.digitize(y - np.repeat([0.1, 0.1 + shift], [before, after]), [-1.0, 0.0])
    labels = slips(np.array([SLIP]))[0]
    verdict = np.array([rng.choice(3, p=labels[k]) for k in seen])
    parts = slice(0, before), slice(before, None)
    nobody = np.full(len(group), NOBODY)
    return apart(*(read(mean, variance, group[part], verdict[part], nobody[part]) for part in parts))


@pytest.mark.slow
def test_a_judge_who_changed_is_flagged_and_one_who_did_not_is_not(rng):
    """One look in a hundred is a false alarm, so three of 60 are within what chance brings (P of more < .003)."""
    same = np.array([looked(rng, 0.0) for _ in range(60)])
    moved = np.array([looked(rng, 1.0) for _ in range(20)])
    assert (np.abs(same) > DRIFT).sum() <= 3
    assert abs(same.mean()) < 4 / np.sqrt(60)
    assert (moved > DRIFT).mean() > 0.5


def test_two_readings_are_held_apart_without_what_is_usual_of_both():
    """Normal algebra: a reading of sd .1 under a prior of .2 has its own precision 75, and its own mean 4/3 of it."""
    first, last = Reviewing(severity=0.0, severity_sd=0.1), Reviewing(severity=0.3, severity_sd=0.1)
    assert apart(first, last) == pytest.approx(0.4 / np.sqrt(2 / 75))
    assert apart(USUAL, last) is None
