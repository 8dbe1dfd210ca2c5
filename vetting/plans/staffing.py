"""From a program to a plan: queues and beliefs in, hours, prices and reasons out, kept as one fact.

The prices close the loop: what a plan is short of becomes the demand (programs.demand) that tomorrow's
sittings follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from assignment import explain
from assignment.arrays import Floats
from assignment.exploration import Unknown, explore
from assignment.plan import Plan, hour_values
from assignment.pooling import FIT
from assignment.problem import Problem
from assignment.projection import ROLES
from assignment.solve import solve
from assignment.stints import solve_stints
from vetting.learning import PACE, SPREAD
from vetting.plans.account import Exploring, body, closed
from vetting.plans.scene import WEEK, Scene, deadlines, scene
from vetting.programs import scope_of
from vetting.records import PlanRecord, Program
from vetting.scope import ProgramForm

TIME_LIMIT = 20.0  # seconds a solve may take; the incumbent and its gap come back in any case


STRETCH = 1.0  # hours that make somebody one of the people of a role
FITTINGS, MIX_WITHIN = 12, 0.02  # rounds of fitting a mix; share of hours it may be off

TOLD = timedelta(days=2)  # until a trial's units are made and checked
GOES_ON = timedelta(weeks=12)  # work on a queue without a date, as far as it is counted on


class ClosedQueueError(ValueError):
    """A queue that nobody may work on; the message names the bar and the way out."""


def make_plan(
    db: Session, program: Program, now: datetime, *, allow_empty: bool = True, wishes: Mapping[str, float] | None = None
) -> PlanRecord:
    """Solve, explain, and keep the plan. With allow_empty=False a queue nobody may work on is refused by name.

    wishes: fields of the program that are otherwise for this plan alone, such as its shortest stint.
    """
    setting = scene(db, program, now)
    if not allow_empty and (shut := closed(setting)):
        raise ClosedQueueError(" ".join(shut))
    asked = scope_of(db, program) or ProgramForm(name=program.name, queues=list(setting.queues))
    asked = asked.wishing(wishes or {})
    setting, plan, exploring = planned(setting, asked, now)
    record = PlanRecord(at=now, program=program, body=body(setting, plan, exploring))
    db.add(record)
    db.flush()
    return record


def planned(
    setting: Scene, asked: ProgramForm, now: datetime, *, time_limit: float = TIME_LIMIT
) -> tuple[Scene, Plan, Exploring | None]:
    """The plan as it was wished; at the end some of its hours may be trials."""
    setting, problem = as_wished(setting, asked.mix, time_limit)
    if asked.block or asked.most_queues:
        return setting, in_stints(problem, asked, time_limit), None
    if not asked.explore:
        return setting, solve(problem, time_limit=time_limit), None
    found = explore(problem, unknown(setting, now), most=asked.explore, time_limit=time_limit)
    return setting, found.plan, Exploring(found, asked.explore)


def in_stints(problem: Problem, asked: ProgramForm, time_limit: float) -> Plan:
    """The best plan of whole stints; yesterday's hours keep their price, and small ones are nobody's."""
    return solve_stints(problem, block=asked.block, most_queues=asked.most_queues, time_limit=time_limit)


# -- exploring ---------------------------------------------------------------------------------------


def unknown(setting: Scene, now: datetime) -> Unknown:
    """What work could still teach about people, and of how much use it would be.

    A table of experts says nothing of anybody's fit to a queue, so that there all of it is to be learnt.
    """
    seen, nobody = setting.learnt, np.zeros_like(setting.mean)
    return Unknown(
        mean=setting.mean,
        variance=setting.variance + (FIT**2 if seen is None else 0.0),
        asks=setting.asks,
        pace_var=np.full(setting.problem.experts, PACE**2) if seen is None else seen.pace_var,
        spread=SPREAD,
        checked=np.array([min(queue.reviews, 1.0) for queue in setting.queues]),
        ahead=np.outer(setting.pool.week, useful_weeks(setting, now)),
        under_way=nobody if seen is None else seen.under_way,
    )


def useful_weeks(setting: Scene, now: datetime) -> Floats:
    """(Q,) weeks, counted by whole days, from when trials of today have told something until a queue's date."""
    today = now.date()
    ends = [
        end.date() if queue.due is not None else today + GOES_ON
        for queue, end in zip(setting.queues, deadlines(setting.queues, now), strict=True)
    ]
    return np.array([max((end - today - TOLD) / WEEK, 0.0) for end in ends])


# -- wishes about the whole of a plan ----------------------------------------------------------------


def as_wished(setting: Scene, mix: Mapping[str, float], time_limit: float = TIME_LIMIT) -> tuple[Scene, Problem]:
    """The problem with the least people a role and the mix of hours that were asked for, as far as they can be had.

    What wishes mean for queues and people is found without the plan before: it follows from what is asked and who is
    there, and the same question has the same answer tomorrow.
    """
    if any(queue.least for queue in setting.queues):
        pinned = with_least(setting, solve(fresh(setting.problem), time_limit=time_limit)).pinned
        setting = replace(setting, problem=replace(setting.problem, pinned=pinned))
    if not mix:
        return setting, setting.problem
    demand = mixed(setting, mix, time_limit)
    return setting, replace(setting.problem, queues=replace(setting.problem.queues, demand=demand))


def fresh(problem: Problem) -> Problem:
    """The problem as if there had been no plan before."""
    return replace(problem, before=np.zeros(problem.arcs))


def with_least(setting: Scene, plan: Plan) -> Problem:
    """The problem with a short stretch promised to further people where a role has fewer than asked, the best first."""
    problem, pinned = setting.problem, setting.problem.pinned.copy()
    worth = hour_values(problem, plan.prices)
    free = problem.hours[:, 0] - np.bincount(problem.expert, pinned, problem.experts)
    for q, queue in enumerate(setting.queues):
        for role, least in queue.least.items():
            seats = np.flatnonzero((problem.queue == q) & (problem.role == ROLES.index(role)))
            lacking = least - int((plan.hours[seats] >= STRETCH - 1e-9).sum())
            idle = [a for a in seats[np.argsort(-worth[seats], kind="stable")] if plan.hours[a] < STRETCH - 1e-9]
            for a in [a for a in idle if free[problem.expert[a]] >= STRETCH][: max(lacking, 0)]:
                pinned[a] = max(pinned[a], STRETCH)
                free[problem.expert[a]] -= STRETCH
            working = seats[plan.hours[seats] >= STRETCH - 1e-9]
            for a in working[: least if lacking > 0 else 0]:  # who is there stays there
                if pinned[a] < STRETCH <= free[problem.expert[a]]:
                    pinned[a] = STRETCH
                    free[problem.expert[a]] -= STRETCH
    return replace(problem, pinned=pinned)


def mixed(setting: Scene, mix: Mapping[str, float], time_limit: float) -> Floats:
    """(Q,) what to ask of the queues so that hours by part of the program come to their shares.

    Iterative proportional fitting on what the queues of a part may ask: a part that people cannot fill holds the
    others back to its share.
    """
    part = np.array([list(mix).index(queue.part) for queue in setting.queues])
    share = np.array(list(mix.values()))
    problem = fresh(setting.problem)
    full = problem.queues.demand
    asked, best = full, (np.inf, full)
    for _ in range(FITTINGS):
        plan = solve(replace(problem, queues=replace(problem.queues, demand=asked)), time_limit=time_limit)
        hours = np.bincount(part[problem.queue], plan.hours, len(share))
        if hours.sum() <= 0:
            break
        off = float(np.abs(hours / hours.sum() - share).max())
        best = min(best, (off, asked), key=lambda found: found[0])
        if off < MIX_WITHIN / 2:
            break
        wish = (share * hours.sum() / np.maximum(hours, 1e-9))[part]
        made = full - explain.unmet(problem, plan)
        asked = np.minimum(full, np.where(wish < 1, np.minimum(asked, made), asked) * np.clip(wish, 0.2, 2.0))
    return best[1]
