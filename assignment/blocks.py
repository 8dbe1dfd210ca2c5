r"""Experts cut into blocks of hours, so that every best reply is "all hours of the block on the best arc".

Due dates: hours up to date t, nested, are the same as hours in the periods between dates, where an hour of period p may
go to any queue due at the end of p or later. (Nested capacities and a transportation to periods allow the same work.)

Bonuses: if the first b_a hours on arc a earn more (a promise, or hours kept from the previous plan), give a its own
block of b_a hours on which a earns the bonus and everything else its usual worth. Some filling of the blocks then earns
exactly what the pieces of `plan.columns` earn, as long as the bonus hours fit into the expert's hours; what does not
fit is cut, which can only understate the plan, never the bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from assignment.arrays import Floats, Rows, total_by
from assignment.problem import Problem


class Blocks(NamedTuple):
    """Blocks sorted by expert; row b in every array."""

    expert: Rows  # (b,)
    period: Rows  # (b,) only queues with due >= period
    hours: Floats  # (b,)
    arc: Rows  # (b,) the arc with a bonus, -1 for none
    bonus: Floats  # (b,) an hour


def blocks(problem: Problem) -> Blocks:
    """The blocks of everybody who has arcs and hours."""
    free = np.diff(problem.hours, axis=1, prepend=0.0)  # (E, T) hours in each period
    arc, bonus, wanted = _bonuses(problem)
    kept = _fit(problem, free, arc, wanted)  # takes from free
    expert, period = np.nonzero((free > 0) & (np.diff(problem.starts) > 0)[:, None])
    some = kept.hours > 0
    parts = (
        np.concatenate([kept.expert[some], expert]),
        np.concatenate([kept.period[some], period]),
        np.concatenate([kept.hours[some], free[expert, period]]),
        np.concatenate([arc[some], np.full(len(expert), -1)]),
        np.concatenate([bonus[some], np.zeros(len(expert))]),
    )
    order = np.lexsort((parts[3], parts[0]))
    return Blocks(*(part[order] for part in parts))


def _bonuses(problem: Problem) -> tuple[Rows, Floats, Floats]:
    """(arc, bonus an hour, hours) of every piece of an arc that earns one; the dearest first within an expert."""
    kept = problem.before if problem.switching else np.zeros(problem.arcs)
    low, high = np.minimum(problem.pinned, kept), np.maximum(problem.pinned, kept)
    upper = np.where(problem.pinned > kept, problem.promise, problem.switching)
    arc = np.tile(np.arange(problem.arcs), 2)
    bonus = np.concatenate([np.full(problem.arcs, problem.promise + problem.switching), upper])
    hours = np.concatenate([low, high - low])
    some = np.flatnonzero(hours > 0)
    order = some[np.lexsort((-bonus[some], problem.expert[arc[some]]))]
    return arc[order], bonus[order], hours[order]


def _fit(problem: Problem, free: Floats, arc: Rows, wanted: Floats) -> Blocks:
    """Lay the bonus hours into the periods, latest first, so that early hours stay for early queues."""
    expert, due = problem.expert[arc], problem.queues.due[problem.queue[arc]]
    if free.shape[1] == 1:
        total = total_by(expert, wanted, problem.experts)
        share = np.minimum(1.0, free[:, 0] / np.maximum(total, 1e-300))
        hours = wanted * share[expert]
        free[:, 0] = np.maximum(free[:, 0] - total_by(expert, hours, problem.experts), 0.0)
        return Blocks(expert, np.zeros(len(arc), np.intp), hours, arc, wanted)
    hours, period = np.zeros(len(arc)), np.zeros(len(arc), np.intp)
    for n, (e, latest) in enumerate(zip(expert, due, strict=True)):
        room = free[e, : latest + 1]
        period[n] = int(latest - (room[::-1] > 0).argmax())
        hours[n] = min(wanted[n], room[period[n]])
        free[e, period[n]] -= hours[n]
    return Blocks(expert, period, hours, arc, wanted)
