"""A model proposes further questions, each tagged with the criterion and the two levels that it would tell apart.

Nobody has read such a question before, so it is taken to be worth half of one that was written for the criterion
(`irt.conversation.PROPOSED`), both when the engine chooses and when grades are read. A model is asked only where the
best that it could propose would be worth more a minute than everything else that could come, as often in one interview
as the role allows. It sees the task, the transcript and the names of the criteria under codes drawn anew; never an
anchor, a score, a fact not told or another applicant. Tags are enumerated, words are checked; what passes is a fact
before anything is chosen, so that the same record leads to the same question. Where a model fails, nothing was
proposed and the interview goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from random import Random, SystemRandom
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy.orm import Session

from item_bank.load import Bank
from item_bank.probe import Probe
from item_bank.wording import common_run, words
from vetting.grades.verdicts import draw_codes
from vetting.interview_records import Proposal
from vetting.interviews import interview, phrasing
from vetting.models import calls, llm
from vetting.models.llm import Access, Attempt, ModelFaultError
from vetting.models.prompts import prompt
from vetting.models.screening import screen
from vetting.records import Json, ModelCall, Question

MOST = 3  # questions in one reply
LONGEST = 40  # words of one
SECONDS, DEADLINE = 8.0, 10.0  # of one call, and of all tries: somebody waits
LONGEST_REPLY = 400  # tokens
ALIKE = 0.6  # share of all words of two questions that both have, from which on they are one
LEADING = re.compile(
    r"\b(have|had|did) you (also |already |not |ever )?(consider|think of|thought|try|tried|check|forget|look at)|"
    r"\b(don't|didn't|isn't|aren't|wasn't|wouldn't|shouldn't|couldn't) (you|it|that|this|there|one)\b|"
    r"\b(wouldn't|would) it (not )?be better|\b(for example|such as|e\.g\.|remember that|note that|keep in mind)|"
    r"\b(daran gedacht|schon überlegt|nicht (etwa|besser)|zum Beispiel|z\. ?B\.|denken Sie (auch )?an)|"
    r"\b(h?as pensado|no (crees|cree|sería)|por ejemplo|recuerd[ae] que)|"
    r"(đã nghĩ (đến|tới)|chẳng phải|ví dụ|phải không|có phải)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Inquiry:
    """What a model is asked for, after which turn of which question, and what its codes stand for."""

    question_id: int
    after: int
    codes: Mapping[str, str]  # code: criterion
    asked: llm.Question[BaseModel]

    @property
    def about(self) -> Json:
        """What reading a kept reply again needs."""
        return {"question": self.question_id, "after": self.after, "codes": dict(self.codes)}


# -- when ------------------------------------------------------------------------------------------


def due(question: Question, bank: Bank) -> bool:
    """Whether a model is to be asked before the next question is chosen: from the record alone."""
    turns, most = question.turns, int(question.sitting.aim.get("proposals", 0))
    if len(question.proposals) >= most or question.answer is not None or not turns:
        return False
    last = turns[-1]
    if last.who != "says" or last.move["act"] != "answer" or tried(question):
        return False
    probe = bank.probes[question.item_id]
    if interview.reached(probe, interview.told(question), last.text) is not None or gives_orders(question):
        return False
    seen = interview.outlook(question, bank)
    return seen is not None and seen.open_to_proposals


def tried(question: Question) -> bool:
    """Whether it is on record what was proposed after the last turn, or that nothing was."""
    return any(row.after == question.turns[-1].number for row in question.proposals)


def gives_orders(question: Question) -> bool:
    """Whether the applicant speaks to a model: then none is asked what to ask."""
    seen = screen(turn.text for turn in question.turns if turn.who == "says")
    return bool(seen.plain or seen.doubtful)


# -- asking ----------------------------------------------------------------------------------------


def inquiry(question: Question, probe: Probe, draw: Random | None = None) -> Inquiry:
    """What the model is asked."""
    codes = dict(
        zip(draw_codes(len(probe.criteria), draw or SystemRandom()), (one.id for one in probe.criteria), strict=True)
    )
    criteria = [
        {"code": code, "title": probe.criterion(key).title, "steps": len(probe.criterion(key).levels) - 1}
        for code, key in codes.items()
    ]
    language = phrasing.LANGUAGES.get(probe.language, probe.language)
    given = {"criteria": criteria, "most": MOST, "words": LONGEST, "language": language}
    said = {"TASK": probe.opening, "TRANSCRIPT": phrasing.transcript(question)}
    asked = llm.Question(prompt("propose"), given, said, form(tuple(codes)))
    return Inquiry(question.id, question.turns[-1].number, codes, asked)


@cache
def form(codes: tuple[str, ...]) -> type[BaseModel]:
    """The form of a reply: a few questions, each with one of the codes and a boundary."""
    strict = ConfigDict(extra="forbid")
    tags: dict[str, Any] = {
        "asks": (Annotated[str, Field(min_length=5, max_length=600)], ...),
        "criterion": (Literal[codes], ...),
        "boundary": (Annotated[int, Field(ge=1, le=4)], ...),
    }
    one = create_model("Question", __config__=strict, **tags)
    whole: dict[str, Any] = {"questions": (Annotated[list[one], Field(max_length=MOST)], ...)}
    return create_model("Questions", __config__=strict, **whole)


def ask(access: Access, wanted: Inquiry) -> tuple[Sequence[Attempt], str]:
    """Every attempt, and why none was good; empty where the last one was. Nothing is raised."""
    quick = replace(
        access, seconds=min(access.seconds, SECONDS), deadline=min(access.deadline, DEADLINE),
        longest_reply=LONGEST_REPLY,
    )  # fmt: skip
    try:
        return llm.ask(quick, wanted.asked).attempts, ""
    except ModelFaultError as wrong:
        return wrong.attempts, wrong.fault


def keep(
    db: Session, question: Question, wanted: Inquiry, attempts: Sequence[Attempt], why: str, bank: Bank, now: datetime
) -> None:
    """Put on record what was asked of whom and what came of it; what stands after the same turn already stays."""
    kept = calls.keep(
        db, attempts, purpose=calls.PROPOSE, now=now, sitting_id=question.sitting_id, about=wanted.about
    )  # fmt: skip
    if question.answer is not None or question.turns[-1].number != wanted.after or tried(question):
        return
    read = [] if why else proposals(attempts[-1].reply, wanted.codes, wanted.after, question, bank)
    settle(db, question, read, why or ("" if read else "nothing proposed"), now, call=kept[-1] if kept else None)


def give_up(db: Session, question: Question, now: datetime) -> None:
    """The applicant does not wait for proposals."""
    db.refresh(question, with_for_update=True)  # a reply may come in at the same moment
    if not tried(question):
        settle(db, question, [], "nobody waited for it", now)


def settle(
    db: Session, question: Question, read: list[Json], why: str, now: datetime, call: ModelCall | None = None
) -> None:
    """What was proposed after the last turn, once and for all."""
    body = {"questions": read, "why": why}
    db.add(Proposal(at=now, question=question, after=question.turns[-1].number, body=body, call=call))
    db.flush()


# -- reading ---------------------------------------------------------------------------------------


def proposals(reply: str, codes: Mapping[str, str], after: int, question: Question, bank: Bank) -> list[Json]:
    """The questions of a reply with their tags, and why some must not be asked; none where it cannot be read."""
    parsed: Any = llm.read(reply, form(tuple(codes)))[0]
    probe, found = bank.probes[question.item_id], list[Json]()
    for number, one in enumerate(parsed.questions if parsed else (), start=1):
        text, key = " ".join(one.asks.split()), codes[one.criterion]
        wrong = list(faults(text, question, bank, [other["asks"] for other in found]))
        if one.boundary >= len(probe.criterion(key).levels):
            wrong.append(f"there is no boundary {one.boundary}")
        tags = {"criterion": key, "apart": [one.boundary - 1, one.boundary], "faults": wrong}
        found.append({"id": f"proposed-{after}-{number}", "asks": text} | tags)
    return found


def faults(text: str, question: Question, bank: Bank, beside: Sequence[str] = ()) -> Iterator[str]:
    """Why a proposed question must not be asked; none when it may."""
    probe, said = bank.probes[question.item_id], phrasing.transcript(question)
    yield from phrasing.shape(text, probe, longest=LONGEST)
    yield from phrasing.given_away(text, said, question, bank)
    if not text.endswith("?"):
        yield "does not end with its question"
    if LEADING.search(text):
        yield "suggests an answer"
    if new := phrasing.numbers(text) - phrasing.numbers(said):
        yield f"brings in the number {min(new)}"
    if any(f" {' '.join(words(one.title))} " in f" {' '.join(words(text))} " for one in probe.criteria):
        yield "names what is judged"
    if any(common_run(text, turn.text) for turn in question.turns if turn.who == "says"):
        yield "repeats the applicant word for word"
    if screen([text]) != screen([]):
        yield "speaks to whoever grades"
    others = [turn.text for turn in question.turns if turn.who == "asks"] + [one.asks for one in probe.follow_ups]
    if any(phrasing.alike(text, other, ALIKE) for other in (*others, *beside)):
        yield "asks what is asked already"
