"""An applicant's links as what they open: an invitation, or a sitting of one's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import unsign
from api.deps import DB, House, Ours, WritingDB, page
from vetting.records import Erasure, Invitation, Sitting
from vetting.sittings import sitting

BEGUN, MOST_BEGUN = "begun", 20  # sittings by their invitation, in the browser's own session


def not_ours() -> HTTPException:
    return HTTPException(
        HTTPStatus.NOT_FOUND,
        {"what": "This link leads nowhere", "maybe": "Maybe it was cut off when it was copied. Ask whoever sent it."},
    )


def closed_page(request: Request, wrong: Exception, go_on_url: str = "") -> Response:
    """A link that leads no further, or only to where this browser was before."""
    what, _, maybe = str(wrong).partition(". ")
    context = {
        "what": what, "why": "", "maybe": maybe, "contact": "", "go_on_url": go_on_url,
        "forget_drafts": isinstance(wrong, sitting.ForgottenError),
    }  # fmt: skip
    return page(request, "applicant/closed.html", context, HTTPStatus.GONE)


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
        raise sitting.ForgottenError(
            "Your name was removed. You asked for it, or the time for which it is kept is over. Nothing more is shown."
        )
    return found


def my_sitting(token: str, db: DB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


def my_running_sitting(token: str, db: WritingDB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


def begun(request: Request, invited: Invitation) -> Sitting | None:
    """The sitting that an invitation leads back to: the one begun in this browser.

    A link for one person leads its holder back from any browser but that of staff, who made it and hold it too.
    """
    number = request.session.get(BEGUN, {}).get(str(invited.id))
    mine = next((one for one in invited.sittings if one.id == number), None)
    if mine is None and invited.uses == 1 and invited.sittings and not request.session.get("staff"):
        mine = invited.sittings[0]
    return mine


def remember(request: Request, mine: Sitting) -> None:
    """Lead this browser back to a sitting by its invitation."""
    kept = {**request.session.get(BEGUN, {}), str(mine.invitation_id): mine.id}
    request.session[BEGUN] = dict(list(kept.items())[-MOST_BEGUN:])


Invited = Annotated[Invitation, Depends(my_invitation)]
Mine = Annotated[Sitting, Depends(my_sitting)]
Running = Annotated[Sitting, Depends(my_running_sitting)]
