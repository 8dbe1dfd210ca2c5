r"""The map over blocks of hours at given prices: what everybody would do, softly or sharply.

    F(λ)   = Σ_b H_b ε log(1 + Σ_a exp(w_a(λ) / ε))         smoothed best replies, "1" is staying idle
    h_a    = Σ_b H_b p_ba,     p_b = softmax(w / ε)          the hours it implies
    usage  = Σ_a A_a h_a = -∇F                               of demand, reviews, second-level reviews, money
    ∇²F    = Σ_b (H_b / ε) (Σ_a p A_a A_aᵀ - ā āᵀ),  ā = Σ_a p A_a

A_a has at most four entries (D, R1, R2, B of its queue), so that a block adds a tiny matrix; blocks that have made up
their mind add nothing. Rows are scaled by σ: usage and Hessian are in shares of the limits. Sums over blocks are in a
fixed order, and additive: a pool may be cut anywhere and the parts summed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from assignment.arrays import Bools, Floats, Rows
from assignment.best_reply import greedy
from assignment.blocks import Blocks

FAINT = 1e-9  # a choice less likely than this adds nothing to usage
FAR = -25.0  # e^-25 is below FAINT


class Ground(NamedTuple):
    """The arcs and queues of a problem, as the compiled loops read them."""

    starts: Rows  # (E + 1,)
    queue: Rows  # (A,)
    role: Rows  # (A,)
    gain: Floats  # (A,)
    accepted: Floats  # (A,)
    rate: Floats  # (A,)
    cost: Floats  # (A,)
    alive: Bools  # (A,)
    due: Rows  # (Q,)
    purse: Rows  # (Q,)
    review_share: Floats  # (Q,)
    second_share: Floats  # (Q,)


class _Local(NamedTuple):
    """Room for the moments of one block over the rows it touches."""

    row: Rows  # which row of n each local row is
    place: Rows  # (n,) where a row is among the local ones, -1 if it is not
    mean: Floats
    square: Floats
    at: Rows  # (4,) rows of one arc
    entry: Floats  # (4,) its entries


@njit(cache=True, error_model="numpy")
def _worths(ground: Ground, fees: Floats, price: Floats, lo: int, hi: int, out: Floats) -> None:
    """w_a of arcs lo..hi at prices (n,); fees (Q,) are the reviews of one submitted unit, in money."""
    size = fees.shape[0]
    for a in range(lo, hi):
        q = ground.queue[a]
        worth = ground.gain[a] - price[3 * size + ground.purse[q]] * ground.cost[a]
        if ground.role[a] == 0:
            worth -= price[q] * ground.accepted[a] + fees[q] * ground.rate[a]
        else:
            worth += price[ground.role[a] * size + q] * ground.rate[a]
        out[a - lo] = worth


@njit(cache=True, error_model="numpy")
def _soften(
    ground: Ground, b: int, blocks: Blocks, epsilon: float, lo: int, hi: int, w: Floats, p: Floats
) -> tuple[float, float]:
    """Fills p with the chances of block b's arcs; (smoothed worth of an hour, the largest chance)."""
    best = 0.0
    for a in range(lo, hi):
        p[a - lo] = -np.inf
        if ground.alive[a] and ground.due[ground.queue[a]] >= blocks.period[b]:
            p[a - lo] = w[a - lo] + (blocks.bonus[b] if a == blocks.arc[b] else 0.0)
            best = max(best, p[a - lo])
    norm = np.exp(-best / epsilon)
    top = norm
    for a in range(hi - lo):
        gap = (p[a] - best) / epsilon
        p[a] = np.exp(gap) if gap > FAR else 0.0
        norm += p[a]
        top = max(top, p[a])
    for a in range(hi - lo):
        p[a] /= norm
    return best + epsilon * np.log(norm), top / norm


@njit(cache=True, error_model="numpy")
def _entries(ground: Ground, a: int, scale: Floats, size: int, at: Rows, entry: Floats) -> int:
    """The column A_a: fills rows and entries, and says how many."""
    q, role = ground.queue[a], ground.role[a]
    at[0] = 3 * size + ground.purse[q]
    entry[0] = ground.cost[a] / scale[at[0]]
    if role > 0:
        at[1] = role * size + q
        entry[1] = -ground.rate[a] / scale[at[1]]
        return 2
    at[1], at[2], at[3] = q, size + q, 2 * size + q
    entry[1] = ground.accepted[a] / scale[at[1]]
    entry[2] = ground.review_share[q] * ground.rate[a] / scale[at[2]]
    entry[3] = ground.second_share[q] * ground.rate[a] / scale[at[3]]
    return 4


@njit(cache=True, error_model="numpy")
def _gather(local: _Local, count: int, share: float, known: int) -> int:
    """Adds one arc to the moments of a block; how many rows are known now."""
    for x in range(count):
        row = local.at[x]
        if local.place[row] < 0:
            local.place[row] = known
            local.row[known] = row
            local.mean[known] = 0.0
            for y in range(known + 1):
                local.square[known, y] = 0.0
                local.square[y, known] = 0.0
            known += 1
    for x in range(count):
        here = local.place[local.at[x]]
        local.mean[here] += share * local.entry[x]
        for y in range(count):
            local.square[here, local.place[local.at[y]]] += share * local.entry[x] * local.entry[y]
    return known


@njit(cache=True, error_model="numpy")
def _scatter(local: _Local, known: int, sharp: float, hessian: Floats) -> None:
    """Adds a block's moments to the upper triangle, and forgets its rows."""
    for x in range(known):
        row = local.row[x]
        for y in range(known):
            if local.row[y] >= row:
                hessian[row, local.row[y]] += sharp * (local.square[x, y] - local.mean[x] * local.mean[y])
    for x in range(known):
        local.place[local.row[x]] = -1


@njit(cache=True, error_model="numpy")
def _room(ground: Ground, n: int) -> tuple[_Local, Floats, Floats]:
    widest = 1
    for e in range(ground.starts.shape[0] - 1):
        widest = max(widest, ground.starts[e + 1] - ground.starts[e])
    rows = min(4 * widest, n)
    local = _Local(
        np.empty(rows, np.int64),
        np.full(n, -1),
        np.empty(rows),
        np.empty((rows, rows)),
        np.empty(4, np.int64),
        np.empty(4),
    )
    return local, np.empty(widest), np.empty(widest)


@njit(cache=True, error_model="numpy")
def reply_sums(
    ground: Ground, blocks: Blocks, price: Floats, scale: Floats, epsilon: float, thin: float, plan: Floats
) -> tuple[float, Floats, Floats]:
    """(F, usage (n,), upper triangle of the Hessian (n, n)) at prices (n,), in scaled rows; adds hours to plan (A,).

    Choices less likely than `thin` are left out of the Hessian, which only guides the step. An empty plan is let be.
    """
    size, n = ground.due.shape[0], price.shape[0]
    usage, hessian, total = np.zeros(n), np.zeros((n, n)), 0.0
    fees = ground.review_share * price[size : 2 * size] + ground.second_share * price[2 * size : 3 * size]
    local, w, p = _room(ground, n)
    last = -1
    for b in range(blocks.expert.shape[0]):
        e = blocks.expert[b]
        lo, hi = ground.starts[e], ground.starts[e + 1]
        if e != last:
            _worths(ground, fees, price, lo, hi, w)
            last = e
        worth, top = _soften(ground, b, blocks, epsilon, lo, hi, w, p)
        total += blocks.hours[b] * worth
        known = 0
        for a in range(lo, hi):
            share = p[a - lo]
            if share < FAINT:
                continue
            if plan.shape[0]:
                plan[a] += blocks.hours[b] * share
            count = _entries(ground, a, scale, size, local.at, local.entry)
            for x in range(count):
                usage[local.at[x]] += blocks.hours[b] * share * local.entry[x]
            if share >= thin and top <= 1.0 - thin:
                known = _gather(local, count, share, known)
        _scatter(local, known, blocks.hours[b] / epsilon, hessian)
    return total, usage, hessian


@njit(cache=True, error_model="numpy")
def best_choices(
    ground: Ground, blocks: Blocks, price: Floats, extra: Floats, worth: Floats
) -> tuple[Rows, Floats, Floats]:
    """Per block: best arc (-1 for idle), its worth, the runner-up's worth. Fills worth (A,), bonuses left out.

    extra (A,): more charges an hour on each arc, empty for none.
    """
    size = ground.due.shape[0]
    fees = ground.review_share * price[size : 2 * size] + ground.second_share * price[2 * size : 3 * size]
    count = blocks.expert.shape[0]
    choice, best, second = np.full(count, -1), np.zeros(count), np.full(count, -np.inf)
    last = -1
    for b in range(count):
        e = blocks.expert[b]
        lo, hi = ground.starts[e], ground.starts[e + 1]
        if e != last:
            _worths(ground, fees, price, lo, hi, worth[lo:hi])
            if extra.shape[0]:
                worth[lo:hi] -= extra[lo:hi]
            last = e
        for a in range(lo, hi):
            if not ground.alive[a] or ground.due[ground.queue[a]] < blocks.period[b]:
                continue
            w = worth[a] + (blocks.bonus[b] if a == blocks.arc[b] else 0.0)
            if w > best[b]:
                second[b], best[b], choice[b] = best[b], w, a
            elif w > second[b]:
                second[b] = w
    return choice, best, second


greedy_fast = njit(cache=True)(greedy)
