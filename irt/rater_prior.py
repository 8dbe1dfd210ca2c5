"""How qualities vary: Σ_W inside an answer and Σ_B among persons, as people and as the panel see them.

Σ is estimated by EM beside the raters (irt/raters.py), under a prior that only holds what nobody saw. Where people's
view is known, as on a published scale, it stays as it is, and only the panel's view is estimated around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from irt.model import Floats
from irt.rater_cells import Cells, Ratings
from irt.rater_sweep import TINY

SHARE = 0.3  # of quality a person's answers share, to begin with
SPARE = 1e-3  # variance of each axis by itself beside a known Σ, so that it can be inverted
PSEUDO = 2.0  # answers' worth of prior for Σ, beside one an axis
LIGHT = 0.2  # the same where people's view is known


class Prior(NamedTuple):
    """Σ_W and Σ_B, (axes, axes) each."""

    within: Floats
    between: Floats


def prior_at_start(cells: Cells, ratings: Ratings) -> Prior:
    """Criteria correlated .5; the panel's view of a criterion .7 with people's."""
    layers = 1 if ratings.reference is None else 2
    axes = cells.axes // layers
    whole = np.kron(0.7 + 0.3 * np.eye(layers), 0.5 + 0.5 * np.eye(axes))
    share = 0.0 if ratings.person is None else SHARE
    return Prior(np.asarray((1 - share) * whole, float), np.asarray(share * whole, float))


def as_seen(known: Prior, begin: Prior, ratings: Ratings) -> Prior:
    """What is known of people's view, each axis with a little of its own. Raises ValueError where it does not fit."""
    axes = len(begin.within) // (1 if ratings.reference is None else 2)
    if any(matrix.shape != (axes, axes) for matrix in known) or known.between.any() != begin.between.any():
        raise ValueError(
            f"fit: quality is {known.within.shape} and {known.between.shape}, but the ratings have {axes} axes and "
            f"persons are {'' if begin.between.any() else 'not '}named. Maybe criteria that never meet share an axis."
        )
    return Prior(*(matrix + SPARE * matrix.any() * np.eye(axes) for matrix in known))


def as_known(found: Prior, known: Prior) -> Prior:
    """Σ with people's view as it is known; how the panel's view leans on it, and what is its own, stay as found."""
    out = []
    for matrix, own in zip(found, known, strict=True):
        size = len(own)
        lean = matrix[size:, :size] @ np.linalg.pinv(matrix[:size, :size], hermitian=True)
        value, vector = np.linalg.eigh(matrix[size:, size:] - lean @ matrix[:size, size:])
        rest = vector * np.maximum(value, SPARE * own.any()) @ vector.T
        out.append(np.block([[own, own @ lean.T], [lean @ own, rest + lean @ own @ lean.T]]))
    return Prior(*out)


def renewed(old: Floats, gradient: Floats, count: int, begin: Floats, *, known: bool = False) -> Floats:
    """Σ after one EM step under a prior around where it began, Σ0, of a few answers' worth w; S is the sum of squares.

    Inverse Wishart: (N + w) Σ = S + w Σ0, which never lets Σ become singular. Where people's view is known nothing else
    can run away, and a Wishart prior, (N - w) Σ + w Σ Σ0⁻¹ Σ = S, is better: the inverse one holds Σ away from being
    singular by the third root of w / N, so that a panel which sees what people see would not be believed. In axes where
    Σ0 is the identity its equation is quadratic in each eigenvalue.
    """
    if not begin.any():
        return old
    full = count * old + old @ gradient @ old
    full = (full + full.T) / 2
    if not known:
        weight = len(old) + PSEUDO
        return np.asarray((full + weight * begin) / (count + weight))
    root = np.linalg.cholesky(begin)
    away = np.linalg.inv(root)
    value, vector = np.linalg.eigh(away @ full @ away.T)
    spare = count - LIGHT
    size = 2 * np.maximum(value, TINY) / (spare + np.sqrt(spare**2 + 4 * LIGHT * np.maximum(value, TINY)))
    half = root @ vector
    return np.asarray(half * size @ half.T)


def sound(prior: Prior, plain: Prior) -> bool:
    """Whether a mixed step stayed near the plain one: no axis nearly a copy of others, no variance run away."""
    for mixed, known in zip(prior, plain, strict=True):
        if known.any():
            low, most = np.linalg.eigvalsh(mixed)[[0, -1]]
            least, top = np.linalg.eigvalsh(known)[[0, -1]]
            if not (low > 0.3 * least and most < 2 * top):
                return False
    return True
