"""`assay bank`: look at the items, check them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.commands.console import Json, out, print_json

app = typer.Typer(help="The item bank: check it, list its skills.", no_args_is_help=True)


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with skills.yaml and items/; the shipped bank if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Load every file; say what is wrong, by file, line and field, or what there is."""
    from item_bank.load import BankFaultError, load

    try:
        bank = load(folder)
    except BankFaultError as wrong:
        if as_json:
            print_json({"faults": wrong.faults})
            raise typer.Exit(2) from None
        raise
    by_skill = Counter(skill for item in bank.items.values() for skill in item.skills)
    by_kind = Counter(item.kind for item in bank.items.values())
    if as_json:
        print_json(
            {"items": len(bank.items), "version": bank.version, "kinds": by_kind, "skills": by_skill, "faults": []}
        )
        return
    out.print(
        f"[bold]{len(bank.items)} items[/], version {bank.version}: "
        + ", ".join(f"{n} {k}" for k, n in by_kind.most_common())
    )
    table = Table("Skill", "Domain", "Items", box=None)
    for skill, domain in bank.tree.domain_of.items():
        table.add_row(
            skill, bank.tree.domains[domain].name, str(by_skill[skill]) if by_skill[skill] else "[yellow]none[/]"
        )
    out.print(table)


@app.command()
def skills(folder: Annotated[Path | None, typer.Argument(help="As for check.")] = None) -> None:
    """The skill tree, with what each skill is about."""
    from item_bank.load import load

    for domain in load(folder).tree.domains.values():
        out.print(f"[bold]{domain.name}[/]")
        for key, skill in domain.skills.items():
            out.print(f"  {key:28} {skill.about}")
