"""`assay demo` and `assay serve`: see the whole walk, and open the doors."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import DATABASE, Database, Json, notes, out, print_json, progress

if TYPE_CHECKING:
    from vetting.rehearsals.demo import Walk

DEMO_FILE = Path("assay-demo.db")
DEMO_DATABASE = f"sqlite:///{DEMO_FILE}"
SELDOM = (20_000, 20, 20)  # objects made until they are looked through: a page of 1,000 people makes some 100,000


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(serve)


def demo(
    people: Annotated[int, typer.Option(min=6, max=2000, help="How many simulated people take the test.")] = 60,
    seed: Annotated[int, typer.Option(help="Other people, other answers.")] = 1,
    smoke: Annotated[bool, typer.Option(help="Only a few people: a quick check that everything runs.")] = False,
    as_json: Json = False,
) -> None:
    """The main job, end to end, on an embedded database: simulated people answer the real bank, experts are planned."""
    from vetting.rehearsals import demo as walk

    if DEMO_FILE.exists():
        notes.print(f"replacing {DEMO_FILE} of an earlier demo")
    for old in DEMO_FILE.parent.glob(f"{DEMO_FILE.name}*"):
        old.unlink()
    count = 12 if smoke else people
    with progress("simulated people take the test", total=walk.people_in(count)) as step:
        seen = walk.walk(DEMO_DATABASE, count, seed, step)
    if as_json:
        print_json(walk.figures(seen))
    else:
        tell(seen)


def tell(seen: Walk) -> None:
    """What happened, step by step, each number with what it was measured on."""
    out.rule("[bold]Assay: the whole walk[/]")
    kinds = ", ".join(f"{n} {kind}" for kind, n in seen.kinds.items())
    out.print(f"[bold]1. The bank.[/] {seen.items} items on {seen.skills} skills ({kinds}).")
    out.print("   Difficulty, discrimination and minutes start from a documented rule and are not validated yet.\n")
    out.print(f"[bold]2. Vetting.[/] {seen.people} [yellow]simulated[/] people answered the real bank, each question")
    out.print(f"   chosen from their answers: {seen.minutes:.1f} minutes and {seen.questions:.1f} questions a person.")
    out.print("   To be as precise, the same people would need with a fixed form:")
    table = Table("   Fixed form", "Minutes", "Questions", "Reached by", "Adaptive takes", box=None)
    for name, form in seen.fixed.items():
        table.add_row(
            f"   {name}", f"{form.minutes:.1f}", f"{form.questions:.1f}", f"{form.reached:.0%}",
            f"{seen.minutes / form.minutes:.0%} of the minutes",
        )  # fmt: skip
    out.print(table)
    out.print(
        f"   No question was shown to more than {seen.exposure:.0%} of a role's people; a fixed form shows all to all."
    )
    out.print(f"   90 % intervals hold the true skill in [bold]{seen.covered:.1%}[/] of {seen.intervals} cases.\n")
    tell_talks(seen)
    out.print(f"[bold]3. Deciding.[/] {seen.clears} clear their role's bars, {seen.open} are open, {seen.below} below.")
    out.print(f"   A simulated recruiter advanced {seen.experts}; each decision is kept with its reason.\n")
    size = f"{seen.experts} experts, {len(seen.queues)} queues"
    out.print(f"[bold]4. Staffing[/] “{seen.program}”: {size}, solved in {seen.seconds:.2f} s.")
    queues = Table("   Queue", "Planned", "Held back by", box=None)
    for queue in seen.queues:
        queues.add_row(
            f"   {queue['name']}",
            f"{queue['accepted']:,.0f} of {queue['units']:,.0f}",
            queue["held_back_by"] or "nothing",
        )
    out.print(queues)
    out.print(f"   Plan value [bold]{seen.value:,.0f}[/], proven within {100 * seen.gap:.4f} % of the best possible.\n")
    out.print("[bold]5. The loop closes.[/] What the plan is short of becomes what tomorrow's questions favour:")
    out.print("   " + ", ".join(f"{skill} {share:.0%}" for skill, share in list(seen.demand.items())[:4]))
    out.print(
        f"   The same simulated applicants for “{seen.loop_role}” spent {seen.before:.0%} of their minutes on questions"
    )
    out.print(f"   about these skills before the plan, and [bold]{seen.after:.0%}[/] after it.\n")
    out.rule()
    out.print("Look around:   python3 dev.py serve --demo      then open the link it prints")
    out.print(f"Take the test: python3 dev.py assay take --database {DEMO_DATABASE}")
    out.print(f"A dossier:     python3 dev.py assay dossier 1 --database {DEMO_DATABASE}")


def tell_talks(seen: Walk) -> None:
    """Which parts of the interviews are simulated is said here and on every page that shows them."""
    talks = seen.talks
    out.print(
        f"   For “{talks.role}” {talks.people} more [yellow]simulated[/] people held {talks.interviews} interviews of"
        f" {talks.minutes:.0f} minutes on average: {talks.asked} questions, {talks.facts} facts told to who asked."
    )
    out.print(
        "   What they say is put together from the bank's own examples and marked \\[Simulated]. Two simulated people"
    )
    out.print(
        f"   graded ({talks.graded} verdicts), and so did a rater that only counts words ({talks.counted});"
        f" {talks.waiting} interviews wait at the desk for you.\n"
    )


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Serve what `assay demo` made.")] = False,
    database: Database = DATABASE,
) -> None:
    """Serve the web pages for applicants, recruiters and leads."""
    import uvicorn

    from api.app import create_app
    from api.auth import sign, staff_key
    from api.grader import beside
    from vetting.settings import Settings

    if demo and not DEMO_FILE.exists():
        raise FileNotFoundError(f"{DEMO_FILE}: no such file. Maybe run `assay demo` first.")
    settings = Settings(database=DEMO_DATABASE if demo else database, host=host, port=port)
    app = create_app(settings)
    base = f"http://{host}:{port}"
    out.print(f"Recruiters and leads: [bold]{base}/enter/{staff_key(settings.signing_key)}[/]", soft_wrap=True)
    for invitation, what in open_invitations(app.state.house.engine):
        link = f"{base}/i/{sign(settings.signing_key, 'invitation', invitation)}"
        out.print(f"An applicant's link:  [bold]{link}[/]{what}", soft_wrap=True)
    gc.freeze()  # what the application is made of stays; a page's many facts go with it
    gc.set_threshold(*SELDOM)
    with beside(app.state.house.engine, app.state.house.bank, settings):
        uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)


def open_invitations(engine: object) -> list[tuple[int, str]]:
    """The newest invitations that anybody may still use, one with interviews and one without: doors to try."""
    from datetime import UTC, datetime

    from sqlalchemy import Engine, select

    from vetting import store
    from vetting.records import Invitation

    if not isinstance(engine, Engine):
        return []
    found: dict[bool, tuple[int, str]] = {}
    with store.reading(engine) as db:
        newest = select(Invitation).where(Invitation.name == "", Invitation.expires > datetime.now(UTC))
        for invitation in db.scalars(newest.order_by(Invitation.id.desc()).limit(20)):
            talks = bool(invitation.role.body.get("interview_minutes"))
            if len(invitation.sittings) < invitation.uses and invitation.applicant_id is None:
                found.setdefault(talks, (invitation.id, "  (with an interview)" if talks else ""))
    return [found[talks] for talks in (True, False) if talks in found]
