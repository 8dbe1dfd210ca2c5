"""One way through one adaptive test: invite, begin, ask, answer, pause, finish.

The state of a sitting is never stored: `choice.look` derives it from the facts each time, so a process may die
between any two steps and the next one resumes at the same question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from item_bank.load import Bank
from item_bank.schema import Item, Response
from vetting import scale as scales
from vetting.messages import RoleForm
from vetting.records import (
    Answer,
    Applicant,
    Ending,
    Grade,
    Invitation,
    Json,
    Pause,
    Question,
    Role,
    Sitting,
)
from vetting.sittings import exposure
from vetting.sittings.aim import aim_of
from vetting.sittings.choice import State, choose

WISH = "ended by the applicant"
CONSENT = "2026-11-21.3"  # version of the consent text, kept with each sitting

GradeAnswer = Callable[[Item, Response], int]


class ClosedError(LookupError):
    """The invitation or sitting cannot be used; the message says why and what to do."""


class ForgottenError(ClosedError):
    """Nothing of a person's test is shown any more."""


# -- inviting and beginning ------------------------------------------------------------------------


def invite(
    db: Session, role: Role, *, now: datetime, uses: int = 1, days: float = 14, name: str = "",
    applicant: Applicant | None = None, focus: tuple[str, ...] = (),
) -> Invitation:  # fmt: skip
    """A link for `uses` people, open for some days; with `applicant`, a few more minutes of the same person."""
    if not 1 <= uses <= 10_000 or not 0 < days <= 366:
        raise ValueError(
            f"invite: {uses} uses for {days} days, but 1 to 10,000 uses and at most 366 days are possible."
        )
    invitation = Invitation(
        at=now, role=role, uses=uses, expires=now + timedelta(days=days), name=name.strip(), applicant=applicant,
        focus=list(focus),
    )  # fmt: skip
    db.add(invitation)
    db.flush()
    return invitation


def check_open(invitation: Invitation, now: datetime) -> None:
    if invitation.expires <= now:
        raise ClosedError(f"This invitation ended on {invitation.expires:%d %B %Y}. Maybe ask for a new one.")
    if invitation.applicant is not None and invitation.applicant.erasure is not None:
        raise ClosedError("This invitation is of somebody who asked to be forgotten. Maybe ask for a new one.")
    if len(invitation.sittings) >= invitation.uses:
        raise ClosedError(
            "This invitation has been used. Maybe you began before: go on in the browser where you did, or ask whoever "
            "sent it for a new one."
        )


def begin(
    db: Session, invitation: Invitation, *, name: str, extra_time: float, demand: Json, now: datetime,
    rng: np.random.Generator, simulated: bool = False, queues: Sequence[Json] = (), request_id: str | None = None,
) -> Sitting:  # fmt: skip
    """A sitting for one more person; what it aims at and which items are open to it are settled here."""
    check_open(invitation, now)
    calibration = scales.latest(db)
    scale = scales.of(calibration)
    aim = aim_of(RoleForm.model_validate(invitation.role.body), demand, scale, invitation.focus, queues)
    aim, shut = exposure.settle(db, scale, aim, rng)
    sitting = Sitting(
        at=now, invitation=invitation,
        applicant=invitation.applicant or Applicant(at=now, name=name.strip(), simulated=simulated),
        calibration=calibration, seat=len(invitation.sittings) + 1, consent=CONSENT, extra_time=extra_time,
        aim=aim, closed_items=shut, request_id=request_id,
    )  # fmt: skip
    db.add(sitting)
    db.flush()
    return sitting


def begun_by(invitation: Invitation, request_id: str | None) -> Sitting | None:
    """The sitting that this very form has begun."""
    return next((one for one in invitation.sittings if request_id is not None and one.request_id == request_id), None)


# -- asking ----------------------------------------------------------------------------------------


def open_question(sitting: Sitting) -> Question | None:
    last = sitting.questions[-1] if sitting.questions else None
    return last if last is not None and last.answer is None else None


def next_step(db: Session, sitting: Sitting, bank: Bank, now: datetime) -> Question | Ending:
    """The question to show now: the one that waits for an answer, else the best next one, else the end."""
    if sitting.ending is not None:
        return sitting.ending
    if (waiting := open_question(sitting)) is not None:
        return waiting
    scale = scales.of(sitting.calibration)
    chosen = choose(sitting, scale, bank)
    if isinstance(chosen, str):
        return end(db, sitting, chosen, now)
    question = Question(
        at=now, sitting=sitting, number=len(sitting.questions) + 1, item_id=chosen.item_id,
        revision=chosen.revision, why=chosen.why,
    )  # fmt: skip
    db.add(question)
    db.flush()
    return question


# -- answering -------------------------------------------------------------------------------------


def key_grade(item: Item, response: Response) -> int:
    """The level by the item's own key."""
    return item.score(response)


def answer(
    db: Session, sitting: Sitting, question: Question, response: Response | None, *,
    request_id: str, bank: Bank, now: datetime, grade: GradeAnswer = key_grade, rater: str = "key",
    seconds: float | None = None,
) -> Answer:  # fmt: skip
    """Keep an answer and grade it. The same request, or one for an answered question, changes nothing.

    `response` None skips: the question counts as not solved. A response that cannot be read raises
    UnreadableResponseError and nothing is kept, so the applicant can mend it.
    """
    if question.answer is not None:
        return question.answer
    if sitting.ending is not None:
        raise ClosedError("This test has ended, so no more answers can be taken. Your earlier answers are safe.")
    item = bank.items[question.item_id]
    level = 0 if response is None else grade(item, response)
    said = Answer(
        at=now, question=question, request_id=request_id, response=dict(response or {}),
        seconds=on_question(sitting, question, now) if seconds is None else seconds,
    )  # fmt: skip
    because = "skipped" if response is None else ""
    said.grades.append(Grade(at=now, rater=rater, level=level, because=because))
    db.add(said)
    db.flush()
    return said


def on_question(sitting: Sitting, question: Question, now: datetime) -> float:
    """Seconds between the question and now, without the pauses."""
    away, since = 0.0, None
    for pause in sitting.pauses:
        if pause.at < question.at:
            continue
        if pause.away and since is None:
            since = pause.at
        elif not pause.away and since is not None:
            away, since = away + (pause.at - since).total_seconds(), None
    if since is not None:
        away += (now - since).total_seconds()
    return max(0.0, (now - question.at).total_seconds() - away)


def paused(sitting: Sitting) -> bool:
    return bool(sitting.pauses) and sitting.pauses[-1].away


def pause(db: Session, sitting: Sitting, *, away: bool, now: datetime) -> None:
    """Step away or come back; doing either twice is doing it once."""
    if paused(sitting) != away and sitting.ending is None:
        db.add(Pause(at=now, sitting=sitting, away=away))
        db.flush()


def end(db: Session, sitting: Sitting, reason: str, now: datetime) -> Ending:
    """Close the sitting; an ended one stays as it ended."""
    if sitting.ending is None:
        db.add(Ending(at=now, sitting=sitting, reason=reason))
        db.flush()
    assert sitting.ending is not None  # noqa: S101 -- just made
    return sitting.ending


def minutes_left(sitting: Sitting, state: State) -> tuple[float, float]:
    """A fair range of the minutes still to come: how long it would take at the present pace of learning."""
    left = max(0.0, sitting.aim["minutes"] * sitting.extra_time - state.minutes)
    return (0.4 * left, left)
