r"""How sure a calibration is: the inverse of the marginal information.

The information is the sum over persons of g g', g the gradient of the person's marginal log-likelihood in all
free parameters (slopes, thresholds, correlations, and mean and variance of anchored skills), plus the
prior's curvature. Where parameters are too many for the persons or for the work, each item is taken by
itself, which leaves out what the items' estimates owe to each other and to the population.

Reference: Kenward & Molenberghs (1998) and Louis (1982) on information from incomplete data; the
cross-product form is Berndt, Hall, Hall & Hausman (1974).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from irt.design import Answers
from irt.estep import Parameters, e_step, quadrature, room_for_scores
from irt.model import Floats, Ints
from irt.mstep import Priors, Rules, bordered, prior_terms, real_slopes
from irt.shards import Hands, Shard

WORK = 1.5e11  # persons times parameters squared up to which all parameters are taken together
PLENTY = 4  # persons a parameter needed for that


class Uncertainty(NamedTuple):
    """Covariances of the items' parameters, and the log-likelihood found on the way."""

    item: Floats  # (I, p, p)
    covariance_se: Floats  # (D, D) of the population's covariances; nan where held, or not taken together
    log_likelihood: float
    method: str


def uncertainty(
    answers: Answers, hands: Hands, at: Parameters, prior: Priors | None, rules: Rules, nodes: int
) -> Uncertainty:
    """Covariances of each item's (slopes, thresholds) at a fit; 0 where fixed. nodes: of the exact integral, or 0."""
    column, count = _columns(at, rules)
    wide = count + len(_population_columns(at, rules)[0])
    enough = answers.weight.sum() >= PLENTY * wide and len(answers) > wide
    whole = enough and len(answers) * wide**2 <= WORK
    total, blocks, information = 0.0, np.zeros(0), np.zeros((0, 0))
    for n, part in enumerate(hands.each(informed, at, nodes, rules, whole)):
        total += part.log_likelihood
        blocks = part.item if n == 0 else blocks + part.item
        information = part.whole if n == 0 else information + part.whole
    _, curvature = prior_terms(at, prior)
    unknown = np.full(at.cov.shape, np.nan)
    if not whole:
        return Uncertainty(_apart(blocks + curvature, at, column), unknown, total, "item by item")
    covariance = _together(information, curvature, column)
    row, col = _population_columns(at, rules)
    unknown[row, col] = unknown[col, row] = np.sqrt(np.maximum(np.diag(covariance)[count:], 0.0))
    return Uncertainty(_blocks(covariance, column), unknown, total, "all parameters together")


class Information(NamedTuple):
    """What one shard says: a sum over its persons."""

    log_likelihood: float
    item: Floats  # (I, p, p)
    whole: Floats  # (parameters, parameters), or empty


def informed(shard: Shard, at: Parameters, nodes: int, rules: Rules, whole: bool) -> Information:  # noqa: FBT001
    """A step of `irt.shards`: products of persons' gradients, each item's and (if `whole`) of all parameters."""
    some, sites, scores = shard.answers, shard.sites, room_for_scores(shard.answers, at)
    found = quadrature(some, at, sites, nodes, scores) if nodes else e_step(some, at, sites, 0.9, scores)[0]
    information = np.zeros((0, 0))
    if whole:
        column, count = _columns(at, rules)
        table = _table(some, at, column, count, scores.answer, scores.population, rules)
        information = (table * some.weight[:, None]).T @ table
    return Information(float(found.log_likelihood), found.crossed, information)


def _columns(at: Parameters, rules: Rules) -> tuple[Ints, int]:
    """Number (I, p) of each free parameter, -1 where there is none."""
    real = np.concatenate([real_slopes(at), np.isfinite(at.threshold)], axis=1) & ~rules.fixed[:, None]
    column = np.where(real, np.cumsum(real).reshape(real.shape) - 1, -1)
    if rules.same_slope:
        k = at.slope.shape[1]
        real[:, :k] = False
        skills = len(at.mean)
        column = np.where(real, skills + np.cumsum(real).reshape(real.shape) - 1, -1)
        column[:, :k] = np.where(real_slopes(at) & ~rules.fixed[:, None], at.skill, -1)
        return column, skills + int(real.sum())
    return column, int(real.sum())


def _population_columns(at: Parameters, rules: Rules) -> tuple[Ints, Ints]:
    """Pairs of skills whose covariance is free: correlations, and variances of anchored skills."""
    row, col = np.tril_indices(len(at.mean))
    keep = np.where(row == col, rules.anchored[row], rules.correlated)
    return row[keep], col[keep]


def _table(
    answers: Answers, at: Parameters, column: Ints, count: int, answer: Floats, population: Floats, rules: Rules
) -> Floats:
    """Gradients (P, parameters) of each person."""
    place = column[answers.item]
    real = place >= 0
    person = np.broadcast_to(answers.person[:, None], place.shape)
    item = csr_array((answer[real], (person[real], place[real])), shape=(len(answers), count)).toarray()
    row, col = _population_columns(at, rules)
    half = np.where(row == col, 0.5, 1.0)
    return np.concatenate([item, population[:, 1 + row, col] * half], axis=1)


def _together(information: Floats, curvature: Floats, column: Ints) -> Floats:
    """Covariance of all free parameters, the items' prior curvature added."""
    for i in range(len(column)):
        real = column[i] >= 0
        information[np.ix_(column[i][real], column[i][real])] += curvature[i][np.ix_(real, real)]
    return np.linalg.inv(information + 1e-9 * np.trace(information) / len(information) * np.eye(len(information)))


def _blocks(covariance: Floats, column: Ints) -> Floats:
    chosen = np.maximum(column, 0)
    blocks = covariance[chosen[:, :, None], chosen[:, None, :]]
    real = column >= 0
    return np.where(real[:, :, None] & real[:, None, :], blocks, 0.0)


def _apart(information: Floats, at: Parameters, column: Ints) -> Floats:
    covariance = np.linalg.inv(bordered(information, at))
    real = column >= 0
    return np.where(real[:, :, None] & real[:, None, :], covariance, 0.0)
