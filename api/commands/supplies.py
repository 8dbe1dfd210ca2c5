"""`assay program units`, `assay credential`: what queues are made of, and what opens them to people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, opened, out, print_json, progress, record_number

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vetting.records import Applicant
    from vetting.scope import QueueForm
    from vetting.work_records import Credential

credentials = typer.Typer(help="Experts' credentials: claimed, verified by a person, revoked.", no_args_is_help=True)
Person = Annotated[str, typer.Argument(help="Number or name of an applicant.")]
Named = Annotated[str, typer.Argument(help="What it is, such as “Bar exam”.")]
By = Annotated[str, typer.Option(help="Who says so.")]


def add_to(programs: typer.Typer) -> None:
    programs.command("units")(units)


def units(
    program: Annotated[str, typer.Argument(help="Name of the program.")],
    file: Annotated[Path | None, typer.Argument(help="CSV or JSONL: text [, language] [, part] [, tags].")] = None,
    queue: Annotated[str, typer.Option(help="Name of the queue; not needed where there is one.")] = "",
    twice: Annotated[bool, typer.Option(help="The same text may come twice.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong; keep nothing.")] = False,
    undo: Annotated[int | None, typer.Option(help="Take this upload back; only while nobody has begun.")] = None,
    by: By = "command line",
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Add the units of a file to a queue, all or none; without a file, list what was added."""
    from api.commands.staffing import program_named
    from vetting import store
    from vetting.offers import uploads
    from vetting.work_records import Upload

    engine, _ = opened(database, existing=True)
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        found = program_named(db, program)
        if undo is not None:
            upload = db.get(Upload, undo) if record_number(str(undo)) else None
            if upload is None or upload.program_id != found.id:
                raise LookupError(f"There is no upload {undo} of {program!r}. Maybe list them: leave the file out.")
            uploads.undo(db, upload, by, now)
        elif file is not None:
            form, rows = queue_of(db, program, queue), uploads.rows_of(read(file), file.name)
            uploads.refuse(uploads.against(db, found, form, rows, file.name, twice=twice))
            if not check:
                with progress(f"units of {file.name}", total=len(rows)) as step:
                    uploads.keep(db, found, form, rows, name=file.name, by=by, now=now, twice=True, step=step)
            elif not as_json:
                out.print(f"{file.name}: {len(rows):,} units, nothing wrong", markup=False)
        told = uploads.told(db, found)
    if as_json:
        print_json(told)
    else:
        tell(told)


def read(file: Path) -> str:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file. Maybe the folder is another.")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{file}: not text in UTF-8. Maybe save it as CSV in UTF-8.") from wrong


def queue_of(db: Session, program: str, name: str) -> QueueForm:
    from api.commands.staffing import program_named
    from vetting import programs

    queues = {queue.name: queue for queue in programs.queues_of(program_named(db, program))}
    if name in queues or (not name and len(queues) == 1):
        return queues.get(name) or next(iter(queues.values()))
    said = f"There is no queue {name!r}." if name else f"{program!r} has {len(queues)} queues."
    raise LookupError(f"{said} Maybe --queue with one of: {', '.join(repr(one) for one in queues)}.")


def tell(told: list[dict[str, object]]) -> None:
    table = Table("Upload", "File", "Queue", "Units", "Begun", "Accepted", "", box=None)
    for one in told:
        numbers = [f"{one[name]:,}" for name in ("units", "begun", "accepted")]
        gone = "taken back" if one["undone"] else ""
        table.add_row(str(one["id"]), escape(str(one["name"])), escape(str(one["queue"])), *numbers, gone)
    out.print(table if told else "No units from files yet.")


# -- credentials -------------------------------------------------------------------------------------


@credentials.command("claim")
def claim(
    person: Person, name: Named, issuer: Annotated[str, typer.Option(help="Who gave it.")], by: By = "command line",
    database: Database = DATABASE,
) -> None:  # fmt: skip
    """Record what an expert says they hold. It opens nothing until somebody verifies it."""
    from api.commands.vetting import applicant_named
    from vetting import store
    from vetting.plans import papers

    engine, _ = opened(database, existing=True)
    form, now = papers.ClaimForm(name=name, issuer=issuer), datetime.now(UTC)
    with store.writing(engine) as db:
        one = applicant_named(db, person)
        papers.claim(db, one, form, by, now)
        show(db, one, now, as_json=False)


@credentials.command("look")
def look(
    person: Person,
    name: Named,
    verdict: Annotated[str, typer.Argument(help="verified, refused or revoked.")],
    because: Annotated[str, typer.Option(help="What was looked at: a register, a document.")],
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day, if it ends.")] = None,
    by: By = "command line",
    database: Database = DATABASE,
) -> None:
    """Say what a person found who looked at a credential; every look is kept, and the latest holds."""
    from api.commands.vetting import applicant_named
    from vetting import store
    from vetting.plans import papers

    engine, _ = opened(database, existing=True)
    body = {"verdict": verdict, "because": because, "until": until.date() if until else None}
    form, now = papers.LookForm.model_validate(body), datetime.now(UTC)
    with store.writing(engine) as db:
        one = applicant_named(db, person)
        papers.look(db, credential_of(db, one, name), form, by, now)
        show(db, one, now, as_json=False)


@credentials.command("list")
def list_all(person: Person, database: Database = DATABASE, as_json: Json = False) -> None:
    """An expert's credentials, where each stands, and every look at it."""
    from api.commands.vetting import applicant_named
    from vetting import store

    engine, _ = opened(database, existing=True)
    with store.reading(engine) as db:
        show(db, applicant_named(db, person), datetime.now(UTC), as_json=as_json)


def credential_of(db: Session, person: Applicant, name: str) -> Credential:
    from sqlalchemy import select

    from vetting.plans import papers
    from vetting.work_records import Credential

    mine = db.scalars(select(Credential).where(Credential.applicant_id == person.id).order_by(Credential.id)).all()
    found = [one for one in mine if papers.key(one.name) == papers.key(name)]
    if not found:
        known = ", ".join(repr(one.name) for one in mine) or "record it first: assay credential claim"
        raise LookupError(f"{person.name} claims no {name!r}. Maybe {known}.")
    return found[-1]


def show(db: Session, person: Applicant, now: datetime, *, as_json: bool) -> None:
    from vetting.plans import papers

    told = papers.told(db, person, now)
    if as_json:
        print_json(told)
        return
    table = Table("Credential", "Given by", "Stands", "Until", "Last look", box=None)
    for one in told:
        last = f"{one['looks'][-1]['verdict']} by {one['looks'][-1]['by']}" if one["looks"] else ""
        ends = f"{one['until']:%Y-%m-%d}" if one["until"] else ""
        table.add_row(escape(one["name"]), escape(one["issuer"]), one["state"], ends, escape(last))
    out.print(table if told else f"{escape(person.name)} has no credential on record.")
