"""An applicant's links as what they open: an invitation, or a sitting of one's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import unsign
from api.deps import DB, House, Ours, WritingDB
from vetting.records import Erasure, Invitation, Sitting
from vetting.sittings import sitting


def not_ours() -> HTTPException:
    return HTTPException(
        HTTPStatus.NOT_FOUND,
        {"what": "This link leads nowhere", "maybe": "Maybe it was cut off when it was copied. Ask whoever sent it."},
    )


def my_invitation(token: str, db: DB, ours: Ours) -> Invitation:
    number = unsign(ours.key, "invitation", token)
    invitation = db.get(Invitation, number) if number is not None else None
    if invitation is None:
        raise not_ours()
    return invitation


def sitting_of(token: str, db: Session, ours: House) -> Sitting:
    """The sitting of a personal link, held against a second writer until the commit."""
    number = unsign(ours.key, "sitting", token)
    found = db.scalars(select(Sitting).where(Sitting.id == number).with_for_update(of=Sitting)).first()
    if number is None or found is None:
        raise not_ours()
    if db.scalar(select(Erasure.id).where(Erasure.applicant_id == found.applicant_id)) is not None:
        raise sitting.ClosedError("Your data was deleted. You asked for it, so there is nothing more to see here.")
    return found


def my_sitting(token: str, db: DB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


def my_running_sitting(token: str, db: WritingDB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


Invited = Annotated[Invitation, Depends(my_invitation)]
Mine = Annotated[Sitting, Depends(my_sitting)]
Running = Annotated[Sitting, Depends(my_running_sitting)]
