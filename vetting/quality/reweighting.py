"""What outcomes say of a queue's weights, beside the stated ones; used once a lead accepts them, until taken back.

A queue's wording keeps the weights that hold in `skills` and, where these are learnt, those that were stated in
`stated`. Accepting and taking back are one more wording each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assignment.reweighting import Reweighted, reweigh
from irt.belief import solve
from irt.model import Floats
from vetting import evidence, programs
from vetting.learning import Work, skills_of, tallied, works
from vetting.records import Applicant, AuditEntry, Json, Program, Queue
from vetting.scale import Scale
from vetting.scope import QueueForm
from vetting.work_records import Outcome, Submission, Unit

FEWEST_PEOPLE, FEWEST_UNITS = 10, 100  # before learnt weights may be used
DIGITS = 4


@dataclass(frozen=True)
class Weight:
    """One skill's weight in a queue, as a share."""

    skill: str
    stated: float
    used: float
    learnt: float
    sd: float


@dataclass(frozen=True)
class Learnt:
    """What outcomes say of one queue's weights."""

    queue: str
    weights: tuple[Weight, ...]
    people: int
    units: int
    taken: bool  # whether learnt weights are in use
    lacking: str  # what is still needed before they may be; empty when nothing is

    def as_json(self) -> Json:
        return {
            "queue": self.queue, "people": self.people, "units": self.units, "taken": self.taken,
            "lacking": self.lacking, "weights": [vars(one) for one in self.weights],
        }  # fmt: skip


def learnt(db: Session, program: Program, queue: QueueForm, scale: Scale, now: datetime) -> Learnt:
    """Stated, used and learnt weights of the skills that errors of content speak about."""
    stated = skills_of(stated_form(queue), "content")
    skills = list(stated)
    seen = [observation(person, program, queue.name, skills, scale, now) for person in makers(db, program, queue.name)]
    told = [one for one in seen if one is not None]
    k = len(skills)
    found = reweigh(
        np.array([one[0] for one in told], dtype=float), np.array([one[1] for one in told], dtype=float),
        np.array([one[2] for one in told]).reshape(-1, k), np.array([one[3] for one in told]).reshape(-1, k, k),
        np.array(list(stated.values())),
    )  # fmt: skip
    units = sum(one[4] for one in told)
    return told_of(queue, stated, found, len(told), units)


def told_of(queue: QueueForm, stated: dict[str, float], found: Reweighted, people: int, units: int) -> Learnt:
    used = skills_of(queue, "content")
    weights = tuple(
        Weight(skill, stated[skill], used[skill], float(w), float(sd))
        for skill, w, sd in zip(stated, found.weights, found.sds, strict=True)
    )
    return Learnt(queue.name, weights, people, units, bool(queue.stated), lacking(weights, people, units))


def lacking(weights: tuple[Weight, ...], people: int, units: int) -> str:
    if len(weights) < 2:
        return "The queue leans on one skill: there is nothing to weigh."
    if people < FEWEST_PEOPLE or units < FEWEST_UNITS:
        return f"{people} people with {units} settled units; {FEWEST_PEOPLE} with {FEWEST_UNITS} are needed."
    return ""


def stated_form(queue: QueueForm) -> QueueForm:
    return queue.model_copy(update={"skills": queue.stated or queue.skills, "stated": {}})


def makers(db: Session, program: Program, queue: str) -> list[Applicant]:
    """Everybody whose work in the queue has an outcome."""
    here = select(Outcome.applicant_id).join(Submission).join(Unit).where(
        Unit.program_id == program.id, Unit.queue == queue
    )  # fmt: skip
    people = select(Applicant).where(Applicant.id.in_(here)).order_by(Applicant.id)
    return list(db.scalars(people.options(*evidence.WHOLE)))


def observation(
    person: Applicant, program: Program, queue: str, skills: list[str], scale: Scale, now: datetime
) -> tuple[float, float, Floats, Floats, int] | None:
    """(value, noise, mean, covariance, units): somebody's work in the queue, and their skills from everything else."""
    everything = works(person.work_seen)
    here = [one for one in everything if is_of(one, program, queue) and set(one.skills) == set(skills)]
    if not here or not set(skills) <= set(scale.skills.position):
        return None
    elsewhere = [one for one in everything if not is_of(one, program, queue)]
    known = solve(scale.population, evidence.gather_around(person, scale, now, elsewhere))
    rows = scale.skills.rows(skills)
    mean, cov = known.mean[rows], known.belief.cov[np.ix_(rows, rows)]
    weights = np.array([here[0].skills[skill] for skill in skills])
    value, noise = tallied(here[0], float(weights @ mean), float(weights @ cov @ weights), scale.reviewers)
    return value, noise, mean, cov, sum(here[0].tally)


def is_of(work: Work, program: Program, queue: str) -> bool:
    return (work.program, work.queue) == (program.id, queue)


# -- what a lead decides ----------------------------------------------------------------------------


def accept(db: Session, program: Program, found: Learnt, who: str, now: datetime) -> Queue:
    """Use the learnt weights from now on; the stated ones stay beside them."""
    if found.lacking:
        raise ValueError(f"queue {found.queue!r}: {found.lacking} Maybe wait for more outcomes.")
    queue = form_of(program, found.queue)
    total = sum(queue.skills[one.skill] for one in found.weights)
    fresh = {one.skill: round(total * one.learnt, DIGITS) for one in found.weights}
    worded = queue.model_copy(update={"skills": queue.skills | fresh, "stated": queue.stated or queue.skills})
    return reword(db, program, worded, "took learnt weights", who, now)


def take_back(db: Session, program: Program, name: str, who: str, now: datetime) -> Queue:
    """The stated weights hold again."""
    queue = form_of(program, name)
    if not queue.stated:
        raise ValueError(f"queue {name!r} has its stated weights. Maybe another queue was meant.")
    return reword(db, program, stated_form(queue), "took back learnt weights", who, now)


def form_of(program: Program, name: str) -> QueueForm:
    found = {queue.name: queue for queue in programs.queues_of(program)}
    if name not in found:
        raise ValueError(f"program {program.name!r} has no queue {name!r}. Maybe {', '.join(found) or 'add one'}.")
    return found[name]


def reword(db: Session, program: Program, queue: QueueForm, what: str, who: str, now: datetime) -> Queue:
    worded = Queue(at=now, name=queue.name, body=queue.model_dump(mode="json"))
    program.queues.append(worded)
    about = {"program": program.id, "queue": queue.name, "weights": queue.skills}
    db.add(AuditEntry(at=now, who=who, what=what, about=about))
    db.flush()
    return worded
