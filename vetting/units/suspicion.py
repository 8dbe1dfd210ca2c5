"""Suspected fraud, copied or machine-written work: a lane of its own for people to look at. No score changes by it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from vetting.records import AuditEntry
from vetting.units import work
from vetting.work_records import Finding, Submission, Suspicion, WorkAppeal

KINDS = ("fraud", "copied", "model text")


def suspect(db: Session, submission: Submission, kind: str, because: str, by: str, now: datetime) -> Suspicion:
    """Somebody suspects something: the unit is held until a person has looked. No score changes by it."""
    if kind not in KINDS:
        raise work.FormError("kind", f"Pick one of: {', '.join(KINDS)}.")
    if len(because.strip()) < 3:
        raise work.FormError("because", "Say what made you think so.")
    said = Suspicion(at=now, submission=submission, kind=kind, because=because, by=by)
    db.add_all([said, AuditEntry(at=now, who=by, what="suspected", about={"submission": submission.id, "kind": kind})])
    db.flush()
    return said


def find(db: Session, suspicion: Suspicion, *, upheld: bool, because: str, by: str, now: datetime) -> Finding:
    """A person looked and decided, with a reason; a later finding, after an appeal, takes its place."""
    if len(because.strip()) < 3:
        raise work.FormError("because", "Give a reason.")
    said = Finding(at=now, suspicion=suspicion, upheld=upheld, because=because, by=by)
    about = {"suspicion": suspicion.id, "upheld": upheld}
    db.add_all([said, AuditEntry(at=now, who=by, what="looked at a suspicion", about=about)])
    db.flush()
    work.settle(db, suspicion.submission.unit, now)
    return said


def appeal(db: Session, suspicion: Suspicion, words: str, now: datetime) -> WorkAppeal:
    """The expert asks for a second look at a finding."""
    if not suspicion.findings or len(suspicion.appeals) >= len(suspicion.findings):
        raise work.TakenError("There is no finding to appeal against yet.")
    said = WorkAppeal(at=now, suspicion=suspicion, words=words)
    db.add_all([said, AuditEntry(at=now, who="expert", what="appealed a finding", about={"suspicion": suspicion.id})])
    db.flush()
    return said
