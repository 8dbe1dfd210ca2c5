"""The applicant's door: invitation, practice, one question a page, the result. A link is the key to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api import views
from api.auth import sign, unsign
from api.deps import DB, House, Now, Ours, WritingDB, page
from item_bank.schema import Item, UnreadableResponseError
from vetting import decision, dossier, sitting, staffing
from vetting import scale as scales
from vetting.evidence import belief
from vetting.messages import RoleForm
from vetting.records import Appeal, Ending, Erasure, Invitation, Json, Question, Sitting

router = APIRouter()

FACTORS = (
    ("1", "Usual time"), ("1.25", "A quarter more"), ("1.5", "Half as much again"), ("2", "Twice the time"),
    ("10", "No limit"),
)  # fmt: skip
TOOLS = "Please answer by yourself: no other person, no language model, no searching. Pen and paper are welcome."
LONGEST_ANSWER = 20_000  # characters in one field
HOUSEKEEPING = {"act", "question_id", "request_id"}
MATTERED = 5  # answers shown as those that mattered most


async def form_of(request: Request) -> FormData:
    return await request.form()


Form = Annotated[FormData, Depends(form_of)]


def not_ours() -> HTTPException:
    return HTTPException(
        HTTPStatus.NOT_FOUND,
        {"what": "This link leads nowhere", "maybe": "Maybe it was cut off when it was copied. Ask whoever sent it."},
    )


def my_invitation(token: str, db: DB, ours: Ours) -> Invitation:
    number = unsign(ours.key, "invitation", token)
    invitation = db.get(Invitation, number) if number is not None else None
    if invitation is None:
        raise not_ours()
    return invitation


def sitting_of(token: str, db: Session, ours: House) -> Sitting:
    """The sitting of a personal link, held against a second writer until the commit."""
    number = unsign(ours.key, "sitting", token)
    found = db.scalars(select(Sitting).where(Sitting.id == number).with_for_update(of=Sitting)).first()
    if number is None or found is None:
        raise not_ours()
    if db.scalar(select(Erasure.id).where(Erasure.applicant_id == found.applicant_id)) is not None:
        raise sitting.ClosedError("Your data was deleted. You asked for it, so there is nothing more to see here.")
    return found


def my_sitting(token: str, db: DB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


def my_running_sitting(token: str, db: WritingDB, ours: Ours) -> Sitting:
    return sitting_of(token, db, ours)


Invited = Annotated[Invitation, Depends(my_invitation)]
Mine = Annotated[Sitting, Depends(my_sitting)]
Running = Annotated[Sitting, Depends(my_running_sitting)]


# -- the invitation --------------------------------------------------------------------------------


@router.get("/i/{token}")
def invitation(request: Request, ours: Ours, now: Now, token: str, invited: Invited) -> Response:
    sitting.check_open(invited, now)
    return invitation_page(request, ours, token, invited)


def invitation_page(
    request: Request, ours: House, token: str, invited: Invitation, said: Mapping[str, Any] | None = None,
    errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    form = RoleForm.model_validate(invited.role.body)
    tree = ours.bank.tree.skills
    shown = invited.focus or list(form.skills)
    most = sitting.FEW_MINUTES * len(invited.focus) if invited.focus else form.minutes
    context = {
        "subject": form.name,
        "invitation": {
            "asked_by": ours.settings.organisation, "role": form.name, "minutes_low": ceil(most / 3),
            "minutes_high": most, "until": invited.expires, "contact": "",
        },
        "skills": [tree[skill] for skill in shown if skill in tree],
        "kept_for": f"{form.keep_months} months",
        "tool_rule": TOOLS, "alternative_url": "", "languages": [("en", "English")], "factors": FACTORS,
        "ask_name": not invited.name and invited.applicant is None,
        "action": f"/i/{token}", "said": said, "errors": list(errors),
    }  # fmt: skip
    return page(request, "applicant/invitation.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


@router.post("/i/{token}")
def accept(request: Request, db: DB, ours: Ours, now: Now, token: str, invited: Invited, form: Form) -> Response:
    sitting.check_open(invited, now)
    if form.get("act") == "practice":
        return RedirectResponse(f"/i/{token}/practice/1", HTTPStatus.SEE_OTHER)
    name = invited.name or text_of(form, "name")[:120]
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
        demand=staffing.demand(db), now=now, rng=ours.rng,
    )  # fmt: skip
    return RedirectResponse(f"/s/{sign(ours.key, 'sitting', mine.id)}", HTTPStatus.SEE_OTHER)


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
            errors = [trouble(wrong)]
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
    elif mine.ending is None and question.answer is None:
        sitting.pause(db, mine, away=False, now=now)
        try:
            said = None if act == "skip" else said_of(form)
            sitting.answer(
                db, mine, question, said, request_id=request_id(question, form), bank=ours.bank, now=now
            )  # fmt: skip
        except UnreadableResponseError as wrong:
            return question_page(request, ours, token, mine, question, said_of(form), [trouble(wrong)])
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


@router.post("/s/{token}/resume")
def come_back(db: DB, now: Now, token: str, mine: Mine) -> Response:
    sitting.pause(db, mine, away=False, now=now)
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


def asked(mine: Sitting, number: str) -> Question:
    found = [question for question in mine.questions if str(question.id) == number]
    if not found:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            {"what": "This question is not part of your test", "maybe": "Maybe open your personal link again."},
        )
    return found[0]


def request_id(question: Question, form: FormData) -> str:
    """One a question as shown: sending the same form again has the same id."""
    return f"{question.id}-{text_of(form, 'request_id')[:64]}"


def question_page(
    request: Request, ours: House, token: str, mine: Sitting, question: Question,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    context = {
        "subject": mine.invitation.role.name, "asked": {"id": question.id, "number": question.number},
        "item": ours.bank.items[question.item_id], "request_id": uuid4().hex, "action": f"/s/{token}",
        "left": minutes_left(mine, ours), "said": said, "errors": list(errors), "feedback": None, "practice": False,
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200
    return page(request, "applicant/_question.html" if by_htmx(request) else "applicant/question.html", context, status)


def paused_page(request: Request, ours: House, token: str, mine: Sitting) -> Response:
    context = {
        "subject": mine.invitation.role.name, "resume_action": f"/s/{token}/resume", "until": None, "kept": True,
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


def minutes_left(mine: Sitting, ours: House) -> Left:
    state = sitting.look(mine, scales.of(mine.calibration), ours.bank)
    low, high = sitting.minutes_left(mine, state)
    return Left(state.minutes, low, high)


# -- the end ---------------------------------------------------------------------------------------


@router.get("/s/{token}/result")
def result(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine) -> Response:
    if mine.ending is None:
        return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)
    return result_page(request, db, ours, now, token, mine)


def result_page(
    request: Request, db: Session, ours: House, now: datetime, token: str, mine: Sitting,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    assert mine.ending is not None  # noqa: S101 -- callers looked
    form = RoleForm.model_validate(mine.invitation.role.body)
    scale = scales.of(mine.calibration)
    person = dossier.dossier(mine.applicant, form, scale, ours.bank, mine.calibration_id, now)
    mattered = dossier.evidence_of(mine.applicant, form, scale, ours.bank, now)[:MATTERED]
    decided = mine.applicant.decisions[-1] if mine.applicant.decisions else None
    appealed = db.scalar(select(Appeal.at).where(Appeal.sitting_id == mine.id).order_by(Appeal.id.desc()).limit(1))
    context = {
        "subject": form.name, "invitation": {"asked_by": ours.settings.organisation, "role": form.name},
        "finished": mine.ending.at, "questions": person.answered, "minutes": person.minutes,
        "skills": [
            views.skill_bar(skill, scale.population, scale.skills.position[skill.skill]) for skill in person.skills
        ],
        "evidence": [views.evidence_chip(piece, ours.bank, for_applicant=True) for piece in mattered],
        "decision": views.decision(decided) if decided else None, "next_steps": next_steps(ours, decided is not None),
        "retake": "", "appeal_action": f"/s/{token}/appeal", "download_url": f"/s/{token}/data.json",
        "delete_action": f"/s/{token}/delete", "appealed": appealed, "said": said, "errors": list(errors),
        "versions": [f"scale {mine.calibration_id}"],
    }  # fmt: skip
    return page(request, "applicant/result.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def next_steps(ours: House, decided: bool) -> list[tuple[str, str]]:  # noqa: FBT001 -- one caller, by name
    who = ours.settings.organisation
    if decided:
        return [("Now", "You can appeal below if you think something was overlooked.")]
    return [
        ("Next", f"A person at {who} looks at this page's numbers and the answers behind them, and decides."),
        ("Then", "The decision and its reason appear here. Keep the link of this page."),
    ]


@router.post("/s/{token}/appeal")
def appeal(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    words = text_of(form, "text")
    if len(words) < 3 and mine.ending is not None:
        return result_page(
            request, db, ours, now, token, mine, said_of(form), [("appeal", "Say what should be looked at again.")]
        )
    decision.appeal(db, mine, words, now)
    return RedirectResponse(f"/s/{token}/result", HTTPStatus.SEE_OTHER)


@router.get("/s/{token}/data.json")
def download(ours: Ours, now: Now, token: str, mine: Mine) -> Response:  # noqa: ARG001 -- the link is the key
    headers = {"Content-Disposition": 'attachment; filename="assay-data.json"'}
    return JSONResponse(everything(mine, ours, now), headers=headers)


def everything(mine: Sitting, ours: House, now: datetime) -> Json:
    """All that is kept about the applicant, keys of open questions left out."""
    person = mine.applicant
    scale = scales.of(mine.calibration)
    known = belief(person, scale, now)
    return {
        "name": person.name,
        "sittings": [
            {
                "role": one.invitation.role.name, "began": one.at.isoformat(), "consent": one.consent,
                "extra_time": one.extra_time, "ended": one.ending.reason if one.ending else None,
                "questions": [said_about(asked, ours.bank.items.get(asked.item_id)) for asked in one.questions],
            }
            for one in person.sittings
        ],
        "estimates": {
            skill: {"mean": round(float(known.mean[d]), 4), "sd": round(float(known.sd[d]), 4)}
            for d, skill in enumerate(scale.skills.ids)
        },
        "decisions": [{"verdict": d.verdict, "reason": d.reason, "at": d.at.isoformat()} for d in person.decisions],
    }  # fmt: skip


def said_about(question: Question, item: Item | None) -> Json:
    said = question.answer
    return {
        "asked": question.at.isoformat(), "title": item.title if item else question.item_id,
        "why": question.why["skills"], "answer": said.response if said else None,
        "seconds": said.seconds if said else None,
        "grades": [{"rater": grade.rater, "level": grade.level} for grade in said.grades] if said else [],
    }  # fmt: skip


@router.post("/s/{token}/delete")
def delete(request: Request, db: DB, ours: Ours, now: Now, token: str, mine: Mine, form: Form) -> Response:
    if form.get("confirm") != "yes":
        return result_page(
            request,
            db,
            ours,
            now,
            token,
            mine,
            None,
            [("confirm", "Tick the box to confirm that your data is to be deleted.")],
        )
    sitting.end(db, mine, "erased", now)
    decision.erase(db, mine.applicant, now)
    return RedirectResponse(f"/s/{token}/result", HTTPStatus.SEE_OTHER)


# -- reading forms ---------------------------------------------------------------------------------


def text_of(form: FormData, field: str) -> str:
    value = form.get(field, "")
    return value.strip() if isinstance(value, str) else ""


def said_of(form: FormData) -> dict[str, str | list[str]]:
    """What was typed, by field: one text, or a list where a field came several times."""
    said: dict[str, str | list[str]] = {}
    for field in form:
        if field in HOUSEKEEPING:
            continue
        values = [value[:LONGEST_ANSWER] for value in form.getlist(field) if isinstance(value, str)]
        said[field] = values[0] if len(values) == 1 else values
    return said


def trouble(wrong: UnreadableResponseError) -> tuple[str, str]:
    """A field and a sentence for the applicant."""
    field, _, words = str(wrong).partition(": ")
    return field, {"nothing was filled in.": "Fill this in, or skip the question."}.get(words, words)


def by_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def on_to(request: Request, url: str) -> Response:
    """Another page: a redirect, also where htmx asked for a fragment."""
    if by_htmx(request):
        return Response(headers={"HX-Redirect": url})
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)
