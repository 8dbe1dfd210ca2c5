r"""What a fitted panel says of persons: the quality that all answers of one share, and how surely it is known.

    b_p ~ N(0, Σ_B),   E[b | y] = B' K⁻¹ m,   Var(b | y) = Σ_B - B' C B + J Cov(ψ) J'
    J = dE[b | y] / dψ = Cov(b, ∂ log P(y | q) / ∂ψ | y)

b_p   one quality an axis, as people see it; B = Cov(q, b), C = (K + T⁻¹)⁻¹ of the person's cells (irt/rater_sweep.py)
ψ     severities, deviations, discriminations and thresholds, with their covariance from the fit

The last term is what is not known of the raters. It does not shrink with a person's answers: a rater who is taken for
.1 sd milder than he is moves every answer the same way. Between cells the covariance is of first order, as in the
fit. Σ is taken as known.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from irt.model import Floats, Ints
from irt.rater_step import chances, columns, contrasts, reaches, scores
from irt.rater_sweep import GRID, joined, prior
from irt.raters import Fit

BATCH = 4_000  # ratings taken at a time


class People(NamedTuple):
    """Shared quality of persons on the axes of people's view: criteria that never meet share one."""

    mean: Floats  # (persons, A)
    cov: Floats  # (persons, A, A)
    axis: Ints  # (C,) axis of each criterion; -1 where nobody was graded on it


def people(fit: Fit) -> People:
    """Persons in the order of their numbers. Raises ValueError where the ratings name none."""
    if fit.ratings.person is None:
        raise ValueError("people: the ratings do not say whose answers they are. Maybe the column person is missing.")
    cells, whose = fit.cells, fit.ratings.person[fit.cells.answer]
    axes = cells.axes if fit.ratings.reference is None else cells.axes // 2
    leaning = leanings(fit)
    count = int(fit.ratings.person.max()) + 1
    mean, cov = np.zeros((count, axes)), np.zeros((count, axes, axes))
    order = np.argsort(whose, kind="stable")
    start = np.searchsorted(whose[order], np.arange(count + 1))
    for person in range(count):
        mine = order[start[person] : start[person + 1]]
        v, c, _ = joined(
            prior(cells.axis[mine], cells.answer[mine], fit.prior.within, fit.prior.between), fit.tau[mine]
        )
        with_b = fit.prior.between[:axes, cells.axis[mine]]  # B'
        mean[person] = with_b @ (fit.nu[mine] - fit.tau[mine] * (v @ fit.nu[mine]))
        cov[person] = fit.prior.between[:axes, :axes] - with_b @ c @ with_b.T
        own = leaning[mine]
        some = np.unique(own.indices)  # parameters that this person's grades have to do with
        moved = (with_b - (with_b * fit.tau[mine]) @ v) @ own[:, some].toarray()  # J
        cov[person] += moved @ fit.covariance[np.ix_(some, some)] @ moved.T
    axis = np.full(len(fit.ratings.levels), -1)
    axis[cells.criterion[cells.layer == 0]] = cells.axis[cells.layer == 0]
    return People(mean, cov, axis)


def leanings(fit: Fit) -> csr_array:
    """(cells, P) Cov(q, ∂ log P(y | q) / ∂ψ | y) / Var(q | y), summed over the ratings of each cell."""
    rows = fit.ratings
    cell = fit.cell(rows.answer, rows.criterion, rows.layer[rows.rater])
    code = fit.pairs.rater * len(rows.levels) + fit.pairs.criterion
    pair = np.searchsorted(code, rows.rater * len(rows.levels) + rows.criterion)
    z = reaches(fit.raters, fit.pairs)
    turn = contrasts(fit.raters.threshold)[fit.pairs.criterion]
    score = scores(z, chances(z), np.exp(fit.raters.log_discrimination[fit.pairs.rater]), turn)  # (pairs, K, F, G)
    column, size = columns(fit.raters, fit.pairs)
    off = fit.belief * (GRID - fit.mean[:, None]) / fit.sd[:, None] ** 2
    lean = np.empty((len(rows.answer), score.shape[2]))
    for some in np.array_split(np.arange(len(lean)), len(lean) // BATCH + 1):
        lean[some] = np.einsum("nfg,ng->nf", score[pair[some], rows.level[some]], off[cell[some]])
    lean *= rows.weight[:, None]
    real = column[pair] >= 0
    at = (np.broadcast_to(cell[:, None], real.shape)[real], column[pair][real])
    return csr_array(coo_array((lean[real], at), shape=(len(fit.mean), size)))
