r"""How much a queue's work really leans on each skill, from what came of the work of many people.

Somebody's units in the queue amount to one observation y of their ability there (`pooling.observed`), with noise n:

    y_e = w·θ_e + b + δ_e + noise,    θ_e ~ N(μ_e, Σ_e) from everything but this queue,   δ_e ~ N(0, FIT²)
    y_e ~ N(w·μ_e + b,  n_e + FIT² + w·Σ_e w)

What is not known of θ_e is not known independently of μ_e (Berkson's error), so that w is not drawn towards 0. The
weights are positive and add up to 1 by construction, and shrink towards the stated ones w°:

    w_k ∝ w°_k exp(η_k),   η_k ~ N(0, .5²),       b ~ N(0, .43²), the shift of the queue's difficulty

The mode of (η, b) is found by BFGS; errors come from the expected information there, carried over to w. Few outcomes
leave the weights where they were stated.

Reference: Berkson (1950), Are there two regressions?; Aitchison (1986), The Statistical Analysis of Compositional Data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from assignment.arrays import Floats
from assignment.pooling import FIT

SPREAD = 0.5  # sd of the log of a weight around the stated one: two in three lie within a factor of 1.6
SHIFT = 0.43  # sd of what a queue is harder or easier than stated


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Weights that outcomes speak for, with errors; they add up to 1."""

    weights: Floats  # (K,)
    sds: Floats  # (K,)
    cov: Floats  # (K, K)
    shift: float  # of the difficulty
    shift_sd: float


def reweigh(value: Floats, noise: Floats, mean: Floats, cov: Floats, stated: Floats) -> Reweighted:
    """Weights from people's observations in one queue.

    value, noise (N,) what each person's units say of them there, around the stated difficulty; mean (N, K), cov
    (N, K, K) of the queue's skills from everything else; stated (K,) positive weights, in any unit.
    """
    _refuse(value, noise, mean, cov, stated)
    start, skills = stated / stated.sum(), len(stated)
    prior = np.concatenate([np.full(skills, SPREAD**-2), [SHIFT**-2]])

    def loss(at: Floats) -> tuple[float, Floats]:
        w = _weights(start, at[:skills])
        spread = np.einsum("nkl,l->nk", cov, w)
        v, r = noise + FIT**2 + spread @ w, value - mean @ w - at[-1]
        by_weight = ((spread * (1.0 - r**2 / v)[:, None] - mean * r[:, None]) / v[:, None]).sum(axis=0)
        slope = np.append(_turn(w) @ by_weight, -(r / v).sum()) + prior * at
        return float(0.5 * (np.log(v) + r**2 / v).sum() + 0.5 * prior @ at**2), slope

    at = minimize(loss, np.zeros(skills + 1), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    w = _weights(start, at[:skills])
    error = np.linalg.inv(_information(w, noise, mean, cov) + np.diag(prior))
    turn = _turn(w)
    by_weight = turn @ error[:-1, :-1] @ turn
    return Reweighted(w, np.sqrt(np.diag(by_weight)), by_weight, float(at[-1]), float(np.sqrt(error[-1, -1])))


def _weights(start: Floats, log_change: Floats) -> Floats:
    raised = start * np.exp(log_change - log_change.max())
    return np.asarray(raised / raised.sum())


def _turn(w: Floats) -> Floats:
    """(K, K) dw / dη, symmetric."""
    return np.asarray(np.diag(w) - np.outer(w, w))


def _information(w: Floats, noise: Floats, mean: Floats, cov: Floats) -> Floats:
    """(K + 1, K + 1) expected information on (η, b): of the means and of the variances of normal observations."""
    spread = np.einsum("nkl,l->nk", cov, w)
    v = noise + FIT**2 + spread @ w
    turn = _turn(w)
    by_mean = np.column_stack([mean @ turn, np.ones(len(v))])
    by_variance = np.column_stack([2.0 * spread @ turn, np.zeros(len(v))])
    return np.asarray((by_mean.T / v) @ by_mean + (by_variance.T / (2.0 * v**2)) @ by_variance)


def _refuse(value: Floats, noise: Floats, mean: Floats, cov: Floats, stated: Floats) -> None:
    n, k = len(value), len(stated)
    shapes = (noise.shape, mean.shape, cov.shape)
    if shapes != ((n,), (n, k), (n, k, k)) or not k:
        raise ValueError(
            f"reweigh: {n} people, {k} weights, but noise, mean, cov are {shapes}. Maybe a row was left out."
        )
    if not (np.isfinite(stated).all() and (stated > 0).all()):
        raise ValueError(
            f"reweigh: stated weights {stated} must be positive. Maybe leave out skills that weigh nothing."
        )
    if not (np.isfinite(value).all() and np.isfinite(noise).all() and (noise > 0).all()):
        raise ValueError("reweigh: a value or noise is no number. Maybe somebody without outcomes was left in.")
