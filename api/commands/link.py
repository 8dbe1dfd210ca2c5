"""`assay link`: a fitted scale moved onto a published one, by the items that both have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.commands.console import Json, apart, out, print_json, write


class By(StrEnum):
    """How the two scales are brought together."""

    haebara = "haebara"
    mean_sigma = "mean-sigma"


def add_to(app: typer.Typer) -> None:
    app.command()(link)


def link(
    scale: Annotated[Path, typer.Argument(help="SCALE.json to move.")],
    to: Annotated[Path, typer.Option(help="SCALE.json to move it onto.")],
    target: Annotated[Path, typer.Option("--out", help="Where the moved scale is written.")],
    by: Annotated[
        By, typer.Option(help="Expected scores of all common items, or their places' mean and sd.")
    ] = By.haebara,
    as_json: Json = False,
) -> None:
    """Put a scale fitted apart onto a published one, so that both speak of the same skill levels."""
    from vetting.calibration.calibrate import read_scale
    from vetting.calibration.linked import linked

    apart(target, scale, to)
    moved, how, common = linked(read_scale(scale), read_scale(to), by.value)
    write(target, moved.model_dump_json(indent=1))
    rows = [
        {"skill": skill, "scale": float(a), "shift": float(b)}
        for skill, a, b in zip(moved.skills, how.scale, how.shift, strict=True)
    ]
    if as_json:
        print_json({"by": by.value, "common_items": common, "skills": rows})
        return
    table = Table("Skill", "scale", "shift", box=None)
    for row in rows:
        table.add_row(str(row["skill"]), f"{row['scale']:.3f}", f"{row['shift']:+.3f}")
    out.print(f"{len(common)} items in common, by {by.value}")
    out.print(table)
    out.print(f"written to {target}")
