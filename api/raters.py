"""The page of raters: every model and person who grades interviews, how each is read, and changes people rule on."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from api.deps import DB, House, Now, Number, Ours, page
from api.forms import Form, said_of, text_of
from api.paging import part
from api.recruiter import Staff, frame
from api.views import rater
from vetting.decisions.dossier import NINETY
from vetting.grades import rater_changes, rater_page, watching
from vetting.grades.rater_changes import RulingError, name_since, stands
from vetting.grades.rater_page import CHANGED, COUNTS, PEOPLE, SHADOW, Told
from vetting.models.calls import Bill
from vetting.panel import Reading
from vetting.rater_records import RaterChange
from vetting.records import Json

router = APIRouter()
ROWS, SHOWN = 40, 20  # raters, and changes, on a page
WIDEST = 1.2  # sds of quality at the ends of the picture
STANDINGS = {
    COUNTS: ("counts", "good"), CHANGED: ("changed, counts no more", "loss"), SHADOW: ("in the shadow", ""),
    PEOPLE: ("a person, counts", "good"),
}  # fmt: skip


@router.get("/raters")
def home(request: Request, db: DB, ours: Ours, who: Staff) -> Response:
    return raters_page(request, db, ours, who)


def raters_page(
    request: Request, db: Session, ours: House, who: str, errors: Sequence[tuple[str, str]] = (),
    said: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    found = rater_page.raters(db)
    rows, changes = (
        part(request, len(found.rows), ROWS),
        part(request, len(found.changes), SHOWN, "changes", "#changes"),
    )
    known = watching.numbers(db)
    context = {
        **frame("raters", who, db, ours), "rows": [shown(row) for row in found.rows[rows.rows]], "pager": rows.pager,
        "simulated": found.simulated, "measured": found.account.at if found.account else None,
        "changes": [change(one, known) for one in found.changes[changes.rows]], "changes_pager": changes.pager,
        "counting": [(name, rater(name)) for name in rater_changes.counting(db, rater_changes.of(db))],
        "widest": WIDEST, "errors": list(errors), "said": said, "notice": request.session.pop("notice", ""),
    }  # fmt: skip
    return page(request, "desk/raters.html", context, HTTPStatus.UNPROCESSABLE_ENTITY if errors else 200)


# -- what people say -------------------------------------------------------------------------------


@router.post("/raters")
def tell(request: Request, db: DB, ours: Ours, now: Now, who: Staff, form: Form) -> Response:
    """Somebody knows that a model changed."""
    try:
        rater_changes.tell(db, text_of(form, "rater"), text_of(form, "reason"), now, by=name_of(request, who))
    except RulingError as wrong:
        return raters_page(request, db, ours, who, [(wrong.field, str(wrong))], said_of(form))
    return back(request, "Its verdicts from now on count no more, until a calibration knows it anew.")


@router.post("/raters/changes/{number}")
def rule(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number, form: Form) -> Response:
    """A change was a false alarm, or was one after all."""
    found = db.get(RaterChange, number)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    holds = text_of(form, "act") == "stands"
    try:
        rater_changes.rule(db, found, text_of(form, "reason"), now, holds=holds, by=name_of(request, who))
    except RulingError as wrong:
        return raters_page(request, db, ours, who, [(f"{wrong.field}-{number}", str(wrong))], said_of(form))
    said = "Its later verdicts count no more." if holds else "Its verdicts since count as before."
    return back(request, f"Kept, with your reason. {said}")


def name_of(request: Request, who: str) -> str:
    """Under whose name it is kept: the grader's, where somebody signed on."""
    return str(request.session.get("grader") or who)


def back(request: Request, notice: str) -> Response:
    request.session["notice"] = notice
    return RedirectResponse("/raters", HTTPStatus.SEE_OTHER)


# -- as the page tells it --------------------------------------------------------------------------


def shown(row: Told) -> dict[str, Any]:
    words, tone = STANDINGS[row.standing]
    since = f"since {row.change.at:%-d %b %Y}" if row.change else ""
    return {
        "name": rater(row.name), "since": since, "standing": words, "tone": tone, "person": row.standing == PEOPLE,
        "verdicts": row.verdicts, "answers": row.answers, "last": row.last, **figures(row), "watch": watched(row),
        "bill": cost(row.bill), "agreement": (row.measured or {}).get("agreement"),
        "lacking": [reason.capitalize() for reason in (row.measured or {}).get("lacking", [])]
        if row.standing == SHADOW
        else [],
    }  # fmt: skip


def figures(row: Told) -> Json:
    """Severity and discrimination as verdicts are read; of those in the shadow, as they were measured last."""
    read, own = row.reading, row.measured
    if read is None and own is not None:
        log_se = own["log_discrimination_se"]
        read = Reading(own["discrimination"], own["severity"], log_se, own["severity_se"])
    if read is None:
        return {"severity": None, "discrimination": None}
    spread = np.exp(NINETY * read.sd_log_discrimination)
    return {
        "severity": {"value": read.severity} | place(read.severity, NINETY * read.sd_severity),
        "discrimination": {
            "value": read.discrimination, "low": read.discrimination / spread, "high": read.discrimination * spread,
        },
    }  # fmt: skip


def place(value: float, reach: float) -> dict[str, float]:
    """A dot with a bar, in percent of the picture's width, and the ends of nine times in ten."""
    dot, left, right = (across(x) for x in (value, value - reach, value + reach))
    return {"dot": dot, "left": left, "width": round(max(right - left, 1.0), 2), "low": value - reach,
            "high": value + reach}  # fmt: skip


def across(x: float) -> float:
    return round(100 * (min(max(x, -WIDEST), WIDEST) + WIDEST) / (2 * WIDEST), 2)


def watched(row: Told) -> Json | None:
    """The watch in a picture and in words."""
    if row.watch is None:
        return None
    end = row.watch.alarm
    words = str(row.watch) if end is None else f"became {row.watch.direction}: noticed after {end} answers"
    return {"words": words, "height": round(100 * min(row.watch.height, 1.0), 1), "alarm": end}


def cost(bill: Bill | None) -> Json | None:
    if bill is None:
        return None
    return {
        "calls": bill.calls, "faults": bill.faults, "mean": bill.seconds / max(bill.calls, 1), "longest": bill.longest,
        "cost": bill.cost, "unpriced": bill.unpriced,
    }  # fmt: skip


def change(one: RaterChange, known: dict[str, Json]) -> dict[str, Any]:
    """A change with what people said of it; it can be overruled until a calibration knows the rater anew."""
    holds, anew = stands(one), name_since(one) in known
    return {
        "id": one.id, "at": one.at, "rater": rater(one.rater), "reason": one.reason, "stands": holds,
        "by": "" if one.by == rater_changes.WATCH else one.by, "measured": holds and anew,
        "rulings": [(said.at, said.by, said.stands, said.reason) for said in one.rulings],
    }  # fmt: skip
