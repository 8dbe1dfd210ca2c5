"""The watch over models whose verdicts count: a chart for each, one step an answer, brought up to date as grades come.

    steady      the verdicts from before the rater counted, at least 300 answers (its first 300, where fewer came
                before): severity, discrimination and the chart's limit are read from the last thousand of them
    step        each later answer moves the chart by what its verdicts say for "stricter" and for "milder", held
                against what everything but models said of it at that moment
    change      beyond the limit the rater is another from now on (rater_changes.py), and what it said since the chart
                left zero goes to people

A step costs one belief, whatever is on record. Simulated people's answers are not watched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from irt.newcomer import Newcomer
from irt.rater_watch import FEWEST_STEADY
from vetting import evidence, store
from vetting import scale as scales
from vetting.grades import rater_changes, rater_drift
from vetting.grades.desk import MODEL
from vetting.grades.rater_changes import Changes, name_since
from vetting.grades.rater_drift import Seen
from vetting.grades.rater_looks import looks_then, seen_in
from vetting.rater_records import RaterChange, Steady, WatchStep
from vetting.records import Answer, Applicant, Calibration, Grade, Json, Question, Referral, Sitting
from vetting.scale import Scale

MOST_STEADY = 1_000  # answers that what is steady is read from
TOLD = "Graded by {rater} while it was changing: it became {direction} about here."


def follow(engine: Engine, now: datetime) -> list[int]:
    """Look at all verdicts that came since the last look; numbers of the changes that were noticed."""
    with store.reading(engine) as db:
        known, changes = numbers(db), rater_changes.of(db)
        own = {name: steady_of(db, name, known) for name in watched(known, changes)}
        new = [begun(db, name, known, changes, now) for name, steady in own.items() if steady is None]
        due = [name for name, steady in own.items() if steady is not None and pending(db, steady, name, changes)]
    begins = [one for one in new if one is not None]
    if not begins and not due:
        return []
    with store.writing(engine) as db:
        db.add_all(begins)
        db.flush()
        found = [step_on(db, name, now) for name in [*due, *(one.rater for one in begins)]]
        return [one.id for one in found if one is not None]


def numbers(db: Session) -> dict[str, Json]:
    """The raters that the newest calibration knows."""
    row = db.scalars(select(Calibration.body["raters"]).order_by(Calibration.id.desc()).limit(1)).first()
    return dict(row or {})


def watched(known: dict[str, Json], changes: Changes) -> list[str]:
    """Models whose verdicts count, each under one name."""
    same = changes.read_as
    return sorted(
        name for name in known if name.startswith(MODEL) and name not in same and changes.ended(name) is None
    )  # fmt: skip


def steady_of(db: Session, rater: str, known: dict[str, Json], *, lock: bool = False) -> Steady | None:
    """Its steady time, unless the newest calibration reads it otherwise since; locked, no other process moves on."""
    newest = select(Steady).where(Steady.rater == rater).order_by(Steady.id.desc()).limit(1)
    row = db.scalars(newest.with_for_update() if lock else newest).first()
    return row if row is not None and row.numbers == known.get(rater) else None


# -- what is steady --------------------------------------------------------------------------------


def begun(db: Session, rater: str, known: dict[str, Json], changes: Changes, now: datetime) -> Steady | None:
    """The steady time of a rater that has none yet; None where too few answers are there."""
    graded = by_answer(db, changes.names(rater))
    if len(graded) < FEWEST_STEADY:
        return None
    since = rater_drift.known_since(db, [rater])[rater]
    before = list(takewhile(lambda one: one[2] <= since, graded))
    first = (before if len(before) >= FEWEST_STEADY else graded[:FEWEST_STEADY])[-MOST_STEADY:]
    calibration = scales.latest(db)
    seen = seen_at(db, [answer for answer, _, _ in first], changes.names(rater), scales.of(calibration))
    if seen is None or (told := rater_drift.steadiness(seen)) is None:
        return None
    body = {"answers": told.answers, "shift": told.shift, "limit": told.limit, "found": told.found._asdict()}
    through = max(grade for _, grade, _ in first)
    return Steady(
        at=now, rater=rater, calibration_id=calibration.id, through=through, numbers=known[rater], body=body
    )  # fmt: skip


def by_answer(db: Session, names: Iterable[str], past: int = 0) -> list[tuple[int, int, datetime]]:
    """(answer, last grade, its moment) of a rater's later verdicts on real people's answers, in the order they came."""
    found = select(Grade.answer_id, func.max(Grade.id), func.max(Grade.at))
    joined = found.join(Answer, Grade.answer_id == Answer.id).join(Question).join(Sitting).join(Applicant)
    mine = joined.where(~Applicant.simulated, Grade.rater.in_(list(names)), Grade.id > past)
    return [
        (answer, grade, at)
        for answer, grade, at in db.execute(mine.group_by(Grade.answer_id).order_by(func.min(Grade.id)))
    ]


def seen_at(db: Session, answers: list[int], names: list[str], scale: Scale) -> Seen | None:
    """A rater's verdicts on these answers, each with what everything but models said of it at that moment."""
    asked = select(Answer).where(Answer.id.in_(answers)).join(Question).join(Sitting)
    people = select(Applicant).where(Applicant.id.in_(asked.with_only_columns(Sitting.applicant_id)))
    db.scalars(people.options(*evidence.WHOLE)).all()
    place = {answer: n for n, answer in enumerate(answers)}
    found = sorted(db.scalars(asked), key=lambda answer: place[answer.id])
    looks = [look for answer in found for look in looks_then(answer, names, scale)]
    return seen_in(looks) if looks else None


# -- one answer more -------------------------------------------------------------------------------


def last_step(db: Session, steady: Steady) -> WatchStep | None:
    return db.scalars(
        select(WatchStep).where(WatchStep.steady_id == steady.id).order_by(WatchStep.id.desc()).limit(1)
    ).first()  # fmt: skip


def pending(db: Session, steady: Steady, rater: str, changes: Changes) -> list[tuple[int, int, datetime]]:
    """What the chart has not seen yet."""
    last = last_step(db, steady)
    return by_answer(db, changes.names(rater), last.grade_id if last else steady.through)


def step_on(db: Session, rater: str, now: datetime) -> RaterChange | None:
    """Move a rater's chart by every answer it has not seen; beyond the limit the rater changed."""
    known, changes = numbers(db), rater_changes.of(db)
    steady = steady_of(db, rater, known, lock=True)
    if steady is None or changes.ended(rater) is not None:
        return None
    names, scale = changes.names(rater), scales.of(steady.calibration)
    height = heights(steady, last_step(db, steady))
    for answer, grade, _ in pending(db, steady, rater, changes):
        looks = looks_then(db.get_one(Answer, answer), names, scale)
        if not looks:
            continue
        up, down = rater_drift.sums(Newcomer(**steady.body["found"]), seen_in(looks), steady.body["shift"])
        height = max(0.0, height[0] + float(up[0])), max(0.0, height[1] + float(down[0]))
        step = WatchStep(at=now, answer_id=answer, grade_id=grade, stricter=height[0], milder=height[1])
        step.steady_id = steady.id
        db.add(step)
        if max(height) > steady.body["limit"]:
            db.flush()
            return changed(db, steady, names, changes, now)
    return None


def heights(steady: Steady, last: WatchStep | None) -> tuple[float, float]:
    """Where the chart stands; after an alarm it begins anew."""
    if last is None or max(last.stricter, last.milder) > steady.body["limit"]:
        return 0.0, 0.0
    return last.stricter, last.milder


def changed(db: Session, steady: Steady, names: list[str], changes: Changes, now: datetime) -> RaterChange:
    """Keep the change, and send to people what the rater said since its chart left zero."""
    steps = since_last_alarm(db, steady)
    end = steps[-1]
    side = "stricter" if end.stricter >= end.milder else "milder"
    calm = [n for n, step in enumerate(steps) if getattr(step, side) == 0.0]
    run = steps[calm[-1] + 1 if calm else 0 :]
    found = {
        "direction": side, "answers": len(steps), "run": len(run), "of": steady.body["answers"], "steady": steady.id,
        "since": run[0].answer_id,
    }  # fmt: skip
    words = f"It became {side}: noticed after {len(steps)} answers, against {found['of']} steady ones before."
    change = rater_changes.note(db, changes.called(names[-1]), words, now, found=found)
    send_to_people(db, change, names, run[0].answer_id, side, now)
    return change


def since_last_alarm(db: Session, steady: Steady) -> list[WatchStep]:
    """The steps of the chart as it runs now, the last one included."""
    steps = list(db.scalars(select(WatchStep).where(WatchStep.steady_id == steady.id).order_by(WatchStep.id)))
    limit = steady.body["limit"]
    alarms = [n for n, step in enumerate(steps[:-1]) if max(step.stricter, step.milder) > limit]
    return steps[alarms[-1] + 1 if alarms else 0 :]


def send_to_people(db: Session, change: RaterChange, names: list[str], since: int, side: str, now: datetime) -> None:
    first = select(func.min(Grade.id)).where(Grade.answer_id == since, Grade.rater.in_(names)).scalar_subquery()
    why = TOLD.format(rater=change.rater, direction=side)
    db.add_all(
        Referral(at=now, answer_id=one.answer_id, criterion=one.criterion, rater=name_since(change), why=why)
        for one in db.scalars(select(Grade).where(Grade.rater.in_(names), Grade.id >= first).order_by(Grade.id))
    )


# -- what it has found -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """What the watch over a rater has found."""

    steady: int  # answers that tell what is steady; below FEWEST_STEADY the rater is not watched yet
    since: int = 0  # answers watched
    height: float = 0.0  # of the chart, as a share of its limit
    alarm: int | None = None  # how many of them it took; None: no change stands
    direction: str | None = None  # "stricter", "milder"; None also where a person told of the change

    def __str__(self) -> str:
        """In words."""
        if self.alarm is not None:
            return (
                f"became {self.direction} since it counts: noticed after {self.alarm} answers. What it said since then "
                "stands in the shadow. Maybe the model behind the name changed: let people grade too, then publish "
                "anew (`assay panel --publish`)."
            )
        if self.steady < FEWEST_STEADY:
            return f"not watched yet: {self.steady} of the {FEWEST_STEADY} answers that tell what is steady are there."
        return f"steady over {self.since} answers since it counts."


def state(db: Session, rater: str, known: dict[str, Json], changes: Changes) -> Watch | None:
    """Of a rater whose verdicts count, or did until it changed; None of others."""
    if rater not in known:
        return None
    end = changes.ended(rater)
    if end is not None and end.body:
        return Watch(end.body["of"], end.body["answers"], 1.0, end.body["answers"], end.body["direction"])
    steady = steady_of(db, rater, known)
    if steady is None:
        return Watch(min(len(by_answer(db, changes.names(rater))), FEWEST_STEADY - 1))
    last = last_step(db, steady)
    height = max(heights(steady, last)) / steady.body["limit"]
    seen = db.scalar(select(func.count(WatchStep.id)).where(WatchStep.steady_id == steady.id)) or 0
    return Watch(steady.body["answers"], seen, height)
