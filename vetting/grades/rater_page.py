"""All raters of interviews as they stand: who counts, how each is read, what the watch says, what models cost.

Counts, standing and watch are from the facts as they are; what takes a pass over everybody's answers (severity of those
in the shadow, agreement with people) is the latest account on record (rater_readings.keep), with its moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vetting import panel
from vetting.grades import rater_changes, rater_looks, watching
from vetting.grades.desk import MODEL
from vetting.grades.rater_changes import Changes, name_since, stands
from vetting.grades.rater_readings import latest_account
from vetting.grades.watching import Watch
from vetting.models import calls
from vetting.models.calls import Bill
from vetting.panel import Reading
from vetting.rater_records import PanelAccount, RaterChange
from vetting.records import Answer, Applicant, Grade, Json, ModelCall, Question, Sitting

COUNTS, SHADOW, CHANGED, PEOPLE = "counts", "shadow", "changed", "people"


@dataclass(frozen=True)
class Told:
    """One rater."""

    name: str
    standing: str  # COUNTS, SHADOW, CHANGED or PEOPLE
    verdicts: int
    answers: int
    last: datetime
    reading: Reading | None  # how its verdicts are read; None: they are not
    measured: Json | None  # the latest account's row of it
    watch: Watch | None
    bill: Bill | None  # of a model with a prompt; None of others
    change: RaterChange | None  # after which its verdicts are kept under this name


@dataclass(frozen=True)
class Raters:
    """Everybody who graded, and since when figures are as they are."""

    rows: list[Told]
    changes: list[RaterChange]  # the latest first
    account: PanelAccount | None
    simulated: bool  # nobody real was graded yet: figures are of simulated people's answers


def raters(db: Session) -> Raters:
    """Everybody who graded an interview: models first, those that count before the others."""
    tally = counts(db, simulated=False)
    simulated = not tally
    tally = tally or counts(db, simulated=True)
    changes, known, account = rater_changes.of(db), watching.numbers(db), latest_account(db, simulated=simulated)
    measured = {row["rater"]: row for row in account.body["raters"]} if account else {}
    bills, readings = bills_of(db), panel.readings({"raters": known})
    same = changes.read_as
    rows = [
        Told(
            name, standing(name, readings, changes), verdicts, answers, last, panel.reading(name, readings),
            measured.get(same.get(name, name)), None if simulated else watching.state(db, name, known, changes),
            bills.get(name), began(name, changes),
        )
        for name, (verdicts, answers, last) in tally.items()
        if not name.startswith("key")
    ]  # fmt: skip
    order = (COUNTS, CHANGED, SHADOW, PEOPLE)
    rows.sort(key=lambda row: (order.index(row.standing), not row.name.startswith(MODEL), row.name))
    return Raters(rows, list(reversed(changes.rows)), account, simulated)


def counts(db: Session, *, simulated: bool) -> dict[str, tuple[int, int, datetime]]:
    """{rater: (verdicts, answers, the last one's moment)} on interviews."""
    found = select(Grade.rater, func.count(Grade.id), func.count(Grade.answer_id.distinct()), func.max(Grade.at))
    joined = found.join(Answer, Grade.answer_id == Answer.id).join(Question).join(Sitting).join(Applicant)
    mine = joined.where(Grade.criterion != "", Applicant.simulated == simulated).group_by(Grade.rater)
    return {rater: (verdicts, answers, last) for rater, verdicts, answers, last in db.execute(mine)}


def standing(name: str, known: dict[str, Reading], changes: Changes) -> str:
    if not name.startswith(MODEL):
        return PEOPLE if name.startswith(rater_looks.PEOPLE) else COUNTS
    if changes.called(name) != name and changes.ended(changes.read_as.get(name, name)) is not None:
        return CHANGED
    return COUNTS if name in known else SHADOW


def began(name: str, changes: Changes) -> RaterChange | None:
    return next((one for one in changes.rows if name_since(one) == name), None)


def bills_of(db: Session) -> dict[str, Bill]:
    """What gradings took, by model and prompt."""
    found = select(
        ModelCall.model, ModelCall.prompt_version, func.count(ModelCall.id),
        func.count(func.nullif(ModelCall.fault, "")), func.sum(ModelCall.seconds), func.sum(ModelCall.cost),
        func.count(ModelCall.cost), func.max(ModelCall.seconds),
    )  # fmt: skip
    rows = db.execute(found.where(ModelCall.purpose == calls.GRADE).group_by(ModelCall.model, ModelCall.prompt_version))
    return {
        f"{MODEL}{model}@{version}": Bill(n, faults, float(seconds), float(cost or 0.0), n - priced, float(longest))
        for model, version, n, faults, seconds, cost, priced, longest in rows
    }


def alarms(db: Session) -> list[RaterChange]:
    """Changes that stand and whose rater no calibration knows since: people grade in its place."""
    changes, known = rater_changes.of(db), watching.numbers(db)
    names = {changes.called(one.rater) for one in changes.standing}
    return [one for one in changes.rows if stands(one) and name_since(one) in names and name_since(one) not in known]
