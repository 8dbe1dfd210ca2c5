"""Which question comes next, and when there is none: derived from a sitting's facts, and why.

The same facts give the same choice, to the bit; so a sitting on record can be replayed and its reasons checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from irt.belief import Posterior, solve
from irt.model import Floats
from irt.selection import Aim, Pool, Scan, falls, hinge, scan
from irt.timing import Pace, expected_minutes, pace
from irt.verdict import Knowledge
from item_bank.load import Bank
from vetting import content, evidence
from vetting.aim import looks_at, read_aim, read_content, wished
from vetting.content import Mask
from vetting.records import Json, Question, Sitting
from vetting.scale import Scale

RUNNERS_UP = 3
DECIDED = 0.02  # P(meets the bars) below this, or above 1 less this, is as good as known
DECIDED_FROM = 8  # questions, and a third of the minutes: nobody is judged on a handful
LONGEST_ABSENCE = 10.0  # times the expected minutes: beyond, the person was away, not thinking
OVERRUN = 1.5  # a question may be expected to run over the budget by half its own minutes

# -- where a sitting stands ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class State:
    """Where a sitting stands, derived from its facts."""

    posterior: Posterior
    pace: Pace
    answered: int  # questions of this sitting
    minutes: float  # spent on answered questions
    left: float  # of the minutes it may take
    aim: Aim
    allowed: Mask  # (I,) items that may be asked next
    owed: Mask  # (I,) items of a domain of which the role wants more questions
    expected: Floats  # (I,) minutes each would take this person

    def pool(self, scale: Scale) -> Pool:
        return Pool(scale.parameters, scale.blur, self.expected)


def look(sitting: Sitting, scale: Scale, bank: Bank, before: Question | None = None) -> State:
    """Where a sitting stands now, or stood when one of its questions was about to be chosen."""
    until = before.at if before is not None else None
    earlier = [other for other in sitting.applicant.sittings if other.at <= sitting.at]
    papers = [paper for paper in sitting.applicant.certificates if paper.at <= sitting.at]
    posterior = solve(scale.population, evidence.gather(earlier, papers, scale, sitting.at, until))
    answers = [one.answer for one in asked_of([sitting], before) if one.answer is not None]
    rows = scale.items.rows(answer.question.item_id for answer in answers)
    taken = np.array([answer.seconds / 60 for answer in answers])
    person = pace(np.log(np.maximum(taken, 1e-3)), scale.intensity[rows])
    expected = expected_minutes(scale.intensity, person, spread=scale.sd_intensity)
    minutes = float(np.minimum(taken, LONGEST_ABSENCE * np.exp(scale.intensity[rows])).sum())
    left = max(0.0, sitting.aim["minutes"] * sitting.extra_time - minutes)
    open_items = allowed(sitting, scale, bank, before) & looks_at(scale, wished(sitting.aim))
    suits = content.fit(read_content(sitting.aim), scale, bank, rows, open_items, expected, left)
    return State(
        posterior, person, len(rows), minutes, left, read_aim(sitting.aim, scale), suits.may, suits.owed, expected
    )  # fmt: skip


def asked_of(sittings: Iterable[Sitting], before: Question | None = None) -> list[Question]:
    """What was asked in some sittings, all of it or before a question."""
    return [one for sitting in sittings for one in sitting.questions if before is None or one.id < before.id]


def allowed(sitting: Sitting, scale: Scale, bank: Bank, before: Question | None = None) -> Mask:
    """Open items not asked of this person before, whose wording the scale knows, with no enemy or kin among those."""
    asked = {one.item_id for one in asked_of(sitting.applicant.sittings, before)}
    free = content.unspoilt(asked, bank)
    shut = asked | set(sitting.closed_items)

    def may(row: int, key: str) -> bool:
        item = bank.items.get(key)
        return item is not None and item.revision == scale.revision[row] and free[key] and key not in shut

    return np.array([may(row, key) for row, key in enumerate(scale.items.ids)])


# -- what next -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chosen:
    """The next item and why it is this one."""

    row: int
    why: Json


def choose(sitting: Sitting, scale: Scale, bank: Bank, before: Question | None = None) -> Chosen | str:
    """The best next item, or in words why there is none."""
    state = look(sitting, scale, bank, before)
    chances = scan(state.posterior.belief, state.pool(scale), state.aim, state.allowed)
    reason = enough(sitting, state, scale, chances)
    owed = reason is not None and state.owed.any()
    if owed:  # all is known that was asked for, but the content is not complete
        chances = scan(state.posterior.belief, state.pool(scale), Knowledge(), state.owed)
    if len(chances.order) and (reason is None or owed):
        best = int(chances.order[0])
        if state.expected[best] > OVERRUN * state.left:
            return "minutes spent"
        return Chosen(best, explain(state, scale, chances))
    return reason or "no question left that would tell us more"


def replay(sitting: Sitting, scale: Scale, bank: Bank) -> Iterator[tuple[Question, Chosen | str]]:
    """Every question on record with what the same facts lead to today: the same to the bit, if nothing was touched."""
    for question in sitting.questions:
        yield question, choose(sitting, scale, bank, question)


def enough(sitting: Sitting, state: State, scale: Scale, chances: Scan) -> str | None:
    """The reason why no more need be known, or None."""
    if hinge(state.posterior.sd**2, state.aim) == 0:
        return "precise"
    if decided(sitting, state, scale):
        return "decided"
    if len(chances.order) == 0:
        return "no question left that would tell us more"
    return "not worth more minutes" if chances.rate[chances.order[0]] < sitting.aim["price"] else None


def decided(sitting: Sitting, state: State, scale: Scale) -> bool:
    """Whether the role's bars are as good as surely met, or missed, and the role asks for no more than that."""
    bars = {skill: bar for skill, bar in sitting.aim["bars"].items() if skill in scale.skills.position}
    early = state.answered < DECIDED_FROM or state.minutes < sitting.aim["minutes"] / 3
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
