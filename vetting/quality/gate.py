"""May a queue scale? Its pilot decides: enough units, judged by enough people, who surely agree.

A pilot is 50 to 100 units (all of a smaller queue), each judged blind by three people or more. The lower end of the
95 % interval of Gwet's AC1 must reach the queue's threshold. A queue that was changed pilots again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.base import ExecutableOption

from assignment.agreement import Estimate, Labels, by_category, fleiss, gwet
from vetting.programs import wordings
from vetting.records import AuditEntry, Json, Program
from vetting.scope import QueueForm
from vetting.units import work
from vetting.work_records import QueueDecision, Review, Submission, Unit, deliverable

VERDICTS = ("scale", "change", "stop")
PHASES = {"scale": "scaled", "change": "pilot", "stop": "stopped"}
START = datetime(1970, 1, 1, tzinfo=UTC)
MADE = selectinload(Unit.submissions)
JUDGED = (
    MADE.joinedload(Submission.offer),
    MADE.selectinload(Submission.reviews).joinedload(Review.offer),
)  # loads units with what was said of them


@dataclass(frozen=True)
class Gate:
    """What a pilot shows so far."""

    units: int  # in the pilot
    judged: int  # by enough people
    wanted: int
    raters: int
    threshold: float
    agreement: Estimate  # Gwet's AC1
    kappa: Estimate  # Fleiss, beside it
    categories: tuple[tuple[str, Estimate], ...]

    def faults(self) -> list[str]:
        """Why the queue must not scale yet; empty when it may."""
        said = []
        if self.judged < self.wanted:
            said.append(f"{self.judged} of {self.wanted} units of the pilot are judged by {self.raters} people.")
        if not self.agreement.clears(self.threshold):
            seen = self.agreement
            found = (
                f"{seen.value:.2f} ({seen.low:.2f} to {seen.high:.2f})" if np.isfinite(seen.low) else "not known yet"
            )
            said.append(f"Agreement is {found}; its lower end must reach {self.threshold:.2f}.")
        return said


def decisions(db: Session, program: Program, queue: str) -> Sequence[QueueDecision]:
    of_queue = QueueDecision.program_id == program.id, QueueDecision.queue == queue
    return db.scalars(select(QueueDecision).where(*of_queue).order_by(QueueDecision.id)).all()


def phase(db: Session, program: Program, queue: str) -> str:
    """Pilot, scaled or stopped: the lead's latest decision."""
    said = decisions(db, program, queue)
    return PHASES[said[-1].verdict] if said else "pilot"


def pilot_units(db: Session, program: Program, queue: str, beside: Sequence[ExecutableOption] = ()) -> Sequence[Unit]:
    """The units of the running pilot: those since the queue was last changed; loaded with what is named beside."""
    changed = [one.at for one in decisions(db, program, queue) if one.verdict == "change"]
    since = changed[-1] if changed else START
    mine = Unit.program_id == program.id, Unit.queue == queue, Unit.pilot, Unit.at >= since, deliverable()
    return db.scalars(select(Unit).where(*mine).order_by(Unit.number).options(*beside)).all()


def judgements(submission: Submission) -> list[tuple[int, str]]:
    """(person, category) of everybody who judged this: reviewers, and the maker where the unit is a judgement.

    Not fresh people's: units are sent to them because they are doubtful, which would tell of agreement too badly.
    """
    own = [(submission.offer.applicant_id, submission.label)] if submission.label else []
    return own + [
        (review.offer.applicant_id, review.verdict) for review in submission.reviews if review.offer.task != "again"
    ]


def labels_of(told: Iterable[list[tuple[int, str]]], categories: Sequence[str]) -> Labels:
    """Judgements of units as rows for the coefficients."""
    rows = [
        (unit, person, categories.index(said))
        for unit, one in enumerate(told)
        for person, said in one
        if said in categories
    ]
    people = {person: number for number, person in enumerate(dict.fromkeys(person for _, person, _ in rows))}
    table = np.array([(unit, people[person], said) for unit, person, said in rows], dtype=np.intp).reshape(-1, 3)
    dense = np.unique(table[:, 0], return_inverse=True)[1].astype(np.intp)
    return Labels(dense, table[:, 1], table[:, 2], len(categories))


def categories_of(queue: QueueForm) -> tuple[str, ...]:
    return tuple(queue.labels) or work.VERDICTS


def gate(db: Session, program: Program, queue: QueueForm) -> Gate:
    """What the pilot shows: first submissions only, since a mended unit was judged before."""
    units = pilot_units(db, program, queue.name, JUDGED)
    told = [judgements(unit.submissions[0]) for unit in units if unit.submissions]
    enough = [one for one in told if len({person for person, _ in one}) >= queue.raters]
    names = categories_of(queue)
    labels = labels_of(enough, names)
    nothing = Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    used = [k for k in range(len(names)) if (labels.category == k).any()]
    return Gate(
        units=len(units), judged=len(enough), wanted=min(queue.pilot, ceil(queue.units)), raters=queue.raters,
        threshold=queue.agreement,
        agreement=gwet(labels).analytic() if enough else nothing,
        kappa=fleiss(labels).analytic() if enough else nothing,
        categories=tuple((names[k], by_category(labels, gwet)[k]) for k in used),
    )  # fmt: skip


def decide(
    db: Session, program: Program, queue: QueueForm, verdict: str, reason: str, by: str, evidence: Json, now: datetime
) -> QueueDecision:
    """Scale, change or stop a queue. Scaling is refused while its pilot's gate is shut."""
    if verdict not in VERDICTS:
        raise work.FormError("verdict", f"Pick one of: {', '.join(VERDICTS)}.")
    if len(reason.strip()) < 3:
        raise work.FormError("reason", "Give a reason; it is kept with the decision.")
    if queue.name not in wordings(program):
        raise work.FormError("verdict", f"There is no queue {queue.name!r} any more.")
    if verdict == "scale" and phase(db, program, queue.name) != "scaled":
        shut = gate(db, program, queue).faults()
        if shut:
            mend = "Maybe mend the guideline where people disagree, and pilot again."
            raise work.FormError("verdict", f"{queue.name} cannot scale yet. {' '.join(shut)} {mend}")
    said = QueueDecision(
        at=now, program_id=program.id, queue=queue.name, verdict=verdict, reason=reason, by=by, evidence=evidence
    )
    about = {"program": program.id, "queue": queue.name, "verdict": verdict}
    db.add_all([said, AuditEntry(at=now, who=by, what="decided about a queue", about=about)])
    db.flush()
    return said
