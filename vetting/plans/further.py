"""Whom a plan would have vetted next becomes invitations: a few minutes each, on the skills that would pay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from vetting.messages import RoleForm
from vetting.programs import experts, latest_role
from vetting.records import Applicant, AuditEntry, Invitation, Json, PlanRecord, Role, Sitting
from vetting.sittings import sitting

DAYS = 14.0  # an invitation is open


def ranked(plan: Json) -> list[Json]:
    """The plan's list, each person once, where it gains most."""
    first: dict[str, Json] = {}
    for row in plan.get("vet_next", []):
        first.setdefault(row["expert"], row)
    return list(first.values())


def invited(db: Session, plan: PlanRecord, now: datetime) -> Mapping[str, Invitation]:
    """{person: their latest invitation to a few minutes that is open, or that was sent for this plan}."""
    wanted = [int(row["expert"]) for row in ranked(plan.body)]
    rows = db.scalars(
        select(Invitation).where(Invitation.applicant_id.in_(wanted), Invitation.expires > now)
        .order_by(Invitation.id).options(selectinload(Invitation.sittings))
    )  # fmt: skip
    sent = [one for one in rows if one.focus and (one.at >= plan.at or not one.sittings)]
    return {str(one.applicant_id): one for one in sent}


def invite(db: Session, plan: PlanRecord, who: Collection[str], by: str, now: datetime) -> list[Invitation]:
    """Invite these people of the plan's list, each once: whoever is invited already is left alone."""
    if plan is not plan.program.plans[-1]:
        raise ValueError("There is a newer plan by now. Maybe invite from its list: reload the page.")
    known, here = invited(db, plan, now), {str(person.id): person for person in experts(db)}
    rows = [row for row in ranked(plan.body) if row["expert"] in who and row["expert"] not in known]
    made = [to_a_few_minutes(db, here[row["expert"]], row["skills"], now) for row in rows if row["expert"] in here]
    about = {"program": plan.program_id, "plan": plan.id, "people": [one.applicant_id for one in made]}
    if made:
        db.add(AuditEntry(at=now, who=by, what="invited whom the plan would vet next", about=about))
        db.flush()
    return made


def to_a_few_minutes(db: Session, person: Applicant, skills: list[str], now: datetime) -> Invitation:
    role = latest_role(person)
    return sitting.invite(db, role, now=now, days=DAYS, name=person.name, applicant=person, focus=tuple(skills))


def followed(db: Session, plan: PlanRecord) -> str:
    """How far sittings follow what the plan is short of, in a sentence, and how many began since."""
    shares = [RoleForm.model_validate(role.body).follow_demand for role in db.scalars(select(Role))]
    if not shares or not max(shares):
        return "No role follows this: each role's share is 0 (follow_demand)."
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    share = f"{high} %" if low == high else f"{low} to {high} %, by role,"
    since = db.scalar(select(func.count(Sitting.id)).where(Sitting.at > plan.at)) or 0
    began = "none has begun" if not since else f"{since} {'has' if since == 1 else 'have'} begun"
    return f"Sittings that begin now give {share} of their questions' weight to this; {began} since this plan."
