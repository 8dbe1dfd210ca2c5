r"""What a belief about an expert says about a queue: acceptance, minutes, rates, and who may work there.

An expert's ability on queue q is u = w_q·θ ~ N(m, v), with m = w_q·μ and v = w_q·Σ w_q. A submitted unit shows
y = u - d_q + ε, ε ~ N(0, 1), and the check says

    accepted  if y ≥ τ,      sent back for rework  if ρ ≤ y < τ,      rejected  if y < ρ.

Integrating u out gives closed forms, so that an uncertain belief lowers the forecast by itself:

    P(accepted)  = Φ((m - d - τ) / √(1 + v))
    E[P²]        = Φ(h) - 2 T(h, 1 / √(1 + 2v)),   h = (m - d - τ) / √(1 + v),   T = Owen's function,
    sd(P)        = √(E[P²] - P²),
    interval     = Φ(m ± z √v - d - τ),            exact, because Φ rises with u.

    minutes a submitted unit    t = base_q · speed_e · (1 + κ P(rework))
    submitted an hour           s = 60 / t
    accepted an hour            g = P(accepted) · s
    reviews an hour             60 / (review minutes_q · speed_e)

May expert e take a role on q? Every skill k with a bar must clear it surely enough: P(θ_k ≥ b_qk + step_role) ≥ sure,
which is μ_k - z(sure) σ_k ≥ b_qk + step. That is a promise about each bar by itself. With `joint=True` each of the n
bars is held to 1 - (1 - sure) / n (Bonferroni), so that all hold together with at least `sure`, whatever the
correlation of the skills.

Shapes: E experts, Q queues, S skills, R = 3 roles.

References: Owen (1956), Tables for computing bivariate normal probabilities; Nemirovski & Shapiro (2006), Convex
approximations of chance constrained programs (the Bonferroni bound).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, owens_t

from assignment.arrays import Bools, Floats, Rows

PRODUCE, REVIEW, SECOND = 0, 1, 2
ROLES = ("produce", "review", "second")
ROLE_STEPS = (0.0, 0.3, 0.8)  # how far a role lifts every bar, in posterior-scale units
SURE = 0.9  # how surely a bar must be cleared


@dataclass(frozen=True, eq=False)
class Asks:
    """What each queue asks of one unit; row q is queue q in every array."""

    difficulty: Floats  # (Q,) d, on the scale of w·θ
    minutes: Floats  # (Q,) base minutes of a submitted unit
    review_minutes: Floats  # (Q,) minutes of one review
    second_minutes: Floats  # (Q,) minutes of one second-level review
    accepted_from: float = 0.0  # τ
    rework_from: float = -1.0  # ρ < τ
    rework_cost: float = 0.35  # κ: extra minutes of a unit sent back, as a share of the unit

    def __post_init__(self) -> None:
        for field in ("difficulty", "minutes", "review_minutes", "second_minutes"):
            _refuse_unless_finite(getattr(self, field), f"Asks.{field}", (len(self.difficulty),))
        for field in ("minutes", "review_minutes", "second_minutes"):
            _refuse_unless_positive(getattr(self, field), f"Asks.{field}", "a unit takes time")
        if not self.rework_from <= self.accepted_from:
            raise ValueError(
                f"Asks: rework starts at {self.rework_from}, above acceptance at {self.accepted_from}. "
                "Maybe the two thresholds were exchanged."
            )


@dataclass(frozen=True, eq=False)
class Projection:
    """What each expert would do on each queue; every array is (E, Q)."""

    acceptance: Floats  # P(accepted on first pass)
    acceptance_sd: Floats  # its posterior standard deviation
    acceptance_low: Floats  # interval of the share accepted, 5 %
    acceptance_high: Floats  # and 95 %
    rework: Floats  # P(sent back)
    minutes: Floats  # per submitted unit, rework included
    minutes_low: Floats  # interval from the uncertain speed, 5 %
    minutes_high: Floats  # and 95 %
    submitted: Floats  # units an hour
    accepted: Floats  # units an hour
    accepted_sd: Floats  # sd of accepted units an hour
    reviews: Floats  # reviews an hour
    seconds: Floats  # second-level reviews an hour

    def loaded_minutes(self, asks: Asks, review_share: Floats, second_share: Floats) -> Floats:
        """(E, Q) minutes behind one accepted unit: making it, reviewing it, and those that were not accepted."""
        checking = review_share * asks.review_minutes + second_share * asks.second_minutes  # (Q,)
        return (self.minutes + checking) / np.maximum(self.acceptance, np.finfo(float).tiny)


def project(mean: Floats, variance: Floats, asks: Asks, speed: Floats, *, speed_sd: float | Floats = 0.0) -> Projection:
    """Forecast every expert on every queue.

    mean, variance (E, Q) of w_q·θ_e; speed (E,) the expert's minutes over the usual minutes (1 = usual, 0.8 = quicker);
    speed_sd the standard deviation of log speed, a number or (E,).
    """
    _refuse_beliefs(mean, variance, asks, speed)
    spread = np.sqrt(1.0 + variance)
    h = (mean - asks.difficulty - asks.accepted_from) / spread
    acceptance = ndtr(h)
    rework = ndtr((mean - asks.difficulty - asks.rework_from) / spread) - acceptance
    sd = np.sqrt(np.maximum(acceptance - 2.0 * owens_t(h, 1.0 / np.sqrt(1.0 + 2.0 * variance)) - acceptance**2, 0.0))
    slow = speed[:, None]
    minutes = asks.minutes * slow * (1.0 + asks.rework_cost * rework)
    reach = ndtri(0.95) * np.broadcast_to(np.asarray(speed_sd, float), speed.shape)[:, None]
    sides = [
        ndtr(mean + side * np.sqrt(variance) - asks.difficulty - asks.accepted_from) for side in ndtri([0.05, 0.95])
    ]
    return Projection(
        acceptance=acceptance,
        acceptance_sd=sd,
        acceptance_low=sides[0],
        acceptance_high=sides[1],
        rework=rework,
        minutes=minutes,
        minutes_low=minutes * np.exp(-reach),
        minutes_high=minutes * np.exp(reach),
        submitted=60.0 / minutes,
        accepted=60.0 * acceptance / minutes,
        accepted_sd=60.0 * sd / minutes,
        reviews=60.0 / (asks.review_minutes * slow),
        seconds=60.0 / (asks.second_minutes * slow),
    )


def chance_of_clearing(mean: Floats, sd: Floats, bar: Floats | float) -> Floats:
    """P(θ ≥ bar) for θ ~ N(mean, sd²), also where sd = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (mean - bar) / sd
    return np.where(np.isnan(z), np.asarray(mean >= bar, float), ndtr(z))


def eligible(
    means: Floats, sds: Floats, bars: Floats, *, sure: float = SURE, joint: bool = False,
    steps: tuple[float, float, float] = ROLE_STEPS,
) -> Bools:  # fmt: skip
    """(E, Q, 3) who clears every bar of a queue surely enough for each role.

    means, sds (E, S) of the skills; bars (Q, S), nan where a queue sets none. A queue without bars is open to all.
    """
    _refuse_bars(means, sds, bars, sure)
    open_to = np.ones((len(means), len(bars), len(steps)), dtype=bool)
    for q, k in np.argwhere(~np.isnan(bars)):
        count = int((~np.isnan(bars[q])).sum()) if joint else 1
        floor = means[:, k] - ndtri(1.0 - (1.0 - sure) / count) * sds[:, k]  # (E,) what is surely there
        open_to[:, q] &= floor[:, None] >= bars[q, k] + np.asarray(steps)
    return open_to


def clearing_each_bar(means: Floats, sds: Floats, bars: Floats, *, sure: float = SURE) -> Rows:
    """(Q, S) how many experts clear each bar by itself; -1 where a queue sets none. Zero is a bar nobody meets."""
    _refuse_bars(means, sds, bars, sure)
    floor = means - ndtri(sure) * sds  # (E, S)
    counts = np.full(bars.shape, -1, dtype=np.intp)
    for q, k in np.argwhere(~np.isnan(bars)):
        counts[q, k] = np.count_nonzero(floor[:, k] >= bars[q, k])
    return counts


def _refuse_beliefs(mean: Floats, variance: Floats, asks: Asks, speed: Floats) -> None:
    shape = (len(speed), len(asks.difficulty))
    for name, array in (("mean", mean), ("variance", variance)):
        _refuse_unless_finite(array, f"project: {name}", shape)
    _refuse_unless_finite(speed, "project: speed", (len(speed),))
    _refuse_unless_positive(speed, "project: speed", "it multiplies minutes")
    if (variance < 0).any():
        e, q = np.argwhere(variance < 0)[0]
        raise ValueError(
            f"project: variance[{e}, {q}] = {variance[e, q]:g} is negative. Maybe the belief's covariance is broken."
        )


def _refuse_bars(means: Floats, sds: Floats, bars: Floats, sure: float) -> None:
    if means.shape != sds.shape or bars.ndim != 2 or bars.shape[1] != means.shape[-1]:
        raise ValueError(
            f"bars are {bars.shape}, means {means.shape}, sds {sds.shape}, but bars must be "
            "(Q, S) and the others (E, S). "
            "Maybe bars was given as (S, Q)."
        )
    _refuse_unless_finite(means, "means", means.shape)
    _refuse_unless_finite(sds, "sds", sds.shape)
    if np.isinf(bars).any():
        q, k = np.argwhere(np.isinf(bars))[0]
        raise ValueError(f"bars[{q}, {k}] is infinite. Maybe use nan for a skill without a bar.")
    if not 0.5 <= sure < 1.0:
        raise ValueError(f"sure = {sure}, but it must be in [0.5, 1). Maybe it was given in percent.")


def _refuse_unless_finite(array: Floats, what: str, shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        raise ValueError(f"{what} is {np.shape(array)}, but must be {shape}. Maybe a row was left out.")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{what}{list(where)} = {array[where]}. Maybe a belief or a field was left empty.")


def _refuse_unless_positive(array: Floats, what: str, why: str) -> None:
    if (array <= 0).any():
        at = int(np.flatnonzero(array <= 0)[0])
        raise ValueError(f"{what}[{at}] = {array[at]:g}, but {why}. Maybe the unit of time was mixed up.")
