r"""From soft prices to a plan that people can follow, with its proof: nearly everybody on one arc, ties by simplex.

At good prices most blocks of hours have one clear best arc. They are fixed there and pooled, one column for each queue
and role (a share between 0 and 1 of all of them); the blocks near a tie keep their few best arcs. What remains is a
small programme of the same rows, whose vertex splits hardly anybody. While rows are short of hours or have too many,
those nearest to a tie there join the undecided (`nearest`), and the programme is solved again. Then its prices are
tried on everybody: whoever would rather be elsewhere, or sits in a pool that is not fully used, joins too. When nobody
would, the prices prove the plan optimal over all arcs, also those that were never in the programme.

The prices of a vertex jump, and jumping prices prove nothing. Each price is therefore kept in a box around the best one
known (du Merle et al. 1999, stabilized column generation; Marsten, Hogan & Blankenship 1975): more of the row can be
bought at the upper edge, and sold at the lower one. A box from which something was bought or sold grows, so that in the
end nothing is, and the programme is the true one.

Rows of `pairing` are added here, where hours that are good enough otherwise break them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_array, coo_array, csr_array, eye_array, vstack

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.nearest import Asked, Bands, Stand, asked, nearest, within
from assignment.pairing import Cut, broken_pairings
from assignment.plan import constant, weigh
from assignment.prices import Frame, Priced, SmoothDual
from assignment.problem import Problem
from assignment.projection import ROLES
from assignment.repair import within_limits
from assignment.reply_map import best_choices, fees, usage
from assignment.rows import cut_rows, uses

NEAR = 2.0  # a runner-up within so many ε leaves a block undecided
WIDE = 4.0  # arcs within so many ε of the best stay in the programme, and so far may prices move at first
REACH = 32.0  # the same for arcs of queues whose reviews must be shared out anew
UNIT = 0.5  # margins below so many ε are all the same
FEW = 0.1  # a round that would let fewer people join, as a share of the undecided, asks for more by prices
LATER = 0.25  # the same for arcs that later prices add
STRANGE = 100.0  # the price of a new row of pairing may be so many times as far from 0
GROWTH = 10.0  # of a box that holds a price back
ROUNDS = 20
WHOLE = 1.0 - 1e-9  # of a pool
TRADED = 1e-9  # of a row, below which nothing was bought or sold


@dataclass(frozen=True, eq=False)
class Polished:
    """A vertex plan and the prices that prove it."""

    hours: Floats  # (A,)
    price: Floats  # (n,)
    pairing: Floats  # (A,) charge of the pairing rows
    common: Floats  # (Q, 3) the part of it that a unit of anybody pays, whether their arc is here or not
    sound: bool  # whether the hours obey every rule already
    far: bool = False  # given up: the prices are too far away


@dataclass(frozen=True, eq=False)
class _Replies:
    """Everybody's best arc at some prices, and how far from it an arc may be to stay in the programme."""

    stand: Stand
    bands: Bands


class _Box:
    """Where prices may be: a centre, the best known, and how far from it."""

    def __init__(self, at: Frame, price: Floats, reach: float) -> None:
        self.price, self.width = price, reach / (at.pull * at.scale)  # (n,)
        self.cut, self.cut_width = np.zeros(0), np.zeros(0)  # (cuts,)

    def add(self, review: Rows) -> None:
        """Rows of pairing, whose prices nobody knows yet: far wider boxes than those of these reviews."""
        self.cut = np.append(self.cut, np.zeros(len(review)))
        self.cut_width = np.append(self.cut_width, STRANGE * self.width[review])

    def move(self, vertex: _Vertex) -> None:
        self.price, self.cut = vertex.price, vertex.cut

    def grow(self, vertex: _Vertex) -> None:
        self.width[vertex.held] *= GROWTH
        self.cut_width[: len(vertex.cut_held)][vertex.cut_held] *= GROWTH

    def edges(self, at: Frame) -> tuple[Floats, Floats]:
        """(lower, upper) of the rows with a price, scaled, and of the cuts."""
        sides = ((self.price + side * self.width, self.cut + side * self.cut_width) for side in (-1.0, 1.0))
        low, high = (np.maximum(np.append((row * at.scale)[at.on], cut), 0.0) for row, cut in sides)
        return low, high


@dataclass(frozen=True, eq=False)
class _Vertex:
    columns: _Columns
    share: Floats  # (columns,)
    price: Floats  # (n,)
    cut: Floats  # (cuts,) prices of the pairing rows
    loose: Rows  # decided blocks in pools that are not fully used
    held: Bools  # (n,) rows whose price is held back by its box
    cut_held: Bools  # (cuts,)
    traded: Floats  # (n,) bought (> 0) and sold (< 0) of rows, in shares of their limits


class _Polisher:
    """What all rounds share."""

    def __init__(self, problem: Problem, dual: SmoothDual) -> None:
        self.problem, self.frame = problem, dual.frame
        self.blocks, self.ground = dual.blocks, dual.ground
        self.gain = problem.gain
        self.cuts: list[Cut] = []

    def replies(self, price: Floats, pairing: Floats, band: float) -> _Replies:
        worth = np.zeros(self.problem.arcs)
        extra = pairing if pairing.any() else pairing[:0]
        choice, best, second = best_choices(self.ground, self.blocks, fees(self.ground, price), extra, worth)
        return _Replies(Stand(choice, best, second, worth), within(np.full(len(self.problem.queues), band)))

    def bonus(self, block: Rows, arc: Rows) -> Floats:
        return np.where(self.blocks.arc[block] == arc, self.blocks.bonus[block], 0.0)

    def usage(self, column: Rows, arcs: Rows, amount: Floats, columns: int) -> csr_array:
        """(rows with a price and cuts, columns) what whole columns use: amounts of hours on arcs of one seat each."""
        p, first = self.problem, np.zeros(columns, np.intp)
        first[column] = arcs
        done = (total_by(column, amount * each[arcs], columns) for each in (p.accepted, p.rate, p.cost))
        rows = uses(p.queues, p.queue[first], p.role[first], *done).multiply(1.0 / self.frame.scale[:, None])
        if not self.cuts:
            return csr_array(rows)[self.frame.on]
        spread = csr_array(coo_array((amount, (arcs, column)), shape=(p.arcs, columns)))
        return csr_array(vstack([csr_array(rows)[self.frame.on], cut_rows(p, self.cuts) @ spread]))

    def used(self, hours: Floats) -> Floats:
        """(rows with a price and cuts,) what hours (A,) use."""
        land, arcs = self.ground, np.flatnonzero(hours)
        seat = land.seat[arcs]
        each = (land.accepted, land.rate, land.cost)
        flow = [total_by(seat, units[arcs] * hours[arcs], len(ROLES) * len(land.due)) for units in each]
        rows = usage(land, np.stack(flow, axis=1), len(self.problem.queues.budget)) / self.frame.scale
        return np.append(rows[self.frame.on], cut_rows(self.problem, self.cuts) @ hours)

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
            margin = at.stand.best[block] - at.stand.worth[arc] - bonus
            near |= margin <= at.bands.limits(self.ground, arc, at.stand.choice[block])
        near &= self.frame.alive[p.queue[arc]] & (p.queues.due[p.queue[arc]] >= self.blocks.period[block])
        return block[near], arc[near]

    def queue(self, cut: Cut) -> int:
        """The queue whose pairing it keeps."""
        return int(self.problem.queue[cut.arc[0]])

    def bound(self, price: Floats, at: _Replies) -> float:
        limits = self.frame.limit @ (price * self.frame.scale)
        return float(limits + self.blocks.hours @ at.stand.best) - constant(self.problem)


def polish(
    problem: Problem, dual: SmoothDual, priced: Priced, *,
    goal: float = 1e-6, kept: float = -np.inf, reach: float = np.inf, late: Callable[[], bool] = lambda: False,
) -> Polished:  # fmt: skip
    """A vertex near the soft plan; each round lets more people choose until nobody would rather be elsewhere.

    kept: what the earlier plan (`before`) brings, if it may stay. It stays where that is proven to be enough, and
    rounds go on until it is certain whether it is. reach: the share of all hours that may still be missing or too many
    once those nearest to a tie were asked; where it is more, better prices are wanted, and it gives up.
    """
    work, epsilon = _Polisher(problem, dual), priced.epsilon
    soft = work.replies(priced.price, np.zeros(problem.arcs), WIDE * epsilon)
    choice, seen = soft.stand.choice, [soft]
    proven, box = work.bound(priced.price, soft), _Box(dual.frame, priced.price, WIDE * epsilon)
    best = (priced.price, np.zeros(problem.arcs), np.zeros((len(problem.queues), len(ROLES))))
    open_to = soft.stand.best - soft.stand.second < NEAR * epsilon  # (b,)
    for turn in range(ROUNDS):
        if kept >= proven - goal * abs(proven):
            return Polished(problem.before.copy(), *best, sound=True)
        vertex = _solve(work, choice, np.flatnonzero(open_to), seen, box)
        pairing = vertex.cut @ cut_rows(problem, work.cuts)
        now = work.replies(vertex.price, pairing, LATER * epsilon)
        if (limit := work.bound(vertex.price, now)) < proven:
            proven, best = limit, (vertex.price, pairing, _common(work, vertex.cut))
            box.move(vertex)
        hours = within_limits(problem, vertex.columns.hours(vertex.share, problem.arcs))
        broken: list[Cut] = []
        over, enough = late(), max(proven - goal * abs(proven), kept + goal * abs(proven))
        sound = not over and weigh(problem, hours)[1] >= enough
        if sound:  # but for the pairing
            hours, broken = _settled(work, vertex, seen, hours, REACH * epsilon)
            sound = not broken and weigh(problem, hours)[1] >= enough
        if over or sound:
            break
        wanted = asked(problem.queues, dual.frame, vertex.traded)
        if turn > 0 and wanted.total > reach * dual.blocks.hours.sum():
            return Polished(hours, *best, sound=False, far=True)
        open_to |= _joining(work, vertex.loose, seen, now, open_to, wanted, UNIT * epsilon)
        box.grow(vertex)
        work.cuts += broken
        box.add(np.array([len(problem.queues) + work.queue(cut) for cut in work.cuts[len(box.cut) :]], dtype=np.intp))
    return Polished(hours, *best, sound)


def _joining(
    work: _Polisher, loose: Rows, seen: list[_Replies], now: _Replies, open_to: Bools, wanted: Asked, unit: float
) -> Bools:
    """(b,) blocks that join the undecided (b,): who is nearest to what is asked, and if few, whoever would move."""
    first = seen[0]
    bands, joining = nearest(work.ground, work.blocks, first.stand, unit, wanted, open_to)
    seen[0] = replace(first, bands=first.bands.and_further(bands))
    joining &= ~open_to
    if joining.sum() < FEW * open_to.sum():
        joining |= _moved(work, first.stand.choice, now) & ~open_to
        seen.append(now)
    if not joining.any():
        joining[loose] = True
    return joining


def _settled(
    work: _Polisher, vertex: _Vertex, seen: list[_Replies], hours: Floats, reach: float
) -> tuple[Floats, list[Cut]]:
    """Hours that can be paired, near those (A,) of a vertex that is good enough otherwise, and what is broken still.

    Whoever works on a broken queue, or would lose at most `reach` an hour there, chooses anew; all others stay.
    """
    touched, broken = np.zeros(len(work.problem.queues), dtype=bool), broken_pairings(work.problem, hours)
    for _ in range(ROUNDS):
        if not broken:
            break
        work.cuts += broken
        touched[[work.queue(cut) for cut in broken]] = True
        settled = within_limits(work.problem, _settle(work, vertex, seen, touched, reach))
        changed = np.bincount(work.problem.queue[settled != hours], minlength=len(touched)) > 0
        hours, broken = settled, broken_pairings(work.problem, settled, touched | changed)
    return hours, broken


def _settle(work: _Polisher, vertex: _Vertex, seen: list[_Replies], touched: Bools, reach: float) -> Floats:
    """(A,) hours where people on or near the touched queues (Q,) choose anew."""
    p, old, at = work.problem, vertex.columns, seen[0].stand
    wide = replace(seen[0], bands=within(np.where(touched, reach, -np.inf)))
    hours = old.hours(vertex.share, p.arcs)
    least = np.full(p.experts, np.inf)
    np.minimum.at(least, work.blocks.expert, at.best)
    arcs = np.flatnonzero(touched[p.queue])
    near = (hours[arcs] > 0) | (at.worth[arcs] >= least[p.expert[arcs]] - reach)
    free = np.zeros(p.experts, dtype=bool)
    free[p.expert[arcs[near]]] = True
    kept = np.where(free[p.expert], 0.0, hours)
    col = _columns(work, np.full(len(work.blocks.hours), -1), np.flatnonzero(free[work.blocks.expert]), [*seen, wide])
    used, frozen = work.used(hours), work.used(kept)
    room = np.maximum(_limits(work), np.where(np.arange(len(used)) < len(work.frame.on), used, 0.0)) - frozen
    found = linprog(
        -col.gain / work.frame.hour,
        A_ub=vstack([col.usage, col.one_each], format="csr"),
        b_ub=np.append(room, np.ones(col.one_each.shape[0])),
        bounds=(0.0, 1.0),
        method="highs-ds",
        options={"presolve": False},  # which takes longer than it saves
    )
    return hours if found.x is None else kept + col.hours(found.x, p.arcs)


def _limits(work: _Polisher) -> Floats:
    return np.append(work.frame.limit[work.frame.on], np.zeros(len(work.cuts)))


def _common(work: _Polisher, dual: Floats) -> Floats:
    """(Q, 3) what the pairing rows charge for a unit of people whom they do not name."""
    charge = np.zeros((len(work.problem.queues), len(ROLES)))
    for cut, price in zip(work.cuts, dual, strict=True):
        charge[work.problem.queue[cut.arc[0]]] += price * cut.pooled
    return charge


def _moved(work: _Polisher, choice: Rows, now: _Replies) -> Bools:
    """(b,) decided blocks that would earn more elsewhere at today's prices."""
    fixed = np.where(choice >= 0, now.stand.worth[choice] + work.bonus(np.arange(len(choice)), choice), 0.0)
    return np.asarray(now.stand.best - fixed > 1e-9 * work.frame.hour)


@dataclass(frozen=True, eq=False)
class _Columns:
    """What the programme chooses: pieces of open blocks, then pools of decided ones; each a share of all its hours."""

    column: Rows  # row n puts amount[n] hours of column[n] on arc[n]
    arc: Rows
    amount: Floats
    usage: csr_array  # (rows with a price and cuts, columns)
    gain: Floats  # (columns,)
    one_each: coo_array  # (open blocks, columns) a block is given away once
    decided: Rows  # blocks in pools
    pool: Rows  # the pool of each
    pieces: int

    def hours(self, shares: Floats, arcs: int) -> Floats:
        """(A,) from shares of the columns."""
        return total_by(self.arc, self.amount * shares[self.column], arcs)


def _columns(work: _Polisher, choice: Rows, open_to: Rows, seen: list[_Replies]) -> _Columns:
    p, hours = work.problem, work.blocks.hours
    block, arc = work.pieces(open_to, seen)
    decided = np.setdiff1d(np.flatnonzero(choice >= 0), open_to, assume_unique=True)
    seats, pool = np.unique(p.queue[choice[decided]] * len(ROLES) + p.role[choice[decided]], return_inverse=True)
    m, total = len(block), len(block) + len(seats)
    column = np.concatenate([np.arange(m), m + pool])
    arcs = np.concatenate([arc, choice[decided]])
    amount = np.concatenate([hours[block], hours[decided]])
    bonus = np.concatenate([work.bonus(block, arc), work.bonus(decided, choice[decided])])
    owner = (np.searchsorted(open_to, block), np.arange(m))
    return _Columns(
        column=column,
        arc=arcs,
        amount=amount,
        usage=work.usage(column, arcs, amount, total),
        gain=total_by(column, amount * (work.gain[arcs] + bonus), total),
        one_each=coo_array((np.ones(m), owner), shape=(len(open_to), total)),
        decided=decided,
        pool=pool,
        pieces=m,
    )


def _solve(work: _Polisher, choice: Rows, open_to: Rows, seen: list[_Replies], box: _Box) -> _Vertex:
    """The programme of pieces and pools, and of what is bought and sold at the edges of the box."""
    at, hours = work.frame, work.blocks.hours
    col = _columns(work, choice, open_to, seen)
    rows, chosen = col.usage.shape
    trade, (low, high) = eye_array(rows), box.edges(at)
    money = at.hour * float(np.median(hours)) if len(hours) else 1.0
    found = linprog(
        -np.concatenate([col.gain, -high, low]) / money,
        A_ub=block_array([[col.usage, -trade, trade], [col.one_each, None, None]], format="csr"),
        b_ub=np.append(_limits(work), np.ones(len(open_to))),
        bounds=np.column_stack([
            np.zeros(chosen + 2 * rows), np.append(np.ones(chosen), np.full(2 * rows, np.inf)),
        ]),
        method="highs-ds",
        options={"presolve": False},  # which takes longer than it saves
    )  # fmt: skip
    share, bought, sold = np.split(found.x[col.pieces :], [chosen - col.pieces, chosen - col.pieces + rows])
    dual, cut = np.split(np.maximum(-found.ineqlin.marginals[:rows], 0.0) * money, [len(at.on)])
    held, cut_held = np.split(np.maximum(bought, sold) > TRADED, [len(at.on)])
    price, all_held, traded = np.zeros(len(at.scale)), np.zeros(len(at.scale), dtype=bool), np.zeros(len(at.scale))
    price[at.on], all_held[at.on] = dual, held
    traded[at.on] = np.where(held, (bought - sold)[: len(at.on)], 0.0)
    return _Vertex(
        columns=col,
        share=found.x[:chosen],
        price=price / at.scale,
        cut=cut,
        loose=col.decided[share[col.pool] < WHOLE],
        held=all_held,
        cut_held=cut_held,
        traded=traded,
    )
