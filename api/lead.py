"""The program lead's door: programs, what their queues ask, and the plan with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import gains as gain_views
from api import views
from api.auth import sign
from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, by_htmx, on_to, page_of, text_of
from api.recruiter import Staff, frame, shown_name
from vetting import programs, store
from vetting.decisions.dossier import NINETY
from vetting.plans import further, gains, staffing
from vetting.plans.account import LEAST_HOURS
from vetting.records import Applicant, Invitation, Json, PlanRecord, Program, Wish
from vetting.sittings.aim import FEW_MINUTES

router = APIRouter()
PAGE = 40
VET = 8  # invitations shown
DOING = {"produce": "people who may make units", "review": "independent reviewers", "second": "second-level reviewers",
         "budget": "money", "pay": "value above pay"}  # fmt: skip


@router.get("/lead")
def home(request: Request, db: DB, ours: Ours, who: Staff) -> Response:
    programs = [summary(program) for program in db.scalars(select(Program).order_by(Program.name))]
    return page(request, "lead/home.html", {**frame("lead", who, db, ours), "programs": programs, "import_hint": ""})


def summary(program: Program) -> dict[str, Any]:
    plan = programs.previous(program)
    queues = programs.queues_of(program)
    short = [queue["name"] for queue in plan.body["queues"] if queue["missing"] > 0] if plan else []
    filled = overall(plan.body["queues"]) if plan else {"filled": None, "filled_low": None, "filled_high": None}
    return {
        "name": program.name, "url": f"/lead/{program.id}", "queues": len(queues),
        "people": len({row["expert"] for row in plan.body["hours"]}) if plan else 0,
        "deadline": max((queue.due for queue in queues if queue.due), default=None),
        "short": ", ".join(short), "planned_on": plan.at if plan else None, **filled,
    }  # fmt: skip


def overall(queues: list[Json]) -> dict[str, float]:
    """Shares of all that is asked, by value."""
    worth = sum(queue["units"] * queue["value"] for queue in queues) or 1.0
    parts = [filled(queue) for queue in queues]
    return {
        name: sum(part[name] * q["units"] * q["value"] for part, q in zip(parts, queues, strict=True)) / worth
        for name in ("filled", "filled_low", "filled_high")
    }


def filled(queue: Json) -> dict[str, float]:
    """The planned share with its 90 % range, from what is not known of its people."""
    reach = NINETY * queue["sd"]
    low, high = queue["accepted"] - reach, queue["accepted"] + reach
    return {
        "filled": queue["accepted"] / queue["units"], "filled_low": max(low, 0.0) / queue["units"],
        "filled_high": min(high / queue["units"], 1.0),
    }  # fmt: skip


def program_or_404(db: Session, number: int) -> Program:
    program = db.get(Program, number)
    if program is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return program


def heading(program: Program) -> dict[str, Any]:
    """What the head of every page of a program shows."""
    return {"name": program.name, "base": f"/lead/{program.id}"}


# -- the plan --------------------------------------------------------------------------------------


@router.get("/lead/{number}")
def plan(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    return plan_page(request, db, ours, now, who, program_or_404(db, number))


def plan_page(
    request: Request, db: Session, ours: House, now: datetime, who: str, program: Program, trouble: str = ""
) -> Response:
    record = programs.previous(program)
    experts = {str(person.id): person for person in programs.crew(db)}
    body: Json = record.body if record else {}
    rows = people(db, program, body, experts)
    at = page_of(request)
    context = {
        **frame("lead", who, db, ours),
        "program": heading(program),
        "plan": {"id": record.id, "on": record.at, "gap": body["gap"], "changed": changed(program, experts),
                 "learns": learns(body)} if record else None,
        "queues": [queue_line(queue) for queue in body["queues"]] if record else
                  [{"id": queue.name, "name": queue.name} for queue in programs.queues_of(program)],
        "supply": [views.supply_row(row, ours.bank) for row in body.get("supply", [])],
        "people": rows[(at - 1) * PAGE : at * PAGE],
        **vetting_next(db, record, experts, ours, now),
        "weights": weights(body, ours), **gaining(db, record),
        "conflict": [trouble] if trouble else body.get("closed", []) + kept_short(body, experts),
        "solve_action": f"/lead/{program.id}", "pager": views.pager(f"/lead/{program.id}", at, len(rows), PAGE),
    }  # fmt: skip
    return page(request, "lead/plan.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if trouble else 200)


def queue_line(queue: Json) -> dict[str, Any]:
    held = queue["held_back_by"]
    short = f"{DOING[held]}: {queue['missing']:,.0f} units missing, worth {queue['worth']:,.0f}" if held else ""
    price = queue["newcomer"].get(held) if held else None
    return {
        "id": queue["name"], "name": queue["name"], "by": None, **filled(queue), "short": short,
        "price": {"what": f"One more hour to {held}", "gain": f"{price:,.0f}"} if price else None,
    }  # fmt: skip


def people(db: Session, program: Program, body: Json, experts: Mapping[str, Applicant]) -> list[dict[str, Any]]:
    """Everyone who may be planned, those with hours first."""
    seats: dict[str, list[Json]] = {}
    for row in body.get("hours", []):
        seats.setdefault(row["expert"], []).append(row)
    wishes = programs.wishes(db, program)
    order = sorted(experts, key=lambda key: (-sum(row["hours"] for row in seats.get(key, [])), int(key)))
    return [person_row(experts[key], seats.get(key, []), wishes, body) for key in order]


def person_row(person: Applicant, seats: list[Json], wishes: list[Wish], body: Json) -> dict[str, Any]:
    mine = [wish for wish in wishes if wish.applicant_id == person.id]
    by_queue: dict[str, list[tuple[float, str, str]]] = {}
    for row in seats:
        by_queue.setdefault(row["queue"], []).append((row["hours"], row["role"], when(row)))
    hour = body.get("one_more_hour", {}).get(str(person.id), 0.0)
    return {
        "id": str(person.id), "name": shown_name(person), "url": dossier_url(person),
        "hours": sum(row["hours"] for row in seats), "of_hours": programs.offer(person).hours,
        "why": [reason(row) for row in seats] + ([f"One more hour brings at most {hour:,.0f}."] if hour else []),
        "seats": by_queue, "pinned": {wish.queue for wish in mine if wish.kind == "pin"},
        "barred": {wish.queue for wish in mine if wish.kind == "bar"},
    }  # fmt: skip


def when(row: Json) -> str:
    """The days of a seat's work; plans from before there was a timetable say nothing of it."""
    if "from" not in row:
        return ""
    begin, end = (date.fromisoformat(row[name]) for name in ("from", "until"))
    return f"{begin.day} {begin:%b}" + (f" to {end.day} {end:%b}" if end > begin else "")


def dossier_url(person: Applicant) -> str:
    return f"/recruiter/roles/{programs.latest_role(person).id}/people/{person.id}"


def reason(row: Json) -> str:
    """Why this person here, in a sentence."""
    doing = {"produce": "makes", "review": "reviews", "second": "reviews (second level)"}[row["role"]]
    accepted = f"P(accepted) {row['acceptance']:.2f} ({row['acceptance_low']:.2f} to {row['acceptance_high']:.2f})"
    second = row["second"]
    other = (
        f"next best: {second['role']} in {second['queue']}, {row['moving_costs']:,.0f} less"
        if second
        else "no other seat is open"
    )
    return f"{row['queue']}: {doing}, {accepted}, {row['minutes']:.0f} min a unit; {other}.{to_learn(row)}"


def to_learn(row: Json) -> str:
    """Why hours that are a trial are there; plans from before there were trials say nothing of it."""
    units = round(row.get("tries", 0.0))
    if not units:
        return ""
    many = "one unit" if units == 1 else f"{units} units"
    return (
        f" {row['learning']:.1f} h of it are a trial of {many}, to learn how well they fit: the plan counts on "
        f"P(accepted) {row['acceptance']:.2f}, which one time in six will then be {row['hoped']:.2f} or more."
    )


def learns(body: Json) -> str:
    """What exploring comes to as a whole; empty without it."""
    told = body.get("exploring")
    if not told:
        return ""
    most = f"at most {100 * told['most']:.3g} % were allowed"
    if told["hours"] < LEAST_HOURS:
        return f"No hours are trials of who fits which queue: none would pay ({most})."
    return (
        f"{told['hours']:.1f} hours ({100 * told['share']:.1f} %) are trials of who fits which queue; {most}. "
        f"Today that costs at most {told['costs']:,.0f}; what they tell is likely to bring {told['worth']:,.0f} later."
    )


def vetting_next(
    db: Session, record: PlanRecord | None, experts: Mapping[str, Applicant], ours: House, now: datetime
) -> dict[str, Any]:
    """Whom to vet next, who of them is invited, and how far sittings follow the plan's prices."""
    if record is None:
        return {"vet_next": [], "uninvited": 0, "loop_said": ""}
    sent = further.invited(db, record, now)
    rows = [row for row in further.ranked(record.body) if row["expert"] in experts][:VET]
    return {
        "vet_next": [invitation(row, experts[row["expert"]], sent.get(row["expert"]), ours) for row in rows],
        "uninvited": sum(row["expert"] not in sent for row in rows), "loop_said": further.followed(db, record),
    }  # fmt: skip


def invitation(row: Json, person: Applicant, sent: Invitation | None, ours: House) -> dict[str, Any]:
    return {
        "id": row["expert"], "name": shown_name(person), "url": dossier_url(person),
        "skill": ", ".join(views.names(row["skills"], ours.bank)), "minutes": FEW_MINUTES * len(row["skills"]),
        "gain": f"{row['gain']:,.0f}", "link": f"/i/{sign(ours.key, 'invitation', sent.id)}" if sent else "",
        "begun": bool(sent and sent.sittings), "until": sent.expires if sent else None,
    }  # fmt: skip


def weights(body: Json, ours: House) -> list[dict[str, Any]]:
    short = [queue for queue in body.get("queues", []) if queue["missing"] > 0]
    why = [f"{queue['name']}: {queue['missing']:,.0f} units missing, worth {queue['worth']:,.0f}." for queue in short]
    return [
        {"skill": views.names([skill], ours.bank)[0], "weight": weight, "why": why}
        for skill, weight in list(body.get("demand", {}).items())[:10]
    ]


def kept_short(body: Json, experts: Mapping[str, Applicant]) -> list[str]:
    return [
        f"{shown_name(experts[row['expert']])} was to be kept in {row['queue']}: {row['hours']:.1f} h of it cannot be."
        for row in body.get("broken", [])
        if row["expert"] in experts
    ]


def changed(program: Program, experts: Mapping[str, Applicant]) -> list[str]:
    """What moved since the plan before, the largest first."""
    if len(program.plans) < 2:
        return []
    old, new = (hours_by_seat(record) for record in program.plans[-2:])
    moved = {seat: new.get(seat, 0.0) - old.get(seat, 0.0) for seat in {*old, *new}}
    shown = sorted(
        (seat for seat in moved if abs(moved[seat]) >= 0.5 and seat[0] in experts), key=lambda s: -abs(moved[s])
    )
    said = [f"{shown_name(experts[e])}: {moved[e, q, r]:+.1f} h to {r} in {q}" for e, q, r in shown[:12]]
    return said or ["Nothing moved."]


def hours_by_seat(record: PlanRecord) -> dict[tuple[str, str, str], float]:
    return {(row["expert"], row["queue"], row["role"]): row["hours"] for row in record.body["hours"]}


@router.post("/lead/{number}")
def solve(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    """Keep the wishes, solve again with least change, keep the plan."""
    program = program_or_404(db, number)
    was = {str(said) for said in form.getlist("was")}
    try:
        with db.begin_nested():  # the wishes and the plan that follows them, or neither
            for kind in ("pin", "bar"):
                shown = {said.removeprefix(f"{kind}:") for said in was if said.startswith(f"{kind}:")}
                set_wishes(db, program, kind, {str(said) for said in form.getlist(kind)}, shown, now)
            staffing.make_plan(db, program, now)
    except ValueError as wrong:
        return plan_page(request, db, ours, now, who, program, str(wrong))
    return RedirectResponse(f"/lead/{number}", HTTPStatus.SEE_OTHER)


@router.post("/lead/{number}/invite")
def invite(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    """Whom the plan would vet next gets a link to a few minutes of questions; one click for all who are ticked."""
    program = program_or_404(db, number)
    record = next((plan for plan in program.plans if str(plan.id) == text_of(form, "plan")), None)
    if record is None:
        return plan_page(request, db, ours, now, who, program, "This list is of no plan. Maybe reload the page.")
    try:
        further.invite(db, record, {str(one) for one in form.getlist("who")}, who, now)
    except ValueError as wrong:
        return plan_page(request, db, ours, now, who, program, str(wrong))
    return RedirectResponse(f"/lead/{number}#vet-title", HTTPStatus.SEE_OTHER)


def gaining(db: Session, record: PlanRecord | None, trouble: str = "") -> dict[str, Any]:
    """What a little more would bring, where somebody had it worked out."""
    kept = gains.kept(db, record) if record else None
    seen = gain_views.view(kept, programs.names(programs.crew(db))) if kept else None
    base = f"/lead/{record.program_id}" if record else ""
    return {"gains": seen, "gains_action": f"{base}/gains", "gains_trouble": trouble}


@router.post("/lead/{number}/gains")
def work_out(request: Request, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    """Solve again with a little more of everything, without holding the database, and keep what comes of it."""
    trouble = ""
    with store.reading(ours.engine) as db:
        record = programs.previous(program_or_404(db, number))
        if record is None:
            return on_to(request, f"/lead/{number}")
        plan = record.id
        try:
            found = None if gains.kept(db, record) else gains.of_plan(db, record, now)
        except ValueError as wrong:
            found, trouble = None, str(wrong)
    with store.writing(ours.engine) as db:
        record = db.get_one(PlanRecord, plan)
        if found is not None:
            gains.keep(db, record, found, now)
        if trouble and not by_htmx(request):
            return plan_page(request, db, ours, now, who, record.program, trouble)
        if not by_htmx(request):
            return RedirectResponse(f"/lead/{number}#gains", HTTPStatus.SEE_OTHER)
        context = gaining(db, record, trouble) | {"gains_new": not trouble}
        return page(request, "lead/_gains.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if trouble else 200)


def set_wishes(db: Session, program: Program, kind: str, wished: set[str], shown: set[str], now: datetime) -> None:
    """What was ticked since the page was shown is wished, what was unticked is freed; others' wishes stay as they are.

    wished, shown: "person:queue", ticked when the form was sent and when its page was made.
    """
    held = {f"{wish.applicant_id}:{wish.queue}" for wish in programs.wishes(db, program) if wish.kind == kind}
    known = {str(person.id) for person in programs.crew(db)}
    queues = {queue.name for queue in programs.queues_of(program)}
    for seats, said in (((shown - wished) & held, "free"), (wished - shown - held, kind)):
        for person, _, queue in sorted(seat.partition(":") for seat in seats):
            if person not in known or queue not in queues:
                continue
            db.add(Wish(at=now, program_id=program.id, applicant_id=int(person), queue=queue, kind=said))
        db.flush()
