"""A person decides, with a reason; the engine only shows what it knows. Every decision is kept and audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from vetting.decisions.dossier import Dossier
from vetting.decisions.forgetting import take_out_name
from vetting.messages import AvailabilityForm, DecisionForm, RoleForm
from vetting.models import calls
from vetting.records import Appeal, Applicant, AuditEntry, Availability, Decision, Erasure, Invitation, Role, Sitting
from vetting.sittings import resume

MONTH = timedelta(days=30.44)


def decide(db: Session, person: Dossier, role: Role, form: DecisionForm, *, by: str, now: datetime) -> Decision:
    """Advance, hold or decline, beside what was known at that moment. A later decision takes its place."""
    seen = {
        "calibration": person.calibration_id,
        "clears": person.clears,
        "score": person.score,
        "score_sd": person.score_sd,
    }
    decision = Decision(
        at=now, applicant=person.applicant, role=role, verdict=form.verdict, reason=form.reason, by=by, evidence=seen
    )
    db.add(decision)
    db.flush()
    about = {"decision": decision.id, "applicant": person.applicant.id, "verdict": form.verdict}
    db.add(AuditEntry(at=now, who=by, what="decided", about=about))
    return decision


def give_hours(db: Session, applicant: Applicant, form: AvailabilityForm, now: datetime) -> Availability:
    """An expert's hours, pay and languages from now on."""
    hours = Availability(at=now, applicant=applicant, hours=form.hours, pay=form.pay, languages=form.languages,
                         team=form.team)  # fmt: skip
    db.add(hours)
    db.flush()
    return hours


def appeal(db: Session, sitting: Sitting, words: str, now: datetime) -> Appeal:
    """The applicant asks a person to look again; the same words again are one appeal."""
    known = db.scalars(select(Appeal).where(Appeal.sitting_id == sitting.id, Appeal.words == words.strip())).first()
    if known is not None:
        return known
    said = Appeal(at=now, sitting_id=sitting.id, words=words.strip())
    db.add_all([said, AuditEntry(at=now, who="applicant", what="appealed", about={"sitting": sitting.id})])
    db.flush()
    return said


def erase_expired(db: Session, now: datetime) -> int:
    """Forget everybody whose role's time is over, counted from their last sitting; how many they were."""
    known = db.scalars(select(Applicant).where(~Applicant.erasure.has(), Applicant.sittings.any()))
    due = [person for person in known if keep_until(person) <= now]
    for person in due:
        erase(db, person, now, who="retention")
    return len(due)


def keep_until(person: Applicant) -> datetime:
    """When a person's name is to be removed: the longest promise of the roles they sat for."""
    ends: list[datetime] = [
        seat.at + MONTH * RoleForm.model_validate(seat.invitation.role.body).keep_months for seat in person.sittings
    ]
    return max(ends)


def erase(db: Session, applicant: Applicant, now: datetime, *, who: str = "applicant") -> None:
    """Forget who the person was, on their links too. Answers stay, for calibration, with nobody's name to them."""
    if applicant.erasure is not None:
        return
    for link in {*own_links(db, applicant), *(seat.invitation for seat in applicant.sittings)}:
        if link.uses == 1 or link.name == applicant.name:  # a cohort's link keeps the cohort's name
            link.name = ""
    take_out_name(db, applicant)
    applicant.name = ""
    resume.forget(applicant)
    calls.forget_resumes(db, [seat.id for seat in applicant.sittings])
    about = {"applicant": applicant.id}
    db.add_all([Erasure(at=now, applicant=applicant), AuditEntry(at=now, who=who, what="erased", about=about)])
    db.flush()


def own_links(db: Session, applicant: Applicant) -> Sequence[Invitation]:
    """Invitations of this person to further sittings."""
    return db.scalars(select(Invitation).where(Invitation.applicant_id == applicant.id)).all()
