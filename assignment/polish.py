r"""From soft prices to a plan that people can follow, with its proof: nearly everybody on one arc, ties by simplex.

At good prices most blocks of hours have one clear best arc. They are fixed there and pooled, one column for each queue
and role (a share between 0 and 1 of all of them); the blocks near a tie keep their few best arcs. What remains is a
small programme of the same rows, whose vertex splits hardly anybody. Its prices are tried on everybody: whoever would
rather be elsewhere, or sits in a pool that is not fully used, joins the undecided, and the programme is solved again.
When nobody would, the prices prove the plan optimal over all arcs, also those that were never in the programme. The
prices of a vertex jump, so that they are first mixed with the soft ones (Wentges 1997, smoothing of column generation).

Rows of `pairing` are added here, where the hours break them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, vstack

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.blocks import blocks
from assignment.pairing import Cut, broken_pairings
from assignment.plan import constant, weigh
from assignment.prices import Frame, Priced, ground
from assignment.problem import Problem
from assignment.projection import ROLES
from assignment.repair import repair
from assignment.reply_map import best_choices
from assignment.rows import coupling, cut_rows

NEAR = 4.0  # a runner-up within so many ε leaves a block undecided
WIDE = 8.0  # arcs within so many ε of the best stay in the programme
ROUNDS = 12
FIRST_TRUST, MORE_TRUST = 0.3, 1.5  # in the prices of a vertex, which jump; the rest is the soft prices
WHOLE = 1.0 - 1e-9  # of a pool


@dataclass(frozen=True, eq=False)
class Polished:
    """A vertex plan and the prices that prove it."""

    hours: Floats  # (A,)
    price: Floats  # (n,)
    pairing: Floats  # (A,) charge of the pairing rows
    undecided: int  # blocks in the last programme


@dataclass(frozen=True, eq=False)
class _Replies:
    """Everybody's best arc at some prices, and how far from it an arc may be to stay in the programme."""

    choice: Rows  # (b,) arc, -1 for idle
    best: Floats  # (b,) an hour
    second: Floats  # (b,) of the runner-up
    worth: Floats  # (A,) without bonuses
    band: float


@dataclass(frozen=True, eq=False)
class _Vertex:
    hours: Floats  # (A,)
    price: Floats  # (n,)
    pairing: Floats  # (A,)
    loose: Rows  # decided blocks in pools that are not fully used


class _Polisher:
    """What all rounds share."""

    def __init__(self, problem: Problem, at: Frame) -> None:
        self.problem, self.frame = problem, at
        self.blocks, self.ground = blocks(problem), ground(problem, at)
        scaled = coupling(problem)[0].multiply(1.0 / at.scale[:, None])
        self.of_arc = csr_array(csr_array(scaled)[at.on].T)  # (A, on) what an hour uses
        self.cuts: list[Cut] = []

    def replies(self, price: Floats, pairing: Floats, band: float) -> _Replies:
        worth = np.zeros(self.problem.arcs)
        extra = pairing if pairing.any() else pairing[:0]
        choice, best, second = best_choices(self.ground, self.blocks, price, extra, worth)
        return _Replies(choice, best, second, worth, band)

    def bonus(self, block: Rows, arc: Rows) -> Floats:
        return np.where(self.blocks.arc[block] == arc, self.blocks.bonus[block], 0.0)

    def pieces(self, open_to: Rows, seen: list[_Replies]) -> tuple[Rows, Rows]:
        """(block, arc) of every arc that was near the best of an open block at some prices seen."""
        p, starts = self.problem, self.problem.starts
        first = starts[self.blocks.expert[open_to]]
        count = starts[self.blocks.expert[open_to] + 1] - first
        block = np.repeat(open_to, count)
        arc = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
        near = np.zeros(len(arc), dtype=bool)
        bonus = self.bonus(block, arc)
        for at in seen:
            near |= at.best[block] - at.worth[arc] - bonus <= at.band
        near &= self.frame.alive[arc] & (p.queues.due[p.queue[arc]] >= self.blocks.period[block])
        return block[near], arc[near]

    def bound(self, price: Floats, at: _Replies) -> float:
        limits = self.frame.limit @ (price * self.frame.scale)
        return float(limits + self.blocks.hours @ at.best) - constant(self.problem)


def polish(
    problem: Problem, at: Frame, priced: Priced, *, goal: float = 1e-6, late: Callable[[], bool] = lambda: False
) -> Polished:
    """A vertex near the soft plan; each round lets more people choose until nobody would rather be elsewhere."""
    work = _Polisher(problem, at)
    soft = work.replies(priced.price, np.zeros(problem.arcs), WIDE * priced.epsilon)
    seen = [soft]
    proven = work.bound(priced.price, soft)
    open_to = soft.best - soft.second < NEAR * priced.epsilon  # (b,)
    best = (priced.price, np.zeros(problem.arcs))
    trust = FIRST_TRUST
    for _ in range(ROUNDS):
        vertex = _solve(work, soft.choice, np.flatnonzero(open_to), seen)
        broken = broken_pairings(problem, vertex.hours)
        work.cuts += broken
        hours = repair(problem, vertex.hours)
        between = (1.0 - trust) * priced.price + trust * vertex.price
        now = work.replies(between, trust * vertex.pairing, 0.25 * priced.epsilon)
        sharp = work.replies(vertex.price, vertex.pairing, 0.0)
        for price, charge, at_price in ((between, trust * vertex.pairing, now), (vertex.price, vertex.pairing, sharp)):
            if (limit := work.bound(price, at_price)) < proven:
                proven, best = limit, (price, charge)
        if late() or proven - weigh(problem, hours)[1] <= goal * abs(proven):
            break
        moved = _moved(work, soft.choice, now)
        if not (moved & ~open_to).any():
            moved[vertex.loose] = True
        trust = min(1.0, MORE_TRUST * trust)
        open_to = open_to | moved
        seen.append(now)
    return Polished(hours, *best, int(open_to.sum()))


def _moved(work: _Polisher, choice: Rows, now: _Replies) -> Bools:
    """(b,) decided blocks that would earn more elsewhere at today's prices."""
    fixed = np.where(choice >= 0, now.worth[choice] + work.bonus(np.arange(len(choice)), choice), 0.0)
    return np.asarray(now.best - fixed > 1e-9 * work.frame.hour)


def _solve(work: _Polisher, choice: Rows, open_to: Rows, seen: list[_Replies]) -> _Vertex:
    """The programme of pieces and pools."""
    p, at, hours = work.problem, work.frame, work.blocks.hours
    block, arc = work.pieces(open_to, seen)
    decided = np.setdiff1d(np.flatnonzero(choice >= 0), open_to, assume_unique=True)
    seats, pool = np.unique(p.queue[choice[decided]] * len(ROLES) + p.role[choice[decided]], return_inverse=True)
    m, pools = len(block), len(seats)
    column = np.concatenate([np.arange(m), m + pool])
    arcs = np.concatenate([arc, choice[decided]])
    amount = np.concatenate([hours[block], hours[decided]])
    bonus = np.concatenate([work.bonus(block, arc), work.bonus(decided, choice[decided])])
    spread = csr_array(coo_array((amount, (column, arcs)), shape=(m + pools, p.arcs)))  # hours of a whole column
    gain = total_by(column, amount * (p.gain[arcs] + bonus), m + pools)
    cuts = cut_rows(p, work.cuts)
    one_each = coo_array((np.ones(m), (np.searchsorted(open_to, block), np.arange(m))), shape=(len(open_to), m + pools))
    money = at.hour * float(np.median(hours)) if len(hours) else 1.0
    found = linprog(
        -gain / money,
        A_ub=vstack([(spread @ work.of_arc).T, cuts @ spread.T, one_each], format="csr"),
        b_ub=np.concatenate([at.limit[at.on], np.zeros(len(work.cuts)), np.ones(len(open_to))]),
        bounds=(0.0, 1.0),
        method="highs-ds",
    )
    dual = np.maximum(-found.ineqlin.marginals, 0.0) * money
    price = np.zeros(len(at.scale))
    price[at.on] = dual[: len(at.on)]
    share = found.x[m:]
    return _Vertex(
        hours=found.x @ spread,
        price=price / at.scale,
        pairing=dual[len(at.on) : len(at.on) + len(work.cuts)] @ cuts,
        loose=decided[share[pool] < WHOLE],
    )
