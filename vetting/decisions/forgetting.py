"""A name within what was written by and about a person, taken out when they are forgotten: the words stay, it goes.

Taken out of what was said and typed in a test, of grades with their quotes, of decisions and appeals, and of what
models were sent and replied, everywhere alike: a quote still stands in the words it is from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from vetting.records import Answer, Appeal, Applicant, ModelCall

TAKEN_OUT = "[name]"
FEWEST = 3  # letters of a part of a name that is looked for by itself: shorter ones are words or variables


def pattern_of(name: str) -> re.Pattern[str] | None:
    """The whole name in any letters, its parts as they are written; None where it is too short to tell from a word."""
    words = name.split()
    whole = r"\s+".join(re.escape(word) for word in words)
    ways = [f"(?i:{whole})"] if len(words) > 1 else []
    bare = {word.strip(".,;:()'\"") for word in words}
    ways += [re.escape(part) for part in sorted(bare, key=len, reverse=True) if len(part) >= FEWEST]
    return re.compile(rf"(?<!\w)(?:{'|'.join(ways)})(?!\w)") if ways else None


def take_out_name(db: Session, applicant: Applicant) -> None:
    """Write the person's name nowhere any more in what was said. Only while the name is still known."""
    found = pattern_of(applicant.name)
    if found is None:
        return

    def out(text: str) -> str:
        return found.sub(TAKEN_OUT, text)

    answers = [question.answer for seat in applicant.sittings for question in seat.questions if question.answer]
    for turn in (turn for seat in applicant.sittings for question in seat.questions for turn in question.turns):
        turn.text = out(turn.text)
    for answer in answers:
        take_out_of_answer(answer, out)
    for decision in applicant.decisions:
        decision.reason = out(decision.reason)
    seats = [seat.id for seat in applicant.sittings]
    for appeal in db.scalars(select(Appeal).where(Appeal.sitting_id.in_(seats))):
        appeal.words = out(appeal.words)
    of_theirs = or_(ModelCall.sitting_id.in_(seats), ModelCall.answer_id.in_([answer.id for answer in answers]))
    for call in db.scalars(select(ModelCall).where(of_theirs)):
        call.sent, call.reply = everywhere(call.sent, out), out(call.reply)


def take_out_of_answer(answer: Answer, out: Callable[[str], str]) -> None:
    answer.response = everywhere(answer.response, out)
    for grade in answer.grades:
        grade.quote, grade.because = out(grade.quote), out(grade.because)


def everywhere(body: Any, out: Callable[[str], str]) -> Any:  # noqa: ANN401 -- JSON
    """The same JSON with every text changed."""
    if isinstance(body, str):
        return out(body)
    if isinstance(body, list):
        return [everywhere(one, out) for one in body]
    return {key: everywhere(one, out) for key, one in body.items()} if isinstance(body, dict) else body
