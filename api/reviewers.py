"""The lead's page of reviewers: how each judges, how surely that is known, and whom to bring together in a round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.deps import DB, Now, Number, Ours, page
from api.lead import heading, program_or_404
from api.paging import part
from api.pictures import share
from api.recruiter import Staff, frame
from vetting.decisions.dossier import NINETY
from vetting.judges import CUSTOMER
from vetting.programs import queues_of
from vetting.quality import reviewers, rounds
from vetting.records import Json

router = APIRouter()
ROWS = 60
WIDEST = 0.8  # sds of skill at the ends of the picture
ORDERS: dict[str, tuple[str, Callable[[Json], float | None]]] = {
    "reviews": ("Verdicts", lambda row: -row["reviews"]),
    "severity": ("Severity", lambda row: -row["severity"]["value"] if row["severity"] else None),
    "slip": ("A step off", lambda row: -row["slip"]["value"] if row["slip"] else None),
    "overturned": ("Overturned", lambda row: -row["overturned"]["share"] if row["overturned"] else None),
    "pace": ("Pace", lambda row: row["pace"]),
    "gold": ("Right on gold", lambda row: -row["gold"]["share"] if row["gold"] else None),
    "repeats": ("Same twice", lambda row: -row["repeats"]["share"] if row["repeats"] else None),
}


@router.get("/lead/{number}/reviewers")
def reviewers_page(request: Request, db: DB, ours: Ours, now: Now, who: Staff, number: Number) -> Response:
    program = program_or_404(db, number)
    rows, by = reviewers.account(db, program, now), request.query_params.get("by", "")
    shown_part = part(request, len(rows), ROWS)
    base = f"/lead/{number}/reviewers"
    context = {
        **frame("lead", who, db, ours), "program": heading(program), "pager": shown_part.pager,
        "rows": [shown(row) for row in ordered(rows, by)[shown_part.rows]],
        "columns": [column(key, words, by, base) for key, (words, _) in ORDERS.items()],
        "by_name": column("", "Reviewer", by if by in ORDERS else "", base),
        "least": reviewers.LEAST, "least_repeats": reviewers.LEAST_REPEATS,
        "queues": [queue.name for queue in queues_of(program)], "most_people": rounds.PEOPLE[1],
        "round_action": f"/lead/{number}/quality",
    }  # fmt: skip
    return page(request, "lead/reviewers.html", context)


def ordered(rows: list[Json], by: str) -> list[Json]:
    """By name unless a figure was asked for; then who has none comes last, and the customer always."""
    if by not in ORDERS:
        return rows
    _, figure = ORDERS[by]

    def place(row: Json) -> tuple[bool, bool, float]:
        value = figure(row)
        return row["id"].startswith(CUSTOMER), value is None, value or 0.0

    return sorted(rows, key=place)


def column(key: str, words: str, by: str, base: str) -> dict[str, Any]:
    return {"words": words, "url": f"{base}?by={key}" if key else base, "sorted": key == by,
            "way": "ascending" if key in {"", "pace"} else "descending"}  # fmt: skip


def shown(row: Json) -> dict[str, Any]:
    """A reviewer as the page tells them: figures with ranges, and words for what severity does."""
    return row | {
        "person": "" if row["id"].startswith(CUSTOMER) else row["id"],
        "at": place(row["severity"]) if row["severity"] else None,
        "meaning": f"passes {share(row['passes'])} of toss-ups" if row["severity"] else "",
        "drift_said": "" if not row["drifts"] else "stricter lately" if row["drift"] > 0 else "milder lately",
    }


def place(severity: Json) -> dict[str, float]:
    """Severity as a dot with a bar: percentages of the picture's width, and the ends of nine times in ten."""
    value, reach = severity["value"], NINETY * severity["sd"]
    dot, left, right = (across(x) for x in (value, value - reach, value + reach))
    return {"dot": dot, "left": left, "width": round(max(right - left, 1.0), 2), "low": value - reach,
            "high": value + reach}  # fmt: skip


def across(x: float) -> float:
    return round(100 * (min(max(x, -WIDEST), WIDEST) + WIDEST) / (2 * WIDEST), 2)
