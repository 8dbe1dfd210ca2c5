r"""How strict and how careless each reviewer is, from verdicts on the work of people of whom something is known.

A unit of somebody with ability x on a queue of difficulty d shows y = x - d + ε, ε ~ N(0, 1), and is sound (y ≥ 0), to
be mended (-1 ≤ y < 0) or bad, as in `projection`. A reviewer of severity σ sees y - σ, and writes down a level that is
off by one step with chance s (the slip):

    P(verdict l | x, σ, s) = Σ_k S_s[k, l] P(level of y - σ is k),        σ ~ N(0, .2²),   s ~ Beta, mean .07

People are the anchors: x ~ N(m, v) from everything but this reviewer's verdicts, shared by all units of one person in
one queue. Where somebody else judged the same unit (another reviewer, a third person, the customer), both verdicts are
read together: they come from the same y, so that carelessness shows where severity cannot explain it.

The posterior of (σ, s) is a sum over a grid, x is integrated out by Gauss-Hermite quadrature, and its moments are
the reading. Few verdicts leave it at what is usual.

Reference: Linacre (1989), Many-Facet Rasch Measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr
from scipy.stats import beta, norm

from assignment.arrays import Floats, Rows
from assignment.pooling import REWORK_FROM, SLIP, slips

SEVERITY = 0.2  # sd of reviewers' severities, in sds of skill
VERDICTS = 40.0  # verdicts that the usual slip weighs as much as
TOGETHER = 0.01  # chance that judges who agree are all off by the same step
LEVELS = 3  # rejected, sent back, accepted
STRICT = np.linspace(-4.0, 4.0, 41) * SEVERITY
CARELESS = beta.ppf((np.arange(24) + 0.5) / 24, VERDICTS * SLIP, VERDICTS * (1.0 - SLIP))  # equal shares of the prior
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
NOBODY = -1  # nobody else judged the unit


@dataclass(frozen=True)
class Reviewing:
    """How to read a reviewer."""

    severity: float = 0.0
    severity_sd: float = SEVERITY
    slip: float = SLIP
    slip_sd: float = float(np.sqrt(SLIP * (1.0 - SLIP) / (VERDICTS + 1.0)))
    verdicts: int = 0


USUAL = Reviewing()


def read(mean: Floats, variance: Floats, group: Rows, verdict: Rows, other: Rows) -> Reviewing:
    """One reviewer from their verdicts.

    mean, variance (G,): x - d of each person in each queue, from everything but this reviewer; row i of the others is
    a verdict: on the work of group[i], its level 0, 1 or 2, and another's on the same unit, -1 without any.
    """
    return read_parts(mean, variance, group, verdict, other, parts=[slice(None)])[0]


def read_parts(
    mean: Floats, variance: Floats, group: Rows, verdict: Rows, other: Rows, *, parts: Sequence[slice]
) -> list[Reviewing]:
    """One reviewer from parts of their verdicts, each by itself; what they share is worked out once."""
    _refuse(mean, variance, group, verdict, other)
    counts = np.zeros((len(parts), len(mean), LEVELS, LEVELS + 1))
    for tally, part in zip(counts, parts, strict=True):
        np.add.at(tally, (group[part], verdict[part], other[part]), 1.0)  # nobody's, -1, is the last column
    used = counts.any(axis=(0, 2, 3))
    prior = np.repeat(norm.logpdf(STRICT, scale=SEVERITY)[:, None], len(CARELESS), axis=1)
    log_post = np.repeat(prior[None], len(parts), axis=0)
    for m, v, tallies in zip(mean[used], variance[used], counts[:, used].swapaxes(0, 1), strict=True):
        log_post += _log_likelihood(m + np.sqrt(v) * NODES, tallies)
    return [_moments(post, len(verdict[part])) for post, part in zip(log_post, parts, strict=True)]


def _moments(log_post: Floats, verdicts: int) -> Reviewing:
    """What the posterior on the grid comes to."""
    if not verdicts:
        return USUAL
    mass = np.exp(log_post - log_post.max())
    mass /= mass.sum()
    severity, severity_sd = _moment(STRICT, mass.sum(axis=1))
    slip, slip_sd = _moment(CARELESS, mass.sum(axis=0))
    return Reviewing(severity, severity_sd, slip, slip_sd, verdicts)


def agreeing(labels: Floats) -> Floats:
    """(…, 3, 3) P(label l | level k) where judges of labels (…, J, 3, 3) wrote the same; sometimes all err together."""
    if labels.shape[-3] == 1:
        return np.asarray(labels[..., 0, :, :])
    apart = labels.prod(axis=-3)
    apart /= apart.sum(axis=-1, keepdims=True)
    return np.asarray((1.0 - TOGETHER) * apart + TOGETHER * slips(np.array(1.0)))


def levels_seen(x: Floats, severity: Floats) -> Floats:
    """(N, M, 3, 3) P(level of y is k, level of y - severity is j) for x (M,) and severity (N,)."""
    edges = np.array([-np.inf, REWORK_FROM, 0.0, np.inf])
    shifted = edges + severity[:, None]  # (N, 4)
    low = np.maximum(edges[:-1, None], shifted[:, None, :-1])  # (N, k, j)
    high = np.minimum(edges[1:, None], shifted[:, None, 1:])
    at = x[None, :, None, None]
    return np.asarray(np.maximum(ndtr(high[:, None] - at) - ndtr(low[:, None] - at), 0.0))


def _log_likelihood(x: Floats, tallies: Floats) -> Floats:
    """(S, N, P) log likelihood of tallies (S, 3, 4) of one person's units in one queue on the grid, x (M,) integrated.

    A part without any of these units has the likelihood 1.
    """
    both = levels_seen(x, STRICT)  # (N, M, k, j)
    written = np.einsum("nmkj,pjl,kt->nmplt", both, slips(CARELESS), slips(np.array([SLIP]))[0], optimize=True)
    alone = written.sum(axis=-1, keepdims=True)
    logged = np.log(np.maximum(np.concatenate([written, alone], axis=-1), 1e-300))
    per_node = np.tensordot(tallies, logged, axes=((1, 2), (3, 4)))  # (S, N, M, P)
    return np.asarray(logsumexp(per_node + np.log(WEIGHTS)[:, None], axis=2))


def _moment(at: Floats, mass: Floats) -> tuple[float, float]:
    mean = float(mass @ at)
    return mean, float(np.sqrt(mass @ (at - mean) ** 2))


def _refuse(mean: Floats, variance: Floats, group: Rows, verdict: Rows, other: Rows) -> None:
    if not (len(group) == len(verdict) == len(other)) or mean.shape != variance.shape:
        raise ValueError(
            f"reviewing: {len(group)} groups, {len(verdict)} verdicts, {len(other)} of others; means {mean.shape}, "
            f"variances {variance.shape}. Maybe a column was left out."
        )
    if not (np.isfinite(mean) & (variance >= 0)).all():
        raise ValueError("reviewing: a mean or variance is no number. Maybe a belief was left empty.")
    fine = (verdict >= 0) & (verdict < LEVELS) & (other >= NOBODY) & (other < LEVELS)
    if not fine.all() or (len(group) and not 0 <= group.min() <= group.max() < len(mean)):
        raise ValueError(
            "reviewing: verdicts are 0, 1 or 2, another's may be -1, and groups are rows of mean. "
            "Maybe labels were not turned into levels."
        )
