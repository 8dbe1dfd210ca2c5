r"""When one more question is not worth its minutes: optimal stopping for one decision.

A person is taken if the mean m of t = w·θ is above the bar; taking them is worth t - bar. With variance V left and
information about t coming at ρ a minute (1/V grows by ρ), m moves as a Brownian motion while V shrinks. A minute
costs c. In the units β m and s = β² V with β = (ρ/c)^{1/3}, nothing else is left of the problem: going from s to
s - ds costs ds/s² and moves y = β (m - bar) by N(0, ds), so

    D(y, s) = max(0, E[D(y', s - ds)] + E[max(y', 0)] - max(y, 0) - (1/(s - ds) - 1/s))

is what going on is worth, in units of 1/β; it is 0 from the boundary on. Looking one question ahead stops too early,
since one answer seldom turns a decision; so does any fixed horizon, since one may stop before it is over.

References: Chernoff & Ray (1965), A Bayes sequential sampling inspection plan; Chick & Frazier (2012), Sequential
sampling with economics of selection procedures; Frazier & Powell (2010) for the trap of looking one step ahead.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from irt.model import Floats
from irt.tilt import W, X

LEAST, MOST = 0.05, 1e5  # s of the table: below, nothing is worth asking; above, minutes are all but free
RATIO = 1.02  # from one s of the table to the next: about what one question does
FARTHEST, GRID = 6.0, 1001  # z = |y| / √s of the table


def worth_continuing(gap: float, variance: float, fall: float, minutes: float, price: float) -> float:
    """Net value of asking on, for one decision "is t = w·θ above the bar?", in units of t; stop when not positive.

    gap       |mean of t - bar|; variance: Var(t); fall: expected fall of Var(t) by the best next item
    minutes   that item takes; price: of a minute, in units of t
    """
    if fall <= 0:
        return -price * minutes
    rate = fall / (variance * max(variance - fall, 1e-12 * variance) * minutes)
    scale = np.cbrt(rate / price) if price > 0 else np.inf
    s = scale**2 * variance
    if s >= MOST:
        return perfect(gap, variance)
    if s <= LEAST:
        return 0.0
    table = going_on()
    column = np.log(s / LEAST) / np.log(RATIO)
    low, right = int(column), column - int(column)
    z = gap / np.sqrt(variance)
    at = [float(np.interp(z, places(), table[k], right=0.0)) for k in (low, low + 1)]
    return min(((1 - right) * at[0] + right * at[1]) * np.sqrt(variance), perfect(gap, variance))


def undecided(gap: Floats, variance: Floats, fall: Floats, hangs: Floats, minutes: float, price: float) -> float:
    """Net value of asking on where several bars (B,) must all be met: that of the bar most worth it.

    hangs (B,): chance that the decision hangs on the bar, that is, that all others are met. A bar on which it hardly
    ever hangs pays for a minute just as seldom, so its price is that much higher.
    """
    return max(
        worth_continuing(abs(g), v, f, minutes, price / max(h, 1e-9)) * h
        for g, v, f, h in zip(gap, variance, fall, hangs, strict=True)
    )


def perfect(gap: float, variance: float) -> float:
    """What knowing t itself would be worth: E[max(t, bar)] - max(m, bar)."""
    return float(np.sqrt(variance) * overshoot(np.array(gap / np.sqrt(variance))))


def overshoot(z: Floats) -> Floats:
    """E[max(x - z, 0)] for a standard normal x."""
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) - z * ndtr(-z)


def places() -> Floats:
    """Values of z in the table: dense near 0, where the boundary of small s lies."""
    return FARTHEST * np.linspace(0, 1, GRID) ** 2


@lru_cache(maxsize=1)
def going_on() -> Floats:
    """D(y, s)/√s over rows of s from LEAST to MOST and columns of z = |y|/√s."""
    z, s = places(), LEAST
    rows = [np.zeros(GRID)]
    while s < MOST:
        larger = s * RATIO
        y, step = z * np.sqrt(larger), np.sqrt(larger - s)
        moved = np.abs(y[:, None] + step * X) / np.sqrt(s)
        later = np.interp(moved, z, rows[-1], right=0.0) @ W * np.sqrt(s)
        gained = later + step * overshoot(y / step) - (1 / s - 1 / larger)
        rows.append(np.maximum(gained, 0.0) / np.sqrt(larger))
        s = larger
    return np.array([*rows, rows[-1]])
