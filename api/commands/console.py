"""What all commands share: how they print, where the database is, how long work shows its progress."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from item_bank.load import Bank

out = Console(highlight=False)
notes = Console(stderr=True, highlight=False)

Database = Annotated[str, typer.Option(help="Where the records are.", envvar="ASSAY_DATABASE", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DATABASE = "sqlite:///assay.db"


def print_json(thing: Any) -> None:  # noqa: ANN401 -- whatever JSON can hold
    print(json.dumps(thing, ensure_ascii=False, indent=2, default=str))  # noqa: T201 -- untouched by markup


def opened(database: str, *, existing: bool = False) -> tuple[Engine, Bank]:
    """The database brought up to date, and the bank with a published scale for it.

    `existing`: for commands that need what others wrote; an address where nothing is, is an error, and stays empty.
    """
    from datetime import UTC, datetime

    from item_bank.load import load
    from vetting import scale, store
    from vetting.settings import Settings

    engine = store.connect(database)
    if existing and (missing := store.missing(engine)):
        raise FileNotFoundError(
            f"{missing}: there is no database of assay. Maybe --database names another place, "
            "or `assay demo` or `assay serve` was not run here yet."
        )
    store.migrate(engine)
    bank = load(Settings().bank)
    with store.writing(engine) as db:
        scale.keep_up(db, bank, datetime.now(UTC))
    return engine, bank


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Any]:
    """A bar on the error stream: `step()` moves it, `step(text)` says what is being done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task(what, total=total)

        def step(text: str | None = None) -> None:
            bar.update(task, advance=1, description=text or what)

        yield step


def apart(target: Path | None, *inputs: Path | None) -> None:
    """Refuses, before anything is computed, to write over what is read."""
    for one in inputs:
        parts = [] if one is None else one.glob("*.parquet") if one.is_dir() else [one]
        if target is not None and target.exists() and any(target.samefile(part) for part in parts if part.exists()):
            raise ValueError(f"{target}: this file is read here, and would be lost. Maybe give it another name.")


def write(file: Path, text: str) -> None:
    """All of the file or nothing: written beside it first, then put in its place."""
    beside = file.with_name(file.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError as wrong:
        beside.unlink(missing_ok=True)
        raise OSError(f"{file}: cannot be written: {wrong.strerror}. Maybe the folder does not exist.") from wrong


def record_number(said: str) -> int | None:
    """The number of a record, or None for whatever else was said; no database keeps more than nine digits of ours."""
    return int(said) if re.fullmatch(r"[0-9]{1,9}", said) else None


def shown(value: float | None) -> str:
    """A coefficient to three places, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
