r"""The same plan from a pool cut in parts: each part answers prices, one driver finds them.

Everything the prices need is a sum over experts (`reply_map`), and so is the bound. A part therefore never leaves its
place: the driver sends prices (3 Q + G numbers) and gets back a number, a usage and a Hessian. While prices are rough a
sample of the pool, drawn by each expert's place in the whole and gathered once, speaks for all. In the end each part
sends the few arcs near its experts' best; on these the driver finds the vertex, and the bound is proven over all parts.

    round    counts (Q, 3) of people       → who is in the sample; the dearest hour → what a broken promise costs
    round    the sample's arcs
    rounds   prices → F, usage, Hessian    (Newton steps of `prices`)
    rounds   prices → arcs near the best, and the bound

Where the pool is cut changes nothing but the order of the sums. Promises and hours of an earlier plan are bonuses on
single people's blocks, and stay with their part like everything else about them; only their prices are agreed first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from assignment.arrays import Bools, Floats, Rows
from assignment.best_reply import best_worth
from assignment.blocks import Blocks, blocks
from assignment.plan import Plan, constant, weigh
from assignment.polish import REACH, polish
from assignment.prices import SAMPLE, SEATED, Frame, SmoothDual, as_prices, frame, smooth_dual, track
from assignment.problem import Problem, Queues
from assignment.projection import ROLES
from assignment.repair import repair
from assignment.reply_map import NOBODY, Ground, Sums, best_choices, fees, lay, soft_sums
from assignment.rows import servable
from assignment.solve import GOAL, calm

GOLDEN = (5.0**0.5 - 1.0) / 2.0  # its multiples spread evenly over the unit interval, wherever one begins
ROUNDS = 5  # of arcs that are sent after the first ones
COLUMNS = ("expert", "queue", "role", "rate", "accepted", "cost", "quality", "pinned", "before")


class Crowd(Protocol):
    """Parts of a pool, wherever they are."""

    def each(self, do: Callable[..., Any], *arguments: object) -> list[Any]:
        """do(part, *arguments) for every part, in the order of the parts."""


@dataclass(eq=False)
class Part:
    """Some experts of the pool, the first of them in place `first`; ground and blocks are laid out once."""

    problem: Problem
    first: int
    laid: tuple[Ground, Blocks] | None = field(default=None, repr=False)

    def lay(self, served: Bools, promise: float) -> tuple[Ground, Blocks]:
        """The arcs of queues that can be served, and the blocks of hours; a broken promise costs all parts the same."""
        if self.laid is None:
            self.problem = replace(self.problem, promise=promise)
            self.laid = (lay(self.problem, served), blocks(self.problem))
        return self.laid


class Here:
    """Parts in this process."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    def each(self, do: Callable[..., Any], *arguments: object) -> list[Any]:
        """One after the other."""
        return [do(part, *arguments) for part in self.parts]


def cut(problem: Problem, parts: int) -> list[Part]:
    """The pool in so many parts of about as many experts."""
    edges = np.linspace(0, problem.experts, parts + 1).astype(int)
    starts = problem.starts
    found = []
    for low, high in pairwise(edges):
        arcs = slice(starts[low], starts[high])
        rows: dict[str, Any] = {name: getattr(problem, name)[arcs] for name in COLUMNS}
        rows["expert"] = rows["expert"] - low
        found.append(Part(replace(problem, hours=problem.hours[low:high], **rows), int(low)))
    return found


@dataclass(frozen=True, eq=False)
class Charge:
    """What the rows of pairing charge an hour: the same from everybody by queue and role, and named people's own."""

    common: Floats  # (Q, 3) a unit
    key: Rows  # of arcs in the whole pool, rising
    own: Floats  # an hour on these arcs

    def on(self, part: Part) -> Floats:
        """(A,) of a part, empty where nothing is charged."""
        p = part.problem
        if not self.common.any() and not self.own.any():
            return np.zeros(0)
        charge = self.common[p.queue, p.role] * p.rate
        key = key_of(p, part.first)
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where(self.key[at] == key, self.own[at], charge)


def key_of(problem: Problem, first: int = 0) -> Rows:
    """(A,) each arc's place in the order of the whole pool."""
    return ((problem.expert + first) * len(problem.queues) + problem.queue) * len(ROLES) + problem.role


# -- what a part does ------------------------------------------------------------------------------


def people(part: Part) -> tuple[Rows, float, float]:
    """(people in each seat, price of a broken promise, price of switching)."""
    p = part.problem
    count = np.bincount(p.queue * len(ROLES) + p.role, minlength=len(p.queues) * len(ROLES))
    return count, p.promise, p.switching


def sample(part: Part, count: Rows) -> tuple[dict[str, Any], Floats]:
    """(arcs of the sampled experts, and the chance of each expert of the part that is in it)."""
    p = part.problem
    wish = np.maximum(SAMPLE, SEATED / np.maximum(count, 1))[p.queue * len(ROLES) + p.role]
    chance = np.minimum(1.0, best_worth(wish, p.expert, p.experts))
    drawn = (part.first + np.arange(p.experts)) * GOLDEN % 1.0 < chance
    return arcs_of(part, drawn[p.expert]), np.where(drawn, chance, 0.0)


def arcs_of(part: Part, which: Bools) -> dict[str, Any]:
    """The columns of some arcs, with experts by their place in the whole pool, and the hours of all."""
    p = part.problem
    rows = {name: getattr(p, name)[which] for name in COLUMNS}
    return {**rows, "expert": rows["expert"] + part.first, "hours": p.hours}


def sums(
    part: Part, served: Bools, promise: float, price: Floats, scale: Floats, epsilon: float, thin: float
) -> tuple[float, Floats, Floats]:
    """F, usage and Hessian of the part."""
    land, who = part.lay(served, promise)
    total, used, curved = soft_sums(land, who, price, 1.0 / scale, epsilon, thin)
    return total, used, curved()


def replies(
    part: Part, served: Bools, promise: float, price: Floats, charge: Charge, reach: float
) -> tuple[float, dict[str, Any]]:
    """(what the part's best replies earn, its arcs within reach of somebody's best).

    An arc comes with its person's other roles on the queue, so that a row of `pairing` that names somebody knows all.
    """
    land, who = part.lay(served, promise)
    p = part.problem
    worth = np.zeros(p.arcs)
    best = best_choices(land, who, fees(land, price), charge.on(part), worth)[1]
    least = np.full(p.experts, np.inf)
    np.minimum.at(least, who.expert, best)
    near = served[p.queue] & (worth >= least[p.expert] - reach)
    near |= (p.pinned > 0) | (p.before > 0)
    seat = p.expert * len(p.queues) + p.queue  # sorted
    return float(who.hours @ best), arcs_of(part, np.isin(seat, seat[near]))


# -- what the driver does --------------------------------------------------------------------------


class _Everybody(SmoothDual):
    """The sums over all parts; counts its rounds."""

    def __init__(self, at: Frame, crowd: Crowd, served: Bools, promise: float) -> None:
        self.frame, self.crowd, self.terms, self.rounds = at, crowd, (served, promise), 0

    def sums(self, scaled: Floats, epsilon: float, plan: Floats = NOBODY) -> Sums:
        """As of one pool; the plan of single experts stays with them."""
        del plan
        self.rounds += 1
        scale = self.frame.scale
        parts = self.crowd.each(sums, *self.terms, scaled / scale, scale, epsilon, self.thin(epsilon))
        total, used, upper = (sum(column) for column in zip(*parts, strict=True))
        return total, used, lambda: upper


@dataclass(frozen=True, eq=False)
class Spread:
    """A plan of a pool in parts: on the arcs that mattered, with a bound over all."""

    problem: Problem  # the arcs that were sent
    plan: Plan
    price: Floats  # (n,) soft prices, from which a next plan may start
    rounds: int  # of reduction


def solve_parts(queues: Queues, crowd: Crowd, *, goal: float = GOAL) -> Spread:
    """The plan of `solve` for a pool in parts."""
    whole = _agreed(queues, crowd.each(people))
    drawn = crowd.each(sample, whole.count)
    some, chance = whole.joined([rows for rows, _ in drawn]), np.concatenate([chance for _, chance in drawn])
    at, terms = frame(some), (servable(some), whole.promise)
    full = _Everybody(at, crowd, *terms)
    few = blocks(some)
    few = few._replace(hours=few.hours / np.maximum(chance[few.expert], 1e-300))
    soft = track(SmoothDual(at, lay(some, at.alive), few), full)
    answers = crowd.each(replies, *terms, soft.price, free := _free(queues), REACH * soft.epsilon)
    sent = whole.joined([rows for _, rows in answers])
    best = _Proof(soft.price, free, _bound(queues, soft.price, answers) - constant(sent))
    rounds = full.rounds + 3
    for _ in range(ROUNDS):
        rounds += 1
        found = polish(sent, smooth_dual(sent), replace(soft, price=best.price), goal=0.3 * goal)
        hours, charge = repair(sent, found.hours), Charge(found.common, key_of(sent), found.pairing)
        answers = crowd.each(replies, *terms, found.price, charge, 0.25 * soft.epsilon)
        bound = _bound(queues, found.price, answers) - constant(sent)
        best = _Proof(found.price, charge, bound) if bound < best.bound else best
        if best.bound - weigh(sent, hours)[1] <= goal * abs(best.bound):
            break
        sent = whole.joined([rows for _, rows in answers], sent)
    return Spread(sent, calm(sent, _plan(sent, hours, best, goal), goal), soft.price, rounds)


@dataclass(frozen=True, eq=False)
class _Whole:
    """What all parts agree on."""

    queues: Queues
    count: Rows  # (3 Q,) people in each seat
    promise: float
    switching: float

    def joined(self, parts: list[dict[str, Any]], more: Problem | None = None) -> Problem:
        """One problem of the arcs that parts sent, each arc once."""
        hours = np.concatenate([part["hours"] for part in parts])
        rows: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
        if more is not None:
            rows = {name: np.concatenate([getattr(more, name), rows[name]]) for name in COLUMNS}
        key = (rows["expert"] * len(self.queues) + rows["queue"]) * len(ROLES) + rows["role"]
        first = np.unique(key, return_index=True)[1]
        some = {name: column[first] for name, column in rows.items()}
        return Problem(self.queues, hours, **some, switching=self.switching, promise=self.promise)


def _agreed(queues: Queues, told: list[tuple[Rows, float, float]]) -> _Whole:
    counts, promises, switching = zip(*told, strict=True)
    if len(set(switching)) > 1:
        raise ValueError(
            f"parts: the price of switching is {min(switching):g} in one and {max(switching):g} in another, but must "
            "be the same in all. Maybe each took it from the pay of its own people: take it from everybody's."
        )
    return _Whole(queues, sum(counts), max(promises), switching[0])


@dataclass(frozen=True, eq=False)
class _Proof:
    price: Floats  # (n,)
    charge: Charge
    bound: float


def _free(queues: Queues) -> Charge:
    return Charge(np.zeros((len(queues), len(ROLES))), np.zeros(0, np.intp), np.zeros(0))


def _bound(queues: Queues, price: Floats, answers: list[tuple[float, dict[str, Any]]]) -> float:
    size = len(queues)
    money = np.where(np.isinf(queues.budget), 0.0, queues.budget)
    return float(queues.demand @ price[:size] + money @ price[3 * size :] + sum(earned for earned, _ in answers))


def _plan(problem: Problem, hours: Floats, best: _Proof, goal: float) -> Plan:
    charge = best.charge.on(Part(problem, 0))
    prices = as_prices(problem, best.price, charge if len(charge) else None)
    value, objective = weigh(problem, hours)
    near = best.bound - objective <= goal * abs(best.bound)
    broken = np.maximum(problem.pinned - hours, 0.0)
    return Plan(hours, value, objective, best.bound, prices, broken, "optimal" if near else "near optimal")
