"""Which of a probe's facts an applicant asks for, where a model may say so; it never writes the fact.

The model is given the applicant's words as data and the facts under codes drawn anew, and replies with a code and the
words that ask for it. These must stand in what was said, and something must be asked there. What is told are the bank's
own words, one fact for one asking. Orders to the reader reach no model. Where no model answers, or its reply cannot be
believed, shared words decide as they do without one (interview.reached). What was told is on record, so nothing is
chosen twice; `reread` finds the same fact again in the kept call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from random import Random, SystemRandom
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from item_bank.load import Bank
from item_bank.probe import Fact, Probe
from vetting import store
from vetting.grades.verdicts import draw_codes, found
from vetting.interviews import interview
from vetting.models import calls, llm
from vetting.models.llm import Access, Attempt, ModelFaultError
from vetting.models.prompts import Messages, prompt
from vetting.models.screening import screen
from vetting.records import Json, Question

BLOCK = "ASKED"
SECONDS, DEADLINE = 6.0, 8.0  # of one call, and of all tries: beyond, shared words decide
LONGEST_REPLY = 200  # tokens
MOST_SENT = 2000  # letters
MOST_ASKED = 6  # times that a model is asked in one interview


@dataclass(frozen=True)
class Asked:
    """What an applicant asks for in a running interview, and the facts it could be."""

    question_id: int
    turn: int
    opening: str
    text: str
    codes: Mapping[str, str]  # code: fact
    none: str  # code of none of them
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Matched:
    """What a model said to it: the id of a fact, "" for none of them, or None where it cannot be believed."""

    fact: str | None
    attempts: tuple[Attempt, ...] = ()
    why: str = ""  # shared words decide, because


def wanted(question: Question, probe: Probe, access: Access) -> bool:
    """Whether a model is to say what was asked for last."""
    last = question.turns[-1] if question.turns else None
    if not access.models or last is None or last.move.get("act") != "ask" or not untold(question, probe):
        return False
    asked = sum(turn.move.get("act") == "ask" for turn in question.turns)
    return asked <= MOST_ASKED and not screen([last.text]).plain


def untold(question: Question, probe: Probe) -> tuple[Fact, ...]:
    known = interview.told(question)
    return tuple(fact for fact in probe.facts if fact.id not in known)


def inquiry(question: Question, probe: Probe, draw: Random | None = None) -> Asked:
    """What is asked for last, with codes drawn anew."""
    facts, last = untold(question, probe), question.turns[-1]
    none, *codes = draw_codes(len(facts) + 1, draw or SystemRandom())
    named = dict(zip(codes, (fact.id for fact in facts), strict=True))
    return Asked(question.id, last.number, probe.opening, last.text[:MOST_SENT], named, none, facts)


def match(asked: Asked, access: Access) -> Matched:
    """Which fact a model finds asked for. Nothing is raised: where it fails, shared words decide."""
    hurried = replace(
        access, seconds=min(access.seconds, SECONDS), deadline=min(access.deadline, DEADLINE),
        longest_reply=LONGEST_REPLY,
    )  # fmt: skip
    try:
        reply = llm.ask(hurried, request(asked))
    except ModelFaultError as wrong:
        return Matched(None, wrong.attempts, wrong.fault)
    fact = reread(reply.text, reply.good.messages, asked.codes, asked.none)
    return Matched(fact, reply.attempts, "" if fact is not None else "the words do not stand there")


def request(asked: Asked) -> llm.Question[BaseModel]:
    """What the model is asked; the applicant's words are data."""
    by_id = {fact.id: fact for fact in asked.facts}
    facts = [{"code": code, "when": by_id[key].when, "says": by_id[key].says} for code, key in asked.codes.items()]
    given = {"opening": asked.opening, "facts": facts, "nothing": asked.none}
    return llm.Question(prompt("fact"), given, {BLOCK: asked.text}, form_of((*asked.codes, asked.none)))


@cache
def form_of(codes: tuple[str, ...]) -> type[BaseModel]:
    """The form of a reply: one of the codes, and words."""
    kinds: dict[str, Any] = {"fact": (Literal[codes], ...), "words": (str, ...)}
    return create_model("Asking", __config__=ConfigDict(extra="forbid"), **kinds)


def reread(reply: str, messages: Messages, codes: Mapping[str, str], none: str) -> str | None:
    """What a kept reply says: the id of a fact, "" for none, None where it cannot be believed."""
    parsed, _ = llm.read(reply, form_of((*codes, none)))
    if parsed is None:
        return None
    told: Any = parsed
    if told.fact == none:
        return ""
    words = found(told.words, [calls.block(messages, BLOCK)]) if told.words.strip() else None
    return codes[told.fact] if words is not None and interview.stems(words) else None


# -- in a running interview ------------------------------------------------------------------------


def hear(engine: Engine, number: int, bank: Bank, access: Access, now: datetime) -> None:
    """Say which fact is told next in an interview, and tell it. No transaction is open while a model is asked."""
    with store.reading(engine) as db:
        question = db.get_one(Question, number)
        asked = inquiry(question, bank.probes[question.item_id])
        access = calls.within_budget(db, access, question.sitting_id)
    said = match(asked, access)
    with store.writing(engine) as db:
        keep(db, db.get_one(Question, number, with_for_update=True), asked, said, bank, now)


def keep(db: Session, question: Question, asked: Asked, said: Matched, bank: Bank, now: datetime) -> None:
    """Put the call on record, and the fact if nobody was faster."""
    about: Json = {"question": asked.question_id, "turn": asked.turn, "codes": dict(asked.codes), "none": asked.none}
    calls.keep(db, said.attempts, purpose=calls.FACT, now=now, sitting_id=question.sitting_id, about=about)
    last = question.turns[-1]
    if question.answer is not None or last.number != asked.turn:
        return
    move = interview.next_move(question, bank)
    if move is None or move.kind != "fact":
        return
    by = {"by": "shared words", "not a model": said.why} if said.fact is None else {"by": "model"}
    if said.fact is not None:
        move = interview.tell(next((fact for fact in asked.facts if fact.id == said.fact), None))
    interview.ask(db, question, replace(move, why=move.why | by), move.text, wording="own", now=now)
