"""The recruiter's door: roles and invitations, the list of candidates, a dossier, a decision with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import views
from api.auth import is_staff_key, sign
from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, number_of, said_of, text_of
from vetting import scale as scales
from vetting.decisions import applications, decision, dossier
from vetting.decisions.dossier import CLEARS, Dossier
from vetting.evidence import WHOLE
from vetting.messages import DecisionForm, RoleForm
from vetting.models import calls
from vetting.programs import standing
from vetting.records import Answer, Applicant, Decision, Invitation, Role
from vetting.sittings import sitting

router = APIRouter()
DAYS = 14  # an invitation works, unless said otherwise
TWICE = timedelta(minutes=1)  # within it, the same form is one that was sent twice
SHOWN = 8  # pieces of evidence on a dossier's first screen


# -- coming in -------------------------------------------------------------------------------------


@router.get("/enter/{key}")
def enter(request: Request, ours: Ours, key: str) -> Response:
    if not is_staff_key(ours.key, key):
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            {
                "what": "This key opens nothing",
                "maybe": "Maybe the server has another secret now: it prints its link when it starts.",
            },
        )
    request.session["staff"] = "staff"
    return RedirectResponse("/recruiter", HTTPStatus.SEE_OTHER)


@router.post("/leave")
def leave(request: Request) -> Response:
    """Sign out in this browser; what an applicant began in it stays theirs."""
    for kept in ("staff", "invited", "notice"):
        request.session.pop(kept, None)
    said = {"what": "You are signed out", "maybe": "Open the link for staff again to come back in."}
    return page(request, "error.html", {"audience": "staff", "status": "", **said})


def staff(request: Request) -> str:
    """Who is signed in; everybody else is told how to."""
    who = request.session.get("staff")
    if not who:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            {
                "what": "This page is for staff",
                "maybe": "Maybe open the link that the server printed when it started.",
            },
        )
    return str(who)


Staff = Annotated[str, Depends(staff)]


def frame(here: str, who: str, db: Session, ours: House) -> dict[str, Any]:
    """What every staff page shows around its own content."""
    return {
        "nav": [
            ("Roles", "/recruiter", here == "recruiter"), ("Grading", "/desk", here == "desk"),
            ("Raters", "/raters", here == "raters"), ("Programs", "/lead", here == "lead"),
        ],
        "who": who, "home_url": "/recruiter", "leave_url": "/leave",
        "versions": [f"scale {scales.latest(db).id}", f"bank {ours.bank.version}"],
    }  # fmt: skip


# -- roles and invitations -------------------------------------------------------------------------


@router.get("/recruiter")
def home(request: Request, db: DB, ours: Ours, now: Now, who: Staff) -> Response:
    made = request.session.pop("invited", None)
    created = None
    if made is not None and (invited := db.get(Invitation, made)) is not None:
        url = f"{str(request.base_url).rstrip('/')}/i/{sign(ours.key, 'invitation', invited.id)}"
        created = {"label": invited.name or invited.role.name, "url": url, "until": invited.expires}
    return home_page(request, db, ours, now, who, created=created)


def home_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, *, created: Mapping[str, Any] | None = None,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    roles, came, links = current_roles(db), applications.applications(db, now), applications.invited(db)
    context = {
        **frame("recruiter", who, db, ours),
        "roles": [
            {"id": role.id, "title": role.name, "url": f"/recruiter/roles/{role.id}",
             **applications.tally(came.get(role.name, ()), links.get(role.name, 0))}
            for role in roles
        ],
        "invite": {
            "action": "/recruiter/invitations", "roles": [(role.id, role.name) for role in roles],
            "until": (now + timedelta(days=DAYS)).date().isoformat(),
        } if roles else None,
        "created": created, "said": said, "errors": list(errors),
    }  # fmt: skip
    return page(request, "recruiter/home.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def current_roles(db: Session) -> list[Role]:
    """The latest wording of each role, by name."""
    return sorted(
        {role.name: role for role in db.scalars(select(Role).order_by(Role.id))}.values(), key=lambda r: r.name
    )


@router.post("/recruiter/invitations")
def invite(request: Request, db: DB, ours: Ours, now: Now, who: Staff, form: Form) -> Response:
    role = db.get(Role, number_of(text_of(form, "role")) or 0)
    errors = []
    if role is None:
        errors.append(("role", "Choose the role."))
    if not (name := text_of(form, "name")):
        errors.append(("name", "Fill in the person's name."))
    until = read_date(text_of(form, "until"))
    if until is None or not now < until <= now + timedelta(days=366):
        errors.append(("until", "Choose a day within the coming year."))
    if role is None or until is None or errors:
        return home_page(request, db, ours, now, who, said=said_of(form), errors=errors)
    days = (until - now) / timedelta(days=1)
    same = Invitation.role_id == role.id, Invitation.name == name[:120], Invitation.at > now - TWICE
    made = db.scalars(select(Invitation).where(*same, Invitation.uses == 1, ~Invitation.sittings.any())).first()
    made = made or sitting.invite(db, role, now=now, days=days, name=name[:120])
    request.session["invited"] = made.id
    return RedirectResponse("/recruiter", HTTPStatus.SEE_OTHER)


def read_date(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)


# -- candidates ------------------------------------------------------------------------------------


def role_or_404(db: Session, number: int) -> Role:
    role = db.get(Role, number)
    if role is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return role


def dossiers(db: Session, ours: House, now: datetime, role: Role, people: Sequence[Applicant]) -> list[Dossier]:
    """Everybody held against the role, on the scale that is published."""
    calibration = scales.latest(db)
    form, scale = RoleForm.model_validate(role.body), scales.of(calibration)
    return [dossier.dossier(person, form, scale, ours.bank, calibration.id, now) for person in people]


def dossier_of(db: Session, ours: House, now: datetime, role: Role, person: Applicant) -> Dossier:
    (found,) = dossiers(db, ours, now, role, [person])
    return found


def bar(skill: dossier.SkillView, scale: scales.Scale) -> views.SkillBar:
    return views.skill_bar(skill, scale.population, scale.skills.position[skill.skill])


def shown_name(person: Applicant) -> str:
    name = person.name or "(deleted on request)"
    return f"{name} (simulated)" if person.simulated and "imulated" not in name else name


def ask_url(role: Role, person: Dossier, more: dossier.MoreMinutes | None) -> str:
    return f"/recruiter/roles/{role.id}/people/{person.applicant.id}/ask/{more.skill}" if more else ""


@router.get("/recruiter/roles/{number}/people/{person}")
def one(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, person: Number) -> Response:
    return dossier_page(request, db, ours, now, who, role_or_404(db, number), applicant_or_404(db, person))


def applicant_or_404(db: Session, number: int) -> Applicant:
    person = db.get(Applicant, number, options=WHOLE)
    if person is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return person


def came_for(role: Role, person: Applicant) -> bool:
    """Whether somebody took this role's test; a dossier may be held against any role, a decision only against these."""
    return any(seat.invitation.role.name == role.name for seat in person.sittings)


def still_here(role: Role, person: Applicant) -> Applicant:
    if person.erasure is not None:
        raise sitting.ClosedError("This person asked to be forgotten. Maybe somebody else fits the role.")
    if not came_for(role, person):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return person


def dossier_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, role: Role, person: Applicant,
    said: Mapping[str, Any] | None = None, errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    known = dossier_of(db, ours, now, role, person)
    scale = scales.of(scales.latest(db))
    found = dossier.evidence_of(person, known.role, scale, ours.bank, now)
    pieces = found[:SHOWN] + [piece for piece in found[SHOWN:] if not piece.answer_id]
    more = dossier.more_minutes(known, scale, ours.bank)
    endings = [seat.ending for seat in person.sittings if seat.ending]
    here = f"/recruiter/roles/{role.id}/people/{person.id}"
    context = {
        **frame("recruiter", who, db, ours),
        "candidate": {
            "name": shown_name(person), "p": known.clears, "finished": max((one.at for one in endings), default=None),
            "left_early": any(one.reason == sitting.WISH for one in endings),
            "minutes": known.minutes, "questions": known.answered, "list_url": f"/recruiter/roles/{role.id}",
        },
        "role": {"title": known.role.name}, "bar_p": CLEARS,
        "skills": [bar(skill, scale) for skill in known.skills],
        "evidence": [
            views.evidence_chip(piece, ours.bank, answers=f"{here}/answers") for piece in pieces
        ],
        "talks": views.talks(person, scale, ours.bank, here),
        "question": views.open_question(known, more, ours.bank, ask_url(role, known, more))
        if came_for(role, person) else None,
        "integrity": [], **decided(db, role, person),
        "may_decide": bool(known.answered) and bool(person.name) and came_for(role, person),
        "decide_action": here, "second_view": "",
        "notice": request.session.pop("notice", ""), "said": said, "errors": list(errors),
    }  # fmt: skip
    return page(request, "recruiter/dossier.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


def decided(db: Session, role: Role, person: Applicant) -> dict[str, Any]:
    """Decisions and appeals, newest first; an appeal is open until somebody decides for its role again."""
    held = standing(person).get(role.name)
    appeals = applications.appeals_of(db, person, role.name)
    return {
        "decisions": [views.decision(record) for record in reversed(person.decisions)],
        "held": held.id if held else 0,
        "appeals": [(one.words, one.at, held is None or held.at < one.at) for one in reversed(appeals)],
    }


@router.get("/recruiter/roles/{number}/people/{person}/answers/{answer}")
def evidence(
    request: Request, db: DB, ours: Ours, who: Staff, number: Number, person: Number, answer: Number
) -> Response:
    """One answer behind a dossier: what was asked and why, what was said, how it was graded."""
    role, said = role_or_404(db, number), db.get(Answer, answer)
    if said is None or said.question.sitting.applicant_id != person:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    key = said.question.item_id
    probe = ours.bank.probes.get(key)
    context = {
        **frame("recruiter", who, db, ours),
        "back_url": f"/recruiter/roles/{role.id}/people/{person}",
        "name": shown_name(said.question.sitting.applicant),
        **(views.talk(said, probe, ours.bank) if probe else views.answer(said, ours.bank.items.get(key), ours.bank)),
        "bill": calls.bill(db, said.question.sitting_id) if probe else None,
        "bills": views.bills(calls.bills(db, said.question)) if probe else None,
    }
    return page(request, "recruiter/answer.html", context)


@router.post("/recruiter/roles/{number}/people/{person}")
def decide(
    request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, person: Number, form: Form
) -> Response:
    role = role_or_404(db, number)
    applicant = still_here(role, applicant_or_404(db, person))
    try:
        said = DecisionForm(verdict=text_of(form, "verdict"), reason=text_of(form, "reason"))
    except ValidationError as wrong:
        words = {"verdict": "Choose advance, hold or decline.", "reason": "Give a reason: the candidate will read it."}
        errors = [(str(e["loc"][0]), words[str(e["loc"][0])]) for e in wrong.errors()]
        return dossier_page(request, db, ours, now, who, role, applicant, said_of(form), errors)
    held = standing(applicant).get(role.name)
    if held and text_of(form, "held") not in {"", str(held.id)}:
        if (held.verdict, held.reason) != (said.verdict, said.reason):  # else the form was sent twice
            return dossier_page(request, db, ours, now, who, role, applicant, said_of(form), [("verdict", late(held))])
        return RedirectResponse(f"/recruiter/roles/{number}/people/{person}", HTTPStatus.SEE_OTHER)
    decision.decide(db, dossier_of(db, ours, now, role, applicant), role, said, by=who, now=now)
    request.session["notice"] = "Decision recorded. You can decide anew at any time; both stay on record."
    return RedirectResponse(f"/recruiter/roles/{number}/people/{person}", HTTPStatus.SEE_OTHER)


def late(held: Decision) -> str:
    """That somebody decided since a form was opened."""
    return (
        f"{held.by} decided “{held.verdict}” since this page was opened, and yours is not recorded. "
        "Maybe read their reason below, and record yours if it should take the place of theirs."
    )


@router.post("/recruiter/roles/{number}/people/{person}/ask/{skill}")
def ask(
    request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, person: Number, skill: str,  # noqa: ARG001
) -> Response:  # fmt: skip
    """Invite somebody to a few more minutes on one skill."""
    role = role_or_404(db, number)
    applicant = still_here(role, applicant_or_404(db, person))
    if skill not in ours.bank.tree.skills:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    open_to_them = Invitation.applicant_id == applicant.id, Invitation.expires > now, ~Invitation.sittings.any()
    links = db.scalars(select(Invitation).where(Invitation.role_id == role.id, *open_to_them).order_by(Invitation.id))
    further = next((link for link in links if link.focus == [skill]), None)  # asked already, and not begun
    further = further or sitting.invite(
        db, role, now=now, days=DAYS, name=applicant.name, applicant=applicant, focus=(skill,)
    )
    request.session["invited"] = further.id
    return RedirectResponse("/recruiter", HTTPStatus.SEE_OTHER)
