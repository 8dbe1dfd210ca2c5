"""Can it be done? Supply now, in 24 and in 48 hours against what is asked, each with its interval.

Now: who surely clears the bars. By then: an expert near a bar who is vetted, a candidate who is decided on, a sitting
that ends, an invitation that is taken up. Each happens by chance; the chances start as stated below and move with
what the records show. Futures are drawn from them, a plan is solved in each, and its units are counted with what is
not known of the people in it. A plan never makes more than is asked, so units are out of what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from assignment import explain
from assignment.projection import ROLES
from assignment.solve import solve
from irt.model import Floats
from vetting import evidence, programs
from vetting import scale as scales
from vetting.decisions.dossier import NINETY
from vetting.evidence import WHOLE
from vetting.messages import RoleForm
from vetting.plans.account import closed, spread
from vetting.plans.papers import held
from vetting.plans.scene import Pool, Wishes, compose, pool_of, table
from vetting.plans.shifts import Able, able_by_queue, because, moved
from vetting.records import Applicant, Invitation, Json, Sitting
from vetting.scale import Scale
from vetting.scope import ProgramForm

HORIZONS = (0, 24, 48)  # hours from now
CHANCE: Mapping[str, tuple[float, float, float]] = {  # of being through by then, before the records say otherwise
    "expert": (0.0, 0.35, 0.55),  # an expert near a bar, asked for a few minutes
    "waiting": (0.0, 0.50, 0.70),  # a candidate with a finished sitting, decided on
    "running": (0.0, 0.40, 0.55),  # a sitting that has begun, ended and decided on
    "invited": (0.0, 0.20, 0.32),  # an invitation that nobody took up yet, ended and decided on
}
STRENGTH = 10.0  # people that a start value counts for, beside what was seen
ADVANCED = (1.0, 1.0)  # Beta prior of a decision being to advance
SHARP, ROLE_SHARP = 0.3, 0.4  # posterior sd after a few minutes on a skill; after a whole sitting
USUAL_HOURS, USUAL_PAY = 15.0, 40.0  # a week, of people who have not said, where nobody has
DRAWS, MOST_CELLS = 16, 60_000  # futures; fewer where people x queues are many, so that an answer comes in seconds
MOST_INVITED = 200  # invitations looked at; more would drown the draws
SOLVE_SECONDS = 2.0
SURE, LIKELY = 0.9, 0.5  # share of futures that staff a queue: feasible, tight


@dataclass(frozen=True, eq=False)
class Bench:
    """Everybody who is or could be in the pool soon; row e is one person in every array."""

    pool: Pool
    cov: Floats  # (E, S, S)
    kind: NDArray[np.str_]  # (E,)
    looked: NDArray[np.bool_]  # (E, S) skills that a further vetting would look at


def feasibility(db: Session, form: ProgramForm, now: datetime, rng: np.random.Generator) -> Json:
    """What of the program can be made by whom, now and soon. Raises ValueError when the program cannot be right."""
    scale = scales.of(scales.latest(db))
    table(form.queues, scale.skills)  # refuses unknown skills before anything is drawn
    ready = programs.experts(db)
    bench = bench_of(db, form, scale, now, ready)
    chances = {kind: seen_chances(db, kind, now) for kind in CHANCE}
    advanced = advance_rate(db)
    futures = [
        [one_future(bench, form, now, {k: c[at] for k, c in chances.items()}, advanced, rng) for _ in range(times)]
        for at, times in enumerate((1, *2 * [draws_of(bench, form)]))
    ]
    queues = [queue_view(form, q, futures, bench.kind) for q in range(len(form.queues))]
    return {
        "program": form.name,
        "hours": list(HORIZONS),
        "people": {kind: int((bench.kind == kind).sum()) for kind in CHANCE},
        "chances": {kind: dict(zip(map(str, HORIZONS), chance, strict=True)) for kind, chance in chances.items()},
        "queues": queues,
        "able": able_by_queue([str(one.id) for one in ready], form.queues, futures[0][0].able[: len(ready)]),
        "feasible": all(queue["verdict"] == "feasible" for queue in queues),
    }


# -- who there is ----------------------------------------------------------------------------------


def bench_of(db: Session, form: ProgramForm, scale: Scale, now: datetime, ready: Sequence[Applicant]) -> Bench:
    """The experts who are ready first, then whoever may become one."""
    known = {person.id for person in ready}
    others = db.scalars(
        select(Applicant).where(~Applicant.decisions.any(), Applicant.sittings.any()).order_by(Applicant.id)
        .options(*WHOLE)
    )  # fmt: skip
    soon = [person for person in others if person.id not in known and person.erasure is None]
    open_seats = unused(db, now)
    people: list[Applicant | None] = [*ready, *soon, *[None for _ in open_seats]]
    beliefs = [evidence.belief(person, scale, now) if person else None for person in people]
    prior = scale.population
    kind = ["expert"] * len(ready) + ["waiting" if any(s.ending for s in p.sittings) else "running" for p in soon]
    hours = [programs.offer(p).hours for p in ready]
    pay = [programs.offer(p).pay for p in ready]
    base = pool_of([*ready], [b for b in beliefs[: len(ready)] if b], scale) if ready else None
    newcomers = len(people) - len(ready)
    usual = (float(np.median(hours)) if hours else USUAL_HOURS, float(np.median(pay)) if pay else USUAL_PAY)
    means = np.array([b.mean if b else prior.mean for b in beliefs]).reshape(len(people), len(prior))
    cov = np.array([b.belief.cov if b else prior.cov for b in beliefs]).reshape(len(people), len(prior), len(prior))
    papers = held(db, now)
    pool = Pool(
        axis=scales.Axis.of("people", map(str, range(len(people)))),
        skills=scale.skills,
        means=means,
        sds=np.sqrt(np.einsum("ess->es", cov)),
        pace=np.concatenate([base.pace if base else np.zeros(0), np.ones(newcomers)]),
        pace_sd=np.concatenate([base.pace_sd if base else np.zeros(0), np.full(newcomers, 0.25)]),
        week=np.concatenate([hours, np.full(newcomers, usual[0])]),
        pay=np.concatenate([pay, np.full(newcomers, usual[1])]),
        languages=(*(base.languages if base else ()), *[frozenset({"en"})] * newcomers),
        papers=(*[papers.get(p.id, frozenset()) for p in ready], *[frozenset[str]()] * newcomers),
    )
    barred = ~np.isnan(table(form.queues, scale.skills)[1]).all(axis=0)  # (S,)
    looked = np.tile(barred, (len(people), 1))
    for row, roles in enumerate([[s.invitation for s in p.sittings] for p in soon] + [[i] for i in open_seats]):
        wanted = {skill for seat in roles for skill in RoleForm.model_validate(seat.role.body).skills}
        looked[len(ready) + row] = [skill in wanted for skill in scale.skills.ids]
    return Bench(pool, cov, np.array(kind + ["invited"] * len(open_seats), dtype=np.str_), looked)


def unused(db: Session, now: datetime) -> list[Invitation]:
    """Personal invitations that nobody took up yet. A link for many counts through the sittings it brings."""
    rows = db.scalars(
        select(Invitation)
        .where(Invitation.expires > now, Invitation.uses == 1, Invitation.applicant_id.is_(None),
               ~Invitation.sittings.any())
        .order_by(Invitation.id.desc())
        .limit(MOST_INVITED)
    )  # fmt: skip
    return list(rows)


def seen_chances(db: Session, kind: str, now: datetime) -> tuple[float, float, float]:
    """The chance of being through by each horizon: the start value, moved by the delays on record."""
    delays = delays_of(db, kind)
    said = [0.0]
    for hours, start in zip(HORIZONS[1:], CHANCE[kind][1:], strict=True):
        limit = timedelta(hours=hours)
        old = [through for began, through in delays if began + limit <= now]
        hits = sum(through is not None and through <= limit for through in old)
        said.append((STRENGTH * start + hits) / (STRENGTH + len(old)))
    return said[0], said[1], max(said[1], said[2])


def delays_of(db: Session, kind: str) -> list[tuple[datetime, timedelta | None]]:
    """(beginning, delay until decided or None) of people who once were of this kind; simulated ones do not count."""
    seats = db.scalars(select(Sitting).join(Sitting.applicant).where(~Applicant.simulated)).all()
    found = []
    for seat in seats:
        end = seat.ending.at if seat.ending else None
        decided = min((d.at for d in seat.applicant.decisions if end and d.at >= end), default=None)
        start = {"waiting": end, "running": seat.at, "invited": seat.invitation.at, "expert": seat.invitation.at}[kind]
        further = seat.invitation.applicant_id is not None
        through = end if kind == "expert" else decided
        if start is not None and further == (kind == "expert"):
            found.append((start, through - start if through else None))
    return found


def advance_rate(db: Session) -> float:
    """The share of decisions that advance somebody."""
    people = db.scalars(select(Applicant).where(Applicant.decisions.any()))
    verdicts = [person.decisions[-1].verdict == "advance" for person in people]
    return (ADVANCED[0] + sum(verdicts)) / (sum(ADVANCED) + len(verdicts))


# -- one future ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Future:
    """What could be made in one future; row q is queue q."""

    units: Floats  # (Q,) planned
    sd: Floats  # (Q,) from what is not known of the people
    people: Floats  # (Q, 3)
    held: tuple[str, ...]  # (Q,) what holds the queue back; "" where nothing does
    said: tuple[str, ...]  # queues closed to everybody, with the way out
    able: Able  # (E, Q) who may work on which


def draws_of(bench: Bench, form: ProgramForm) -> int:
    return int(np.clip(MOST_CELLS // max(len(bench.kind) * len(form.queues), 1), 2, DRAWS))


def one_future(
    bench: Bench, form: ProgramForm, now: datetime, chance: Mapping[str, float], advanced: float,
    rng: np.random.Generator,
) -> Future:  # fmt: skip
    """Draw who is through, what their vetting finds, and plan with them."""
    through = rng.random(len(bench.kind)) < np.array([chance[kind] for kind in bench.kind] or [0.0])[: len(bench.kind)]
    new = bench.kind != "expert"
    here = ~new | (through & (rng.random(len(new)) < advanced))
    vetted = through & (bench.kind != "waiting")
    target = np.where(new, ROLE_SHARP, SHARP)[:, None]
    pool = bench.pool
    sharper = vetted[:, None] & bench.looked & (pool.sds > target)
    learnt = np.sqrt(np.maximum(pool.sds**2 - target**2, 0.0))
    means = pool.means + np.where(sharper, learnt * rng.standard_normal(pool.means.shape), 0.0)
    sds = np.where(sharper, target, pool.sds)
    rows, nobody = np.flatnonzero(here), np.zeros((len(new), len(form.queues)), dtype=bool)
    if not len(rows):
        nothing = np.zeros(len(form.queues))
        return Future(nothing, nothing, np.zeros((len(nothing), 3)), ("produce",) * len(nothing), (), nobody)
    found = planned(
        kept(replace(pool, means=means, sds=sds), rows), bench.cov[rows] * shrunk(pool, sds)[rows], form, now
    )
    nobody[rows] = found.able
    return replace(found, able=nobody)


def shrunk(pool: Pool, sds: Floats) -> Floats:
    """(E, S, S) by what factor each covariance falls when the sds fall."""
    ratio = sds / pool.sds
    return ratio[:, :, None] * ratio[:, None, :]


def kept(pool: Pool, rows: NDArray[np.intp]) -> Pool:
    """The pool of some of its people."""
    return replace(
        pool,
        axis=scales.Axis.of("people", (pool.axis.ids[row] for row in rows)),
        means=pool.means[rows],
        sds=pool.sds[rows],
        pace=pool.pace[rows],
        pace_sd=pool.pace_sd[rows],
        week=pool.week[rows],
        pay=pool.pay[rows],
        languages=tuple(pool.languages[row] for row in rows),
        papers=tuple(pool.held[row] for row in rows),
    )


def planned(pool: Pool, cov: Floats, form: ProgramForm, now: datetime) -> Future:
    weights, _ = table(form.queues, pool.skills)
    variance = np.einsum("qs,est,qt->eq", weights, cov, weights, optimize=True)
    setting = compose(pool, form.queues, variance, Wishes(), now, budget=form.budget)
    plan = solve(setting.problem, time_limit=SOLVE_SECONDS)
    short = {shortage.queue: shortage.held_back_by for shortage in explain.shortages(setting.problem, plan)}
    size = len(form.queues)
    able = np.zeros((len(pool.week), size), dtype=bool)
    able[setting.problem.expert, setting.problem.queue] = True
    return Future(
        units=np.array([queue.units for queue in form.queues]) - explain.unmet(setting.problem, plan),
        sd=np.array([spread(setting, plan, q) for q in range(size)]),
        people=explain.eligible_people(setting.problem),
        held=tuple(short.get(q, "") for q in range(size)),
        said=tuple(closed(setting)),
        able=able,
    )


# -- what is said ----------------------------------------------------------------------------------

LACK = {"produce": "people who may make units", "review": "independent reviewers", "second": "second-level reviewers",
        "budget": "money", "pay": "value above what a unit costs", "": ""}  # fmt: skip


MONEY = {
    "budget": "Maybe raise the budget: people are there, money is not.",
    "pay": "Maybe raise the value or the priority: a unit costs more than it is worth.",
}


def queue_view(form: ProgramForm, q: int, futures: Sequence[Sequence[Future]], kind: NDArray[np.str_]) -> Json:
    queue = form.queues[q]
    supply = [supply_at(hours, queue.units, q, drawn) for hours, drawn in zip(HORIZONS, futures, strict=True)]
    for at, drawn in zip(supply[1:], futures[1:], strict=True):
        at["who"] = moved(futures[0][0].able, [future.able for future in drawn], kind, q)
        at["because"] = because(supply[0]["units"], at, at["who"], len(drawn))
    full = supply[-1]["chance"]
    verdict = "feasible" if full >= SURE else "tight" if full >= LIKELY else "short"
    held = futures[0][0].held[q] or next((future.held[q] for future in futures[-1] if future.held[q]), "")
    shut = [said for said in futures[0][0].said if said.startswith(f"Queue {queue.name!r}:")]
    return {
        "name": queue.name, "units": queue.units, "supply": supply, "verdict": verdict,
        "held_back_by": held, "short_of": LACK[held], "way_out": way_out(queue.units, supply, held, shut, verdict),
    }  # fmt: skip


def supply_at(hours: int, asked: float, q: int, drawn: Sequence[Future]) -> Json:
    """Units out of those asked, with nine chances in ten; the chance that the queue is fully staffed."""
    units, sd = np.array([f.units[q] for f in drawn]), np.array([f.sd[q] for f in drawn])
    mean = float(units.mean())
    reach = NINETY * float(np.sqrt(units.var() + (sd**2).mean()))
    return {
        "hours": hours, "units": mean, "low": max(mean - reach, 0.0), "high": min(mean + reach, asked),
        "chance": float((units >= asked * (1 - 1e-3)).mean()),
        "error": float(np.sqrt(units.var() / len(drawn))),
        "people": {role: float(np.mean([f.people[q, r] for f in drawn])) for r, role in enumerate(ROLES)},
    }  # fmt: skip


def way_out(asked: float, supply: Sequence[Json], held: str, shut: Sequence[str], verdict: str) -> str:
    """The cheapest way out that the figures show."""
    if verdict == "feasible":
        return ""
    if shut:
        return shut[0]
    now, later = supply[0]["units"], supply[-1]["units"]
    if later > now + 0.05 * asked:
        return f"Maybe vet the people who wait: in 48 hours {later:,.0f} instead of {now:,.0f} units are in reach."
    if held in MONEY:
        return MONEY[held]
    if later < 0.5:
        return f"Maybe invite {LACK[held] or LACK['produce']}, or lower a bar: nobody is in reach."
    more, who = asked / later, LACK[held] or "more people"
    times = f"{more:.2f}" if more < 1.1 else f"{more:.1f}"
    return f"Maybe ask for {later:,.0f} units, give {times} times the time, or invite {who}."
