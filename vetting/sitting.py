"""One way through one adaptive test: invite, begin, ask, answer, pause, finish.

The state of a sitting is never stored: `look` derives it from the facts each time, so a process may die
between any two steps and the next one resumes at the same question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from irt.belief import Posterior, solve
from irt.model import Floats
from irt.selection import Aim, Pool, Scan, eligible, falls, hinge, scan
from irt.timing import Pace, expected_minutes, pace
from item_bank.load import Bank
from item_bank.schema import Item, Response
from vetting import evidence
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
from vetting.scale import Scale

CONSENT = "2026-11"  # version of the consent text, kept with each sitting
EXPOSURE = 0.35  # no item is shown to a larger share of the people it could be shown to
WINDOW = 500  # latest sittings over which that share is counted
ROOM = 2.0  # minutes of open questions that a sitting must have to choose from, as a multiple of its budget
RUNNERS_UP = 3
FEW_MINUTES = 5.0  # of a further sitting, for each skill it looks at
SHARPER = 0.25  # its target standard error
DECIDED = 0.02  # P(meets the bars) below this, or above 1 less this, is as good as known
DECIDED_FROM = 8  # questions, and a third of the minutes: nobody is judged on a handful
LONGEST_ABSENCE = 10.0  # times the expected minutes: beyond, the person was away, not thinking
OVERRUN = 1.5  # a question may be expected to run over the budget by half its own minutes

GradeAnswer = Callable[[Item, Response], int]


class ClosedError(LookupError):
    """The invitation or sitting cannot be used; the message says why and what to do."""


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
            "This invitation has been used. Maybe you began before: open the personal link you were given then."
        )


def begin(
    db: Session, invitation: Invitation, *, name: str, extra_time: float, demand: Json, now: datetime,
    rng: np.random.Generator, simulated: bool = False,
) -> Sitting:  # fmt: skip
    """A sitting for one more person; what it aims at and which items are open to it are settled here."""
    check_open(invitation, now)
    calibration = scales.latest(db)
    scale = scales.of(calibration)
    aim = aim_of(RoleForm.model_validate(invitation.role.body), demand, scale, invitation.focus)
    sitting = Sitting(
        at=now, invitation=invitation,
        applicant=invitation.applicant or Applicant(at=now, name=name.strip(), simulated=simulated),
        calibration=calibration, seat=len(invitation.sittings) + 1, consent=CONSENT, extra_time=extra_time,
        aim=aim, closed_items=closed(db, scale, aim, rng),
    )  # fmt: skip
    db.add(sitting)
    db.flush()
    return sitting


def aim_of(form: RoleForm, demand: Json, scale: Scale, focus: Sequence[str] = ()) -> Json:
    """What a sitting is for: the role's weights, moved by its stated share towards what plans are short of.

    demand is {skill: share of what is short}, shares adding up to 1, or empty. A skill in demand is also
    wanted more precisely: its target falls from the role's to no less than 0.3. With a focus the sitting is
    a short one about those skills alone.
    """
    if focus:
        few = {skill: 1 / len(focus) for skill in focus if skill in scale.skills.position}
        return {
            "target": dict.fromkeys(few, SHARPER),
            "weight": few,
            "bars": {},
            "minutes": FEW_MINUTES * len(few),
            "price": 0.0,
        }
    known = {skill: ask for skill, ask in form.skills.items() if skill in scale.skills.position}
    total = sum(ask.weight for ask in known.values()) or 1.0
    follow = form.follow_demand if demand else 0.0
    weight = {skill: (1 - follow) * ask.weight / total for skill, ask in known.items()}
    target = {skill: ask.target for skill, ask in known.items()}
    for skill, share in demand.items():
        if skill in scale.skills.position and share > 0:
            weight[skill] = weight.get(skill, 0.0) + follow * share
            target[skill] = max(0.3, target.get(skill, 0.45) - 0.15 * share)
    bars = {skill: ask.bar for skill, ask in known.items()} if form.stop_when_decided else {}
    return {"target": target, "weight": weight, "bars": bars, "minutes": form.minutes, "price": form.price}


def closed(db: Session, scale: Scale, aim: Json, rng: np.random.Generator) -> list[str]:
    """Items that are not open to the next sitting, so that none is shown to too many of those it could be shown to.

    Counted over the latest sittings that wanted one of the item's skills. Where that would leave a sitting too
    little to choose from, the items shown least are opened again: a small bank cannot keep its secrets.
    """
    recent = db.execute(select(Sitting.id, Sitting.aim).order_by(Sitting.id.desc()).limit(WINDOW)).all()
    kinds = Counter(frozenset(wished(said.aim)) for said in recent)
    could = np.zeros(len(scale.items.ids), dtype=np.int64)
    for skills, sittings in kinds.items():
        could += sittings * looks_at(scale, skills)
    since = min((said.id for said in recent), default=0)
    asked = db.execute(
        select(Question.item_id, func.count().label("times"))
        .where(Question.sitting_id >= since)
        .group_by(Question.item_id)
    )
    times = {row.item_id: row.times for row in asked}
    shown = np.array([times.get(key, 0) for key in scale.items.ids])
    is_open = eligible(shown, could, EXPOSURE, rng)
    mine = looks_at(scale, wished(aim))
    minutes = np.exp(scale.intensity)
    for row in np.argsort(shown / np.maximum(could, 1), kind="stable"):
        if minutes[is_open & mine].sum() >= ROOM * aim["minutes"]:
            break
        is_open[row] = True
    return [key for key, may in zip(scale.items.ids, is_open, strict=True) if not may]


def wished(aim: Json) -> list[str]:
    return [skill for skill, weight in aim["weight"].items() if weight > 0]


def looks_at(scale: Scale, skills: Iterable[str]) -> NDArray[np.bool_]:
    """Items that look straight at one of some skills, (I,)."""
    rows = scale.skills.rows(skill for skill in skills if skill in scale.skills.position)
    seen: NDArray[np.bool_] = np.any(np.isin(scale.parameters.skill, rows) & (scale.parameters.slope > 0), axis=1)
    return seen


# -- where a sitting stands ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class State:
    """Where a sitting stands, derived from its facts."""

    posterior: Posterior
    pace: Pace
    minutes: float  # spent on answered questions
    aim: Aim
    allowed: NDArray[np.bool_]  # (I,) items that may still be asked
    expected: Floats  # (I,) minutes each would take this person


def look(sitting: Sitting, scale: Scale, bank: Bank) -> State:
    earlier = [other for other in sitting.applicant.sittings if other.at <= sitting.at]
    papers = [paper for paper in sitting.applicant.certificates if paper.at <= sitting.at]
    posterior = solve(scale.population, evidence.gather(earlier, papers, scale, sitting.at))
    answered = [question for question in sitting.questions if question.answer is not None]
    rows = scale.items.rows(question.item_id for question in answered)
    minutes = np.array([question.answer.seconds / 60 for question in answered if question.answer])
    person = pace(np.log(np.maximum(minutes, 1e-3)), scale.intensity[rows])
    expected = expected_minutes(scale.intensity, person, spread=scale.sd_intensity)
    return State(
        posterior=posterior,
        pace=person,
        minutes=float(np.minimum(minutes, LONGEST_ABSENCE * np.exp(scale.intensity[rows])).sum()),
        aim=read_aim(sitting.aim, scale),
        allowed=allowed(sitting, scale, bank) & looks_at(scale, wished(sitting.aim)),
        expected=expected,
    )


def read_aim(aim: Json, scale: Scale) -> Aim:
    return Aim(scale.skills.values(aim["target"], 0.45), scale.skills.values(aim["weight"], 0.0))


def allowed(sitting: Sitting, scale: Scale, bank: Bank) -> NDArray[np.bool_]:
    """Items not asked of this person before, whose wording the scale knows, with no enemy or kin among those asked."""
    asked = {question.item_id for other in sitting.applicant.sittings for question in other.questions}
    barred = asked | set(sitting.closed_items)
    families = {bank.items[key].family for key in asked if key in bank.items} - {None}
    for key in asked & set(bank.items):
        barred |= set(bank.items[key].enemies)

    def may(row: int, key: str) -> bool:
        item = bank.items.get(key)
        return (
            item is not None
            and key not in barred
            and item.revision == scale.revision[row]
            and item.family not in families
            and asked.isdisjoint(item.enemies)
        )

    return np.array([may(row, key) for row, key in enumerate(scale.items.ids)])


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
    state = look(sitting, scale, bank)
    chances = scan(state.posterior.belief, Pool(scale.parameters, scale.blur, state.expected), state.aim, state.allowed)
    reason = why_stop(sitting, state, scale, chances)
    if reason is not None:
        return end(db, sitting, reason, now)
    best = int(chances.order[0])
    key = scale.items.ids[best]
    question = Question(
        at=now, sitting=sitting, number=len(sitting.questions) + 1, item_id=key,
        revision=int(scale.revision[best]), why=explain(state, scale, chances),
    )  # fmt: skip
    db.add(question)
    db.flush()
    return question


def why_stop(sitting: Sitting, state: State, scale: Scale, chances: Scan) -> str | None:
    """The reason to end here, or None to go on."""
    left = sitting.aim["minutes"] * sitting.extra_time - state.minutes
    if hinge(state.posterior.sd**2, state.aim) == 0:
        return "precise"
    if decided(sitting, state, scale):
        return "decided"
    if len(chances.order) == 0:
        return "no question left that would tell us more"
    best = int(chances.order[0])
    if state.expected[best] > OVERRUN * max(left, 0.0):
        return "minutes spent"
    return "not worth more minutes" if chances.rate[best] < sitting.aim["price"] else None


def decided(sitting: Sitting, state: State, scale: Scale) -> bool:
    """Whether the role's bars are as good as surely met, or missed, and the role asks for no more than that."""
    bars = {skill: bar for skill, bar in sitting.aim["bars"].items() if skill in scale.skills.position}
    early = len(sitting.questions) < DECIDED_FROM or state.minutes < sitting.aim["minutes"] / 3
    if not bars or early:
        return False
    met = state.posterior.belief.all_above(scale.skills.rows(bars), np.array(list(bars.values())))
    return not DECIDED < met < 1 - DECIDED


def explain(state: State, scale: Scale, chances: Scan) -> Json:
    """Why the best item was chosen: what it should tell, about which skills, and what came next."""
    best = int(chances.order[0])
    item = scale.parameters.rows(np.array([best]))
    shares = falls(state.posterior.belief.cov, item, chances.shrink[[best]], state.aim)[0]
    tells = {scale.skills.ids[d]: float(shares[d]) for d in np.argsort(-shares)[:4] if shares[d] > 1e-6}
    return {
        "gain": float(chances.gain[best]),
        "minutes": float(state.expected[best]),
        "information": float(chances.information[best]),
        "skills": tells,
        "runners_up": [
            {"item": scale.items.ids[row], "gain": float(chances.gain[row]), "minutes": float(state.expected[row])}
            for row in chances.order[1 : 1 + RUNNERS_UP]
        ],
    }


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
