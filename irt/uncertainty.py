r"""How sure a calibration is: the inverse of the marginal information.

The information is the sum over persons of g g', g the gradient of the person's marginal log-likelihood in all
free parameters (slopes, thresholds, correlations, and mean and variance of anchored skills), plus the
prior's curvature. Where parameters are too many for the persons or for the work, each item is taken by
itself, which leaves out what the items' estimates owe to each other and to the population.

A sum of n squares is itself an estimate, and its inverse is too large by n / (n - parameters - 1) on average: that is
taken out.

References: Kenward & Molenberghs (1998) and Louis (1982) on information from incomplete data; the cross-product form is
Berndt, Hall, Hall & Hausman (1974); Hartlap, Simon & Schneider (2007), Astronomy & Astrophysics 464, on its inverse.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from irt.design import Answers
from irt.estep import Parameters, e_step, quadrature, room_for_scores
from irt.facet_step import by_item, prior_of, pulled, spelled
from irt.model import Floats, Ints
from irt.mstep import Priors, Rules, bordered, prior_terms, real_slopes
from irt.shards import Hands, Shard

WORK = 1.5e11  # persons times parameters squared up to which all parameters are taken together
PLENTY = 4  # persons a parameter needed for that


class Uncertainty(NamedTuple):
    """Covariances of the items' parameters, and the log-likelihood found on the way."""

    item: Floats  # (I, p, p)
    covariance_se: Floats  # (D, D) of the population's covariances; nan where held, or not taken together
    facets: Floats  # (q, q) of the free parameters of raters and effects, see `irt.facets.packed`
    log_likelihood: float
    method: str


def uncertainty(
    answers: Answers, hands: Hands, at: Parameters, prior: Priors | None, rules: Rules, nodes: int
) -> Uncertainty:
    """Covariances of each item's (slopes, thresholds) at a fit; 0 where fixed. nodes: of the exact integral, or 0."""
    column, count = _columns(at, rules)
    own = np.zeros((0, 0)) if at.facets is None else prior_of(at.facets)[1]
    wide = count + len(own) + len(_population_columns(at, rules)[0])
    enough = answers.weight.sum() >= PLENTY * wide and len(answers) > wide
    whole = enough and len(answers) * wide**2 <= WORK
    found = reduce(add, hands.each(informed, at, nodes, rules, whole))
    _, curvature = prior_terms(at, prior)
    unknown = np.full(at.cov.shape, np.nan)
    if not whole:
        blocks, alone = _apart(found.item + curvature, at, column), np.linalg.inv(found.facets + own)
        return Uncertainty(blocks, unknown, alone, found.log_likelihood, "item by item")
    people = float(answers.weight.sum())
    covariance = _together(found.whole * people / (people - wide - 1), curvature, column, own)
    row, col = _population_columns(at, rules)
    ends = [count, count + len(own)]
    unknown[row, col] = unknown[col, row] = np.sqrt(np.maximum(np.diag(covariance)[ends[1] :], 0.0))
    raters = covariance[slice(*ends), slice(*ends)]
    return Uncertainty(_blocks(covariance, column), unknown, raters, found.log_likelihood, "all parameters together")


class Information(NamedTuple):
    """What one shard says: a sum over its persons."""

    log_likelihood: float
    item: Floats  # (I, p, p)
    facets: Floats  # (q, q)
    whole: Floats  # (parameters, parameters), or empty

    def __add__(self, other: Information) -> Information:  # type: ignore[override]  # not a longer tuple
        """Of two shards together."""
        return Information(
            self.log_likelihood + other.log_likelihood, self.item + other.item, self.facets + other.facets,
            self.whole + other.whole,
        )  # fmt: skip


def informed(shard: Shard, at: Parameters, nodes: int, rules: Rules, whole: bool) -> Information:  # noqa: FBT001
    """A step of `irt.shards`: products of persons' gradients, each item's and (if `whole`) of all parameters."""
    some, sites, wide = shard.answers, shard.sites, spelled(at)
    scores = room_for_scores(some, wide)
    found = quadrature(some, wide, sites, nodes, scores) if nodes else e_step(some, wide, sites, 0.9, scores)[0]
    seen, information = pulled(found, at), np.zeros((0, 0))
    if whole:
        column, count = _columns(at, rules)
        row, col = _population_columns(at, rules)
        asked, answer, raters = by_item(some, scores.answer, at)
        items = _table(some.person, len(some), answer, column[asked], count)
        population = scores.population[:, 1 + row, col] * np.where(row == col, 0.5, 1.0)
        table = np.concatenate([items, raters, population], axis=1)
        information = (table * some.weight[:, None]).T @ table
    return Information(float(found.log_likelihood), seen.found.crossed, seen.crossed, information)


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


def _table(person: Ints, people: int, answer: Floats, place: Ints, count: int) -> Floats:
    """Gradients (P, parameters) of each person in the items' parameters, from those of answers (N, p)."""
    real = place >= 0
    owner = np.broadcast_to(person[:, None], place.shape)
    return csr_array((answer[real], (owner[real], place[real])), shape=(people, count)).toarray()


def _together(information: Floats, curvature: Floats, column: Ints, raters: Floats) -> Floats:
    """Covariance of all free parameters, the prior curvature of items and raters added."""
    for i in range(len(column)):
        real = column[i] >= 0
        information[np.ix_(column[i][real], column[i][real])] += curvature[i][np.ix_(real, real)]
    own = slice(int(column.max()) + 1, int(column.max()) + 1 + len(raters))
    information[own, own] += raters
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
