r"""The staffing problem: who may do what, how fast, at what pay, and what each queue wants. Rows only, no ids.

An *arc* a = (expert, queue, role) exists only where the expert is eligible. An hour on arc a brings

    produce   s_a submitted units, of which g_a are accepted, worth V_q ψ_a each      (ψ: quality multiplier)
    review    v_a reviews,          second   v_a second-level reviews

and costs c_a. Everything a lead wishes beyond that is a number on an arc: `pinned` hours are promised (a broken
promise costs `promise` an hour, so that no set of wishes makes the problem infeasible; the plan says which were
broken), `before` are the hours of the previous plan (losing one costs `switching`, so that plans stay calm), and a
veto is an arc that does not exist. `most` hours limit an arc, so that no queue is one person's work.

Due dates: `hours[e, t]` are expert e's hours up to the t-th due date, and `due[q]` is the date of queue q. Work is
divisible and may be interrupted, so that "Σ_{q: due_q ≤ t} h ≤ hours[e, t] for every t" is exact (earliest date first).

Budgets: `purse[q]` says which budget pays queue q, so that a program may share one budget among its queues.

Shapes: E experts, Q queues, A arcs, T due dates, G budgets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.projection import PRODUCE, ROLES, Projection

PROMISE = 10.0  # an hour promised and not kept costs this many times the dearest hour of the problem


@dataclass(frozen=True, eq=False)
class Queues:
    """What each queue wants; row q is queue q in every array."""

    demand: Floats  # (Q,) N, accepted units wanted
    value: Floats  # (Q,) V, worth of one accepted unit
    review_share: Floats  # (Q,) k1, independent reviews a submitted unit (0.2 = one in five, 2 = two people each)
    second_share: Floats  # (Q,) k2, share of submitted units that get a second-level review, at most 1
    due: Rows  # (Q,) column of `hours` by which the queue must be done
    purse: Rows  # (Q,) which budget pays
    budget: Floats  # (G,) money, inf where there is no limit

    @classmethod
    def of(
        cls, demand: ArrayLike, value: ArrayLike, *, review_share: ArrayLike = 1.0, second_share: ArrayLike = 0.0,
        due: ArrayLike | None = None, purse: ArrayLike | None = None, budget: ArrayLike | None = None,
    ) -> Queues:  # fmt: skip
        """Queues from plain lists: one number stands for all; by default no budget, and one due date at the end."""
        wanted = np.asarray(demand, float)
        rows = None if purse is None else np.asarray(purse)
        purses = len(wanted) if rows is None else int(rows.max(initial=-1)) + 1
        return cls(
            wanted,
            _spread(value, len(wanted)),
            _spread(review_share, len(wanted)),
            _spread(second_share, len(wanted)),
            np.zeros(len(wanted), np.intp) if due is None else np.asarray(due).astype(np.intp),
            np.arange(len(wanted)) if rows is None else rows.astype(np.intp),
            np.full(purses, np.inf) if budget is None else _spread(budget, purses),
        )

    def __post_init__(self) -> None:
        for name in ("demand", "value", "review_share", "second_share"):
            _refuse_unless_sane(getattr(self, name), f"queues: {name}", (len(self.demand),))
        _refuse_unless_sane(self.budget, "queues: budget", self.budget.shape, endless=True)
        if (self.second_share > 1).any():
            raise ValueError(
                f"queues: second_share[{int(self.second_share.argmax())}] = {self.second_share.max():g}, above 1. "
                "Maybe it was given in percent."
            )
        _refuse_strangers(self.purse, "queues: purse", len(self.budget), "budgets")

    def __len__(self) -> int:
        return len(self.demand)


@dataclass(frozen=True, eq=False)
class Problem:
    """A staffing problem, refused at birth when it cannot be right. Arcs are sorted by expert, queue, role."""

    queues: Queues
    hours: Floats  # (E, T) hours up to each due date, rising along t
    expert: Rows  # (A,)
    queue: Rows  # (A,)
    role: Rows  # (A,) 0 produce, 1 review, 2 second
    rate: Floats  # (A,) units handled an hour: submitted or reviewed
    accepted: Floats  # (A,) accepted units an hour; 0 for the two review roles
    cost: Floats  # (A,) pay an hour
    quality: Floats  # (A,) ψ, multiplier of the queue's value
    pinned: Floats  # (A,) promised hours
    before: Floats  # (A,) hours of the previous plan
    switching: float = 0.0  # price of one hour of `before` that is not kept
    promise: float = field(default=np.nan)  # price of one promised hour that is broken; nan: PROMISE x the dearest hour
    most: Floats = field(default_factory=lambda: np.zeros(0))  # (A,) hours an arc may take; empty: no limit

    def __post_init__(self) -> None:
        _refuse_bad_hours(self.hours)
        _refuse_bad_arcs(self)
        _refuse_strangers(self.queues.due, "queues: due", self.hours.shape[1], "due dates")
        if self.capped:
            _refuse_unless_sane(self.most, "arcs: most", (self.arcs,), endless=True)
        if np.isnan(self.promise):
            dearest = max(np.abs(self.gain).max(initial=0.0), self.cost.max(initial=0.0), self.switching, 1.0)
            object.__setattr__(self, "promise", PROMISE * float(dearest))
        _refuse_impossible_pins(self)

    @property
    def arcs(self) -> int:
        """A, how many arcs there are."""
        return len(self.expert)

    @property
    def experts(self) -> int:
        """E, how many experts there are, with or without arcs."""
        return len(self.hours)

    @property
    def capped(self) -> bool:
        """Whether there are limits on arcs at all."""
        return len(self.most) > 0

    @property
    def cap(self) -> Floats:
        """(A,) hours an arc may take, inf without a limit."""
        return self.most if self.capped else np.full(self.arcs, np.inf)

    @cached_property
    def gain(self) -> Floats:
        """(A,) worth of what one hour brings, less its pay, before any review is paid."""
        return self.queues.value[self.queue] * self.quality * self.accepted - self.cost

    @property
    def starts(self) -> Rows:
        """(E + 1,) expert e's arcs are rows starts[e] to starts[e + 1]."""
        return np.searchsorted(self.expert, np.arange(self.experts + 1))


def staff(
    projection: Projection, eligible: Bools, queues: Queues, *, hours: ArrayLike, pay: ArrayLike,
    quality: Floats | None = None, pins: ArrayLike = (), vetoes: ArrayLike = (), before: ArrayLike = (),
    switching: float = 0.0,
) -> Problem:  # fmt: skip
    """The problem of staffing `queues` from a projection and who is eligible.

    eligible (E, Q, 3), all filters already in it (bars, languages, conflicts, consent to a role).
    hours (E,), or (E, T) by due date; pay an hour: a number, (E,) or (E, 3) by role; quality (E, Q) ψ, 1 by default.
    pins: rows (expert, queue, role, hours) that are promised. before: the same rows of the previous plan, where arcs
    that no longer exist are left out. vetoes: rows (expert, queue).
    """
    allowed = _without(eligible, np.asarray(vetoes, dtype=np.intp).reshape(-1, 2))
    e, q, role = np.nonzero(allowed)  # sorted by expert, queue, role
    per_hour = np.stack([projection.submitted, projection.reviews, projection.seconds], axis=-1)
    wage = _pay(pay, len(eligible))
    table = np.asarray(hours, dtype=float)
    place = _Places(allowed)
    return Problem(
        queues=queues,
        hours=table[:, None] if table.ndim == 1 else table,
        expert=e,
        queue=q,
        role=role,
        rate=per_hour[e, q, role],
        accepted=np.where(role == PRODUCE, projection.accepted[e, q], 0.0),
        cost=wage[e, role],
        quality=np.ones(len(e)) if quality is None else quality[e, q],
        pinned=place.hours(np.asarray(pins, float).reshape(-1, 4), "pins", strict=True),
        before=place.hours(np.asarray(before, float).reshape(-1, 4), "before", strict=False),
        switching=switching,
    )


class _Places:
    """Finds the arc of (expert, queue, role)."""

    def __init__(self, allowed: Bools) -> None:
        self.shape = allowed.shape
        self.keys = np.flatnonzero(allowed)

    def hours(self, rows: Floats, what: str, *, strict: bool) -> Floats:
        """(A,) hours that rows (expert, queue, role, hours) put on each arc."""
        total = np.zeros(len(self.keys))
        if not len(rows):
            return total
        index = rows[:, :3].astype(np.intp)
        for column, (name, size) in enumerate(zip(("expert", "queue", "role"), self.shape, strict=True)):
            _refuse_strangers(index[:, column], f"{what}: {name}", size, f"{name}s")
        key = np.ravel_multi_index(tuple(index.T), self.shape)
        at = np.minimum(np.searchsorted(self.keys, key), max(len(self.keys) - 1, 0))
        known = self.keys[at] == key if len(self.keys) else np.zeros(len(key), bool)
        if strict and not known.all():
            e, q, role = index[int(np.flatnonzero(~known)[0])]
            raise ValueError(
                f"{what}: expert {e} may not {ROLES[role]} on queue {q}. "
                "Maybe the bar is not cleared, a filter or a veto stands against it, or the rows were exchanged."
            )
        np.add.at(total, at[known], rows[known, 3])
        return total


def _without(eligible: Bools, vetoes: Rows) -> Bools:
    if eligible.ndim != 3 or eligible.shape[2] != len(ROLES):
        raise ValueError(f"eligible is {eligible.shape}, but must be (E, Q, 3). Maybe the roles were left out.")
    for column, (name, size) in enumerate(zip(("expert", "queue"), eligible.shape[:2], strict=True)):
        _refuse_strangers(vetoes[:, column], f"vetoes: {name}", size, f"{name}s")
    allowed = eligible.copy()
    allowed[vetoes[:, 0], vetoes[:, 1]] = False
    return allowed


def _pay(pay: ArrayLike, experts: int) -> Floats:
    wage = np.asarray(pay, dtype=float)
    if wage.ndim == 1:
        wage = wage[:, None]
    try:
        return np.broadcast_to(wage, (experts, len(ROLES)))
    except ValueError:
        raise ValueError(
            f"pay is {np.shape(pay)}, but must be a number, ({experts},) or "
            f"({experts}, 3). Maybe an expert was left out."
        ) from None


def _spread(numbers: ArrayLike, count: int) -> Floats:
    array = np.asarray(numbers, dtype=float)
    return np.full(count, float(array)) if array.ndim == 0 else array


def _refuse_bad_hours(hours: Floats) -> None:
    if hours.ndim != 2 or 0 in hours.shape:
        raise ValueError(
            f"hours are {hours.shape}, but must be (E, T) with at least one expert and one due date. "
            "Maybe the pool is empty: a filter let nobody through."
        )
    _refuse_unless_sane(hours, "hours", hours.shape)
    if (np.diff(hours, axis=1) < 0).any():
        e, t = np.argwhere(np.diff(hours, axis=1) < 0)[0]
        raise ValueError(
            f"hours[{e}] fall from {hours[e, t]:g} to {hours[e, t + 1]:g} at due date {t + 1}, but they count from "
            "the start. Maybe hours per period were given: use their cumulative sum."
        )


def _refuse_bad_arcs(problem: Problem) -> None:
    experts, arcs = problem.experts, problem.arcs
    for name, size, what in (
        ("expert", experts, "experts"),
        ("queue", len(problem.queues), "queues"),
        ("role", 3, "roles"),
    ):
        _refuse_strangers(getattr(problem, name), f"arcs: {name}", size, what)
    for name in ("rate", "accepted", "cost", "quality", "pinned", "before"):
        _refuse_unless_sane(getattr(problem, name), f"arcs: {name}", (arcs,))
    if (problem.rate <= 0).any():
        raise ValueError(
            f"arcs: rate[{int(problem.rate.argmin())}] = {problem.rate.min():g}, but an arc must get something done. "
            "Maybe leave the arc out."
        )
    if (problem.accepted[problem.role != PRODUCE] != 0).any():
        raise ValueError("arcs: a reviewing arc has accepted units. Maybe roles and rates are in different order.")
    key = (problem.expert * len(problem.queues) + problem.queue) * len(ROLES) + problem.role
    if (np.diff(key) <= 0).any():
        at = int(np.flatnonzero(np.diff(key) <= 0)[0]) + 1
        raise ValueError(
            f"arcs: row {at} is not after row {at - 1} in the order (expert, queue, role), or is the same arc twice. "
            "Maybe build the problem with `staff`, which sorts."
        )
    if not (np.isfinite(problem.switching) and problem.switching >= 0):
        raise ValueError(f"switching = {problem.switching}, but must be a price of 0 or more. Maybe it was left empty.")


def _refuse_impossible_pins(problem: Problem) -> None:
    """Pins must fit into each expert's hours up to every due date."""
    for t in range(problem.hours.shape[1]):
        early = problem.queues.due[problem.queue] <= t
        promised = total_by(problem.expert[early], problem.pinned[early], problem.experts)
        over = promised - problem.hours[:, t]
        if (over > 1e-9 * (1.0 + problem.hours[:, t])).any():
            e = int(over.argmax())
            raise ValueError(
                f"pins: expert {e} is pinned for {promised[e]:g} hours up to due date {t} "
                f"and has {problem.hours[e, t]:g}. "
                "Maybe shorten a pin, or ask the expert for more hours."
            )


def _refuse_unless_sane(array: Floats, what: str, shape: tuple[int, ...], *, endless: bool = False) -> None:
    if np.shape(array) != shape:
        raise ValueError(f"{what} is {np.shape(array)}, but must be {shape}. Maybe a row was left out.")
    bad = np.isnan(array) | (array < 0) | (np.isinf(array) & (not endless))
    if bad.any():
        where = [int(i) for i in np.argwhere(bad)[0]]
        number = array[tuple(where)]
        why = "Maybe a sign was turned." if number < 0 else "Maybe a field was left empty."
        raise ValueError(f"{what}{where} = {number:g}, but must be a number of 0 or more. {why}")


def _refuse_strangers(rows: Rows, what: str, count: int, of: str) -> None:
    if rows.ndim != 1 or (len(rows) and (rows.min() < 0 or rows.max() >= count)):
        stranger = rows[(rows < 0) | (rows >= count)][:1]
        raise ValueError(f"{what}: there is no row {stranger} among {count} {of}. Maybe rows and ids were mixed up.")
