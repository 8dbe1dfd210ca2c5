"""Units read by columns say what units read as records say, wherever they stand; texts come one unit at a time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.conftest import NOON
from tests.vetting.bustle import do, program, queue, team
from tests.vetting.test_learning import WHY
from tests.vetting.test_work import scaled
from vetting import programs
from vetting.offers import offering, uploads
from vetting.quality import chains, delivery, gate, progress
from vetting.units import ledger, suspicion, work
from vetting.work_records import Offer

LATER = NOON + timedelta(days=30)


@pytest.fixture
def people(db, bank):
    return team(db, bank, ["Ada", "Bea", "Cleo", "Dora", "Eli"])


@pytest.fixture
def busy(db, people, rng):
    """Chains that are made and chains that are judged, in every state: some verdicts differ, some work is suspected."""
    made = program(db, queue("Chains", kind="process_supervision", units=40, reviews=2, second=0.3),
                   queue("Checks", kind="verification", units=40, reviews=1))  # fmt: skip
    scaled(db, made, "Chains")
    scaled(db, made, "Checks")
    chains_, checks_ = programs.queues_of(made)
    offering.add_units(db, made, chains_, [f"Show that {n} is even." for n in range(16)], NOON)
    rows = [(n, uploads.UnitForm(text=f"1. {n} is odd.\n2. So is {n}.", tags=["odd"])) for n in range(16)]
    uploads.keep(db, made, checks_, rows, name="odd.csv", by="lead", now=NOON)
    for form in (chains_, checks_):
        for unit in work.whole(made, form.name, db):
            story(db, unit, rng.permutation(people), rng)
    db.expire_all()
    return made


def story(db, unit, people, rng):
    """What happens to a unit: each next step only most of the time."""
    steps = iter(people)
    maker, again = next(steps), 0
    acts = [("produce", maker), *[("review", next(steps)) for _ in range(2)], ("resolve", next(steps))]
    while acts:
        task, person = acts.pop(0)
        if task == "resolve" and work.open_dispute(unit) is None:
            continue
        if task == "review" and unit.submissions[-1].outcome is not None:
            continue
        if rng.random() < 0.1 or not step(db, unit, task, person, rng):
            return
        db.expire(unit)
        if work.state(unit, NOON) == "sent back" and not again:
            again, acts = 1, [("produce", maker)]
    if rng.random() < 0.4:
        flag = suspicion.suspect(db, unit.submissions[-1], "copied", "seen before", "Bea", NOON)
        if rng.random() < 0.6:
            suspicion.find(db, flag, upheld=rng.random() < 0.5, because="looked", by="lead", now=NOON)


def step(db, unit, task, person, rng):
    """One offer and what comes of it; whether something was made of it."""
    offer = Offer(at=NOON, unit=unit, applicant=person, task=task, why=WHY)
    db.add(offer)
    db.flush()
    taken = rng.random() < 0.95
    work.reply(db, offer, NOON, taken=taken)
    if not taken or rng.random() < 0.07:
        return False
    bad = rng.random() < 0.3
    said = ("invalid" if bad else "valid") if unit.queue == "Checks" else ("send_back" if bad else "pass")
    do(db, offer, NOON, text="1. two\n2. four\n3. six", label=said if task == "produce" else None, verdict=said,
       wrong_steps=[2] if bad and (task != "produce" or unit.queue == "Checks") else [])  # fmt: skip
    return True


def told(unit, queue, now):
    """Everything that pages, reports and files say of a unit."""
    last = unit.submissions[-1] if unit.submissions else None
    return {
        "number": unit.number, "state": work.state(unit, now),
        "judgements": [gate.judgements(one) for one in unit.submissions],
        "all": last and delivery.all_judgements(last), "row": delivery.unit_row(unit, queue, None, now),
        "makers": work.makers(unit), "steps": [chains.step_status(one) for one in unit.submissions],
    }  # fmt: skip


def test_columns_say_what_records_say_in_every_state(db, busy):
    where, now = busy, NOON
    seen: Counter[str] = Counter()
    for form in programs.queues_of(where):
        for moment in (now, now + timedelta(hours=30), LATER):
            light = ledger.entries(db, where, form.name, moment)
            records = work.whole(where, form.name, db)
            assert [told(one, form, moment) for one in ledger.with_texts(db, light)] == [
                told(one, form, moment) for one in records
            ]
            assert delivery.confidence(light, form) == delivery.confidence(records, form)
            assert progress.agreement(light, form) == progress.agreement(records, form)
            seen += progress.states(records, moment)
    assert {"waiting", "in work", "checked", "disputed", "held", "rejected", "accepted"} <= set(seen)


def test_a_file_of_units_is_made_while_it_is_read(db, busy):
    """The texts of one unit are there at a time; the file is what the rows say, and may be left in the middle."""
    where, now = busy, NOON
    light = ledger.entries(db, where, "Chains", now)
    passing = ledger.with_texts(db, light)
    first = next(passing)
    assert first.content
    next(passing)
    assert (first.content, *{made.text for made in first.submissions}) in {("",), ("", "")}
    passing.close()
    assert list(ledger.with_texts(db, [])) == []
    rows = list(delivery.export(db, where, now, unfinished=True))
    assert len(rows) == 32
    lines = delivery.as_csv(delivery.export(db, where, now, unfinished=True))
    assert next(lines).startswith("program,queue,unit,")
    assert sum(1 for _ in lines) == 32
    assert {tuple(row["tags"]) for row in rows if row["queue"] == "Checks"} == {("odd",)}


def test_a_part_of_the_log_is_the_same_part_of_all_of_it(db, busy):
    where = busy
    log = delivery.adjudications(db, where)
    assert len(log) > 3
    assert delivery.adjudications(db, where, slice(1, 3)) == log[1:3]
    by_records = [
        (unit.queue, unit.number) for form in programs.queues_of(where)
        for unit in work.whole(where, form.name, db) for _ in unit.disputes
    ]  # fmt: skip
    assert [(one["queue"], one["unit"]) for one in log] == by_records
    report = delivery.report(db, where, LATER)
    assert report["disputes"] == {"opened": len(log), "open": sum(one["decided"] is None for one in log)}
