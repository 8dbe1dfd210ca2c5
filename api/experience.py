"""Before an interview: a résumé, if the applicant wants to give one, and what was read from it for them to correct."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile

from api.deps import DB, House, Now, Ours, now, page
from api.forms import Form, text_of
from api.links import Mine, sitting_of
from vetting import store
from vetting.interviews import tagging
from vetting.messages import ClaimForm, ResumeForm
from vetting.records import Sitting
from vetting.sittings import resume

router = APIRouter()
WORDS = (("none", "not said"), ("basic", "the basics"), ("solid", "solid"), ("expert", "expert"))


@router.get("/s/{token}/experience")
def experience(request: Request, db: DB, ours: Ours, token: str, mine: Mine) -> Response:  # noqa: ARG001 -- `mine` needs it
    return over(token) if mine.ending is not None else experience_page(request, ours, token, mine)


def over(token: str) -> Response:
    """What is told once the test is over would count without a question about it: it is not taken."""
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


@router.post("/s/{token}/experience")
def upload(request: Request, ours: Ours, token: str, form: Form) -> Response:
    """Keep a file or typed text as the rule reads it, then as a model does; the applicant corrects what it claims."""
    file, typed = form.get("file"), text_of(form, "text")
    with store.reading(ours.engine) as db:
        if sitting_of(token, db, ours).ending is not None:
            return over(token)
    try:  # while no transaction is open: a file may take a while
        if isinstance(file, UploadFile) and file.filename:
            text = resume.read_file(file.filename, file.file.read(resume.LARGEST + 1))
        else:
            text = resume.read_file("", typed.strip().encode())
    except resume.UnreadableFileError as wrong:
        with store.reading(ours.engine) as db:
            return experience_page(request, ours, token, sitting_of(token, db, ours), typed, str(wrong))
    with store.writing(ours.engine) as db:
        mine = sitting_of(token, db, ours)
        kept = resume.keep_upload(db, mine.applicant, text, resume.parse(text, ours.bank.tree), now())
        number, seat = kept.id, mine.id
    if ours.settings.access.models:
        tagging.read_again(ours.engine, number, seat, ours.bank.tree, ours.settings.access, now())
    return RedirectResponse(f"/s/{token}/experience", HTTPStatus.SEE_OTHER)


@router.post("/s/{token}/experience/right")
def confirm(db: DB, ours: Ours, at: Now, token: str, mine: Mine, form: Form) -> Response:
    """Keep what the applicant says is right, and nothing that they took out."""
    if mine.ending is not None:
        return over(token)
    sources = {one.skill: one.source for one in read(mine).claims}
    known = dict(WORDS[1:])
    claims = [
        ClaimForm.model_validate({"skill": skill, "level": level, "source": sources.get(skill, "")})
        for skill in ours.bank.tree.skills
        if (level := text_of(form, skill)) in known
    ]
    resume.confirm(db, mine.applicant, ResumeForm(claims=claims), at)
    return RedirectResponse(f"/s/{token}", HTTPStatus.SEE_OTHER)


def read(mine: Sitting) -> ResumeForm:
    """What the latest file or correction says; empty where there is none."""
    rows = mine.applicant.resumes
    return ResumeForm.model_validate(rows[-1].fields) if rows and rows[-1].fields else ResumeForm()


def experience_page(
    request: Request, ours: House, token: str, mine: Sitting, typed: str = "", wrong: str = ""
) -> Response:
    claimed = {one.skill: one for one in read(mine).claims}
    latest = mine.applicant.resumes[-1].by if mine.applicant.resumes else ""
    wanted = [skill for skill in mine.aim["weight"] if skill not in claimed]
    tree = ours.bank.tree.skills
    context = {
        "subject": mine.invitation.role.name, "action": f"/s/{token}/experience", "back_url": f"/s/{token}",
        "typed": typed, "errors": [("file", wrong)] if wrong else [], "words": WORDS,
        "given": latest == "upload", "kept": latest == "applicant", "read_by": read(mine).read_by,
        "model": bool(ours.settings.access.models),
        "rows": [
            (skill, tree[skill].name, tree[skill].about, claimed[skill].level if skill in claimed else "none",
             claimed[skill].source if skill in claimed else "")
            for skill in [*claimed, *wanted] if skill in tree
        ],
    }  # fmt: skip
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else 200
    return page(request, "applicant/experience.html", context, status)
