"""Credentials of experts: what is claimed, what a person verified and until when. A claim opens nothing.

Facts are added, never changed: a credential is claimed once; every look at it, a revocation too, is one more fact, and
the latest look holds. Names are compared without regard to case and to spaces around them.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vetting.messages import Message
from vetting.records import Applicant, AuditEntry, Json
from vetting.units.work import FormError
from vetting.work_records import Credential, CredentialLook

Verdict = Literal["verified", "refused", "revoked"]


class ClaimForm(Message):
    """What an expert says they hold."""

    name: Annotated[str, Field(min_length=2, max_length=80)]
    issuer: Annotated[str, Field(min_length=2, max_length=120)]


class LookForm(Message):
    """What a person found who looked at a credential."""

    verdict: Verdict
    because: Annotated[str, Field(min_length=3, max_length=2000)]  # the evidence: a register, a document
    until: date | None = None  # the last day; of a verified one


def claim(db: Session, person: Applicant, form: ClaimForm, by: str, now: datetime) -> Credential:
    """A credential is claimed; claiming it again while it stands adds nothing."""
    known = db.scalars(select(Credential).where(Credential.applicant_id == person.id)).all()
    for one in known:
        if key(one.name) == key(form.name) and key(one.issuer) == key(form.issuer):
            return one
    made = Credential(at=now, applicant_id=person.id, name=form.name, issuer=form.issuer, expires=None)
    about = {"applicant": person.id, "credential": form.name}
    db.add_all([made, AuditEntry(at=now, who=by, what="recorded a credential", about=about)])
    db.flush()
    return made


def look(db: Session, credential: Credential, form: LookForm, by: str, now: datetime) -> CredentialLook:
    """Keep what a person found."""
    ends = datetime.combine(form.until, time(23, 59, 59), tzinfo=now.tzinfo) if form.until else None
    if form.verdict == "verified" and ends is not None and ends <= now:
        raise FormError("until", f"It ran out on {form.until}. Maybe a later day was meant, or it is to be refused.")
    if form.verdict == "revoked" and state(credential, now) != "verified":
        raise FormError("verdict", "Only a verified credential can be revoked. Maybe refuse it.")
    kept = ends if form.verdict == "verified" else None
    made = CredentialLook(
        at=now, credential=credential, verdict=form.verdict, expires=kept, because=form.because, by=by
    )
    about = {"applicant": credential.applicant_id, "credential": credential.name, "verdict": form.verdict}
    db.add_all([made, AuditEntry(at=now, who=by, what="looked at a credential", about=about)])
    db.flush()
    return made


def state(credential: Credential, now: datetime) -> str:
    """Where it stands: claimed, verified, expired, refused or revoked."""
    if credential.looks:
        last = credential.looks[-1]
        verdict, expires = last.verdict, last.expires
    else:
        verdict, expires = ("verified" if credential.verified_by else "claimed"), credential.expires
    return "expired" if verdict == "verified" and expires is not None and expires <= now else verdict


def until(credential: Credential) -> datetime | None:
    """When it runs out, as the latest look found."""
    return credential.looks[-1].expires if credential.looks else credential.expires


def held(db: Session, now: datetime, person: Applicant | None = None) -> dict[int, frozenset[str]]:
    """{expert: the names, as `key` writes them, of what they hold, verified and not run out}."""
    rows = select(Credential).options(selectinload(Credential.looks))
    found: dict[int, set[str]] = {}
    for one in db.scalars(rows if person is None else rows.where(Credential.applicant_id == person.id)):
        if state(one, now) == "verified":
            found.setdefault(one.applicant_id, set()).add(key(one.name))
    return {number: frozenset(names) for number, names in found.items()}


def key(name: str) -> str:
    return " ".join(name.casefold().split())


def told(db: Session, person: Applicant, now: datetime) -> list[Json]:
    """A person's credentials, the newest first, with every look at them."""
    mine = select(Credential).where(Credential.applicant_id == person.id).order_by(Credential.id.desc())
    return [
        {"id": one.id, "name": one.name, "issuer": one.issuer, "state": state(one, now), "until": until(one),
         "looks": [{"at": seen.at, "by": seen.by, "verdict": seen.verdict, "because": seen.because,
                    "until": seen.expires} for seen in one.looks]}
        for one in db.scalars(mine)
    ]  # fmt: skip
