"""A simulated shift: simulated experts take what they are offered, make it, judge each other's, and differ at times."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from vetting import programs
from vetting.offers import offering
from vetting.quality import looks, progress
from vetting.records import Program
from vetting.units import work
from vetting.work_records import Offer

RIGHT = 0.93  # chance that a judge sees a unit as it is
ROUNDS = 60
TEXTS = {
    True: "1. Let n be even, n = 2k.\n2. Then n^2 = 4k^2.\n3. So n^2 is divisible by 4.",
    False: "1. Let n be even, n = 2k.\n2. Then n^2 = 2k^2, since 2 * 2 = 2.\n3. So n^2 is divisible by 4.",
}


def work_through(db: Session, program: Program, now: datetime, rng: np.random.Generator, *, people: int) -> int:
    """Everybody works in turns until nothing waits; how many pieces of work were done. All of it is simulated."""
    staff = [person for person in programs.experts(db) if person.simulated][:people]
    sound: dict[int, bool] = {}
    done = 0
    for _ in range(ROUNDS):
        before = done
        for person in staff:
            offer = offering.next_offer(db, person, now, within=program)
            if offer is None:
                continue
            work.reply(db, offer, now, taken=True)
            piece(db, offer, now, rng, sound)
            done += 1
            now += timedelta(seconds=30)
        if done == before:
            break
    for queue in programs.queues_of(program):
        progress.mark(db, program, queue, now)
    return done


def piece(db: Session, offer: Offer, now: datetime, rng: np.random.Generator, sound: dict[int, bool]) -> None:
    """One piece of simulated work: sound as often as was forecast, judged rightly nearly always."""
    minutes = offer.why["minutes"] * float(np.exp(rng.normal(0.0, 0.3)))
    request, seconds = f"simulated-work-{offer.id}", 60.0 * minutes
    if offer.task == "produce":
        sound[offer.unit_id] = bool(rng.random() < offer.why["acceptance"])
        text = TEXTS[sound[offer.unit_id]]
        work.submit(db, offer, text=text, attested=True, request_id=request, seconds=seconds, now=now)
        return
    good = sound.get(offer.unit_id, False) == bool(rng.random() < RIGHT)
    verdict, errors, steps = ("pass", [], []) if good else ("send_back", ["minor content"], [2])
    because = "Simulated: every step holds." if good else "Simulated: step 2 does not hold."
    judge = looks.keep if offer.task in looks.KINDS else work.resolve if offer.task == "resolve" else work.review
    judge(
        db, offer, verdict=verdict, errors=errors, wrong_steps=steps, because=because, request_id=request,
        seconds=seconds, now=now,
    )  # fmt: skip
