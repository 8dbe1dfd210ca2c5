"""The `assay` command. Exit codes: 0 done, 1 the answer is no, 2 the input cannot be used."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from api.commands import (
    agreement,
    bank,
    calibrate,
    grade,
    judge,
    link,
    panel,
    quality,
    raters,
    replay,
    reviewers,
    run,
    staffing,
    supplies,
    take,
    vetting,
)

app = typer.Typer(
    name="assay",
    help="Find out what experts can do, ask what pays, and put them where it counts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for group in (run, take, vetting, staffing, calibrate, judge, link, replay, grade, raters, panel, agreement):
    group.add_to(app)
app.add_typer(bank.app, name="bank")
app.add_typer(vetting.roles, name="role")
quality.add_to(staffing.programs)
reviewers.add_to(app, staffing.programs)
supplies.add_to(staffing.programs)
app.add_typer(staffing.programs, name="program")
app.add_typer(staffing.hours, name="hours")
app.add_typer(supplies.credentials, name="credential")

BAD_INPUT = 2


def main() -> None:
    """Run the command; what is wrong with the input is one clear message and exit code 2, never a traceback."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except Exception as wrong:
        if not (isinstance(wrong, ValueError | LookupError | OSError) or of_database(wrong)):
            raise
        errors.print("[bold red]error:[/] ", end="")
        errors.print(said(wrong), markup=False)
        sys.exit(BAD_INPUT)


def of_database(wrong: Exception) -> bool:
    return type(wrong).__module__.startswith("sqlalchemy.")


def said(wrong: Exception) -> str:
    """An error in words: pydantic's by field, a database's first line, a missing key without its quotes."""
    if of_database(wrong):
        first = str(wrong).partition("\n")[0]
        return f"the database cannot be used: {first}. Maybe --database names another place."
    from pydantic import ValidationError

    from vetting.messages import faults

    if isinstance(wrong, ValidationError):
        return "\n".join(faults(wrong))
    if isinstance(wrong, OSError) and wrong.filename:
        return f"{wrong.filename}: {wrong.strerror}. Maybe the folder is another, or it may not be written."
    return str(wrong.args[0]) if isinstance(wrong, KeyError) and wrong.args else str(wrong)


if __name__ == "__main__":
    main()
