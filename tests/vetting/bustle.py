"""Simulated experts at work: they take what is offered, make it, and judge it as well as they are said to."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from tests.conftest import NOON
from tests.vetting.story import expert
from vetting import programs
from vetting.offers import offering
from vetting.plans import staffing
from vetting.quality import looks, recalls
from vetting.scope import ProgramForm
from vetting.units import work

MATHS = ("math.algebra", "math.proof", "math.combinatorics", "math.analysis", "math.number_theory")
requests = count(1)


def queue(name="Proofs", **fields):
    return {"name": name, "skills": {"math.proof": 1.0}, "units": 80, "value": 200, "minutes": 30} | fields


def program(db, *queues, name="A program"):
    form = ProgramForm.model_validate({"name": name, "queues": queues or [queue()]})
    return programs.keep_program(db, form, NOON)


def team(db, bank, names, **fields):
    people = [expert(db, bank, MATHS, name=name, **fields) for name in names]
    db.expire_all()
    return people


def planned(db, *queues, **fields):
    """A program with its plan."""
    made = program(db, *queues, **fields)
    staffing.make_plan(db, made, NOON)
    return made


def take(db, person, now):
    """The offer this person is shown, taken; None where nothing waits."""
    offer = offering.next_offer(db, person, now)
    if offer is not None:
        work.reply(db, offer, now, taken=True)
    return offer


def do(db, offer, now, *, verdict=None, text="Step 1. 2 + 2 = 4", label=None, **others):
    """The work behind an offer; by default well made and passed."""
    common = {"request_id": f"r{next(requests)}", "seconds": 600.0, "now": now}
    asked = programs.wordings(offer.unit.program)[offer.unit.queue].body
    said = verdict or label or (asked["labels"] or ["pass"])[0]
    if offer.task in looks.KINDS:
        return looks.keep(db, offer, verdict=said, because="looked at it", attested=True, **others, **common)
    if offer.task == "produce":
        own = (label or asked["labels"][0]) if asked["labels"] else ""
        return work.submit(db, offer, text=text, label=own, attested=True, **others, **common)
    if offer.task == "resolve":
        return work.resolve(db, offer, verdict=said, because="third look", **others, **common)
    given = work.review(db, offer, verdict=said, because="looked at it", **others, **common)
    if offer.task == "again":
        recalls.settle(db, offer, now)
    return given


def bustle(db, people, now, *, rounds=400, judge=None, step=timedelta(minutes=10)):
    """Everybody takes and does what they are offered until nothing waits; judge(offer) says a verdict."""
    for number in range(rounds):
        busy = False
        for person in people:
            offer = take(db, person, now)
            if offer is not None:
                do(db, offer, now, verdict=judge(offer) if judge else None)
                busy = True
            now += step / max(len(people), 1)
        if not busy:
            return number
    return rounds
