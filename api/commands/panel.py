"""`assay panel`: how strict and how sharp each model grader of interviews is, and whether its verdicts count."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, opened, out, print_json

if TYPE_CHECKING:
    from vetting.grades.rater_readings import RaterReport


def add_to(app: typer.Typer) -> None:
    app.command()(panel)


def panel(
    database: Database = DATABASE,
    publish: Annotated[bool, typer.Option(help="Let raters who are ready count from now on.")] = False,
    simulated: Annotated[bool, typer.Option(help="Of simulated people instead of real ones.")] = False,
    as_json: Json = False,
) -> None:
    """Models that grade interviews: severity, discrimination, people's mean beside theirs, what still lacks."""
    from vetting import scale, store
    from vetting.grades import rater_readings, watching

    engine, _ = opened(database, existing=True)
    now = datetime.now(UTC)
    watching.follow(engine, now)
    with store.writing(engine) as db:
        newest = scale.latest(db)
        found = rater_readings.measure(db, scale.of(newest), now, simulated=simulated)
        rater_readings.keep(db, found, newest.id, now, simulated=simulated)
        made = rater_readings.publish(db, found, "assay panel", now) if publish else None
        number = made.id if made else None
    if as_json:
        print_json({"raters": [rater_readings.row(one) for one in found], "calibration": number})
        return
    tell(found, "simulated" if simulated else "real")
    if publish:
        out.print(f"published as scale {number}" if number else "Nobody is ready, so nothing was published.")


def tell(found: list[RaterReport], people: str) -> None:
    if not found:
        out.print(f"No model has graded an interview of {people} people yet.")
        return
    table = Table("Rater", "answers", "beside people", "severity", "discrimination", "mean", "people's mean", box=None)
    for one in found:
        told = one.mean_level
        mean = f"{told.value:.2f} [{told.low:.2f}, {told.high:.2f}]" if told else "–"
        table.add_row(
            one.rater, str(one.answers), str(one.beside), f"{one.found.severity:+.2f} ± {one.found.severity_se:.2f}",
            f"{one.discrimination:.2f}", f"{one.model_mean:.2f}", mean,
        )  # fmt: skip
    out.print(table)
    for one in found:
        out.print(f"{one.rater} {state(one)}." + "".join(f" {reason}" for reason in one.lacking), markup=False)
        if one.watch:
            out.print(f"{one.rater}: {one.watch}", markup=False)


def state(one: RaterReport) -> str:
    if one.ended:
        return "changed and counts no more"
    if one.live:
        return "counts"
    return "grades in the shadow" if one.lacking else "is ready to count"
