"""The record as it stood at a moment: copies of one person's facts, to choose again from what was known then.

Nothing here is kept: copies belong to no session. They hold what a choice rests on (see `choice.look`), and what came
later is not in them: later turns, answers and grades, other questions.
"""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import inspect

from vetting.records import Answer, Question, Record, Resume, Sitting, Turn

Kind = TypeVar("Kind", bound=Record)


def before(turn: Turn) -> Question:
    """A turn's question as it stood just before that turn was asked."""
    person, asked = turn.question.sitting.applicant, turn.question
    known = alone(person)
    known.certificates = [alone(paper) for paper in person.certificates if paper.at <= turn.at]
    known.resumes = [with_claims(one) for one in person.resumes if one.at <= turn.at]
    known.sittings = [as_it_was(one, turn) for one in person.sittings if one.at <= turn.at]
    return next(one for seat in known.sittings for one in seat.questions if one.id == asked.id)


def as_it_was(sitting: Sitting, turn: Turn) -> Sitting:
    made = alone(sitting)
    made.calibration = sitting.calibration
    made.pauses = [alone(pause) for pause in sitting.pauses if pause.at <= turn.at]
    made.questions = [so_far(one, turn) for one in sitting.questions if one.id <= turn.question_id]
    return made


def so_far(question: Question, turn: Turn) -> Question:
    made, here = alone(question), question.id == turn.question_id
    made.turns = [alone(one) for one in question.turns if not here or one.number < turn.number]
    made.proposals = [alone(one) for one in question.proposals if not here or one.after < turn.number]
    if question.answer is not None and not here and question.answer.at <= turn.at:
        made.answer = graded(question.answer, turn)
    return made


def graded(answer: Answer, turn: Turn) -> Answer:
    made = alone(answer)
    made.grades = [alone(grade) for grade in answer.grades if grade.at <= turn.at]
    return made


def with_claims(resume: Resume) -> Resume:
    made = alone(resume)
    made.claims = [alone(claim) for claim in resume.claims]
    return made


def alone(record: Kind) -> Kind:
    """A copy of a fact without its relations."""
    columns = inspect(type(record)).column_attrs
    return type(record)(**{column.key: getattr(record, column.key) for column in columns})
