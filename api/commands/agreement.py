"""`assay agreement`: how far labellers agree, whether a pilot may scale, who is noisy and which units are doubtful."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import Json, apart, notes, out, print_json, progress, shown, write

if TYPE_CHECKING:
    from vetting.agreement.labels import AgreementFile, Coefficient

SHOWN = 10  # raters and units that are printed; the file has all


class Level(StrEnum):
    """What the labels' distances mean."""

    nominal = "nominal"
    ordinal = "ordinal"
    interval = "interval"
    ratio = "ratio"


def add_to(app: typer.Typer) -> None:
    app.command()(agreement)


def agreement(
    labels: Annotated[Path, typer.Argument(help="CSV: unit,rater,label[,category][,time].")],
    level: Annotated[Level, typer.Option(help="How far two labels are apart.")] = Level.nominal,
    order: Annotated[str, typer.Option(help="Labels from lowest to highest, separated by commas.")] = "",
    gold: Annotated[Path | None, typer.Option(help="CSV: unit,label of units whose label is known.")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="The lower bound of alpha must reach it.")] = 0.667,
    units: Annotated[int, typer.Option(min=2, help="Units that a pilot needs.")] = 50,
    people: Annotated[int, typer.Option(min=2, help="People that must have labelled each.")] = 3,
    target: Annotated[Path | None, typer.Option("--out", help="AGREEMENT.json to write.")] = None,
    seed: Annotated[int, typer.Option(help="Of the resamples and the folds of gold.")] = 1,
    as_json: Json = False,
) -> None:
    """Agreement with intervals, by label, category and time; exit code 1 where the gate of the pilot stays shut."""
    from vetting.agreement import label_table
    from vetting.agreement.labels import Bar, measure

    apart(target, labels, gold)
    table = label_table.read(labels, tuple(name.strip() for name in order.split(",") if name.strip()))
    known = label_table.read_gold(gold, table) if gold else None
    with progress("measuring agreement") as step:
        found = measure(
            table, level.value, bar=Bar(threshold, units, people), known=known, seed=seed, progress=step
        )  # fmt: skip
    if target:
        write(target, found.model_dump_json(indent=1))
    if as_json:
        print_json(found.model_dump())
    else:
        tell(found, target)
    if not found.gate.open:
        raise typer.Exit(1)


def tell(found: AgreementFile, target: Path | None) -> None:
    out.print(f"{found.labels} labels of {found.units} units by {found.raters} rater{'s' * (found.raters != 1)}")
    show("Coefficient", found.coefficients)
    for title, some in (
        ("Pair, kappa", found.pairs[:SHOWN]), ("Label against the rest", found.by_label),
        ("Category", found.by_category), ("Over time", found.over_time),
    ):  # fmt: skip
        if some:
            show(title, some)
    tell_raters(found)
    if found.gold:
        told = found.gold
        out.print(
            f"right on {told.units} gold units kept back: model {told.model:.3f}, majority vote {told.majority:.3f}, "
            f"difference {told.difference:+.3f} [{told.low:+.3f}, {told.high:+.3f}]",
            markup=False,
        )
    for note in found.notes:
        notes.print(note, markup=False)
    if target:
        out.print(f"written to {target}")
    out.print("[green]The gate is open.[/]" if found.gate.open else "[yellow]The gate stays shut:[/]")
    for reason in found.gate.reasons:
        out.print(f"  {reason}", markup=False)


def show(title: str, rows: list[Coefficient]) -> None:
    table = Table(title, "value", "95 %", "bootstrap", "units", box=None)
    for row in rows:
        table.add_row(
            row.name, shown(row.value), between(row.low, row.high), between(row.bootstrap_low, row.bootstrap_high),
            str(row.units),
        )  # fmt: skip
    out.print(table)


def tell_raters(found: AgreementFile) -> None:
    table = Table("Rater", "labels", "accuracy", "same again", box=None)
    for rater in sorted(found.rater_quality, key=lambda one: one.accuracy)[:SHOWN]:
        again = f"{rater.same_again:.2f} of {rater.repeats}" if rater.same_again is not None else "–"
        table.add_row(rater.rater, str(rater.labels), f"{rater.accuracy:.2f}", again)
    out.print(table)
    doubts = Table("Unit with doubt", "best label", "doubt", "disagreement", "labels", box=None)
    for unit in found.ambiguous[:SHOWN]:
        doubts.add_row(unit.unit, unit.label, f"{unit.doubt:.2f}", shown(unit.disagreement), str(unit.labels))
    out.print(doubts)


def between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
