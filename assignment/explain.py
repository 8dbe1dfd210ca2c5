r"""Why a plan is as it is: what is short, why this person here, what one more would bring, whom to vet next.

Everything is read off the prices, without another solve. By concavity a price is an upper estimate: what really comes
is at most price × amount, and less the larger the amount. For a whole batch of changes, solve again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assignment.arrays import Floats, total_by
from assignment.plan import Plan, hour_values
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, ROLES

DUST = 1e-6  # a share of demand below which a queue counts as staffed


@dataclass(frozen=True)
class Shortage:
    """One queue whose demand is not met, and what holds it back."""

    queue: int
    missing: float  # accepted units
    worth: float  # missing x value of a unit: what is left on the table
    people: tuple[int, int, int]  # how many experts are eligible to produce, review, second-review
    prices: tuple[float, float, float]  # what one more hour of such a person brings at most; 0 where they abound
    money: float  # what one more unit of budget brings at most, on top of itself
    held_back_by: str  # "produce", "review", "second", "budget" or "pay": the largest share of a unit's worth
    shares: Floats  # (4,) how a unit's worth splits: produce, review, second, budget


@dataclass(frozen=True)
class Choice:
    """Why an expert works where they do."""

    expert: int
    queue: int
    role: int
    hours: float
    worth: float  # of one hour here, everything shared paid
    second: tuple[int, int] | None  # (queue, role) of the next best, None if there is no other
    second_worth: float  # of one hour there; 0 (idle) if there is no other that pays
    moving_costs: float  # what moving these hours to the second choice loses, at least


def unmet(problem: Problem, plan: Plan) -> Floats:
    """(Q,) accepted units that are wanted and not planned."""
    made = total_by(problem.queue, problem.accepted * plan.hours, len(problem.queues))
    missing = problem.queues.demand - made
    return np.where(missing > DUST * np.maximum(problem.queues.demand, 1.0), missing, 0.0)


def eligible_people(problem: Problem) -> Floats:
    """(Q, 3) how many experts may take each role of each queue."""
    seats = problem.queue * len(ROLES) + problem.role
    return np.bincount(seats, minlength=len(problem.queues) * len(ROLES)).reshape(-1, len(ROLES)).astype(float)


def needed_roles(problem: Problem) -> Floats:
    """(Q, 3) 1 where a queue needs the role at all."""
    queues = problem.queues
    return np.stack([queues.demand > 0, queues.review_share > 0, queues.second_share > 0], axis=1).astype(float)


def holding_back(problem: Problem, plan: Plan) -> Floats:
    """(Q, 4) how the worth of one more unit splits over what it waits for: produce, review, second, budget.

    On an arc in use  V ψ g = c + α g + k1 β1 s + k2 β2 s + μ c + π + U: the worth of an hour is what it pays to the
    reviewers, the budget and the expert's own scarce hours; π, where only the makers themselves could review, is paid
    for other reviewers. A role that nobody may take holds back everything. A row of zeros: nothing shared is scarce,
    the unit is just not worth its pay.
    """
    queues, q, size = problem.queues, problem.queue, len(problem.queues)
    made = problem.role == PRODUCE
    at_work = np.where(made & (plan.hours > 0), plan.hours, 0.0)
    idle = total_by(q, at_work, size)[q] == 0
    weight = np.where(made & idle, 1.0, at_work)  # where nobody works yet, all who may
    reviews = queues.review_share[q] * plan.prices.review[q] * problem.rate
    seconds = queues.second_share[q] * plan.prices.second[q] * problem.rate
    others = np.maximum(plan.prices.pairing, 0.0)
    reviewed = queues.review_share[q] > 0
    reviews, seconds = reviews + np.where(reviewed, others, 0.0), seconds + np.where(reviewed, 0.0, others)
    full = plan.hours >= problem.cap - 1e-9  # whoever makes all they may is worth what one more like them is
    own = np.where(
        full, np.maximum(hour_values(problem, plan.prices), 0.0), plan.prices.hour.sum(axis=1)[problem.expert]
    )
    paid = [own, reviews, seconds,
            plan.prices.budget[queues.purse[q]] * problem.cost]  # fmt: skip
    total = np.stack([total_by(q, weight * part, size) for part in paid], axis=1)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1e-300)
    nobody = (eligible_people(problem) == 0) & (needed_roles(problem) > 0)  # (Q, 3)
    closed = nobody.any(axis=1)
    share[closed] = 0.0
    share[closed, : len(ROLES)] = (nobody / np.maximum(nobody.sum(axis=1, keepdims=True), 1))[closed]
    return share


def newcomer_prices(problem: Problem, plan: Plan) -> Floats:
    """(Q, 3) what one hour of one more person, as quick and good as the median eligible one, brings at most.

    Where nobody is eligible there is no such person, and the price is nan; so it is of a reviewer where people may not
    review themselves and nobody else is there: what a stranger would bring, no price of an arc says.
    """
    worth = hour_values(problem, plan.prices)
    prices = np.full((len(problem.queues), len(ROLES)), np.nan)
    seats = problem.queue * len(ROLES) + problem.role
    order = np.argsort(seats, kind="stable")
    edges = np.searchsorted(seats[order], np.arange(prices.size + 1))
    for seat in np.flatnonzero(np.diff(edges)):
        prices.flat[seat] = max(float(np.median(worth[order[edges[seat] : edges[seat + 1]]])), 0.0)
    paired = np.unique(problem.queue[plan.prices.pairing > 0])
    prices[paired, REVIEW:] = np.nan
    return prices


def shortages(problem: Problem, plan: Plan) -> Iterator[Shortage]:
    """Every queue that is not fully staffed, the costliest first."""
    missing = unmet(problem, plan)
    worth = missing * problem.queues.value
    shares, prices, people = holding_back(problem, plan), newcomer_prices(problem, plan), eligible_people(problem)
    for q in np.argsort(-worth, kind="stable"):
        if missing[q] > 0:
            largest = int(shares[q].argmax())
            yield Shortage(
                queue=int(q),
                missing=float(missing[q]),
                worth=float(worth[q]),
                people=(int(people[q, 0]), int(people[q, 1]), int(people[q, 2])),
                prices=(float(prices[q, 0]), float(prices[q, 1]), float(prices[q, 2])),
                money=float(plan.prices.budget[problem.queues.purse[q]]),
                held_back_by=(*ROLES, "budget")[largest] if shares[q, largest] > 0 else "pay",
                shares=shares[q],
            )


def skill_demand(problem: Problem, plan: Plan, weights: Floats, bars: Floats) -> Floats:
    """(S,) how much the plan would pay for each skill, summing to 1; all 0 when no skill is short.

    Queue q leaves Z_q = missing units × value on the table. The part of it that waits for people (not for money) is
    laid on the queue's skills in proportion to

        w_qk / Σ w_q   +   1 / (number of bars of q)  where k has a bar,

    because a skill counts through the work it does and through the door it opens. weights (Q, S) ≥ 0; bars (Q, S), nan
    for none. These are the demand weights of tomorrow's question selection.
    """
    waiting = unmet(problem, plan) * problem.queues.value * holding_back(problem, plan)[:, : len(ROLES)].sum(axis=1)
    doors = np.isfinite(bars).astype(float)
    through = _shares(np.abs(weights)) + _shares(doors)  # (Q, S)
    total = waiting @ _shares(through)
    return np.asarray(total / total.sum() if total.sum() > 0 else np.zeros(weights.shape[1]))


def choices(problem: Problem, plan: Plan, expert: int) -> Iterator[Choice]:
    """Why this person works where they do, the longest hours first."""
    start, stop = problem.starts[expert : expert + 2]
    worth = hour_values(problem, plan.prices)[start:stop]
    hours = plan.hours[start:stop]
    for here in np.argsort(-hours, kind="stable"):
        if hours[here] <= 0:
            break
        others = np.delete(np.arange(stop - start), here)
        second = int(others[worth[others].argmax()]) if len(others) else None
        pays = second is not None and worth[second] > 0
        second_worth = float(worth[second]) if second is not None and pays else 0.0
        yield Choice(
            expert=expert,
            queue=int(problem.queue[start + here]),
            role=int(problem.role[start + here]),
            hours=float(hours[here]),
            worth=float(worth[here]),
            second=None if second is None else (int(problem.queue[start + second]), int(problem.role[start + second])),
            second_worth=second_worth,
            moving_costs=max(float(worth[here]) - second_worth, 0.0) * float(hours[here]),
        )


def one_more_hour(plan: Plan) -> Floats:
    """(E,) what one more hour of each expert brings, at most."""
    return plan.prices.hour[:, -1]


def one_more_unit(plan: Plan) -> Floats:
    """(Q,) what one more unit of demand brings, at most."""
    return plan.prices.demand


def one_more_coin(plan: Plan) -> Floats:
    """(G,) what one more unit of money in each budget brings, at most, on top of being paid out."""
    return plan.prices.budget


def _shares(table: Floats) -> Floats:
    """Rows to sums of 1; rows of zeros stay."""
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300))
