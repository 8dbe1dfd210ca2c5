"""Minutes to a precision: the engine's choice against other ways to ask, on the same people, answers and seconds.

Ten skills in two domains (correlations .65 within, .50 across); 1,000 two-level questions (slope about 1.5, guessing
.10 to .25, one in five on a second skill, 1 to 2.5 minutes) and 60 probes (five levels, two or three skills of one
domain, 6 to 10 minutes). Simulated people: what they would answer and how long they would take is drawn once for
every question, so that policies differ only in what they ask. A sitting ends when every skill's standard error is at
its target, or at 900 minutes.

    hinge            this engine: fall of log standard errors above target, per expected minute
    information      this engine's beliefs, mutual information per expected minute
    binary search    one skill after the other, each believed alone: difficulty by halving steps, then at the mean
    max information  the same, Fisher information at the mean
    fixed form       the best order for everybody: greedy hinge per minute by information averaged over people
    D-optimal        all skills' correlations, largest fall of the determinant, blind to minutes
    reference        knows each person's skills when choosing and counts Fisher information: no policy, a yardstick

    python3 dev.py bench minutes [--json] [--people 40] [--only NAME,NAME]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.beliefs import table
from irt.belief import Belief, absorb, answers, solve
from irt.model import Floats, Ints, Items, fisher, projection
from irt.population import Population, bifactor
from irt.selection import Aim, Pool, best, scan
from irt.simulation import respond
from irt.timing import Pace, expected_minutes, simulate_minutes
from irt.worth import hinge_falls

SKILLS, MCQ, PROBES = 10, 1000, 60
CAP = 900.0  # minutes
NOBODY = np.zeros(SKILLS)  # a mean that no one reads
SPEED_SD, TIME_SD = 0.25, 0.30
TARGETS = {
    "SE .40": np.full(SKILLS, 0.40),
    "hot .30 cold .50": np.where(np.arange(SKILLS) % 2 == 0, 0.30, 0.50),
    "SE .30": np.full(SKILLS, 0.30),
}
Open = NDArray[np.bool_]
Choose = Callable[[Belief, Open, int], int]  # the row to ask, or -1: nothing left


@dataclass(frozen=True, eq=False)
class World:
    population: Population
    bank: Items
    intensity: Floats  # (I,) log of the median minutes
    theta: Floats  # (P, D)
    level: Ints  # (P, I)
    minutes: Floats  # (P, I)

    @property
    def expected(self) -> Floats:
        return expected_minutes(self.intensity, Pace(0.0, SPEED_SD**2), TIME_SD)


def draw_world(people: int, rng: np.random.Generator) -> World:
    population = bifactor(np.full(SKILLS, 0.5), np.full(SKILLS, 0.15), [skill // 5 for skill in range(SKILLS)])
    bank = draw_bank(rng)
    intensity = np.log(np.concatenate([np.exp(rng.normal(np.log(1.6), 0.23, MCQ)), rng.uniform(6, 10, PROBES)]))
    theta = population.draw(people, rng)
    minutes = simulate_minutes(intensity, rng.normal(0, SPEED_SD, people), TIME_SD, rng)
    return World(population, bank, intensity, theta, respond(theta, bank, rng), minutes)


def draw_bank(rng: np.random.Generator) -> Items:
    count = MCQ + PROBES
    skill, slope = np.zeros((count, 3), dtype=np.int64), np.zeros((count, 3))
    threshold, guess = np.full((count, 4), -np.inf), np.zeros(count)
    skill[:MCQ, 0] = np.arange(MCQ) % SKILLS
    slope[:MCQ, 0] = np.exp(rng.normal(np.log(1.5), 0.3, MCQ))
    second = np.flatnonzero(rng.random(MCQ) < 0.2)
    skill[second, 1] = (skill[second, 0] + rng.integers(1, SKILLS, len(second))) % SKILLS
    slope[second, 1] = slope[second, 0] * rng.uniform(0.3, 0.7, len(second))
    steep = np.hypot(slope[:MCQ, 0], slope[:MCQ, 1])
    threshold[:MCQ, 0] = -steep * rng.standard_normal(MCQ)
    guess[:MCQ] = rng.uniform(0.10, 0.25, MCQ)
    for row in range(MCQ, count):
        loads = rng.integers(2, 4)
        skill[row, :loads] = rng.choice(5, loads, replace=False) + 5 * (row % 2)
        slope[row, :loads] = np.exp(rng.normal(np.log(1.0), 0.2, loads))
        threshold[row] = slope[row].sum() * 0.8 * (np.array([1.5, 0.5, -0.5, -1.5]) + 0.5 * rng.standard_normal())
    return Items(skill, slope, threshold, guess)


# -- the policies ----------------------------------------------------------------------------------


def by_hinge(world: World, target: Floats) -> Choose:
    pool, aim = Pool(world.bank, np.zeros(len(world.bank)), world.expected), Aim(target, np.ones(SKILLS))

    def choose(belief: Belief, is_open: Open, _person: int) -> int:
        order = scan(belief, pool, aim, is_open).order
        return int(order[0]) if len(order) else -1

    return choose


def alone(world: World) -> Open:
    """Two-level items on one skill: what a test of one skill at a time can use."""
    return ((world.bank.slope > 0).sum(1) == 1) & (world.bank.levels == 2)


def by_one_skill(world: World, target: Floats, value: Callable[[Belief, int, Ints, int], Floats]) -> Choose:
    """One skill after the other until each is at its target, by the highest value(belief, skill, rows, person)."""
    single = alone(world)
    rows_of = [np.flatnonzero(single & (world.bank.skill[:, 0] == skill)) for skill in range(SKILLS)]

    def choose(belief: Belief, is_open: Open, person: int) -> int:
        for skill in np.flatnonzero(belief.sd > target):
            rows = rows_of[skill][is_open[rows_of[skill]]]
            if len(rows):
                return int(rows[np.argmax(value(belief, int(skill), rows, person))])
        return -1

    return choose


def by_max_information(world: World, target: Floats) -> Choose:
    bank = world.bank
    slope = bank.slope[:, 0]

    def value(belief: Belief, skill: int, rows: Ints, _person: int) -> Floats:
        z = 1 / (1 + np.exp(-(slope[rows] * belief.mean[skill] + bank.threshold[rows, 0])))
        c = bank.guess[rows]
        p = c + (1 - c) * z
        return slope[rows] ** 2 * ((1 - c) * z * (1 - z)) ** 2 / (p * (1 - p))

    return by_one_skill(world, target, value)


def by_binary_search(world: World, target: Floats) -> Choose:
    """Difficulty 0 first, then up or down by 1.5, .75, ... while the step is above .15; then at the mean."""
    difficulty = -world.bank.threshold[:, 0] / np.maximum(
        np.hypot(world.bank.slope[:, 0], world.bank.slope[:, 1]), 1e-9
    )
    last: dict[tuple[int, int], tuple[float, float, int]] = {}  # where the search stands: place, step, row asked

    def value(belief: Belief, skill: int, rows: Ints, person: int) -> Floats:
        place, step, row = last.get((person, skill), (0.0, 1.5, -1))
        if row >= 0 and step > 0.15:
            place, step = place + step * (1 if world.level[person, row] else -1), step / 2
        elif row >= 0:
            place = float(belief.mean[skill])
        near = -np.abs(difficulty[rows] - place)
        last[person, skill] = place, step, int(rows[np.argmax(near)])
        return near

    return by_one_skill(world, target, value)


def by_fixed_form(world: World, target: Floats) -> Choose:
    order = iter_form(world, target)

    def choose(_belief: Belief, is_open: Open, _person: int) -> int:
        left = order[is_open[order]]
        return int(left[0]) if len(left) else -1

    return choose


def iter_form(world: World, target: Floats) -> Ints:
    """Greedy hinge per minute, each item worth its information averaged over the population."""
    spread = np.sqrt(
        np.einsum("ic,ice,ie->i", world.bank.slope, pairs(world.population.cov, world.bank), world.bank.slope)
    )
    nodes, weight = np.polynomial.hermite_e.hermegauss(31)
    known = np.einsum("q,qi->i", weight / weight.sum(), fisher(nodes[:, None] * spread, world.bank))
    cov, is_open, order = world.population.cov, np.ones(len(world.bank), dtype=bool), []
    for _ in range(len(world.bank)):
        shrink = by_fisher(cov, world, known)
        row = top(cov, world, shrink, Aim(target, np.ones(SKILLS)), is_open)
        if row < 0:  # all targets reached on average: go on lowering what is above half the target
            row = top(cov, world, shrink, Aim(target / 3, np.ones(SKILLS)), is_open)
        u = cov[:, world.bank.skill[row]] @ world.bank.slope[row]
        cov = cov - shrink[row] * np.outer(u, u)
        is_open[row] = False
        order.append(row)
    return np.array(order)


def pairs(matrix: Floats, items: Items) -> Floats:
    return matrix[items.skill[:, :, None], items.skill[:, None, :]]


def by_fisher(cov: Floats, world: World, known: Floats) -> Floats:
    """f/v of every item if an answer gave the Fisher information `known` about s."""
    v = np.einsum("ic,ice,ie->i", world.bank.slope, pairs(cov, world.bank), world.bank.slope)
    return known / (1 + v * known)


def top(cov: Floats, world: World, shrink: Floats, aim: Aim, is_open: Open) -> int:
    """The item of the largest fall of the hinge per minute, or -1."""
    bank = world.bank
    about = shrink * np.einsum(
        "ic,ice,ie->i", bank.slope, pairs(aim.tangent(Belief(NOBODY, cov)).form, bank), bank.slope
    )
    rows = best(np.where(is_open, about / world.expected, -1.0), 200)
    rows = rows[is_open[rows]]
    if len(rows) == 0:
        return -1
    rate = hinge_falls(cov, bank.skill, bank.slope, rows, shrink[rows], aim.target, aim.weight) / world.expected[rows]
    return int(rows[np.argmax(rate)]) if rate.max() > 0 else -1


def by_determinant(world: World, _target: Floats) -> Choose:
    bank = world.bank

    def choose(belief: Belief, is_open: Open, _person: int) -> int:
        v = np.einsum("ic,ice,ie->i", bank.slope, pairs(belief.cov, bank), bank.slope)
        value = np.where(is_open, v * fisher(projection(belief.mean, bank), bank), -1.0)
        return int(np.argmax(value)) if is_open.any() else -1

    return choose


POLICIES: dict[str, Callable[[World, Floats], Choose]] = {
    "hinge": by_hinge,
    "binary search": by_binary_search,
    "max information": by_max_information,
    "fixed form": by_fixed_form,
    "D-optimal": by_determinant,
}
INDEPENDENT = {"binary search", "max information"}  # these know nothing of correlations


# -- sittings --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Outcome:
    minutes: Floats  # (P,) until every target was reached; CAP if never
    reached: Open  # (P,)
    questions: Floats  # (P,)
    inside: Floats  # (P,) share of 95 % intervals at the end, of beliefs solved anew, that hold the truth


def sit(world: World, choose: Choose, target: Floats, prior: Population, *, judge: bool) -> Outcome:
    people = len(world.theta)
    minutes, questions, inside, reached = (
        np.zeros(people),
        np.zeros(people),
        np.full(people, np.nan),
        np.ones(people, bool),
    )
    for person in range(people):
        belief, is_open, asked = Belief(prior.mean.copy(), prior.cov.copy()), np.ones(len(world.bank), bool), []
        while (belief.sd > target).any():
            row = choose(belief, is_open, person)
            if row < 0 or minutes[person] > CAP:
                reached[person], minutes[person] = False, CAP
                break
            ask(belief, world, person, row)
            is_open[row] = False
            asked.append(row)
            minutes[person] += world.minutes[person, row]
        questions[person] = len(asked)
        if judge:
            rows = np.array(asked)
            known = solve(prior, answers(world.bank.rows(rows), world.level[person, rows]))
            inside[person] = np.mean(np.abs(world.theta[person] - known.mean) <= 1.96 * known.sd)
    return Outcome(np.minimum(minutes, CAP), reached & (minutes < CAP), questions, inside)


def ask(belief: Belief, world: World, person: int, row: int) -> None:
    """The person's answer into the belief, in place."""
    bank = world.bank
    absorb(
        belief.mean, belief.cov, bank.skill[row], bank.slope[row], bank.threshold[row], bank.guess[row],
        world.level[person, row], 0.0,
    )  # fmt: skip


def refer(world: World, target: Floats) -> Outcome:
    """The yardstick: choices and covariances by Fisher information at the true skills."""
    people = len(world.theta)
    minutes, questions, aim = np.zeros(people), np.zeros(people), Aim(target, np.ones(SKILLS))
    reached = np.ones(people, bool)
    for person in range(people):
        cov, is_open = world.population.cov, np.ones(len(world.bank), bool)
        known = fisher(projection(world.theta[person], world.bank), world.bank)
        while (np.sqrt(np.diag(cov)) > target).any():
            shrink = by_fisher(cov, world, known)
            row = top(cov, world, shrink, aim, is_open)
            if row < 0 or minutes[person] > CAP:
                reached[person], minutes[person] = False, CAP
                break
            u = cov[:, world.bank.skill[row]] @ world.bank.slope[row]
            cov = cov - shrink[row] * np.outer(u, u)
            is_open[row] = False
            minutes[person] += world.minutes[person, row]
            questions[person] += 1
    return Outcome(np.minimum(minutes, CAP), reached & (minutes < CAP), questions, np.full(people, np.nan))


def run(world: World, name: str, target: Floats) -> Outcome:
    if name == "reference":
        return refer(world, target)
    prior = from_independent(world.population) if name in INDEPENDENT else world.population
    return sit(world, POLICIES[name](world, target), target, prior, judge=name == "hinge")


def from_independent(population: Population) -> Population:
    return Population(population.mean, np.zeros((len(population), 1)), np.diag(population.cov).copy())


# -- the table -------------------------------------------------------------------------------------


def row_of(outcome: Outcome, ours: Outcome) -> dict[str, float]:
    """A policy's minutes, and ours as a share of them: over people for whom both finish, with a 95 % interval."""
    both = outcome.reached & ours.reached
    ratio = ours.minutes[both] / outcome.minutes[both]
    error = 1.96 * ratio.std(ddof=1) / np.sqrt(max(both.sum(), 2)) if both.sum() > 1 else np.nan
    found = {
        "mean minutes": float(outcome.minutes.mean()), "median": float(np.median(outcome.minutes)),
        "not reached": float(1 - outcome.reached.mean()), "questions": float(outcome.questions.mean()),
        "hinge / this, paired": float(ratio.mean()) if both.any() else np.nan, "+-": float(error),
        "ratio of means": float(ours.minutes.mean() / outcome.minutes.mean()),
    }  # fmt: skip
    return found | ({} if np.isnan(outcome.inside).all() else {"coverage of 95 %": float(np.nanmean(outcome.inside))})


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench minutes", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--only", default="", help="policies besides hinge, separated by commas")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args(argv)
    names = options.only.split(",") if options.only else [*list(POLICIES)[1:], "reference"]
    world = draw_world(options.people, np.random.default_rng(options.seed))
    found = {}
    for title, target in TARGETS.items():
        start = time.process_time()
        ours = run(world, "hinge", target)
        others = {name: run(world, name, target) for name in names}
        found[title] = {name: row_of(outcome, ours) for name, outcome in ({"hinge": ours} | others).items()}
        found[title]["hinge"]["CPU s"] = time.process_time() - start
    print(json.dumps(found, indent=1) if options.json else table(found))
