r"""The map over blocks of hours at given prices: what everybody would do, softly or sharply.

    F(λ)   = Σ_b H_b ε log(1 + Σ_a exp(w_a(λ) / ε))         smoothed best replies, "1" is staying idle
    h_a    = Σ_b H_b p_ba,     p_b = softmax(w / ε)          the hours it implies
    usage  = Σ_a A_a h_a = -∇F                               of demand, reviews, second-level reviews, money
    ∇²F    = Σ_b (H_b / ε) (Σ_a p A_a A_aᵀ - ā āᵀ),  ā = Σ_a p A_a

Arcs meet queues in *seats*, 3 q + role, and an hour in a seat is three numbers: x = (accepted units, units handled,
money). Prices become a fee for each of the three, so that w_a = gain_a - fee[seat]·x_a, and usage is a linear function
of the flows Σ h x of the seats. In the Hessian the first part needs only Σ p x xᵀ of each seat; the second is one outer
product a block, of the few rows its choices touch, and nothing for blocks that have made up their mind: the first pass
says who has not, and the second visits only them.

Rows are scaled by σ: usage and Hessian are in shares of the limits. Sums over blocks are in a fixed order, and
additive: a pool may be cut anywhere and the parts summed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.best_reply import greedy
from assignment.blocks import Blocks
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, ROLES, SECOND

Sums: TypeAlias = tuple[float, Floats, Callable[[], Floats]]  # F, usage, upper triangle of the Hessian when asked

NOBODY = np.zeros(0)
BLUR = 2.0  # the Hessian is taken at so many ε: a step should know the ties that it will meet, not only those it leaves
LIKELY = 0.06  # choices less likely than this are taken for independent in it
FAR = -21.0  # a choice e^21 times less likely than the best adds nothing


class Ground(NamedTuple):
    """The arcs and queues of a problem, as the compiled loops read them."""

    starts: Rows  # (E + 1,)
    seat: Rows  # (A,) 3 queue + role
    gain: Floats  # (A,) -inf where the queue cannot be served
    accepted: Floats  # (A,)
    rate: Floats  # (A,)
    cost: Floats  # (A,)
    due: Rows  # (Q,)
    purse: Rows  # (Q,)
    review_share: Floats  # (Q,)
    second_share: Floats  # (Q,)


class _Room(NamedTuple):
    """Room for one block: its worths and choices, and the mean of the rows they touch."""

    worth: Floats  # (widest,) w of the expert's arcs
    chosen: Rows  # (widest,) arcs that count
    chance: Floats  # (widest,) of these
    row: Rows  # (rows,) which row of n each local row is
    place: Rows  # (n,) where a row is among the local ones, -1 if it is not
    mean: Floats  # (rows,)


def lay(problem: Problem, served: Bools) -> Ground:
    """The problem as the loops read it; served (Q,)."""
    p, queues = problem, problem.queues
    seat = p.queue * len(ROLES) + p.role
    return Ground(p.starts, seat.astype(np.int32), np.where(served[p.queue], p.gain, -np.inf), p.accepted, p.rate,
                  p.cost, queues.due, queues.purse, queues.review_share, queues.second_share)  # fmt: skip


def fees(land: Ground, price: Floats) -> Floats:
    """(3 Q, 3) what an accepted unit, a unit handled and money cost in each seat at prices (n,)."""
    size = len(land.due)
    demand, review, second, budget = np.split(price, [size, 2 * size, 3 * size])
    table = np.zeros((size, len(ROLES), 3))
    table[:, PRODUCE, 0] = demand
    table[:, PRODUCE, 1] = land.review_share * review + land.second_share * second
    table[:, REVIEW, 1] = -review
    table[:, SECOND, 1] = -second
    table[:, :, 2] = budget[land.purse, None]
    return table.reshape(-1, 3)


def usage(land: Ground, flow: Floats, groups: int) -> Floats:
    """(n,) of demand, reviews, second-level reviews and money by the flows (3 Q, 3) of the seats."""
    units, handled, money = np.moveaxis(flow.reshape(-1, len(ROLES), 3), 2, 0)  # (Q, 3) each
    return np.concatenate([
        units[:, PRODUCE],
        land.review_share * handled[:, PRODUCE] - handled[:, REVIEW],
        land.second_share * handled[:, PRODUCE] - handled[:, SECOND],
        total_by(land.purse, money.sum(axis=1), groups),
    ])  # fmt: skip


@njit(cache=True, error_model="numpy")
def _worths(land: Ground, fee: Floats, lo: int, hi: int, out: Floats) -> None:
    """w_a of arcs lo..hi."""
    for a in range(lo, hi):
        paid = fee[land.seat[a]]
        out[a - lo] = land.gain[a] - paid[0] * land.accepted[a] - paid[1] * land.rate[a] - paid[2] * land.cost[a]


@njit(cache=True, error_model="numpy")
def _soften(land: Ground, b: int, blocks: Blocks, epsilon: float, room: _Room) -> tuple[float, int, float]:
    """(smoothed worth of an hour, how many arcs count, chance of being idle) of block b; fills chosen and chance."""
    lo, w, own, period = land.starts[blocks.expert[b]], room.worth, blocks.arc[b], blocks.period[b]
    count = land.starts[blocks.expert[b] + 1] - lo
    before = 0.0
    if own >= 0:
        before = w[own - lo]
        w[own - lo] += blocks.bonus[b]
    best = 0.0
    for a in range(count):
        if w[a] > best and (period == 0 or land.due[land.seat[lo + a] // 3] >= period):
            best = w[a]
    idle = np.exp(-best / epsilon)
    norm, least, known = idle, best + FAR * epsilon, 0
    for a in range(count):
        if w[a] > least and (period == 0 or land.due[land.seat[lo + a] // 3] >= period):
            room.chosen[known] = lo + a
            room.chance[known] = np.exp((w[a] - best) / epsilon)
            norm += room.chance[known]
            known += 1
    if own >= 0:
        w[own - lo] = before
    for x in range(known):
        room.chance[x] /= norm
    return best + epsilon * np.log(norm), known, idle / norm


@njit(cache=True, error_model="numpy")
def _room(land: Ground, n: int) -> _Room:
    widest = 1
    for e in range(land.starts.shape[0] - 1):
        widest = max(widest, land.starts[e + 1] - land.starts[e])
    rows = min(4 * widest, n)
    return _Room(np.empty(widest), np.empty(widest, np.int64), np.empty(widest), np.empty(rows, np.int64),
                 np.full(n, -1), np.empty(rows))  # fmt: skip


@njit(cache=True, error_model="numpy")
def reply_sums(
    land: Ground, blocks: Blocks, fee: Floats, epsilon: float, thin: float, plan: Floats
) -> tuple[float, Floats, Rows]:
    """(F, flows (3 Q, 3), blocks that waver) at fees (3 Q, 3); adds hours to plan (A,), if it is not empty.

    A block wavers when no choice of it has a chance above 1 - thin.
    """
    flow, total, wavering = np.zeros(fee.shape), 0.0, 0
    undecided = np.empty(blocks.expert.shape[0], np.int64)
    room, last = _room(land, 0), -1
    for b in range(blocks.expert.shape[0]):
        e, hours = blocks.expert[b], blocks.hours[b]
        if e != last:
            _worths(land, fee, land.starts[e], land.starts[e + 1], room.worth)
            last = e
        worth, known, top = _soften(land, b, blocks, epsilon, room)
        total += hours * worth
        for x in range(known):
            a, share = room.chosen[x], hours * room.chance[x]
            top = max(top, room.chance[x])
            into = flow[land.seat[a]]
            into[0] += share * land.accepted[a]
            into[1] += share * land.rate[a]
            into[2] += share * land.cost[a]
            if plan.shape[0]:
                plan[a] += share
        if top <= 1.0 - thin:
            undecided[wavering] = b
            wavering += 1
    return total, flow, undecided[:wavering]


@njit(cache=True, error_model="numpy")
def _lean(room: _Room, known: int, row: int, amount: float) -> int:
    """Adds to the mean of one row; how many rows are known now."""
    if room.place[row] < 0:
        room.place[row] = known
        room.row[known] = row
        room.mean[known] = 0.0
        known += 1
    room.mean[room.place[row]] += amount
    return known


@njit(cache=True, error_model="numpy")
def _mean_rows(land: Ground, a: int, share: float, per: Floats, room: _Room, known: int) -> int:
    """Adds share of A_a, in scaled rows, to the mean of the block."""
    size, q, role = land.due.shape[0], land.seat[a] // 3, land.seat[a] % 3
    money, handled = 3 * size + land.purse[q], share * land.rate[a]
    known = _lean(room, known, money, share * land.cost[a] * per[money])
    if role > 0:
        return _lean(room, known, role * size + q, -handled * per[role * size + q])
    known = _lean(room, known, q, share * land.accepted[a] * per[q])
    known = _lean(room, known, size + q, land.review_share[q] * handled * per[size + q])
    return _lean(room, known, 2 * size + q, land.second_share[q] * handled * per[2 * size + q])


@njit(cache=True, error_model="numpy")
def _take_outer(room: _Room, known: int, weight: float, hessian: Floats) -> None:
    """Takes weight ā āᵀ from the upper triangle, and forgets the block's rows."""
    for x in range(known):
        row, part = room.row[x], weight * room.mean[x]
        for y in range(x + 1):
            other = room.row[y]
            hessian[min(row, other), max(row, other)] -= part * room.mean[y]
    for x in range(known):
        room.place[room.row[x]] = -1


@njit(cache=True, error_model="numpy")
def _add_seats(land: Ground, square: Floats, per: Floats, hessian: Floats) -> None:
    """Adds Σ p A_a A_aᵀ to the upper triangle from Σ p x xᵀ of the seats: (aa, ar, rr, ac, rc, cc)."""
    size = land.due.shape[0]
    rows, share = np.empty(4, np.int64), np.empty((4, 3))
    for seat in range(3 * size):
        q, role, s = seat // 3, seat % 3, square[seat]
        rows[0], rows[1], rows[2], rows[3] = q, size + q, 2 * size + q, 3 * size + land.purse[q]
        share[:] = 0.0  # of (accepted, handled, money) in each of the rows
        share[3, 2] = per[rows[3]]
        if role == 0:
            share[0, 0] = per[rows[0]]
            share[1, 1] = land.review_share[q] * per[rows[1]]
            share[2, 1] = land.second_share[q] * per[rows[2]]
        else:
            share[role, 1] = -per[rows[role]]
        for x in range(4):
            for y in range(x, 4):
                i, j = share[x], share[y]
                hessian[rows[x], rows[y]] += (
                    i[0] * j[0] * s[0] + (i[0] * j[1] + i[1] * j[0]) * s[1] + i[1] * j[1] * s[2]
                    + (i[0] * j[2] + i[2] * j[0]) * s[3] + (i[1] * j[2] + i[2] * j[1]) * s[4] + i[2] * j[2] * s[5]
                )  # fmt: skip


@njit(cache=True, error_model="numpy")
def curvature(
    land: Ground, blocks: Blocks, among: Rows, fee: Floats, per: Floats, epsilon: float, thin: float
) -> Floats:
    """Upper triangle (n, n) of the Hessian in scaled rows (per: 1 / σ), over the blocks `among`.

    Choices less likely than `thin` are left out: it only guides the step.
    """
    n = per.shape[0]
    hessian, square = np.zeros((n, n)), np.zeros((fee.shape[0], 6))
    room, last = _room(land, n), -1
    for b in among:
        e, weight = blocks.expert[b], blocks.hours[b] / epsilon
        if e != last:
            _worths(land, fee, land.starts[e], land.starts[e + 1], room.worth)
            last = e
        found = _soften(land, b, blocks, epsilon, room)[1]
        known = 0
        for x in range(found):
            a, share = room.chosen[x], room.chance[x]
            s, part = square[land.seat[a]], weight * share
            s[0] += part * land.accepted[a] * land.accepted[a]
            s[1] += part * land.accepted[a] * land.rate[a]
            s[2] += part * land.rate[a] * land.rate[a]
            s[3] += part * land.accepted[a] * land.cost[a]
            s[4] += part * land.rate[a] * land.cost[a]
            s[5] += part * land.cost[a] * land.cost[a]
            if share >= thin:
                known = _mean_rows(land, a, share, per, room, known)
        _take_outer(room, known, weight, hessian)
    _add_seats(land, square, per, hessian)
    return hessian


@njit(cache=True, error_model="numpy")
def best_choices(
    land: Ground, blocks: Blocks, fee: Floats, extra: Floats, worth: Floats
) -> tuple[Rows, Floats, Floats]:
    """Per block: best arc (-1 for idle), its worth, the runner-up's worth. Fills worth (A,), bonuses left out.

    extra (A,): more charges an hour on each arc, empty for none.
    """
    count = blocks.expert.shape[0]
    choice, best, second = np.full(count, -1), np.zeros(count), np.full(count, -np.inf)
    last = -1
    for b in range(count):
        e, period = blocks.expert[b], blocks.period[b]
        lo, hi = land.starts[e], land.starts[e + 1]
        if e != last:
            _worths(land, fee, lo, hi, worth[lo:hi])
            if extra.shape[0]:
                worth[lo:hi] -= extra[lo:hi]
            last = e
        for a in range(lo, hi):
            if period > 0 and land.due[land.seat[a] // 3] < period:
                continue
            w = worth[a] + (blocks.bonus[b] if a == blocks.arc[b] else 0.0)
            if w > best[b]:
                second[b], best[b], choice[b] = best[b], w, a
            elif w > second[b]:
                second[b] = w
    return choice, best, second


def soft_sums(
    land: Ground, who: Blocks, price: Floats, per: Floats, epsilon: float, thin: float, plan: Floats = NOBODY
) -> Sums:
    """F, usage (n,) and Hessian in scaled rows (per: 1 / σ) at prices (n,); adds the soft hours to plan (A,).

    The Hessian only guides a step: it is blurred, and leaves out blocks with a choice surer than 1 - thin.
    """
    fee = fees(land, price)
    total, flow, among = reply_sums(land, who, fee, epsilon, thin, plan)
    used = usage(land, flow, len(per) - 3 * len(land.due)) * per
    return total, used, partial(curvature, land, who, among, fee, per, BLUR * epsilon, LIKELY)


greedy_fast = njit(cache=True)(greedy)
