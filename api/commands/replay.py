"""`assay replay`: recorded answers and seconds, asked in the engine's order instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.calibrate import Ignore, Responses
from api.commands.console import Json, notes, out, print_json, progress

if TYPE_CHECKING:
    from vetting.calibration.replay import Course, Known, Replay


def add_to(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    responses: Responses,
    scale: Annotated[Path | None, typer.Option(help="SCALE.json from `assay fit`, of other people.")] = None,
    items: Annotated[
        Path | None, typer.Option(help="Instead of --scale: ITEMS.csv; items are fitted on the other half of people.")
    ] = None,
    minutes: Annotated[str, typer.Option(help="Minutes to tell of, separated by commas.")] = "5,10,20",
    policy: Annotated[str, typer.Option(help="Policies to compare, separated by commas; all of them if empty.")] = "",
    seconds: Annotated[Path | None, typer.Option(help="Table of seconds, wide or long, if not in RESPONSES.")] = None,
    seconds_column: Annotated[str, typer.Option(help="Column of a long table that holds the seconds.")] = "seconds",
    bar: Annotated[float, typer.Option(min=0.1, max=0.999, help="Correlation with the whole to reach.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Which people are in which half.")] = 1,
    splits: Annotated[int, typer.Option(min=1, max=50, help="How many times people are split anew.")] = 1,
    ignore: Ignore = "",
    as_json: Json = False,
) -> None:
    """Replay real answers and seconds in the engine's order and others: minutes to the full-length score."""
    from irt.replay import POLICIES
    from vetting import tables
    from vetting.calibration import replay as replays
    from vetting.calibration.calibrate import read_scale

    if (scale is None) == (items is None):
        raise tables.TableFaultError("replay: give either --scale SCALE.json or --items ITEMS.csv.")
    names, told = chosen(policy, list(POLICIES)), numbers(minutes)
    ruler = read_scale(scale) if scale is not None else None
    known = ruler or tables.read_items(items or responses)
    recording = replays.read(responses, known, seconds, seconds_column, ignore.split(","))
    with progress("replaying", len(recording.answers) * len(names) * splits) as step:
        found = replays.run(recording, ruler, told, names, bar=bar, seed=seed, splits=splits, step=step)
    if as_json:
        print_json(found.model_dump())
    else:
        tell(found)


def chosen(policy: str, known: list[str]) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in policy.split(",") if name.strip())) or known
    if strangers := [name for name in names if name not in known]:
        raise ValueError(f"replay: no policy {strangers[0]!r}. Maybe one of: {', '.join(known)}.")
    return names


def numbers(minutes: str) -> list[float]:
    try:
        found = sorted({float(part) for part in minutes.split(",") if part.strip()})
    except ValueError:
        found = []
    if not found or not all(0 < one < float("inf") for one in found):
        raise ValueError(f"replay: minutes {minutes!r}, but numbers above 0 are needed. Maybe 5,10,20.")
    return found


# -- what is told ----------------------------------------------------------------------------------


def tell(found: Replay) -> None:
    out.print(
        f"{found.people} people, {found.answers} answers on {', '.join(found.skills)}; "
        f"a whole record takes {found.full_minutes:.0f} minutes (median)"
    )
    leave_outs(found)
    table = Table("Policy", box=None, title=f"Minutes to r = {found.bar:.2f} with the full-length mean score")
    for head in ("minutes", "95 % interval", "items", "engine / this", "95 % interval"):
        table.add_column(head, justify="right")
    for course in found.courses:
        share = course.engine_share
        table.add_row(
            course.policy, figure(course.minutes.value, 1), span(course.minutes, 1), figure(course.items, 1),
            figure(share.value, 2) if share else "", span(share, 2) if share else "",
        )  # fmt: skip
    out.print(table)
    if len(found.skills) > 1:
        out.print(by_skill(found))
    out.print(by_minutes(found.courses))


def leave_outs(found: Replay) -> None:
    for count, what in (
        (found.untimed, "answers without seconds above 0 were left out"),
        (found.silent, "people without a timed answer were left out"),
        (found.unplaced, "answers to items that could not be fitted were left out"),
    ):
        if count:
            notes.print(f"[yellow]{count}[/] {what}")


def by_skill(found: Replay) -> Table:
    table = Table("Minutes by skill", *found.skills, box=None)
    for course in found.courses:
        table.add_row(course.policy, *(figure(value, 1) for value in course.skill_minutes))
    return table


def by_minutes(courses: list[Course]) -> Table:
    table = Table("r (rmse) items after", box=None)
    for point in courses[0].table:
        table.add_column(f"{point.minutes:g} min", justify="right", no_wrap=True)
    for course in courses:
        table.add_row(course.policy, *(f"{at.r:.3f} ({at.rmse:.2f}) {at.items:.0f}" for at in course.table))
    return table


def figure(value: float | None, digits: int) -> str:
    return "never" if value is None else f"{value:.{digits}f}"


def span(known: Known, digits: int) -> str:
    return "" if known.low is None else f"{known.low:.{digits}f} to {known.high:.{digits}f}"
