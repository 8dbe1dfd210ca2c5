"""Facts of interviews besides what was said: what models proposed to ask."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vetting.records import Json, ModelCall, Question, Record


class Proposal(Record):
    """Further questions that a model proposed after a turn of an interview, and which of them may be asked."""

    __tablename__ = "proposal"
    __table_args__ = (UniqueConstraint("question_id", "after"),)

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), index=True)
    after: Mapped[int]  # number of the turn
    body: Mapped[Json]  # {"questions": [{"id", "asks", "criterion", "apart", "faults"}], "why": of none}
    call_id: Mapped[int | None] = mapped_column(ForeignKey("model_call.id"))  # the reply they were read from
    question: Mapped[Question] = relationship(back_populates="proposals")
    call: Mapped[ModelCall | None] = relationship()
