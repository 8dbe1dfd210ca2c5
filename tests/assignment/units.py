"""The staffing problem as it is meant, unit by unit: the judge of the solver on small problems.

Every unit carries its producer, the set of its reviewers and its second reader, all different people. The variables are
hours and x[way], units made and judged by exactly these people. No inequality of the solver is used.
"""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.optimize import linprog

from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, SECOND


@dataclass(frozen=True)
class Way:
    queue: int
    producer: int
    reviewers: tuple[int, ...]
    second: int | None

    def has(self, e, q, role):
        who = {PRODUCE: (self.producer,), REVIEW: self.reviewers, SECOND: (self.second,)}
        return self.queue == q and e in who[role]


def ways(problem: Problem) -> list[Way]:
    found = []
    for q, k1 in enumerate(problem.queues.review_share):
        at = problem.queue == q
        made, read, reread = (problem.expert[at & (problem.role == role)].tolist() for role in range(3))
        for p, size in product(made, [int(k1)] if k1 == int(k1) else [0, 1]):
            for reviewers in combinations([e for e in read if e != p], size):
                others = [None, *(s for s in reread if s != p and s not in reviewers)]
                found += [Way(q, p, reviewers, s) for s in others]
    return found


def best_value_by_units(problem: Problem) -> float:
    all_ways = ways(problem)
    a_ub, b_ub = shared_rows(problem, len(all_ways))
    a_eq = []
    for a, (e, q, role) in enumerate(zip(problem.expert, problem.queue, problem.role, strict=True)):
        hour = -problem.rate[a] * np.eye(problem.arcs)[a]
        if role != PRODUCE:
            a_ub.append(np.append(hour, [float(way.has(e, q, role)) for way in all_ways]))
            b_ub.append(0.0)
            continue
        mine = np.array([float(way.has(e, q, role)) for way in all_ways])
        reviewers = np.array([len(way.reviewers) for way in all_ways])
        seconds = np.array([float(way.second is not None) for way in all_ways])
        a_eq.append(np.append(hour, mine))
        a_eq.append(np.append(problem.queues.review_share[q] * hour, mine * reviewers))
        a_eq.append(np.append(problem.queues.second_share[q] * hour, mine * seconds))
    found = linprog(
        np.append(-problem.gain, np.zeros(len(all_ways))),
        A_ub=np.array(a_ub),
        b_ub=b_ub,
        A_eq=np.array(a_eq) if a_eq else None,
        b_eq=np.zeros(len(a_eq)) if a_eq else None,
        bounds=[(0, most) for most in [*problem.cap, *np.full(len(all_ways), np.inf)]],
        method="highs",
    )
    assert found.status == 0
    return -found.fun


def shared_rows(problem: Problem, width: int):
    """Demand, money and hours, as dense rows over hours and ways."""
    queues, rows, limits = problem.queues, [], []
    for q, wanted in enumerate(queues.demand):
        rows.append(np.where(problem.queue == q, problem.accepted, 0.0))
        limits.append(wanted)
    for g in np.flatnonzero(np.isfinite(queues.budget)):
        rows.append(np.where(queues.purse[problem.queue] == g, problem.cost, 0.0))
        limits.append(queues.budget[g])
    for e, t in product(range(problem.experts), range(problem.hours.shape[1])):
        rows.append(((problem.expert == e) & (queues.due[problem.queue] <= t)).astype(float))
        limits.append(problem.hours[e, t])
    return [np.append(row, np.zeros(width)) for row in rows], limits
