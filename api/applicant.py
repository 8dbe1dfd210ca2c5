"""The applicant's door: invitation, practice, one question a page, the result. A link is the key to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from api import conversation
from api.auth import sign
from api.deps import DB, House, Now, Ours, WritingDB, page
from api.forms import Form, by_htmx, line_of, on_to, request_id, said_of, text_of, too_long, trouble
from api.links import Invited, Mine, Running, begun, closed_page, not_ours, remember
from item_bank.schema import UnreadableResponseError
from vetting import programs
from vetting import scale as scales
from vetting.grades.grading import OFFLINE
from vetting.interviews import interview
from vetting.messages import RoleForm
from vetting.records import Ending, Invitation, Question, Sitting
from vetting.sittings import choice, sitting
from vetting.sittings.aim import FEW_MINUTES

router = APIRouter()

FACTORS = (
    ("1", "Usual time"), ("1.25", "A quarter more"), ("1.5", "Half as much again"), ("2", "Twice the time"),
    ("10", "No limit"),
)  # fmt: skip
NO_LIMIT, LONGEST_NAME = 10.0, 120  # times the usual time; letters
TOOLS = "Please answer by yourself: no other person, no language model, no searching. Pen and paper are welcome."


# -- the invitation --------------------------------------------------------------------------------


@router.get("/i/{token}")
def invitation(request: Request, ours: Ours, now: Now, token: str, invited: Invited) -> Response:
    mine = begun(request, invited)
    if mine is not None and invited.uses == 1:
        return go_on(request, ours, mine)
    try:
        sitting.check_open(invited, now)
    except sitting.ClosedError as wrong:
        return closed_page(request, wrong, go_on_url=path_of(ours, mine) if mine is not None else "")
    return invitation_page(request, ours, token, invited)


def path_of(ours: House, mine: Sitting) -> str:
    return f"/s/{sign(ours.key, 'sitting', mine.id)}"


def go_on(request: Request, ours: House, mine: Sitting) -> Response:
    remember(request, mine)
    return RedirectResponse(path_of(ours, mine), HTTPStatus.SEE_OTHER)


def graders(ours: House) -> dict[str, Any]:
    """Who besides people has to do with a conversation here, as applicants are told before they agree."""
    models = dict.fromkeys([*ours.settings.access.models, *(name.partition("#")[0] for name in ours.settings.raters)])
    counts = ours.settings.offline_rater or OFFLINE in models
    named = [name.partition("@")[0] for name in models if name != OFFLINE]
    return {"models": bool(named), "named": named, "counts_words": counts}


def invitation_page(
    request: Request, ours: House, token: str, invited: Invitation, said: Mapping[str, Any] | None = None,
    errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    form = RoleForm.model_validate(invited.role.body)
    tree = ours.bank.tree.skills
    shown = invited.focus or list(form.skills)
    most = FEW_MINUTES * len(invited.focus) if invited.focus else form.minutes
    context = {
        "subject": form.name,
        "invitation": {
            "asked_by": ours.settings.organisation, "role": form.name, "minutes_low": ceil(most / 3),
            "minutes_high": most, "until": invited.expires, "contact": "",
        },
        "skills": [tree[skill] for skill in shown if skill in tree],
        "interview": form.interview_minutes, **graders(ours),
        "kept_for": f"{form.keep_months} months",
        "tool_rule": TOOLS, "alternative_url": "", "languages": [("en", "English")], "factors": FACTORS,
        "talks": form.interview_minutes > 0 and not invited.focus,
        "proposes": form.model_proposals > 0,
        "ask_name": not invited.name and invited.applicant is None,
        "action": f"/i/{token}", "said": said, "errors": list(errors), "request_id": uuid4().hex,
        "begun_url": path_of(ours, mine) if (mine := begun(request, invited)) is not None else "",
    }  # fmt: skip
    return page(request, "applicant/invitation.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post("/i/{token}")
def accept(request: Request, db: DB, ours: Ours, now: Now, token: str, invited: Invited, form: Form) -> Response:
    db.refresh(invited, with_for_update=True)  # two people may press the button at once
    if form.get("act") == "practice":
        return RedirectResponse(f"/i/{token}/practice/1", HTTPStatus.SEE_OTHER)
    this = request_id(invited.id, form) if form.get("request_id") else None
    again = sitting.begun_by(invited, this) or (begun(request, invited) if invited.uses == 1 else None)
    if again is not None:
        return go_on(request, ours, again)
    sitting.check_open(invited, now)
    name = invited.name or line_of(form, "name", LONGEST_NAME)
    errors = []
    if form.get("consent") != "yes":
        errors.append(
            ("consent", "Agree to how answers are scored and kept, or leave: nothing is stored until you do.")
        )
    if not name and invited.applicant is None:
        errors.append(("name", "Fill in your name, so that the people who read your result know who you are."))
    if errors:
        return invitation_page(request, ours, token, invited, said_of(form), errors)
    factor = text_of(form, "time_factor")
    mine = sitting.begin(
        db, invited, name=name, extra_time=float(factor) if factor in dict(FACTORS) else 1.0,
        demand=programs.demand(db), queues=programs.short_queues(db), now=now, rng=ours.rng, request_id=this,
    )  # fmt: skip
    return go_on(request, ours, mine)


@router.get("/i/{token}/practice/{number}")
def practice(request: Request, ours: Ours, token: str, number: int, invited: Invited) -> Response:
    return practice_page(request, ours, token, invited, number)


@router.post("/i/{token}/practice/{number}")
def try_out(request: Request, ours: Ours, token: str, number: int, invited: Invited, form: Form) -> Response:
    return practice_page(request, ours, token, invited, number, form)


def practice_page(
    request: Request, ours: House, token: str, invited: Invitation, number: int, form: FormData | None = None
) -> Response:
    items = list(ours.practice.items.values())
    if not 1 <= number <= len(items):
        raise not_ours()
    item, errors, feedback = items[number - 1], [], None
    if form is not None:
        try:
            full = item.score(said_of(form)) == item.levels - 1
            feedback = {
                "verdict": "That is it" if full else "Not quite", "explanation": item.explanation,
                "next_url": f"/i/{token}/practice/{number + 1}" if number < len(items) else f"/i/{token}",
            }  # fmt: skip
        except UnreadableResponseError as wrong:
            errors = [trouble(wrong, instead="")]  # practice has no skip
    context = {
        "subject": invited.role.name, "total": len(items), "start_url": f"/i/{token}",
        "asked": {"id": f"practice-{number}", "number": number}, "item": item, "request_id": uuid4().hex,
        "action": f"/i/{token}/practice/{number}", "left": None, "said": said_of(form) if form is not None else None,
        "errors": errors, "feedback": feedback, "practice": True,
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200
    return page(request, "applicant/_question.html" if by_htmx(request) else "applicant/practice.html", context, status)


# -- the sitting -----------------------------------------------------------------------------------


@router.get("/s/{token}")
def current(request: Request, db: WritingDB, ours: Ours, now: Now, token: str, mine: Running) -> Response:
    """The question that waits, the next one, the pause, or the end."""
    step = sitting.next_step(db, mine, ours.bank, now)
    while isinstance(step, Question) and interview.is_interview(step, ours.bank):
        if (shown := conversation.show(request, db, ours, now, token, step, minutes_left(mine, ours))) is not None:
            return paused_page(request, ours, token, mine) if sitting.paused(mine) else shown
        step = sitting.next_step(db, mine, ours.bank, now)  # that interview is over
    if isinstance(step, Ending):
        return on_to(request, f"/s/{token}/result")
    if sitting.paused(mine):
        return paused_page(request, ours, token, mine)
    return question_page(request, ours, token, mine, step)


@router.post("/s/{token}")
def answer(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    """Keep the answer; the page that follows asks the next question from the record alone."""
    question = asked(mine, text_of(form, "question_id"))
    act = text_of(form, "act")
    if act == "pause":
        sitting.pause(db, mine, away=True, now=now)
    elif question.answer is not None and not sent_before(question, request_id(question.id, form)):
        return RedirectResponse(f"/s/{token}?late=1", HTTPStatus.SEE_OTHER)
    elif mine.ending is None and question.answer is None:
        sitting.pause(db, mine, away=False, now=now)
        if interview.is_interview(question, ours.bank):
            return conversation.hear(request, db, ours, now, token, question, form, minutes_left(mine, ours))
        if act != "skip" and (much := too_long(form)):
            return question_page(request, ours, token, mine, question, said_of(form), much)
        try:
            said = None if act == "skip" else said_of(form)
            sitting.answer(
                db, mine, question, said, request_id=request_id(question.id, form), bank=ours.bank, now=now
            )  # fmt: skip
        except UnreadableResponseError as wrong:
            return question_page(request, ours, token, mine, question, said_of(form), [trouble(wrong)])
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


@router.post("/s/{token}/resume")
def come_back(db: DB, now: Now, token: str, mine: Mine) -> Response:
    sitting.pause(db, mine, away=False, now=now)
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


@router.post("/s/{token}/end")
def leave(db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    """The applicant has had enough: the rest of the test is not taken."""
    if text_of(form, "sure") == "yes" and mine.ending is None:
        interview.leave(db, mine, ours.bank, now)
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


def sent_before(question: Question, request: str) -> bool:
    """Whether this very form, sent a second time, is what answered the question."""
    return request in {question.answer and question.answer.request_id, *(turn.request_id for turn in question.turns)}


def asked(mine: Sitting, number: str) -> Question:
    found = [question for question in mine.questions if str(question.id) == number]
    if not found:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            {"what": "This question is not part of your test", "maybe": "Maybe open your personal link again."},
        )
    return found[0]


def question_page(
    request: Request, ours: House, token: str, mine: Sitting, question: Question,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    context = {
        "subject": mine.invitation.role.name, "asked": {"id": question.id, "number": question.number},
        "item": ours.bank.items[question.item_id], "request_id": uuid4().hex, "action": f"/s/{token}",
        "left": minutes_left(mine, ours), "said": said, "errors": list(errors), "feedback": None, "practice": False,
        "late": "late" in request.query_params,
        "experience_url": f"/s/{token}/experience" if question.number == 1 else "",
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200
    return page(request, "applicant/_question.html" if by_htmx(request) else "applicant/question.html", context, status)


def paused_page(request: Request, ours: House, token: str, mine: Sitting) -> Response:
    context = {
        "subject": mine.invitation.role.name, "resume_action": f"/s/{token}/resume", "until": None, "kept": True,
        "end_action": f"/s/{token}/end",
        "download_url": f"/s/{token}/data.json", "delete_action": f"/s/{token}/delete", "ended": False,
        "asked_by": ours.settings.organisation, "sent_link": mine.invitation.uses == 1,
        "left": minutes_left(mine, ours),
    }  # fmt: skip
    if by_htmx(request):
        return on_to(request, f"/s/{token}")
    return page(request, "applicant/paused.html", context)


@dataclass(frozen=True)
class Left:
    """Minutes done and a range of those left."""

    done: float
    low: float
    high: float


def minutes_left(mine: Sitting, ours: House) -> Left | None:
    """None for whoever asked for no limit: ten times the usual minutes say nothing to them."""
    if mine.extra_time >= NO_LIMIT:
        return None
    state = choice.look(mine, scales.of(mine.calibration), ours.bank)
    low, high = sitting.minutes_left(mine, state)
    return Left(state.minutes, low, high)
