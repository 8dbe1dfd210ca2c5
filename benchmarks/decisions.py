"""Minutes to a decision: standard errors, the bars themselves, or both as what questions are for.

The world of `minutes`. A role has bars on five of ten skills; a person is taken if all five are met. Every objective
asks on for 40 minutes, and one path is cut by every rule of stopping, on the same people, answers and seconds:

    hinge            fall of log standard errors above .40 (asks no more once all are there)
    verdicts         information on the five bars, each as much as the decision hangs on it
    both, RATE       their sum, a nat about the decision counting RATE

    chance d         stop once P(all bars met) is below d or above 1 - d
    worth, price c   stop once no bar is worth its minutes at c sds a minute (irt.stopping.undecided)

`wrong` is the mean of min(P, 1 - P) at the end, the chance by the belief itself that deciding now is wrong: as honest
as the belief, and far less noisy than the share of wrong decisions, which is `errors`.

    python3 dev.py bench decisions [--json] [--people 300] [--bars 0 0 0 0 0]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.beliefs import table
from benchmarks.minutes import SKILLS, World, ask, draw_world
from irt.belief import Belief
from irt.model import Floats
from irt.selection import Aim, Objective, Pool, scan
from irt.stopping import undecided
from irt.verdict import Bars, Both, verdicts

ROWS = np.arange(0, SKILLS, 2)  # skills with a bar
LONGEST, EARLIEST = 40.0, 3  # minutes, and questions before any rule may stop
TARGET = 0.4
CHANCES = (0.2, 0.1, 0.05, 0.02)
PRICES = (0.005, 0.002, 0.001, 0.0005)


@dataclass(frozen=True, eq=False)
class Path:
    """One person's sitting, before each question."""

    spent: Floats  # minutes so far
    met: Floats  # P(all bars met)
    worth: Floats  # (S, prices) net value of asking on


def objective(name: str, belief: Belief, bars: Bars) -> Objective:
    weight = np.zeros(SKILLS)
    weight[ROWS] = 1 / len(ROWS)
    aim = Aim(np.full(SKILLS, TARGET), weight)
    if name == "hinge":
        return aim
    settle = verdicts([bars], belief)
    return settle if name == "verdicts" else Both(aim, settle, float(name.removeprefix("both, ")))


def walk(world: World, person: int, name: str, bars: Bars, pool: Pool, looks: NDArray[np.bool_]) -> Path:
    prior = world.population
    belief, is_open, spent = Belief(prior.mean.copy(), prior.cov.copy()), looks.copy(), 0.0
    rows: list[tuple[float, float, list[float]]] = []
    while spent < LONGEST:
        seen = scan(belief, pool, objective(name, belief, bars), is_open)
        if len(seen.order) == 0:
            break
        row = int(seen.order[0])
        reach = (belief.cov[:, world.bank.skill[row]] * world.bank.slope[row]).sum(1)[ROWS]
        doubt = belief.mean[ROWS] - bars.bar, belief.sd[ROWS] ** 2, seen.shrink[row] * reach**2, bars.open_to(belief)
        worth = [undecided(*doubt, float(pool.minutes[row]), price) for price in PRICES]
        rows.append((spent, belief.all_above(ROWS, bars.bar), worth))
        ask(belief, world, person, row)
        is_open[row] = False
        spent += world.minutes[person, row]
    rows.append((spent, belief.all_above(ROWS, bars.bar), [0.0] * len(PRICES)))
    return Path(*(np.array(column) for column in zip(*rows, strict=True)))


def cut(paths: list[Path], stop: list[NDArray[np.bool_]], truth: NDArray[np.bool_]) -> dict[str, float]:
    """Minutes and errors if everybody stops where first said to, or at the end of their path."""
    may = [flags & (np.arange(len(flags)) >= EARLIEST) for flags in stop]
    at = [int(np.argmax(flags)) if flags.any() else len(flags) - 1 for flags in may]
    met = np.array([path.met[i] for path, i in zip(paths, at, strict=True)])
    return {
        "minutes": float(np.mean([path.spent[i] for path, i in zip(paths, at, strict=True)])),
        "wrong": float(np.minimum(met, 1 - met).mean()),
        "errors": float(((met > 0.5) != truth).mean()),
    }


def judged(paths: list[Path], truth: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    found = {f"after {limit} min": cut(paths, [path.spent >= limit for path in paths], truth) for limit in (10, 20, 30)}
    for chance in CHANCES:
        found[f"chance {chance}"] = cut(paths, [np.minimum(path.met, 1 - path.met) < chance for path in paths], truth)
    for column, price in enumerate(PRICES):
        found[f"worth, price {price}"] = cut(paths, [path.worth[:, column] <= 0 for path in paths], truth)
    return found


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench decisions", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--bars", type=float, nargs=len(ROWS), default=[0.0] * len(ROWS))
    options = parser.parse_args(argv)
    world = draw_world(options.people, np.random.default_rng(5))
    bars = Bars(ROWS, np.array(options.bars), 1.0)
    pool = Pool(world.bank, np.zeros(len(world.bank)), world.expected)
    looks = (np.isin(world.bank.skill, ROWS) & (world.bank.slope > 0)).any(axis=1)
    truth = (world.theta[:, ROWS] >= bars.bar).all(axis=1)
    found = {}
    for name in ("hinge", "verdicts", "both, 3", "both, 10"):
        paths = [walk(world, person, name, bars, pool, looks) for person in range(options.people)]
        found[name] = judged(paths, truth)
    print(json.dumps(found, indent=1) if options.json else table(found))
