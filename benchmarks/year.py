"""A simulated year: are sprints that can be staffed staffed within 48 hours?

Sprints of one to three queues come at random, with random skills, bars, sizes and due dates. The pool changes: experts
leave, candidates come, sit a test on half of the skills and are decided on; hours promised to one sprint are gone for
the next. When a sprint comes, the product's own feasibility function (vetting.plans.feasibility.one_future over futures
drawn) says whether it can be done. Then it happens: experts near a bar are vetted and candidates come through with the
chances that feasibility states, vetting finds their true skills with its error, and at 0, 24 and 48 hours the
product's plan (vetting.plans.scene.compose, assignment.solve) is made for what is left to do. Staffed: a plan covers
every unit by its due date. Whoever is ready works from the first plan on.

"said feasible": every queue is fully staffed in at least nine futures of ten. "in reach": a plan would cover every
unit if all that these 48 hours of vetting find were known in the first of them; what vetting and pool allow. "possible
to the all-knowing": the same with everybody's true skills in place of what vetting finds; no vetting is that good.
Intervals are Wilson's, 95 %. --through scales the true chances of coming through, which the engine goes on believing
to be as stated.

    python3 dev.py bench year [--json] [--seeds 1 2] [--days 365] [--sprints .4] [--people 150] [--through 1]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from scipy.stats import binomtest

from assignment import explain
from assignment.arrays import Bools, Floats, Rows, total_by
from assignment.solve import solve
from benchmarks.beliefs import table as told
from irt.population import bifactor
from vetting.plans.feasibility import CHANCE, DRAWS, ROLE_SHARP, SHARP, SURE, Bench, one_future
from vetting.plans.scene import Pool, Scene, Wishes, compose, table
from vetting.scale import Axis
from vetting.scope import ProgramForm, QueueForm

FIELDS, SKILLS_A_FIELD = 2, 6
SKILLS = FIELDS * SKILLS_A_FIELD
AXIS = Axis.of("skills", (f"field{k // SKILLS_A_FIELD}.skill{k % SKILLS_A_FIELD}" for k in range(SKILLS)))
POPULATION = replace(
    bifactor(np.full(SKILLS, 0.3), np.full(SKILLS, 0.45), [k // SKILLS_A_FIELD for k in range(SKILLS)]),
    mean=np.full(SKILLS, 0.5),
)
DAY = timedelta(days=1)
START = datetime(2027, 1, 4, 8, tzinfo=UTC)
STAY = 300.0  # days an expert stays, in the mean
CANDIDATES = 2.0  # that come a day
PATIENCE = 4  # days after which a sitting is given up
ADVANCED = 0.5  # of candidates who are decided on
HOURS_A_UNIT = 1.0  # about, with reviews; sizes are drawn in hours
ASKED = 0.5  # of the skills that a first test looks at
COLUMNS = ("theta", "mean", "cov", "week", "pay", "pace", "role", "kind")  # of a town, in the order of `newcomers`
COVERED = 1e-3  # share of a queue's units that may be left


@dataclass(eq=False)
class Town:
    """Everybody there is today; row e is one person in every array."""

    theta: Floats  # (E, S) true skills
    mean: Floats  # (E, S) believed
    cov: Floats  # (E, S, S)
    week: Floats  # (E,) hours
    pay: Floats  # (E,)
    pace: Floats  # (E,)
    role: Bools  # (E, S) skills that their first test looked at
    kind: Rows  # (E,) 0 expert, else the day count of a running sitting, from 1
    busy: list[tuple[datetime, Rows, Floats]]  # (until, (E,) ids, hours a week promised)
    ids: Rows  # (E,)

    def keep(self, rows: Bools) -> None:
        for name in (*COLUMNS, "ids"):
            setattr(self, name, getattr(self, name)[rows])

    def free(self, now: datetime) -> Floats:
        """(E,) hours a week that no sprint holds."""
        self.busy = [one for one in self.busy if one[0] > now]
        left = self.week.copy()
        for _, ids, rate in self.busy:
            at = {one: row for row, one in enumerate(self.ids)}
            for one, hours in zip(ids, rate, strict=True):
                if one in at:
                    left[at[one]] -= hours
        return np.maximum(left, 0.0)


def settle(rng: np.random.Generator, people: int) -> Town:
    """A pool of experts who were vetted."""
    drawn: dict[str, Any] = dict(zip(COLUMNS, newcomers(rng, people, 0), strict=True))
    town = Town(**drawn, busy=[], ids=np.arange(people))
    learn(rng.standard_normal(town.theta.shape), town, town.role, np.full(people, ROLE_SHARP))
    return town


def newcomers(rng: np.random.Generator, count: int, kind: int) -> tuple[Any, ...]:
    """COLUMNS of people of whom nothing is known yet."""
    return (
        POPULATION.draw(count, rng), np.tile(POPULATION.mean, (count, 1)), np.tile(POPULATION.cov, (count, 1, 1)),
        np.minimum(rng.lognormal(np.log(12.0), 0.7, count), 45.0), np.exp(rng.normal(3.6, 0.3, count)),
        np.exp(rng.normal(0.0, 0.2, count)), rng.random((count, SKILLS)) < ASKED, np.full(count, kind),
    )  # fmt: skip


def learn(luck: Floats, town: Town, looked: Bools, target: Floats) -> None:
    """Vetting sees skills (E, S) until their sds are at the target (E,), with errors `luck` (E, S) in their sds."""
    sds = np.sqrt(np.einsum("ess->es", town.cov))
    sharper = looked & (sds > target[:, None])
    after = np.where(sharper, target[:, None], sds)
    noise = 1.0 / np.maximum(after**-2.0 - sds**-2.0, 1e-12)
    seen = town.theta + np.sqrt(noise) * luck
    pull = np.where(sharper, sds**2 / (sds**2 + noise), 0.0)
    town.mean = town.mean + pull * np.where(sharper, seen - town.mean, 0.0)
    ratio = after / sds
    town.cov = town.cov * ratio[:, :, None] * ratio[:, None, :]


def pass_day(rng: np.random.Generator, town: Town) -> None:
    """Experts leave, candidates come, and those who took too long are given up."""
    gone = (town.kind == 0) & (rng.random(len(town.kind)) < 1.0 / STAY)
    town.kind = np.where(town.kind > 0, town.kind + 1, 0)
    town.keep(~gone & (town.kind <= PATIENCE))
    come = int(rng.poisson(CANDIDATES))
    for name, rows in zip(COLUMNS, newcomers(rng, come, 1), strict=True):
        setattr(town, name, np.concatenate([getattr(town, name), rows]))
    first = int(town.ids.max(initial=0)) + 1
    town.ids = np.concatenate([town.ids, np.arange(first, first + come)])


# -- a sprint ----------------------------------------------------------------------------------------


def draw_sprint(rng: np.random.Generator, number: int, now: datetime) -> ProgramForm:
    queues = []
    for q in range(int(rng.integers(1, 4))):
        used = int(rng.integers(FIELDS)) * SKILLS_A_FIELD + rng.choice(
            SKILLS_A_FIELD, rng.integers(2, 4), replace=False
        )
        barred = used[: rng.integers(1, 3)]
        queues.append(QueueForm(
            name=f"queue {q}", kind=str(rng.choice(["sft", "evaluation", "preference", "process_supervision"])),
            skills={AXIS.ids[k]: float(w) for k, w in zip(used, rng.dirichlet(np.full(len(used), 3.0)), strict=True)},
            bars={AXIS.ids[k]: float(np.clip(rng.normal(0.6, 0.5), -2, 2)) for k in barred},
            difficulty=float(np.clip(rng.normal(0.3, 0.5), -2, 2)), priority="must",
            units=float(np.ceil(rng.lognormal(np.log(60.0), 1.0) / HOURS_A_UNIT)), reviews=1.0,
            second=float(rng.choice([0.0, 0.1])), due=(now + DAY * int(rng.integers(4, 15))).date(),
        ))  # fmt: skip
    return ProgramForm(name=f"sprint {number}", queues=queues)


def pool_of(town: Town, week: Floats, rows: Bools, *, true: bool = False) -> Pool:
    sds = np.sqrt(np.einsum("ess->es", town.cov))[rows]
    return Pool(
        axis=Axis.of("people", map(str, town.ids[rows])), skills=AXIS,
        means=town.theta[rows] if true else town.mean[rows], sds=np.zeros_like(sds) if true else sds,
        pace=town.pace[rows], pace_sd=np.zeros(int(rows.sum())), week=week[rows], pay=town.pay[rows],
        languages=(frozenset({"en"}),) * int(rows.sum()),
        papers=(frozenset(),) * int(rows.sum()),
    )  # fmt: skip


def said_feasible(rng: np.random.Generator, town: Town, form: ProgramForm, now: datetime) -> bool:
    """The verdict that a lead sees."""
    barred = ~np.isnan(table(form.queues, AXIS)[1]).all(axis=0)
    everybody = np.ones(len(town.ids), dtype=bool)
    looked = np.where(town.kind[:, None] > 0, town.role, barred)
    kind = np.where(town.kind > 0, "running", "expert").astype(np.str_)
    bench = Bench(pool_of(town, town.free(now), everybody), town.cov, kind, looked)
    chance = {name: by[2] for name, by in CHANCE.items()}
    futures = [one_future(bench, form, now, chance, ADVANCED, rng).units for _ in range(DRAWS)]
    asked = np.array([queue.units for queue in form.queues])
    full = (np.array(futures) >= asked * (1 - COVERED)).mean(axis=0)
    return bool((full >= SURE).all())


def planned(pool: Pool, cov: Floats, form: ProgramForm, now: datetime) -> tuple[Scene, Floats, Floats]:
    """(the scene, units that a plan leaves, hours on the arcs)."""
    weights, _ = table(form.queues, AXIS)
    variance = np.einsum("qs,est,qt->eq", weights, cov, weights, optimize=True)
    setting = compose(pool, form.queues, variance, Wishes(), now)
    plan = solve(setting.problem, time_limit=2.0)
    return setting, explain.unmet(setting.problem, plan), plan.hours


@dataclass(frozen=True, eq=False)
class Fate:
    """What the next 48 hours hold: who comes through by when, and the errors that their vetting makes."""

    waves: tuple[Bools, Bools]  # (E,) through by 24 hours, by 48
    luck: Floats  # (E, S)


def draw_fate(rng: np.random.Generator, town: Town, through: float) -> Fate:
    """Experts' sittings, and candidates who are advanced."""
    when = rng.random(len(town.kind)) / max(through, 1e-9)
    expert = town.kind == 0
    advanced = expert | (rng.random(len(town.kind)) < ADVANCED)
    by = [np.where(expert, CHANCE["expert"][at], CHANCE["running"][at]) for at in (1, 2)]
    return Fate(((when < by[0]) & advanced, (when < by[1]) & advanced), rng.standard_normal(town.theta.shape))


def vet(town: Town, form: ProgramForm, fate: Fate, new: Bools) -> None:
    """Those who come through are experts now, and the skills that were looked at are known."""
    barred = ~np.isnan(table(form.queues, AXIS)[1]).all(axis=0)
    looked = np.where(town.kind[:, None] > 0, town.role, barred) & new[:, None]
    learn(fate.luck, town, looked, np.where(town.kind > 0, ROLE_SHARP, SHARP))
    town.kind = np.where(new, 0, town.kind)


def covers(left: Floats, form: ProgramForm) -> bool:
    return bool((left <= COVERED * np.array([queue.units for queue in form.queues])).all())


def staffed(town: Town, form: ProgramForm, now: datetime, fate: Fate) -> int | None:
    """Hours until a plan covers the sprint; None if it takes more than 48. Who was vetted stays vetted."""
    rest, free, before = form, town.free(now), np.zeros(len(town.ids), dtype=bool)
    for step, wave in enumerate((before, *fate.waves)):
        vet(town, form, fate, wave & ~before)
        before, at = before | wave, now + step * DAY
        here = town.kind == 0
        setting, left, hours = planned(pool_of(town, free, here), town.cov[here], rest, at)
        if covers(left, rest):
            commit(town, setting, hours, here, rest, at)
            return step * 24
        rest = worked_on(rest, left, at)
    return None


def worked_on(form: ProgramForm, left: Floats, now: datetime) -> ProgramForm:
    """What remains after a day of the plan's work."""
    queues = []
    for queue, missing in zip(form.queues, left, strict=True):
        days = max((ends(queue) - now) / DAY, 1.0)
        done = (queue.units - missing) / days
        queues.append(queue.model_copy(update={"units": max(queue.units - done, 1e-6)}))
    return form.model_copy(update={"queues": queues})


def ends(queue: QueueForm) -> datetime:
    if queue.due is None:
        raise ValueError(f"queue {queue.name!r} of a sprint has no date.")
    return datetime.combine(queue.due, datetime.max.time(), tzinfo=UTC)


def commit(town: Town, setting: Scene, hours: Floats, here: Bools, form: ProgramForm, now: datetime) -> None:
    """The plan's hours are gone for other sprints, queue by queue until its date."""
    ids, problem = town.ids[here], setting.problem
    for q, queue in enumerate(form.queues):
        spent = total_by(problem.expert, np.where(problem.queue == q, hours, 0.0), len(ids))
        some = spent > 1e-9
        town.busy.append((ends(queue), ids[some], spent[some] / ((ends(queue) - now) / (7 * DAY))))


def in_reach(town: Town, form: ProgramForm, now: datetime, fate: Fate) -> bool:
    """Whether a plan would cover the sprint if all that 48 hours of vetting find were known in the first hour."""
    later = replace(town)
    vet(later, form, fate, fate.waves[1])
    here = later.kind == 0
    return covers(planned(pool_of(later, town.free(now), here), later.cov[here], form, now)[1], form)


def possible(town: Town, form: ProgramForm, now: datetime, fate: Fate) -> bool:
    """Whether somebody who knew everybody's true skills could cover the sprint with whoever comes through."""
    here = (town.kind == 0) | fate.waves[1]
    pool = pool_of(town, town.free(now), here, true=True)
    return covers(planned(pool, np.zeros_like(town.cov[here]), form, now)[1], form)


# -- the year ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sprint:
    """What was said of a sprint, what was possible, and after how many hours it was staffed."""

    said: bool
    in_reach: bool
    possible: bool
    after: int | None


def year(seed: int, days: int, rate: float, people: int, through: float) -> list[Sprint]:
    rng = np.random.default_rng(seed)
    town = settle(rng, people)
    sprints: list[Sprint] = []
    for day in range(days):
        now = START + day * DAY
        pass_day(rng, town)
        for _ in range(int(rng.poisson(rate))):
            form = draw_sprint(rng, len(sprints), now)
            fate = draw_fate(rng, town, through)
            views = (
                said_feasible(rng, town, form, now),
                in_reach(town, form, now, fate),
                possible(town, form, now, fate),
            )
            sprints.append(Sprint(*views, staffed(town, form, now, fate)))
    return sprints


def share(sprints: list[Sprint]) -> dict[str, float]:
    hits = sum(one.after is not None for one in sprints)
    if not sprints:
        return {"sprints": 0.0}
    low, high = binomtest(hits, len(sprints)).proportion_ci(method="wilson")
    at_once = sum(one.after == 0 for one in sprints)
    return {"sprints": len(sprints), "staffed in 48 h": hits / len(sprints), "low": float(low), "high": float(high),
            "at once": at_once / len(sprints)}  # fmt: skip


def summary(sprints: list[Sprint]) -> dict[str, dict[str, float]]:
    return {
        "all": share(sprints),
        "said feasible": share([one for one in sprints if one.said]),
        "in reach": share([one for one in sprints if one.in_reach]),
        "possible to the all-knowing": share([one for one in sprints if one.possible]),
        "not said feasible": share([one for one in sprints if not one.said]),
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench year", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--sprints", type=float, default=0.4, help="a day, in the mean")
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--through", type=float, default=1.0, help="factor on the true chances of coming through")
    wish = parser.parse_args(argv)
    done = [
        one for seed in wish.seeds for one in year(seed, wish.days, wish.sprints, wish.people, wish.through)
    ]  # fmt: skip
    found = {f"{wish.days} days, seeds {wish.seeds}": summary(done)}
    print(json.dumps(found, indent=1) if wish.json else told(found))
