r"""What the answers say about the items and the population: one pass of expectation propagation.

Each answer j of a person holds a Gaussian site exp(ν_j s - τ_j s²/2) on s = a_j·θ. With θ ~ N(μ0, Σ),
Λ = Σ_j τ_j a_j a_j' and b = Σ_j (ν_j - τ_j a_j·μ0) a_j, the person's belief is

    V = (Σ^-1 + Λ)^-1,   μ = μ0 + V b                           over the skills the person was asked only

For each answer, with m, v the belief about s and the answer's own site taken out (the cavity m_c, v_c),
the tilted density P(y | s) N(s; m_c, v_c) / Z gives the new site and, since θ given s is the same Gaussian
under belief and tilt (mean μ + c (s - m)/v, c = V a), the exact gradient of the EP marginal likelihood:

    ∂/∂a   = E[r θ] = μ r_0 + c r_1,  r_k = E[r z^k],  r = ∂ log P(y | s) / ∂s,  z = (s - m)/v
    ∂/∂d_k = E[∂ log P(y | s) / ∂d_k]
    ∂/∂Σ   = Q / 2,  Q = e e' - Λ + Λ V Λ,  e = ∂/∂μ0 = b - Λ (μ - μ0)

and the expected complete-data curvature alike. EM's new covariance is Σ + Σ Q Σ / P. All of it adds up
over persons: statistics of shards are summed with `+`. The cost of a person depends on the answers
and the skills they touch, not on D.

Few skills allow the exact integral: `quadrature` gives the same statistics from a product grid placed
on each person's belief.

References: Minka (2001), Expectation propagation; Bock & Aitkin (1981), Psychometrika 46; Liu, Rubin & Wu
(1998), Parameter expansion to accelerate EM, Biometrika 85.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from irt import grid, sweep
from irt.design import Answers
from irt.facets import Facets
from irt.model import Floats, Ints, Items
from irt.person import Bank, Prior, Rows, Sites
from irt.sweep import Sums


@dataclass(frozen=True, eq=False)
class Parameters:
    """Items and population at one step of a fit; item parameters are stacked (a_1..a_k, d_1..d_M)."""

    skill: Ints  # (I, k) padded with 0
    width: Ints  # (I,) real loadings
    slope: Floats  # (I, k)
    threshold: Floats  # (I, M) padded with -inf
    guess: Floats  # (I,)
    mean: Floats  # (D,)
    cov: Floats  # (D, D)
    facets: Facets | None = None  # raters and effects; a pass needs the items spelled out, see irt.facet_step


def parameters(items: Items, mean: Floats, cov: Floats) -> Parameters:
    """Parameters to score with; trailing zero slopes count as padding."""
    place = np.arange(1, items.skill.shape[1] + 1)
    width = ((items.slope != 0) * place).max(1, initial=0).astype(np.int64)
    return Parameters(items.skill, width, items.slope, items.threshold, items.guess, mean, cov)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over persons; those of shards add up."""

    persons: Floats  # () weighted count
    gradient: Floats  # (I, p) of the marginal log-likelihood, p = k + M
    curvature: Floats  # (I, p, p) expected complete-data information
    crossed: Floats  # (I, p, p) sums of g g' over answers: the marginal information
    mean: Floats  # (D,) gradient in the population mean
    cov: Floats  # (D, D) Q, twice the gradient in Σ
    log_likelihood: Floats  # ()

    def __add__(self, other: Statistics) -> Statistics:
        """Of two shards together."""
        return Statistics(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class Scores:
    """Gradients of single persons' marginal log-likelihoods; empty, or to be filled by a pass."""

    answer: Floats  # (N, p) in the parameters of the item answered
    population: Floats  # (P, 1 + D, D): row 0 in the mean, the others Q


NO_SCORES = Scores(np.zeros((0, 0)), np.zeros((0, 0, 0)))


def room_for_scores(answers: Answers, at: Parameters) -> Scores:
    p, skills = at.slope.shape[1] + at.threshold.shape[1], len(at.mean)
    return Scores(np.zeros((len(answers.item), p)), np.zeros((len(answers), 1 + skills, skills)))


def no_sites(answers: Answers) -> Sites:
    """Where expectation propagation starts: answers say nothing yet."""
    return Sites(np.zeros(len(answers.item)), np.zeros(len(answers.item)))


def e_step(
    answers: Answers, at: Parameters, sites: Sites, damping: float = 0.9, scores: Scores = NO_SCORES
) -> tuple[Statistics, Sites]:
    """Statistics at the beliefs that the sites imply, and the refreshed sites (parallel update).

    `scores`, where given, is filled with single persons' gradients.
    """
    fresh, sums = _copied(sites), _sums(at)
    total = sweep.statistics(
        _rows(answers), _bank(at), _prior(at), fresh, damping, sums, scores.answer, scores.population
    )
    return _statistics(answers, sums, total), fresh


def settle(answers: Answers, at: Parameters, sites: Sites, sweeps: int = 30, tolerance: float = 1e-4) -> Sites:
    """Sites by EP to convergence, one answer after the other; a person has settled when no mean moves more."""
    fresh, nobody = _copied(sites), np.empty((0, 0))
    sweep.settle(_rows(answers), _bank(at), _prior(at), fresh, sweeps, tolerance, nobody, nobody)
    return fresh


def beliefs(answers: Answers, at: Parameters, sites: Sites) -> tuple[Floats, Floats]:
    """Mean and sd (P, D) of every skill that the sites imply."""
    mean, sd = np.empty((len(answers), len(at.mean))), np.empty((len(answers), len(at.mean)))
    sweep.settle(_rows(answers), _bank(at), _prior(at), _copied(sites), 0, 0.0, mean, sd)
    return mean, sd


def foresee(answers: Answers, at: Parameters, sites: Sites) -> Floats:
    """Log P of each answer (N,) under the belief that the person's other sites imply; own site 0 is held out."""
    log_p = np.empty(len(answers.item))
    sweep.foresee(_rows(answers), _bank(at), _prior(at), _copied(sites), log_p)
    return log_p


def outlook(answers: Answers, at: Parameters, sites: Sites) -> tuple[Floats, Floats, Floats, Floats]:
    """(m, v, mean, lean): of each answer's s (N,), means of its skills and their covariances with s (N, k)."""
    n, k = len(answers.item), at.slope.shape[1]
    m, v, mean, lean = np.empty(n), np.empty(n), np.zeros((n, k)), np.zeros((n, k))
    sweep.outlook(_rows(answers), _bank(at), _prior(at), _copied(sites), m, v, mean, lean)
    return m, v, mean, lean


def quadrature(answers: Answers, at: Parameters, sites: Sites, nodes: int, scores: Scores = NO_SCORES) -> Statistics:
    """The exact statistics by nodes^D points placed on the beliefs that the sites imply; small D only."""
    skills, sums = len(at.mean), _sums(at)
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.stack([g.ravel() for g in np.meshgrid(*[x] * skills, indexing="ij")], axis=1)
    log_w = reduce(np.add.outer, [np.log(w / w.sum())] * skills).ravel()
    total = grid.statistics(
        _rows(answers), _bank(at), _prior(at), _copied(sites), points, log_w, sums, scores.answer, scores.population
    )
    return _statistics(answers, sums, total)


def _rows(answers: Answers) -> Rows:
    return Rows(answers.start, answers.item, answers.level, answers.weight)


def _bank(at: Parameters) -> Bank:
    whole = np.ascontiguousarray
    return Bank(whole(at.skill), at.width, whole(at.slope), whole(at.threshold), whole(at.guess))


def _prior(at: Parameters) -> Prior:
    cov = np.ascontiguousarray(at.cov)
    precision = np.linalg.inv(cov).astype(float)
    return Prior(np.ascontiguousarray(at.mean), cov, precision, float(np.linalg.slogdet(cov)[1]))


def _copied(sites: Sites) -> Sites:
    return Sites(sites.precision.copy(), sites.shift.copy())


def _sums(at: Parameters) -> Sums:
    rows, skills = len(at.guess), len(at.mean)
    p = at.slope.shape[1] + at.threshold.shape[1]
    zeros = np.zeros
    return Sums(zeros((rows, p)), zeros((rows, p, p)), zeros((rows, p, p)), zeros(skills), zeros((skills, skills)))


def _statistics(answers: Answers, sums: Sums, total: float) -> Statistics:
    curvature, crossed = _mirrored(sums.curvature), _mirrored(sums.crossed)
    persons = np.array(answers.weight.sum())
    return Statistics(persons, sums.gradient, curvature, crossed, sums.mean, sums.cov, np.array(total))


def _mirrored(upper: Floats) -> Floats:
    """Symmetric matrices (I, p, p) from their upper triangles."""
    inside = np.triu(upper)
    return inside + np.swapaxes(np.triu(upper, 1), 1, 2)
