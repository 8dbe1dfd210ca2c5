r"""Who labels how well, when nobody knows the truth: the model of Dawid and Skene.

    z_u ~ prevalence,        label of rater r on unit u given z_u = k  ~  confusion[r, k, :]

Maximum likelihood by EM, started from the labels' own shares:

    E   posterior_uk ∝ prevalence_k Π_(labels i of u) confusion[r_i, k, y_i]
    M   prevalence = mean posterior,   confusion[r, k, l] ∝ a c_kl + Σ_(labels i of r with y_i = l) posterior_(u_i) k

`steadiness` a > 0 gives each rater a more labels of every true category, spread as the crowd's c (the confusion of all
raters together): raters with few labels are taken for usual ones, not for perfect or hopeless ones. A rater may label a
unit several times. Units whose posterior stays spread are ambiguous, raters whose confusion is off the diagonal are
noisy: the two are told apart.

Reference: Dawid & Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from assignment.agreement import Labels
from assignment.arrays import Floats

ENOUGH = 1e-9  # change of the log-likelihood a label at which EM has arrived
ROUNDS = 5000


@dataclass(frozen=True, eq=False)
class Raters:
    """Prevalence, raters and units, as far as the labels tell."""

    prevalence: Floats  # (K,)
    confusion: Floats  # (R, K, K) P(label l | truth k)
    posterior: Floats  # (U, K)
    log_likelihood: float

    @property
    def accuracy(self) -> Floats:
        """(R,) how often each rater would be right on units of the usual mix."""
        return np.einsum("k,rkk->r", self.prevalence, self.confusion)

    @property
    def ambiguity(self) -> Floats:
        """(U,) chance that the best category is not the true one."""
        return np.asarray(1.0 - self.posterior.max(axis=1))


def dawid_skene(labels: Labels, *, steadiness: float = 0.0) -> Raters:
    """The maximum-likelihood raters and truths."""
    if not len(labels.unit):
        raise ValueError("dawid_skene: there are no labels. Maybe the filter let nothing through.")
    counts = labels.counts
    posterior = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    before = -np.inf
    for _ in range(ROUNDS):
        prevalence, confusion = _maximise(labels, posterior, steadiness)
        log_posterior = np.log(np.maximum(prevalence, 1e-300)) + _evidence(labels, confusion)  # (U, K)
        by_unit = logsumexp(log_posterior, axis=1)
        posterior = np.exp(log_posterior - by_unit[:, None])
        likelihood = float(by_unit.sum())
        if likelihood - before <= ENOUGH * len(labels.unit):
            break
        before = likelihood
    return Raters(prevalence, confusion, posterior, likelihood)


def _maximise(labels: Labels, posterior: Floats, steadiness: float) -> tuple[Floats, Floats]:
    k = labels.categories
    seen = np.zeros((int(labels.rater.max()) + 1, k, k))
    np.add.at(seen.transpose(0, 2, 1), (labels.rater, labels.category), posterior[labels.unit])
    crowd = seen.sum(axis=0) + 1e-9
    seen += steadiness * crowd / crowd.sum(axis=1, keepdims=True)
    total = seen.sum(axis=2, keepdims=True)
    confusion = np.where(total > 0, seen / np.maximum(total, 1e-300), 1.0 / k)
    labelled = np.unique(labels.unit)
    return posterior[labelled].mean(axis=0), confusion


def _evidence(labels: Labels, confusion: Floats) -> Floats:
    """(U, K) Σ over the unit's labels of log P(label | truth k)."""
    each = np.log(np.maximum(confusion[labels.rater, :, labels.category], 1e-300))  # (N, K)
    total = np.zeros((int(labels.unit.max()) + 1, labels.categories))
    np.add.at(total, labels.unit, each)
    return total
