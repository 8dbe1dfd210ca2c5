r"""What outcomes teach about queues and people: partial pooling in closed forms.

Minutes. Log of realised over expected minutes of queue q in group (kind of work) k:

    y_q ~ N(b_q, s_q²),   b_q ~ N(c_k, between²),   c_k ~ N(0, across²)

so that a queue with few outcomes takes after its kind, and a kind with few after the start value (no change).

Acceptance. Of the units of one person in one queue n_0 were rejected, n_1 sent back, n_2 accepted. With the person's
ability x = u + δ there (δ ~ N(0, FIT²): a fit to the queue that vetting cannot see), projection's model says

    P(accepted) = Φ(x - d),   P(sent back or accepted) = Φ(x - d + 1),

each label off by one step with chance SLIP. The likelihood of the counts is integrated over a Gaussian; its
moments, with that Gaussian divided out, are one Gaussian observation of x, whatever the number of units.

References: Lindley & Smith (1972), Bayes estimates for the linear model; Minka (2001), ch. 3 (moment matching).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from assignment.arrays import Floats, Rows

FIT = 0.45  # sd of a person's fit to a queue beyond their skills
SLIP = 0.07  # chance that a label is off by one step
WIDE = 1.0  # sd of the Gaussian the counts are integrated over, where nobody says what was believed before them
POINTS = np.linspace(-8.0, 8.0, 401)
REWORK_FROM = -1.0  # projection's ρ
PASSES, STILL = 200, 1e-9  # of Gauss-Seidel, and when it has arrived
SHARPEST = 1e-6  # least variance of an observation


def pooled(estimate: Floats, variance: Floats, group: Rows, *, between: float, across: float) -> tuple[Floats, Floats]:
    """(Q,) posterior means and variances of the queues' b_q; variance inf where a queue has no outcome."""
    mean, spread = np.zeros(len(estimate)), np.zeros(len(estimate))
    with np.errstate(divide="ignore"):
        known = np.where(np.isinf(variance), 0.0, estimate)
        for k in np.unique(group):
            mine = group == k
            weight = 1.0 / (variance[mine] + between**2)  # of each queue as an observation of c_k
            precision = weight.sum() + 1.0 / across**2
            centre, doubt = float(weight @ known[mine]) / precision, 1.0 / precision
            own = 1.0 / variance[mine] + 1.0 / between**2
            share = (1.0 / between**2) / own
            mean[mine] = known[mine] * (1.0 - share) + centre * share
            spread[mine] = 1.0 / own + share**2 * doubt
    return mean, spread


@dataclass(frozen=True, eq=False)
class Paced:
    """Effects on log minutes, of queues and of people, with variances."""

    group: Floats  # (Q,)
    group_var: Floats
    person: Floats  # (E,)
    person_var: Floats


def paced(
    logs: Floats, units: Floats, group: Rows, *, spread: float, person: float, between: float, across: float
) -> Paced:
    """Queues' and people's effects on log minutes from sums (E, Q) of log ratios over `units`, each given the other.

    A unit's log ratio is b_q + p_e + noise of sd `spread`, with p_e ~ N(0, person²) and b_q pooled over its kind. The
    means solve the joint normal equations (Gauss-Seidel); each variance takes the other effects as known.
    """
    queue, own = np.zeros(units.shape[1]), np.zeros(len(units))
    many, each = units.sum(axis=0), units.sum(axis=1)
    with np.errstate(divide="ignore"):
        variance = spread**2 / many
    doubt = 1.0 / (each / spread**2 + 1.0 / person**2)
    for _ in range(PASSES):
        rest = (logs - units * own[:, None]).sum(axis=0)
        queue, queue_var = pooled(rest / np.maximum(many, 1.0), variance, group, between=between, across=across)
        before, own = own, doubt * (logs - units * queue).sum(axis=1) / spread**2
        if np.abs(own - before).max(initial=0.0) < STILL:
            break
    return Paced(queue, queue_var, own, doubt)


def slips(slip: Floats) -> Floats:
    """(..., 3, 3) P(label l | level k) where a label is off by one step with chance `slip`."""
    off, zero = np.asarray(slip), np.zeros_like(slip)
    rows = [[1 - off, off, zero], [off / 2, 1 - off, off / 2], [zero, off, 1 - off]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


USUALLY = slips(np.array(SLIP))


def observed(
    counts: Floats, difficulty: float, centre: float = 0.0, gold: Sequence[tuple[float, Floats]] = (), *,
    severity: Floats | float = 0.0, labels: Floats = USUALLY, wide: float = WIDE,
) -> tuple[float, float]:  # fmt: skip
    """(value, variance) of the one observation of x that counts (3,) of rejected, sent back, accepted amount to.

    centre, wide: mean and sd of x before them.  The moments are theirs, so that combining with that belief
    again gives them back; read over a wider one, many units would say less than they do.
    Where judges differ, counts are (J, 3), one row a judge, with severity (J,), by which a judge sees x lower, and
    labels (J, 3, 3), P(label l | level k).
    gold: (doubt, counts (3,)) of judgements held against a known answer, which is wrong itself with chance `doubt`.
    """
    x, tally = centre + wide * POINTS, np.atleast_2d(counts)
    logged = -((x - centre) ** 2) / (2.0 * wide**2)
    seen = np.swapaxes(labels, -1, -2) @ _levels(x - difficulty - np.broadcast_to(severity, len(tally))[:, None])
    logged += np.einsum("jl,jlp->p", tally, np.log(np.maximum(seen, 1e-300)))
    clean = _levels(x - difficulty)
    for doubt, told in gold:  # where the answer is wrong, right and wrong change places
        logged += told @ np.log(np.maximum((1.0 - doubt) * clean + doubt * clean[::-1], 1e-300))
    mass = np.exp(logged - logged.max())
    mass /= mass.sum()
    mean = float(mass @ x)
    variance = max(float(mass @ (x - mean) ** 2), SHARPEST)
    precision = max(1.0 / variance - 1.0 / wide**2, 1e-9)
    return (mean / variance - centre / wide**2) / precision, 1.0 / precision


def information(x: Floats) -> Floats:
    """(A,) Fisher's information about x (A,) in one usual verdict on a unit, x counted from the queue's difficulty."""
    kept, passed = (np.exp(-(at**2) / 2.0) / np.sqrt(2.0 * np.pi) for at in (x - REWORK_FROM, x))
    slope = USUALLY.T @ np.stack([-kept, kept - passed, passed])
    return np.asarray((slope**2 / np.maximum(USUALLY.T @ _levels(x), 1e-300)).sum(axis=0))


def _levels(x: Floats) -> Floats:
    """(..., 3, P) P(rejected), P(sent back), P(accepted) at x (..., P)."""
    passed, kept = ndtr(x), ndtr(x - REWORK_FROM)
    return np.stack([1.0 - kept, kept - passed, passed], axis=-2)


def with_fit(mean: Floats, variance: Floats, value: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of x = u + δ where u ~ N(mean, variance) is known after x was observed as (value, noise).

    Given u, δ ~ N(k (value - u), FIT² noise / (FIT² + noise)), k = FIT² / (FIT² + noise); noise inf: nothing observed.
    """
    with np.errstate(invalid="ignore"):
        k = np.where(np.isinf(noise), 0.0, FIT**2 / (FIT**2 + noise))
        left = np.where(np.isinf(noise), FIT**2, FIT**2 * noise / (FIT**2 + noise))
    seen = np.where(np.isinf(noise), 0.0, value)
    return mean + k * (seen - mean), (1.0 - k) ** 2 * variance + left
