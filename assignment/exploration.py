r"""Where a plan pays a little to learn: optimism in the objective, forecasts untouched, a cap on the hours.

Who might fit a queue better than vetting could see is only found out by letting them work there. With an expert's
ability on a queue x ~ N(m, v), their fit to it included, optimism judges a produced unit as if x were m + c √v:

    hope = Φ((m + c √v - d - τ) / √(1 + v)) / Φ((m - d - τ) / √(1 + v))   ≥ 1,

a factor on the worth of an accepted unit. Rates stay what is believed, so that the plan promises no unit more than is
expected; only the choice among people leans towards those of whom more is still to be learnt. c wanes with the time
that is left to use what is learnt and ends halfway: c √(1 - 2 t / T), then 0.

What it may cost is bounded twice: at most `most` of the hours planned without it lie elsewhere for it, and the plan's
gap, held against the bound of the plain problem, is what exploring costs today.

How much hope keeps within `most` is found on the problem without the hours of the plan before. An earlier plan that
explored would pull the plain one towards itself: some of what is explored would no longer count, hope would grow from
plan to plan, and unchanged input would not give the same plan again.

Reference: Auer, Cesa-Bianchi & Fischer (2002), Finite-time analysis of the multiarmed bandit problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from assignment.arrays import Floats
from assignment.plan import Plan, weigh
from assignment.problem import Problem
from assignment.projection import PRODUCE, Asks
from assignment.solve import solve

REACH = 0.5  # c at the start
MOST = 0.1  # of the planned hours may go elsewhere in order to learn
LEARN_FOR = 0.5  # of the time there is; trying people costs rejects, and what is learnt later pays too little
HALVINGS = 4  # of the hope, until the hours keep to that; then only a part of them is moved

NOTHING = 1e-9  # hours


@dataclass(frozen=True, eq=False)
class Explored:
    """A plan that also learns, and how much of it does."""

    plan: Plan
    share: float  # of the hours planned without exploring that lie elsewhere for it
    learning: Floats  # (A,) those hours
    lift: Floats  # (A,) by what factor the worth of a unit was lifted in order to choose people


def waning(step: int, steps: int, reach: float = REACH) -> float:
    """The reach c at one of `steps` plans, counted from 0: first learnt, then used."""
    if not 0 <= step <= steps or steps < 1 or not (np.isfinite(reach) and reach >= 0):
        raise ValueError(
            f"waning: step {step} of {steps} with reach {reach}, but steps count from 0 and a reach is 0 or more. "
            "Maybe the plans of an earlier program were counted too."
        )
    return reach * float(np.sqrt(max(1.0 - step / (LEARN_FOR * steps), 0.0)))


def hope(mean: Floats, variance: Floats, asks: Asks, reach: float | Floats) -> Floats:
    """(E, Q) by what factor optimism lifts the worth of a unit; mean and variance of x, the fit included.

    reach c: a number, or (Q,) where queues end at different times.
    """
    spread = np.sqrt(1.0 + variance)
    h = (mean - asks.difficulty - asks.accepted_from) / spread
    return np.asarray(ndtr(h + reach * np.sqrt(variance) / spread) / np.maximum(ndtr(h), np.finfo(float).tiny))


def explore(problem: Problem, lift: Floats, *, most: float = MOST, time_limit: float | None = None) -> Explored:
    """The best plan under optimism that moves at most a share `most` of the hours; else the plain plan.

    lift (E, Q) as from `hope`. Value, bound and prices speak of the plain problem: nothing in the plan is optimistic
    but the choice of people. Promises and kept hours of the problem hold as ever.
    """
    _refuse_bad_lift(problem, lift, most)
    fresh = replace(problem, before=np.zeros(problem.arcs))
    calm = solve(fresh, time_limit=time_limit)
    trial = _within(fresh, calm, lift, most, time_limit)
    plain = solve(problem, time_limit=time_limit) if problem.before.any() else calm
    if not trial.elsewhere.any():
        return Explored(plain, 0.0, trial.elsewhere, trial.leaning)
    held = problem.before if problem.before.any() else calm.hours
    wished = replace(problem, before=held, quality=problem.quality * trial.leaning)
    if trial.part < 1:
        at_least = np.where(trial.elsewhere > 0, calm.hours + trial.elsewhere, 0.0)
        wished = replace(problem, before=held, pinned=np.maximum(problem.pinned, at_least))
    bold = solve(wished, time_limit=time_limit)
    learning = np.minimum(np.maximum(bold.hours - calm.hours, 0.0), trial.elsewhere)
    share = float(learning.sum() / max(calm.hours.sum(), NOTHING))
    return Explored(_told_plainly(problem, plain, bold), share, learning, trial.leaning)


@dataclass(frozen=True, eq=False)
class _Trial:
    """How much is tried: with how much hope, and where."""

    leaning: Floats  # (A,) factor on the worth of a unit
    elsewhere: Floats  # (A,) hours that lie elsewhere for it
    part: float = 1.0  # of all that so much hope would move; below 1 those hours are promised, and hope stays out


def _within(problem: Problem, plain: Plan, lift: Floats, most: float, time_limit: float | None) -> _Trial:
    """The most hope under which no more than a share `most` of the hours lie elsewhere, moving them at its price.

    Where a few people are everybody, even little hope moves somebody's whole week: then a part of that is tried.
    """
    extra = np.where(problem.role == PRODUCE, lift[problem.expert, problem.queue] - 1.0, 0.0)
    trial = _Trial(np.ones(problem.arcs), np.zeros(problem.arcs))
    for halved in range(HALVINGS if most > 0 and extra.any() else 0):
        leaning = 1.0 + extra / 2**halved
        wished = replace(problem, before=plain.hours, quality=problem.quality * leaning)
        bold = solve(wished, time_limit=time_limit)
        elsewhere = np.maximum(bold.hours - plain.hours, 0.0)
        if not elsewhere.any():
            break  # so little hope moves nothing: a part of what more of it moves
        part = min(most * float(plain.hours.sum() / elsewhere.sum()), 1.0)
        if part == 1.0:
            return _Trial(leaning, elsewhere)
        if (plain.broken + bold.broken).max() < NOTHING:  # else there is no room for a further promise
            trial = _Trial(leaning, part * elsewhere, part)
    return trial


def _told_plainly(problem: Problem, plain: Plan, bold: Plan) -> Plan:
    """The hours of the bold plan, weighed by what is believed."""
    value, objective = weigh(problem, bold.hours)
    broken = np.maximum(problem.pinned - bold.hours, 0.0)
    return replace(plain, hours=bold.hours, value=value, objective=objective, broken=broken, status=bold.status)


def _refuse_bad_lift(problem: Problem, lift: Floats, most: float) -> None:
    shape = (problem.experts, len(problem.queues))
    if lift.shape != shape or not (np.isfinite(lift) & (lift >= 1.0 - 1e-12)).all():
        raise ValueError(
            f"explore: lift is {lift.shape} and must be {shape}, finite and at least 1. "
            "Maybe acceptances were given: see `hope`."
        )
    if not 0.0 <= most <= 1.0:
        raise ValueError(f"explore: most = {most}, but it is a share of the hours. Maybe it was given in percent.")
