"""A name within what was written by and about a person, taken out when they are forgotten: the words stay, it goes.

Taken out of what was said and typed in a test, of grades with their quotes, of decisions and appeals, and of what
models were sent and replied, everywhere alike: a quote still stands in the words it is from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from vetting.names import without
from vetting.records import Answer, Appeal, Applicant, ModelCall


def take_out_name(db: Session, applicant: Applicant) -> None:
    """Write the person's name nowhere any more in what was said. Only while the name is still known."""

    def out(text: str) -> str:
        return without(text, name)

    name = applicant.name
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
