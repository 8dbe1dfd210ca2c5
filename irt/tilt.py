r"""One answer against a Gaussian belief about s = a·θ: the kernel of the whole engine.

    Z = ∫ P(y | s) N(s; m, v) ds,   m' and v' the mean and variance of P(y | s) N(s; m, v) / Z

by 21-point Gauss-Hermite quadrature where v is small, by the trapezium rule in steps of one logit where it is not
(its error falls as exp(-2π²/step), since the curve's nearest poles are π away). As a Gaussian site in s
the answer is worth precision τ = 1/v' - 1/v and shift ν = m'/v' - m/v; τ may be negative where a
guessable item was answered right against the odds, and is kept so.

Compiled with numba; the compiled code is cached beside this file.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from irt.model import Floats

NODES = 21
_x, _w = np.polynomial.hermite_e.hermegauss(NODES)
X: Floats = _x  # nodes of a standard normal
W: Floats = _w / _w.sum()  # their weights
TINY = 1e-300
WIDE = 4.0  # variance of s from which the trapezium rule takes over
FAR = 8.0  # sds on either side that it covers
ROOT = np.sqrt(2 * np.pi)


@njit(cache=True, inline="always")
def sigmoid(z: float) -> float:
    if z >= 0:
        return 1.0 / (1.0 + np.exp(-z))
    e = np.exp(z)
    return e / (1.0 + e)


@njit(cache=True, inline="always")
def chance(s: float, level: int, threshold: Floats, guess: float) -> float:
    """P(Y = level | s); threshold (M,) padded with -inf."""
    above = 1.0
    if level > 0:
        above = guess + (1.0 - guess) * sigmoid(s + threshold[level - 1])
    below = 0.0
    if level < threshold.shape[0] and threshold[level] > -np.inf:
        below = guess + (1.0 - guess) * sigmoid(s + threshold[level])
    return max(above - below, TINY)


@njit(cache=True)
def tilt(m: float, v: float, level: int, threshold: Floats, guess: float) -> tuple[float, float, float]:
    """(Z, m', v') of one answer for s ~ N(m, v)."""
    sd = np.sqrt(v)
    z0 = z1 = z2 = 0.0
    if v <= WIDE:
        for q in range(NODES):
            p = W[q] * chance(m + sd * X[q], level, threshold, guess)
            z0 += p
            z1 += p * X[q]
            z2 += p * X[q] * X[q]
    else:
        half = int(FAR * sd) + 1
        for q in range(-half, half + 1):
            x = q / sd
            p = np.exp(-0.5 * x * x) / (sd * ROOT) * chance(m + q, level, threshold, guess)
            z0 += p
            z1 += p * x
            z2 += p * x * x
    centre = z1 / z0
    return z0, m + sd * centre, v * max(z2 / z0 - centre * centre, 1e-12)
