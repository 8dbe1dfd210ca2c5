"""An interview as the applicant meets it: what stands is pinned above the field, one question at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from threading import Thread
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api import views
from api.deps import House, Ours, now, page
from api.forms import SKIP, by_htmx, number_of, request_id, text_of, too_long, trouble
from api.links import sitting_of
from item_bank.schema import UnreadableResponseError
from vetting import store
from vetting.interviews import asking, interview, phrasing, proposing
from vetting.interviews.interview import Move
from vetting.models import calls, llm
from vetting.records import Question, Sitting, Turn
from vetting.sittings import resume, sitting

router = APIRouter()
LATE = (
    "You wrote this to an earlier question, which has been answered meanwhile, maybe in another window. It was not "
    "sent: here is the question that stands now. Change your words, or send them as they are."
)


def show(
    request: Request, db: Session, ours: House, at: datetime, token: str, question: Question, left: object
) -> Response | None:
    """The interview's page as it stands; None once the interview is over."""
    plainly = "plain" in request.query_params
    if ours.settings.access.models and proposing.due(question, ours.bank):
        if not plainly:
            return waiting_page(request, token, question, left)
        proposing.give_up(db, question, at)
    step = interview.step(db, question, ours.bank, at)
    if step is None:
        return None
    if isinstance(step, Move):
        if comes_later(step, question, ours) and not plainly:
            return waiting_page(request, token, question, left)
        step = interview.ask(db, question, step, step.text, wording="model" if step.proposed else "own", now=at)
    return conversation_page(request, ours, token, question, step, left)


def comes_later(move: Move, question: Question, ours: House) -> bool:
    """Whether a model is asked first: for the words of a question, or which fact is asked for."""
    access = ours.settings.access
    if move.kind == "fact":
        return asking.wanted(question, ours.bank.probes[question.item_id], access)
    return phrasing.wanted(move, access)


def hear(
    request: Request, db: Session, ours: House, at: datetime, token: str, question: Question, form: FormData,
    left: object,
) -> Response:  # fmt: skip
    """Keep what was said; the page that follows goes on from the record alone."""
    said, to = text_of(form, "text"), number_of(text_of(form, "turn")) or 0
    this, standing = request_id(question.id, form), interview.waiting(question)
    errors = too_long(form)
    late = (
        bool(said) and (standing is None or standing.number > to) and this not in {t.request_id for t in question.turns}
    )
    if late:
        errors.append(("text", LATE))
    try:
        if not errors:
            act = text_of(form, "act")
            interview.say(db, question, said, act=act, to=to, now=at, request_id=this)
            if act in {"done", "skip"}:  # closed now: whoever leaves here is graded all the same
                interview.step(db, question, ours.bank, at)
    except UnreadableResponseError as wrong:
        first = standing is not None and standing.number == 1
        errors.append(trouble(wrong, SKIP if first else "say that you are done with this question"))
    if errors and standing is not None:
        return conversation_page(request, ours, token, question, standing, left, said, errors)
    return RedirectResponse(f"/s/{token}{'?late=1' if late else ''}", HTTPStatus.SEE_OTHER)


# -- words as they come ----------------------------------------------------------------------------


@router.get("/s/{token}/words")
def words(ours: Ours, token: str) -> Response:
    """The next question, piece by piece, as a model words it. When it ends, what is to be shown is on record."""
    with store.reading(ours.engine) as db:
        sitting_of(token, db, ours)
    return StreamingResponse(found_words(ours, token), media_type="text/plain", headers={"X-Accel-Buffering": "no"})


def found_words(ours: House, token: str) -> Iterator[str]:
    """First which fact is asked for, or what a model proposes to ask; then the words of what the engine has chosen."""
    tell_asked(ours, token)
    hear_proposals(ours, token)
    with store.reading(ours.engine) as db:
        found = next_wording(sitting_of(token, db, ours), ours)
        if found is None:
            return
        question, move = found
        access = phrasing.quick(calls.within_budget(db, ours.settings.access, question.sitting_id))
        asked = phrasing.request(question, move, ours.bank.probes[question.item_id], resume.told(question.sitting))
        attempts: list[llm.Attempt] = []
        whole: list[str] = []
        pieces = phrasing.shown(llm.stream(access, asked, attempts), question, move, ours.bank, whole)
        list(question.turns)  # all that checking needs is read before the session ends
        db.expunge_all()
    yield from spoken(ours, token, pieces, whole, attempts)


def hear_proposals(ours: House, token: str) -> None:
    """Ask a model what could be asked, where that is due; no transaction is open while it thinks."""
    with store.reading(ours.engine) as db:
        question = in_between(sitting_of(token, db, ours), ours)
        if question is None or not ours.settings.access.models or not proposing.due(question, ours.bank):
            return
        access = calls.within_budget(db, ours.settings.access, question.sitting_id)
        wanted = proposing.inquiry(question, ours.bank.probes[question.item_id])
    attempts, why = proposing.ask(access, wanted)
    with store.writing(ours.engine) as db:
        question = db.get_one(Question, wanted.question_id, with_for_update=True)  # two tabs may have asked
        proposing.keep(db, question, wanted, attempts, why, ours.bank, now())


def in_between(mine: Sitting, ours: House) -> Question | None:
    """The running interview, if nothing waits for an answer."""
    question = sitting.open_question(mine)
    if question is None or not interview.is_interview(question, ours.bank) or interview.waiting(question) is not None:
        return None
    return question


def tell_asked(ours: House, token: str) -> None:
    """Where a fact is asked for, let a model say which, and tell it; no transaction is open while it thinks."""
    with store.reading(ours.engine) as db:
        question = in_between(sitting_of(token, db, ours), ours)
        if question is None or not asking.wanted(question, ours.bank.probes[question.item_id], ours.settings.access):
            return
        number = question.id
    asking.hear(ours.engine, number, ours.bank, ours.settings.access, now())


def next_wording(mine: Sitting, ours: House) -> tuple[Question, Move] | None:
    """The question whose words are missing; None where something stands already."""
    if (question := in_between(mine, ours)) is None:
        return None
    move = interview.next_move(question, ours.bank)
    return (question, move) if move is not None and phrasing.wanted(move, ours.settings.access) else None


def spoken(
    ours: House, token: str, pieces: Iterator[str], whole: list[str], attempts: list[llm.Attempt]
) -> Iterator[str]:
    """Hand the pieces on; at the end keep the wording, or the bank's own where the model failed or said too much."""
    fault = ""
    try:
        yield from pieces
    except llm.ModelFaultError as wrong:
        fault = wrong.fault
    except GeneratorExit:  # the reader left: whoever ends this must not wait for the database
        Thread(target=keep_wording, args=(ours, token, "", "left", attempts), daemon=True).start()
        raise
    keep_wording(ours, token, "".join(whole).strip(), fault, attempts)


def keep_wording(ours: House, token: str, text: str, fault: str, attempts: list[llm.Attempt]) -> None:
    """One transaction after the call: what was asked of whom, and the words that stand from now on."""
    with store.writing(ours.engine) as db:
        mine = sitting_of(token, db, ours)
        asked = sitting.open_question(mine)
        about = {"question": asked.id} if asked is not None else {}
        calls.keep(db, attempts, purpose=calls.PHRASE, now=now(), sitting_id=mine.id, about=about)
        found = next_wording(mine, ours)
        if found is None:
            return
        question, move = found
        why = [fault] if fault else list(phrasing.faults(text, question, move, ours.bank))
        own = bool(why) or not attempts or bool(attempts[-1].fault)
        move = replace(move, why=move.why | ({"not the model's words": why} if why else {}))
        interview.ask(db, question, move, move.text if own else text, wording="own" if own else "model", now=now())


# -- pages -----------------------------------------------------------------------------------------


def waiting_page(request: Request, token: str, question: Question, left: object) -> Response:
    """The next question is being worded; it comes by itself, or at once in the bank's own words."""
    context: dict[str, Any] = {
        "subject": question.sitting.invitation.role.name, "asked": {"id": question.id, "number": question.number},
        "action": f"/s/{token}", "left": left, "errors": [], "before": views.transcript(question),
        "words_url": f"/s/{token}/words", "turn": 0,
    }  # fmt: skip
    return page(request, fragment_of(request), context)


def fragment_of(request: Request) -> str:
    return "applicant/_conversation.html" if by_htmx(request) else "applicant/conversation.html"


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
        "may_ask": bool(probe.facts), "late": "late" in request.query_params,
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200
    return page(request, fragment_of(request), context, status)
