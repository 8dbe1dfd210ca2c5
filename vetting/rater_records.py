"""Facts of the watch over models that grade: what is steady in each, each answer's step, changes and what people say.

A model that changed is another rater from then on: its later verdicts are kept under a new name (see
grades/rater_changes.py), so no calibration knows them and nothing that was read before is read otherwise.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vetting.records import Answer, Calibration, Json, Record


class Steady(Record):
    """How a rater read answers while it was steady, and the limit of the chart over its later ones."""

    __tablename__ = "steady"

    rater: Mapped[str] = mapped_column(index=True)
    calibration_id: Mapped[int] = mapped_column(ForeignKey("calibration.id"))  # whose scale the watch reads
    through: Mapped[int]  # id of the last grade of the steady time
    numbers: Mapped[Json]  # the calibration's numbers of the rater: others begin another steady time
    body: Mapped[Json]  # {"answers", "shift", "limit", "found": {severity, log discrimination and their errors}}
    calibration: Mapped[Calibration] = relationship()


class WatchStep(Record):
    """One later answer of a watched rater: how high the chart stands after it, to either side."""

    __tablename__ = "watch_step"
    __table_args__ = (UniqueConstraint("steady_id", "answer_id"),)

    steady_id: Mapped[int] = mapped_column(ForeignKey("steady.id"))
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    grade_id: Mapped[int] = mapped_column(ForeignKey("grade.id"))  # the last that has been looked at
    stricter: Mapped[float]
    milder: Mapped[float]
    answer: Mapped[Answer] = relationship()


class RaterChange(Record):
    """A rater is no longer who it was: from this moment on its verdicts are kept under another name."""

    __tablename__ = "rater_change"

    rater: Mapped[str] = mapped_column(index=True)  # its name until then
    by: Mapped[str]  # "watch", or who said so
    reason: Mapped[str]
    body: Mapped[Json]  # of the watch: {"direction", "answers": it took, "of": steady ones, "since": first of the run}
    rulings: Mapped[list[RaterRuling]] = relationship(back_populates="change", order_by="RaterRuling.id")


class RaterRuling(Record):
    """A person says whether a change was one. The latest holds; without any, the change stands."""

    __tablename__ = "rater_ruling"

    change_id: Mapped[int] = mapped_column(ForeignKey("rater_change.id"), index=True)
    stands: Mapped[bool]
    by: Mapped[str]
    reason: Mapped[str]
    change: Mapped[RaterChange] = relationship(back_populates="rulings")


class PanelAccount(Record):
    """What was measured of all models that grade, at one moment; pages show the latest."""

    __tablename__ = "panel_account"

    calibration_id: Mapped[int] = mapped_column(ForeignKey("calibration.id"))
    simulated: Mapped[bool]  # of simulated people's answers
    body: Mapped[Json]  # {"raters": [as `assay panel --json` tells them], "verdicts": then}
