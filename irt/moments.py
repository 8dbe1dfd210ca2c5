r"""What one answer tells under its tilted density P(y | s) N(s; m_c, v_c) / Z, by Gauss-Hermite quadrature.

Written for speed: the logistic function of all nodes is computed in one loop that compilers turn into vector
instructions, e^x as 2^k 2^r with a polynomial for 2^r, |r| <= 1/2 (relative error below 1e-12).

With u = P(Y >= y | s), l = P(Y >= y + 1 | s), P = u - l:

    hi = ∂ log P / ∂d_y = u'/P,   lo = ∂ log P / ∂d_{y+1} = -l'/P,   ∂ log P / ∂s = hi + lo
    information  hh, hl, ll       of (d_y, d_{y+1}): minus the second derivatives; Fisher's with guessing

Neither information is ever negative, so a Newton step always climbs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from irt.model import Floats, Ints
from irt.tilt import NODES as REAL_NODES
from irt.tilt import TINY

FAST = {"reassoc", "contract", "arcp", "nsz"}  # sums may be reordered; infinities and nan keep their meaning
NODES = 24  # those of irt.tilt, and three of weight 0: whole vectors
X: Floats = np.zeros(NODES)
W: Floats = np.zeros(NODES)
X[:REAL_NODES], W[:REAL_NODES] = np.polynomial.hermite_e.hermegauss(REAL_NODES)
W /= W.sum()
LOG2_E = 1 / math.log(2)
FAR = 600.0  # binary digits at which a logistic is cut: no overflow, no zero
C1, C2, C3, C4, C5, C6, C7, C8, C9, C10 = (math.log(2) ** k / math.factorial(k) for k in range(1, 11))  # of 2^r

# Places in the table of moments; z = (s - m)/v
Z, MEAN, VARIANCE, HI, LO, PULL = 0, 1, 2, 3, 4, 5  # PULL = E[(hi + lo) z]
W0, W1, W2 = 6, 7, 8  # E[w z^k], w = hh + 2 hl + ll
HI0, HI1, LO0, LO1 = 9, 10, 11, 12  # E[(hh + hl) z^k], E[(hl + ll) z^k]
HH, HL, LL = 13, 14, 15
MOMENTS = 16


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def logistics(start: float, step: float, power: Floats, bits: Ints, scale: Floats, out: Floats) -> None:
    """σ(start + step x) at every node into `out`; `scale` and `bits` are one memory, read as floats and integers."""
    base, slope = -start * LOG2_E, -step * LOG2_E
    for q in range(NODES):
        t = min(max(base + slope * X[q], -FAR), FAR)
        k = np.floor(t + 0.5)
        r = t - k
        high = C6 + r * (C7 + r * (C8 + r * (C9 + r * C10)))
        power[q] = 1.0 + r * (C1 + r * (C2 + r * (C3 + r * (C4 + r * (C5 + r * high)))))
        bits[q] = (np.int64(k) + 1023) << 52
    for q in range(NODES):
        out[q] = 1.0 / (1.0 + power[q] * scale[q])


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def two_level(mc: float, vc: float, m: float, v: float, y: int, d: float, desk: tuple, out: Floats) -> None:  # type: ignore[type-arg]
    """Moments of a two-level answer without guessing: one slope and one information, in HI's and LO's places."""
    power, bits, scale, chance = desk[0], desk[1], desk[2], desk[3]
    sd = np.sqrt(vc)
    sign = 1.0 if y == 1 else -1.0
    logistics(sign * (mc + d), sign * sd, power, bits, scale, chance)
    z0 = z1 = z2 = r0 = r1 = w0 = w1 = w2 = 0.0
    for q in range(NODES):
        x = X[q]
        p = W[q] * chance[q]
        r = p * (1.0 - chance[q])
        w = r * chance[q]
        z0 += p
        z1 += p * x
        z2 += p * x * x
        r0 += r
        r1 += r * x
        w0 += w
        w1 += w * x
        w2 += w * x * x
    norm = 1.0 / z0
    alpha, beta = (mc - m) / v, sd / v  # z = α + β x
    z1, z2, r0, r1 = z1 * norm, z2 * norm, sign * r0 * norm, sign * r1 * norm
    w0, w1, w2 = w0 * norm, w1 * norm, w2 * norm
    out[Z] = z0
    out[MEAN] = mc + sd * z1
    out[VARIANCE] = vc * max(z2 - z1 * z1, 1e-12)
    out[HI] = r0
    out[PULL] = alpha * r0 + beta * r1
    out[W0] = w0
    out[W1] = alpha * w0 + beta * w1
    out[W2] = alpha * alpha * w0 + 2.0 * alpha * beta * w1 + beta * beta * w2


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def terms(u: float, low: float, y: int, g: float) -> tuple[float, float, float, float, float, float]:
    """P, hi, lo, hh, hl, ll from the chances u and low of reaching y and y + 1, guessing left out of both."""
    du, dl = (1.0 - g) * u * (1.0 - u), (1.0 - g) * low * (1.0 - low)
    u, low = (1.0 if y == 0 else g + (1.0 - g) * u), (g + (1.0 - g) * low if dl > 0.0 else 0.0)
    p = max(u - low, TINY)
    hi, lo = du / p, -dl / p
    if g > 0.0:
        return p, hi, lo, du * du / (u * (1.0 - u) + TINY), 0.0, dl * dl / (low * (1.0 - low) + TINY)
    return p, hi, lo, hi * (hi - 1.0 + 2.0 * u), hi * lo, lo * (lo - 1.0 + 2.0 * low)


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def graded(
    mc: float,
    vc: float,
    m: float,
    v: float,
    y: int,
    d: Floats,
    g: float,
    desk: tuple,  # type: ignore[type-arg]
    out: Floats,
) -> None:
    """All moments of an answer at any level, with or without guessing."""
    power, bits, scale, upper, lower = desk
    sd = np.sqrt(vc)
    upper[:] = 1.0
    lower[:] = 0.0
    if y > 0:
        logistics(mc + d[y - 1], sd, power, bits, scale, upper)
    if y < d.shape[0] and d[y] > -np.inf:
        logistics(mc + d[y], sd, power, bits, scale, lower)
    out[:] = 0.0
    z1 = z2 = 0.0
    for q in range(NODES):
        x = X[q]
        z = (mc + sd * x - m) / v
        p, hi, lo, hh, hl, ll = terms(upper[q], lower[q], y, g)
        p *= W[q]
        w_hi, w_lo = hh + hl, hl + ll
        w = w_hi + w_lo
        out[Z] += p
        z1 += p * x
        z2 += p * x * x
        out[HI] += p * hi
        out[LO] += p * lo
        out[PULL] += p * (hi + lo) * z
        out[W0] += p * w
        out[W1] += p * w * z
        out[W2] += p * w * z * z
        out[HI0] += p * w_hi
        out[HI1] += p * w_hi * z
        out[LO0] += p * w_lo
        out[LO1] += p * w_lo * z
        out[HH] += p * hh
        out[HL] += p * hl
        out[LL] += p * ll
    norm = 1.0 / out[Z]
    for q in range(HI, MOMENTS):
        out[q] *= norm
    z1 *= norm
    out[MEAN] = mc + sd * z1
    out[VARIANCE] = vc * max(z2 * norm - z1 * z1, 1e-12)
