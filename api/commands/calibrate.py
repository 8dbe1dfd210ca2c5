"""`assay fit` and `assay score`: a scale from anybody's answers, and scores on it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, notes, opened, out, print_json, progress, write

if TYPE_CHECKING:
    from vetting.calibrate import ScaleFile

Responses = Annotated[
    Path, typer.Argument(help="CSV (or .csv.gz), long: person,item,score; or wide: person, then one column an item.")
]
Ignore = Annotated[str, typer.Option(help="Columns of a wide table that are no items, separated by commas.")]


TOLD = 20  # things left out or changed that are told; all of them are in SCALE.json


def add_to(app: typer.Typer) -> None:
    app.command()(fit)
    app.command()(score)
    app.command("calibrate")(nightly)


def fit(
    responses: Responses,
    items: Annotated[Path, typer.Option(help="CSV: item,skills[,levels][,guess]; skills separated by ';'.")],
    scale: Annotated[Path, typer.Option("--out", help="SCALE.json to write.")],
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of answers kept back to judge the fit by.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Which answers are kept back.")] = 1,
    independent: Annotated[bool, typer.Option(help="Fix all correlations of skills at 0.")] = False,
    prior: Annotated[
        bool, typer.Option("--prior", help="Hold items near each other, as near as they are found to be.")
    ] = False,
    ignore: Ignore = "",
    as_json: Json = False,
) -> None:
    """Calibrate: item parameters, correlations of the skills and standard errors, by marginal maximum likelihood."""
    from vetting import calibrate, tables

    known = tables.read_items(items)
    said = tables.read_responses(responses, known, ignore.split(","))
    with progress("calibrating") as step:
        found = calibrate.fit(
            known, said, held_out=held_out, seed=seed, independent=independent, prior=prior,
            progress=lambda name, number, change: step(f"{name}: pass {number}, change {change:.1e}"),
        )  # fmt: skip
    write(scale, found.model_dump_json(indent=1))
    if as_json:
        print_json(found.model_dump())
    else:
        tell(found, len(said.people), len(said.score), scale)
    if not found.fit["converged"]:
        notes.print(
            "[yellow]not converged[/]: the estimates moved to the last. Maybe there are too few answers a skill."
        )
        raise typer.Exit(1)


def tell(found: ScaleFile, people: int, answers: int, scale: Path) -> None:
    size = f"{len(found.items)} items on {len(found.skills)} skills"
    out.print(f"{people} people, {answers} answers, {size}; {found.fit['iterations']} passes")
    out.print(f"log-likelihood {found.log_likelihood:.2f} ({found.fit['method']})")
    table = Table("Correlation", *found.skills, box=None)
    for name, row in zip(found.skills, found.prior.covariance, strict=True):
        table.add_row(name, *(f"{value:.2f}" for value in row))
    if len(found.skills) > 1:
        out.print(table)
    if told := found.held_out:
        out.print(
            f"{told['answers']} answers kept back, mean log probability of each: "
            f"[bold]{told['correlated']:.4f}[/] with correlations, {told['independent']:.4f} with independent skills"
        )
        if "auc_correlated" in told:
            out.print(
                "right told from wrong among them (AUC): "
                f"[bold]{told['auc_correlated']:.4f}[/] with correlations, {told['auc_independent']:.4f} without"
            )
    for refused in found.refused[:TOLD]:
        notes.print(f"{refused.what}: {refused.why}", markup=False)
    if len(found.refused) > TOLD:
        notes.print(f"... and {len(found.refused) - TOLD} more, in {scale}", markup=False)
    out.print(f"written to {scale}")


def score(
    responses: Responses,
    scale: Annotated[Path, typer.Option(help="SCALE.json from `assay fit`.")],
    scores: Annotated[Path, typer.Option("--out", help="SCORES.csv to write: person,skill,mean,sd.")],
    ignore: Ignore = "",
    as_json: Json = False,
) -> None:
    """Score everybody: mean and standard deviation of each skill, with the scale's correlations used."""
    from io import StringIO

    from vetting import calibrate, tables

    ruler = calibrate.read_scale(scale)
    said = tables.read_responses(responses, ruler.items, ignore.split(","))
    mean, sd = calibrate.scores(ruler, said)
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["person", "skill", "mean", "sd"])
    for p, person in enumerate(said.people):
        table.writerows([person, skill, f"{mean[p, k]:.5f}", f"{sd[p, k]:.5f}"] for k, skill in enumerate(ruler.skills))
    write(scores, text.getvalue())
    if as_json:
        print_json(
            {"people": len(said.people), "skills": ruler.skills, "mean_sd": float(sd.mean()), "written": str(scores)}
        )
    else:
        out.print(
            f"{len(said.people)} people on {len(ruler.skills)} skills, mean sd {sd.mean():.2f}; written to {scores}"
        )


def nightly(
    publish: Annotated[
        bool, typer.Option(help="Publish if nothing speaks against it; else only say what was found.")
    ] = False,
    simulated: Annotated[bool, typer.Option(help="Use the simulated people's answers, and only those.")] = False,
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Calibrate the bank on all answers so far: judged on answers kept back, published or refused with reasons."""
    from datetime import UTC, datetime

    from vetting import nightly as night
    from vetting import scale as scales
    from vetting import store

    engine, _ = opened(database, existing=True)
    with store.writing(engine) as db:
        judged = night.judge(db, scales.latest(db), simulated=simulated)
        done = (
            night.publish(db, judged, datetime.now(UTC), who="assay calibrate")
            if publish and not judged.faults
            else None
        )
        number = done.id if done else None
    if as_json:
        found = {"people": judged.people, "answers": judged.answers, "items": judged.fitted, "gain": judged.gain}
        print_json({**found, "before": judged.before, "faults": judged.faults, "published": number})
    else:
        out.print(f"{judged.answers} answers of {judged.people} people; {judged.fitted} items have new numbers")
        if judged.before is not None:
            out.print(
                f"mean log probability of an answer kept back: {judged.before:.4f}, now {judged.gain:+.4f} better"
            )
        for fault in judged.faults:
            notes.print(f"[yellow]refused:[/] {fault}")
        out.print(f"published as scale {number}" if number else "nothing was published")
    if judged.faults:
        raise typer.Exit(1)
