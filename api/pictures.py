"""Numbers as words and as places in a picture, for the templates.

An estimate is drawn on the skill axis, -3 to 3 standard deviations of the applicants, cut into four
levels at -1, 0 and 1. A place on it is a percentage of the picture's width, so that a picture needs no
script and no style attribute. Every picture has a sentence that says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import ceil, floor
from types import SimpleNamespace
from typing import Any

LOWEST, HIGHEST = -3.0, 3.0  # ends of the axis, in standard deviations of the applicants
LEVELS = ("novice", "capable", "strong", "expert")
CUTS = (-1.0, 0.0, 1.0)
CLEARS = 0.9  # P(meets bar) from which a floor counts as met; 1 - CLEARS: as missed


# -- words -------------------------------------------------------------------------------------------


def level(skill: float) -> str:
    return LEVELS[sum(skill >= cut for cut in CUTS)]


def levels(low: float, high: float) -> str:
    """The levels an interval spans: "strong", or "capable to strong"."""
    first, last = level(low), level(high)
    return first if first == last else f"{first} to {last}"


def sureness(low: float, high: float) -> str:
    """How sure a 90 % interval is, by its width."""
    width = high - low
    return "quite sure" if width <= 1.2 else "fairly sure" if width <= 2.0 else "not sure yet"


def standing(p: float, bar_p: float = CLEARS) -> str:
    return "clears" if p >= bar_p else "below" if 1 - p >= bar_p else "open"


def chance(p: float) -> str:
    """A probability in two digits; 0 and 1 are never claimed."""
    return "> .99" if p > 0.99 else "< .01" if p < 0.01 else f"{p:.2f}".removeprefix("0")


def share(x: float) -> str:
    return f"{100 * x:.0f} %"


def hours(x: float) -> str:
    if x >= 100:
        return f"{x:,.0f} h"
    return f"{x:.1f} h" if x < 10 and round(x, 1) != round(x) else f"{x:.0f} h"


def number(x: float) -> str:
    return f"{x:,.0f}" if x == round(x) or abs(x) >= 100 else f"{x:,.1f}"


def whole(x: float) -> str:
    return f"{x:,.0f}"


def minutes(x: float) -> str:
    """Minutes that were spent, in words."""
    return "under a minute" if x < 1 else "1 minute" if x < 1.5 else f"{x:,.0f} minutes"


def span(low: float, high: float, unit: str) -> str:
    """A range in whole units, outwards: never narrower than it is. `unit` in the plural."""
    first, last = floor(low), max(1, ceil(high))
    word = unit.removesuffix("s") if last == 1 else unit
    return f"{last} {word}" if first >= last else f"up to {last} {word}" if first < 1 else f"{first}\u2013{last} {word}"


def day(when: date | datetime | None) -> str:
    return "" if when is None else f"{when.day} {when:%b %Y}"


def moment(when: datetime | None) -> str:
    return "" if when is None else f"{day(when)}, {when:%H:%M}{' UTC' if when.tzinfo in {None, UTC} else ''}"


def join(words: Iterable[str], last: str = "and") -> str:
    several = list(words)
    return several[0] if len(several) == 1 else f"{', '.join(several[:-1])} {last} {several[-1]}" if several else ""


# -- places ------------------------------------------------------------------------------------------


def place(skill: float) -> float:
    """Where a skill lies on the axis, in percent; what is off the axis lies on its end."""
    inside = min(max(skill, LOWEST), HIGHEST)
    return round(100 * (inside - LOWEST) / (HIGHEST - LOWEST), 2)


@dataclass(frozen=True)
class Interval:
    """An interval bar: percentages of the width, and the sentence that says the same."""

    left: float
    width: float
    dot: float
    bar: float | None
    ghost_left: float | None
    ghost_right: float | None
    sentence: str


def interval(
    skill: str,
    mean: float,
    low: float,
    high: float,
    bar: float | None = None,
    start_low: float | None = None,
    start_high: float | None = None,
) -> Interval:
    """Refuses an interval that does not hold its mean: such a picture would lie."""
    if not low <= mean <= high:
        raise ValueError(
            f"interval of {skill}: mean {mean} is outside [{low}, {high}]. Maybe low and high are swapped."
        )
    ghost = None if start_low is None or start_high is None else (place(start_low), place(start_high))
    return Interval(
        left=place(low),
        width=round(max(place(high) - place(low), 1.0), 2),
        dot=place(mean),
        bar=None if bar is None else place(bar),
        ghost_left=ghost[0] if ghost else None,
        ghost_right=ghost[1] if ghost else None,
        sentence=sentence(skill, mean, low, high, bar),
    )


def sentence(skill: str, mean: float, low: float, high: float, bar: float | None = None) -> str:
    estimate = f"{skill}: {level(mean)}; nine times in ten {levels(low, high)}."
    if bar is None:
        return estimate
    where = "all of it above" if low >= bar else "all of it below" if high < bar else "on both sides of"
    return f"{estimate} The interval lies {where} the bar, which is at {level(bar)}."


@dataclass(frozen=True)
class Stack:
    """Supply against demand for one skill: percentages of the widest row."""

    ready: float  # hours of people who clear the bars
    likely: float  # further hours that a little vetting would probably bring
    demand: float
    sentence: str


def stacks(rows: Sequence[Any]) -> list[tuple[Any, Stack]]:
    """One picture a row, on one scale. A row, object or mapping, has skill and ready_, likely_ and demand_hours."""
    rows = [SimpleNamespace(**row) if isinstance(row, Mapping) else row for row in rows]
    widest = max([1e-9, *(max(row.ready_hours + row.likely_hours, row.demand_hours) for row in rows)])
    return [(row, stack(row, 96 / widest)) for row in rows]  # 96: the widest mark keeps clear of the edge


def stack(row: Any, scale: float) -> Stack:  # noqa: ANN401 -- anything with the four attributes
    lacking = row.demand_hours - row.ready_hours
    verdict = f"{hours(lacking)} short" if lacking > 0 else "enough"
    return Stack(
        ready=round(row.ready_hours * scale, 2),
        likely=round(row.likely_hours * scale, 2),
        demand=round(row.demand_hours * scale, 2),
        sentence=f"{row.skill}: {hours(row.demand_hours)} asked, {hours(row.ready_hours)} ready, "
        f"{hours(row.likely_hours)} more after vetting; {verdict}.",
    )


@dataclass(frozen=True)
class Progress:
    """How far a sitting is, by time: percentages surely done, and done if the rest is short."""

    done: float
    at_best: float


def progress(done: float, low: float, high: float) -> Progress:
    """`done`, `low`, `high`: minutes spent, and the range of minutes that are left."""
    return Progress(
        done=round(100 * done / max(done + high, 1e-9), 1),
        at_best=round(100 * done / max(done + low, 1e-9), 1),
    )


def picked(said: Mapping[str, str | Sequence[str]] | None, field: str, value: object) -> bool:
    """Was `value` picked in what came back? `said` may hold one text or several a field."""
    kept = (said or {}).get(field, ())
    return str(value) in ([kept] if isinstance(kept, str) else list(kept))


GLOBALS: dict[str, Any] = {
    "LEVELS": LEVELS,
    "STATIC": "/static",
    "interval": interval,
    "levels": levels,
    "picked": picked,
    "progress_of": progress,
    "span": span,
    "stacks": stacks,
    "standing": standing,
    "sureness": sureness,
}
FILTERS: dict[str, Any] = {
    "chance": chance,
    "day": day,
    "hours": hours,
    "join_words": join,
    "level": level,
    "minutes": minutes,
    "moment": moment,
    "number": number,
    "share": share,
    "whole": whole,
}
