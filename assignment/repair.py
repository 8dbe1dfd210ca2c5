r"""From hours that obey the rules up to a solver's tolerance to hours that obey them.

Everything is only ever lowered, in an order in which no step undoes an earlier one: people's hours, budgets (a whole
purse by one factor, which keeps the review balance), then production down to what is wanted, reviewed and
second-reviewed. Where work still cannot be paired, people with two roles stop producing, then everybody does.
"""

from __future__ import annotations

import numpy as np

from assignment.arrays import Floats, Rows, total_by
from assignment.pairing import broken_pairings
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, SECOND

SPECK = 1e-9  # hours that are nobody's wish but the arithmetic's


def repair(problem: Problem, hours: Floats) -> Floats:
    """(A,) hours, lowered until every rule holds."""
    h = within_limits(problem, hours)
    broken = broken_pairings(problem, h)
    if not broken:
        return h
    for cut in broken:
        at = np.flatnonzero(problem.queue == problem.queue[cut.arc[0]])
        roles = total_by(problem.expert[at], np.sign(h[at]), problem.experts)[problem.expert[at]]
        h[at[(roles > 1) & (problem.role[at] == PRODUCE)]] = 0.0
    h = _within_reviews(problem, np.arange(problem.arcs), h)
    for cut in broken_pairings(problem, h):  # too few different reviewers for several reviews a unit
        h[(problem.queue == problem.queue[cut.arc[0]]) & (problem.role == PRODUCE)] = 0.0
    return h


def within_limits(problem: Problem, hours: Floats) -> Floats:
    """(A,) hours, lowered until every rule but the pairing holds."""
    arcs = np.flatnonzero(hours > SPECK)
    h = np.minimum(hours[arcs], problem.most[arcs]) if problem.capped else hours[arcs]
    for lowered in (_within_hours, _within_budget, _within_reviews):
        h = lowered(problem, arcs, h)
    kept = np.zeros(problem.arcs)
    kept[arcs] = h
    return kept


def _factor(limit: Floats, used: Floats) -> Floats:
    """The largest factor <= 1 that brings used within limit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(used > limit, limit / used, 1.0)


def _within_hours(problem: Problem, arcs: Rows, h: Floats) -> Floats:
    expert, due = problem.expert[arcs], problem.queues.due[problem.queue[arcs]]
    for t in range(problem.hours.shape[1]):
        used = total_by(expert, np.where(due <= t, h, 0.0), problem.experts)
        h = np.where(due <= t, h * _factor(problem.hours[:, t], used)[expert], h)
    return h


def _within_budget(problem: Problem, arcs: Rows, h: Floats) -> Floats:
    purse = problem.queues.purse[problem.queue[arcs]]
    spent = total_by(purse, problem.cost[arcs] * h, len(problem.queues.budget))
    return h * _factor(problem.queues.budget, spent)[purse]


def _within_reviews(problem: Problem, arcs: Rows, h: Floats) -> Floats:
    queues, q, role, size = problem.queues, problem.queue[arcs], problem.role[arcs], len(problem.queues)
    units = problem.rate[arcs] * h
    handled = [total_by(q, np.where(role == which, units, 0.0), size) for which in range(3)]
    accepted = total_by(q, problem.accepted[arcs] * h, size)
    factor = np.minimum.reduce([
        _factor(queues.demand, accepted),
        _factor(handled[REVIEW], queues.review_share * handled[PRODUCE]),
        _factor(handled[SECOND], queues.second_share * handled[PRODUCE]),
    ])  # fmt: skip
    return np.where(role == PRODUCE, h * factor[q], h)
