"""`assay program`, `hours`, `plan`: from what is to be made to who makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, apart, notes, opened, out, print_json, write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vetting.records import Json as Account
    from vetting.records import Program

programs = typer.Typer(help="Programs: lists of queues, each one kind of unit.", no_args_is_help=True)
hours = typer.Typer(help="Experts' hours.", no_args_is_help=True)
SHOWN = 12
NINETY = 1.645  # sds to either side that hold nine times in ten
Block = Annotated[
    float | None, typer.Option(min=0, help="Shortest stint: so many hours on a queue in a role, or none.")
]
MostQueues = Annotated[int | None, typer.Option(min=1, help="Queues a person, at most.")]


def add_to(app: typer.Typer) -> None:
    app.command()(plan)


@programs.command("add")
def add_program(
    file: Annotated[Path, typer.Argument(help="YAML: name, queues: [{name, skills, bars, units, value, minutes, …}].")],
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Add a program and say whether it can be done; for one that exists, its queues get the new wording."""
    from vetting import programs, store
    from vetting.messages import read_form
    from vetting.plans import scene
    from vetting.scope import ProgramForm

    engine, bank = opened(database)
    form, now = read_form(file, ProgramForm), datetime.now(UTC)
    for queue in form.queues:
        named = {*queue.skills, *queue.bars, *queue.style_skills}
        programs.known_skills(named, bank.tree.skills, f"queue {queue.name!r}")
    scene.wanted(form.queues, now, form.budget)  # an expired date or a budget that cannot be: nothing is kept
    with store.writing(engine) as db:
        kept = programs.keep_program(db, form, now)
        if not as_json:
            out.print(f"program [bold]{escape(form.name)}[/] with {len(form.queues)} queues")
        tell_feasible(db, kept, now, as_json=as_json)


@programs.command("feasible")
def feasible(
    program: Annotated[str, typer.Argument(help="Name of the program.")],
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Can it be done: supply now, in 24 and in 48 hours, against what is asked."""
    from vetting import store

    engine, _ = opened(database, existing=True)
    with store.reading(engine) as db:
        tell_feasible(db, program_named(db, program), datetime.now(UTC), as_json=as_json)


def tell_feasible(db: Session, program: Program, now: datetime, *, as_json: bool) -> None:
    import numpy as np

    from vetting import programs
    from vetting.plans import feasibility

    form = programs.scope_of(db, program)
    if form is None:
        raise ValueError(f"Program {program.name!r} has no queue. Maybe add one with a file.")
    found = feasibility.feasibility(db, form, now, np.random.default_rng(program.id))
    if as_json:
        print_json(found)
        return
    table = Table("Queue", "Asked", "Now", "In 24 h", "In 48 h", "So", box=None)
    for queue in found["queues"]:
        reach = [f"{at['units']:,.0f} ({at['low']:,.0f} to {at['high']:,.0f})" for at in queue["supply"]]
        short = f"{queue['verdict']}: {queue['short_of']}" if queue["short_of"] else queue["verdict"]
        table.add_row(escape(queue["name"]), f"{queue['units']:,.0f}", *reach, short)
    out.print(table)
    for queue in found["queues"]:
        if queue["way_out"]:
            notes.print(f"{queue['name']}: {queue['way_out']}", style="yellow", markup=False)
        for why in [at["because"] for at in queue["supply"] if at.get("because")]:
            out.print(f"{queue['name']}: {why}", markup=False)


@programs.command("weights")
def weights(
    program: Annotated[str, typer.Argument(help="Name of the program.")],
    accept: Annotated[str, typer.Option(help="Queue whose learnt weights are used from now on.")] = "",
    take_back: Annotated[str, typer.Option(help="Queue whose stated weights hold again.")] = "",
    who: Annotated[str, typer.Option(help="Who decides.")] = "assay program weights",
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """What the work of each queue leans on: stated weights, and those that outcomes speak for."""
    from vetting import programs, scale, store
    from vetting.quality import reweighting

    engine, _ = opened(database, existing=True)
    now = datetime.now(UTC)
    with store.writing(engine) as db:
        named, published = program_named(db, program), scale.of(scale.latest(db))
        if take_back:
            reweighting.take_back(db, named, take_back, who, now)
        if accept:
            queue = reweighting.form_of(named, accept)
            reweighting.accept(db, named, reweighting.learnt(db, named, queue, published, now), who, now)
        found = [reweighting.learnt(db, named, queue, published, now) for queue in programs.queues_of(named)]
    if as_json:
        print_json({"queues": [one.as_json() for one in found]})
        return
    table = Table("Queue", "Skill", "Stated", "Learnt", "Holds now", box=None)
    for one in found:
        for row in one.weights:
            learnt = f"{row.learnt:.2f} ± {row.sd:.2f}"
            table.add_row(escape(one.queue), escape(row.skill), f"{row.stated:.2f}", learnt, f"{row.used:.2f}")
    out.print(table)
    for one in found:
        if one.lacking:
            notes.print(f"{one.queue}: {one.lacking}", markup=False)


@hours.command("set")
def set_hours(
    person: Annotated[str, typer.Argument(help="Number or name of an applicant.")],
    week: Annotated[float, typer.Argument(help="Hours a week.")],
    pay: Annotated[float, typer.Option(help="What an hour costs.")] = 40.0,
    languages: Annotated[str, typer.Option(help="Two-letter codes, separated by commas.")] = "en",
    team: Annotated[str, typer.Option(help="Team, where reviewers must come from another one.")] = "",
    database: Database = DATABASE,
) -> None:
    """Say how many hours an expert has from now on."""
    from api.commands.vetting import applicant_named
    from vetting import store
    from vetting.decisions import decision
    from vetting.messages import AvailabilityForm

    engine, _ = opened(database, existing=True)
    spoken = [code.strip().lower() for code in languages.split(",") if code.strip()]
    form = AvailabilityForm(hours=week, pay=pay, languages=spoken, team=team)
    with store.writing(engine) as db:
        one = applicant_named(db, person)
        decision.give_hours(db, one, form, datetime.now(UTC))
        out.print(f"{escape(one.name)}: {form.hours:g} hours a week at {form.pay:g}, {', '.join(form.languages)}")


def plan(
    program: Annotated[str, typer.Argument(help="Name of the program; not with --experts.")] = "",
    allow_empty: Annotated[bool, typer.Option(help="Plan the rest if a queue has nobody who may work on it.")] = False,
    experts: Annotated[Path | None, typer.Option(help="Plan from files: CSV or Parquet of experts.")] = None,
    queues: Annotated[Path | None, typer.Option(help="YAML of queues, as for `assay program add`.")] = None,
    previous: Annotated[Path | None, typer.Option(help="An earlier PLAN.csv: change as little as pays.")] = None,
    target: Annotated[Path | None, typer.Option("--out", help="PLAN.csv to write.")] = None,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds; the best plan so far and its gap are kept.")
    ] = 20,
    block: Block = None,
    most_queues: MostQueues = None,
    dask: Annotated[
        str | None, typer.Option(help="Scheduler tcp://…: a folder of Parquet files is planned where its workers are.")
    ] = None,
    gains: Annotated[
        bool, typer.Option("--gains", help="Also what more hours, people, money or days would bring; a dozen solves.")
    ] = False,
    database: Database = DATABASE,
    as_json: Json = False,
) -> None:
    """Staff a program: who works where and why, what is short, whom to vet next. From the database, or from files."""
    if program and (experts is not None or queues is not None):
        raise ValueError(f"{program!r} is not read beside --experts and --queues. Maybe leave one of them out.")
    wishes = stints(block, most_queues)
    if experts is not None and (dask is not None or experts.is_dir()):
        if wishes:
            raise ValueError(f"--{next(iter(wishes))}: not for a pool in parts. Maybe join the files, or leave it out.")
        if gains:
            raise ValueError("--gains: not for a pool in parts. Maybe join the files, or leave it out.")
        from_parts(experts, queues, target, dask, previous=previous, as_json=as_json)
    elif experts is not None or queues is not None:
        from_files(
            experts, queues, previous, target, wishes, time_limit=time_limit, allow_empty=allow_empty, gains=gains,
            as_json=as_json,
        )  # fmt: skip
    elif program:
        from_records(program, wishes, database, allow_empty=allow_empty, gains=gains, as_json=as_json)
    else:
        raise ValueError("Which program? Maybe give its name, or --experts and --queues to plan from files.")


def from_records(
    program: str, wishes: dict[str, float | int], database: str, *, allow_empty: bool, gains: bool, as_json: bool
) -> None:
    from vetting import programs, store
    from vetting.plans import gains as more
    from vetting.plans import staffing

    engine, _ = opened(database, existing=True)
    with store.writing(engine) as db:
        found = program_named(db, program)
        record = staffing.make_plan(db, found, datetime.now(UTC), allow_empty=allow_empty, wishes=wishes)
        brought = {"gains": more.keep(db, record, more.of_plan(db, record, record.at), record.at).body} if gains else {}
        if as_json:
            print_json(record.body | brought)
        else:
            names = programs.names(programs.experts(db))
            tell(record.body, names)
            tell_gains(brought, names)


def stints(block: float | None, most_queues: int | None) -> dict[str, float | int]:
    """What was said about stints, in place of what the program says."""
    said = {"block": block, "most_queues": most_queues}
    return {name: wish for name, wish in said.items() if wish is not None}


def from_files(
    experts: Path | None, queues: Path | None, previous: Path | None, target: Path | None,
    wishes: dict[str, float | int], *, time_limit: float, allow_empty: bool, gains: bool, as_json: bool,
) -> None:  # fmt: skip
    if experts is None or queues is None or target is None:
        raise ValueError("A plan from files needs --experts, --queues and --out.")
    from vetting.messages import read_form
    from vetting.plans import plan_files
    from vetting.scope import ProgramForm

    apart(target, experts, queues)
    form = read_form(queues, ProgramForm).wishing(wishes)
    pool = plan_files.read_experts(experts)
    before = plan_files.read_previous(previous, pool, form) if previous else []
    account = plan_files.plan(pool, form, before, datetime.now(UTC), time_limit, gains=gains)
    if account["closed"] and not allow_empty:
        raise ValueError("\n".join([*account["closed"], "Or plan the rest with --allow-empty."]))
    write(target, plan_files.as_table(account))
    if as_json:
        print_json(account)
    else:
        tell(account, {})
        tell_gains(account, {})
        out.print(f"written to {target}")


def from_parts(
    experts: Path, queues: Path | None, target: Path | None, dask: str | None, *, previous: Path | None, as_json: bool
) -> None:
    if queues is None or target is None:
        raise ValueError("A plan from files needs --experts, --queues and --out.")
    from vetting.messages import read_form
    from vetting.plans import plan_parts
    from vetting.scope import ProgramForm

    apart(target, experts, queues)
    form = read_form(queues, ProgramForm)
    found, ids = plan_parts.plan_parts(experts, form, datetime.now(UTC), dask, previous)
    write(target, plan_parts.as_table(found, ids, form))
    body = plan_parts.account(found, form)
    if as_json:
        print_json(body)
        return
    proof = f"proven within {100 * body['gap']:.4f} % of the best possible ({body['status']})"
    out.print(f"plan worth [bold]{body['value']:,.0f}[/], {proof}, after {body['rounds']} rounds")
    out.print(f"written to {target}")


def program_named(db: Session, name: str) -> Program:
    from sqlalchemy import select

    from vetting.records import Program

    found = db.scalars(select(Program).where(Program.name == name)).first()
    if found is None:
        known = ", ".join(repr(one) for one in db.scalars(select(Program.name)))
        raise LookupError(f"There is no program {name!r}. Maybe {known or 'add one: assay program add FILE'}.")
    return found


def tell(body: Account, names: dict[str, str]) -> None:
    proof = f"proven within {100 * body['gap']:.4f} % of the best possible ({body['status']})"
    out.print(f"plan worth [bold]{body['value']:,.0f}[/], {proof}")
    table = Table("Queue", "Planned", "Held back by", "One more hour brings at most", box=None)
    for queue in body["queues"]:
        held = queue["held_back_by"]
        price = queue["newcomer"].get(held) if held else None
        share = f"{queue['accepted']:,.0f} of {queue['units']:,.0f} ({100 * queue['accepted'] / queue['units']:.0f} %)"
        table.add_row(escape(queue["name"]), share, held or "nothing", f"{price:,.0f}" if price else "")
    out.print(table)
    if (told := body["exploring"]) is not None:
        share = f"{100 * told['share']:.1f} % of {100 * told['most']:.3g} % allowed"
        brings = f"at most {told['costs']:,.0f} less today, {told['worth']:,.0f} expected later"
        out.print(f"trials: {told['hours']:.1f} h, {share}, {brings}", markup=False)
    for row in sorted(body["hours"], key=lambda row: -row["hours"])[:SHOWN]:
        out.print(
            f"  {escape(names.get(row['expert'], row['expert'])):20} {row['hours']:5.1f} h "
            f"{row['role']:8} {escape(row['queue'])}{days(row)}{to_learn(row)}"
        )
    if len(body["hours"]) > SHOWN:
        out.print(f"  … and {len(body['hours']) - SHOWN} more seats (--json has all)")
    if body["demand"]:
        out.print(
            "short skills: " + ", ".join(f"{skill} {share:.0%}" for skill, share in list(body["demand"].items())[:6])
        )
    for row in body["vet_next"][:5]:
        who = names.get(row["expert"], row["expert"])
        out.print(f"  vet next: {escape(who)} in {', '.join(row['skills'])}, at most {row['gain']:,.0f}")
    for said in body["closed"]:
        notes.print(said, style="yellow", markup=False)


def tell_gains(body: Account, names: dict[str, str]) -> None:
    """What more would bring, as a table; nothing where nobody asked."""
    if "gains" not in body:
        return
    brought = body["gains"]
    table = Table("More", "Brings at most", "By price", "Accepted units", box=None, title="What more would bring")
    for what, rows in brought["more"].items():
        for row in rows:
            units = f"{row['units']:+,.1f} ± {NINETY * row['units_sd']:,.1f}"
            table.add_row(escape(step(row, names)), f"{row['gain']:,.2f}", f"{row['by_price']:,.2f}", units)
        if not rows:
            table.add_row(f"{what}: no budget is set", "", "", "")
    out.print(table)
    out.print(
        f"proven, against the same plan solved again; ± nine times in ten; {brought['seconds']:.1f} s", style="dim"
    )
    for said in brought["apart"]:
        notes.print(said, markup=False)


def step(row: Account, names: dict[str, str]) -> str:
    """One change in words."""
    of = ", ".join(names.get(who, who) for who in row["who"][:3]) + (" …" if len(row["who"]) > 3 else "")
    like = "" if not of else f" of {of}" if row["unit"] == "hours" else f" like {of}"
    share = f"{100 * row['share']:g} %: " if row["share"] else ""
    return (
        f"{share}{row['amount']:,.3g} {row['unit']}{like}"
        if row["amount"] != 1
        else (f"{share}1 { ({'people': 'person'}.get(row['unit']) or row['unit'].removesuffix('s')) }{like}")
    )


def days(row: Account) -> str:
    return f", {row['from']} to {row['until']}" if "from" in row else ""


def to_learn(row: Account) -> str:
    if not row["learning"]:
        return ""
    why = f": P(accepted) hoped {row['hoped']:.2f}, likely {row['acceptance']:.2f}" if row["hoped"] else ""
    return f" ({row['learning']:.1f} h to learn{why})"
