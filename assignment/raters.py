r"""Who labels how well, when nobody knows the truth: the model of Dawid and Skene.

    z_u ~ prevalence,        label of rater r on unit u given z_u = k  ~  confusion[r, k, :]

Maximum likelihood by EM, started from the labels' own shares:

    E   posterior_uk ∝ prevalence_k Π_(labels i of u) confusion[r_i, k, y_i]
    M   prevalence = mean posterior,   confusion[r, k, l] ∝ a c_kl + Σ_(labels i of r with y_i = l) posterior_(u_i) k

`steadiness` a > 0 gives each rater a more labels of every true category, spread as the crowd's c (the confusion of all
raters together): raters with few labels are taken for usual ones, not for perfect or hopeless ones. A rater may label a
unit several times. Units whose posterior stays spread are ambiguous, raters whose confusion is off the diagonal are
noisy: the two are told apart.

Without gold the classes are what the crowd agrees on, and a crowd that is lenient as one is not found out. Units whose
category is known hold the classes to their meaning: their z is fixed, and each counts `trust` times in the M step.

Reference: Dawid & Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.special import logsumexp

from assignment.agreement import Labels
from assignment.arrays import Floats, Rows

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


def dawid_skene(labels: Labels, *, steadiness: float = 0.0, known: Rows | None = None, trust: float = 1.0) -> Raters:
    """The maximum-likelihood raters and truths.

    known (U,): the true category of a gold unit, -1 of any other. The posterior returned is from the labels alone for
    gold units too, so it can be held against them.
    """
    if not len(labels.unit):
        raise ValueError("dawid_skene: there are no labels. Maybe the filter let nothing through.")
    counts = labels.counts
    gold = _gold(labels, known, len(counts))
    weight = np.where(gold >= 0, trust, 1.0)
    said, of_each = _said(labels, len(counts)), counts.sum(axis=1, keepdims=True)
    posterior = counts / np.maximum(of_each, 1.0)
    before = -np.inf
    for _ in range(ROUNDS):
        held = _held(posterior, gold)
        prevalence, confusion = held[of_each[:, 0] > 0].mean(axis=0), _maximise(said, held, weight, steadiness)
        log_posterior = np.log(np.maximum(prevalence, 1e-300)) + _evidence(said, confusion)  # (U, K)
        by_unit = logsumexp(log_posterior, axis=1)
        posterior = np.exp(log_posterior - by_unit[:, None])
        likelihood = float(by_unit.sum())
        if likelihood - before <= ENOUGH * len(labels.unit):
            break
        before = likelihood
    return Raters(prevalence, confusion, posterior, likelihood)


def _gold(labels: Labels, known: Rows | None, units: int) -> Rows:
    gold = np.full(units, -1, dtype=np.intp) if known is None else known
    if gold.shape != (units,) or gold.max(initial=-1) >= labels.categories:
        raise ValueError(
            f"dawid_skene: known is {gold.shape} with categories up to {gold.max(initial=-1)}, but there are {units} "
            f"units and {labels.categories} categories. Maybe -1 is lacking where the truth is not known."
        )
    return gold


def _held(posterior: Floats, gold: Rows) -> Floats:
    """The posterior, with gold units put where they belong."""
    return np.where((gold >= 0)[:, None], np.eye(posterior.shape[1])[gold], posterior)


def _said(labels: Labels, units: int) -> csr_array:
    """(U, R K) how often each unit got each label from each rater."""
    shape = (units, (int(labels.rater.max()) + 1) * labels.categories)
    cell = labels.rater * labels.categories + labels.category
    return coo_array((np.ones(len(cell)), (labels.unit, cell)), shape=shape).tocsr()


def _maximise(said: csr_array, posterior: Floats, weight: Floats, steadiness: float) -> Floats:
    """(R, K, K) the confusions."""
    k = posterior.shape[1]
    seen = (said.T @ (weight[:, None] * posterior)).reshape(-1, k, k).transpose(0, 2, 1)
    crowd = seen.sum(axis=0) + 1e-9
    seen = seen + steadiness * crowd / crowd.sum(axis=1, keepdims=True)
    total = seen.sum(axis=2, keepdims=True)
    return np.where(total > 0, seen / np.maximum(total, 1e-300), 1.0 / k)


def _evidence(said: csr_array, confusion: Floats) -> Floats:
    """(U, K) Σ over the unit's labels of log P(label | truth k)."""
    k = confusion.shape[1]
    return said @ np.log(np.maximum(confusion, 1e-300)).transpose(0, 2, 1).reshape(-1, k)
