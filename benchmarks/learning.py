"""What outcomes of work teach the planner in 12 weekly plans, against vetting alone and against knowing everything.

300 experts, 15 queues, 3 roles. Vetting saw every skill with an error; a person's fit to a queue (sd .45) and how long
queues and people really take were hidden from it. 7 % of labels are off by one step. Each week the production solver
plans with the beliefs of the day, units are made and checked by chance, and beliefs are solved anew from vetting and
all outcomes with the product's own functions (irt.belief; vetting.learning, which reads counts around what is
believed; assignment.pooling, .projection, .exploration).

Everybody plans the same weeks of the same worlds: "vetting" never learns, "learning" does, "exploring" makes some
hours trials of who fits which queue (--explore), "knowing" is given abilities, fits and minutes. Who clears a
bar is settled by vetting for all four, so that the gap is what planning alone could gain; with --open-bars everybody
lets in whom they believe to clear it, and "knowing" those who do. "gap" is the share of the net value (worth of
accepted units less pay) between "vetting" and "knowing" that was gained, over all weeks, in the last third and in the
last week; "rejects" are over those of "vetting", and those of "knowing" are the floor; "±" are standard errors over
worlds. The heading says what sd vetting leaves on a skill.

    python3 dev.py bench learning [--json] [--seeds 1 2 3] [--noise .6] [--load 1.6] [--experts 300] [--weeks 12]
                                  [--explore .1] [--open-bars]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtr
from scipy.stats import sem

from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.exploration import MOST, Unknown, explore
from assignment.plan import Plan
from assignment.pooling import FIT, SLIP, paced, slips, with_fit
from assignment.problem import Problem, Queues, staff
from assignment.projection import PRODUCE, REVIEW, SECOND, Asks, Projection, eligible, project
from assignment.solve import solve
from benchmarks.beliefs import table
from irt import belief
from irt.belief import GAUSSIAN, Evidence
from irt.model import Items
from irt.population import bifactor
from vetting.evidence import together
from vetting.learning import ACROSS, BETWEEN, PACE, SPREAD, Work, as_evidence, tallied
from vetting.scale import Axis

QUEUES, FIELDS, SKILLS_A_FIELD = 15, 2, 6
SKILLS = FIELDS * SKILLS_A_FIELD
AXIS = Axis.of("skills", (f"skill {k}" for k in range(SKILLS)))
POPULATION = replace(
    bifactor(np.full(SKILLS, 0.3), np.full(SKILLS, 0.45), [k // SKILLS_A_FIELD for k in range(SKILLS)]),
    mean=np.full(SKILLS, 0.5),
)
DIFFICULTY = 1.1  # such that vetting alone leaves about 13 % rejected
CLOCK, QUEUE = 0.15, 0.25  # sds of log minutes: pace the test saw, queues
SWITCHING = 0.05  # of an hour's pay
POLICIES = ("vetting", "learning", "exploring", "knowing")


@dataclass(frozen=True, eq=False)
class World:
    """What is, what vetting saw of it, and what is wanted every week."""

    noise: float
    theta: Floats  # (E, S)
    seen: Floats  # (E, S) with vetting's error
    fit: Floats  # (E, Q)
    weights: Floats  # (Q, S)
    bars: Floats  # (Q, S)
    asks: Asks
    minutes: Floats  # (Q,) factor on the minutes that were expected
    pace: Floats  # (E,) as the test saw it
    speed: Floats  # (E,) as it is
    hours: Floats  # (E,) a week
    pay: Floats  # (E, 3)
    consent: Bools  # (E, 1, 3)
    queues: Queues

    @property
    def ability(self) -> Floats:
        """(E, Q) x, the fit included."""
        return self.theta @ self.weights.T + self.fit

    @property
    def truth(self) -> Projection:
        """What an all-knowing planner plans with, and what happens."""
        asks = replace(self.asks, minutes=self.asks.minutes * self.minutes)
        return project(self.ability, np.zeros_like(self.fit), asks, self.speed)


@dataclass(eq=False)
class Mind:
    """What a planner believes; outcomes add to it."""

    world: World
    counts: Floats = field(init=False)  # (E, Q, 3) rejected, sent back, accepted
    logs: Floats = field(init=False)  # (E, Q) sum of log realised over expected minutes
    value: Floats = field(init=False)  # (E, Q) what outcomes say of x, and its variance
    noise: Floats = field(init=False)
    means: Floats = field(init=False)  # (E, S)
    covs: Floats = field(init=False)  # (E, S, S)
    minutes: Floats = field(init=False)  # (Q,)
    pace: Floats = field(init=False)  # (E,)
    pace_var: Floats = field(init=False)  # (E,) of its logarithm

    def __post_init__(self) -> None:
        people, world = len(self.world.theta), self.world
        self.counts, self.logs = np.zeros((people, QUEUES, 3)), np.zeros((people, QUEUES))
        self.value, self.noise = np.zeros((people, QUEUES)), np.full((people, QUEUES), np.inf)
        self.means, self.covs = np.empty((people, SKILLS)), np.empty((people, SKILLS, SKILLS))
        self.minutes, self.pace, self.pace_var = np.ones(QUEUES), world.pace, np.full(people, PACE**2)
        self.believe(np.arange(people))

    def believe(self, who: Rows) -> None:
        """Everybody's belief from vetting and outcomes, solved and read as the product does."""
        for e in who:
            parts = [self.seen(e)]
            done = [self.work(e, q) for q in np.flatnonzero(self.counts[e].any(axis=1)).tolist()]
            before = belief.solve(POPULATION, parts[0]).belief
            known = belief.solve(POPULATION, together([*parts, as_evidence(done, AXIS, {}, before)]))
            self.means[e], self.covs[e] = known.mean, known.belief.cov
            weights = self.world.weights
            centre, doubt = weights @ known.mean, np.einsum("qs,st,qt->q", weights, known.belief.cov, weights)
            for work in done:
                q = int(work.queue)
                self.value[e, q], self.noise[e, q] = tallied(work, float(centre[q]), float(doubt[q]), {})

    def seen(self, e: int) -> Evidence:
        """What vetting saw of a person: every skill with an error."""
        noise = np.full(SKILLS, self.world.noise**2)
        one = np.arange(SKILLS)[:, None]
        return Evidence(
            items=Items(one, np.ones((SKILLS, 1)), np.zeros((SKILLS, 1)), np.zeros(SKILLS)),
            level=np.full(SKILLS, GAUSSIAN), value=self.world.seen[e], variance=noise,
            blur=np.zeros(SKILLS), cluster=np.full(SKILLS, -1), effect=np.zeros(SKILLS),
        )  # fmt: skip

    def work(self, e: int, q: int) -> Work:
        used = np.flatnonzero(self.world.weights[q])
        skills = {AXIS.ids[k]: float(self.world.weights[q, k]) for k in used}
        rejected, sent_back, accepted = self.counts[e, q].astype(int).tolist()
        return Work(0, str(q), skills, float(self.world.asks.difficulty[q]), {(): (rejected, sent_back, accepted)})

    def abilities(self) -> tuple[Floats, Floats]:
        """(E, Q) mean and variance of x."""
        weights = self.world.weights
        variance = np.einsum("qs,est,qt->eq", weights, self.covs, weights, optimize=True)
        return with_fit(self.means @ weights.T, variance, self.value, self.noise)

    def admitted(self, policy: str) -> Bools:
        """(E, Q, 3) whom this planner would let in today."""
        if policy != "knowing":
            return self.entitled()
        return eligible(self.world.theta, np.zeros_like(self.means), self.world.bars) & self.world.consent

    def entitled(self) -> Bools:
        """(E, Q, 3) who surely clears the bars."""
        sds = np.sqrt(np.einsum("ess->es", self.covs))
        return eligible(self.means, sds, self.world.bars) & self.world.consent

    def learn(self, counts: Floats, logs: Floats) -> None:
        self.counts, self.logs = self.counts + counts, self.logs + logs
        found = paced(self.logs, self.counts.sum(axis=2), np.zeros(QUEUES, np.intp),
                      spread=SPREAD, person=PACE, between=BETWEEN, across=ACROSS)  # fmt: skip
        self.minutes, self.pace = np.exp(found.group), self.world.pace * np.exp(found.person)
        self.pace_var = found.person_var
        self.believe(np.flatnonzero(counts.any(axis=(1, 2))))


# -- worlds ----------------------------------------------------------------------------------------


def draw_world(rng: np.random.Generator, experts: int, noise: float, load: float) -> World:
    theta = POPULATION.draw(experts, rng)
    seen = theta + noise * rng.standard_normal(theta.shape)
    weights, bars = np.zeros((QUEUES, SKILLS)), np.full((QUEUES, SKILLS), np.nan)
    for q, of in enumerate(rng.integers(FIELDS, size=QUEUES)):
        used = of * SKILLS_A_FIELD + rng.choice(SKILLS_A_FIELD, rng.integers(2, 4), replace=False)
        weights[q, used] = rng.dirichlet(np.full(len(used), 3.0))
        bars[q, used[: rng.integers(1, 3)]] = rng.normal(0.55, 0.5)
    asks = Asks(
        rng.normal(DIFFICULTY, 0.5, QUEUES), rng.choice([20.0, 35.0, 60.0, 100.0], QUEUES),
        rng.choice([6.0, 10.0, 18.0], QUEUES), rng.choice([12.0, 20.0, 30.0], QUEUES),
    )  # fmt: skip
    pace = np.exp(CLOCK * rng.standard_normal(experts))
    wage = np.exp(rng.normal(3.6, 0.3, experts) + 0.12 * seen.max(axis=1))
    world = World(
        noise, theta, seen, FIT * rng.standard_normal((experts, QUEUES)), weights, bars, asks,
        minutes=np.exp(QUEUE * rng.standard_normal(QUEUES)),
        pace=pace, speed=pace * np.exp(PACE * rng.standard_normal(experts)),
        hours=np.minimum(rng.lognormal(np.log(12.0), 0.7, experts), 45.0),
        pay=wage[:, None] * np.array([1.0, 1.0, 1.15]),
        consent=(rng.random((experts, 3)) < np.array([0.95, 0.7, 0.7]))[:, None, :],
        queues=Queues.of(np.zeros(QUEUES), 0.0, review_share=np.where(rng.random(QUEUES) < 0.7, 1.0, 0.3),
                         second_share=rng.uniform(0.08, 0.25, QUEUES)),
    )  # fmt: skip
    return replace(world, queues=wanted(rng, world, load))


def wanted(rng: np.random.Generator, world: World, load: float) -> Queues:
    """Demand and value a week, by what vetting alone expects of those it lets in."""
    mind = Mind(world)
    open_to, seen = mind.entitled(), project(*mind.abilities(), world.asks, world.pace)
    crowd = (open_to[:, :, PRODUCE] * world.hours[:, None]).sum(axis=0)
    people = np.maximum(open_to.sum(axis=0), 1)  # (Q, 3)
    rates = zip((seen.accepted, seen.submitted, seen.reviews, seen.seconds), (0, 0, REVIEW, SECOND), strict=True)
    made, sent, read, reread = ((rate * open_to[:, :, r]).sum(axis=0) / people[:, r] for rate, r in rates)
    checks = world.queues.review_share / np.maximum(read, 0.1) + world.queues.second_share / np.maximum(reread, 0.1)
    usual = (1.0 + sent * checks) / np.maximum(made, 0.05)  # hours behind an accepted unit
    appetite = crowd**0.6 * rng.lognormal(0.0, 0.6, QUEUES)
    ready = world.hours[open_to.any(axis=(1, 2))].sum()
    steps = rng.choice([1.6, 2.2, 3.0, 4.5], QUEUES, p=[0.3, 0.3, 0.25, 0.15])
    return replace(
        world.queues,
        demand=load * ready * appetite / appetite.sum() / usual,
        value=usual * np.median(world.pay) * steps,
    )


# -- a week ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Week:
    """What a week came to."""

    value: float
    net: float
    rejected: float
    submitted: float
    explored: float  # share of hours that were trials


def plan_week(world: World, mind: Mind, policy: str, entry: Bools, before: Floats, at: tuple[int, int],
              most: float) -> tuple[
    Problem, Plan, float
]:  # fmt: skip
    """The problem as the planner sees it, and its plan."""
    mean, variance = mind.abilities()
    asks = replace(world.asks, minutes=world.asks.minutes * mind.minutes)
    sight = world.truth if policy == "knowing" else project(mean, variance, asks, mind.pace)
    switching = SWITCHING * float(world.pay.mean())
    problem = staff(
        sight, entry, world.queues, hours=world.hours, pay=world.pay, before=before, switching=switching
    )  # fmt: skip
    if policy != "exploring":
        return problem, solve(problem), 0.0
    week, weeks = at
    ahead = np.repeat(world.hours[:, None] * (weeks - 1 - week), QUEUES, axis=1)
    unknown = Unknown(mean, variance, asks, mind.pace_var, SPREAD, np.ones(QUEUES), ahead, np.zeros_like(ahead))
    found = explore(problem, unknown, most=most)
    return problem, found.plan, found.share


def happen(world: World, problem: Problem, plan: Plan) -> tuple[Week, Floats]:
    """What the planned hours bring in truth, and the units (A,) made; hours end when a queue has all it wants."""
    e, q, role, truth, queues = problem.expert, problem.queue, problem.role, world.truth, world.queues
    making = role == PRODUCE
    rate = np.select([making, role == REVIEW], [truth.submitted[e, q], truth.reviews[e, q]], truth.seconds[e, q])
    done = [total_by(q, plan.hours * rate * (role == r), QUEUES) for r in (PRODUCE, REVIEW, SECOND)]
    needs = queues.review_share * done[0], queues.second_share * done[0]
    checked = np.min([np.minimum(1.0, done[r] / np.maximum(needs[r - 1], 1e-9)) for r in (REVIEW, SECOND)], axis=0)
    accepted = total_by(q, plan.hours * making * truth.accepted[e, q], QUEUES) * checked
    enough = np.minimum(1.0, queues.demand / np.maximum(accepted, 1e-9))
    worked = plan.hours * enough[q]
    made = worked * rate * making
    value = float(queues.value @ (accepted * enough))
    bad = float(made @ rejection(world)[e, q])
    return Week(value, value - float(problem.cost @ worked), bad, float(made.sum()), 0.0), made


def rejection(world: World) -> Floats:
    """(E, Q) chance that a unit is rejected."""
    return np.asarray(1.0 - ndtr(world.ability - world.asks.difficulty - world.asks.rework_from))


def outcomes(rng: np.random.Generator, world: World, problem: Problem, made: Floats) -> tuple[Floats, Floats]:
    """(E, Q, 3) labels and (E, Q) summed log minutes of the units made, as far as they are whole."""
    units = np.floor(made + rng.random(len(made))).astype(int)
    counts, logs = np.zeros((*world.fit.shape, 3)), np.zeros(world.fit.shape)
    bad, good = rejection(world), world.truth.acceptance
    slip = slips(np.array(SLIP))
    for a in np.flatnonzero(units):
        at = problem.expert[a], problem.queue[a]
        label = np.array([bad[at], max(1.0 - bad[at] - good[at], 0.0), good[at]]) @ slip
        counts[at] += rng.multinomial(units[a], label / label.sum())
        longer = np.log(world.minutes[at[1]] * world.speed[at[0]] / world.pace[at[0]])
        logs[at] += rng.normal(units[a] * longer, SPREAD * np.sqrt(units[a]))
    return counts, logs


def season(
    world: World, policy: str, weeks: int, rng: np.random.Generator, *, open_bars: bool = False, most: float = MOST
) -> list[Week]:
    mind, before, course = Mind(world), np.zeros((0, 4)), []
    entry = mind.entitled()
    for week in range(weeks):
        entry = mind.admitted(policy) if open_bars else entry
        problem, plan, share = plan_week(world, mind, policy, entry, before, (week, weeks), most)
        seen, made = happen(world, problem, plan)
        course.append(replace(seen, explored=share))
        if policy in {"learning", "exploring"}:
            mind.learn(*outcomes(rng, world, problem, made))
        kept = plan.hours > 0
        before = np.column_stack([problem.expert, problem.queue, problem.role, plan.hours])[kept]
    return course


# -- what is told ----------------------------------------------------------------------------------


def compare(courses: dict[str, list[list[Week]]], policy: str, since: int) -> dict[str, float]:
    """Means over worlds, from a week on."""
    gaps, ratios, rejects, nets = [], [], [], []
    for w in range(len(courses[policy])):
        net = {name: sum(week.net for week in runs[w][since:]) for name, runs in courses.items()}
        bad = {
            name: sum(week.rejected for week in runs[w][since:]) / sum(week.submitted for week in runs[w][since:])
            for name, runs in courses.items()
        }
        gaps.append((net[policy] - net["vetting"]) / (net["knowing"] - net["vetting"]))
        ratios.append(bad[policy] / bad["vetting"])
        rejects.append(bad[policy])
        nets.append(net[policy] / net["vetting"] - 1.0)
    told = {"net": float(np.mean(nets)), "gap": float(np.mean(gaps)), "worst gap": float(np.min(gaps)),
            "rejects": float(np.mean(rejects)), "over vetting's": float(np.mean(ratios))}  # fmt: skip
    if len(gaps) > 1:
        told |= {"gap ±": float(sem(gaps)), "over vetting's ±": float(sem(ratios))}
    return told


def study(
    worlds: list[World], seeds: list[int], weeks: int, *, open_bars: bool = False, most: float = MOST
) -> dict[str, dict[str, float]]:
    courses = {
        policy: [
            season(world, policy, weeks, np.random.default_rng([seed, 1]), open_bars=open_bars, most=most)
            for seed, world in zip(seeds, worlds, strict=True)
        ]
        for policy in POLICIES
    }
    late = weeks - max(weeks // 3, 1)
    shares = {policy: [week.explored for run in runs for week in run] for policy, runs in courses.items()}
    return {
        policy: compare(courses, policy, 0)
        | later(compare(courses, policy, late), "late")
        | later(compare(courses, policy, weeks - 1), "last week")
        | {"explored": float(np.mean(shares[policy])), "explored, most": float(np.max(shares[policy]))}
        for policy in courses
    }


def later(found: dict[str, float], when: str) -> dict[str, float]:
    return {f"{name}, {when}": x for name, x in found.items() if name != "worst gap"}


def left(worlds: list[World]) -> float:
    """The sd that vetting leaves on a skill."""
    return float(np.mean([np.sqrt(np.einsum("ess->es", Mind(world).covs)).mean() for world in worlds]))


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench learning", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--experts", type=int, default=300)
    parser.add_argument("--weeks", type=int, default=12)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.3, 0.45, 0.6])
    parser.add_argument("--load", type=float, default=1.6)
    parser.add_argument("--open-bars", action="store_true", help="who clears a bar is believed anew every week")
    parser.add_argument("--explore", type=float, default=MOST, help="share of hours that may be trials")
    wish = parser.parse_args(argv)
    found = {}
    for noise in wish.noise:
        worlds = [draw_world(np.random.default_rng(seed), wish.experts, noise, wish.load) for seed in wish.seeds]
        told = f"vetting's error {noise} (leaves an sd of {left(worlds):.2f}), load {wish.load}"
        found[told] = study(worlds, wish.seeds, wish.weeks, open_bars=wish.open_bars, most=wish.explore)
    print(json.dumps(found, indent=1) if wish.json else table(found))
