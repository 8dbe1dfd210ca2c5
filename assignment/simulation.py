r"""Staffing problems of any size, drawn at random but shaped like real pools, for tests, benchmarks and study.

An expert knows one or two fields well, θ_ek = general_e + field depth + noise; a queue belongs to a field, leans on
two or three of its skills and sets bars on one or two of them, so that an expert qualifies for few queues and the
qualified crowd of a queue is anything from nobody to thousands. Pay rises with ability. Values follow a ladder of
priorities: a multiple of what a unit costs at the usual pay, checks included.

`load` is wanted work over available work: the hours needed at the usual rates over the hours of everybody qualified.
At 0.5 people are plentiful, at 1.5 the pool is tight and nearly every hour is planned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assignment.arrays import Floats, Rows, total_by
from assignment.problem import Problem, Queues, staff
from assignment.projection import PRODUCE, REVIEW, SECOND, Asks, eligible, project

CHUNK = 4096  # experts looked at together, so that no array is (E, Q) for a large pool
SKILLS_A_FIELD = 6
MONTH = 4.0  # weeks


@dataclass(frozen=True, eq=False)
class _Market:
    """What queues ask, before anybody is asked."""

    weights: Floats  # (Q, S)
    bars: Floats  # (Q, S)
    asks: Asks
    language: Rows  # (Q,)
    review_share: Floats  # (Q,)
    second_share: Floats  # (Q,)


def simulate_problem(
    rng: np.random.Generator, experts: int, queues: int, *, load: float = 1.0, fields: int | None = None
) -> Problem:
    """A pool and its queues. One generator state, one problem. Fewer fields, more queues for everybody."""
    fields = max(queues // 8, 2) if fields is None else fields
    market = _market(rng, queues, fields)
    hours = np.minimum(rng.lognormal(np.log(12.0), 0.7, experts), 45.0) * MONTH
    parts, pays = [], []
    for start in range(0, experts, CHUNK):
        some = hours[start : start + CHUNK]
        means, pay = _people(rng, len(some), fields)
        pays.append(pay)
        parts.append(_staffed(rng, market, means, pay, some))
    expert = np.concatenate([part.expert + CHUNK * i for i, part in enumerate(parts)])
    columns = ("queue", "role", "rate", "accepted", "cost", "quality", "pinned", "before")
    arcs: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    pool = Problem(parts[0].queues, hours[:, None], expert, **arcs)
    return replace(pool, queues=_wanted(rng, pool, market, load), promise=np.nan)


def change_some(rng: np.random.Generator, problem: Problem, share: float = 0.05) -> Problem:
    """Tomorrow's problem: a share of the experts have other hours, a share of the queues other demand and budget."""
    hours, queues = problem.hours.copy(), problem.queues
    who = rng.random(len(hours)) < share
    hours[who] *= np.where(rng.random(who.sum()) < 0.4, 0.0, rng.uniform(0.5, 1.5, who.sum()))[:, None]
    which = rng.random(len(queues)) < share
    factor = np.where(which, rng.uniform(0.6, 1.5, len(queues)), 1.0)
    changed = replace(queues, demand=queues.demand * factor, budget=queues.budget * factor)
    return replace(problem, hours=hours, queues=changed)


def _market(rng: np.random.Generator, queues: int, fields: int) -> _Market:
    skills = fields * SKILLS_A_FIELD
    weights, bars = np.zeros((queues, skills)), np.full((queues, skills), np.nan)
    for q, field in enumerate(rng.integers(fields, size=queues)):
        used = field * SKILLS_A_FIELD + rng.choice(SKILLS_A_FIELD, rng.integers(2, 4), replace=False)
        weights[q, used] = rng.dirichlet(np.full(len(used), 3.0))
        bars[q, used[: rng.integers(1, 3)]] = rng.normal(0.55, 0.5)
    asks = Asks(
        difficulty=rng.normal(0.3, 0.5, queues),
        minutes=rng.choice([20.0, 35.0, 60.0, 100.0], queues),
        review_minutes=rng.choice([6.0, 10.0, 18.0], queues),
        second_minutes=rng.choice([12.0, 20.0, 30.0], queues),
    )
    share = np.where(rng.random(queues) < 0.7, 1.0, 0.3)
    return _Market(weights, bars, asks, (rng.random(queues) < 0.25) * rng.integers(1, 5, queues), share,
                   rng.uniform(0.08, 0.25, queues))  # fmt: skip


def _people(rng: np.random.Generator, count: int, fields: int) -> tuple[Floats, Floats]:
    """(means (E, S), pay (E,))."""
    general = rng.normal(0.0, 0.6, count)
    depth = rng.normal(-0.9, 0.5, (count, fields))
    for chance in (1.0, 0.4):
        field = rng.integers(fields, size=count)
        depth[np.arange(count), field] += (rng.random(count) < chance) * np.abs(rng.normal(1.5, 0.6, count))
    noise = rng.normal(0.0, 0.35, (count, fields, SKILLS_A_FIELD))
    means = (general[:, None, None] + depth[:, :, None] + noise).reshape(count, -1)
    return means, np.exp(rng.normal(3.6, 0.3, count) + 0.12 * means.max(axis=1))


def _staffed(rng: np.random.Generator, market: _Market, means: Floats, pay: Floats, hours: Floats) -> Problem:
    sds = rng.uniform(0.15, 0.5, means.shape)
    allowed = eligible(means, sds, market.bars)
    speaks = rng.random((len(means), 5)) < np.array([1.0, 0.3, 0.25, 0.2, 0.15])
    allowed &= speaks[:, market.language][:, :, None]
    allowed &= (rng.random((len(means), 3)) < np.array([0.95, 0.7, 0.7]))[:, None, :]
    forecast = project(
        means @ market.weights.T, sds**2 @ (market.weights**2).T, market.asks, rng.lognormal(0.0, 0.25, len(means))
    )
    wages = pay[:, None] * np.array([1.0, 1.0, 1.15])
    return staff(forecast, allowed, Queues.of(np.zeros(len(market.weights)), 0.0), hours=hours, pay=wages)


def _wanted(rng: np.random.Generator, pool: Problem, market: _Market, load: float) -> Queues:
    """Demand, values and budgets that fit the pool."""
    size = len(market.weights)
    wage = float(np.median(pool.cost)) if pool.arcs else 30.0
    usual = _usual_hours(pool, market)  # (Q,) of everybody, for one accepted unit
    crowd = total_by(pool.queue, (pool.role == PRODUCE) * pool.hours[pool.expert, 0], size)
    appetite = crowd**0.6 * rng.lognormal(0.0, 0.6, size)
    ready = float(pool.hours[np.unique(pool.expert), 0].sum())
    demand = load * ready * appetite / max(appetite.sum(), 1e-9) / usual
    value = usual * wage * rng.choice([1.6, 2.2, 3.0, 4.5], size, p=[0.3, 0.3, 0.25, 0.15])
    budget = demand * usual * wage * np.where(rng.random(size) < 0.3, rng.uniform(0.6, 1.1, size), 2.0)
    return Queues.of(demand, value, review_share=market.review_share, second_share=market.second_share, budget=budget)


def _usual_hours(pool: Problem, market: _Market) -> Floats:
    """(Q,) hours behind one accepted unit at the mean rates of those who qualify."""
    size = len(market.weights)
    mean = []
    for role, rate in ((PRODUCE, pool.accepted), (PRODUCE, pool.rate), (REVIEW, pool.rate), (SECOND, pool.rate)):
        who = (pool.role == role).astype(float)
        count = total_by(pool.queue, who, size)
        mean.append(np.where(count > 0, total_by(pool.queue, who * rate, size) / np.maximum(count, 1.0), 1.0))
    accepted, submitted, reviews, seconds = mean
    checks = market.review_share / reviews + market.second_share / seconds
    return np.asarray((1.0 + submitted * checks) / np.maximum(accepted, 0.05))
