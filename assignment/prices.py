r"""Prices of everything shared, by Newton's method on the smoothed dual: one map over experts and one Cholesky a step.

The bound of `plan` is a convex function of the prices, with kinks where somebody's best reply changes. Replace each
best reply by a soft one (`reply_map`) and each λ ≥ 0 by a slack s = τ / λ, and it is smooth:

    min_λ   b·λ + F_ε(λ) - Σ_i τ_i log λ_i

    Newton  (∇²F + diag(s / λ)) dλ = -(b - usage) + τ / λ        s: slack, kept as its own variable (primal-dual)

with ε → 0 and τ ∝ ε². Only people near a tie feel ε, and their number is itself ∝ ε, so that the plan's loss falls
like ε²: few steps bring it below a thousandth. While ε is large a stratified sample of the pool is enough; the last
steps see everybody, and prices of a similar problem need only these. The system has 3 Q + G unknowns, whatever the
number of experts.

Queues that cannot be served at all (no demand, no money, nobody to produce, review or second-review) are left out. The
price of what they lack is set afterwards so high that nobody would want to work there; that costs the bound nothing.

References: Nesterov (2005), Smooth minimization of non-smooth functions; Mehrotra (1992), On the implementation of a
primal-dual interior point method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.best_reply import best_worth
from assignment.blocks import Blocks, blocks
from assignment.plan import Prices, charges, hour_values
from assignment.problem import Problem
from assignment.projection import PRODUCE, REVIEW, ROLES, SECOND
from assignment.reply_map import NOBODY, Ground, Sums, lay, soft_sums
from assignment.rows import servable

COLD = 0.2  # ε at the start, as a share of the usual worth of an hour
SHARP = 2.05e-3  # ε at the end
CALM = 0.4  # ε falls by this factor
WARM = SHARP / CALM**2  # ε at the start from prices of a similar problem
CENTRED, FINISHED = 0.3, 1.0  # how near to the centre before ε falls, and at the end, in ε² of the worth
SAMPLE_ABOVE = 0.05  # ε above which a sample speaks for the pool
SAMPLE = 0.1  # of the experts
SEATED = 40  # at least so many of every queue and role
COARSE, FINE = 1e-2, 1e-4  # whoever chooses surer than this is left out of the Hessian, early and late
STEPS, EACH = 150, 25  # in all, and for each ε
DAMP, DAMP_MIN = 0.03, 0.0003  # curvature a row has at least, as if this share of its flow were near a tie


@dataclass(frozen=True, eq=False)
class Frame:
    """The coupling rows (n = 3 Q + G: D, R1, R2, B), scaled so that prices are money and limits are about 1."""

    scale: Floats  # (n,) σ
    limit: Floats  # (n,) b / σ
    on: Rows  # rows with a price
    worth: Floats  # (n,) money that hangs on the row
    start: Floats  # (n,) first guess of the scaled prices
    pull: Floats  # (n,) how much of the row an hour uses, per unit of the row: usual rate / σ
    pace: Floats  # (3, Q) units an hour in each role, as usual
    alive: Bools  # (Q,) queues that can be served
    hour: float  # usual worth of an hour


@dataclass(frozen=True, eq=False)
class Priced:
    """Prices, and how soft the replies are for which they were found."""

    price: Floats  # (n,) unscaled
    epsilon: float  # money an hour
    steps: int


def frame(problem: Problem) -> Frame:
    """Rows, scales and a first guess."""
    queues, size, groups = problem.queues, len(problem.queues), len(problem.queues.budget)
    usual = _usual(problem)
    alive = servable(problem)
    wanted = np.where(alive, np.maximum(queues.demand, 1e-12), 1.0)
    made = wanted * usual.rate[PRODUCE] / usual.accepted
    k1, k2 = np.maximum(queues.review_share, 1e-3), np.maximum(queues.second_share, 1e-3)
    finite = np.isfinite(queues.budget) & (queues.budget > 0)
    purse = np.where(finite, queues.budget, 1.0)
    money = np.maximum(queues.value, 1e-9) * wanted
    paid = total_by(queues.purse, alive.astype(float), groups) > 0
    scale = np.concatenate([wanted, k1 * made, k2 * made, purse])
    check = [1.1 * usual.cost[role] / usual.rate[role] for role in (REVIEW, SECOND)]
    arcs_alive = alive[problem.queue]
    wage = np.full(groups, np.median(problem.cost) if problem.arcs else 1.0)
    gains = problem.gain[arcs_alive & (problem.role == PRODUCE) & (problem.gain > 0)]
    return Frame(
        scale=scale,
        limit=np.concatenate([np.ones(size), np.zeros(2 * size), np.where(finite, 1.0, 0.0)]),
        on=np.flatnonzero(np.concatenate([
            alive, alive & (queues.review_share > 0), alive & (queues.second_share > 0), finite & paid,
        ])),
        worth=np.concatenate([money, money, money, total_by(queues.purse, money, groups)]),
        start=np.concatenate([0.2 * queues.value, *check, np.full(groups, 0.02)]) * scale,
        pull=np.concatenate([usual.accepted, k1 * usual.rate[PRODUCE], k2 * usual.rate[PRODUCE], wage]) / scale,
        pace=usual.rate,
        alive=alive,
        hour=float(np.median(gains)) if len(gains) else 1.0,
    )  # fmt: skip


class SmoothDual:
    """F, its gradient and Hessian for one set of blocks."""

    def __init__(self, at: Frame, land: Ground, who: Blocks) -> None:
        self.frame, self.ground, self.blocks = at, land, who

    def sums(self, scaled: Floats, epsilon: float, plan: Floats = NOBODY) -> Sums:
        """F, usage (n,) and Hessian at scaled prices; adds the soft hours to plan (A,)."""
        per = 1.0 / self.frame.scale
        return soft_sums(self.ground, self.blocks, scaled * per, per, epsilon, self.thin(epsilon), plan)

    def thin(self, epsilon: float) -> float:
        """How likely a choice must be to count in the Hessian."""
        return COARSE if epsilon > 0.02 * self.frame.hour else FINE


def smooth_dual(problem: Problem) -> SmoothDual:
    """The smoothed dual over everybody."""
    at = frame(problem)
    return SmoothDual(at, lay(problem, at.alive), blocks(problem))


def find_prices(
    problem: Problem, full: SmoothDual, *, start: Floats | None = None, late: Callable[[], bool] = lambda: False
) -> Priced:
    """Prices (n,) near the best bound, perhaps from those of a similar problem; `late` says when to stop early."""
    few = full if start is not None else SmoothDual(full.frame, full.ground, _sample(problem, full.blocks))
    return track(few, full, start=start, late=late)


def earlier(full: SmoothDual, start: Floats) -> Priced:
    """Prices (n,) of a similar problem as they were: where little changed, most are still right."""
    at = full.frame
    return Priced(_Path(at, start * at.scale).price / at.scale, SHARP * at.hour, 0)


def soft_hours(problem: Problem, full: SmoothDual, priced: Priced) -> Floats:
    """(A,) the soft plan that prices imply."""
    hours = np.zeros(problem.arcs)
    full.sums(priced.price * full.frame.scale, priced.epsilon, hours)
    return hours


def track(
    few: SmoothDual, full: SmoothDual, *, start: Floats | None = None, late: Callable[[], bool] = lambda: False
) -> Priced:
    """Down the path of falling ε, a sample first and everybody later; prices (n,) of a similar problem begin late."""
    at = full.frame
    path, epsilon = _Path(at, at.start), COLD * at.hour
    if start is not None:  # a price below τ would have a slack above its limit
        path, epsilon = _Path(at, np.maximum(start * at.scale, WARM**2 * at.worth)), WARM * at.hour
    while True:
        last = epsilon <= 1.05 * SHARP * at.hour
        path.centre(few if epsilon > SAMPLE_ABOVE * at.hour else full, epsilon, FINISHED if last else CENTRED)
        if last or path.steps >= STEPS or late():
            return Priced(path.price / at.scale, epsilon, path.steps)
        epsilon = max(epsilon * CALM, SHARP * at.hour)


class _Path:
    """Where Newton's method stands: scaled prices and slacks of the rows that have a price."""

    def __init__(self, at: Frame, price: Floats) -> None:
        self.frame, self.steps, self.damp = at, 0, DAMP
        self.price = np.zeros(len(at.scale))
        self.price[at.on] = price[at.on]
        self.slack: Floats | None = None

    def centre(self, dual: SmoothDual, epsilon: float, near: float) -> None:
        """Newton steps until the prices are near the minimum for this ε, or as good as rounding allows."""
        share = epsilon / self.frame.hour
        tau = share**2 * self.frame.worth[self.frame.on]
        here = dual.sums(self.price, epsilon)
        fall, limit, last = np.inf, 0.0, min(self.steps + EACH, STEPS)
        while fall > limit and self.steps < last:
            fall, here = self._step(dual, epsilon, tau, here)
            limit = near * share**2 * abs(float(self.frame.limit @ self.price) + here[0])
            self.steps += 1

    def _step(self, dual: SmoothDual, epsilon: float, tau: Floats, here: Sums) -> tuple[float, Sums]:
        """One step; how far the merit was expected to fall, and the sums at the new prices."""
        at, on = self.frame, self.frame.on
        soft, used, curved = here
        price = self.price[on]
        slack = tau / price if self.slack is None else self.slack
        slope = (at.limit - used)[on] - tau / price
        move = -self._solved(curved(), slack / price + self.damp * at.pull[on] / epsilon, slope)
        move = np.maximum(move, -0.95 * price)
        fall = float(-slope @ move)
        now = self._merit(self.price, soft, tau)
        length, there = self._search(dual, epsilon, tau, move, fall, now)
        change = (tau - slack * price - slack * move) / price
        self.slack = np.maximum(slack + _inside(slack, change) * change, 1e-3 * tau / price)
        self.price[on] = price + length * move
        self._trust(length, (now - self._merit(self.price, there[0], tau)) / max(0.5 * fall, 1e-300))
        return fall, there

    def _solved(self, upper: Floats, diagonal: Floats, slope: Floats) -> Floats:
        """(∇²F + diagonal)⁻¹ slope over the rows that have a price."""
        on = self.frame.on
        matrix = upper if len(on) == len(upper) else upper[np.ix_(on, on)]
        matrix.ravel()[:: len(on) + 1] += diagonal
        return cho_solve(cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False), slope)

    def _trust(self, length: float, kept: float) -> None:
        """Less damping where the quadratic model foretold the fall, more where it did not."""
        if length == 1.0 and kept > 0.5:
            self.damp = max(self.damp / 5.0, DAMP_MIN)
        elif length < 0.5 or kept < 0.25:
            self.damp = min(4.0 * self.damp, 1.0)

    def _merit(self, price: Floats, soft: float, tau: Floats) -> float:
        return float(self.frame.limit @ price + soft - tau @ np.log(price[self.frame.on]))

    def _search(
        self, dual: SmoothDual, epsilon: float, tau: Floats, move: Floats, fall: float, now: float
    ) -> tuple[float, Sums]:
        """A step of at most 1 that lowers the merit enough, and the sums there; the slope says how much shorter."""
        length, on = 1.0, self.frame.on
        for _ in range(12):
            trial = self.price.copy()
            trial[on] += length * move
            there = dual.sums(trial, epsilon)
            if self._merit(trial, there[0], tau) <= now - 1e-4 * length * fall:
                break
            slope = float(((self.frame.limit - there[1])[on] - tau / trial[on]) @ move)  # -fall at length 0
            length *= float(np.clip(fall / max(fall + slope, 1e-300), 0.1, 0.7))
        return length, there


def _inside(point: Floats, move: Floats) -> float:
    """The longest step <= 1 that stays 5 % inside the positive numbers."""
    back = move < 0
    return min(1.0, float(0.95 * np.min(-point[back] / move[back]))) if back.any() else 1.0


@dataclass(frozen=True, eq=False)
class _Usual:
    rate: Floats  # (3, Q)
    cost: Floats  # (3, Q)
    accepted: Floats  # (Q,)


def _usual(problem: Problem) -> _Usual:
    """Means over the arcs of each role and queue; 1 where there are none."""
    size = len(problem.queues)
    seat = problem.role * size + problem.queue
    count = total_by(seat, np.ones(problem.arcs), len(ROLES) * size)

    def mean(amounts: Floats) -> Floats:
        total = total_by(seat, amounts, len(ROLES) * size)
        return np.where(count > 0, total / np.maximum(count, 1.0), 1.0).reshape(len(ROLES), size)

    return _Usual(mean(problem.rate), mean(problem.cost), np.maximum(mean(problem.accepted)[PRODUCE], 1e-6))


def _sample(problem: Problem, everybody: Blocks) -> Blocks:
    """Some blocks whose hours speak for all: every SAMPLE-th expert, and more where a queue's role has few people.

    Systematic along the rows, so that equal input gives an equal sample; hours are divided by the chance to be in it.
    """
    seat = problem.queue * len(ROLES) + problem.role
    people = np.bincount(seat, minlength=len(problem.queues) * len(ROLES))
    wish = np.maximum(SAMPLE, SEATED / np.maximum(people, 1))[seat]
    chance = np.minimum(1.0, best_worth(wish, problem.expert, problem.experts))  # (E,)
    ticks = np.floor(np.cumsum(chance))
    chosen = (np.diff(ticks, prepend=0.0) > 0)[everybody.expert]
    some = Blocks(*(column[chosen] for column in everybody))
    return some._replace(hours=some.hours / chance[some.expert])


def as_prices(problem: Problem, price: Floats, pairing: Floats | None = None) -> Prices:
    """Named prices, with those of hopeless queues set so that nobody would want to work there."""
    size = len(problem.queues)
    demand, review, second, budget = (part.copy() for part in np.split(price, [size, 2 * size, 3 * size]))
    charge = np.zeros(problem.arcs) if pairing is None else pairing
    prices = Prices(demand, review, second, budget, np.zeros(problem.hours.shape), charge)
    _deter(problem, prices)
    return replace(prices, hour=_hour_prices(problem, hour_values(problem, prices)))


def _hour_prices(problem: Problem, worth: Floats) -> Floats:
    """(E, T) what an hour before each due date is worth: in period t it may go to every queue due at t or later."""
    due = problem.queues.due[problem.queue]
    dates = problem.hours.shape[1]
    later = np.zeros((problem.experts, dates + 1))
    for t in range(dates):
        later[:, t] = best_worth(np.where(due >= t, worth, 0.0), problem.expert, problem.experts)
    return later[:, :-1] - later[:, 1:]


def _deter(problem: Problem, prices: Prices) -> None:
    """Raise the free price (demand of nothing, reviews by nobody, money that is not there) until no hour pays."""
    queues, size = problem.queues, len(problem.queues)
    people = np.bincount(problem.queue * len(ROLES) + problem.role, minlength=len(ROLES) * size).reshape(size, -1)
    reviewless = (queues.review_share > 0) & (people[:, REVIEW] == 0)
    secondless = (queues.second_share > 0) & (people[:, SECOND] == 0)
    idle, broke = queues.demand <= 0, queues.budget[queues.purse] <= 0
    hopeless = reviewless | secondless | idle | broke
    made = np.flatnonzero(hopeless[problem.queue] & (problem.role == PRODUCE))
    q, handled, cost = problem.queue[made], problem.rate[made], problem.cost[made]

    def need(missing: Bools, charge: Floats) -> Floats:
        """How much dearer each hour's charge must be, where something is missing."""
        worth = problem.gain[made] - charges(problem, prices, made)
        pays = missing[q] & (worth > 0) & (charge > 0)
        return np.where(pays, worth / np.maximum(charge, 1e-300), 0.0)

    for missing, price, charge in (
        (reviewless, prices.review, queues.review_share[q] * handled),
        (secondless & ~reviewless, prices.second, queues.second_share[q] * handled),
        (idle & ~reviewless & ~secondless, prices.demand, problem.accepted[made]),
    ):
        dearer = need(missing, charge)
        np.maximum.at(price, q, np.where(dearer > 0, price[q] + dearer, 0.0))
    np.maximum.at(prices.budget, queues.purse[q], need(broke, cost))
