"""The next unit for an expert: unfinished work first, then what the plan owes them, at the plan's prices.

    1  what they have taken, or were offered and have not answered
    2  a unit of theirs that was sent back
    3  a dispute they may decide: eligible, and no party to it
    4  the arc of the plan that is furthest behind its share; where nothing planned waits, the one worth most
    5  whatever else waits, what was begun before what is new: nothing stays while an eligible person is idle

Only this person's arcs and the plan's prices are needed, so that an answer takes milliseconds (assignment.routing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assignment.projection import PRODUCE, REVIEW, ROLES, SECOND
from assignment.routing import offers as routed
from vetting import programs
from vetting.offers.desks import Desk, desks, done, own_hours, own_plan
from vetting.offers.waiting import candidates
from vetting.quality import gate, hidden, recalls, rounds
from vetting.records import Applicant, Json, Program
from vetting.scope import QueueForm
from vetting.units import work
from vetting.work_records import Offer, Unit, deliverable


def next_offer(db: Session, person: Applicant, now: datetime, *, within: Program | None = None) -> Offer | None:
    """What this expert should do now, kept as a fact the first time it is shown; None when nothing waits.

    With `within`, of one program only.
    """
    if (held := current(db, person, now)) is not None:
        return held
    if person not in programs.experts(db, only=person):
        return None
    found = [piece for desk in desks(db, person, now, within) for piece in pieces(db, desk)]
    for piece in sorted(found, key=lambda piece: piece.rank):
        offer = offered(db, piece)
        if offer is not None:
            db.add(offer)
            db.flush()
            return offer
    return None


def offered(db: Session, piece: Piece) -> Offer | None:
    """The offer of a piece of work, or of a hidden one in its place; None where no unit waits."""
    desk, task, why, unit = piece.desk, piece.task, piece.why, piece.unit()
    if unit is not None and piece.blends:
        swapped = hidden.instead(db, desk.program, piece.queue, desk.person, task, desk.now)
        if swapped is not None:
            (task, unit), why = swapped, why | {"face": piece.task}
    return Offer(at=desk.now, unit=unit, applicant=desk.person, task=task, why=why) if unit else None


def current(db: Session, person: Applicant, now: datetime) -> Offer | None:
    """The offer this expert has not answered, or the work they have taken and not done."""
    recent = db.scalars(select(Offer).where(Offer.applicant_id == person.id).order_by(Offer.id.desc()).limit(5))
    return next((offer for offer in recent if work.alive(offer, now) and not rounds.over(db, offer)), None)


# -- what may be offered -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Piece:
    """Something this expert might do now; whether a unit waits is only asked of the best."""

    rank: tuple[int, float, int]  # smaller comes first
    desk: Desk
    queue: QueueForm
    task: str
    unit: Callable[[], Unit | None]
    why: Json

    @property
    def blends(self) -> bool:
        """Whether it is a judgement among others, so that a unit of a known answer may stand in its place."""
        fresh = self.task == "produce" and self.queue.judging and self.why["rule"] != "rework"
        return fresh or self.task == "review"


def pieces(db: Session, desk: Desk) -> Iterator[Piece]:
    """Everything that is worth asking for, in no order."""
    yield from asked_for(db, desk)
    for q, queue in enumerate(desk.setting.queues):
        if desk.phases[queue.name] != "stopped":
            mend, third = partial(returned, db, desk, queue), partial(disputed, db, desk, queue)
            yield Piece((0, 0.0, q), desk, queue, "produce", mend, said(desk, q, PRODUCE, "rework"))
            yield Piece((1, 0.0, q), desk, queue, "resolve", third, said(desk, q, REVIEW, "dispute"))
    yield from planned(db, desk)


def asked_for(db: Session, desk: Desk) -> Iterator[Piece]:
    """What a lead asked of this very person, or of anybody fresh: calibration rounds, and units sent out again."""
    queues = {queue.name: (q, queue) for q, queue in enumerate(desk.setting.queues)}
    for _, unit in rounds.due(db, desk.program, desk.person):
        if unit.queue in queues:
            yield looking(desk, *queues[unit.queue], unit, "round")
    for _, unit in recalls.due(db, desk.program, desk.person, desk.now):
        q, queue = queues.get(unit.queue, (-1, None))
        arcs = desk.setting.problem
        judges = queue is not None and bool(((arcs.queue == q) & (queue.judging | (arcs.role == REVIEW))).any())
        if queue is not None and judges and independent(unit, queue, "again", desk):
            yield looking(desk, q, queue, unit, "again")


def looking(desk: Desk, q: int, queue: QueueForm, unit: Unit, task: str) -> Piece:
    """A piece of judging that stands beside the plan."""
    face = "produce" if queue.judging and task == "round" else "review"
    why = said(desk, q, PRODUCE if face == "produce" else REVIEW, task) | {"face": face}
    return Piece((1, 1.0, unit.number), desk, queue, task, lambda: unit, why)


def planned(db: Session, desk: Desk) -> Iterator[Piece]:
    """Work by the plan's shares and prices."""
    problem, spent = desk.setting.problem, done(db, desk)
    every = np.ones(problem.arcs, dtype=bool)
    ranked = routed(problem, own_plan(desk), 0, spent, every, trials=own_hours(desk, "learning", by=desk.now.date()))
    for place, offer in enumerate(ranked):
        why = said(desk, offer.queue, offer.role, "plan" if offer.planned else "price")
        why |= {"behind": offer.behind, "worth": offer.worth}
        find = partial(waiting, db, desk, offer.queue, offer.role)
        rank = (2, 0.0 if offer.planned else 1.0, place)
        yield Piece(rank, desk, desk.setting.queues[offer.queue], ROLES[offer.role], find, why)
    if spent.sum() < problem.hours.max(initial=0.0):
        yield from spare(db, desk, {offer.arc for offer in ranked})


def spare(db: Session, desk: Desk, ranked: set[int]) -> Iterator[Piece]:
    """Work that waits though the plan gave it to others: the pilot's many judges, and whoever is away."""
    problem = desk.setting.problem
    for arc in range(problem.arcs):
        q, role = int(problem.queue[arc]), int(problem.role[arc])
        if arc not in ranked and (role != PRODUCE or problem.gain[arc] > 0):
            rank = (3 if role == PRODUCE else 2, 2.0 - role, -int(problem.gain[arc]))
            find, why = partial(waiting, db, desk, q, role), said(desk, q, role, "spare")
            yield Piece(rank, desk, desk.setting.queues[q], ROLES[role], find, why)


def returned(db: Session, desk: Desk, queue: QueueForm) -> Unit | None:
    """The oldest unit of this person's that was sent back to them."""
    return first(db, desk, queue, "rework", lambda unit: back_to_its_maker(unit, desk.person, desk.now))


def disputed(db: Session, desk: Desk, queue: QueueForm) -> Unit | None:
    return first(db, desk, queue, "resolve", lambda unit: may_resolve(unit, queue, desk))


def waiting(db: Session, desk: Desk, q: int, role: int) -> Unit | None:
    """The unit that waits for this person in a role, made for them where it needs nothing but the guideline."""
    queue = desk.setting.queues[q]
    phase = desk.phases[queue.name]
    if phase == "stopped" or (role == SECOND and not queue.second):
        return None
    fits = {PRODUCE: may_make, REVIEW: may_review, SECOND: may_second}[role]
    found = first(db, desk, queue, ROLES[role], lambda unit: fits(unit, queue, desk), pilot=phase != "scaled")
    return mint(db, desk, queue) if found is None and role == PRODUCE and not queue.judging else found


def first(
    db: Session, desk: Desk, queue: QueueForm, task: str, fits: Callable[[Unit], bool], *, pilot: bool = False
) -> Unit | None:
    """The oldest unit that fits, among those that the database lets through."""
    found = candidates(db, desk.program, queue, task, desk.person, desk.now, pilot=pilot)
    return next(filter(fits, found), None)


def declined(unit: Unit, task: str, person: Applicant, now: datetime) -> bool:
    """Whether this person left this task of this unit, or let it lapse."""
    mine = [offer for offer in unit.offers if offer.applicant_id == person.id and offer.task == task]
    return any(offer.product is None and not work.alive(offer, now) for offer in mine)


def back_to_its_maker(unit: Unit, person: Applicant, now: datetime) -> bool:
    last = unit.submissions[-1] if unit.submissions else None
    mine = last is not None and last.offer.applicant_id == person.id
    return mine and work.state(unit, now) == "sent back" and not refused_again(unit, person, now)


def refused_again(unit: Unit, person: Applicant, now: datetime) -> bool:
    """Whether the maker left the unit after it was sent back."""
    since = unit.submissions[-1].at
    later = [o for o in unit.offers if o.applicant_id == person.id and o.task == "produce" and o.at > since]
    return any(not work.alive(offer, now) and offer.submission is None for offer in later)


def may_make(unit: Unit, queue: QueueForm, desk: Desk) -> bool:  # noqa: ARG001 -- as its siblings
    """A fresh unit, or one that its maker will not mend: for somebody who has had no part in it."""
    at = work.state(unit, desk.now)
    if declined(unit, "produce", desk.person, desk.now) or desk.person.id in work.parties(unit):
        return False
    left = at == "sent back" and refused_again(unit, unit.submissions[-1].offer.applicant, desk.now)
    return at in {"waiting", "rejected"} or left


def may_review(unit: Unit, queue: QueueForm, desk: Desk) -> bool:
    """A submission that lacks reviews, of somebody else, and of another team where the queue says so."""
    if work.state(unit, desk.now) not in {"submitted", "checked"} or not independent(unit, queue, "review", desk):
        return False
    last = unit.submissions[-1]
    out = [o for o in unit.offers if o.task == "review" and o.at >= last.at and work.alive(o, desk.now)]
    return len(work.first_level(last)) + len(out) < work.needed(unit, queue)


def may_second(unit: Unit, queue: QueueForm, desk: Desk) -> bool:
    if work.state(unit, desk.now) != "reviewed" or not work.needs_second(unit, queue):
        return False
    last = unit.submissions[-1]
    out = [o for o in unit.offers if o.task == "second" and o.at >= last.at and work.alive(o, desk.now)]
    return not work.second_level(last) and not out and independent(unit, queue, "second", desk)


def independent(unit: Unit, queue: QueueForm, task: str, desk: Desk) -> bool:
    """Whether this person never made the unit, has not judged this submission, and is of no team that made it."""
    me, last = desk.person, unit.submissions[-1]
    judged = {review.offer.applicant_id for review in last.reviews}
    if me.id in work.makers(unit) | judged or declined(unit, task, me, desk.now):
        return False
    if not queue.outside_team:
        return True
    teams = {programs.offer(s.offer.applicant).team for s in unit.submissions if s.offer.applicant.offers}
    return programs.offer(me).team not in teams - {""}


def may_resolve(unit: Unit, queue: QueueForm, desk: Desk) -> bool:
    """A third person: no party, cleared for second-level review, or for review where nobody is."""
    if work.state(unit, desk.now) != "disputed" or desk.person.id in work.parties(unit):
        return False
    out = [o for o in unit.offers if o.task == "resolve" and work.alive(o, desk.now)]
    if out or declined(unit, "resolve", desk.person, desk.now):
        return False
    arcs, q = desk.setting.problem, desk.setting.queues.index(queue)
    mine = {int(role) for role in arcs.role[arcs.queue == q]}
    seniors = next((row["people"]["second"] for row in desk.plan.body["queues"] if row["name"] == queue.name), 0)
    teams_apart = not queue.outside_team or independent(unit, queue, "resolve", desk)
    return teams_apart and (SECOND in mine or (REVIEW in mine and seniors <= len(work.parties(unit))))


def room(db: Session, desk: Desk, queue: QueueForm) -> int:
    """How many more units may be begun: the pilot's until the queue scales, then all that are asked."""
    asked = ceil(queue.units)
    if desk.phases[queue.name] == "pilot":
        return min(queue.pilot, asked) - len(gate.pilot_units(db, desk.program, queue.name))
    mine = Unit.program_id == desk.program.id, Unit.queue == queue.name, deliverable()
    every = select(func.count(Unit.id)).where(*mine)
    return asked - int(db.scalar(every) or 0)


def mint(db: Session, desk: Desk, queue: QueueForm) -> Unit | None:
    """One more unit of a queue whose units are made from nothing but its guideline."""
    if room(db, desk, queue) <= 0:
        return None
    return add_units(db, desk.program, queue, [""], desk.now)[0]


def add_units(db: Session, program: Program, queue: QueueForm, contents: Sequence[str], now: datetime) -> list[Unit]:
    """Units with what is put before their makers. The first of a queue, and of a changed one, are its pilot's."""
    first = work.next_number(db, program, queue.name)
    in_pilot = gate.phase(db, program, queue.name) == "pilot"
    free = min(queue.pilot, ceil(queue.units)) - len(gate.pilot_units(db, program, queue.name)) if in_pilot else 0
    made = [
        Unit(at=now, program=program, queue=queue.name, number=first + n, pilot=n < free, content=content)
        for n, content in enumerate(contents)
    ]
    db.add_all(made)
    db.flush()
    return made


def said(desk: Desk, q: int, role: int, rule: str) -> Json:
    """Why this is offered, and what is expected of it."""
    seen, queue = desk.setting.projection, desk.setting.queues[q]
    minutes = float(seen.minutes[0, q]) if role == PRODUCE else queue.review_minutes * float(desk.setting.pool.pace[0])
    learnt = desk.setting.asks.minutes[q] / queue.minutes * desk.setting.pool.pace[0] / desk.setting.tested[0]
    return {
        "learnt": float(learnt), "shift": float(desk.setting.asks.difficulty[q] - queue.difficulty),
        "rule": rule, "acceptance": float(seen.acceptance[0, q]), "acceptance_low": float(seen.acceptance_low[0, q]),
        "acceptance_high": float(seen.acceptance_high[0, q]), "minutes": minutes,
        "pay": float(desk.setting.pool.pay[0]) * minutes / 60, "plan": desk.plan.id,
    }  # fmt: skip
