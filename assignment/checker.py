r"""An independent judge of plans: it shares no line with the solver, and names every rule that a plan breaks.

The reviewing rules are checked as what they mean, not as the solver's inequalities: per queue a maximum flow from
submitted units (by producer) to reviewers, where no edge joins a person to themselves and no edge carries more than the
producer's units (a reviewer meets a unit once). Capacities are rounded to parts per hundred million of the queue.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from assignment.arrays import Floats
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, ROLES, SECOND

GRAIN = 100_000_000  # parts into which a queue's reviews are cut for the flow
SLACK = 1e-6  # relative


def violations(problem: Problem, hours: Floats) -> Iterator[str]:
    """Every rule that these hours (A,) break; empty when the plan is sound."""
    if not np.isfinite(hours).all() or (hours < 0).any():
        yield f"hours on arc {int(np.argmin(np.where(np.isfinite(hours), hours, -np.inf)))} are negative or no number"
        return
    yield from _over_hours(problem, hours)
    for arc in np.flatnonzero(hours > problem.cap * (1 + SLACK)):
        yield f"arc {arc} takes {hours[arc]:g} of {problem.cap[arc]:g} hours it may"
    yield from _over_limits(problem, hours)
    for q in range(len(problem.queues)):
        yield from _unpaired(problem, q, hours)


def below_bars(problem: Problem, hours: Floats, means: Floats, sds: Floats, bars: Floats, z: float,
               steps: tuple[float, float, float]) -> Iterator[str]:  # fmt: skip
    """Everybody who works where a bar is not surely cleared: mean - z sd < bar + the role's step."""
    for arc in np.flatnonzero(hours > 0):
        e, q, role = problem.expert[arc], problem.queue[arc], problem.role[arc]
        for skill, bar in enumerate(bars[q]):
            if not np.isnan(bar) and means[e, skill] - z * sds[e, skill] < bar + steps[role] - 1e-12:
                yield f"expert {e} may not {ROLES[role]} on queue {q}: skill {skill} is below its bar"


def _over_hours(problem: Problem, hours: Floats) -> Iterator[str]:
    for e in range(problem.experts):
        mine = problem.expert == e
        for t, limit in enumerate(problem.hours[e]):
            used = sum(hours[a] for a in np.flatnonzero(mine) if problem.queues.due[problem.queue[a]] <= t)
            if used > limit * (1 + SLACK):
                yield f"expert {e} works {used:g} of {limit:g} hours up to due date {t}"


def _over_limits(problem: Problem, hours: Floats) -> Iterator[str]:
    queues = problem.queues
    for q in range(len(queues)):
        accepted = float(np.sum((problem.accepted * hours)[problem.queue == q]))
        if accepted > queues.demand[q] * (1 + SLACK):
            yield f"queue {q} gets {accepted:g} of {queues.demand[q]:g} units wanted"
    for g, limit in enumerate(queues.budget):
        spent = float(np.sum((problem.cost * hours)[queues.purse[problem.queue] == g]))
        if spent > limit * (1 + SLACK):
            yield f"budget {g} pays {spent:g} of {limit:g}"


def _unpaired(problem: Problem, q: int, hours: Floats) -> Iterator[str]:
    shares = {REVIEW: problem.queues.review_share[q], SECOND: problem.queues.second_share[q]}
    units = np.zeros((3, problem.experts))
    for arc in np.flatnonzero(problem.queue == q):
        units[problem.role[arc], problem.expert[arc]] = problem.rate[arc] * hours[arc]
    for role, share in shares.items():
        wanted = float(share * units[PRODUCE].sum())
        found = _most_reviewed(units[PRODUCE], units[role], float(share))
        if wanted - found > SLACK * max(wanted, 1e-6):
            yield f"queue {q}: {ROLES[role]} needs {wanted:g} and finds {found:g} that are not of one's own work"


def _most_reviewed(made: Floats, room: Floats, share: float) -> float:
    """How many reviews find a reviewer other than the producer: a maximum flow."""
    producers, reviewers = np.flatnonzero(made * share > 0), np.flatnonzero(room > 0)
    if not len(producers) or not len(reviewers):
        return 0.0
    grain = GRAIN / (share * made.sum())
    p, r = len(producers), len(reviewers)
    capacity = np.zeros((p + r + 2, p + r + 2), dtype=np.int32)
    capacity[p + r, :p] = np.rint(share * made[producers] * grain)
    capacity[p : p + r, p + r + 1] = np.minimum(np.rint(room[reviewers] * grain), 2 * GRAIN)
    once = np.rint(np.minimum(made[producers] * grain, 2 * GRAIN)).astype(np.int32)
    capacity[:p, p : p + r] = np.where(producers[:, None] != reviewers, once[:, None], 0)
    return float(maximum_flow(csr_array(capacity), p + r, p + r + 1).flow_value / grain)
