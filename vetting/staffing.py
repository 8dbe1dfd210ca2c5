"""From a program to a plan: queues and beliefs in, hours, prices and reasons out, kept as one fact.

The prices close the loop: what a plan is short of becomes the demand (programs.demand) that tomorrow's
sittings follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from assignment import explain
from assignment.plan import Plan, hour_values
from assignment.problem import Problem
from assignment.projection import ROLES
from assignment.solve import solve
from vetting.account import body, closed
from vetting.programs import scope_of
from vetting.records import PlanRecord, Program
from vetting.scene import Scene, scene

TIME_LIMIT = 20.0  # seconds a solve may take; the incumbent and its gap come back in any case


STRETCH = 1.0  # hours that make somebody one of the people of a role
FITTINGS, MIX_WITHIN = 12, 0.02  # rounds of fitting a mix; share of hours it may be off


class ClosedQueueError(ValueError):
    """A queue that nobody may work on; the message names the bar and the way out."""


def make_plan(db: Session, program: Program, now: datetime, *, allow_empty: bool = True) -> PlanRecord:
    """Solve, explain, and keep the plan. With allow_empty=False a queue nobody may work on is refused by name."""
    setting = scene(db, program, now)
    if not allow_empty and (shut := closed(setting)):
        raise ClosedQueueError(" ".join(shut))
    asked = scope_of(db, program)
    setting, plan = as_wished(setting, asked.mix if asked else {})
    record = PlanRecord(at=now, program=program, body=body(setting, plan))
    db.add(record)
    db.flush()
    return record


# -- wishes about the whole of a plan ----------------------------------------------------------------


def as_wished(setting: Scene, mix: Mapping[str, float]) -> tuple[Scene, Plan]:
    """The plan with the least people a role and the mix of hours that were asked for, as far as they can be had."""
    plan = solve(setting.problem, time_limit=TIME_LIMIT)
    if any(queue.least for queue in setting.queues):
        setting = replace(setting, problem=with_least(setting, plan))
        plan = solve(setting.problem, time_limit=TIME_LIMIT)
    return mixed(setting, plan, mix) if mix else (setting, plan)


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


def mixed(setting: Scene, plan: Plan, mix: Mapping[str, float]) -> tuple[Scene, Plan]:
    """Hours by part of the program brought to their shares, by asking less where there is too much.

    Iterative proportional fitting on what the queues of a part may ask: a part that people cannot fill holds the
    others back to its share.
    """
    part = np.array([list(mix).index(queue.part) for queue in setting.queues])
    share = np.array(list(mix.values()))
    full = setting.problem.queues.demand
    asked, best = full, (np.inf, plan)
    for _ in range(FITTINGS):
        hours = np.bincount(part[setting.problem.queue], plan.hours, len(share))
        if hours.sum() <= 0:
            break
        off = float(np.abs(hours / hours.sum() - share).max())
        best = min(best, (off, plan), key=lambda found: found[0])
        if off < MIX_WITHIN / 2:
            break
        wish = (share * hours.sum() / np.maximum(hours, 1e-9))[part]
        planned = full - explain.unmet(setting.problem, plan)
        asked = np.minimum(full, np.where(wish < 1, np.minimum(asked, planned), asked) * np.clip(wish, 0.2, 2.0))
        capped = replace(setting.problem, queues=replace(setting.problem.queues, demand=asked))
        plan = solve(capped, time_limit=TIME_LIMIT)
    return setting, best[1]
