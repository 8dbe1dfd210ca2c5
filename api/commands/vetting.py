"""`assay role`, `invite`, `take`, `dossier`: from what is looked for to what is known of a person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, notes, opened, out, print_json, record_number

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vetting.decisions.dossier import Dossier
    from vetting.records import Applicant, Role

roles = typer.Typer(help="Roles: which skills count, how much, and where the bars lie.", no_args_is_help=True)
MOST_LETTERS = "abcdefgh"


def add_to(app: typer.Typer) -> None:
    app.command()(invite)
    app.command()(forget)
    app.command()(dossier)


# -- roles and invitations -------------------------------------------------------------------------


@roles.command("add")
def add_role(
    file: Annotated[
        Path,
        typer.Argument(
            help="YAML: name, about, minutes, skills: {ID: {weight, bar, target}}, content: {DOMAIN: {least, most}}."
        ),
    ],
    database: Database = DATABASE,
) -> None:
    """Add a role, or a new wording of it; sittings that began keep the old one."""
    from vetting import programs, store
    from vetting.messages import RoleForm, read_form
    from vetting.records import Role
    from vetting.sittings.content import check_content, unasked

    engine, bank = opened(database)
    form = read_form(file, RoleForm)
    programs.known_skills(form.skills, bank.tree.skills, f"role {form.name!r}")
    check_content(form, bank)
    with store.writing(engine) as db:
        db.add(Role(at=datetime.now(UTC), name=form.name, body=form.model_dump(mode="json")))
    out.print(f"role [bold]{escape(form.name)}[/] with {len(form.skills)} skills, {form.minutes:.0f} minutes at most")
    if missing := unasked(form, bank):
        notes.print(f"No question of the bank asks about {escape(', '.join(missing))}. Maybe give the role interviews.")


@roles.command("list")
def list_roles(database: Database = DATABASE, as_json: Json = False) -> None:
    """The roles there are."""
    from sqlalchemy import select

    from vetting import store
    from vetting.records import Role

    engine, _ = opened(database, existing=True)
    with store.reading(engine) as db:
        latest = {role.name: role.body for role in db.scalars(select(Role).order_by(Role.id))}
    if as_json:
        print_json(list(latest.values()))
        return
    for name, body in sorted(latest.items()):
        out.print(f"[bold]{escape(name)}[/]: {', '.join(body['skills'])}")
    if not latest:
        out.print("No roles yet. Add one: assay role add FILE; vetting/examples shows how one looks.")


def role_named(db: Session, name: str) -> Role:
    from sqlalchemy import select

    from vetting.records import Role

    found = list(db.scalars(select(Role).where(Role.name == name).order_by(Role.id.desc()).limit(1)))
    if not found:
        known = sorted(set(db.scalars(select(Role.name))))
        raise LookupError(
            f"There is no role {name!r}. Maybe {', '.join(map(repr, known[:5])) or 'add one: assay role add FILE'}."
        )
    return found[0]


def invite(
    role: Annotated[str, typer.Argument(help="Name of the role.")],
    name: Annotated[str, typer.Option(help="Whom it is for; left out, each gives their own name.")] = "",
    uses: Annotated[int, typer.Option(help="How many people may use the link.")] = 1,
    days: Annotated[float, typer.Option(help="How long it works.")] = 14,
    base_url: Annotated[str, typer.Option(help="Where the pages are served.")] = "http://127.0.0.1:8000",
    database: Database = DATABASE,
) -> None:
    """Make an invitation link."""
    from api.auth import sign
    from vetting import store
    from vetting.settings import Settings
    from vetting.sittings import sitting

    engine, _ = opened(database, existing=True)
    with store.writing(engine) as db:
        made = sitting.invite(db, role_named(db, role), now=datetime.now(UTC), uses=uses, days=days, name=name)
        key = Settings(database=database).signing_key
        out.print(f"{base_url.rstrip('/')}/i/{sign(key, 'invitation', made.id)}", soft_wrap=True)


def forget(database: Database = DATABASE) -> None:
    """Remove the names whose time is over, as applicants were promised; a server does it at its start, and hourly."""
    from vetting import store
    from vetting.decisions import decision

    engine, _ = opened(database, existing=True)
    with store.writing(engine) as db:
        count = decision.erase_expired(db, datetime.now(UTC))
    out.print(f"{count} names removed")


# -- dossiers --------------------------------------------------------------------------------------


def dossier(
    person: Annotated[str, typer.Argument(help="Number or name of an applicant.")],
    role: Annotated[str, typer.Option(help="Role to hold them against; their latest if left out.")] = "",
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """What we know of a person, how surely, and why."""
    from vetting import scale as scales
    from vetting import store
    from vetting.decisions import dossier as dossiers
    from vetting.messages import RoleForm

    engine, bank = opened(database, existing=True)
    now = datetime.now(UTC)
    with store.reading(engine) as db:
        applicant = applicant_named(db, person)
        sought = role_named(db, role) if role else applicant.sittings[-1].invitation.role
        calibration = scales.latest(db)
        scale = scales.of(calibration)
        form = RoleForm.model_validate(sought.body)
        known = dossiers.dossier(applicant, form, scale, bank, calibration.id, now)
        pieces = dossiers.evidence_of(applicant, form, scale, bank, now)
        more = dossiers.more_minutes(known, scale, bank)
        if as_json:
            print_json(
                {
                    "person": applicant.id,
                    "name": applicant.name,
                    "role": form.name,
                    "clears": known.clears,
                    "state": known.state,
                    "skills": known.skills and [vars(skill) for skill in known.skills],
                    "evidence": [vars(piece) for piece in pieces],
                    "more": vars(more) if more else None,
                    "calibration": calibration.id,
                }
            )
            return
        name = applicant.name or f"Applicant {applicant.id}"
        who = f"[bold]{escape(name)}[/] for {escape(form.name)}"
        out.print(f"{who}: P(meets every bar) [bold]{known.clears:.2f}[/], {known.state}")
        out.print(profile(known, with_bars=True))
        out.print(
            f"{known.answered} answers in {known.minutes:.0f} minutes, scale {calibration.id}. What moved it most:"
        )
        for piece in pieces[:6]:
            reached = f", level {piece.level} of {piece.most}" if piece.most else ""
            out.print(f"  {piece.moved:+.2f}  {escape(piece.title)} ({piece.kind}{reached}) {', '.join(piece.skills)}")
        if more and known.state == "open":
            swing = f"about {more.up:.2f} or {more.down:.2f}"
            out.print(f"{more.minutes:.0f} more minutes on {more.skill} would move it to {swing}.")


def applicant_named(db: Session, person: str) -> Applicant:
    from sqlalchemy import select

    from vetting.records import Applicant

    if (number := record_number(person)) is not None and (by_number := db.get(Applicant, number)) is not None:
        return by_number
    found = list(db.scalars(select(Applicant).where(Applicant.name == person).order_by(Applicant.id)))
    if len(found) > 1:
        numbers = ", ".join(str(one.id) for one in found[:8])
        raise LookupError(f"{len(found)} people are called {person!r}. Maybe use a number: {numbers}.")
    if not found:
        raise LookupError(f"There is no applicant {person!r}. Maybe a number is meant, or another --database.")
    return found[0]


AXIS = 31  # characters from -3 to 3


def profile(person: Dossier, *, with_bars: bool) -> Table:
    """A row a skill: the interval drawn, and in words."""
    columns = ["Skill", "-3        -1    0    1         3", "mean", "90 % interval"]
    table = Table(*columns, *(["P(bar)"] if with_bars else []), box=None)
    for skill in person.skills:
        cells = [
            skill.name,
            drawn(skill.low, skill.mean, skill.high),
            f"{skill.mean:+.2f}",
            f"{skill.low:+.2f} to {skill.high:+.2f}",
        ]
        table.add_row(*cells, *([f"{skill.clears:.2f}" if skill.clears is not None else ""] if with_bars else []))
    return table


def drawn(low: float, mean: float, high: float) -> str:
    def at(value: float) -> int:
        return round((min(max(value, -3), 3) + 3) / 6 * (AXIS - 1))

    line = ["·"] * AXIS
    line[at(low) : at(high) + 1] = ["━"] * (at(high) - at(low) + 1)
    line[at(mean)] = "●"
    return "".join(line)
