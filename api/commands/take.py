"""`assay take`: sit an adaptive test in the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.prompt import Confirm, Prompt

from api.commands.console import DATABASE, Database, notes, opened, out, record_number
from api.commands.vetting import profile, role_named

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from item_bank.load import Bank
    from item_bank.schema import Item
    from vetting.records import Question, Sitting

MOST_LETTERS = "abcdefgh"


def add_to(app: typer.Typer) -> None:
    app.command()(take)


def take(
    role: Annotated[str, typer.Option(help="Name of the role; the first there is if left out.")] = "",
    name: Annotated[str, typer.Option(help="Who takes the test.")] = "",
    resume: Annotated[int | None, typer.Option(help="Number of a sitting to go on with.")] = None,
    database: Database = DATABASE,
) -> None:
    """Sit an adaptive test here in the terminal. Ctrl-C pauses it; --resume goes on at the same question."""
    from vetting import store

    engine, bank = opened(database, existing=True)
    with store.writing(engine) as db:
        number = resume if resume is not None else begun(db, role, name)
    if number is None:
        notes.print("Nothing was begun.")
        raise typer.Exit(1)
    step(engine, number, away=False)
    try:
        while (asked := ask_next(engine, bank, number)) is not None:
            answer_one(engine, bank, number, asked)
    except (KeyboardInterrupt, EOFError):
        step(engine, number, away=True)
        notes.print(f"\nPaused; every answer is kept. Go on with: assay take --resume {number} --database {database}")
        raise typer.Exit(1) from None
    with store.reading(engine) as db:
        finish(db, bank, number)


def step(engine: Any, number: int, *, away: bool) -> None:  # noqa: ANN401 -- an SQLAlchemy engine
    """Step away, so that the clock stops, or come back."""
    from vetting import store
    from vetting.sittings import sitting

    with store.writing(engine) as db:
        sitting.pause(db, seat_of(db, number), away=away, now=datetime.now(UTC))


def begun(db: Session, role: str, name: str) -> int | None:
    import numpy as np
    from sqlalchemy import select

    from vetting import programs
    from vetting.messages import RoleForm
    from vetting.records import Role
    from vetting.sittings import sitting

    names = sorted(set(db.scalars(select(Role.name))))
    if not role and not names:
        raise LookupError("There is no role to be tested for. Maybe add one: assay role add FILE.")
    chosen = role_named(db, role or names[0])
    form = RoleForm.model_validate(chosen.body)
    out.print(
        f"\n[bold]{escape(form.name)}[/]: up to {form.minutes:.0f} minutes, each question chosen by your answers."
    )
    out.print(
        "Fixed rules score your answers; they are kept in this database with your name. Skipping counts as not solved."
    )
    who = name or Prompt.ask("Your name")
    if not Confirm.ask("Do you agree, and shall it begin?", default=True):
        return None
    now = datetime.now(UTC)
    invitation = sitting.invite(db, chosen, now=now, name=who)
    seat = sitting.begin(
        db,
        invitation,
        name=who,
        extra_time=1.0,
        demand=programs.demand(db),
        queues=programs.short_queues(db),
        now=now,
        rng=np.random.default_rng(),
    )
    return seat.id


def ask_next(engine: Any, bank: Bank, number: int) -> Question | None:  # noqa: ANN401 -- an SQLAlchemy engine
    from vetting import store
    from vetting.records import Question
    from vetting.sittings import sitting

    with store.writing(engine) as db:
        step = sitting.next_step(db, seat_of(db, number), bank, datetime.now(UTC))
        if not isinstance(step, Question):
            return None
        db.expunge(step)
        return step


def seat_of(db: Session, number: int) -> Sitting:
    from vetting.records import Sitting

    seat = db.get(Sitting, number) if record_number(str(number)) else None
    if seat is None:
        raise LookupError(f"There is no sitting {number}. Maybe it is in another database: see --database.")
    return seat


def answer_one(engine: Any, bank: Bank, number: int, asked: Question) -> None:  # noqa: ANN401
    """Put one question, read an answer that can be scored, keep it."""
    from item_bank.schema import UnreadableResponseError
    from vetting import store
    from vetting.records import Question
    from vetting.sittings import sitting

    item = bank.items[asked.item_id]
    show(item, asked.number)
    while True:
        said = read_answer(item)
        try:
            with store.writing(engine) as db:
                question = db.get_one(Question, asked.id)
                sitting.answer(
                    db, seat_of(db, number), question, said, request_id=f"terminal-{asked.id}", bank=bank,
                    now=datetime.now(UTC),
                )  # fmt: skip
        except UnreadableResponseError as wrong:
            notes.print(str(wrong), style="yellow", markup=False)
            continue
        return


def show(item: Item, number: int) -> None:
    out.rule(f"Question {number}")
    out.print(Markdown(item.stem))
    for title, field in (("Source", "source"),):
        if text := getattr(item, field, ""):
            out.print(f"\n[bold]{title}[/]")
            out.print(Markdown(text))
    for number_of, step in enumerate(getattr(item, "steps", ()), start=1):
        out.print(Markdown(f"**Step {number_of}.** {step}"))
    for letter, text in zip(MOST_LETTERS, getattr(item, "answers", ()), strict=False):
        out.print(Markdown(f"**Answer {letter.upper()}**\n\n{text}"))
    listed(getattr(item, "options", ()))


def listed(options: tuple[str, ...]) -> None:
    for letter, option in zip(MOST_LETTERS, options, strict=False):
        out.print(Markdown(f"**{letter})** {option}"))


def read_answer(item: Item) -> dict[str, str | list[str]] | None:
    """What is typed at the prompts of the item's kind; an empty first line skips."""
    hint = "[dim](empty line: skip)[/]"
    match item.kind:
        case "choice":
            said: dict[str, str | list[str]] = {"option": Prompt.ask(f"Letter {hint}", default="", show_default=False)}
        case "multi":
            letters = Prompt.ask(f"All right letters, such as ac {hint}", default="", show_default=False)
            said = {"option": [letter for letter in letters.lower() if letter in MOST_LETTERS]}
        case "numeric":
            said = {
                "number": Prompt.ask(
                    f"Number{' in ' + item.unit if item.unit else ''} {hint}", default="", show_default=False
                )
            }
        case "step_grade":
            said = {"step": Prompt.ask(f"First wrong step, 0 if none {hint}", default="", show_default=False)}
            if said["step"]:
                said["reason"] = reason_of(item.reasons)
        case "preference":
            said = {"answer": Prompt.ask(f"Better answer, a or b {hint}", default="", show_default=False).lower()}
            if said["answer"]:
                said["reason"] = reason_of(item.reasons)
        case "claim_check":
            said = {f"claim{n}": verdict(n, claim.text) for n, claim in enumerate(item.claims, start=1)}
        case "follow":
            out.print(f"Your text; a line with only a full stop ends it {hint}")
            said = {"text": "\n".join(iter(input, "."))}
        case _:
            said = {"text": Prompt.ask(f"Answer {hint}", default="", show_default=False)}
    return said if any(said.values()) else None


def reason_of(reasons: tuple[str, ...]) -> str:
    listed(reasons)
    return Prompt.ask("Why").strip().lower()


def verdict(number: int, claim: str) -> str:
    out.print(Markdown(f"**{number}.** {claim}"))
    short = {"s": "supported", "c": "contradicted", "n": "not_stated", "": ""}
    return short[
        Prompt.ask("[s]upported, [c]ontradicted, [n]ot stated", choices=list(short), default="", show_choices=False)
    ]


def finish(db: Session, bank: Bank, number: int) -> None:
    from vetting import scale as scales
    from vetting.decisions import dossier as dossiers
    from vetting.messages import RoleForm

    seat = seat_of(db, number)
    form = RoleForm.model_validate(seat.invitation.role.body)
    person = dossiers.dossier(
        seat.applicant, form, scales.of(seat.calibration), bank, seat.calibration_id, datetime.now(UTC)
    )
    out.rule("What you showed")
    out.print(profile(person, with_bars=False))
    ended = seat.ending.reason if seat.ending else "open"
    out.print(f"{person.answered} questions in {person.minutes:.0f} minutes; ended: {ended}")
