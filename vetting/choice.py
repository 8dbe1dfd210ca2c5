"""Which question comes next, and when there is none: derived from a sitting's facts, and why.

The same facts give the same choice, to the bit; so a sitting on record can be replayed and its reasons checked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irt.belief import Posterior, solve
from irt.model import Floats
from irt.selection import Aim, Pool, Scan, falls, hinge, scan
from irt.timing import Pace, expected_minutes, pace
from item_bank.load import Bank
from vetting import evidence
from vetting.aim import looks_at, read_aim, wished
from vetting.records import Json, Sitting
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


# -- what next -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chosen:
    """The next item and why it is this one."""

    row: int
    why: Json


def choose(sitting: Sitting, scale: Scale, bank: Bank) -> Chosen | str:
    """The best next item, or in words why there is none."""
    state = look(sitting, scale, bank)
    chances = scan(state.posterior.belief, Pool(scale.parameters, scale.blur, state.expected), state.aim, state.allowed)
    reason = why_stop(sitting, state, scale, chances)
    return reason if reason is not None else Chosen(int(chances.order[0]), explain(state, scale, chances))


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
