"""The lead's door to running work: pilots and their gates, checkpoints, disputes, suspicions, and what is delivered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from math import isfinite
from typing import Any, NoReturn

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, text_of
from api.lead import heading, program_or_404
from api.recruiter import Staff, frame, shown_name
from api.worker import link
from vetting import programs
from vetting.quality import delivery, gate, progress
from vetting.records import Json, Program
from vetting.scope import QueueForm
from vetting.units import suspicion, work
from vetting.work_records import Submission, Suspicion, Unit

router = APIRouter()
STATES = ("waiting", "offered", "in work", "submitted", "checked", "reviewed", "disputed", "held", "sent back",
          "rejected", "accepted")  # fmt: skip


@router.get("/lead/{number}/run")
def run(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    return run_page(request, db, ours, now, who, program_or_404(db, number))


def run_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, program: Program,
    errors: Sequence[tuple[str, str]] = (), said: Json | None = None,
) -> Response:  # fmt: skip
    people = programs.experts(db)
    context = {
        **frame("lead", who, db, ours), "errors": list(errors), "said": said or {},
        "program": heading(program),
        "action": f"/lead/{program.id}/run", "states": STATES,
        "queues": [queue_view(db, program, queue, now) for queue in programs.queues_of(program)],
        "people": [{"name": shown_name(person), "url": link(ours, person)} for person in people[:60]],
        "suspicions": [suspicion_view(flag) for flag in open_suspicions(db, program)],
        "planned": programs.previous(program) is not None,
    }  # fmt: skip
    return page(request, "lead/run.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def queue_view(db: Session, program: Program, queue: QueueForm, now: datetime) -> dict[str, Any]:
    units = work.whole(program, queue.name, db)
    stand = progress.states(units, now)
    passed = gate.gate(db, program, queue)
    points = progress.checkpoints(db, program, queue.name)
    return {
        "name": queue.name, "phase": gate.phase(db, program, queue.name), "units": len(units), "asked": queue.units,
        "counts": [(state, stand[state]) for state in STATES if stand[state]],
        "gate": {"judged": passed.judged, "wanted": passed.wanted, "threshold": passed.threshold,
                 "agreement": progress.figures(passed.agreement), "faults": passed.faults(),
                 "categories": [(name, progress.figures(seen)) for name, seen in passed.categories]},
        "now": progress.outlook(db, program, queue, units), "judging": queue.judging,
        "checkpoints": [{"units": one.units, "at": one.at, **one.body} for one in points],
        "every": queue.checkpoint, "decisions": list(gate.decisions(db, program, queue.name))[-3:],
        "disputes": [{"number": unit.number, "reason": dispute.reason, "at": dispute.at}
                     for unit in units if (dispute := work.open_dispute(unit)) is not None],
    }  # fmt: skip


def open_suspicions(db: Session, program: Program) -> list[Suspicion]:
    """What a person has to look at: flags without a finding, and findings that were appealed."""
    flags = db.scalars(
        select(Suspicion).join(Submission).join(Unit).where(Unit.program_id == program.id).order_by(Suspicion.id)
    )
    return [flag for flag in flags if not flag.findings or len(flag.appeals) >= len(flag.findings)]


def suspicion_view(flag: Suspicion) -> dict[str, Any]:
    made = flag.submission
    return {
        "id": flag.id, "kind": flag.kind, "because": flag.because, "by": flag.by, "queue": made.unit.queue,
        "number": made.unit.number, "text": made.text, "appeals": [one.words for one in flag.appeals],
        "before": [("found true" if one.upheld else "cleared", one.because) for one in flag.findings],
    }  # fmt: skip


# -- what a lead does --------------------------------------------------------------------------------


@router.post("/lead/{number}/run")
def act(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    program = program_or_404(db, number)
    try:
        doing = {"decide": decide, "find": find}.get(text_of(form, "act"), nothing)
        doing(db, program, form, who, now)
    except work.FormError as wrong:
        said = {name: text_of(form, name) for name in ("queue", "verdict", "reason", "measured")}
        names = [queue.name for queue in programs.queues_of(program)]
        place = (
            f"{wrong.field}-{names.index(said['queue']) + 1}" if said["queue"] in names and wrong.field in said else ""
        )
        return run_page(request, db, ours, now, who, program, [(place, str(wrong))], said)
    return RedirectResponse(f"/lead/{number}/run", HTTPStatus.SEE_OTHER)


def nothing(*_: object) -> NoReturn:
    raise work.FormError("act", "This form was not complete. Maybe send it again from this page.")


def queue_named(program: Program, form: FormData) -> QueueForm:
    named = {queue.name: queue for queue in programs.queues_of(program)}
    name = text_of(form, "queue")
    if name not in named:
        raise work.FormError("queue", f"There is no queue {name!r} any more. Maybe reload the page.")
    return named[name]


def decide(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    """Scale, change or stop, beside what was on the screen; the customer's measure, where there is one."""
    queue = queue_named(program, form)
    seen = progress.outlook(db, program, queue, work.whole(program, queue.name, db))
    evidence: Json = {"advice": seen["advice"], "agreement": seen["agreement"], "measured": None}
    if text := text_of(form, "measured"):
        evidence["measured"] = measured(text)
    gate.decide(db, program, queue, text_of(form, "verdict"), text_of(form, "reason"), who, evidence, now)


def measured(text: str) -> float:
    """A customer's measure: a finite number, since reports hold it as JSON."""
    try:
        number = float(text)
    except ValueError as wrong:
        raise work.FormError("measured", f"{text!r} is no number. Maybe leave the measure empty.") from wrong
    if not isfinite(number):
        raise work.FormError("measured", f"{text!r} is no number that can be measured. Maybe leave the measure empty.")
    return number


def find(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    number = number_of(text_of(form, "suspicion"))
    flag = db.get(Suspicion, number) if number is not None else None
    if flag is None or flag.submission.unit.program_id != program.id:
        raise work.FormError("suspicion", "There is no such suspicion here.")
    verdict = text_of(form, "verdict")
    if verdict not in {"true", "cleared"}:
        raise work.FormError("verdict", "Pick one: found true, or cleared.")
    suspicion.find(db, flag, upheld=verdict == "true", because=text_of(form, "reason"), by=who, now=now)


# -- what is delivered -------------------------------------------------------------------------------


@router.get("/lead/{number}/report")
def report(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    program = program_or_404(db, number)
    context = {
        **frame("lead", who, db, ours), "report": delivery.report(db, program, now), "base": f"/lead/{number}",
        "log": delivery.adjudications(db, program),
    }  # fmt: skip
    return page(request, "lead/report.html", context)


@router.get("/lead/{number}/report.json")
def report_json(db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001 -- the door asks who
    return JSONResponse(delivery.report(db, program_or_404(db, number), now))


@router.get("/lead/{number}/adjudications.json")
def log_json(db: DB, who: Staff, number: Number) -> Response:  # noqa: ARG001
    return JSONResponse(delivery.adjudications(db, program_or_404(db, number)))


@router.get("/lead/{number}/units.jsonl")
def units_jsonl(request: Request, db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001
    rows = delivery.export(db, program_or_404(db, number), now, **filters(request))
    return file_of(delivery.as_jsonl(rows), "units.jsonl", "application/x-ndjson")


@router.get("/lead/{number}/units.csv")
def units_csv(request: Request, db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001
    rows = delivery.export(db, program_or_404(db, number), now, **filters(request))
    return file_of(delivery.as_csv(rows), "units.csv", "text/csv; charset=utf-8")


def filters(request: Request) -> dict[str, Any]:
    """With ?confidence=0.9 only units that are surer; with ?all=yes those too that are not accepted."""
    try:
        least = float(request.query_params.get("confidence", "") or 0)
    except ValueError:
        least = 0.0
    return {"least": least if 0 <= least <= 1 else 0.0, "unfinished": request.query_params.get("all") == "yes"}


def file_of(text: str, name: str, kind: str) -> Response:
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
