"""The database's search for a unit finds what a look at every unit would find."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import event, select

from tests.conftest import NOON
from tests.vetting.bustle import do, planned, queue, take, team
from tests.vetting.test_work import scaled
from vetting import programs
from vetting.offers import desks, offering
from vetting.offers.waiting import candidates
from vetting.records import Applicant, Availability, Program
from vetting.units import suspicion, work
from vetting.work_records import Submission

RULES = {
    "rework": lambda unit, _, desk: offering.back_to_its_maker(unit, desk.person, desk.now),
    "resolve": offering.may_resolve,
    "produce": offering.may_make,
    "review": offering.may_review,
    "second": offering.may_second,
}


def same_as_looking_at_all(db, person, program, now):
    """The first unit found for each task, having checked each against a look at every unit; nothing is searched for
    somebody with work in hand."""
    found = {}
    if offering.current(db, person, now) is not None:
        return found
    for desk in offering.desks(db, person, now, program):
        for one in desk.setting.queues:
            every = work.whole(program, one.name, db)
            for task, rule in RULES.items():
                wanted = next((unit for unit in every if rule(unit, one, desk)), None)
                offered = candidates(db, program, one, task, person, now)
                assert next((unit for unit in offered if rule(unit, one, desk)), None) is wanted, task
                found[task] = found.get(task) or wanted
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_search_finds_the_unit_that_a_look_at_all_units_would(db, bank, seed):
    """Steps of people who leave, lapse, disagree, object and suspect, on a queue with every kind of check."""
    rng = np.random.default_rng(seed)
    people = team(db, bank, ["Ada", "Bea", "Cleo", "Dora"])
    for person, name in zip(people, ["red", "red", "blue", "blue"], strict=True):
        had = programs.offer(person)
        db.add(Availability(at=NOON, applicant=person, hours=had.hours, pay=had.pay, languages=["en"], team=name))
    db.flush()
    db.expire_all()
    rules = {"units": 8, "reviews": 1.5, "second": 0.5, "outside_team": seed == 3}
    program = planned(db, queue(**rules))
    if seed > 1:
        scaled(db, program)
    now, met = NOON, set()
    for _ in range(24):
        now += timedelta(hours=float(rng.choice([1, 1, 30])))
        person = people[rng.integers(len(people))]
        found = same_as_looking_at_all(db, person, program, now)
        met |= {task for task, unit in found.items() if unit is not None}
        act(db, person, now, rng)
    assert met >= {"produce", "review"}


def act(db, person, now, rng):
    """Something that people do with what they are offered."""
    offer = offering.next_offer(db, person, now)
    if offer is None:
        return
    if offer.reply is None:
        work.reply(db, offer, now, taken=bool(rng.random() < 0.8))
    if offer.reply.taken and rng.random() < 0.15:
        work.give_back(db, offer, now)
    elif offer.reply.taken and rng.random() < 0.8:
        done = do(db, offer, now, verdict=str(rng.choice(["pass", "send_back", "reject"], p=[0.5, 0.3, 0.2])))
        if isinstance(done, Submission) and rng.random() < 0.1:
            flag = suspicion.suspect(db, done, "copied", "looks like it", "test", now)
            if rng.random() < 0.7:
                suspicion.find(db, flag, upheld=bool(rng.random() < 0.5), because="looked", by="test", now=now)


def test_a_dispute_about_what_was_accepted_finds_its_third_person(db, bank):
    """A maker may object to a label that was settled against them; the unit is open again for somebody else."""
    people = team(db, bank, ["Ada", "Bea", "Cleo", "Dora"])
    program = planned(db, queue(kind="verification", units=1, reviews=2))
    scaled(db, program)
    unit = offering.add_units(db, program, programs.queues_of(program)[0], ["Is 7 prime?"], NOON)[0]
    now = NOON
    while not (unit.submissions and unit.submissions[-1].outcome):
        for person in people:
            now += timedelta(minutes=5)
            offer = offering.next_offer(db, person, now)
            if offer is not None and offer.reply is None:
                work.reply(db, offer, now, taken=True)
                do(db, offer, now, label="valid")
    maker = db.get_one(Applicant, unit.submissions[0].offer.applicant_id)
    work.object_to(db, maker, unit.submissions[0], "It is not.", now)
    tasks = {offer.task for person in people if (offer := offering.next_offer(db, person, now)) is not None}
    assert tasks == {"resolve"}
    assert db.scalars(select(Program)).one() is program


def test_what_somebody_did_since_the_plan_is_read_at_once(db, bank):
    (ada, bea) = team(db, bank, ["Ada", "Bea"])
    planned(db, queue(units=12, reviews=1))
    now, seconds = NOON, 0.0
    for n in range(12):
        now += timedelta(hours=1)
        person = (ada, bea)[n % 2]
        offer = take(db, person, now)
        if offer is None:
            continue
        do(db, offer, now)
        seconds += offer.product.seconds if person is ada else 0.0
    db.expire_all()
    (desk,) = desks.desks(db, ada, now)
    asked = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert desks.done(db, desk).sum() == pytest.approx(seconds / 3600)
    assert seconds > 0
    assert len(asked) == 1  # not one more for each unit
