"""`assay bank`: look at the items and probes, check them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import Json, out, print_json

if TYPE_CHECKING:
    from item_bank.load import Bank

app = typer.Typer(help="The item bank: check its items and probes, list its skills.", no_args_is_help=True)


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with skills.yaml, items/ and probes/; the shipped bank if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Load every file; say what is wrong, by file, line and field, or what there is."""
    from item_bank import wording
    from item_bank.load import BankFaultError, load

    try:
        bank = load(folder)
    except BankFaultError as wrong:
        if as_json:
            print_json({"faults": wrong.faults})
            raise typer.Exit(2) from None
        raise
    remarks = [remark for probe in bank.probes.values() for remark in wording.remarks(probe)]
    if as_json:
        print_json(counted(bank) | {"faults": [], "remarks": remarks})
    else:
        tell(bank, remarks)
    if remarks:
        raise typer.Exit(2)


def counted(bank: Bank) -> dict[str, Any]:
    """How many items and probes there are, in all, by kind and by skill."""
    return {
        "items": len(bank.items),
        "probes": len(bank.probes),
        "version": bank.version,
        "kinds": Counter(item.kind for item in bank.items.values()),
        "forms": Counter(probe.form for probe in bank.probes.values()),
        "skills": Counter(skill for item in bank.items.values() for skill in item.skills),
        "probe_skills": Counter(skill for probe in bank.probes.values() for skill in probe.skills),
    }


def tell(bank: Bank, remarks: list[str]) -> None:
    """The counts as text, and each remark on the wording of a probe."""
    n = counted(bank)
    for what, parts in (("items", n["kinds"]), ("probes", n["forms"])):
        detail = ", ".join(f"{count} {name}" for name, count in parts.most_common())
        out.print(f"[bold]{n[what]} {what}[/]" + (f": {detail}" if detail else ""))
    out.print(f"version {bank.version}")
    table = Table("Skill", "Domain", "Items", "Probes", box=None)
    for skill, domain in bank.tree.domain_of.items():
        items = str(n["skills"][skill]) if n["skills"][skill] else "[yellow]none[/]"
        table.add_row(skill, bank.tree.domains[domain].name, items, str(n["probe_skills"][skill] or "-"))
    out.print(table)
    for remark in remarks:
        out.print(f"[yellow]remark[/] {escape(remark)}")


@app.command()
def skills(folder: Annotated[Path | None, typer.Argument(help="As for check.")] = None) -> None:
    """The skill tree, with what each skill is about."""
    from item_bank.load import load

    for domain in load(folder).tree.domains.values():
        out.print(f"[bold]{domain.name}[/]")
        for key, skill in domain.skills.items():
            out.print(f"  {key:28} {skill.about}")
