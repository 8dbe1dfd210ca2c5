"""Choosing from the whole bank: milliseconds a choice, and how near the choice is to the exact best.

One thread, CPU time; 100 skills (or --skills), items on one to two of them, 3 % of them five-level, as in a bank of
questions with some interviews. Beliefs are those of sittings, from the first question on, every skill wanted.
The exact best is found by integrating every item and counting the hinge's fall over every skill.

Then whole adaptive steps, ability from all answers so far and the choice of the next item, beside catsim and
adaptivetesting where they are installed: one skill, two-level items with guessing, twenty questions; the same items,
the same people, and the same answer of a person to an item for all.

    python3 dev.py bench selection [--json] [--skills 100] [--repeats 300] [--only steps] [--people 100] [--long 10]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.beliefs import table
from irt.belief import Belief, answers, solve, update
from irt.model import Floats, Ints, Items
from irt.population import Population, bifactor
from irt.selection import Aim, Objective, Pool, Told, scan
from irt.simulation import random_items, respond
from irt.verdict import Knowledge, Verdicts
from irt.worth import effect, hinge_falls


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench selection", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--skills", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--only", choices=("choices", "steps"))
    parser.add_argument("--people", type=int, default=100, help="who sit each bank of the adaptive steps")
    parser.add_argument("--long", type=int, default=10, help="of those, who sit half-second steps of adaptivetesting")
    options = parser.parse_args(argv)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    if options.only != "steps":
        found |= choices(options)
    if options.only != "choices":
        if words := peers.how("catsim", "adaptivetesting"):
            print(words, file=sys.stderr)
        found |= {
            f"adaptive steps, {count} items": steps(count, options.people, options.long) for count in (1000, 10_000)
        }
    print(json.dumps(found, indent=1) if options.json else table(found))


def choices(options: argparse.Namespace) -> dict[str, dict[str, dict[str, Any]]]:
    found = {
        f"{count} items, {graded:.0%} graded": {
            f"{options.skills} skills": measured(options.skills, count, graded, options.repeats)
        }
        for count, graded in ((1000, 0.03), (10_000, 0.03), (100_000, 0.03), (10_000, 0.2), (100_000, 0.2))
    }
    found["other objectives"] = {
        f"{count} items, {name}": others(options.skills, count, aim, options.repeats)
        for count in (10_000, 100_000)
        for name, aim in (("information", Knowledge()), ("8 queues", queues(options.skills)))
    }
    return found


def queues(skills: int) -> Verdicts:
    rng = np.random.default_rng(8)
    return Verdicts(rng.dirichlet(np.full(skills, 0.2), 8), rng.normal(0, 0.5, 8), np.ones(8))


def others(skills: int, count: int, aim: Objective, repeats: int) -> dict[str, float]:
    """Milliseconds of choices under beliefs after some answers, and the worst share of the exact best rate."""
    rng = np.random.default_rng(count)
    population = bifactor(np.full(skills, 0.5), np.full(skills, 0.15), [skill // 5 for skill in range(skills)])
    bank = random_items(count, skills, rng, graded=0.03)
    pool, allowed = Pool(bank, np.zeros(count), rng.lognormal(0.3, 0.4, count)), np.ones(count, dtype=bool)
    taken, share, everything = np.zeros(repeats), [], np.arange(count)
    for repeat in range(repeats):
        if repeat % max(1, repeats // 10) == 0:
            asked = bank.rows(rng.choice(count, 4 * repeat * 10 // repeats, replace=False))
            belief = solve(population, answers(asked, respond(population.draw(1, rng)[0], asked, rng))).belief
            seen = scan(belief, pool, aim, allowed)
            told = Told(everything, *effect(belief.mean, belief.cov, *parts(pool), everything))
            rates = aim.gain(belief, pool, told) / pool.minutes
            share.append(float(rates[seen.order[0]] / rates.max()))
        start = time.thread_time_ns()
        scan(belief, pool, aim, allowed)
        taken[repeat] = (time.thread_time_ns() - start) / 1e6
    return {
        "median ms": float(np.median(taken)), "p99 ms": float(np.percentile(taken, 99)),
        "worst share of the exact best": min(share), "mean share": float(np.mean(share)),
    }  # fmt: skip


def parts(pool: Pool) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    items = pool.items
    return items.skill, items.slope, items.threshold, items.guess, pool.blur


def measured(skills: int, count: int, graded: float, repeats: int) -> dict[str, float]:
    """Milliseconds of `repeats` choices along sittings, and the worst share of the exact best rate that was chosen."""
    rng = np.random.default_rng(count)
    population = bifactor(np.full(skills, 0.5), np.full(skills, 0.15), [skill // 5 for skill in range(skills)])
    bank = random_items(count, skills, rng, graded=graded)
    pool = Pool(bank, np.zeros(count), rng.lognormal(0.3, 0.4, count))
    taken, share = np.zeros(repeats), []
    allowed, belief = np.ones(count, dtype=bool), Belief(population.mean, population.cov)
    scan(belief, pool, Aim(np.full(skills, 0.4), np.ones(skills)), allowed)
    for repeat in range(repeats):
        if repeat % 100 == 0:
            allowed, belief = np.ones(count, dtype=bool), Belief(population.mean, population.cov)
            truth, aim = population.draw(1, rng)[0], Aim(rng.uniform(0.3, 0.9, skills), rng.exponential(size=skills))
        start = time.thread_time_ns()
        seen = scan(belief, pool, aim, allowed)
        taken[repeat] = (time.thread_time_ns() - start) / 1e6
        row = seen.order[0]
        if repeat % max(1, repeats // 20) == 0:
            rates = exact(belief, pool, aim, allowed)
            share.append(float(rates[row] / rates.max()))
        item = bank.rows(np.array([row]))
        belief, allowed[row] = update(belief, item, int(respond(truth, item, rng)[0])), False
    return {
        "median ms": float(np.median(taken)), "p99 ms": float(np.percentile(taken, 99)),
        "worst share of the exact best": min(share), "mean share": float(np.mean(share)),
    }  # fmt: skip


def exact(belief: Belief, pool: Pool, aim: Aim, allowed: np.ndarray) -> Floats:
    """Hinge per minute of every item, all of them integrated."""
    items, rows = pool.items, np.flatnonzero(allowed)
    shrink, _ = effect(belief.mean, belief.cov, items.skill, items.slope, items.threshold, items.guess, pool.blur, rows)
    rates = np.zeros(len(items))
    rates[rows] = hinge_falls(belief.cov, items.skill, items.slope, rows, shrink, aim.target, aim.weight)
    return rates / pool.minutes


# -- whole adaptive steps, beside other packages ---------------------------------------------------

QUESTIONS = 20
ALONE = Population(np.zeros(1), np.zeros((1, 1)), np.ones(1))


@dataclass(frozen=True, eq=False)
class Sat:
    """How people's sittings went."""

    ability: Floats  # (P,) after the last answer
    again: Floats  # (P,) our estimate from the same answers: what the questions alone are worth
    ms: Floats  # (P, QUESTIONS) CPU time of each step


def ours(items: Items) -> Callable[[], peers.Step]:
    """As in a sitting: all answers solved anew, the whole bank scanned; the standard error comes along."""
    pool, aim = Pool(items, np.zeros(len(items)), np.ones(len(items))), Aim(np.array([0.1]), np.array([1.0]))

    def step(asked: list[int], right: list[int]) -> tuple[float, int]:
        allowed = np.ones(len(items), dtype=bool)
        allowed[asked] = False
        belief = known(items, asked, right)
        return float(belief.mean[0]), int(scan(belief, pool, aim, allowed).order[0])

    return lambda: step


def known(items: Items, asked: list[int], right: list[int]) -> Belief:
    return solve(ALONE, answers(items.rows(np.array(asked, dtype=np.int64)), np.array(right, dtype=np.int64))).belief


def sit(step: peers.Step, items: Items, right: Ints) -> tuple[float, float, list[float]]:
    """One sitting: the last ability, ours from the same answers, milliseconds of the steps; the first item is free."""
    _, row = step([], [])
    asked: list[int] = []
    ms = []
    for _ in range(QUESTIONS):
        asked.append(row)
        given = right[asked].tolist()
        start = time.process_time_ns()
        ability, row = step(asked, given)
        ms.append((time.process_time_ns() - start) / 1e6)
    return ability, float(known(items, asked, given).mean[0]), ms


def steps(count: int, people: int, long: int) -> dict[str, dict[str, float]]:
    """CPU time of a step and error of the last ability, for us and for each peer that is here."""
    rng = np.random.default_rng(count)
    items = random_items(count, 1, rng, graded=0.0, two=0.0)
    truth = ALONE.draw(people, rng)
    right = respond(truth, items, rng)
    here = {"ours": ours(items)}
    here |= {name: getattr(peers, name)(items) for name in ("catsim", "adaptivetesting") if not peers.missing(name)}
    sat = {}
    for name, begin in here.items():
        sit(begin(), items, right[0])  # compiles and loads
        some = min(people, long) if name == "adaptivetesting" and count > 1000 else people
        seen = [sit(begin(), items, answered) for answered in right[:some]]
        sat[name] = Sat(*(np.array(column) for column in zip(*seen, strict=True)))
    return {named(name): compared(one, sat["ours"], truth[:, 0]) for name, one in sat.items()}


def named(name: str) -> str:
    return name if name == "ours" else f"{name} {importlib.metadata.version(name)}"


def compared(one: Sat, base: Sat, truth: Floats) -> dict[str, float]:
    """Figures of one package, and ours of the same people."""
    n = len(one.ability)
    error, least = one.ability - truth[:n], base.ability[:n] - truth[:n]
    worse = error**2 - least**2
    return {
        "people": n, "mean ms": float(one.ms.mean()), "p99 ms": float(np.percentile(one.ms, 99)),
        "times ours": float(one.ms.mean() / base.ms[:n].mean()),
        "rmse": peers.rms(error), "ours of the same people": peers.rms(least),
        "mean squared error less ours": float(worse.mean()), "its se": float(worse.std() / np.sqrt(n)),
        "rmse of our estimate from its questions": peers.rms(one.again - truth[:n]),
    }  # fmt: skip
