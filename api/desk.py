"""The graders' door: what waits and why, one answer at a time, blind first, then what others said."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from api import views
from api.auth import sign, unsign
from api.deps import DB, House, Now, Number, Ours, now, page
from api.forms import Form, number_of, said_of, text_of
from api.recruiter import Staff, frame
from vetting import scale as scales
from vetting.grades import desk, rater_page
from vetting.grades.desk import DeskError, Task, Verdict
from vetting.records import Answer

router = APIRouter()
SHOWN = 20  # answers of the list
LANES = {
    "dispute": ("To settle", "verdicts lie too far apart"),
    "referral": ("Sent by a model", "it could not grade, or should not alone"),
    "unsure": ("Models unsure", "low confidence of every model"),
    "ungraded": ("Not graded", "no verdict that counts yet"),
    "decisive": ("Decisive", "models alone settle the role's question by it"),
    "audit": ("Audit", "drawn by lot from what models graded"),
}


OTHER_NAME = (
    "This page was opened under another name; you are signed on as {}. Keep the grades under this one, or sign on anew."
)


def shown_to(grader: str) -> str:
    """What a page says of itself when it shows an answer to a grader, blind."""
    return f"grading by {grader}"


@router.get("/desk")
def home(request: Request, db: DB, ours: Ours, who: Staff) -> Response:
    return home_page(request, db, ours, who)


def home_page(
    request: Request, db: Session, ours: House, who: str, errors: Sequence[tuple[str, str]] = (), said: str = ""
) -> Response:
    grader = request.session.get("grader", "")
    found = waiting(db, ours, grader or None)
    count = desk.lanes(found)
    context = {
        **frame("desk", who, db, ours), "grader": grader, "errors": list(errors), "said": said,
        "lanes": [(*LANES[lane], count[lane]) for lane in desk.LANES],
        "tasks": [row(task) for task in found[:SHOWN]], "more": max(0, len(found) - SHOWN),
        "next_url": f"/desk/{found[0].answer.id}" if found else "", "notice": request.session.pop("notice", ""),
        "alarms": [(views.rater(one.rater), one.at, one.reason) for one in rater_page.alarms(db)],
    }  # fmt: skip
    return page(request, "desk/home.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def waiting(db: Session, ours: House, grader: str | None) -> list[Task]:
    return desk.tasks(db, ours.bank, scales.of(scales.latest(db)), now(), grader)


def row(task: Task) -> dict[str, Any]:
    return {
        "url": f"/desk/{task.answer.id}", "title": task.probe.title, "form": task.probe.form,
        "lane": LANES[task.lane][0], "criteria": len(task.wanted), "at": task.answer.at,
        "simulated": simulated(task.answer),
    }  # fmt: skip


@router.post("/desk")
def sign_on(request: Request, db: DB, ours: Ours, who: Staff, form: Form) -> Response:
    """Under whose name grades are kept from now on."""
    said = text_of(form, "grader")
    try:
        request.session["grader"] = desk.name_of(said)
    except DeskError as wrong:
        return home_page(request, db, ours, who, [("grader", str(wrong))], said)
    return RedirectResponse("/desk", HTTPStatus.SEE_OTHER)


@router.get("/desk/{number}")
def one(request: Request, db: DB, ours: Ours, who: Staff, number: Number) -> Response:
    grader = request.session.get("grader", "")
    if not grader:
        return RedirectResponse("/desk", HTTPStatus.SEE_OTHER)
    answer = answer_or_404(db, ours, number)
    task = task_of(db, ours, grader, number)
    if task is None:
        return graded_page(request, db, ours, who, answer, grader)
    return task_page(request, db, ours, who, task)


def answer_or_404(db: Session, ours: House, number: int) -> Answer:
    answer = db.get(Answer, number)
    if answer is None or answer.question.item_id not in ours.bank.probes:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return answer


def task_of(db: Session, ours: House, grader: str, number: int) -> Task | None:
    return next((task for task in waiting(db, ours, grader) if task.answer.id == number), None)


def task_page(
    request: Request, db: Session, ours: House, who: str, task: Task, said: dict[str, Any] | None = None,
    errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    """The answer beside its rubric, without anybody else's verdict."""
    context = {
        **frame("desk", who, db, ours), "action": f"/desk/{task.answer.id}", "title": task.probe.title,
        "explanation": task.probe.explanation, "turns": turns(task.answer), "language": "en",
        "simulated": simulated(task.answer),
        "criteria": [
            {
                "id": one.criterion, "why": one.why, "title": criterion.title, "levels": criterion.levels,
                "settles": settles(task, one.criterion) if one.lane == "dispute" else [],
            }
            for one in task.wanted
            for criterion in [task.probe.criterion(one.criterion)]
        ],
        "said": said, "errors": list(errors), "grader": (grader := request.session["grader"]),
        "shown": sign(ours.key, shown_to(grader), task.answer.id), "number": task.answer.id,
    }  # fmt: skip
    return page(request, "desk/task.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def settles(task: Task, criterion: str) -> list[tuple[str, int, str, str]]:
    """What the two sides of a dispute said: whoever settles it must know, and gave none of them."""
    return [
        (grade.rater, grade.level, grade.quote, grade.because)
        for grade in task.answer.grades
        if grade.criterion == criterion
    ]


def simulated(answer: Answer) -> bool:
    """Whether nobody real said this: the pages say so."""
    return answer.question.sitting.applicant.simulated


def turns(answer: Answer) -> list[tuple[str, str]]:
    return [(turn.who, turn.text) for turn in answer.question.turns]


@router.post("/desk/{number}")
def grade(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    grader = request.session.get("grader", "")
    if not grader:
        return RedirectResponse("/desk", HTTPStatus.SEE_OTHER)
    answer = answer_or_404(db, ours, number)
    db.refresh(answer, with_for_update=True)
    task = task_of(db, ours, grader, number)
    shown = text_of(form, "shown")
    if shown and unsign(ours.key, shown_to(grader), shown) != answer.id:
        if task is not None:
            return task_page(request, db, ours, who, task, said_of(form), [("", OTHER_NAME.format(grader))])
        shown = ""
    if shown:
        criteria = (one.id for one in ours.bank.probes[answer.question.item_id].criteria)
        filled = [one for one in criteria if f"{one}-level" in form]
        task = desk.seconded(task, answer, ours.bank.probes[answer.question.item_id], filled, grader)
    if task is None:
        if all(desk.grader_of(grade.rater) != grader for grade in answer.grades):
            request.session["notice"] = "Somebody settled this in the meantime, so nothing more was kept."
        return RedirectResponse(f"/desk/{answer.id}", HTTPStatus.SEE_OTHER)
    verdicts, errors = read(task, form)
    if not errors:
        try:
            desk.grade(db, task, verdicts, grader=grader, now=now)
        except DeskError as wrong:
            field, _, words = str(wrong).partition(": ")
            errors.append((f"{field}-quote" if "words" in words else f"{field}-0", words.capitalize()))
    if errors:
        return task_page(request, db, ours, who, task, said_of(form), errors)
    return RedirectResponse(f"/desk/{answer.id}", HTTPStatus.SEE_OTHER)


def read(task: Task, form: Form) -> tuple[list[Verdict], list[tuple[str, str]]]:
    """Verdicts as they were filled in, and what is lacking."""
    verdicts, errors = [], []
    for one in task.wanted:
        level = number_of(text_of(form, f"{one.criterion}-level"))
        if level is None:
            errors.append((f"{one.criterion}-0", f"{task.probe.criterion(one.criterion).title}: choose a level."))
            continue
        quote, because = text_of(form, f"{one.criterion}-quote"), text_of(form, f"{one.criterion}-because")
        verdicts.append(Verdict(one.criterion, level, quote, because))
    return verdicts, errors


def graded_page(
    request: Request, db: Session, ours: House, who: str, answer: Answer, grader: str
) -> Response:  # fmt: skip
    """After one's own verdict: what everybody said of this answer."""
    probe = ours.bank.probes[answer.question.item_id]
    rest = waiting(db, ours, grader)
    context = {
        **frame("desk", who, db, ours), "title": probe.title, "turns": turns(answer), "grader": grader,
        "simulated": simulated(answer),
        "criteria": [
            {
                "title": criterion.title, "most": len(criterion.levels) - 1,
                "grades": [grade for grade in answer.grades if grade.criterion == criterion.id],
            }
            for criterion in probe.criteria
        ],
        "next_url": f"/desk/{rest[0].answer.id}" if rest else "", "left": len(rest),
        "notice": request.session.pop("notice", ""),
    }  # fmt: skip
    return page(request, "desk/graded.html", context)
