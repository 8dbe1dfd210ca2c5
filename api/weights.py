"""The lead's door to a queue's weights: stated, learnt from outcomes, and which of them hold."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api import views
from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, text_of
from api.lead import heading, program_or_404
from api.recruiter import Staff, frame
from vetting import programs
from vetting import scale as scales
from vetting.quality import reweighting
from vetting.quality.reweighting import Learnt
from vetting.records import Program

router = APIRouter()


def all_learnt(db: Session, program: Program, now: datetime) -> list[Learnt]:
    scale = scales.of(scales.latest(db))
    return [reweighting.learnt(db, program, queue, scale, now) for queue in programs.queues_of(program)]


@router.get("/lead/{number}/weights")
def weights(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    return weights_page(request, db, ours, now, who, program_or_404(db, number))


def weights_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, program: Program, trouble: str = ""
) -> Response:
    context = {
        **frame("lead", who, db, ours), "program": heading(program), "trouble": trouble,
        "queues": [queue_view(found, ours) for found in all_learnt(db, program, now)],
        "action": f"/lead/{program.id}/weights",
    }  # fmt: skip
    return page(request, "lead/weights.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if trouble else 200)


def queue_view(found: Learnt, ours: House) -> dict[str, Any]:
    rows = [
        {"skill": views.names([one.skill], ours.bank)[0], "stated": one.stated, "learnt": one.learnt, "sd": one.sd,
         "used": one.used}
        for one in found.weights
    ]  # fmt: skip
    return {"name": found.queue, "rows": rows, "people": found.people, "units": found.units, "taken": found.taken,
            "lacking": found.lacking}  # fmt: skip


@router.get("/lead/{number}/weights.json")
def as_json(db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001 -- the door asks who
    found = all_learnt(db, program_or_404(db, number), now)
    return JSONResponse({"queues": [one.as_json() for one in found]})


@router.post("/lead/{number}/weights")
def decide(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    """Use learnt weights, or the stated ones again."""
    program, name = program_or_404(db, number), text_of(form, "queue")
    try:
        queue = reweighting.form_of(program, name)
        if text_of(form, "act") == "take back":
            reweighting.take_back(db, program, name, who, now)
        else:
            found = reweighting.learnt(db, program, queue, scales.of(scales.latest(db)), now)
            reweighting.accept(db, program, found, who, now)
    except ValueError as wrong:
        return weights_page(request, db, ours, now, who, program, str(wrong))
    return RedirectResponse(f"/lead/{number}/weights", HTTPStatus.SEE_OTHER)
