"""What security costs: minutes against the share of people who see the most shown item.

The world of `minutes`, about 100 questions a skill; every sitting ends when all standard errors are at the target.
Rules: no control; open while exposure is below the limit (`eligible`); the same, and one question in twenty chosen
among the least shown (guests); a toll in minutes on favourites (`tolls`), from nothing or learnt ahead on 1,000 other
simulated people, with `eligible` behind it as a guard; the same, with a bonus on what one in 800 should see.
Exposure is counted over the latest 500 sittings, as in use.

    python3 dev.py bench exposure [--json] [--people 300] [--target 0.5] [--spread 0.3] [--only tolls]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.beliefs import table
from benchmarks.minutes import CAP, MCQ, SKILLS, SPEED_SD, TIME_SD, Open, World, ask, draw_world
from irt.belief import Belief
from irt.model import Floats, Ints
from irt.selection import SOFT, Aim, Pool, bonus, eligible, moved, priced, scan, since
from irt.simulation import respond
from irt.timing import simulate_minutes

EVERY = 20  # questions of which one goes to the neglected, where some do
GUARD = 0.005  # how far below the limit tolls keep an item, as a share of it
CLOSE = 0.004  # and how near to it the item is closed to some all the same
LEARNERS = 1000  # simulated people on whom tolls are learnt first
WINDOW = 500  # latest sittings over which exposure is counted


@dataclass(frozen=True)
class Rule:
    """How exposure is kept: by closing items, by tolls learnt in advance on other people or not, by calling some up."""

    limit: float = 1.0
    tolls: bool = False
    ahead: bool = False
    floor: float = 0.0
    guests: bool = False


def sitting(
    world: World, person: int, pool: Pool, aim: Aim, is_open: Open, guests: Open | None
) -> tuple[float, list[int]]:
    """Minutes and rows asked until every standard error is at its target."""
    prior = world.population
    belief, asked, minutes = Belief(prior.mean.copy(), prior.cov.copy()), [], 0.0
    while (belief.sd > aim.target).any() and minutes < CAP:
        order: Ints = np.zeros(0, dtype=np.int64)
        if guests is not None and len(asked) % EVERY == EVERY // 4:
            order = scan(belief, pool, aim, is_open & guests).order
        if len(order) == 0:
            order = scan(belief, pool, aim, is_open).order
        if len(order) == 0:
            return CAP, asked
        row = int(order[0])
        ask(belief, world, person, row)
        is_open[row] = False
        minutes += world.minutes[person, row]
        asked.append(row)
    return min(minutes, CAP), asked


@dataclass(frozen=True, eq=False)
class Course:
    """What happened to some people in turn."""

    minutes: Floats  # (P,)
    shown: Open  # (P, I)
    toll: Floats  # (I,) at the end
    unseen: Ints  # (I,) sittings since each was shown


def study(world: World, target: float, rule: Rule, rng: np.random.Generator, before: Course | None = None) -> Course:
    """Everybody's sitting under a rule; with `before`, tolls and counts go on from there."""
    count, people = len(world.bank), len(world.theta)
    aim, every = Aim(np.full(SKILLS, target), np.ones(SKILLS)), np.ones(count, dtype=bool)
    earlier = before.shown if before else np.zeros((0, count), dtype=bool)
    shown, minutes = np.vstack([earlier, np.zeros((people, count), dtype=bool)]), np.zeros(people)
    toll, unseen = (before.toll, before.unseen) if before else (np.zeros(count), np.zeros(count, dtype=np.int64))
    for person in range(people):
        number, is_open = len(earlier) + person, every.copy()
        lately = shown[max(number - WINDOW, 0) : number]
        if rule.limit < 1:
            seen = np.full(count, len(lately))
            is_open = eligible(lately.sum(0), seen, rule.limit, rng, CLOSE if rule.tolls else SOFT)
        pool = Pool(world.bank, np.zeros(count), priced(world.expected, toll - bonus(unseen, rule.floor)))
        guests = neglected(shown[:number].sum(0)) if rule.guests else None
        minutes[person], asked = sitting(world, person, pool, aim, is_open.copy(), guests)
        shown[number, asked] = True
        unseen = since(unseen, shown[number], is_open)
        if rule.tolls:
            toll = moved(toll, shown[number], is_open, rule.limit * (1 - GUARD), number)
    return Course(minutes, shown[len(earlier) :], toll, unseen)


def neglected(shown: Ints, share: float = 0.05) -> Open:
    """The least shown items, `share` of the bank or all that tie with them."""
    least: Open = shown <= np.sort(shown)[min(int(share * len(shown)), len(shown) - 1)]
    return least


def others(world: World, people: int, rng: np.random.Generator) -> World:
    """The same bank, and other people."""
    theta = world.population.draw(people, rng)
    minutes = simulate_minutes(world.intensity, rng.normal(0, SPEED_SD, people), TIME_SD, rng)
    return replace(world, theta=theta, level=respond(theta, world.bank, rng), minutes=minutes)


def with_spread(world: World, spread: float, rng: np.random.Generator) -> World:
    """The same world with two-level slopes exp(N(log 1.5, spread)), and new answers."""
    bank = world.bank
    scale = np.ones(len(bank))
    scale[:MCQ] = np.exp((spread / 0.3 - 1) * (np.log(bank.slope[:MCQ, 0]) - np.log(1.5)))
    steeper = replace(bank, slope=bank.slope * scale[:, None], threshold=bank.threshold * scale[:, None])
    return replace(world, bank=steeper, level=respond(world.theta, steeper, rng))


def told(course: Course, free: Floats) -> dict[str, float]:
    """What a rule cost, as a multiple of everybody's minutes without it, and how often items were shown."""
    times, people = float(course.minutes.mean() / free.mean()), len(free)
    return {
        "mean minutes": float(course.minutes.mean()), "times as many": times,
        "+-": float(1.96 * (course.minutes - times * free).std() / free.mean() / np.sqrt(people)),
        "max exposure": float(course.shown.mean(0).max()),
        "in the second half": float(course.shown[people // 2 :].mean(0).max()),
        "bank used": float(course.shown.any(0).mean()), "questions": float(course.shown.sum() / people),
    }  # fmt: skip


RULES = {
    "no limit": Rule(),
    **{f"closed, limit {limit:.2f}": Rule(limit) for limit in (0.4, 0.3, 0.25, 0.2)},
    "closed, limit 0.25, guests": Rule(0.25, guests=True),
    "tolls, limit 0.25, from nothing": Rule(0.25, tolls=True),
    "tolls, limit 0.25, learnt ahead": Rule(0.25, tolls=True, ahead=True),
    "tolls, limit 0.25, learnt ahead, all called": Rule(0.25, tolls=True, ahead=True, floor=1 / 800),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench exposure", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--learners", type=int, default=LEARNERS)
    parser.add_argument("--only", default="", help="rules whose name begins so")
    parser.add_argument("--spread", type=float, default=0.3, help="sd of log slopes in the bank")
    options = parser.parse_args(argv)
    rng = np.random.default_rng(7)
    world = with_spread(draw_world(options.people, rng), options.spread, rng)
    free = study(world, options.target, Rule(), rng).minutes
    learners = others(world, options.learners, np.random.default_rng(8))
    found = {}
    for name, rule in [(name, rule) for name, rule in RULES.items() if name.startswith(options.only)]:
        before = study(learners, options.target, rule, rng) if rule.ahead else None
        found[name] = told(study(world, options.target, rule, rng, before), free)
    everything = {f"SE {options.target:.2f}, spread of log slopes {options.spread}": found}
    print(json.dumps(everything, indent=1) if options.json else table(everything))
