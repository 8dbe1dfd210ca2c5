"""The door to experts' credentials: recorded as claims, verified by a person, revoked; every look is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api import views
from api.deps import DB, House, Now, Ours, page
from api.forms import Form, number_of, page_of, text_of
from api.recruiter import Staff, frame, shown_name
from api.running import nothing
from vetting import programs
from vetting.plans import papers
from vetting.records import Json, Program
from vetting.units import work
from vetting.work_records import Credential

router = APIRouter()
HERE, PAGE = "/lead/people/credentials", 40
WORDS = {
    "name": "Say what it is, such as Bar exam.", "issuer": "Say who gave it.", "verdict": "Pick one.",
    "because": "Say what you looked at: a register, a document. It is kept.",
    "until": "Give its last day as a date, or leave it empty.",
}  # fmt: skip


@router.get(HERE)
def credentials(request: Request, db: DB, ours: Ours, now: Now, who: Staff) -> Response:
    return credentials_page(request, db, ours, now, who)


def credentials_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, errors: Sequence[tuple[str, str]] = (),
    said: Json | None = None,
) -> Response:  # fmt: skip
    people, at = programs.crew(db), page_of(request)
    shown = people[(at - 1) * PAGE : at * PAGE]
    asked = sorted({
        name for program in db.scalars(select(Program)) for queue in programs.queues_of(program)
        for name in queue.credentials
    })  # fmt: skip
    context = {
        **frame("lead", who, db, ours), "errors": list(errors), "said": said or {}, "action": HERE, "asked": asked,
        "notice": request.session.pop("notice", ""),
        "people": [{"id": one.id, "name": shown_name(one), "papers": papers.told(db, one, now)} for one in shown],
        "everybody": [(one.id, shown_name(one)) for one in people], "pager": views.pager(HERE, at, len(people), PAGE),
    }  # fmt: skip
    return page(request, "lead/credentials.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post(HERE)
def act(request: Request, db: DB, ours: Ours, now: Now, who: Staff, form: Form) -> Response:
    try:
        doing = {"claim": claim, "look": look}.get(text_of(form, "act"), nothing)
        request.session["notice"] = doing(db, form, who, now)
    except work.FormError as wrong:
        said = {name: text_of(form, name) for name in ("person", "credential", *WORDS)}
        end = f"-{said['credential']}" if number_of(said["credential"]) else ""
        field = f"{wrong.field}{end}" if wrong.field in said else ""
        return credentials_page(request, db, ours, now, who, [(field, str(wrong))], said)
    return RedirectResponse(HERE, HTTPStatus.SEE_OTHER)


def claim(db: Session, form: FormData, who: str, now: datetime) -> str:
    number = number_of(text_of(form, "person"))
    person = next((one for one in programs.crew(db) if one.id == number), None)
    if person is None:
        raise work.FormError("person", "Pick whose it is.")
    try:
        said = papers.ClaimForm(name=text_of(form, "name"), issuer=text_of(form, "issuer"))
    except ValidationError as wrong:
        raise refused(wrong) from wrong
    papers.claim(db, person, said, who, now)
    return f"Recorded as a claim of {shown_name(person)}. It opens nothing until somebody verifies it."


def look(db: Session, form: FormData, who: str, now: datetime) -> str:
    number = number_of(text_of(form, "credential"))
    credential = db.get(Credential, number) if number is not None else None
    if credential is None:
        raise work.FormError("credential", "There is no such credential. Maybe reload the page.")
    body = {name: text_of(form, name) for name in ("verdict", "because")}
    try:
        said = papers.LookForm.model_validate(body | {"until": text_of(form, "until") or None})
    except ValidationError as wrong:
        raise refused(wrong) from wrong
    papers.look(db, credential, said, who, now)
    return f"{credential.name}: {said.verdict}. It counts from the next plan and the next offer on."


def refused(wrong: ValidationError) -> work.FormError:
    field = str(wrong.errors()[0]["loc"][0])
    return work.FormError(field, WORDS[field])
