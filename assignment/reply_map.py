r"""The map over blocks of hours at given prices: what everybody would do, smoothed, and how that moves with prices.

    F(λ)   = Σ_b H_b ε log(1 + Σ_a exp(w_a(λ) / ε))         smoothed best replies, "1" is staying idle
    h_a    = Σ_b H_b p_ba,     p_b = softmax(w / ε)          the hours it implies
    usage  = Σ_a A_a h_a = -∇F                               of demand, reviews, second-level reviews, money
    ∇²F    = Σ_b (H_b / ε) (Σ_a p A_a A_aᵀ - ā āᵀ),  ā = Σ_a p A_a

A_a has at most four entries (D, R1, R2, B of its queue), so that a block adds a tiny matrix; blocks that have made up
their mind add nothing. Rows are scaled by σ: prices are in money, usage in shares of the limit. Sums over blocks are
in a fixed order, and additive: a pool may be cut anywhere and the parts summed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from assignment.arrays import Floats

FAINT = 1e-9  # a choice less likely than this adds nothing


@njit(cache=True, error_model="numpy")
def _worths(q, role, gain, accepted, rate, cost, fees, price, purse, lo, hi, out):  # noqa: ANN001, ANN202
    """w_a for arcs lo..hi. fees (Q,) reviews a submitted unit in money; price (4, ·) unscaled."""
    size = fees.shape[0]
    for a in range(lo, hi):
        i = q[a]
        worth = gain[a] - price[3 * size + purse[i]] * cost[a]
        if role[a] == 0:
            worth -= price[i] * accepted[a] + fees[i] * rate[a]
        elif role[a] == 1:
            worth += price[size + i] * rate[a]
        else:
            worth += price[2 * size + i] * rate[a]
        out[a - lo] = worth


@njit(cache=True, error_model="numpy")
def reply_sums(  # noqa: ANN201, C901, PLR0912, PLR0915, PLR0917
    q, role, gain, accepted, rate, cost, alive,  # noqa: ANN001
    starts, due, purse, k1, k2, expert, period, hours, bonus_arc, bonus,  # noqa: ANN001
    price, scale, eps, want_hessian, plan,  # noqa: ANN001
):  # fmt: skip
    """(F, usage (n,), Hessian (n, n) upper triangle) and adds the hours to plan (A,) if it is not empty.

    price (n,) unscaled λ; usage and Hessian in scaled rows: usage_i / σ_i.
    """
    size = k1.shape[0]
    n = price.shape[0]
    usage = np.zeros(n)
    hess = np.zeros((n, n)) if want_hessian else np.zeros((0, 0))
    fees = k1 * price[size : 2 * size] + k2 * price[2 * size : 3 * size]
    widest = 1
    for e in range(starts.shape[0] - 1):
        widest = max(widest, starts[e + 1] - starts[e])
    w = np.empty(widest)
    p = np.empty(widest)
    local = np.full(n, -1)
    rows = np.empty(4 * widest, np.int64)
    mean = np.empty(4 * widest)
    square = np.empty((4 * widest, 4 * widest)) if want_hessian else np.empty((0, 0))
    at = np.empty(4, np.int64)
    entry = np.empty(4)
    total = 0.0
    last = -1
    for b in range(expert.shape[0]):
        e = expert[b]
        lo, hi = starts[e], starts[e + 1]
        if e != last:
            _worths(q, role, gain, accepted, rate, cost, fees, price, purse, lo, hi, w)
            last = e
        best = 0.0
        for a in range(lo, hi):
            p[a - lo] = -np.inf
            if alive[a] and due[q[a]] >= period[b]:
                p[a - lo] = w[a - lo] + (bonus[b] if a == bonus_arc[b] else 0.0)
                best = max(best, p[a - lo])
        norm = np.exp(-best / eps)
        for a in range(hi - lo):
            p[a] = np.exp((p[a] - best) / eps)
            norm += p[a]
        total += hours[b] * (best + eps * np.log(norm))
        m = 0
        decided = False
        for a in range(hi - lo):
            share = p[a] / norm
            if share < FAINT:
                continue
            arc = lo + a
            i = q[arc]
            if plan.shape[0]:
                plan[arc] += hours[b] * share
            count = 1
            at[0] = 3 * size + purse[i]
            entry[0] = cost[arc] / scale[at[0]]
            if role[arc] == 0:
                at[1], at[2], at[3] = i, size + i, 2 * size + i
                entry[1] = accepted[arc] / scale[i]
                entry[2] = k1[i] * rate[arc] / scale[size + i]
                entry[3] = k2[i] * rate[arc] / scale[2 * size + i]
                count = 4
            else:
                at[1] = role[arc] * size + i
                entry[1] = -rate[arc] / scale[at[1]]
                count = 2
            for x in range(count):
                usage[at[x]] += hours[b] * share * entry[x]
            if not want_hessian or decided or share > 1.0 - 1e-7:
                decided = True
                continue
            for x in range(count):
                if local[at[x]] < 0:
                    local[at[x]] = m
                    rows[m] = at[x]
                    mean[m] = 0.0
                    for y in range(m + 1):
                        square[m, y] = 0.0
                        square[y, m] = 0.0
                    m += 1
            for x in range(count):
                lx = local[at[x]]
                mean[lx] += share * entry[x]
                for y in range(count):
                    square[lx, local[at[y]]] += share * entry[x] * entry[y]
        if m:
            sharp = hours[b] / eps
            for x in range(m):
                r = rows[x]
                local[r] = -1
                if not decided:
                    for y in range(m):
                        if rows[y] >= r:
                            hess[r, rows[y]] += sharp * (square[x, y] - mean[x] * mean[y])
    return total, usage, hess


def symmetric(upper: Floats) -> Floats:
    """The full matrix of an upper triangle."""
    return np.triu(upper) + np.triu(upper, 1).T


@njit(cache=True, error_model="numpy")
def best_choices(  # noqa: ANN201, PLR0917
    q, role, gain, accepted, rate, cost, alive,  # noqa: ANN001
    starts, due, purse, k1, k2, expert, period, hours, bonus_arc, bonus,  # noqa: ANN001
    price, extra, worth,  # noqa: ANN001
):  # fmt: skip
    """Per block (best arc or -1 for idle, its worth, the runner-up's worth); fills worth (A,) without bonuses.

    extra (A,) more charges an hour on an arc, empty for none.
    """
    size = k1.shape[0]
    fees = k1 * price[size : 2 * size] + k2 * price[2 * size : 3 * size]
    count = expert.shape[0]
    choice = np.full(count, -1)
    best = np.zeros(count)
    second = np.full(count, -np.inf)
    last = -1
    for b in range(count):
        e = expert[b]
        lo, hi = starts[e], starts[e + 1]
        if e != last:
            _worths(q, role, gain, accepted, rate, cost, fees, price, purse, lo, hi, worth[lo:hi])
            if extra.shape[0]:
                worth[lo:hi] -= extra[lo:hi]
            last = e
        for a in range(lo, hi):
            if not alive[a] or due[q[a]] < period[b]:
                continue
            w = worth[a] + (bonus[b] if a == bonus_arc[b] else 0.0)
            if w > best[b]:
                second[b] = best[b]
                best[b] = w
                choice[b] = a
            elif w > second[b]:
                second[b] = w
    return choice, best, second
