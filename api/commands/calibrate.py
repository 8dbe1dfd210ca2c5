"""`assay fit` and `assay score`: a scale from anybody's answers, and scores on it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, apart, notes, opened, out, print_json, progress, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from irt.mstep import ItemPrior, Priors
    from vetting.calibration.calibrate import ScaleFile, Way
    from vetting.calibration.posterior import Posterior
    from vetting.tables import Item
    from vetting.tables import Responses as Said

    Known = Mapping[str, Item]

Responses = Annotated[
    Path,
    typer.Argument(
        help="CSV (or .csv.gz), long: person,item,score[,rater][,answer]; or wide: person, then one column an item."
    ),
]
Ignore = Annotated[str, typer.Option(help="Columns of a wide table that are no items, separated by commas.")]
Reference = Annotated[
    str, typer.Option(help="Raters whose mean severity is 0, separated by commas; if none is named, all.")
]


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
    seed: Annotated[int, typer.Option(help="Which answers are kept back; where chains begin.")] = 1,
    independent: Annotated[bool, typer.Option(help="Fix all correlations of skills at 0.")] = False,
    prior: Annotated[
        bool, typer.Option("--prior", help="Hold items near each other, as near as they are found; correlations off 1.")
    ] = False,
    prior_file: Annotated[
        Path | None, typer.Option(help="YAML or JSON: what is expected of items, families of them, single ones.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes; the estimates are the same.")] = 1,
    dask: Annotated[str | None, typer.Option(help="tcp://HOST:PORT of a Dask scheduler; the same again.")] = None,
    bayes: Annotated[
        bool, typer.Option(help="Small banks: Markov chains; means and sds of the posterior, draws beside SCALE.")
    ] = False,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="Of each chain, with --bayes.")] = 1_000,
    ignore: Ignore = "",
    reference: Reference = "",
    as_json: Json = False,
) -> None:
    """Calibrate: item parameters, correlations of the skills and standard errors, by marginal maximum likelihood."""
    from vetting import tables
    from vetting.calibration import calibrate, crews

    apart(scale, responses, items, prior_file)
    if bayes and held_out:
        raise ValueError("--bayes and --held-out: one or the other. Maybe judge the fit without --bayes first.")
    known = tables.read_items(items)
    said = tables.read_responses(responses, known, ignore.split(","), rated=True)
    with crews.crew(workers, dask) as crew:
        way = calibrate.Way(expected(prior, prior_file, known), crew, independent, names(reference))
        found = chains(known, said, way, draws, seed, scale) if bayes else passes(known, said, way, held_out, seed)
    keep(found, said, scale, as_json=as_json)


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def keep(found: ScaleFile, said: Said, scale: Path, *, as_json: bool) -> None:
    """Write the scale, and tell what was found."""
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


def expected(prior: bool, file: Path | None, known: Known) -> ItemPrior | Priors | None:  # noqa: FBT001
    from vetting.calibration import calibrate, item_priors

    if file is not None:
        return item_priors.read(file, list(known))
    return calibrate.HELD if prior else None


def passes(known: Known, said: Said, way: Way, held_out: float, seed: int) -> ScaleFile:
    from vetting.calibration import calibrate

    with progress("calibrating") as step:
        return calibrate.fit(
            known, said, way, held_out=held_out, seed=seed,
            progress=lambda name, number, change: step(f"{name}: pass {number}, change {change:.1e}"),
        )  # fmt: skip


def chains(known: Known, said: Said, way: Way, draws: int, seed: int, scale: Path) -> ScaleFile:
    """The scale from chains that may be believed; their draws are kept beside it."""
    from vetting.calibration import calibrate, posterior

    with progress("drawing", posterior.CHAINS * (posterior.TUNE + draws)) as step:
        found, sample = calibrate.chains(
            known, said, way, draws=draws, seed=seed, drawn=lambda done, total: step(f"draw {done} of {total}")
        )
    believed(sample)
    posterior.keep(sample.draws, scale.with_suffix(".draws.nc"))
    return found


def believed(sample: Posterior) -> None:
    """Chains that disagree are no scale: nothing is written."""
    for fault in sample.faults:
        notes.print(f"[yellow]refused:[/] {fault}")
    if sample.faults:
        notes.print("nothing was written. Maybe give --draws more.")
        raise typer.Exit(1)


def tell(found: ScaleFile, people: int, answers: int, scale: Path) -> None:
    size = f"{len(found.items)} items on {len(found.skills)} skills"
    out.print(f"{people} people, {answers} answers, {size}; {found.fit['iterations']} passes")
    if "draws" in found.fit:
        health = f"r-hat at most {found.fit['r_hat']:.3f}, at least {found.fit['effective_draws']:.0f} effective"
        out.print(f"{found.fit['draws']} draws, {health}; kept in {scale.with_suffix('.draws.nc')}")
    out.print(f"log-likelihood {found.log_likelihood:.2f} ({found.fit['method']})")
    table = Table("Correlation", *found.skills, box=None)
    for name, row in zip(found.skills, found.prior.covariance, strict=True):
        table.add_row(name, *(f"{value:.2f}" for value in row))
    if len(found.skills) > 1:
        out.print(table)
    tell_raters(found)
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


def tell_raters(found: ScaleFile) -> None:
    if not found.raters:
        return
    table = Table("Rater", "grades", "severity", "discrimination", box=None)
    for name, one in found.raters.items():
        sharp = f"{one.discrimination:.2f} ± {one.discrimination * one.sd_log_discrimination:.2f}"
        table.add_row(
            name + (" *" if one.reference else ""), str(one.grades), f"{one.severity:+.2f} ± {one.sd_severity:.2f}",
            sharp,
        )  # fmt: skip
    out.print(table)
    for effect in found.effects:
        out.print(f"shared by grades of one {effect.shared_by}: sd {effect.sd:.2f} ± {effect.se:.2f} of the skill's")


def score(
    responses: Responses,
    scale: Annotated[Path, typer.Option(help="SCALE.json from `assay fit`.")],
    scores: Annotated[Path, typer.Option("--out", help="SCORES.csv to write: person,skill,mean,sd.")],
    ignore: Ignore = "",
    as_json: Json = False,
) -> None:
    """Score everybody: mean and standard deviation of each skill, with the scale's correlations used."""
    from io import StringIO

    from vetting import tables
    from vetting.calibration import calibrate

    apart(scores, responses, scale)
    ruler = calibrate.read_scale(scale)
    said = tables.read_responses(responses, ruler.items, ignore.split(","), rated=bool(ruler.raters))
    mean, sd = calibrate.scores(ruler, said)
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["person", "skill", "mean", "sd"])
    for p, person in enumerate(said.people):
        table.writerows(
            [tables.cell(person), tables.cell(skill), f"{mean[p, k]:.5f}", f"{sd[p, k]:.5f}"]
            for k, skill in enumerate(ruler.skills)
        )
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

    from vetting import scale as scales
    from vetting import store
    from vetting.calibration import nightly as night

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
