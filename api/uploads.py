"""The lead's door to the units of a program: from a file or typed, checked row by row, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, readable, text_of
from api.lead import heading, program_or_404
from api.paging import part
from api.recruiter import Staff, frame
from api.running import nothing, queue_named
from vetting import programs
from vetting.offers import uploads
from vetting.records import Json, Program
from vetting.units import work
from vetting.work_records import Upload

router = APIRouter()
ROWS = 40
FIELDS = {"rows", "queue", "undo"}


@router.get("/lead/{number}/units")
def units(request: Request, db: DB, ours: Ours, who: Staff, number: Number) -> Response:
    return units_page(request, db, ours, who, program_or_404(db, number))


def units_page(
    request: Request, db: Session, ours: House, who: str, program: Program, errors: Sequence[tuple[str, str]] = (),
    said: Json | None = None,
) -> Response:  # fmt: skip
    added = uploads.told(db, program)
    shown = part(request, len(added), ROWS, anchor="#uploads-title")
    context = {
        **frame("lead", who, db, ours), "errors": list(errors), "said": said or {}, "program": heading(program),
        "action": f"/lead/{program.id}/units", "notice": request.session.pop("notice", ""),
        "queues": [queue.name for queue in programs.queues_of(program)], "uploads": added[shown.rows],
        "pager": shown.pager,
        "most": uploads.MOST_ON_A_PAGE,
    }  # fmt: skip
    return page(request, "lead/units.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post("/lead/{number}/units")
def act(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    program = program_or_404(db, number)
    try:
        doing = {"add": add, "undo": undo}.get(text_of(form, "act"), nothing)
        request.session["notice"] = doing(db, program, form, who, now)
    except work.FormError as wrong:
        said = {"queue": text_of(form, "queue"), "rows": text_of(form, "rows"), "twice": text_of(form, "twice")}
        field = wrong.field if wrong.field in {"rows", "queue"} else ""
        return units_page(request, db, ours, who, program, [(field, one) for one in str(wrong).splitlines()], said)
    return RedirectResponse(f"/lead/{number}/units", HTTPStatus.SEE_OTHER)


def add(db: Session, program: Program, form: FormData, who: str, now: datetime) -> str:
    """Units from a file, or from rows that were typed; all of them or none."""
    queue = queue_named(program, form)
    text, name = sent(form)
    rows = uploads.rows_of(text, name, most=uploads.MOST_ON_A_PAGE)
    twice = text_of(form, "twice") == "yes"
    made = uploads.keep(db, program, queue, rows, name=name, by=who, now=now, twice=twice)
    return f"{len(rows):,} unit{'s' * (len(rows) > 1)} of {made.name} added to {queue.name}."


def sent(form: FormData) -> tuple[str, str]:
    """What was sent and how to call it: the file, or else the rows."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        text = text_of(form, "rows")
        if not text:
            raise work.FormError("rows", "Pick a file, or write its rows.")
        return text, "the rows"
    try:
        return readable(file.file.read().decode("utf-8")), readable(file.filename)[:200]
    except UnicodeDecodeError as wrong:
        said = f"{file.filename}: not text in UTF-8. Maybe save it as CSV in UTF-8."
        raise work.FormError("rows", said) from wrong


def undo(db: Session, program: Program, form: FormData, who: str, now: datetime) -> str:
    number = number_of(text_of(form, "upload"))
    upload = db.get(Upload, number) if number is not None else None
    if upload is None or upload.program_id != program.id:
        raise work.FormError("undo", "There is no such upload here. Maybe reload the page.")
    uploads.undo(db, upload, who, now)
    return f"The units of {upload.name} were taken back from {upload.queue}."
