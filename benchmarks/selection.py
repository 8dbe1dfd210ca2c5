"""Choosing from the whole bank: milliseconds a choice, and how near the choice is to the exact best.

One thread, CPU time; 100 skills (or --skills), items on one to two of them, 3 % of them five-level, as in a bank of
questions with some interviews. Beliefs are those of sittings, from the first question on, every skill wanted.
The exact best is found by integrating every item and counting the hinge's fall over every skill.

    python3 dev.py bench selection [--json] [--skills 100] [--repeats 300]
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from benchmarks.beliefs import table
from irt.belief import Belief, answers, solve, update
from irt.model import Floats, Ints
from irt.population import bifactor
from irt.selection import Aim, Objective, Pool, Told, scan
from irt.simulation import random_items, respond
from irt.verdict import Knowledge, Verdicts
from irt.worth import effect, hinge_falls


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench selection", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--skills", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args(argv)
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
    print(json.dumps(found, indent=1) if options.json else table(found))


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
