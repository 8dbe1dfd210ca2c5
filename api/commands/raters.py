"""`assay raters`: how strict and how sharp each rater is, how far they agree, what to grade again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import Json, apart, notes, out, print_json, progress, shown, write

if TYPE_CHECKING:
    from vetting.agreement.ratings import RatersFile

SHOWN = 10  # answers to grade again that are printed; the file has all


def add_to(app: typer.Typer) -> None:
    app.command()(raters)


def raters(
    ratings: Annotated[Path, typer.Argument(help="CSV: answer,rater,level[,criterion][,person].")],
    reference: Annotated[str, typer.Option(help="Raters taken as anchors (people), separated by commas.")] = "",
    held_out: Annotated[float, typer.Option(min=0.0, max=0.5, help="Share of answers to judge the panel by.")] = 0.0,
    target: Annotated[Path | None, typer.Option("--out", help="RATERS.json to write.")] = None,
    seed: Annotated[int, typer.Option(help="Which answers are kept back.")] = 1,
    split: Annotated[bool, typer.Option(help="Count a level between two as shares of both.")] = False,
    next_by: Annotated[str, typer.Option(help="Who would grade again; default: any reference rater.")] = "",
    as_json: Json = False,
) -> None:
    """Severity, discrimination and agreement of raters, corrected qualities, persons, and what to grade again."""
    from vetting.agreement import rating_table
    from vetting.agreement.ratings import measure

    apart(target, ratings)
    anchors = tuple(name.strip() for name in reference.split(",") if name.strip())
    table = rating_table.read(ratings, reference=anchors, split=split)
    with progress("measuring raters") as step:
        found = measure(
            table, held_out=held_out, seed=seed, next_by=next_by or None,
            progress=lambda number, change: step(f"pass {number}, change {change:.1e}"),
        )  # fmt: skip
    if target:
        write(target, found.model_dump_json(indent=1))
    if as_json:
        print_json(found.model_dump())
    else:
        tell(found, target)
    if not found.fit["converged"]:
        raise typer.Exit(1)


def tell(found: RatersFile, target: Path | None) -> None:
    raters = f"{len(found.raters)} rater{'s' * (len(found.raters) != 1)}"
    sizes = f"{found.fit['grades']} grades of {found.fit['answers']} answers by {raters}"
    out.print(f"{sizes}; {found.fit['passes']} passes, log-likelihood {found.fit['log_likelihood']:.1f}")
    table = Table("Rater", "n", "severity", "discrimination", "as expected", "κ linear", "κ quadratic", box=None)
    for row in found.raters:
        table.add_row(
            row.rater + (" *" if row.reference else ""), str(row.grades),
            f"{row.severity:+.2f} ± {row.severity_se:.2f}",
            f"{row.discrimination:.2f} ± {row.discrimination_se:.2f}", f"{row.agreement:.2f}",
            shown(row.kappa_linear), shown(row.kappa_quadratic),
        )  # fmt: skip
    out.print(table)
    for name, alpha in found.alpha.items():
        out.print(f"alpha, {name}: {shown(alpha.value)} [{shown(alpha.low)}, {shown(alpha.high)}]", markup=False)
    tell_held_out(found)
    again = Table("Grade again", "criterion", "grades", "quality", "sd", "variance it would take away", box=None)
    for one in sorted(found.quality, key=lambda one: -one.worth)[:SHOWN]:
        again.add_row(
            one.answer, one.criterion, str(one.grades), f"{one.quality:+.2f}", f"{one.sd:.2f}", f"{one.worth:.3f}"
        )
    out.print(again)
    tell_persons(found)
    for name, why in found.left_out.items():
        notes.print(f"[yellow]left out[/] {name}: {why}")
    for note in found.notes:
        notes.print(note, markup=False)
    if target:
        out.print(f"written to {target}")


def tell_persons(found: RatersFile) -> None:
    if not found.persons:
        return
    table = Table(f"{len(found.persons)} persons, best first", "answers", "quality", box=None)
    for one in sorted(found.persons, key=lambda one: -one.quality)[:SHOWN]:
        table.add_row(one.person, str(one.answers), f"{one.quality:+.2f} ± {one.sd:.2f}")
    out.print(table)


def tell_held_out(found: RatersFile) -> None:
    if not (told := found.held_out):
        return
    table = Table(f"Kept back: {told.answers} answers", "grades", "log-loss", "r", box=None)
    for one in told.all:
        table.add_row(one.rule, str(one.grades), f"{one.log_loss:.4f}", shown(one.r))
    for one in told.single:
        table.add_row(f"{one.rule}, beside {told.single_rater}", str(one.grades), f"{one.log_loss:.4f}", shown(one.r))
    out.print(table)
