"""Who came for which role, how far, and what is decided: read by columns, since a role may have thousands of people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from vetting.records import Appeal, Applicant, Decision, Ending, Invitation, Role, Sitting


@dataclass(frozen=True)
class Application:
    """One person and one role."""

    person: int
    name: str  # empty: forgotten
    sittings: int
    ended: tuple[datetime, ...]  # of these sittings
    expired: int  # of them: not ended, and their link has run out
    verdict: str  # that holds for this role; empty: none
    decided: datetime | None
    appealed: datetime | None  # the latest appeal

    @property
    def appeals(self) -> bool:
        """Asks a person to look again, and nobody has decided since."""
        return self.appealed is not None and bool(self.name) and (self.decided is None or self.decided < self.appealed)

    @property
    def waits(self) -> bool:
        """Has finished and waits for a decision: the first, or one after being held and having answered more."""
        if not self.ended or not self.name:
            return False
        return self.decided is None or (self.verdict == "hold" and self.decided < max(self.ended))


def applications(db: Session, now: datetime, role: str | None = None) -> dict[str, list[Application]]:
    """Everybody who began a test, by the name of the role, or of one role; in the order they came."""
    mine = true() if role is None else Role.name == role
    seats: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for seat in db.execute(
        select(Role.name.label("role"), Sitting.applicant_id, Applicant.name, Ending.at, Invitation.expires)
        .select_from(Sitting).join(Applicant).join(Sitting.invitation).join(Invitation.role)
        .outerjoin(Ending, Ending.sitting_id == Sitting.id).where(mine).order_by(Sitting.applicant_id, Sitting.id)
    ):  # fmt: skip
        seats[seat.role, seat.applicant_id].append(seat)
    said, asked = decided(db, mine), appealed(db, mine)
    found: dict[str, list[Application]] = defaultdict(list)
    for (name, person), some in seats.items():
        found[name].append(application(person, some, said.get((name, person)), asked.get((name, person)), now))
    return dict(found)


def application(
    person: int, seats: Sequence[Any], said: tuple[str, datetime] | None, asked: datetime | None, now: datetime
) -> Application:
    """One person and one role, from the rows of their sittings, the decision that holds and the latest appeal."""
    ended = tuple(seat.at for seat in seats if seat.at is not None)
    return Application(
        person=person, name=seats[0].name, sittings=len(seats), ended=ended,
        expired=sum(seat.at is None and seat.expires < now for seat in seats),
        verdict=said[0] if said else "", decided=said[1] if said else None, appealed=asked,
    )  # fmt: skip


def decided(db: Session, mine: ColumnElement[bool]) -> Mapping[tuple[str, int], tuple[str, datetime]]:
    """{(role, person): the decision that holds}."""
    rows = db.execute(
        select(Role.name, Decision.applicant_id, Decision.verdict, Decision.at)
        .join(Decision.role).where(mine).order_by(Decision.id)
    )  # fmt: skip
    return {(name, person): (verdict, at) for name, person, verdict, at in rows}


def appealed(db: Session, mine: ColumnElement[bool]) -> Mapping[tuple[str, int], datetime]:
    """{(role, person): the latest appeal}."""
    rows = db.execute(
        select(Role.name, Sitting.applicant_id, Appeal.at).select_from(Appeal)
        .join(Sitting, Sitting.id == Appeal.sitting_id).join(Sitting.invitation).join(Invitation.role)
        .where(mine).order_by(Appeal.id)
    )  # fmt: skip
    return {(name, person): at for name, person, at in rows}


def appeals_of(db: Session, person: Applicant, role: str) -> Sequence[Appeal]:
    """What somebody said against what was found or decided of them for a role, oldest first."""
    return db.scalars(
        select(Appeal).join(Sitting, Sitting.id == Appeal.sitting_id).join(Sitting.invitation).join(Invitation.role)
        .where(Sitting.applicant_id == person.id, Role.name == role).order_by(Appeal.id)
    ).all()  # fmt: skip


def invited(db: Session) -> Mapping[str, int]:
    """How often a link to each role may be used, by the role's name."""
    rows = db.execute(select(Role.name, func.sum(Invitation.uses)).join(Invitation.role).group_by(Role.name))
    return {row[0]: row[1] for row in rows}


def tally(some: Iterable[Application], links: int) -> dict[str, Any]:
    """How far the people of a role have come."""
    people = list(some)
    stopped = sum(one.expired for one in people)
    return {
        "invited": links, "started": sum(one.sittings for one in people),
        "done": sum(len(one.ended) for one in people), "stopped": stopped,
        "stopped_why": "link ran out" if stopped else "",
        "waiting": sum(one.waits for one in people), "appeals": sum(one.appeals for one in people),
    }  # fmt: skip


def unused(db: Session, role: str, now: datetime) -> Sequence[Invitation]:
    """Links to a role that still open it for somebody, newest first."""
    taken = select(func.count(Sitting.id)).where(Sitting.invitation_id == Invitation.id).scalar_subquery()
    return db.scalars(
        select(Invitation).join(Invitation.role)
        .where(Role.name == role, Invitation.expires > now, taken < Invitation.uses).order_by(Invitation.id.desc())
    ).all()  # fmt: skip
