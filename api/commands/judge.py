"""`assay judge`: whether a scale may be published, and every reason why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.calibrate import Ignore, Responses
from api.commands.console import Json, apart, out, print_json, progress, write

if TYPE_CHECKING:
    from vetting.calibration.judgement import Judgement


def add_to(app: typer.Typer) -> None:
    app.command()(judge)


def judge(
    responses: Responses,
    scale: Annotated[Path, typer.Option(help="SCALE.json from `assay fit`.")],
    groups: Annotated[
        Path | None, typer.Option(help="CSV: person, then one column a way to part people (language, site, …).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="REPORT.html to write: one page with pictures.")] = None,
    time_column: Annotated[str, typer.Option(help="Column of RESPONSES that says when (a date or a number).")] = "time",
    seed: Annotated[int, typer.Option(help="Of the people simulated for the check of correlations.")] = 1,
    ignore: Ignore = "",
    as_json: Json = False,
) -> None:
    """May it be published? Items, people, pairs, groups, drift, correlations and coverage, with every reason.

    Exit code 0: publish, perhaps with notes; 1: do not.
    """
    apart(report, responses, scale, groups)
    from vetting import tables
    from vetting.calibration import groupings
    from vetting.calibration import judge as judges
    from vetting.calibration.calibrate import read_scale

    ruler = read_scale(scale)
    said = tables.read_responses(responses, ruler.items, [*ignore.split(","), time_column], rated=bool(ruler.raters))
    parted = groupings.read_groups(groups, said) if groups else []
    when = groupings.read_time(responses, said, time_column)
    with progress("judging", 5) as step:
        found = judges.judge(
            ruler, said, groupings=parted, time=when, seed=seed, names=(scale.name, responses.name), step=step
        )
    if report:
        from vetting.calibration.report import page

        write(report, page(found))
    if as_json:
        print_json(found.model_dump())
    else:
        tell(found, report)
    if found.verdict == "refuse":
        raise typer.Exit(1)


def tell(found: Judgement, report: Path | None) -> None:
    told = f", AUC {found.auc:.3f}" if found.auc is not None else ""
    out.print(
        f"{found.people} people, {found.answers} answers to {len(found.items)} items; "
        f"mean log probability of an answer {found.log_likelihood:.4f}{told}"
    )
    out.print(f"{found.verdict}", style="bold red" if found.verdict == "refuse" else "bold", markup=False)
    for weight, mark in (("refuse", "✕"), ("note", "·")):
        for one in found.reasons:
            if one.weight == weight:
                out.print(f"  {mark} {one.check}: {one.why}", markup=False, soft_wrap=True)
    if found.leave_out:
        out.print(f"Maybe leave out {', '.join(found.leave_out)} and fit again.", markup=False)
    if report:
        out.print(f"written to {report}", markup=False)
