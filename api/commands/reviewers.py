"""`assay reviewers`: how strict and careless each judge of work is; `assay program customer`: customers' verdicts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, opened, out, print_json

if TYPE_CHECKING:
    from vetting.quality.reviewing import Judge


def add_to(app: typer.Typer, programs: typer.Typer) -> None:
    app.command()(reviewers)
    programs.command()(customer)


def reviewers(
    database: Database = DATABASE,
    publish: Annotated[bool, typer.Option(help="Read outcomes by who stands behind them from now on.")] = False,
    simulated: Annotated[bool, typer.Option(help="Of simulated people instead of real ones.")] = False,
    as_json: Json = False,
) -> None:
    """Judges of work: severity in sds of skill, how often they are a step off, from how many verdicts."""
    from vetting import scale, store
    from vetting.quality import reviewing

    engine, _ = opened(database, existing=True)
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        found = reviewing.measure(db, scale.of(scale.latest(db)), now, simulated=simulated)
        made = reviewing.publish(db, found, "assay reviewers", now) if publish else None
        number = made.id if made else None
    if as_json:
        print_json({"reviewers": [one.as_json() for one in found], "calibration": number})
        return
    tell(found)
    if publish:
        out.print(f"published as scale {number}" if number else "Nobody judged anything, so nothing was published.")


def tell(found: list[Judge]) -> None:
    if not found:
        out.print("Nobody has judged made work yet.")
        return
    table = Table("Judge", "verdicts", "severity", "a step off", "read so now", box=None)
    for one in found:
        table.add_row(
            escape(one.name), str(one.found.verdicts), f"{one.found.severity:+.2f} ± {one.found.severity_sd:.2f}",
            f"{100 * one.found.slip:.1f} ± {100 * one.found.slip_sd:.1f} %", "yes" if one.live else "no",
        )  # fmt: skip
    out.print(table)


def customer(
    program: Annotated[str, typer.Argument(help="Name of the program.")],
    file: Annotated[Path, typer.Argument(help="CSV: queue,unit,verdict[,because]; accepted, sent back or rejected.")],
    who: Annotated[str, typer.Option(help="Who brings them.")] = "customer",
    database: Database = DATABASE,
) -> None:
    """Keep what the customer found of delivered units: the last word on them, and on who made and judged them."""
    from api.commands.staffing import program_named
    from vetting import store
    from vetting.quality import customers

    engine, _ = opened(database, existing=True)
    with store.writing(engine) as db:
        count = customers.keep(db, program_named(db, program), file, who, datetime.now(UTC))
        out.print(f"{count} verdicts kept")
