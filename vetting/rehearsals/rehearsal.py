"""Simulated people sit the real test: for the demo, for load, and to see what a role's settings lead to.

Each simulated person has true skills from the scale's population, and the true items differ from the
start values by as much as the start values say they may. Their answers are drawn levels kept under the
rater "simulated"; interviews they hold in the bank's own examples (mock_interview.py). Everything else (selection,
stopping, records) is what real applicants meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from irt.belief import Belief, answers, solve
from irt.model import Floats, Ints, Items
from irt.population import Population
from irt.selection import Pool, scan
from irt.simulation import respond
from irt.timing import OMEGA, SIGMA, Pace, expected_minutes, simulate_minutes
from item_bank.load import Bank
from item_bank.start import DIFFICULTY, SD_DIFFICULTY, SD_LOG_SLOPE
from vetting import scale as scales
from vetting.evidence import graded
from vetting.interviews import interview
from vetting.messages import ClaimForm, ResumeForm
from vetting.records import Invitation, Json, Question, Sitting
from vetting.rehearsals import mock_interview
from vetting.rehearsals.mock_interview import Talk
from vetting.scale import Scale
from vetting.sittings import resume, sitting
from vetting.sittings.aim import looks_at, read_aim, wished

RATER = "simulated"
SELF_SD, SELF_HIGH = 3.3, 0.5  # how far people are from knowing their own skills, in population sds
PARALLEL = 3  # forms that share the bank, each shown to a third of the people


@dataclass(frozen=True, eq=False)
class World:
    """What is true behind the simulated answers."""

    items: Items  # (I,) as they really are
    theta: Floats  # (P, D)
    speed: Floats  # (P,)
    levels: Ints  # (P, I) what each person would answer to each item, asked or not
    minutes: Floats  # (P, I)
    talk: Talk  # what they would show in interviews


def world(scale: Scale, people: int, rng: np.random.Generator) -> World:
    """People and items drawn from what the scale believes possible."""
    items = possible_items(scale.parameters, rng)
    theta = scale.population.draw(people, rng)
    speed = rng.normal(0.0, OMEGA, people)
    intensity = scale.intensity + rng.normal(0.0, 1.0, len(scale.intensity)) * scale.sd_intensity
    (own,) = rng.spawn(1)  # so that probes, however many, change nobody's answers to items
    talk = mock_interview.talk(possible_items(scale.probes.parameters, own), theta, speed, scale, own)
    return World(items, theta, speed, respond(theta, items, rng), simulate_minutes(intensity, speed, SIGMA, rng), talk)


def possible_items(items: Items, rng: np.random.Generator) -> Items:
    """Items as they might be, given start values: slopes and difficulties off by their stated spread."""
    factor = np.exp(rng.normal(0.0, SD_LOG_SLOPE, len(items)) - SD_LOG_SLOPE**2 / 2)[:, None]
    shift = rng.normal(0.0, SD_DIFFICULTY, len(items))[:, None] * np.linalg.norm(items.slope, axis=1)[:, None]
    return replace(items, slope=items.slope * factor, threshold=items.threshold + shift)


def self_ratings(theta: Floats, rng: np.random.Generator) -> Floats:
    """How people rate their own skills (people, K): too high, and off by an error of which half the variance is shared.

    The correlation with the truth is about .29 (Zell & Krizan, 2014).
    """
    own, shared = rng.standard_normal(theta.shape), rng.standard_normal((len(theta), 1))
    rated: Floats = theta + SELF_HIGH + SELF_SD * np.sqrt(0.5) * (own + shared)
    return rated


def tell(db: Session, seat: Sitting, truth: World, person: int, now: datetime, rng: np.random.Generator) -> None:
    """A simulated person tells of the role's skills."""
    skills = list(wished(seat.aim))
    rated = self_ratings(truth.theta[[person]][:, scales.of(seat.calibration).skills.rows(skills)], rng)[0]
    told = [ClaimForm(skill=skill, level=resume.nearest(x), source="") for skill, x in zip(skills, rated, strict=True)]
    resume.confirm(db, seat.applicant, ResumeForm(claims=told), now)


def sit(
    db: Session, invitation: Invitation, truth: World, person: int, bank: Bank, *, demand: Json, now: datetime,
    rng: np.random.Generator, name: str = "Simulated", tells: bool = False,
) -> Sitting:  # fmt: skip
    """One simulated person from invitation to end, through the same functions as a real one."""
    seat = sitting.begin(db, invitation, name=name, extra_time=1.0, demand=demand, now=now, rng=rng, simulated=True)
    scale = scales.of(seat.calibration)
    if tells:
        tell(db, seat, truth, person, now, rng)
    while isinstance(step := sitting.next_step(db, seat, bank, now), Question):
        if interview.is_interview(step, bank):
            now = mock_interview.hold(db, step, truth.talk, person, bank, scale, now, rng)
            continue
        row = scale.items.position[step.item_id]
        level, minutes = int(truth.levels[person, row]), float(truth.minutes[person, row])
        now += timedelta(minutes=minutes)
        sitting.answer(
            db, seat, step, {"simulated": str(level)}, request_id=f"simulated-{seat.id}-{step.number}", bank=bank,
            now=now, grade=lambda _item, said: int(str(said["simulated"])), rater=RATER,
        )  # fmt: skip
    return seat


# -- against a fixed form --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Comparison:
    """Adaptive sittings beside fixed forms, person by person."""

    minutes: Floats  # (P,) adaptive
    questions: Ints  # (P,)
    fixed: dict[str, Floats]  # name of a form: (P, 3) minutes and questions until as precise, and 1 where it got there
    inside: NDArray[np.bool_]  # intervals, over people and the role's skills, that hold the truth


def compare(seats: list[Sitting], truth: World, bank: Bank, z: float) -> Comparison:
    """What the same simulated people would have needed with fixed forms of the same bank.

    "conventional" takes the role's skills in turn, middling difficulty first; "best possible" is the best
    order for all that does not look at the answers, with the same eye for minutes and correlations; "best, three
    forms" deals that order out to three forms, so that as with the adaptive test no question is shown to all. They
    are scored as the adaptive test is; "one skill at a time" is the conventional form with each skill scored alone.
    """
    scale = scales.of(seats[0].calibration)
    usual, best = conventional_form(scale, seats[0], bank), best_form(scale, seats[0])
    alone = Population(scale.population.mean, np.zeros((len(scale.population), 1)), np.ones(len(scale.population)))
    forms = {
        "one skill at a time": ([usual], alone), "conventional": ([usual], scale.population),
        "best, three forms": ([best[first::PARALLEL] for first in range(PARALLEL)], scale.population),
        "best possible": ([best], scale.population),
    }  # fmt: skip
    measured = [measure(seat, truth, person, scale, z) for person, seat in enumerate(seats)]
    weight = read_aim(seats[0].aim, scale).weight

    def needs(orders: list[Ints], prior: Population, person: int) -> tuple[float, int, float]:
        order = orders[person % len(orders)]
        goal = float(weight @ np.log(measured[person].sd))
        length, reached = until(order, truth.levels[person], scale, prior, weight, goal)
        return float(truth.minutes[person][order[:length]].sum()), length, reached

    people = range(len(seats))
    return Comparison(
        minutes=np.array([seen.minutes for seen in measured]),
        questions=np.array([seen.questions for seen in measured]),
        fixed={name: np.array([needs(*form, p) for p in people]) for name, form in forms.items()},
        inside=np.concatenate([seen.inside for seen in measured]),
    )


def conventional_form(scale: Scale, seat: Sitting, bank: Bank) -> Ints:
    """The role's skills in turn; within a skill the items nearest to a middling difficulty first."""
    queues = [
        sorted(
            (key for key, item in bank.items.items() if max(item.skills, key=lambda s: item.skills[s]) == skill),
            key=lambda key: abs(DIFFICULTY[bank.items[key].level] + bank.items[key].nudge),
        )
        for skill in seat.aim["weight"]
    ]
    turns = [key for turn in zip_longest(*queues) for key in turn if key is not None]
    return scale.items.rows(turns)


def best_form(scale: Scale, seat: Sitting) -> Ints:
    """The best order of the bank if nothing may depend on the answers: most expected hinge per minute first."""
    aim = read_aim(seat.aim, scale)
    belief = Belief(scale.population.mean, scale.population.cov)
    open_items = looks_at(scale, wished(seat.aim))
    minutes = expected_minutes(scale.intensity, Pace(), spread=scale.sd_intensity)
    order: list[int] = []
    while open_items.any():
        chances = scan(belief, Pool(scale.parameters, scale.blur, minutes), aim, open_items)
        if len(chances.order) == 0:
            break
        best = int(chances.order[0])
        item = scale.parameters.rows(np.array([best]))
        u = (belief.cov[:, item.skill[0]] * item.slope[0]).sum(-1)
        belief = replace(belief, cov=belief.cov - chances.shrink[best] * np.outer(u, u))
        open_items[best] = False
        order.append(best)
    return np.array(order)


@dataclass(frozen=True, eq=False)
class Measured:
    """How one sitting went."""

    minutes: float
    questions: int
    sd: Floats  # (D,)
    inside: NDArray[np.bool_]  # intervals of the role's skills that hold the truth


def measure(seat: Sitting, truth: World, person: int, scale: Scale, z: float) -> Measured:
    asked = scale.items.rows(question.item_id for question in seat.questions)
    level = np.array([grade.level for _, grade in graded([seat], scale)])
    posterior = solve(scale.population, answers(scale.parameters.rows(asked), level, scale.blur[asked]))
    wanted = np.flatnonzero(read_aim(seat.aim, scale).weight > 0)
    inside = np.abs(truth.theta[person, wanted] - posterior.mean[wanted]) <= z * posterior.sd[wanted]
    return Measured(float(truth.minutes[person][asked].sum()), len(asked), posterior.sd, inside)


def until(order: Ints, level: Ints, scale: Scale, prior: Population, weight: Floats, goal: float) -> tuple[int, float]:
    """How many items of the order bring the weighted mean log standard error down to a goal; by bisection."""

    def precise(length: int) -> bool:
        rows = order[:length]
        seen = solve(prior, answers(scale.parameters.rows(rows), level[rows], scale.blur[rows]))
        return bool(weight @ np.log(seen.sd) <= goal)

    low, high = 0, len(order)
    if not precise(high):
        return high, 0.0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if precise(middle) else (middle, high)
    return high, 1.0
