r"""Where a plan pays a little to learn: small trials, priced by what their outcome is worth; forecasts untouched.

Who might fit a queue better than vetting could see is only found out by letting them work there. With an expert's
ability on a queue x ~ N(m, v), their fit to it included, n units that are checked move m by N(0, σ²), where

    σ² = v² / (v + 1 / (n I)),      I = Fisher's information in the verdict on one unit (assignment.pooling),

and in the same way n units move the log of their pace, of which a test saw a part. At the plan's prices one hour there
is worth w, and the hour costs η ≥ w: what it earns elsewhere. After the trial w is N(w, s²), s² being both moves times
the slopes of w, and the expert stays only if it paid. What the trial is worth is therefore

    H s f((w - η) / s) - t (η - w),       f(z) = φ(z) + z Φ(z),

with H the hours that follow in which it would be used, and t the hours of n units. n is the best of `BATCHES`; each
expert has at most one trial a plan, and those worth most an hour come first, until `most` of the hours are spent.
What units under way will tell is counted as told. As H falls, as v falls by what has been learnt, or as x gets unlikely
to clear what pays, trials end by themselves.

Trials are promised hours; all else is planned around them as ever, and units are promised at what is believed of them.
The plan's gap, held against the bound of the plain problem, is what exploring costs today.

Trials are found on the problem without the hours of the plan before. An earlier plan that explored would pull the plain
one towards itself, and unchanged input would not give the same plan again.

References: Frazier, Powell & Dayanik (2008), A knowledge-gradient policy for sequential information collection;
Frazier & Powell (2010), Paradoxes in learning and the marginal value of information (the choice of n); Ryzhov, Powell
& Frazier (2012), The knowledge gradient algorithm for a general class of online learning problems (the hours H).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.plan import Plan, hour_values, weigh
from assignment.pooling import information
from assignment.problem import Problem
from assignment.projection import PRODUCE, Asks
from assignment.solve import solve

MOST = 0.1  # of the planned hours may be trials
BATCHES = (1, 2, 4, 8)  # units of a trial
PART = 0.5  # of somebody's hours that a trial may take

NOTHING = 1e-9  # hours


@dataclass(frozen=True, eq=False)
class Unknown:
    """What is not known yet of who fits which queue, and how long it would be of use."""

    mean: Floats  # (E, Q) of x, the fit included
    variance: Floats  # (E, Q)
    asks: Asks
    pace_var: Floats  # (E,) of the log of somebody's minutes over what is expected of them
    spread: float  # sd of the log minutes of one unit
    checked: Floats  # (Q,) share of units with a verdict
    ahead: Floats  # (E, Q) hours that follow in which what is learnt would be used
    under_way: Floats  # (E, Q) units that are made and have no verdict yet


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials on some arcs; 0 where there is none."""

    hours: Floats  # (A,)
    worth: Floats  # (A,) what the outcome is expected to bring later, the hours of the trial paid
    hoped: Floats  # (A,) acceptance after a trial that goes well: by one standard deviation, one time in six


@dataclass(frozen=True, eq=False)
class Explored:
    """A plan that also learns, and how much of it does."""

    plan: Plan
    share: float  # of the hours planned without exploring that are trials
    trials: Trials


def explore(problem: Problem, unknown: Unknown, *, most: float = MOST, time_limit: float | None = None) -> Explored:
    """The best plan with trials in at most a share `most` of the hours, where any pays; else the plain plan.

    Value, bound and prices speak of the plain problem. Promises and kept hours of the problem hold as ever: trials that
    would break a promise are left out.
    """
    _refuse_bad_unknown(problem, unknown, most)
    fresh = replace(problem, before=np.zeros(problem.arcs))
    calm = solve(fresh, time_limit=time_limit)
    plain = solve(problem, time_limit=time_limit) if problem.before.any() else calm
    held = replace(problem, before=problem.before if problem.before.any() else calm.hours)
    trials = _trials(fresh, calm, unknown, most)
    while trials.hours.any():
        bold = solve(replace(held, pinned=problem.pinned + trials.hours), time_limit=time_limit)
        told = _told_plainly(problem, plain, bold)
        clashing = _where_promises_break(problem, told.broken - plain.broken, trials)
        if not clashing.any():
            kept = replace(trials, hours=np.minimum(bold.hours, trials.hours))
            return Explored(told, float(kept.hours.sum() / calm.hours.sum()), kept)
        trials = Trials(*(np.where(clashing, 0.0, part) for part in (trials.hours, trials.worth, trials.hoped)))
    return Explored(plain, 0.0, trials)


def _told_plainly(problem: Problem, plain: Plan, bold: Plan) -> Plan:
    """The hours of the bold plan, weighed by what is believed."""
    value, objective = weigh(problem, bold.hours)
    broken = np.maximum(problem.pinned - bold.hours, 0.0)
    return replace(plain, hours=bold.hours, value=value, objective=objective, broken=broken, status=bold.status)


def _where_promises_break(problem: Problem, more: Floats, trials: Trials) -> Bools:
    """(A,) trials paid from a purse of which `more` (A,) promised hours are broken; all trials, if none is."""
    purse = problem.queues.purse[problem.queue]
    short = total_by(purse, more, len(problem.queues.budget))[purse] > NOTHING * (1.0 + problem.pinned.sum())
    mine = short & (trials.hours > 0)
    return mine if mine.any() or not short.any() else trials.hours > 0


# -- which trials ------------------------------------------------------------------------------------


def _trials(problem: Problem, calm: Plan, unknown: Unknown, most: float) -> Trials:
    """The trials worth most an hour, one a person, within their share of the hours."""
    making = (problem.role == PRODUCE) & (problem.accepted > 0)
    at = np.flatnonzero(making & (calm.hours <= NOTHING) & (problem.pinned <= NOTHING))
    found = _best_batches(_stakes(problem, calm, unknown, at))
    left, busy = most * float(calm.hours.sum()), set[int]()
    chosen: list[int] = []
    order = np.lexsort((at, -found.worth / np.maximum(found.hours, NOTHING)))
    for i in order[found.worth[order] > 0]:
        who, hours = int(problem.expert[at[i]]), float(found.hours[i])
        if hours <= left and who not in busy:
            busy.add(who)
            left -= hours
            chosen.append(i)
    table = np.zeros((3, problem.arcs))
    table[:, at[chosen]] = [part[chosen] for part in (found.hours, found.worth, found.hoped)]
    return Trials(*table)


@dataclass(frozen=True, eq=False)
class _Stakes:
    """What is at stake on some arcs where nobody is planned to make anything; one number an arc."""

    above: Floats  # m over what is accepted
    variance: Floats  # v, less what units under way will tell
    information: Floats  # I, of a unit that may or may not be checked
    by_ability: Floats  # slope of w in x
    pace_var: Floats
    by_pace: Floats  # slope of w in the log of the pace
    spread: float
    lacks: Floats  # η - w
    unit: Floats  # hours of a unit
    room: Floats  # hours that a trial may take
    ahead: Floats  # H, as far as the queue asks for them


def _stakes(problem: Problem, calm: Plan, unknown: Unknown, at: Rows) -> _Stakes:
    e, q, queues = problem.expert[at], problem.queue[at], problem.queues
    worth, due = hour_values(problem, calm.prices)[at], queues.due[q]
    costs = calm.prices.hour[:, ::-1].cumsum(axis=1)[:, ::-1][e, due]  # an hour before a date is one before all later
    v, coming, asks = unknown.variance[e, q], unknown.under_way, unknown.asks
    above, sd = unknown.mean[e, q] - asks.difficulty[q] - asks.accepted_from, np.sqrt(1.0 + v)
    told = information(above) * unknown.checked[q]
    pace_var = unknown.pace_var - _moved(unknown.pace_var, coming.sum(axis=1) / unknown.spread**2)
    paid = np.maximum(queues.value[q] * problem.quality[at] - calm.prices.demand[q], 0.0)  # for an accepted unit
    hours, wanted = problem.hours[e, due], queues.demand[q] / problem.accepted[at]  # that the queue has for somebody
    promised = np.bincount(problem.expert, problem.pinned, problem.experts)[e]
    room = np.minimum(PART * np.maximum(hours - promised, 0.0), problem.cap[at])
    return _Stakes(
        above=above,
        variance=v - _moved(v, told * coming[e, q]),
        information=told,
        by_ability=problem.rate[at] * paid * _density(above / sd) / sd,
        pace_var=pace_var[e],
        by_pace=worth + problem.cost[at],
        spread=unknown.spread,
        lacks=np.maximum(costs - worth, 0.0),
        unit=1.0 / problem.rate[at],
        room=np.minimum(room, wanted),
        ahead=np.maximum(unknown.ahead[e, q] - _taken(problem, calm)[e, due], 0.0)
        * np.minimum(1.0, wanted / np.maximum(hours, NOTHING)),
    )


def _taken(problem: Problem, calm: Plan) -> Floats:
    """(E, T) hours before each due date that sooner dates need, so that a trial comes after them."""
    full = np.where(calm.prices.hour > 0, problem.hours, 0.0)[:, :-1]
    return np.maximum.accumulate(np.column_stack([np.zeros(problem.experts), full]), axis=1)


def _best_batches(stakes: _Stakes) -> Trials:
    """On each of these arcs the trial of the length that is worth most; 0 where none is worth its hours."""
    v, pace_var = stakes.variance, stakes.pace_var
    hours, worth, moved = (np.zeros(len(v)) for _ in range(3))
    for n in BATCHES:
        spent = n * stakes.unit
        found, paced = _moved(v, n * stakes.information), _moved(pace_var, n / stakes.spread**2)
        sd = np.sqrt(stakes.by_ability**2 * found + stakes.by_pace**2 * paced)
        z = -stakes.lacks / np.maximum(sd, NOTHING)
        gain = stakes.ahead * sd * (_density(z) + z * ndtr(z)) - stakes.lacks * spent
        better = (spent <= stakes.room) & (gain > worth)
        hours, worth, moved = (
            np.where(better, new, old) for new, old in ((spent, hours), (gain, worth), (found, moved))
        )
    return Trials(hours, worth, ndtr((stakes.above + np.sqrt(moved)) / np.sqrt(1.0 + v - moved)))


def _moved(variance: Floats, information: Floats | float) -> Floats:
    """σ²: the variance by which so much information moves a mean."""
    return np.asarray(variance**2 * information / (variance * information + 1.0))


def _density(z: Floats) -> Floats:
    """φ(z)."""
    return np.asarray(np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi))


def _refuse_bad_unknown(problem: Problem, unknown: Unknown, most: float) -> None:
    seats, people, queues = (problem.experts, len(problem.queues)), (problem.experts,), (len(problem.queues),)
    shapes = {
        "mean": seats,
        "variance": seats,
        "ahead": seats,
        "under_way": seats,
        "pace_var": people,
        "checked": queues,
    }
    for name, shape in shapes.items():
        given = getattr(unknown, name)
        if given.shape != shape or not np.isfinite(given).all():
            raise ValueError(
                f"explore: {name} is {given.shape} and must be {shape}, finite. Maybe a person or a queue was left out."
            )
        if name != "mean" and (given < 0).any():
            raise ValueError(f"explore: {name} falls to {given.min():g}, below 0. Maybe a sign was turned.")
    if unknown.checked.max(initial=0.0) > 1.0:
        raise ValueError(
            f"explore: checked rises to {unknown.checked.max():g}, but it is a share. Maybe reviews a unit were given."
        )
    if not unknown.spread > 0:
        raise ValueError(f"explore: spread = {unknown.spread}, but minutes of units differ. Maybe it was left empty.")
    if not 0.0 <= most <= 1.0:
        raise ValueError(f"explore: most = {most}, but it is a share of the hours. Maybe it was given in percent.")
