r"""The next unit for an expert, between two plans: follow the plan's shares, and its prices where the plan is silent.

Of the hours done so far and the next unit together, arc a is due its share of the plan; what it is behind is

    behind_a = (h_a / Σ h) · (Σ done + unit_a) - done_a,       unit_a = 60 / rate_a in minutes.

The arc furthest behind comes next, as long as work waits there: after any number of units no arc with waiting work is
more than about one unit behind its share. A trial (`exploration`) is made before anything else: what it tells is of
most use early. Where nothing planned waits, the arc whose hour is worth most at the plan's
prices comes next, if it is worth its pay; else the expert is free. The router needs this expert's arcs and the prices
only, so that it answers in microseconds and stays right when queues run dry or units come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assignment.arrays import Bools, Floats
from assignment.plan import Plan, hour_values
from assignment.problem import Problem

DONE = 1e-9  # hours


@dataclass(frozen=True)
class Offer:
    """One kind of work that an expert may be offered now."""

    arc: int
    queue: int
    role: int
    behind: float  # hours that the plan's share is behind; 0 for work outside the plan
    worth: float  # of an hour at the plan's prices, everything shared paid
    planned: bool


def offers(
    problem: Problem, plan: Plan, expert: int, done: Floats, waiting: Bools, *, trials: Floats | None = None
) -> list[Offer]:
    """What to offer the expert, best first; empty when nothing that waits is worth doing.

    done (A,) hours worked since the plan; waiting (A,) whether a unit waits there that this expert may take (not their
    own to review, not declined before). A plan's hours that are done are no longer planned. trials (A,): hours of the
    plan that come first.
    """
    if done.shape != plan.hours.shape or waiting.shape != plan.hours.shape:
        raise ValueError(
            f"offers: done is {done.shape} and waiting {waiting.shape}, but the plan has {plan.hours.shape} arcs. "
            "Maybe they belong to an earlier plan."
        )
    start, stop = problem.starts[expert : expert + 2]
    mine = slice(start, stop)
    worth = _own_values(problem, plan, mine)
    behind = _behind(plan.hours[mine], done[mine], 1.0 / problem.rate[mine])
    planned = (plan.hours[mine] > DONE) & (done[mine] < plan.hours[mine] - DONE)
    may = waiting[mine] & (planned | (worth > 0))
    early = planned & (done[mine] < (0.0 if trials is None else trials[mine]) - DONE)
    order = np.lexsort((-worth, np.where(planned, -behind, 0.0), ~planned, ~early))
    return [
        Offer(
            arc=int(start + a),
            queue=int(problem.queue[start + a]),
            role=int(problem.role[start + a]),
            behind=float(behind[a]) if planned[a] else 0.0,
            worth=float(worth[a]),
            planned=bool(planned[a]),
        )
        for a in order
        if may[a]
    ]


def _behind(hours: Floats, done: Floats, unit: Floats) -> Floats:
    """Hours that each arc is behind its share, once the next unit is done."""
    return hours / max(float(hours.sum()), DONE) * (done.sum() + unit) - done


def _own_values(problem: Problem, plan: Plan, mine: slice) -> Floats:
    return hour_values(problem, plan.prices)[mine]
