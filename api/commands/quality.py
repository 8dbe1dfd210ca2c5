"""`assay program gold`: units whose right verdict is known, from a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, opened, out, print_json
from api.commands.staffing import program_named

if TYPE_CHECKING:
    from vetting.records import Program
    from vetting.scope import QueueForm


def add_to(programs: typer.Typer) -> None:
    programs.command("gold")(gold)


def gold(
    program: Annotated[str, typer.Argument(help="Name of the program.")],
    queue: Annotated[str, typer.Argument(help="Name of its queue.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV or JSON lines: unit, or content and text; verdict, because [, doubt, people, told]."),
    ] = None,
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Mark gold units from a file; without one, say how often they were judged rightly, and by whom."""
    from vetting import store
    from vetting.quality import gold as golds

    engine, _ = opened(database, existing=True)
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        found = program_named(db, program)
        form = queue_of(found, queue)
        if file is not None:
            marked = golds.mark(db, found, form, golds.rows_of(read(file), str(file)), "command line", now)
            if not as_json:
                out.print(f"{len(marked)} gold units in [bold]{escape(queue)}[/], numbers "
                          f"{', '.join(str(one.unit.number) for one in marked[:20])}")  # fmt: skip
        seen = golds.results(db, found, form.name, now)
    if as_json:
        print_json(seen)
    elif file is None and seen["units"]:
        tell(seen)
    elif file is None:
        out.print("No gold units yet. Maybe mark some: assay program gold PROGRAM QUEUE GOLD.csv")


def queue_of(program: Program, name: str) -> QueueForm:
    from vetting.programs import queues_of

    named = {queue.name: queue for queue in queues_of(program)}
    if name not in named:
        raise LookupError(f"{program.name!r} has no queue {name!r}. Maybe {', '.join(map(repr, named)) or 'add one'}.")
    return named[name]


def read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as wrong:
        raise ValueError(f"{file}: no such file. Maybe the folder is another.") from wrong
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{file}: not text in UTF-8. Maybe save it as CSV in UTF-8.") from wrong


def tell(seen: dict[str, list[dict[str, object]]]) -> None:
    for title, rows, name in (("Person", seen["people"], "person"), ("Unit", seen["units"], "unit")):
        table = Table(title, "Right", "of", "95 %", "", box=None)
        for row in rows:
            known = row["share"] is not None
            between = f"{row['low']:.2f} to {row['high']:.2f}" if known else ""
            share = f"{row['share']:.2f}" if known else "–"
            table.add_row(escape(str(row[name])), share, str(row["of"]), between, str(row.get("state", "")))
        out.print(table)
