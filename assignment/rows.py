"""The rows that join experts, as sparse matrices over arcs; the equations are in `solve`."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from assignment.arrays import Floats
from assignment.pairing import Cut
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, SECOND


def coupling(problem: Problem) -> tuple[csr_array, Floats]:
    """The rows that join experts, over arcs, in the order D, R1, R2 (Q each), B (G), and their right-hand sides."""
    queues, q, arc = problem.queues, problem.queue, np.arange(problem.arcs)
    size = len(queues)
    made = np.flatnonzero(problem.role == PRODUCE)
    read = np.flatnonzero(problem.role == REVIEW)
    reread = np.flatnonzero(problem.role == SECOND)
    row = np.concatenate([q[made], size + q[made], 2 * size + q[made], size + q[read], 2 * size + q[reread],
                          3 * size + queues.purse[q]])  # fmt: skip
    entry = np.concatenate([
        problem.accepted[made],
        queues.review_share[q[made]] * problem.rate[made],
        queues.second_share[q[made]] * problem.rate[made],
        -problem.rate[read],
        -problem.rate[reread],
        problem.cost,
    ])  # fmt: skip
    col = np.concatenate([made, made, made, read, reread, arc])
    shape = (3 * size + len(queues.budget), problem.arcs)
    return csr_array(coo_array((entry, (row, col)), shape=shape)), np.concatenate([
        queues.demand, np.zeros(2 * size), queues.budget,
    ])  # fmt: skip


def cut_rows(problem: Problem, cuts: list[Cut]) -> csr_array:
    """The rows of `pairing`, each <= 0."""
    row = np.repeat(np.arange(len(cuts)), [len(cut.arc) for cut in cuts])
    col = np.concatenate([cut.arc for cut in cuts]) if cuts else np.zeros(0, np.intp)
    entry = np.concatenate([cut.coefficient for cut in cuts]) if cuts else np.zeros(0)
    return csr_array(coo_array((entry, (row, col)), shape=(len(cuts), problem.arcs)))
