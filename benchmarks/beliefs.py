r"""Beliefs against a gold standard: how exact, how fast, how honest.

The gold standard is self-normalised importance sampling: 60,000 antithetic draws of the skills that the answers
touch from a multivariate t around the belief to be judged; the other skills follow from the prior given those
(Rao-Blackwell). Antithetic pairs cancel what is linear in θ, so the mean's own error is about .002 sd.

    python3 dev.py bench beliefs [--json] [--people N]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from irt.belief import Belief, Evidence, Posterior, answers, solve, update
from irt.model import Floats, Ints, Items, log_likelihood, rated
from irt.population import Population, bifactor
from irt.simulation import random_items, respond

DEGREES = 30  # of freedom of the proposal: its tails are heavier than a posterior's
PAIRS = 30_000


def importance(posterior: Posterior, evidence: Evidence, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Mean and sd (D,) of θ given plain answers, by importance sampling, and the effective share of the draws."""
    population, items = posterior.population, evidence.items
    touched = np.unique(items.skill[items.slope != 0])
    inside = np.ix_(touched, touched)
    near = Items(np.searchsorted(touched, items.skill) * (items.slope != 0), items.slope, items.threshold, items.guess)
    root = np.linalg.cholesky(posterior.belief.cov[inside])
    half = rng.standard_normal((PAIRS, len(touched))) / np.sqrt(rng.chisquare(DEGREES, (PAIRS, 1)) / DEGREES)
    z = np.concatenate([half, -half])
    theta = posterior.mean[touched] + z @ root.T
    away = theta - population.mean[touched]
    prior = population.cov[inside]
    log_t = -0.5 * (DEGREES + len(touched)) * np.log1p((z**2).sum(1) / DEGREES)
    log_weight = -0.5 * (away * np.linalg.solve(prior, away.T).T).sum(1) - log_t
    for rows in np.array_split(np.arange(len(items)), max(1, len(items) // 4)):
        level = np.broadcast_to(evidence.level[rows], (len(theta), len(rows)))
        log_weight += log_likelihood(theta, near.rows(rows), level)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ away
    cov = (away - mean).T @ ((away - mean) * weight[:, None])
    onto = np.linalg.solve(prior, population.cov[touched]).T  # (D, T): regression of every skill on the touched
    variance = np.diag(population.cov) - (onto * population.cov[:, touched]).sum(1) + ((onto @ cov) * onto).sum(1)
    return population.mean + onto @ mean, np.sqrt(variance), float(1 / (weight**2).sum() / len(weight))


def world(skills: int, rng: np.random.Generator, count: int = 2000) -> tuple[Population, Items]:
    """Correlations .65 within and .50 across domains of five; four in five items guessable, on one to two skills."""
    group = [skill // 5 for skill in range(skills)]
    return bifactor(np.full(skills, 0.5), np.full(skills, 0.15), group), random_items(count, skills, rng)


def running(population: Population, evidence: Evidence) -> Belief:
    """The belief of the running update, in the order of the answers."""
    belief = Belief(population.mean, population.cov)
    for row, level in enumerate(evidence.level):
        belief = update(belief, evidence.items.rows(np.array([row])), int(level))
    return belief


def accuracy(skills: int, count: int, people: int, rng: np.random.Generator) -> dict[str, float]:
    """Error against the gold: rms of the mean in posterior sds, 95th percentile of the relative error of sds."""
    population, bank = world(skills, rng)
    wrong: dict[str, list[Floats]] = {"mean": [], "sd": [], "running mean": []}
    share = []
    for _ in range(people):
        asked = bank.rows(rng.choice(len(bank), count, replace=False))
        evidence = answers(asked, respond(population.draw(1, rng)[0], asked, rng))
        posterior = solve(population, evidence)
        mean, sd, effective = importance(posterior, evidence, rng)
        share.append(effective)
        wrong["mean"].append((posterior.mean - mean) / sd)
        wrong["sd"].append(np.abs(posterior.sd / sd - 1))
        wrong["running mean"].append((running(population, evidence).mean - mean) / sd)
    return {
        "rms error of the mean, in sds": float(np.sqrt(np.mean(np.square(wrong["mean"])))),
        "p95 relative error of the sd": float(np.percentile(np.concatenate(wrong["sd"]), 95)),
        "rms error of the running mean, in sds": float(np.sqrt(np.mean(np.square(wrong["running mean"])))),
        "effective share of the gold's draws": float(np.mean(share)),
    }


def microseconds(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """CPU time of a call: median and 99th percentile."""
    call()
    taken = np.zeros(repeats)
    for repeat in range(repeats):
        start = time.thread_time_ns()
        call()
        taken[repeat] = (time.thread_time_ns() - start) / 1e3
    return {"median us": float(np.median(taken)), "p99 us": float(np.percentile(taken, 99))}


def speed(skills: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """CPU time of one running update, and of solving 40 answers anew."""
    population, bank = world(skills, rng)
    asked = bank.rows(rng.choice(len(bank), 40, replace=False))
    evidence = answers(asked, respond(population.draw(1, rng)[0], asked, rng))
    belief, item = solve(population, evidence).belief, bank.rows(np.array([7]))
    return {
        "update": microseconds(lambda: update(belief, item, 1), 3000),
        "solve 40 answers": microseconds(lambda: solve(population, evidence).sd, 1000),
    }


def criteria(gamma: float, believed: float, people: int, rng: np.random.Generator) -> dict[str, float]:
    """Coverage of 95 % intervals where three criteria of each of 12 answers share an effect of loading gamma."""
    population = bifactor(np.full(10, 0.5), np.full(10, 0.15), [skill // 5 for skill in range(10)])
    bank = random_items(400, 10, rng, graded=1.0, two=0.0)
    answer = np.repeat(np.arange(12), 3)
    theta = population.draw(people, rng)
    inside, composite, weight = [], [], np.full(10, 0.1)
    for truth in theta:
        asked = bank.rows(
            np.concatenate([rng.choice(np.flatnonzero(bank.skill[:, 0] == s % 10), 3) for s in range(12)])
        )
        moved = rated(asked, 1.0, -gamma * rng.standard_normal(12)[answer])
        evidence = shared(asked, respond(truth, moved, rng), answer, believed)
        belief = solve(population, evidence).belief
        inside.append(np.abs(truth - belief.mean) <= 1.96 * belief.sd)
        composite.append(abs(weight @ (truth - belief.mean)) <= 1.96 * np.sqrt(weight @ belief.cov @ weight))
    return {"skill coverage": float(np.mean(inside)), "composite coverage": float(np.mean(composite))}


def shared(items: Items, level: Ints, answer: Ints, gamma: float) -> Evidence:
    """Grades of criteria; those of one answer share its effect."""
    plain = answers(items, level)
    return Evidence(items, plain.level, plain.value, plain.variance, plain.blur, answer, np.full(len(items), gamma))


def main(argv: list[str]) -> None:
    """Exactness, speed and honesty of beliefs."""
    parser = argparse.ArgumentParser(prog="bench beliefs", description=main.__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=10, help="judged by the gold standard, a cell")
    options = parser.parse_args(argv)
    rng = np.random.default_rng(2026)
    found = {
        "accuracy": {
            f"{skills} skills, {count} answers": accuracy(skills, count, options.people, rng)
            for skills in (5, 20, 100, 300)
            for count in (10, 20, 40)
        },
        "speed": {f"{skills} skills": speed(skills, rng) for skills in (5, 20, 100, 300)},
        "criteria": {
            f"gamma {gamma}, taken as {believed}": criteria(gamma, believed, 60 * options.people, rng)
            for gamma, believed in ((0.5, 0.5), (1.0, 0.0), (1.0, 1.0), (2.0, 2.0), (1.0, 1.5))
        },
    }
    print(json.dumps(found, indent=1) if options.json else table(found))


def table(found: dict[str, Any]) -> str:
    lines = []
    for part, rows in found.items():
        lines.append(f"\n{part}")
        lines += [f"  {name:28} {words(row)}" for name, row in rows.items()]
    return "\n".join(lines)


def words(row: dict[str, Any]) -> str:
    shown = ((key, words(value) if isinstance(value, dict) else f"{value:.4g}") for key, value in row.items())
    return "; ".join(f"{key}: {value}" for key, value in shown)
