"""The lead's door to how well judges judge: gold units, hidden repeats, calibration rounds, fresh labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, text_of
from api.lead import heading, program_or_404
from api.paging import part
from api.recruiter import Staff, frame, shown_name
from api.running import queue_named
from vetting import programs
from vetting.messages import faults
from vetting.quality import gate, gold, recalls, repeats, rounds
from vetting.records import Json, Program
from vetting.round_records import Round
from vetting.scope import QueueForm
from vetting.units import work
from vetting.work_records import Unit

router = APIRouter()
TYPED = ("queue", "unit", "content", "text", "verdict", "because", "people", "rows", "wrong_steps",
         "units", "note", "source", "of", "person", "way", "below", "numbers", "most", "reason")  # fmt: skip
SHOWN, ROUNDS, PICKS = 20, 10, 60  # of a list on a page


@router.get("/lead/{number}/quality")
def quality(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    return quality_page(request, db, ours, now, who, program_or_404(db, number))


def quality_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, program: Program,
    errors: Sequence[tuple[str, str]] = (), said: Json | None = None,
) -> Response:  # fmt: skip
    context = {
        **frame("lead", who, db, ours), "errors": list(errors), "said": said or {},
        "program": heading(program),
        "action": f"/lead/{program.id}/quality",
        "queues": [queue_view(request, db, program, *one, now) for one in enumerate(programs.queues_of(program), 1)],
        "people": [(person.id, shown_name(person)) for person in programs.crew(db)],
        "picks": PICKS, "rounds_url": f"/lead/{program.id}/rounds", "most_people": rounds.PEOPLE[1],
    }  # fmt: skip
    return page(request, "lead/quality.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def queue_view(
    request: Request, db: Session, program: Program, n: int, queue: QueueForm, now: datetime
) -> dict[str, Any]:
    known, again = gold.results(db, program, queue.name, now), recalls.sent(db, program, queue.name)
    held = list(reversed(rounds.rounds(db, program, queue.name)))
    units = part(request, len(known["units"]), SHOWN, f"gold-{n}", f"#gold-{n}-title")
    talks = part(request, len(held), ROUNDS, f"rounds-{n}", f"#rounds-{n}-title")
    fresh = part(request, len(again), SHOWN, f"again-{n}", f"#again-{n}-title")
    return {
        "name": queue.name, "judging": queue.judging, "verdicts": gate.categories_of(queue), "errors": work.ERRORS,
        "gold_share": queue.gold, "gold_people": queue.gold_people,
        "gold": known | {"units": known["units"][units.rows], "count": len(known["units"])},
        "gold_open": f"gold-{n}" in request.query_params,
        "repeat_share": queue.repeats, "repeat_after": queue.repeat_after,
        "repeats": repeats.self_agreement(db, program, queue),
        "rounds": [round_view(db, one, queue) for one in held[talks.rows]],
        "recalls": recalls.account(db, again[fresh.rows]),
        "gold_pager": units.pager, "rounds_pager": talks.pager, "recalls_pager": fresh.pager,
    }  # fmt: skip


def round_view(db: Session, one: Round, queue: QueueForm) -> dict[str, Any]:
    seen = rounds.account(db, one, queue)
    return {name: seen[name] for name in ("id", "at", "note", "units", "people", "shown", "agreement", "of")} | {
        "change": rounds.change(db, one, queue)
    }


# -- what a lead does --------------------------------------------------------------------------------


@router.post("/lead/{number}/quality")
def act(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    program = program_or_404(db, number)
    try:
        doing = DOING.get(text_of(form, "act"), nothing)
        doing(db, program, form, who, now)
    except work.FormError as wrong:
        said = {name: text_of(form, name) for name in TYPED}
        names = [queue.name for queue in programs.queues_of(program)]
        here = f"-{names.index(said['queue']) + 1}" if said["queue"] in names and wrong.field in TYPED else ""
        errors = [(f"{wrong.field}{here}" if here else "", one) for one in str(wrong).splitlines()]
        return quality_page(request, db, ours, now, who, program, errors, said)
    return RedirectResponse(f"/lead/{number}/quality", HTTPStatus.SEE_OTHER)


def nothing(*_: object) -> None:
    raise work.FormError("act", "This form was not complete. Maybe send it again from this page.")


def mark_one(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    """One gold unit, from the fields of the form."""
    queue = queue_named(program, form)
    body: Json = {name: text_of(form, name) for name in ("unit", "content", "text", "verdict", "because", "people")}
    body = {name: value for name, value in body.items() if value}
    body["wrong_steps"] = text_of(form, "wrong_steps").replace(",", ";")
    body["errors"] = [str(one) for one in form.getlist("error")]
    body["told"] = text_of(form, "told") == "yes"
    try:
        one = gold.GoldForm.model_validate(body)
    except ValidationError as wrong:
        field = str(wrong.errors()[0]["loc"][0])
        raise work.FormError(field, "\n".join(faults(wrong))) from wrong
    gold.mark(db, program, queue, [one], who, now)


def mark_many(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    """Gold units from a file, or from rows that were pasted."""
    queue = queue_named(program, form)
    sent = form.get("file")
    try:
        if isinstance(sent, UploadFile) and sent.filename:
            rows = gold.rows_of(sent.file.read().decode("utf-8"), sent.filename)
        else:
            rows = gold.rows_of(text_of(form, "rows"), "The rows")
    except UnicodeDecodeError as wrong:
        raise work.FormError("rows", "The file is not text in UTF-8. Maybe save it as CSV in UTF-8.") from wrong
    except work.FormError:
        raise
    except ValueError as wrong:
        raise work.FormError("rows", str(wrong)) from wrong
    gold.mark(db, program, queue, rows, who, now)


def withdraw(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    queue = queue_named(program, form)
    number = number_of(text_of(form, "unit"))
    mine = Unit.program_id == program.id, Unit.queue == queue.name, Unit.number == number
    unit = db.scalars(select(Unit).where(*mine)).first()
    if unit is None:
        raise work.FormError("unit", "There is no such unit in this queue. Maybe reload the page.")
    gold.withdraw(db, unit, text_of(form, "reason"), who, now, wrong=text_of(form, "how") == "wrong")


def whole(form: FormData, field: str, usual: int) -> int:
    """A whole number from a field; the usual one where it is empty."""
    text = text_of(form, field)
    number = number_of(text) if text else usual
    if number is None:
        raise work.FormError(field, f"{text!r} is no whole number.")
    return number


def begin(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    """A calibration round, or a retest of an earlier one."""
    queue = queue_named(program, form)
    of = db.get(Round, whole(form, "of", 0)) if text_of(form, "of") else None
    if of is not None and (of.program_id, of.queue) != (program.id, queue.name):
        raise work.FormError("of", "That round is of another queue. Maybe reload the page.")
    people = [number for one in form.getlist("person") if isinstance(one, str) and (number := number_of(one))]
    rounds.start(
        db, program, queue, people=people, units=whole(form, "units", 10), source=text_of(form, "source") or "settled",
        note=text_of(form, "note")[:400], by=who, now=now, of=of,
    )  # fmt: skip


def send(db: Session, program: Program, form: FormData, who: str, now: datetime) -> None:
    """Units to people who never saw them."""
    queue = queue_named(program, form)
    try:
        below = float(text_of(form, "below") or 0.9)
        numbers = [int(one) for one in text_of(form, "numbers").replace(",", " ").split()]
    except ValueError as wrong:
        raise work.FormError("numbers", "Write numbers, separated by commas.") from wrong
    units = recalls.choose(
        db, program, queue, now, way=text_of(form, "way"), below=below,
        reviewer=number_of(text_of(form, "reviewer")), numbers=numbers,
    )  # fmt: skip
    recalls.send(
        db, units, people=whole(form, "people", 1), because=text_of(form, "reason"), by=who, now=now,
        most=whole(form, "most", 50),
    )  # fmt: skip


DOING = {"gold": mark_one, "file": mark_many, "withdraw": withdraw, "round": begin, "again": send}
