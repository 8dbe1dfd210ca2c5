"""An interview as the applicant meets it: what stands is pinned above the field, one question at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api import views
from api.deps import House, page
from api.forms import by_htmx, number_of, text_of, trouble
from item_bank.schema import UnreadableResponseError
from vetting import interview
from vetting.interview import Move
from vetting.records import Question, Turn

router = APIRouter()


def show(
    request: Request, db: Session, ours: House, now: datetime, token: str, question: Question, left: object
) -> Response | None:
    """The interview's page as it stands; None once the interview is over."""
    step = interview.step(db, question, ours.bank, now)
    if step is None:
        return None
    if isinstance(step, Move):
        step = interview.ask(db, question, step, step.text, wording="own", now=now)
    return conversation_page(request, ours, token, question, step, left)


def hear(
    request: Request, db: Session, ours: House, now: datetime, token: str, question: Question, form: FormData,
    left: object,
) -> Response:  # fmt: skip
    """Keep what was said; the page that follows goes on from the record alone."""
    said, to = text_of(form, "text"), number_of(text_of(form, "turn")) or 0
    try:
        interview.say(
            db, question, said, act=text_of(form, "act"), to=to, now=now,
            request_id=f"{question.id}-{text_of(form, 'request_id')[:64]}",
        )  # fmt: skip
    except UnreadableResponseError as wrong:
        standing = interview.waiting(question)
        if standing is not None:
            return conversation_page(request, ours, token, question, standing, left, said, [trouble(wrong)])
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


def conversation_page(
    request: Request, ours: House, token: str, question: Question, standing: Turn, left: object, said: str = "",
    errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    probe = ours.bank.probes[question.item_id]
    current = interview.current(question)
    context: dict[str, Any] = {
        "subject": question.sitting.invitation.role.name, "asked": {"id": question.id, "number": question.number},
        "probe": probe, "request_id": uuid4().hex, "action": f"/s/{token}", "left": left, "said": said,
        "errors": list(errors), "turn": standing.number,
        "before": views.transcript(question, but=[standing, current]),
        "current": current.text if current else "",
        "told": standing.text if standing.move["kind"] == "fact" else "",
        "opening": current is not None and current.move["kind"] == "opening",
        "may_ask": bool(probe.facts),
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200
    fragment = "applicant/_conversation.html" if by_htmx(request) else "applicant/conversation.html"
    return page(request, fragment, context, status)
