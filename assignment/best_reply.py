r"""An expert's best reply to prices: fill the hours with the best-paid work first, every due date respected.

    max Σ_n w_n h_n   subject to   0 ≤ h_n ≤ most_n,   Σ_{n: due_n ≤ t} h_n ≤ H_t for every t

The sets {n: due_n ≤ t} are nested, the feasible region is a polymatroid, and greedy by falling w is optimal
(Edmonds 1970). With one due date and no limits it is H · max(0, max w).
"""

from __future__ import annotations

import numpy as np

from assignment.arrays import Floats, Rows

MANY = 20_000  # pieces from which compiling the loop pays


def best_reply(worth: Floats, most: Floats, expert: Rows, due: Rows, hours: Floats) -> Floats:
    """(E,) what each expert's best reply earns. Pieces (N,) are sorted by expert; hours (E, T) up to each due date."""
    if hours.shape[1] == 1 and np.isinf(most).all():
        return hours[:, 0] * best_worth(worth, expert, len(hours))
    order = np.lexsort((-worth, expert))
    order = order[worth[order] > 0]
    fill = greedy
    if len(order) > MANY:
        from assignment.reply_map import greedy_fast as fill  # noqa: PLC0415  (small problems start without the compiler)
    return np.asarray(fill(order, worth, most, expert, due, hours.copy()))


def greedy(order: Rows, worth: Floats, most: Floats, expert: Rows, due: Rows, left: Floats) -> Floats:
    """(E,) earned by the pieces in this order; uses up left (E, T). Plain loops, for Numba's sake."""
    earned = np.zeros(left.shape[0])
    for n in order:
        e, first = expert[n], due[n]
        piece = most[n]
        for t in range(first, left.shape[1]):
            piece = min(piece, left[e, t])
        for t in range(first, left.shape[1]):
            left[e, t] -= piece
        earned[e] += piece * worth[n]
    return earned


def best_worth(worth: Floats, expert: Rows, experts: int) -> Floats:
    """(E,) the best w among each expert's arcs, 0 where none pays. Arcs are sorted by expert."""
    best = np.zeros(experts)
    if len(worth):
        firsts = np.flatnonzero(np.diff(expert, prepend=-1))
        best[expert[firsts]] = np.maximum(np.maximum.reduceat(worth, firsts), 0.0)
    return best
