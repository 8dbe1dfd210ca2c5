"""`assay grade` and `assay regrade`: transcripts graded by a panel of models, and old verdicts read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.console import DATABASE, Database, Json, apart, notes, opened, out, print_json, progress, write

if TYPE_CHECKING:
    from vetting.grades.grading import Panel
    from vetting.grades.hearings import Again
    from vetting.grades.transcripts import Outcome

COLUMNS = ("answer", "criterion", "rater", "level", "confidence", "quote")
FEW = 10  # referrals that are printed; the file has all


def add_to(app: typer.Typer) -> None:
    app.command()(grade)
    app.command()(regrade)


def grade(
    transcripts: Annotated[
        Path | None, typer.Argument(help="JSON lines: answer, probe, turns; else what waits in the database.")
    ] = None,
    probes: Annotated[str, typer.Option(help="`bank`, or a folder of your own probes.")] = "bank",
    raters: Annotated[str, typer.Option(help="MODEL[#PROMPT] or `offline`, by commas; else ASSAY_RATERS.")] = "",
    target: Annotated[Path | None, typer.Option("--out", help="GRADES.csv; its log stands beside it.")] = None,
    budget: Annotated[float | None, typer.Option(min=0.0, help="Most that all calls may cost.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="Transcripts graded at the same time.")] = 4,
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Grade transcripts on every criterion of their probes: level, deciding quote and confidence of each rater.

    Broken off, it goes on where it was when run again with the same --out. Without a file, interviews of the
    database that no model has graded yet are graded there.
    """
    if transcripts is None:
        grade_waiting(chosen(raters, budget), database, as_json=as_json)
        return
    from vetting.grades import transcripts as files
    from vetting.settings import Settings

    for made in (target, *(target.with_suffix(end) for end in (".people.csv", ".calls.jsonl") if target)):
        apart(made, transcripts)
    settings = Settings()
    by = chosen(raters, budget)
    known = files.read_probes(probes, settings.bank)
    todo = files.read(transcripts, known)
    log = target.with_suffix(".calls.jsonl") if target else None
    with progress("grading", len(todo)) as step:
        found = files.run(todo, by, log, at_once=at_once, step=step)
    told = [one for line in found.lines for one in line.grades]
    people = [{"answer": line.answer} | one for line in found.lines for one in line.referrals]
    if target:
        write(target, table(COLUMNS, told))
        write(target.with_suffix(".people.csv"), table(("answer", "criterion", "rater", "why"), people))
    if as_json:
        print_json({"grades": told, "people": people, "left": found.left} | bill(found))
    elif not target:
        out.print(table(COLUMNS, told), end="", markup=False, soft_wrap=True)
    tell(found, people, target)
    if found.left:
        raise typer.Exit(1)


def grade_waiting(by: Panel, database: str, *, as_json: bool) -> None:
    """Grade the interviews of a database; each is on record before the next begins."""
    from datetime import UTC, datetime

    from vetting import store
    from vetting.grades import hearings

    engine, bank = opened(database, existing=True)
    with store.reading(engine) as db:
        todo = hearings.waiting(db, bank)
    told = []
    with progress("grading", len(todo)) as step:
        for answer in todo:
            found = hearings.grade_kept(engine, answer, bank, by, datetime.now(UTC))
            told.append({"answer": answer, "grades": len(found.grades), "people": len(found.referrals)})
            step()
    if as_json:
        print_json(told)
    grades, people = (sum(one[name] for one in told) for name in ("grades", "people"))
    notes.print(f"{len(todo)} interviews, {grades} grades, {people} for people")


def chosen(raters: str, budget: float | None) -> Panel:
    """The panel that the options and the settings name."""
    from vetting.grades.grading import OFFLINE, panel, panel_of
    from vetting.models import llm
    from vetting.settings import Settings

    settings = Settings()
    names = [name.strip() for name in raters.split(",") if name.strip()]
    access = settings.access.spending(budget)
    if names:
        models = [name for name in names if name != OFFLINE]
        by = panel(access, models, offline=OFFLINE in names)
    else:
        by = panel_of(settings.model_copy(update={"interview_money": budget}))
    if not by.raters and not by.offline:
        raise ValueError(
            "grade: no rater is named. Maybe give --raters MODEL (and its key in the environment), set ASSAY_MODELS, "
            "or take --raters offline, which only counts words."
        )
    if unpriced := llm.unpriced(access.only(*(one.model for one in by.raters))):
        notes.print(f"no price is known of {', '.join(unpriced)}: costs are not told. Maybe set ASSAY_PRICES.")
        if budget is not None:
            raise ValueError(
                "grade: a budget cannot be kept without prices. Maybe set ASSAY_PRICES, or leave --budget out."
            )
    return by


def table(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; what people wrote is no formula to a spreadsheet."""
    from vetting.tables import cell

    made = io.StringIO()
    writer = csv.DictWriter(made, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return made.getvalue()


def bill(found: Outcome) -> dict[str, Any]:
    calls = [call for line in found.lines for call in line.calls]
    return {
        "calls": len(calls), "faults": sum(bool(call["fault"]) for call in calls),
        "seconds": round(sum(call["seconds"] for call in calls), 2),
        "cost": round(sum(call["cost"] or 0.0 for call in calls), 6),
        "unpriced": sum(call["cost"] is None for call in calls),
    }  # fmt: skip


def tell(found: Outcome, people: list[dict[str, Any]], target: Path | None) -> None:
    spent = bill(found)
    grades = sum(len(line.grades) for line in found.lines)
    notes.print(
        f"{len(found.lines)} transcripts, {grades} grades, {len(people)} for people; "
        f"{spent['calls']} calls ({spent['faults']} failed), {spent['seconds']} s of models, cost {spent['cost']}"
    )
    for one in people[:FEW]:
        notes.print(f"for people: {one['answer']}, {one['criterion']}: {one['why']}", markup=False)
    if len(people) > FEW:
        notes.print(f"… and {len(people) - FEW} more")
    if target:
        notes.print(f"written to {target}; `assay raters {target}` tells how strict and how sharp each rater is")
    if found.left:
        notes.print(
            f"[yellow]stopped[/]: the budget is spent; {found.left} transcripts are left. Run it again to go on."
        )


def regrade(
    version: Annotated[str, typer.Option("--prompt", help="Version of a prompt, as in a rater's name after the @.")],
    log: Annotated[Path | None, typer.Argument(help="GRADES.calls.jsonl of `assay grade`; else the database.")] = None,
    target: Annotated[Path | None, typer.Option("--out", help="GRADES.csv to write.")] = None,
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Read every verdict under an older prompt again from the kept replies, and compare; no model is asked."""
    apart(target, log)
    again = read_again(log, version, database)
    if not again:
        raise LookupError(f"regrade: no verdict under prompt version {version!r} is kept. Maybe see a rater's name.")
    rows = [asdict(one.now) for one in again if one.now]
    if target:
        write(target, table(COLUMNS, rows))
    if as_json:
        print_json([asdict(one) | {"same": one.same} for one in again])
    elif not target:
        out.print(table(COLUMNS, rows), end="", markup=False, soft_wrap=True)
    other = [one for one in again if not one.same]
    notes.print(f"{len(again)} verdicts read again, {len(other)} differ from the record")
    for one in other[:FEW]:
        notes.print(f"differs: {one.now} was {one.then}", markup=False)
    if other:
        raise typer.Exit(1)


def read_again(log: Path | None, version: str, database: str) -> list[Again]:
    if log is not None:
        from vetting.grades import transcripts

        return transcripts.regrade(log, version)
    from vetting import store
    from vetting.grades import hearings

    engine = store.connect(database)
    store.migrate(engine)
    with store.reading(engine) as db:
        return hearings.regrade(db, version)
