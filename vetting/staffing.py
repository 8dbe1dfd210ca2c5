"""From a program to a plan: queues and beliefs in, hours, prices and reasons out, kept as one fact.

The prices close the loop: what a plan is short of becomes the demand (programs.demand) that tomorrow's
sittings follow.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from assignment.solve import solve
from vetting.account import body, closed
from vetting.records import PlanRecord, Program
from vetting.scene import scene

TIME_LIMIT = 20.0  # seconds a solve may take; the incumbent and its gap come back in any case


class ClosedQueueError(ValueError):
    """A queue that nobody may work on; the message names the bar and the way out."""


def make_plan(db: Session, program: Program, now: datetime, *, allow_empty: bool = True) -> PlanRecord:
    """Solve, explain, and keep the plan. With allow_empty=False a queue nobody may work on is refused by name."""
    setting = scene(db, program, now)
    if not allow_empty and (shut := closed(setting)):
        raise ClosedQueueError(" ".join(shut))
    plan = solve(setting.problem, time_limit=TIME_LIMIT)
    record = PlanRecord(at=now, program=program, body=body(setting, plan))
    db.add(record)
    db.flush()
    return record
