r"""Plans of whole stints: nobody works a sliver, and nobody on more than a few queues.

    h_a = 0   or   h_a ≥ block (by role)          at most K queues an expert

The linear plan splits at most as many people as there are rows that join them, whatever the size of the pool, so that
few are touched (Shapley & Folkman). Everybody whose stints are right in the linear plan stays on those arcs, with hours
that may change; the others may choose among the arcs near their best at the plan's prices, each with a yes or no.
Somebody whose hours then fall below the block gets a yes or no too, and the programme is solved again. The linear
bound stays a bound: what whole stints cost is at most the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.best_reply import best_worth
from assignment.pairing import Cut, broken_pairings
from assignment.plan import Columns, Plan, columns, hour_values, weigh
from assignment.problem import Problem
from assignment.projection import ROLES
from assignment.repair import repair
from assignment.rows import coupling, cut_rows, hour_rows
from assignment.solve import solve

NEAR = 0.3  # arcs within this share of the usual worth of an hour of the best are offered
ROUNDS = 8
SHORT = 1e-6  # hours below a block that are the arithmetic's
MIP_GAP = 1e-5


@dataclass(frozen=True, eq=False)
class _Wish:
    problem: Problem
    block: Floats  # (A,) hours of the shortest stint
    most: int | None  # queues an expert

    def wrong(self, hours: Floats) -> Bools:
        """(E,) whose stints are too short or too many."""
        p = self.problem
        sliver = (hours > 0) & (hours < self.block - SHORT)
        bad = total_by(p.expert, sliver.astype(float), p.experts) > 0
        return bad if self.most is None else bad | (self.queues(hours) > self.most)

    def queues(self, hours: Floats) -> Rows:
        """(E,) on how many queues everybody works."""
        p, used = self.problem, np.flatnonzero(hours > 0)
        seats = np.unique(p.expert[used] * len(p.queues) + p.queue[used])
        return np.bincount(seats // len(p.queues), minlength=p.experts)

    def tidy(self, hours: Floats) -> Floats:
        """(A,) hours, lowered until no rule is broken: slivers go, then the least of too many queues."""
        p, h = self.problem, repair(self.problem, hours)
        while self.wrong(h).any():
            h = np.where(h < self.block - SHORT, 0.0, h)
            if self.most is not None:
                self._drop_least(h)
            h = repair(p, h)
        return h

    def _drop_least(self, h: Floats) -> None:
        p = self.problem
        for e in np.flatnonzero(self.queues(h) > (self.most or 0)):
            mine = np.arange(p.starts[e], p.starts[e + 1])
            by_queue = total_by(p.queue[mine], h[mine], len(p.queues))
            kept = np.argsort(-by_queue, kind="stable")[: self.most]
            h[mine[~np.isin(p.queue[mine], kept)]] = 0.0


def solve_stints(
    problem: Problem, *, block: ArrayLike = 0.0, most_queues: int | None = None, time_limit: float = 20.0
) -> Plan:
    """The best plan of stints of at least `block` hours (a number, or one a role) on at most `most_queues` queues each.

    Its bound is that of the plan without these wishes; the time limit is in seconds.
    """
    _refuse(block, most_queues)
    end = monotonic() + time_limit
    linear = solve(problem, time_limit=0.5 * time_limit)
    wish = _Wish(problem, np.broadcast_to(np.asarray(block, float), (len(ROLES),))[problem.role], most_queues)
    best = _plan(problem, linear, wish.tidy(linear.hours))
    split = wish.wrong(linear.hours)  # (E,) who chooses
    cuts: list[Cut] = []
    for _ in range(ROUNDS):
        if not split.any() or monotonic() >= end:
            break
        hours = _programme(wish, linear, split, cuts, end)
        if hours is None:
            break
        found = _plan(problem, linear, wish.tidy(hours))
        best = found if found.objective > best.objective else best
        new = wish.wrong(hours) & ~split
        broken = broken_pairings(problem, hours)
        if not new.any() and not broken:
            break
        split |= new
        cuts += broken
    late = monotonic() >= end and split.any()
    return replace(best, status="time limit" if late else "optimal" if best.gap <= MIP_GAP else "near optimal")


def _plan(problem: Problem, linear: Plan, hours: Floats) -> Plan:
    value, objective = weigh(problem, hours)
    broken = np.maximum(problem.pinned - hours, 0.0)
    return replace(linear, hours=hours, value=value, objective=objective, broken=broken)


def _offered(wish: _Wish, linear: Plan, split: Bools) -> Bools:
    """(A,) the arcs in use, and for those who choose all that are near their best."""
    p = wish.problem
    worth = hour_values(p, linear.prices)
    best = best_worth(worth, p.expert, p.experts)
    positive = p.gain[p.gain > 0]
    near = worth >= best[p.expert] - NEAR * (float(np.median(positive)) if len(positive) else 1.0)
    fits = wish.block <= np.minimum(p.hours[p.expert, p.queues.due[p.queue]], p.cap) + SHORT
    return np.asarray(((linear.hours > 0) | (near & split[p.expert])) & fits)


def _programme(wish: _Wish, linear: Plan, split: Bools, cuts: list[Cut], end: float) -> Floats | None:
    """(A,) hours of the mixed-integer programme over the offered arcs, None if time was up before there were any."""
    p = wish.problem
    offered = _offered(wish, linear, split)
    every = columns(p)
    some = offered[every.arc]
    pieces = Columns(every.arc[some], every.most[some], every.gain[some])
    shared, limits = coupling(p)
    hourly, at_most = hour_rows(p, pieces)
    rows = vstack([shared[:, pieces.arc], cut_rows(p, cuts)[:, pieces.arc], hourly], format="csr")
    right = np.concatenate([limits, np.zeros(len(cuts)), at_most])
    real = np.isfinite(right)
    real &= np.diff(rows.indptr) > 0
    asked = np.flatnonzero(offered & split[p.expert])  # arcs with a yes or no
    yes, top = _stints(wish, pieces, asked)
    n, binaries = len(pieces.arc), yes.shape[1] - len(pieces.arc)
    plain = hstack([rows[real], csr_array((int(real.sum()), binaries))])
    left = max(end - monotonic(), 0.05)
    found = milp(
        -np.append(pieces.gain, np.zeros(binaries)),
        constraints=LinearConstraint(vstack([plain, yes], format="csr"), -np.inf, np.append(right[real], top)),
        integrality=np.append(np.zeros(n), np.ones(binaries)),
        bounds=(0.0, np.append(pieces.most, np.ones(binaries))),
        options={"time_limit": left, "mip_rel_gap": MIP_GAP},
    )
    return None if found.x is None else total_by(pieces.arc, np.maximum(found.x[:n], 0.0), p.arcs)


def _stints(wish: _Wish, pieces: Columns, asked: Rows) -> tuple[csr_array, Floats]:
    """Rows over (pieces, yes of arcs, yes of their queues), block y ≤ h ≤ H y, y ≤ z, Σ z ≤ K, and right-hand sides."""
    p, n, m = wish.problem, len(pieces.arc), len(asked)
    place = np.full(p.arcs, -1)
    place[asked] = np.arange(m)
    piece = np.flatnonzero(place[pieces.arc] >= 0)
    of = coo_array((np.ones(len(piece)), (place[pieces.arc[piece]], piece)), shape=(m, n))
    here = np.arange(m)
    hours = p.hours[p.expert[asked], p.queues.due[p.queue[asked]]]
    seats, seat = np.unique(p.expert[asked] * len(p.queues) + p.queue[asked], return_inverse=True)
    people, person = np.unique(seats // len(p.queues), return_inverse=True)
    capped = wish.most is not None
    z = len(seats) if capped else 0
    blank = csr_array((m, z))
    table = [
        hstack([of, coo_array((-hours, (here, here)), shape=(m, m)), blank]),
        hstack([-of, coo_array((wish.block[asked], (here, here)), shape=(m, m)), blank]),
    ]
    right = [np.zeros(2 * m)]
    if capped:
        link = coo_array((-np.ones(m), (here, seat)), shape=(m, z))
        once = coo_array((np.ones(z), (person, np.arange(z))), shape=(len(people), z))
        table.append(hstack([csr_array((m, n)), coo_array((np.ones(m), (here, here)), shape=(m, m)), link]))
        table.append(hstack([csr_array((len(people), n + m)), once]))
        right += [np.zeros(m), np.full(len(people), float(wish.most or 0))]
    return csr_array(vstack(table)), np.concatenate(right)


def _refuse(block: ArrayLike, most_queues: int | None) -> None:
    hours = np.asarray(block, float)
    if hours.shape not in {(), (len(ROLES),)} or not (np.isfinite(hours).all() and (hours >= 0).all()):
        raise ValueError(
            f"block = {block!r}, but must be hours of 0 or more, one number or one for each of {', '.join(ROLES)}. "
            "Maybe a sign was turned."
        )
    if most_queues is not None and most_queues < 1:
        raise ValueError(f"most_queues = {most_queues}, but must be 1 or more. Maybe leave it out for no limit.")
