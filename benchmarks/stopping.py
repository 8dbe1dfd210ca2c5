"""When to stop asking: optimal stopping against the best fixed length, both with a price of a minute.

The world of `minutes`. One decision a person: take them if the mean of t = w'θ (sd 1 over people) is above a bar;
taking them is worth t - bar. Every rule asks the same questions in the same order (largest fall of Var(t) a minute)
and only the end differs. Value and net value are shares of what knowing everybody's t would be worth. The other rules'
one number is chosen in hindsight, on these people, which flatters them; optimal stopping has none to choose.

    python3 dev.py bench stopping [--json] [--people 300]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from benchmarks.beliefs import table
from benchmarks.minutes import SKILLS, World, ask, draw_world
from irt.belief import Belief
from irt.model import Floats
from irt.selection import Pool, Tangent, Told, scan
from irt.stopping import worth_continuing
from irt.verdict import flat

LONGEST = 90.0  # minutes
CASES = [(0.0, 0.0005), (0.0, 0.002), (1.0, 0.0005), (1.0, 0.002)]  # bar in sds of t, price of a minute in sds of t


@dataclass(frozen=True, eq=False)
class Composite:
    """To know t = w'θ: the fall of its variance."""

    weight: Floats  # (D,)

    def tangent(self, belief: Belief) -> Tangent:
        reach = belief.cov @ self.weight
        return flat(np.outer(reach, reach))

    def gain(self, belief: Belief, pool: Pool, told: Told) -> Floats:
        reach = belief.cov @ self.weight
        items = pool.items.rows(told.rows)
        return told.shrink * (reach[items.skill] * items.slope).sum(1) ** 2


@dataclass(frozen=True, eq=False)
class Path:
    """One person's sitting, before each question: what is believed of t, and what the next question offers."""

    spent: Floats  # minutes so far
    mean: Floats
    variance: Floats
    fall: Floats
    minutes: Floats  # expected of the next question


def walk(world: World, person: int, pool: Pool, weight: Floats) -> Path:
    prior, aim = world.population, Composite(weight)
    belief, is_open = Belief(prior.mean.copy(), prior.cov.copy()), np.ones(len(world.bank), dtype=bool)
    rows, spent = [], 0.0
    while spent < LONGEST:
        seen = scan(belief, pool, aim, is_open)
        row = int(seen.order[0])
        known = weight @ belief.mean, weight @ belief.cov @ weight
        rows.append((spent, *known, seen.gain[row], world.expected[row]))
        ask(belief, world, person, row)
        is_open[row] = False
        spent += world.minutes[person, row]
    return Path(*np.array(rows).T)


def ended(stop: list[np.ndarray], paths: list[Path]) -> tuple[Floats, Floats]:
    """Minutes and mean of t where each person's first True of `stop` is, else at the end."""
    at = [int(np.argmax(flags)) if flags.any() else len(flags) - 1 for flags in stop]
    return (
        np.array([path.spent[i] for path, i in zip(paths, at, strict=True)]),
        np.array([path.mean[i] for path, i in zip(paths, at, strict=True)]),
    )


def judged(paths: list[Path], stop: list[np.ndarray], t: Floats, bar: float, price: float) -> dict[str, float]:
    spent, mean = ended(stop, paths)
    perfect = np.maximum(t - bar, 0).mean()
    value = ((t - bar) * (mean > bar)).mean() / perfect
    return {"minutes": float(spent.mean()), "value": float(value), "net": float(value - price * spent.mean() / perfect)}


def optimal(path: Path, bar: float, price: float) -> np.ndarray:
    steps = zip(np.abs(path.mean - bar), path.variance, path.fall, path.minutes, strict=True)
    return np.array([worth_continuing(*step, price) <= 0 for step in steps])


def rules(paths: list[Path], t: Floats, bar: float, price: float) -> dict[str, dict[str, float]]:
    def best_of(stops: list[list[np.ndarray]]) -> dict[str, float]:
        return max((judged(paths, stop, t, bar, price) for stop in stops), key=lambda found: found["net"])

    def sure(path: Path) -> Floats:
        return ndtr(np.abs(path.mean - bar) / np.sqrt(path.variance))

    return {
        "optimal stopping": judged(paths, [optimal(path, bar, price) for path in paths], t, bar, price),
        "best fixed length": best_of([[path.spent >= length for path in paths] for length in np.arange(1, 90, 1.0)]),
        "best sd": best_of([[path.variance <= sd**2 for path in paths] for sd in np.arange(0.2, 0.9, 0.02)]),
        "best chance of being right": best_of(
            [[sure(path) >= p for path in paths] for p in np.linspace(0.6, 0.995, 60)]
        ),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench stopping", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=300)
    options = parser.parse_args(argv)
    world = draw_world(options.people, np.random.default_rng(11))
    weight = np.ones(SKILLS) / np.sqrt(world.population.cov.sum())
    pool = Pool(world.bank, np.zeros(len(world.bank)), world.expected)
    paths = [walk(world, person, pool, weight) for person in range(options.people)]
    t = world.theta @ weight
    found = {f"bar {bar:+.0f} sd, a minute costs {price} sd": rules(paths, t, bar, price) for bar, price in CASES}
    print(json.dumps(found, indent=1) if options.json else table(found))
