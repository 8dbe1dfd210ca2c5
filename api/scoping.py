"""The lead's form of a program: what is to be made, checked field by field, and whether it can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from api import views
from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, text_of
from api.lead import heading, program_or_404
from api.recruiter import Staff, frame
from assignment.projection import SURE
from vetting import programs, rescoping
from vetting.messages import said_of
from vetting.plans import feasibility, shifts
from vetting.plans.scene import deadlines
from vetting.records import AuditEntry, Json, Program
from vetting.scope import LABELS, LADDER, MINUTES, ProgramForm, QueueForm

router = APIRouter()
SKILL_ROWS = 4  # of an empty queue
MOST_QUEUES = 40  # in a form; a file takes more, and those beyond are kept as they are
KINDS = [
    ("evaluation", "Evaluation"),
    ("sft", "Fine-tuning examples"),
    ("preference", "Preferences"),
    ("process_supervision", "Process supervision"),
    ("verification", "Verification"),
    ("other", "Other"),
]
TEXTS = ("name", "kind", "value", "priority", "units", "most_share", "minutes", "review_minutes", "second_minutes",
         "reviews", "second", "due", "language", "languages", "credentials", "budget", "part", "labels", "guideline",
         "difficulty", "pilot", "raters", "agreement", "checkpoint", "gold", "gold_people", "repeats", "repeat_after",
         "least_produce", "least_review", "least_second")  # fmt: skip
WISHES = ("block", "most_queues", "explore")  # about the whole of a plan
TICKS = ("human_only", "outside_team")
LISTS = ("languages", "credentials", "labels")


@router.get("/lead/programs/new")
def new(request: Request, db: DB, ours: Ours, who: Staff) -> Response:
    return form_page(request, db, ours, who, {"queues": [blank()]})


@router.get("/lead/{number}/edit")
def edit(request: Request, db: DB, ours: Ours, who: Staff, number: Number) -> Response:
    program = program_or_404(db, number)
    form = programs.scope_of(db, program)
    said = typed(form) if form else {"name": program.name, "queues": [blank()]}
    return form_page(request, db, ours, who, said, program)


@router.post("/lead/programs/new")
def add(request: Request, db: DB, ours: Ours, now: Now, who: Staff, form: Form) -> Response:
    return taken(request, db, ours, now, who, form, None)


@router.post("/lead/{number}/edit")
def change(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    program = program_or_404(db, number)
    db.refresh(program, with_for_update=True)  # whoever saves at the same time waits, and then sees this change
    return taken(request, db, ours, now, who, form, program)


def taken(
    request: Request, db: Session, ours: House, now: datetime, who: str, form: FormData, program: Program | None
) -> Response:
    """Keep the program whole, or show every fault beside its field; a further queue or row is only a longer form."""
    said = said_in(form)
    if program:
        said["name"] = program.name
    act = text_of(form, "act")
    if act == "queue" and len(said["queues"]) < MOST_QUEUES:
        return form_page(request, db, ours, who, said | {"queues": [*said["queues"], blank()]}, program)
    if dropped := re.fullmatch(r"drop-(\d{1,3})", act):
        left = [queue for place, queue in enumerate(said["queues"]) if place != int(dropped[1])]
        return form_page(request, db, ours, who, said | {"queues": left or [blank()]}, program)
    if program and (stale := overtaken(db, program, said)):
        return form_page(request, db, ours, who, said | {"version": ""}, program, stale)
    asked, errors = read(db, said, ours, now, program)
    if asked is None:
        return form_page(request, db, ours, who, said, program, errors)
    kept = programs.keep_program(db, asked, now, whole=True)
    db.add(AuditEntry(at=now, who=who, what="scoped a program", about={"program": kept.id}))
    return RedirectResponse(f"/lead/{kept.id}/queues", HTTPStatus.SEE_OTHER)


def overtaken(db: Session, program: Program, said: Json) -> list[tuple[str, str]]:
    """What others changed since the form was made; nothing if it was made from what holds."""
    if said["version"] == rescoping.version(db, program):
        return []
    found = rescoping.changes(db, program, said["version"]) or ["What they changed cannot be told."]
    first = "Somebody changed this program since this form was opened; your entries are still below."
    then = "Keep the changes now, and yours take the place of theirs. Maybe open the form anew in a second tab first."
    return [("", one) for one in (first, *found, then)]


def form_page(
    request: Request, db: Session, ours: House, who: str, said: Json, program: Program | None = None,
    errors: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    skills = ours.bank.tree.skills
    version = said.get("version") or (rescoping.version(db, program) if program else "")
    context = {
        **frame("lead", who, db, ours), "said": said | {"version": version}, "errors": list(errors),
        "editing": program is not None, "beyond": [queue.name for queue in beyond(program)], "most": MOST_QUEUES,
        "base": f"/lead/{program.id}/queues" if program else "",
        "action": f"/lead/{program.id}/edit" if program else "/lead/programs/new", "kinds": KINDS,
        "priorities": list(LADDER), "skills": [(key, skill.name) for key, skill in skills.items()],
        "usual": {kind: MINUTES[kind] for kind, _ in KINDS}, "usual_labels": LABELS,
    }  # fmt: skip
    return page(request, "lead/scope.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


# -- what was typed --------------------------------------------------------------------------------


def blank() -> Json:
    """An empty queue of the form."""
    return {"skills": [{"skill": "", "weight": "", "bar": ""} for _ in range(SKILL_ROWS)]}


def said_in(form: FormData) -> Json:
    """What was typed, as the form shows it again."""
    places = sorted({int(found[1]) for key in form if (found := re.match(r"q(\d{1,3})-", key))})[:MOST_QUEUES]
    return {
        **{name: text_of(form, name) for name in ("name", "version", "about", "budget", "mix", *WISHES)},
        "queues": [queue_said(form, f"q{place}-") for place in places] or [blank()],
    }  # fmt: skip


def queue_said(form: FormData, start: str) -> Json:
    rows = sorted({int(found[1]) for key in form if (found := re.match(rf"{start}skill-(\d{{1,2}})$", key))})
    skills = [
        {part: text_of(form, f"{start}{part}-{row}") for part in ("skill", "weight", "bar", "style")} for row in rows
    ]  # fmt: skip
    if not skills or skills[-1]["skill"]:
        skills.append({"skill": "", "weight": "", "bar": ""})
    texts = {name: text_of(form, f"{start}{name}") for name in TEXTS}
    return texts | {name: text_of(form, f"{start}{name}") == "yes" for name in TICKS} | {"skills": skills}


def typed(form: ProgramForm) -> Json:
    """A program as the form shows it."""
    mix = ", ".join(f"{part} {100 * share:.12g}" for part, share in form.mix.items())
    return {
        "name": form.name, "about": form.about, "budget": plain(form.budget), "mix": mix,
        **{name: plain(getattr(form, name) or None) for name in WISHES},
        "queues": [queue_typed(queue) for queue in form.queues[:MOST_QUEUES]],
    }  # fmt: skip


def queue_typed(queue: QueueForm) -> Json:
    body = queue.model_dump(mode="json")
    texts = {name: ", ".join(body[name]) if name in LISTS else plain(body.get(name)) for name in TEXTS}
    if queue.priority:
        texts["value"] = ""
    texts |= {f"least_{role}": plain(count) for role, count in queue.least.items()}
    beside = [skill for skill in (*queue.bars, *queue.style_skills) if skill not in queue.skills]
    skills = [
        {
            "skill": skill,
            "weight": plain(weight),
            "bar": plain(queue.bars.get(skill)),
            "style": "yes" if skill in queue.style_skills else "",
        }
        for skill, weight in (queue.skills | dict.fromkeys(beside, 0.0)).items()
    ]
    skills.append({"skill": "", "weight": "", "bar": ""})
    return texts | {name: body[name] for name in TICKS} | {"skills": skills}


def plain(value: Any) -> str:  # noqa: ANN401 -- a number, a text or nothing
    return "" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


# -- what is asked ---------------------------------------------------------------------------------


def read(
    db: Session, said: Json, ours: House, now: datetime, program: Program | None
) -> tuple[ProgramForm | None, list[tuple[str, str]]]:
    """The program, or every fault with its field."""
    errors: list[tuple[str, str]] = []
    rest = [queue.model_dump(mode="json") for queue in beyond(program)]
    shown = [queue_body(queue) for queue in said["queues"]]
    body = {"name": said["name"], "about": said["about"], "queues": [*shown, *rest]}
    body |= {name: said[name] for name in ("budget", *WISHES) if said[name]}
    if said["mix"]:
        body["mix"] = mix_of(said["mix"], errors)
    asked = None
    try:
        asked = ProgramForm.model_validate(body)
    except ValidationError as wrong:
        errors += [(field_of(error["loc"], said), words(error["loc"], said_of(error))) for error in wrong.errors()]
    if asked is not None:
        asked = as_learnt(asked, program)
        errors += [*late(asked, now, len(shown)), *strange(asked, ours)]
        taken_name = select(Program.id).where(Program.name == asked.name)
        if program is None and db.scalar(taken_name) is not None:
            errors.append(("name", f"There is a program {asked.name!r} already. Maybe change that one, or add a word."))
    return (None, errors) if errors else (asked, [])


def beyond(program: Program | None) -> tuple[QueueForm, ...]:
    """Queues that the form does not show; they stay as they are."""
    return programs.queues_of(program)[MOST_QUEUES:] if program else ()


def as_learnt(asked: ProgramForm, program: Program | None) -> ProgramForm:
    """Weights that were learnt and not touched stay learnt: what was stated stays beside them."""
    held = {queue.name: queue for queue in programs.queues_of(program)} if program else {}
    kept = [
        queue.model_copy(update={"stated": held[queue.name].stated})
        if queue.name in held and queue.skills == held[queue.name].skills else queue
        for queue in asked.queues
    ]  # fmt: skip
    return asked.model_copy(update={"queues": kept})


def queue_body(said: Json) -> Json:
    """A queue as its message takes it; what was left out is left out."""
    body: Json = {name: said[name] for name in TEXTS if said.get(name) and not name.startswith("least_")}
    body |= {name: said[name] for name in TICKS if name in said}
    body |= {name: [word for word in re.split(r"[,;\s]+" if name == "languages" else r"\s*[,;]\s*", body[name]) if word]
             for name in LISTS if name in body}  # fmt: skip
    rows = [row for row in said["skills"] if row["skill"]]
    body["skills"] = {row["skill"]: row["weight"] or "1" for row in rows}
    body["bars"] = {row["skill"]: row["bar"] for row in rows if row["bar"]}
    body["style_skills"] = [row["skill"] for row in rows if row.get("style") == "yes"]
    least = {role: said.get(f"least_{role}") for role in ("produce", "review", "second")}
    if any(least.values()):
        body["least"] = {role: count for role, count in least.items() if count}
    if "priority" in body:
        body.pop("value", None)
    return body


def mix_of(text: str, errors: list[tuple[str, str]]) -> dict[str, float]:
    """Shares of parts, from words such as: baseline 30, weak areas 40, patterns 30."""
    found = {}
    for one in text.split(","):
        seen = re.fullmatch(r"\s*(.+?)\s*[: ]\s*(\d+(?:\.\d+)?)\s*%?\s*", one)
        if seen is None:
            errors.append(("mix", f"Mix: {one.strip()!r} is no part with a share. Maybe: baseline 30, weak areas 70."))
        else:
            found[seen[1]] = float(seen[2]) / 100
    return found


def field_of(place: tuple[int | str, ...], said: Json) -> str:
    """The field of the form that a fault is about."""
    if place[:1] != ("queues",) or len(place) < 2 or int(place[1]) >= len(said["queues"]):
        return str(place[0]) if place and place[0] in {"name", "about", "budget", "mix", *WISHES} else "name"
    start, name = f"q{place[1]}-", str(place[2]) if len(place) > 2 else "name"
    if name in {"skills", "bars"}:
        part = "weight" if name == "skills" else "bar"
        rows = [row["skill"] for row in said["queues"][int(place[1])]["skills"]]
        key = str(place[3]) if len(place) > 3 else ""
        return f"{start}{part}-{rows.index(key)}" if key in rows else f"{start}skill-0"
    return f"{start}least_{place[3]}" if name == "least" and len(place) > 3 else f"{start}{name}"


def words(place: tuple[int | str, ...], said: str) -> str:
    """Which queue and which field, and what is wrong with it."""
    where = [f"Queue {int(place[1]) + 1}" if place[:1] == ("queues",) and len(place) > 1 else ""]
    where += [str(part).replace("_", " ") for part in place[2 if where[0] else 0 :]]
    if said.startswith("Input should be"):
        said = f"{said.replace('Input should', 'this must')}. Maybe it was mistyped."
    return f"{', '.join(part for part in where if part)}: {said}"


def late(asked: ProgramForm, now: datetime, shown: int) -> list[tuple[str, str]]:
    """Queues of the form whose date is past."""
    ends = deadlines(asked.queues, now)[:shown]
    return [
        (f"q{place}-due", f"Queue {queue.name!r} was due on {queue.due}. Maybe give it a later date.")
        for place, (queue, end) in enumerate(zip(asked.queues[:shown], ends, strict=True))
        if end <= now
    ]


def strange(asked: ProgramForm, ours: House) -> list[tuple[str, str]]:
    """Skills that nobody knows; only somebody who does not use the form's lists can name one."""
    known = ours.bank.tree.skills
    return [
        (f"q{place}-skill-0", f"Queue {queue.name!r}: there is no skill {skill!r}. Maybe pick one from the list.")
        for place, queue in enumerate(asked.queues)
        for skill in {*queue.skills, *queue.bars, *queue.style_skills} - set(known)
    ]


# -- can it be done --------------------------------------------------------------------------------


def answer_of(db: Session, program: Program, now: datetime) -> tuple[Json | None, str]:
    """Feasibility of a program, or why there is none to tell; the same facts and moment draw the same futures."""
    form = programs.scope_of(db, program)
    if form is None:
        return None, f"Program {program.name!r} has no queue. Maybe add one."
    try:
        return feasibility.feasibility(db, form, now, np.random.default_rng(program.id)), ""
    except ValueError as wrong:
        return None, str(wrong)


@router.get("/lead/{number}/feasibility.json")
def as_json(db: DB, now: Now, who: Staff, number: Number) -> Response:  # noqa: ARG001 -- the door asks who
    found, trouble = answer_of(db, program_or_404(db, number), now)
    return JSONResponse(found or {"error": trouble}, 200 if found else HTTPStatus.UNPROCESSABLE_ENTITY)


@router.get("/lead/{number}/queues")
def queues(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    program = program_or_404(db, number)
    asked = programs.queues_of(program)
    found, trouble = answer_of(db, program, now)
    context = {
        **frame("lead", who, db, ours),
        "program": heading(program) | {"deadline": max((queue.due for queue in asked if queue.due), default=None)},
        "queues": [queue_row(queue, ours) for queue in asked], "feasible": found, "trouble": trouble,
        "changed": shifts.since_plan(db, program, found["able"], now) if found else [],
    }  # fmt: skip
    return page(request, "lead/queues.html", context)


def queue_row(queue: QueueForm, ours: House) -> dict[str, Any]:
    names = ours.bank.tree.skills
    return {
        "name": queue.name, "kind": ", ".join(views.names(list(queue.skills), ours.bank)), "units": queue.units,
        "depth": depth(queue), "minutes_low": queue.loaded, "minutes_high": queue.loaded * 1.6,
        "hours_low": queue.units * queue.loaded / 60, "hours_high": queue.units * queue.loaded * 1.6 / 60,
        "bars": [{"skill": names[skill].name, "at": bar, "p": SURE} for skill, bar in queue.bars.items()],
        "value": queue.value, "credentials": queue.credentials, "human_only": queue.human_only,
    }  # fmt: skip


def depth(queue: QueueForm) -> str:
    """How a unit is checked, in words."""
    steps = ["produce"] + [f"{queue.reviews:g} review{'s' * (queue.reviews > 1)}"] * (queue.reviews > 0)
    return ", ".join(steps + [f"second level on {100 * queue.second:.0f} %"] * (queue.second > 0))
