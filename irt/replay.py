r"""Recorded answers asked in another order, to see how soon a policy would have known what the whole test told.

A person's record holds a level and the minutes for every item they answered. A policy chooses the next of those
items from the answers it has seen so far; the recorded level and minutes are then read off. After m minutes the
answers finished by then are scored, whatever their order, by the same expectation propagation that scores the
whole record, and compared with it over persons:

    r(m) = corr(θ̂ from what was finished by m, θ̂ from everything),     rmse(m) alike

Only the order differs between policies. All of them choose with the same beliefs (correlated skills, the items'
own parameters), which flatters policies that are used in practice without them.

What is replayed was answered in one recorded order: fatigue, learning and hurry at the end stay where they were.

Reference: Thompson & Weiss (2011), Practical Assessment 16, for post-hoc ("real-data") simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from irt.belief import Belief, absorb
from irt.design import Answers, Flags
from irt.model import Floats, Ints, Items, fisher, projection
from irt.population import Population
from irt.scoring import score
from irt.selection import Aim, Pool, scan
from irt.timing import SIGMA, expected_minutes, pace

FAR = np.log(10.0)  # a log time further from what was expected is a guess or an absence: it teaches no intensity
PRIOR_DF = 10.0  # answers that the common spread of times is worth beside an item's own
NEVER_MET = 0.02  # standard error no replay reaches: the engine goes on asking
FIRST_STEP, LAST_STEP = 1.5, 0.15  # of a binary search, in sds of the skill


@dataclass(frozen=True, eq=False)
class Times:
    """How long items take."""

    intensity: Floats  # (I,) log of the median minutes
    sigma: Floats  # (I,) sd of an answer's log minutes around it


@dataclass(frozen=True, eq=False)
class Ruler:
    """What is known before a person is replayed, from other people."""

    items: Items
    population: Population
    times: Times


@dataclass(frozen=True, eq=False)
class Record:
    """What one person did, in the order it was recorded."""

    item: Ints  # (n,) rows of the ruler's items
    level: Ints  # (n,)
    minutes: Floats  # (n,) > 0

    def __post_init__(self) -> None:
        if not len(self.item) == len(self.level) == len(self.minutes):
            raise ValueError(
                f"Record: {len(self.item)} items, {len(self.level)} levels and {len(self.minutes)} times, "
                "but there must be as many of each."
            )
        if not ((self.minutes > 0) & np.isfinite(self.minutes)).all():
            raise ValueError("Record: every answer needs minutes above 0. Maybe leave out answers without a time.")


@dataclass(frozen=True, eq=False)
class Desk:
    """The items of one record, row by row, and how long each takes people."""

    items: Items
    times: Times

    @property
    def home(self) -> Ints:
        """The skill each item asks most, (n,)."""
        steepest = np.argmax(np.abs(self.items.slope), axis=1)
        return self.items.skill[np.arange(len(self.items)), steepest]


class Standing(NamedTuple):
    """Where a replay stands: all that a policy may know."""

    belief: Belief
    left: Flags  # (n,) rows of the desk not asked yet
    asked: Ints  # rows asked, in order
    level: Ints  # what was reached on them
    minutes: Floats  # what they took


Choose = Callable[[Standing], int]  # a row of the desk that is left
Policy = Callable[[Desk, np.random.Generator], Choose]


# -- policies --------------------------------------------------------------------------------------


def engine(desk: Desk, _rng: np.random.Generator) -> Choose:
    """The fall of the log standard errors per expected minute, the person's pace learnt on the way."""
    blur = np.zeros(len(desk.items))

    def choose(now: Standing) -> int:
        aim = Aim(np.full(len(now.belief.mean), NEVER_MET), np.ones(len(now.belief.mean)))
        order = scan(now.belief, Pool(desk.items, blur, clock(desk.times, now)), aim, now.left).order
        return int(order[0]) if len(order) else int(np.argmax(now.left))

    return choose


def clock(times: Times, now: Standing) -> Floats:
    """Expected minutes of every row, at the pace the person has shown."""
    seen = now.asked
    shown = pace(np.log(now.minutes), times.intensity[seen], times.sigma[seen])
    return expected_minutes(times.intensity, shown, times.sigma)


def as_recorded(_desk: Desk, _rng: np.random.Generator) -> Choose:
    """The order of the file."""
    return lambda now: int(np.argmax(now.left))


def by_chance(desk: Desk, rng: np.random.Generator) -> Choose:
    """An order drawn for each person."""
    place = rng.permutation(len(desk.items))
    return lambda now: best(place.astype(float), now.left)


def binary_search(desk: Desk, _rng: np.random.Generator) -> Choose:
    """Skills in turn; difficulty 0 first, then up or down by 1.5, .75, ... sds, from .15 on at the estimate."""
    home, items = desk.home, desk.items
    finite = np.isfinite(items.threshold)
    middle = np.where(finite, items.threshold, 0.0).sum(1) / finite.sum(1)
    difficulty = -middle / np.maximum(np.sqrt((items.slope**2).sum(1)), 1e-9)
    passed = items.levels / 2

    def choose(now: Standing) -> int:
        skill = turn(home, now)
        mine = now.asked[home[now.asked] == skill]
        reached = now.level[home[now.asked] == skill] >= passed[mine]
        step = FIRST_STEP / 2.0 ** np.arange(len(mine))
        searching = step.min(initial=FIRST_STEP) > LAST_STEP
        place = np.where(reached, step, -step).sum() if searching else now.belief.mean[skill]
        return best(-np.abs(difficulty - place), now.left & (home == skill))

    return choose


def skill_information(desk: Desk, _rng: np.random.Generator) -> Choose:
    """Skills in turn; the largest Fisher information about the skill at its estimate."""
    home = desk.home
    steep = (np.abs(desk.items.slope).max(1)) ** 2

    def choose(now: Standing) -> int:
        known = fisher(projection(now.belief.mean, desk.items), desk.items)
        return best(steep * known, now.left & (home == turn(home, now)))

    return choose


def information(desk: Desk, _rng: np.random.Generator) -> Choose:
    """All skills at once; the largest Fisher information at the estimate (D-optimal), blind to minutes."""
    loading = desk.items.dense(int(desk.items.skill.max()) + 1)

    def choose(now: Standing) -> int:
        seen = now.belief.cov[: loading.shape[1], : loading.shape[1]]
        spread = ((loading @ seen) * loading).sum(1)
        return best(spread * fisher(projection(now.belief.mean, desk.items), desk.items), now.left)

    return choose


POLICIES: dict[str, Policy] = {
    "engine": engine,
    "recorded": as_recorded,
    "random": by_chance,
    "binary-search": binary_search,
    "skill-information": skill_information,
    "information": information,
}


def turn(home: Ints, now: Standing) -> int:
    """The skill asked least so far, among those with items left."""
    skills = np.unique(home[now.left])
    asked = np.bincount(home[now.asked], minlength=int(home.max()) + 1)
    return int(skills[np.argmin(asked[skills])])


def best(value: Floats, left: Flags) -> int:
    return int(np.argmax(np.where(left, value, -np.inf)))


# -- a replay --------------------------------------------------------------------------------------


def replay(ruler: Ruler, record: Record, policy: Policy, rng: np.random.Generator) -> Ints:
    """The record's rows in the order in which the policy would have asked them, (n,)."""
    items = ruler.items.rows(record.item)
    desk = Desk(items, Times(ruler.times.intensity[record.item], ruler.times.sigma[record.item]))
    choose = policy(desk, rng)
    belief = Belief(ruler.population.mean.copy(), ruler.population.cov.copy())
    left, order = np.ones(len(items), dtype=bool), np.zeros(len(items), dtype=np.int64)
    for step in range(len(items)):
        seen = order[:step]
        row = choose(Standing(belief, left, seen, record.level[seen], record.minutes[seen]))
        absorb(
            belief.mean, belief.cov, items.skill[row], items.slope[row], items.threshold[row], items.guess[row],
            record.level[row], 0.0,
        )  # fmt: skip
        left[row] = False
        order[step] = row
    return order


def finished(records: Sequence[Record], orders: Sequence[Ints], limit: float) -> Answers:
    """The answers of every person that are given by a number of minutes."""
    kept = [order[np.cumsum(one.minutes[order]) <= limit] for one, order in zip(records, orders, strict=True)]
    start = np.concatenate([[0], np.cumsum([len(rows) for rows in kept])]).astype(np.int64)
    item = [one.item[rows] for one, rows in zip(records, kept, strict=True)]
    level = [one.level[rows] for one, rows in zip(records, kept, strict=True)]
    return Answers(start, np.concatenate(item), np.concatenate(level), np.ones(len(records)))


def estimates(ruler: Ruler, answers: Answers) -> Floats:
    """Estimates (P, D), order-free."""
    return score(ruler.items, ruler.population.mean, ruler.population.cov, answers)[0]


# -- how long items take ---------------------------------------------------------------------------


def learn_times(person: Ints, item: Ints, minutes: Floats, items: int, passes: int = 20) -> Times:
    """Intensity and spread of each item from other people's minutes; nan is a time not taken.

    Alternates item means and person means of log t = β - τ + ε. Residuals beyond a factor of ten (guesses,
    absences) are left out; an item nobody was timed on gets the mean of the others.
    """
    log_t = np.log(minutes)
    usable = np.isfinite(log_t)
    if not usable.any():
        raise ValueError("learn_times: no answer has a time. Maybe the seconds are in another column.")
    beta, tau = np.full(items, np.median(log_t[usable])), np.zeros(int(person.max()) + 1)
    for _ in range(passes):
        beta = averages(item[usable], (log_t + tau[person])[usable], items, np.median(log_t[usable]))
        gap = beta[item] - log_t
        tau = averages(person[usable], gap[usable], len(tau), 0.0)
        tau -= tau.mean()
        usable = np.isfinite(log_t) & (np.abs(gap - tau[person]) < FAR)
    residual = (log_t + tau[person] - beta[item])[usable]
    common = float((residual**2).mean()) or SIGMA**2
    count = np.bincount(item[usable], minlength=items)
    own = np.bincount(item[usable], residual**2, minlength=items)
    return Times(beta, np.sqrt((own + PRIOR_DF * common) / (count + PRIOR_DF)))


def averages(group: Ints, value: Floats, groups: int, empty: float) -> Floats:
    """Mean of each group; `empty` where there is none."""
    count = np.bincount(group, minlength=groups)
    total = np.bincount(group, value, minlength=groups)
    return np.where(count > 0, total / np.maximum(count, 1), empty)


# -- recovery --------------------------------------------------------------------------------------


def correlations(some: Floats, whole: Floats, weight: Floats) -> Floats:
    """Correlations over persons of (..., P) and (..., P) by rows of person weights (B, P): (..., B); 0 if constant."""
    weight = weight / weight.sum(1, keepdims=True)

    def mean(x: Floats) -> Floats:
        return x @ weight.T

    cross = mean(some * whole) - mean(some) * mean(whole)
    spread = (mean(some**2) - mean(some) ** 2) * (mean(whole**2) - mean(whole) ** 2)
    return np.where(spread > 1e-18, cross / np.sqrt(np.maximum(spread, 1e-18)), 0.0)


def minutes_to(bar: float, r: Floats, minutes: Floats) -> Floats:
    """Where rows of r (B, G) over rising minutes (G,) first reach a bar, even in log minutes between; nan if never."""
    reached = r >= bar
    at = np.argmax(reached, axis=1)
    before = np.maximum(at - 1, 0)
    rows = np.arange(len(r))
    low, high = r[rows, before], r[rows, at]
    share = np.where(at > 0, (bar - low) / np.where(high > low, high - low, 1.0), 1.0)
    log_m = np.log(minutes)
    found = np.exp(log_m[before] + share * (log_m[at] - log_m[before]))
    return np.where(reached.any(1), found, np.nan)
