"""Calibration rounds, for the lead who began one and for the people in it: what everybody said, side by side."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, text_of
from api.lead import program_or_404
from api.recruiter import Staff, frame
from api.worker import Mine
from vetting import programs
from vetting.quality import rounds
from vetting.records import Applicant, Json, Program
from vetting.round_records import Round
from vetting.units import work

router = APIRouter()
LEAD = "the lead"


def round_or_404(db: Session, number: int) -> Round:
    found = db.get(Round, number)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, {"what": "There is no such round", "maybe": "Maybe it is older."})
    return found


def told(db: Session, round_: Round, called: dict[int, str]) -> Json | None:
    """A round with the names that whoever looks may see; None where its queue is gone."""
    program = db.get_one(Program, round_.program_id)
    queue = next((one for one in programs.queues_of(program) if one.name == round_.queue), None)
    if queue is None:
        return None
    seen = rounds.account(db, round_, queue)
    for row in seen["rows"]:
        for said in (*row["said"], *row["remarks"]):
            said["by"] = called.get(said["who"], LEAD)
    for one in seen["people"]:
        one["name"] = called[one["id"]]
    return seen | {"change": rounds.change(db, round_, queue), "judging": queue.judging}


# -- the lead ----------------------------------------------------------------------------------------


@router.get("/lead/{number}/rounds/{which}")
def lead_looks(request: Request, db: DB, ours: Ours, who: Staff, number: Number, which: Number) -> Response:
    return lead_page(request, db, ours, who, program_or_404(db, number), round_or_404(db, which))


def lead_page(
    request: Request, db: Session, ours: House, who: str, program: Program, round_: Round,
    errors: tuple[tuple[str, str], ...] = (),
) -> Response:  # fmt: skip
    if round_.program_id != program.id:
        raise HTTPException(HTTPStatus.NOT_FOUND, {"what": "There is no such round", "maybe": "Maybe it is another's."})
    people = [db.get_one(Applicant, one) for one in round_.people]
    names = {int(one): name for one, name in programs.names(people).items()}
    context = {
        **frame("lead", who, db, ours), "round": told(db, round_, names), "errors": list(errors),
        "action": f"/lead/{program.id}/rounds/{round_.id}", "back_url": f"/lead/{program.id}/quality",
        "rounds_url": f"/lead/{program.id}/rounds", "is_lead": True, "audience": "staff",
    }  # fmt: skip
    return page(request, "lead/round.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post("/lead/{number}/rounds/{which}")
def lead_acts(
    request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, which: Number, form: Form
) -> Response:
    program, round_ = program_or_404(db, number), round_or_404(db, which)
    try:
        if text_of(form, "act") == "close" and round_.program_id == program.id:
            rounds.close(db, round_, who, now)
        else:
            speak(db, round_, form, None, now)
    except work.FormError as wrong:
        return lead_page(request, db, ours, who, program, round_, (("", str(wrong)),))
    return RedirectResponse(f"/lead/{number}/rounds/{which}", HTTPStatus.SEE_OTHER)


def speak(db: Session, round_: Round, form: FormData, person: Applicant | None, now: datetime) -> None:
    rounds.remark(db, round_, number_of(text_of(form, "unit")) or 0, text_of(form, "words")[:4000], person, now)


# -- the people in it --------------------------------------------------------------------------------


@router.get("/w/{token}/rounds/{which}")
def expert_looks(request: Request, db: DB, ours: Ours, token: str, mine: Mine, which: Number) -> Response:
    return expert_page(request, db, ours, token, mine, round_or_404(db, which))


def expert_page(
    request: Request, db: Session, ours: House, token: str, mine: Applicant, round_: Round,
    errors: tuple[tuple[str, str], ...] = (),
) -> Response:  # fmt: skip
    if mine.id not in round_.people or not rounds.shown(db, round_):
        maybe = "Maybe it is still open: it is shown once everybody has judged everything."
        raise HTTPException(HTTPStatus.NOT_FOUND, {"what": "There is no such round to see", "maybe": maybe})
    names = {one: f"Person {place}" for place, one in enumerate(round_.people, start=1)} | {mine.id: "You"}
    context: dict[str, Any] = {
        "round": told(db, round_, names), "errors": list(errors), "action": f"/w/{token}/rounds/{round_.id}",
        "back_url": f"/w/{token}", "is_lead": False, "organisation": ours.settings.organisation, "who": mine.name,
        "subject": "Your work", "audience": "applicant",
    }  # fmt: skip
    return page(request, "lead/round.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post("/w/{token}/rounds/{which}")
def expert_acts(
    request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, which: Number, form: Form
) -> Response:
    round_ = round_or_404(db, which)
    try:
        if mine.id in round_.people:
            speak(db, round_, form, mine, now)
    except work.FormError as wrong:
        return expert_page(request, db, ours, token, mine, round_, (("", str(wrong)),))
    return RedirectResponse(f"/w/{token}/rounds/{which}", HTTPStatus.SEE_OTHER)
