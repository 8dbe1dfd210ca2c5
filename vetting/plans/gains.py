"""What one more hour, person, day or unit of money brings to a plan, and 5 or 10 % more: at most, and proven.

The problem is solved again with each change laid out (assignment.foresee), since the price of today's plan holds for a
small step only. Everything is against solving again today with nothing changed; moved hours cost what they cost in
plans. It takes a dozen solves, so it is worked out when somebody asks, and kept with the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assignment import explain
from assignment.arrays import Floats, Rows
from assignment.foresee import SURE, Foreseen, foresee, foresee_newcomers, worth_of_copies
from assignment.plan import Plan
from assignment.problem import Problem
from assignment.projection import PRODUCE
from assignment.solve import solve
from vetting.plans.scene import WEEK, Scene, deadlines, scene
from vetting.plans.staffing import as_wished
from vetting.programs import scope_of
from vetting.records import Json, PlanRecord
from vetting.scope import ProgramForm
from vetting.work_records import Gains

SHARES = (0.05, 0.10)
TIME_LIMIT = 5.0  # seconds a solve may take; what comes back is proven in any case, if less sharp
DAY = 1.0 / WEEK.days


@dataclass(frozen=True, eq=False)
class Change:
    """One thing that could be more: by how much, of whom, and what would come of it."""

    share: float | None  # None: by one
    amount: float
    unit: str
    who: tuple[str, ...]  # experts: whose hour, or like whom the newcomers are
    foreseen: Callable[[], Foreseen]
    like: Rows  # rows of the experts whom newcomers are like


def of_plan(db: Session, record: PlanRecord, now: datetime) -> Json:
    """What more would bring to a program's latest plan, as everything stands now."""
    asked = scope_of(db, record.program)
    if asked is None:
        raise ValueError("This program has no queue any more. Maybe add one, and plan again.")
    return worked_out(scene(db, record.program, now), asked, now)


def keep(db: Session, record: PlanRecord, body: Json, now: datetime) -> Gains:
    """What was worked out, beside its plan; the first holds."""
    found = kept(db, record)
    if found is None:
        found = Gains(at=now, plan_id=record.id, body=body)
        db.add(found)
        db.flush()
    return found


def kept(db: Session, record: PlanRecord) -> Gains | None:
    return db.scalars(select(Gains).where(Gains.plan_id == record.id)).first()


def worked_out(setting: Scene, asked: ProgramForm, now: datetime, *, time_limit: float = TIME_LIMIT) -> Json:
    """The table of gains: a row for hours, people, money and days, in it one more, 5 % and 10 % more."""
    began = perf_counter()
    setting, problem = as_wished(setting, asked.mix, time_limit)
    plan = solve(problem, goal=SURE, time_limit=time_limit)
    found: dict[str, list[Json]] = {}
    for what, change in changes(setting, problem, plan):
        found.setdefault(what, []).append(told(setting, problem, plan, change))
    left = max((end - now) / WEEK * WEEK.days for end in deadlines(setting.queues, now))
    found["days"] += [as_days(row, left) for row in found["hours"] if row["share"]]
    return {
        "more": {what: found.get(what, []) for what in ("hours", "people", "money", "days")},
        "apart": apart(asked), "seconds": perf_counter() - began,
    }  # fmt: skip


def apart(asked: ProgramForm) -> list[str]:
    """What these figures leave out of the way this program is planned."""
    said = []
    if asked.block or asked.most_queues:
        said.append("Whole stints are left out: hours are divided as they fit.")
    if asked.explore:
        said.append("Hours that are there to learn are left out.")
    if asked.mix:
        said.append("The mix asks of each queue what it asks today.")
    return said


# -- what could be more ------------------------------------------------------------------------------


def changes(setting: Scene, problem: Problem, plan: Plan) -> Iterator[tuple[str, Change]]:
    """Every change, by what there would be more of; no change of money where no budget is set."""
    ids = setting.pool.axis.ids
    yield from (("hours", one) for one in of_hours(problem, plan, ids))
    yield from (("people", one) for one in of_people(problem, plan, ids))
    yield from (("money", one) for one in of_money(problem, plan))
    later = replace(problem, hours=problem.hours + DAY * setting.pool.week[:, None])
    yield "days", changed(plan, later, None, 1.0, "days")


def of_hours(problem: Problem, plan: Plan, ids: tuple[str, ...]) -> Iterator[Change]:
    """One hour of whoever has the dearest, and more hours of everybody."""
    best = int(np.argmax(explain.one_more_hour(plan)))
    one = problem.hours.copy()
    one[best] += 1.0
    yield changed(plan, replace(problem, hours=one), None, 1.0, "hours", (ids[best],))
    for share in SHARES:
        more = replace(problem, hours=problem.hours * (1.0 + share))
        yield changed(plan, more, share, share * float(problem.hours[:, -1].sum()), "hours")


def of_people(problem: Problem, plan: Plan, ids: tuple[str, ...]) -> Iterator[Change]:
    """Newcomers like those whose copies would earn most at today's prices; no share that is less than half a person."""
    order = np.argsort(-worth_of_copies(problem, plan), kind="stable")
    shares = [(share, int(share * problem.experts + 0.5)) for share in SHARES]
    for share, count in [(None, 1), *((share, count) for share, count in shares if count)]:
        like = order[:count]
        who = tuple(ids[e] for e in like)
        yield Change(share, float(count), "people", who, partial(foresee_newcomers, plan, problem, like), like)


def of_money(problem: Problem, plan: Plan) -> Iterator[Change]:
    """One unit of money in the purse where it is dearest, and more in every purse that has a limit."""
    budget = problem.queues.budget
    limited = np.flatnonzero(np.isfinite(budget))
    if not len(limited):
        return
    one = budget.copy()
    one[limited[np.argmax(plan.prices.budget[limited])]] += 1.0
    yield changed(plan, with_budget(problem, one), None, 1.0, "money")
    for share in SHARES:
        more = with_budget(problem, budget * (1.0 + share))
        yield changed(plan, more, share, share * float(budget[limited].sum()), "money")


def as_days(row: Json, left: float) -> Json:
    """More of the time that is left is as much more of everybody's hours, and brings the same."""
    return row | {"unit": "days", "amount": row["share"] * left}


def with_budget(problem: Problem, budget: Floats) -> Problem:
    return replace(problem, queues=replace(problem.queues, budget=budget))


def changed(
    plan: Plan, problem: Problem, share: float | None, amount: float, unit: str, who: tuple[str, ...] = ()
) -> Change:
    return Change(share, amount, unit, who, partial(foresee, plan, problem), np.zeros(0, dtype=np.intp))


# -- what comes of it --------------------------------------------------------------------------------


def told(setting: Scene, problem: Problem, plan: Plan, change: Change) -> Json:
    """The proven range of what a change brings, and the accepted units in it, with what is not known of people."""
    found = change.foreseen()
    units, sd = units_more(setting, problem, plan, found.there, change.like)
    gain = max(found.gain, 0.0)
    return {
        "share": change.share, "amount": change.amount, "unit": change.unit, "who": list(change.who), "gain": gain,
        "least": float(np.clip(found.there.objective - plan.bound, 0.0, gain)),
        "by_price": max(found.by_price, gain), "units": units, "units_sd": sd,
    }  # fmt: skip


def units_more(setting: Scene, problem: Problem, plan: Plan, there: Plan, like: Rows) -> tuple[float, float]:
    """Accepted units that the changed plan makes beyond the plan, and their sd from what is unknown of their makers."""
    old = np.concatenate([plan.hours, np.zeros(len(there.hours) - len(plan.hours))])
    starts = problem.starts
    own = [np.arange(starts[e], starts[e + 1]) for e in like]
    arcs = np.concatenate([np.arange(problem.arcs), *own])
    moved = np.where(problem.role[arcs] == PRODUCE, there.hours - old, 0.0)
    sd = setting.projection.accepted_sd[problem.expert[arcs], problem.queue[arcs]]
    return float(moved @ problem.accepted[arcs]), float(np.sqrt(np.square(moved * sd).sum()))
