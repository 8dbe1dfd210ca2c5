"""Facts of calibration rounds, and of units that are sent to fresh people."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vetting.records import Record
from vetting.work_records import Submission, Unit


class Round(Record):
    """Named people judge the same units blind; then all is shown side by side and talked over."""

    __tablename__ = "round"

    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"), index=True)
    queue: Mapped[str]
    people: Mapped[list[int]]  # applicants
    units: Mapped[list[int]]
    note: Mapped[str]
    by: Mapped[str]
    of_id: Mapped[int | None] = mapped_column(ForeignKey("round.id"))  # the round this one tests again
    closing: Mapped[RoundEnd | None] = relationship(back_populates="round")
    remarks: Mapped[list[Remark]] = relationship(back_populates="round", order_by="Remark.id")


class RoundEnd(Record):
    """A lead closed a round before everybody had judged everything."""

    __tablename__ = "round_end"

    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"), unique=True)
    by: Mapped[str]
    round: Mapped[Round] = relationship(back_populates="closing")


class Remark(Record):
    """What somebody said about a unit of a round after everything was shown."""

    __tablename__ = "remark"

    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    applicant_id: Mapped[int | None] = mapped_column(ForeignKey("applicant.id"))  # none: the lead
    words: Mapped[str]
    round: Mapped[Round] = relationship(back_populates="remarks")


class Recall(Record):
    """A lead sends a settled unit to people who never saw it; their labels stand beside those it has."""

    __tablename__ = "recall"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    people: Mapped[int]
    because: Mapped[str]
    by: Mapped[str]
    unit: Mapped[Unit] = relationship()
    submission: Mapped[Submission] = relationship()
