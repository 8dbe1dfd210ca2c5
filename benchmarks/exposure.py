"""What security costs: minutes against the share of people who see the most shown item.

The world of `minutes`, about 100 questions a skill; every sitting ends when all standard errors are at the target.
Per limit: no control; open while exposure is below the limit (`eligible`); the same, and one question in twenty
chosen among the least shown (`neglected`).

    python3 dev.py bench exposure [--json] [--people 300] [--target 0.5] [--spread 0.3]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np

from benchmarks.beliefs import table
from benchmarks.minutes import CAP, MCQ, SKILLS, Open, World, ask, draw_world
from irt.belief import Belief
from irt.model import Floats, Ints
from irt.selection import Aim, Pool, eligible, neglected, scan
from irt.simulation import respond

EVERY = 20  # questions of which one goes to the neglected


def sitting(world: World, person: int, pool: Pool, aim: Aim, is_open: Open, guests: Open) -> tuple[float, list[int]]:
    """Minutes and rows asked until every standard error is at its target."""
    prior = world.population
    belief, asked, minutes = Belief(prior.mean.copy(), prior.cov.copy()), [], 0.0
    while (belief.sd > aim.target).any() and minutes < CAP:
        order: Ints = np.zeros(0, dtype=np.int64)
        if len(asked) % EVERY == EVERY // 4:
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


def study(
    world: World, target: float, limit: float, rng: np.random.Generator, *, guests: bool
) -> tuple[Floats, Ints, Ints]:
    """Minutes of every person, and how often each item was shown in all and in the second half of the sittings."""
    count, people = len(world.bank), len(world.theta)
    pool, aim = Pool(world.bank, np.zeros(count), world.expected), Aim(np.full(SKILLS, target), np.ones(SKILLS))
    minutes, shown, late = np.zeros(people), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for person in range(people):
        is_open = eligible(shown, np.full(count, person), limit, rng) if limit < 1 else np.ones(count, dtype=bool)
        asked_for = neglected(shown) if guests else np.zeros(count, dtype=bool)
        minutes[person], asked = sitting(world, person, pool, aim, is_open, asked_for)
        shown[asked] += 1
        late[asked] += person >= people // 2
    return minutes, shown, late


def with_spread(world: World, spread: float, rng: np.random.Generator) -> World:
    """The same world with two-level slopes exp(N(log 1.5, spread)), and new answers."""
    bank = world.bank
    scale = np.ones(len(bank))
    scale[:MCQ] = np.exp((spread / 0.3 - 1) * (np.log(bank.slope[:MCQ, 0]) - np.log(1.5)))
    steeper = replace(bank, slope=bank.slope * scale[:, None], threshold=bank.threshold * scale[:, None])
    return replace(world, bank=steeper, level=respond(world.theta, steeper, rng))


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench exposure", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--spread", type=float, default=0.3, help="sd of log slopes in the bank")
    options = parser.parse_args(argv)
    rng = np.random.default_rng(7)
    world = with_spread(draw_world(options.people, rng), options.spread, rng)
    free, *_ = study(world, options.target, 1.0, rng, guests=False)
    found = {}
    for limit, guests in ((1.0, False), (0.4, False), (0.3, False), (0.25, False), (0.25, True), (0.2, False)):
        minutes, shown, late = study(world, options.target, limit, rng, guests=guests)
        found[f"limit {limit:.2f}{', guests' if guests else ''}"] = {
            "mean minutes": float(minutes.mean()), "times as many": float(minutes.mean() / free.mean()),
            "max exposure": float(shown.max() / options.people),
            "in the second half": float(late.max() / (options.people - options.people // 2)),
            "bank used": float((shown > 0).mean()),
            "questions": float(shown.sum() / options.people),
        }  # fmt: skip
    everything = {f"SE {options.target:.2f}, spread of log slopes {options.spread}": found}
    print(json.dumps(everything, indent=1) if options.json else table(everything))
