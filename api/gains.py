"""What a little more would bring to a plan, as a lead reads it: in money, in accepted units, and beside its price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vetting.decisions.dossier import NINETY
from vetting.plans.gains import SHARES
from vetting.records import Json
from vetting.work_records import Gains

WHAT = {"hours": "Hours", "people": "People", "money": "Money", "days": "Days"}
NAMED = 3  # people of a group who are named
SHARPER = 0.02  # share by which a gain must fall short of its price before both are told


def view(kept: Gains, names: Mapping[str, str]) -> dict[str, Any]:
    """The table of gains: a row for each thing of which there could be more."""
    body = kept.body
    widest = max([row["gain"] for rows in body["more"].values() for row in rows], default=0.0) or 1.0
    return {
        "at": kept.at, "apart": body["apart"],
        "rows": [
            {"what": WHAT[what], "steps": steps(rows, names, widest)}
            for what, rows in body["more"].items()
        ],
    }  # fmt: skip


def steps(rows: list[Json], names: Mapping[str, str], widest: float) -> list[dict[str, Any] | None]:
    """One more, and each share; None: a share of few people is nobody. Empty where nothing of this kind is limited."""
    found = {row["share"]: step(row, names, widest) for row in rows}
    return [found.get(share) for share in (None, *SHARES)] if found else []


def step(row: Json, names: Mapping[str, str], widest: float) -> dict[str, Any]:
    """One change in words and figures."""
    reach = NINETY * row["units_sd"]
    return {
        "more": more(row["amount"], row["unit"]), "of": of(row, names), "gain": f"{row['gain']:,.0f}",
        "share": round(100 * row["gain"] / widest, 1), "units": units(row["units"], reach),
        "by_price": f"{row['by_price']:,.0f}" if row["by_price"] > (1 + SHARPER) * row["gain"] + 0.5 else "",
    }  # fmt: skip


def more(amount: float, unit: str) -> str:
    """An amount with its unit: 1 hour, 3 people, 0.4 days, 500 of money."""
    if unit == "money":
        return f"{amount:,.0f} of budget"
    one = {"people": "person"}.get(unit, unit.removesuffix("s"))
    said = f"{amount:,.0f}" if amount == round(amount) or amount >= 100 else f"{amount:,.1f}"
    return f"{said} {one if said == '1' else unit}"


def of(row: Json, names: Mapping[str, str]) -> str:
    """Whose hour, or like whom the newcomers are."""
    shown = [names.get(who, f"applicant {who}") for who in row["who"][:NAMED]]
    rest = len(row["who"]) - len(shown)
    said = ", ".join(shown) + (f" and {rest} more" if rest else "")
    return "" if not said else f"of {said}" if row["unit"] == "hours" else f"like {said}"


def units(change: float, reach: float) -> str:
    """Accepted units more or fewer, give or take what is not known of people."""
    if max(abs(change), reach) < 0.05:
        return "no unit more"
    digits = 1 if max(abs(change), reach) < 10 else 0
    return f"{change:+,.{digits}f} \u00b1 {reach:,.{digits}f} units"
