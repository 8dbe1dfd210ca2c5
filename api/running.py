"""The lead's door to running work: pilots and their gates, checkpoints, disputes, suspicions, and what is delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from itertools import chain, islice
from math import isfinite
from typing import Any, NoReturn

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from starlette.datastructures import FormData

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, text_of
from api.lead import heading, program_or_404
from api.paging import part
from api.recruiter import Staff, frame, shown_name
from api.worker import link
from vetting import programs, store
from vetting.quality import delivery, gate, progress
from vetting.records import Json, Program
from vetting.scope import QueueForm
from vetting.units import ledger, suspicion, work
from vetting.work_records import Dispute, Resolution, Submission, Suspicion, Unit, deliverable

router = APIRouter()
STATES = ("waiting", "offered", "in work", "submitted", "checked", "reviewed", "disputed", "held", "sent back",
          "rejected", "accepted")  # fmt: skip
ROWS, LOG, LINKS = 20, 40, 60  # of a list on a page
LINES = 200  # of a file, sent together


@router.get("/lead/{number}/run")
def run(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    return run_page(request, db, ours, now, who, program_or_404(db, number))


def run_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, program: Program,
    errors: Sequence[tuple[str, str]] = (), said: Json | None = None,
) -> Response:  # fmt: skip
    people, flags = programs.crew(db), open_suspicions(db, program)
    links = part(request, len(people), LINKS, "links", "#links-title")
    lane = part(request, len(flags), ROWS, "lane", "#lane-title")
    context = {
        **frame("lead", who, db, ours), "errors": list(errors), "said": said or {},
        "program": heading(program),
        "action": f"/lead/{program.id}/run", "states": STATES,
        "queues": [queue_view(request, db, program, *one, now) for one in enumerate(programs.queues_of(program), 1)],
        "people": [{"name": shown_name(person), "url": link(ours, person)} for person in people[links.rows]],
        "suspicions": [suspicion_view(flag) for flag in flags[lane.rows]], "lane": lane.pager, "links": links.pager,
        "planned": programs.previous(program) is not None,
    }  # fmt: skip
    return page(request, "lead/run.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def queue_view(
    request: Request, db: Session, program: Program, place: int, queue: QueueForm, now: datetime
) -> dict[str, Any]:
    units = ledger.entries(db, program, queue.name, now)
    stand = progress.states(units, now)
    waiting = open_disputes(db, program, queue.name)
    shown = part(request, len(waiting), ROWS, f"disputes-{place}", f"#disputes-{place}-title")
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
        "disputes": waiting[shown.rows], "disputes_of": len(waiting), "pager": shown.pager,
    }  # fmt: skip


def open_disputes(db: Session, program: Program, queue: str) -> list[Json]:
    """What waits for a third person: of each unit the first."""
    asked = (
        select(Unit.number, Dispute.reason, Dispute.at).join(Dispute, Dispute.unit_id == Unit.id)
        .outerjoin(Resolution, Resolution.dispute_id == Dispute.id)
        .where(Unit.program_id == program.id, Unit.queue == queue, Resolution.id.is_(None), deliverable())
        .order_by(Unit.number, Dispute.id.desc())
    )  # fmt: skip
    first = {row.number: row for row in db.execute(asked)}
    return [{"number": row.number, "reason": row.reason, "at": row.at} for row in first.values()]


def open_suspicions(db: Session, program: Program) -> list[Suspicion]:
    """What a person has to look at: flags without a finding, and findings that were appealed."""
    flags = db.scalars(
        select(Suspicion).join(Submission).join(Unit).where(Unit.program_id == program.id).order_by(Suspicion.id)
        .options(selectinload(Suspicion.findings), selectinload(Suspicion.appeals))
    )  # fmt: skip
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
    seen = progress.outlook(db, program, queue, ledger.entries(db, program, queue.name, now))
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
    found = delivery.report(db, program, now)
    log = part(request, found["disputes"]["opened"], LOG, anchor="#log-title")
    context = {
        **frame("lead", who, db, ours), "report": found, "base": f"/lead/{number}", "pager": log.pager,
        "log": delivery.adjudications(db, program, log.rows),
    }  # fmt: skip
    return page(request, "lead/report.html", context)


@router.get("/lead/{number}/report.json")
def report_json(db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001 -- the door asks who
    return JSONResponse(delivery.report(db, program_or_404(db, number), now))


@router.get("/lead/{number}/adjudications.json")
def log_json(db: DB, who: Staff, number: Number) -> Response:  # noqa: ARG001
    return JSONResponse(delivery.adjudications(db, program_or_404(db, number)))


@router.get("/lead/{number}/units.jsonl")
def units_jsonl(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001
    program = program_or_404(db, number)
    lines = exported(ours, program.id, now, delivery.as_jsonl, filters(request))
    return file_of(lines, "units.jsonl", "application/x-ndjson")


@router.get("/lead/{number}/units.csv")
def units_csv(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001
    program = program_or_404(db, number)
    lines = exported(ours, program.id, now, delivery.as_csv, filters(request))
    return file_of(lines, "units.csv", "text/csv; charset=utf-8")


def exported(
    ours: House, number: int, now: datetime, lines: Callable[[Iterable[Json]], Iterator[str]], chosen: Json
) -> Iterator[str]:
    """The lines of a file of units, read as it is sent: its session lives as long as the sending."""
    with (
        store.reading(ours.engine) as db,
        closing(delivery.export(db, db.get_one(Program, number), now, **chosen)) as rows,
    ):
        made = lines(rows)
        while some := "".join(islice(made, LINES)):
            yield some


def filters(request: Request) -> dict[str, Any]:
    """With ?confidence=0.9 only units that are surer; with ?all=yes those too that are not accepted."""
    try:
        least = float(request.query_params.get("confidence", "") or 0)
    except ValueError:
        least = 0.0
    return {"least": least if 0 <= least <= 1 else 0.0, "unfinished": request.query_params.get("all") == "yes"}


def file_of(lines: Iterator[str], name: str, kind: str) -> Response:
    """A file to keep; what fails before its first line is still an error's page."""
    first = list(islice(lines, 1))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chain(first, lines), media_type=kind, headers=headers)
