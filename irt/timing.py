r"""How long an answer takes: log-normal, with a person's pace.

    log t_pj = β_j - τ_p + ε,   ε ~ N(0, σ_j²),   τ_p ~ N(0, ω²)

β_j  time intensity of item j: log of its median minutes
τ_p  speed of person p; an accommodation of e.g. 1.5 times moves the clock, not τ
The expected minutes of the next answer, over all that is not known, are exp(β - τ̂ + (σ² + var τ)/2).

Reference: van der Linden (2006), A lognormal model for response times on test items, JEBS 31.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irt.model import Floats

OMEGA = 0.3  # sd of people's log pace: one in six takes 1.35 times as long as the median
SIGMA = 0.45  # sd of one answer's log time around its person and item


@dataclass(frozen=True)
class Pace:
    """What is known of one person's speed."""

    mean: float = 0.0
    variance: float = OMEGA**2


def pace(log_minutes: Floats, intensity: Floats, sigma: Floats | float = SIGMA) -> Pace:
    """Speed after some answers, by conjugate normal updating; (n,) log minutes against β (n,).

    Times shorter than a tenth or longer than ten times what the item asks (a guess, an absence) say
    nothing about speed and are left out.
    """
    if log_minutes.shape != intensity.shape:
        raise ValueError(f"pace: {log_minutes.size} times of {intensity.size} items. Maybe a time is missing: use nan.")
    gap = intensity - log_minutes
    usable = np.abs(gap) < np.log(10.0)  # False for nan: a time that was not taken
    gap, weight = np.where(usable, gap, 0.0), np.where(usable, 1.0 / np.broadcast_to(sigma, gap.shape) ** 2, 0.0)
    precision = 1 / OMEGA**2 + weight.sum()
    return Pace(float((weight * gap).sum() / precision), float(1 / precision))


def expected_minutes(
    intensity: Floats, pace: Pace, sigma: Floats | float = SIGMA, spread: Floats | float = 0.0
) -> Floats:
    """Mean minutes of each item for this person; `spread` is the sd of β where it is uncertain."""
    return np.exp(intensity - pace.mean + 0.5 * (np.square(sigma) + pace.variance + np.square(spread)))


def simulate_minutes(intensity: Floats, speed: Floats, sigma: Floats | float, rng: np.random.Generator) -> Floats:
    """Minutes of people (P,) at items (I,): (P, I)."""
    noise = rng.standard_normal((len(speed), len(intensity))) * sigma
    return np.exp(intensity - speed[:, None] + noise)
