"""Those who took the test for a role, by P(meets every bar): found, compared, kept as a table; and links still open."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import views
from api.auth import sign
from api.deps import DB, House, Now, Number, Ours, page
from api.paging import part
from api.recruiter import Staff, ask_url, bar, dossiers, frame, role_or_404, shown_name
from vetting import scale as scales
from vetting.decisions import applications, dossier
from vetting.decisions.applications import Application
from vetting.decisions.dossier import CLEARS, Dossier
from vetting.evidence import WHOLE
from vetting.messages import RoleForm
from vetting.records import Applicant, Role
from vetting.scale import Scale
from vetting.sittings.content import unasked
from vetting.tables import cell

router = APIRouter()
PAGE, LINKS = 25, 20  # of a list on a page
LONGEST = 120  # letters of a name that is looked for
DECISIONS = {
    "": "all", "waiting": "waiting for a decision", "appeal": "appealed", "advance": "advance", "hold": "hold",
    "decline": "decline",
}  # fmt: skip
STATES = {"": "all", "clears": "clears", "open": "open", "below": "below"}


@router.get("/recruiter/roles/{number}")
def candidates(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    role, wanted = role_or_404(db, number), wishes(request)
    came = applications.applications(db, now, role.name).get(role.name, [])
    runs = held_against(db, ours, now, role, came, wanted)
    known = [one for run in runs for one in run]
    shown = part(request, len(known), PAGE)
    window = {one.applicant.id for one in known[shown.rows]}
    by_person, scale = {one.person: one for one in came}, scales.of(scales.latest(db))
    groups = [
        {"people": rows, "apart": f"These {len(run)} cannot be told apart" if len(run) > 1 else ""}
        for run in runs
        if (rows := [candidate(ours, role, one, by_person[one.applicant.id], scale)
                     for one in run if one.applicant.id in window])
    ]  # fmt: skip
    context = {
        **frame("recruiter", who, db, ours), "subject": "Candidates", "bar_p": CLEARS, "groups": groups,
        "role": {"title": role.name, "url": f"/recruiter/roles/{number}"}
        | applications.tally(came, applications.invited(db).get(role.name, 0)),
        "unasked": unasked(RoleForm.model_validate(role.body), ours.bank), "pager": shown.pager,
        "wanted": wanted, "decisions": DECISIONS, "states": STATES, "found": len(known), "table_of": request.url.query,
        **open_links(request, db, ours, role, now),
    }  # fmt: skip
    return page(request, "recruiter/candidates.html", context)


def wishes(request: Request) -> dict[str, str]:
    """Whom the address asks for; whatever makes no sense asks for everybody."""
    said = request.query_params
    decision, state = said.get("decision", ""), said.get("state", "")
    return {
        "name": said.get("name", "").strip()[:LONGEST],
        "decision": decision if decision in DECISIONS else "", "state": state if state in STATES else "",
    }  # fmt: skip


def is_wanted(one: Application, wanted: dict[str, str]) -> bool:
    """Somebody who was not forgotten, and is asked for by name and decision."""
    asked = wanted["decision"]
    said = {"waiting": one.waits, "appeal": one.appeals}.get(asked, not asked or one.verdict == asked)
    return bool(one.name) and said and wanted["name"].casefold() in one.name.casefold()


def held_against(
    db: Session, ours: House, now: datetime, role: Role, came: Sequence[Application], wanted: dict[str, str]
) -> list[list[Dossier]]:
    """Those who are asked for and have answered, best first, in runs that cannot be told apart."""
    chosen = [one.person for one in came if is_wanted(one, wanted)]
    people = db.scalars(
        select(Applicant).where(Applicant.id.in_(chosen)).order_by(Applicant.id).options(*WHOLE)
    ).all()  # fmt: skip
    known = [one for one in dossiers(db, ours, now, role, people) if one.answered]
    return dossier.alike([one for one in known if wanted["state"] in {"", one.state}])


def candidate(ours: House, role: Role, person: Dossier, came: Application, scale: Scale) -> dict[str, Any]:
    """A row of the list: the three skills of the role furthest from settled."""
    deciding = sorted(
        (skill for skill in person.skills if skill.clears is not None), key=lambda s: abs((s.clears or 0) - 0.5)
    )
    more = dossier.more_minutes(person, scale, ours.bank) if person.state == "open" and person.finished else None
    return {
        "name": shown_name(person.applicant), "url": f"/recruiter/roles/{role.id}/people/{person.applicant.id}",
        "p": person.clears,
        "deciding": [bar(skill, scale) for skill in deciding[:3]],
        "question": views.open_question(person, more, ours.bank, ask_url(role, person, more)),
        "decided": came.verdict, "appeals": came.appeals, "waits": came.waits, "running": not person.finished,
    }  # fmt: skip


def open_links(request: Request, db: Session, ours: House, role: Role, now: datetime) -> dict[str, Any]:
    """Links to the role that somebody may still use, so that one that was lost is found again."""
    links = applications.unused(db, role.name, now)
    shown = part(request, len(links), LINKS, "links", "#links-title")
    base = str(request.base_url).rstrip("/")
    return {
        "links": [
            {"name": one.name, "until": one.expires, "further": one.applicant_id is not None,
             "left": one.uses - len(one.sittings), "url": f"{base}/i/{sign(ours.key, 'invitation', one.id)}"}
            for one in links[shown.rows]
        ],
        "links_of": len(links), "links_pager": shown.pager, "links_open": "links" in request.query_params,
    }  # fmt: skip


# -- as a table --------------------------------------------------------------------------------------


@router.get("/recruiter/roles/{number}/candidates.csv")
def as_csv(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001 -- the door asks who
    """Everybody who is asked for, with each skill of the role and its standard deviation in those of applicants."""
    role = role_or_404(db, number)
    came = applications.applications(db, now, role.name).get(role.name, [])
    by_person = {one.person: one for one in came}
    skills = list(RoleForm.model_validate(role.body).skills)
    made = StringIO()
    rows = csv.writer(made, lineterminator="\n")
    rows.writerow([*COLUMNS, *(name for skill in skills for name in (skill, f"{skill}:sd", f"{skill}:p_meets_bar"))])
    for one in (one for run in held_against(db, ours, now, role, came, wishes(request)) for one in run):
        rows.writerow([cell(value) for value in row_of(one, by_person[one.applicant.id], skills)])
    headers = {"Content-Disposition": 'attachment; filename="candidates.csv"'}
    return Response(made.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


COLUMNS = ("applicant", "name", "simulated", "finished", "answers", "minutes", "p_meets_every_bar", "standing",
           "mean_skill", "mean_skill:sd", "decision", "decided", "appeal_open", "scale")  # fmt: skip


def row_of(person: Dossier, came: Application, skills: Sequence[str]) -> list[object]:
    seen = {view.skill: view for view in person.skills}
    known: list[object] = []
    for skill in skills:
        view = seen.get(skill)
        sd = (view.high - view.mean) / dossier.NINETY if view else 0.0
        known += [round(view.mean, 4), round(sd, 4), round(view.clears or 0.0, 4)] if view else ["", "", ""]
    return [
        person.applicant.id, person.applicant.name, "yes" if person.applicant.simulated else "no",
        max(came.ended).isoformat() if came.ended else "", person.answered, round(person.minutes, 1),
        round(person.clears, 4), person.state, round(person.score, 4), round(person.score_sd, 4),
        came.verdict, came.decided.isoformat() if came.decided else "", "yes" if came.appeals else "no",
        person.calibration_id, *known,
    ]  # fmt: skip
