r"""Nobody reviews their own work: when given hours can be paired, and which inequality they break if not.

On one queue producer p submits a_p units. Every unit needs k1 reviews by k1 different people and a share k2 needs a
second-level review by yet another person; nobody judges their own unit. Reviewer r has room for V_r reviews and W_r
second-level reviews. Let y_pr and z_pr be how many of p's units r reviews and second-reviews:

    Σ_{r≠p} y_pr = k1 a_p      Σ_p y_pr ≤ V_r
    Σ_{r≠p} z_pr = k2 a_p      Σ_p z_pr ≤ W_r      y_pr + z_pr ≤ a_p

The last line is necessary (r meets each unit of p at most once) and, with the others, sufficient: for a fixed p let
the units be time 0..a_p, the k1 + 1 review slots be machines and the reviewers be jobs; no machine and no job has more
than a_p to do, so that a preemptive open-shop schedule of length a_p exists (Gonzalez & Sahni 1976), and "not at the
same time" is "not on the same unit".

The hours enter the right-hand sides linearly. If the pairing is short of reviews, the duals (u, w, α, β, γ) give

    Σ_p (k1 u_p + k2 w_p - Σ_r γ_pr) a_p ≤ Σ_r α_r V_r + Σ_r β_r W_r,

a row that every feasible plan obeys and this one breaks (Benders). The two-person case of it is the familiar
"k1 a_p ≤ Σ_{r≠p} V_r".

People with a single role on the queue are pooled: spread in proportion, they never break a rule when k1 ≤ 1, so the
pairing has (people with two roles + 1)² pairs, not |E|². When nobody has two roles and k1 ≤ 1, nothing can break.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, SECOND

SHORT = 1e-7  # a pairing short by less than this share of the queue's units is whole


@dataclass(frozen=True, eq=False)
class Cut:
    """Σ coefficient_a h_a ≤ 0 over arcs of one queue."""

    arc: Rows
    coefficient: Floats
    pooled: Floats  # (3,) coefficient of a unit, by role, of everybody who is not named in the row


@dataclass(frozen=True, eq=False)
class _Crew:
    """People of one queue as producers and reviewers. Without a rule between them, people are pooled into one."""

    made: Floats  # (P,) units submitted
    reviews: Floats  # (R,) room for reviews
    seconds: Floats  # (R,) room for second-level reviews
    apart: Floats  # (P, R) 0 where the two are one person
    whole: Floats  # (R,) 1 where "at most once per unit" can bind


def broken_pairings(problem: Problem, hours: Floats, among: Bools | None = None) -> list[Cut]:
    """One row for every queue whose hours cannot be paired; empty when the plan is sound. Among some queues (Q,)."""
    used = np.flatnonzero(hours > 0)
    if among is not None:
        used = used[among[problem.queue[used]]]
    units = problem.rate[used] * hours[used]
    doubtful = ~_plainly_whole(problem, used, units)
    if not doubtful.any():
        return []
    kept = np.flatnonzero(doubtful[problem.queue[used]])
    kept = kept[np.argsort(problem.queue[used[kept]], kind="stable")]
    suspects = np.flatnonzero(doubtful)
    parts = np.split(kept, np.searchsorted(problem.queue[used[kept]], suspects)[1:])
    cuts = (_pair(problem, int(q), used[part], units[part]) for q, part in zip(suspects, parts, strict=True))
    return [cut for cut in cuts if cut is not None]


def _plainly_whole(problem: Problem, used: Rows, units: Floats) -> Bools:
    """(Q,) whether the pairing of units (n,) on arcs (n,) works for a simple reason, the totals being right.

    Without people who hold both review roles the two kinds of review are apart, and each is whole when everybody else
    can review what one person made (Hall: two producers reach every reviewer). With such people, people with one role
    may judge what people with several made, and these in proportion what those made; and where nobody judges and
    produces, everything can be spread in proportion, as long as nobody meets a unit more than once. All for k1 <= 1.
    """
    queues, size = problem.queues, len(problem.queues)
    pair = problem.expert[used] * size + problem.queue[used]  # sorted, as the arcs are
    new = np.diff(pair, prepend=-1) > 0
    q, person = problem.queue[used[new]], np.cumsum(new) - 1
    table = np.zeros((3, len(q)))  # units of each person in each role
    table[problem.role[used], person] = units
    several, made, judged = (table > 0).sum(axis=0) > 1, table[PRODUCE], table[REVIEW:]
    total = _totals(q, table, size)
    alone, share = total - _totals(q, table * several, size), np.stack([queues.review_share, queues.second_share])

    def everybody(holds: Bools) -> Bools:
        return np.bincount(q[~holds], minlength=size) == 0

    enough = (share * total[PRODUCE] <= total[REVIEW:] * (1 + SHORT)).all(axis=0)
    hall = everybody((share[:, q] * made <= (total[REVIEW:, q] - judged) * (1 + 1e-12)).all(axis=0))
    theirs = share * (total - alone)[PRODUCE] * (1 + 1e-12)
    apart = everybody(~several | (judged.sum(axis=0) <= alone[PRODUCE, q])) & (theirs <= alone[REVIEW:]).all(axis=0)
    parts = (share[:, q] * judged / np.maximum(total[REVIEW:, q], 1e-300)).sum(axis=0)
    spread = everybody(((made == 0) | (judged.sum(axis=0) == 0)) & (parts <= 1.0))
    single = everybody((judged == 0).any(axis=0))
    return (queues.review_share <= 1) & np.where(single, hall, enough & (apart | spread))


def _totals(q: Rows, table: Floats, size: int) -> Floats:
    """(3, Q) sums of people (3, n) by their queue."""
    return np.stack([total_by(q, row, size) for row in table])


def _pair(problem: Problem, q: int, arcs: Rows, units: Floats) -> Cut | None:
    """The row that the units (n,) handled on the arcs (n,) in use of queue q break, if they break one."""
    share = float(problem.queues.review_share[q])
    second_share = float(problem.queues.second_share[q])
    crowd, who = np.unique(problem.expert[arcs], return_inverse=True)
    table = np.zeros((3, len(crowd)))
    table[problem.role[arcs], who] = units
    several = share > 1
    roles = (table > 0).sum(axis=0)
    people = np.flatnonzero(roles > 1)
    alone = np.flatnonzero((table[REVIEW] + table[SECOND] > 0) & (roles == 1)) if several else people[:0]
    named = np.concatenate([people, alone])
    pooled = np.setdiff1d(np.arange(len(crowd)), named)
    reviews = np.append(table[REVIEW, named], table[REVIEW, pooled].sum())
    seconds = np.append(table[SECOND, named], table[SECOND, pooled].sum())
    made = np.append(table[PRODUCE, people], table[PRODUCE, pooled].sum())
    apart = np.ones((len(made), len(reviews)))
    apart[np.arange(len(people)), np.arange(len(people))] = 0.0
    crew = _Crew(made, reviews, seconds, apart, np.append(np.ones(len(named)), 0.0))
    missing, duals = _shortage(crew, share, second_share)
    if missing <= SHORT * max(made.sum(), 1.0):
        return None
    return _cut(problem, q, crowd[people], crowd[named], duals)


def _shortage(crew: _Crew, share: float, second_share: float) -> tuple[float, tuple[Floats, Floats, Floats]]:
    """(reviews that find no reviewer, coefficients of units made (P,), reviews (R,), second-level reviews (R,))."""
    p, r = np.nonzero(crew.apart)
    n, producers, reviewers = len(p), len(crew.made), len(crew.reviews)
    pairs = np.arange(n)
    bundle = np.flatnonzero(crew.whole[r] > 0)
    edges = np.cumsum([0, producers, producers, reviewers, reviewers, len(bundle)])
    ones = np.ones
    row = np.concatenate([
        edges[0] + p, edges[1] + p, edges[2] + r, edges[3] + r, edges[4] + np.tile(np.arange(len(bundle)), 2),
        np.arange(2 * producers),
    ])  # fmt: skip
    col = np.concatenate([pairs, n + pairs, pairs, n + pairs, bundle, n + bundle, 2 * n + np.arange(2 * producers)])
    sign = np.concatenate([-ones(2 * n), ones(2 * n), ones(2 * len(bundle)), -ones(2 * producers)])
    matrix = coo_array((sign, (row, col)), shape=(edges[-1], 2 * n + 2 * producers)).tocsr()
    scale = max(float(crew.made.sum()), 1e-12)
    limits = np.concatenate([
        -share * crew.made, -second_share * crew.made, crew.reviews, crew.seconds, crew.made[p[bundle]],
    ]) / scale  # fmt: skip
    price = np.concatenate([np.zeros(2 * n), ones(2 * producers)])
    found = linprog(price, A_ub=matrix, b_ub=limits, method="highs-ds")
    u, w, alpha, beta, gamma = np.split(-found.ineqlin.marginals, edges[1:-1])
    made = share * u + second_share * w - total_by(p[bundle], gamma, producers)
    return float(found.fun) * scale, (made, alpha, beta)


def _cut(problem: Problem, q: int, people: Rows, named: Rows, duals: tuple[Floats, Floats, Floats]) -> Cut:
    """The broken row, for everybody who may work on the queue: those without hours count as pooled."""
    made, alpha, beta = duals
    arcs = np.flatnonzero(problem.queue == q)
    role, expert = problem.role[arcs], problem.expert[arcs]
    weight = np.choose(role, [made[-1], -alpha[-1], -beta[-1]])
    for which, who, price in ((PRODUCE, people, made), (REVIEW, named, -alpha), (SECOND, named, -beta)):
        mine = (role == which) & np.isin(expert, who)
        order = np.argsort(who)
        weight[mine] = price[:-1][order][np.searchsorted(who[order], expert[mine])]
    coefficient = weight * problem.rate[arcs]
    some = coefficient != 0
    return Cut(arcs[some], coefficient[some], np.array([made[-1], -alpha[-1], -beta[-1]]))
