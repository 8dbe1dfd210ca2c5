"""How long the next unit takes to find in a queue of 100,000 units, half of them done.

A queue is filled with facts: the first half accepted after a review, then units in every other state, the rest not
begun. Its makers are 500 people beside a few simulated experts, who then ask for their next unit and take it. CPU time
of this process; each request is a session of its own that commits, as behind the door.

    python3 dev.py bench offers [--units 100000] [--repeats 40] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from vetting import programs, store
from vetting.offers import offering
from vetting.plans import staffing
from vetting.records import Applicant, Program, Queue, Record
from vetting.rehearsals import demo
from vetting.scope import ProgramForm
from vetting.units import work
from vetting.work_records import Dispute, Offer, Outcome, QueueDecision, Reply, Review, Submission, Unit

OTHERS = 500
WHY = {"rule": "plan", "acceptance": 0.8, "acceptance_low": 0.6, "acceptance_high": 0.9, "minutes": 30.0, "pay": 20.0}
STATES = {"submitted": 0.01, "in work": 0.004, "lapsed": 0.004, "sent back": 0.01, "rejected": 0.004, "disputed": 1e-4}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'offers.db'}"
        demo.walk(database, 12, asked.seed, lambda: None)
        engine = store.connect(database)
        filled(engine, asked.units, np.random.default_rng(asked.seed))
        took = [one for _ in range(asked.repeats) for one in requests(engine)]
        engine.dispose()
    found = {"units": asked.units, "requests": len(took)} | {
        f"{name}, ms CPU": round(1000 * float(np.quantile(took, at)), 1)
        for name, at in (("median", 0.5), ("p95", 0.95), ("most", 1.0))
    }
    print(json.dumps(found) if asked.json else "\n".join(f"{name:16} {value:,}" for name, value in found.items()))
    return 0


def filled(engine: Engine, units: int, rng: np.random.Generator) -> None:
    """A program with a plan, and a queue of so many units in all states."""
    now = datetime.now(UTC)
    queue = {"name": "Checks", "kind": "process_supervision", "skills": {"math.algebra": 1.0}, "units": units,
             "value": 300.0, "due": str(now.date() + timedelta(days=60))}  # fmt: skip
    with store.writing(engine) as db:
        program = programs.keep_program(db, ProgramForm.model_validate({"name": "Large", "queues": [queue]}), now)
        staffing.make_plan(db, program, now)
        db.add(
            QueueDecision(
                at=now, program_id=program.id, queue="Checks", verdict="scale", reason="x", by="x", evidence={}
            )
        )
        people = [Applicant(at=now, name=f"Other {n}", simulated=True) for n in range(OTHERS)]
        db.add_all(people)
        db.flush()
        wording = db.scalars(select(Queue.id).where(Queue.program_id == program.id)).one()
        history(db, program, wording, [one.id for one in people], units, now, rng)


def history(
    db: Session, program: Program, wording: int, people: list[int], units: int, now: datetime, rng: np.random.Generator
) -> None:
    """Facts of all units, each kind in one go."""
    start: dict[type[Record], int] = {
        kind: (db.scalar(select(kind.id).order_by(kind.id.desc()).limit(1)) or 0) for kind in KINDS
    }
    rows: dict[type[Record], list[dict[str, object]]] = {kind: [] for kind in KINDS}

    def add(kind: type[Record], **fields: object) -> int:
        number = start[kind] + len(rows[kind]) + 1
        rows[kind].append({"id": number, "at": fields.pop("at", now), **fields})
        return number

    fate = ["accepted"] * (units // 2)
    for state, share in STATES.items():
        fate += [state] * round(units * share)
    fate += ["waiting"] * (units - len(fate))
    long_ago = now - timedelta(days=5)
    for number, state in enumerate(fate, start=1):
        unit = add(Unit, program_id=program.id, queue="Checks", number=number, pilot=False, content=f"Unit {number}")
        if state == "waiting":
            continue
        maker, judge = (int(one) for one in rng.choice(people, 2, replace=False))
        at = now - timedelta(hours=1) if state in {"in work", "submitted"} else long_ago
        offer = add(Offer, unit_id=unit, applicant_id=maker, task="produce", why=WHY, at=at)
        add(Reply, offer_id=offer, taken=True, at=at)
        if state in {"in work", "lapsed"}:
            continue
        made = add(
            Submission, unit_id=unit, offer_id=offer, queue_id=wording, request_id=f"s{unit}", text="1. 2 + 2 = 4",
            label="", seconds=1800.0, attested="", at=at,
        )  # fmt: skip
        if state == "submitted":
            continue
        look = add(Offer, unit_id=unit, applicant_id=judge, task="review", why=WHY, at=at)
        add(Reply, offer_id=look, taken=True, at=at)
        verdict = {"accepted": "pass", "sent back": "send_back", "rejected": "reject", "disputed": "pass"}[state]
        add(Review, submission_id=made, offer_id=look, request_id=f"r{unit}", verdict=verdict, errors=[],
            wrong_steps=[], because="", seconds=600.0, at=at)  # fmt: skip
        if state == "disputed":
            add(Dispute, unit_id=unit, submission_id=made, reason="x", by="verdicts")
            continue
        level = work.LEVEL[state]
        add(Outcome, submission_id=made, applicant_id=maker, level=level, style=level, verdict=state, settled="agreed")
    for kind in KINDS:
        if rows[kind]:
            db.execute(insert(kind), rows[kind])


KINDS: tuple[type[Record], ...] = (Unit, Offer, Reply, Submission, Review, Dispute, Outcome)


def requests(engine: Engine) -> list[float]:
    """CPU seconds of each expert's next unit; everybody takes theirs and lets it be, so that the next differs."""
    took = []
    with store.reading(engine) as db:
        people = [person.id for person in programs.experts(db)]
    for number in people:
        began = time.process_time()
        with store.writing(engine) as db:
            now = datetime.now(UTC)
            program = db.scalars(select(Program).where(Program.name == "Large")).one()
            offer = offering.next_offer(db, db.get_one(Applicant, number), now, within=program)
            shown = offer.id if offer else None
        took.append(time.process_time() - began)
        with store.writing(engine) as db:
            if shown is not None:
                work.reply(db, db.get_one(Offer, shown), now, taken=False)
    return took


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
