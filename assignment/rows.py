"""The rows that join experts, as sparse matrices over arcs; the equations are in `solve`."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.pairing import Cut
from assignment.plan import Columns
from assignment.problem import Problem, Queues
from assignment.projection import PRODUCE, REVIEW, SECOND


def coupling(problem: Problem) -> tuple[csr_array, Floats]:
    """The rows that join experts, in the order D, R1, R2 (Q each), B (G), and their right-hand sides."""
    p, queues = problem, problem.queues
    limits = np.concatenate([queues.demand, np.zeros(2 * len(queues)), queues.budget])
    return uses(queues, p.queue, p.role, p.accepted, p.rate, p.cost), limits


def uses(queues: Queues, q: Rows, role: Rows, accepted: Floats, handled: Floats, cost: Floats) -> csr_array:
    """(3 Q + G, N) what N pieces of work use of these rows; each is in one queue and one role."""
    size = len(queues)
    made, read, reread = (np.flatnonzero(role == which) for which in (PRODUCE, REVIEW, SECOND))
    row = np.concatenate([q[made], size + q[made], 2 * size + q[made], size + q[read], 2 * size + q[reread],
                          3 * size + queues.purse[q]])  # fmt: skip
    entry = np.concatenate([
        accepted[made],
        queues.review_share[q[made]] * handled[made],
        queues.second_share[q[made]] * handled[made],
        -handled[read],
        -handled[reread],
        cost,
    ])  # fmt: skip
    col = np.concatenate([made, made, made, read, reread, np.arange(len(q))])
    return csr_array(coo_array((entry, (row, col)), shape=(3 * size + len(queues.budget), len(q))))


def cut_rows(problem: Problem, cuts: list[Cut]) -> csr_array:
    """The rows of `pairing`, each <= 0."""
    row = np.repeat(np.arange(len(cuts)), [len(cut.arc) for cut in cuts])
    col = np.concatenate([cut.arc for cut in cuts]) if cuts else np.zeros(0, np.intp)
    entry = np.concatenate([cut.coefficient for cut in cuts]) if cuts else np.zeros(0)
    return csr_array(coo_array((entry, (row, col)), shape=(len(cuts), problem.arcs)))


def hour_rows(problem: Problem, pieces: Columns) -> tuple[csr_array, Floats]:
    """Row (e, t): the hours of everything due by t."""
    dates = problem.hours.shape[1]
    expert, due = problem.expert[pieces.arc], problem.queues.due[problem.queue[pieces.arc]]
    piece, date = np.nonzero(due[:, None] <= np.arange(dates))
    shape = (problem.hours.size, len(pieces.arc))
    rows = coo_array((np.ones(len(piece)), (expert[piece] * dates + date, piece)), shape=shape)
    return csr_array(rows), problem.hours.ravel()


def servable(problem: Problem) -> Bools:
    """(Q,) queues with demand, money and somebody for every role they need."""
    queues, size = problem.queues, len(problem.queues)
    has = np.stack([total_by(problem.queue, (problem.role == role).astype(float), size) > 0 for role in range(3)])
    needs = np.stack([np.ones(size), queues.review_share, queues.second_share]) > 0
    return np.asarray((queues.demand > 0) & (queues.budget[queues.purse] > 0) & (has | ~needs).all(axis=0))
