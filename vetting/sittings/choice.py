"""Which question comes next, and when there is none: derived from a sitting's facts, and why.

The same facts give the same choice, to the bit; so a sitting on record can be replayed and its reasons checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from irt.belief import Belief, Posterior, solve
from irt.model import Floats
from irt.selection import Aim, Objective, Pool, Scan, falls, hinge, priced, scan
from irt.stopping import undecided
from irt.timing import Pace, expected_minutes, pace
from irt.verdict import Bars, Both, Knowledge, Verdicts, verdicts
from item_bank.load import Bank
from vetting import evidence
from vetting.records import Json, Question, Sitting
from vetting.scale import Scale
from vetting.sittings import content, probing, resume
from vetting.sittings.aim import SETTLING, decisions, looks_at, read_aim, read_content, wished
from vetting.sittings.content import Mask
from vetting.sittings.exposure import read_tolls
from vetting.sittings.probing import Offer, Room

RUNNERS_UP = 3
MEASURE, CONTENT = "measurement", "content"  # what a question is for
DECIDED = 0.02  # P(meets the bars) below this, or above 1 less this, is as good as known
DECIDED_FROM = 8  # questions, and a third of the minutes: nobody is judged on a handful
LONGEST_ABSENCE = 10.0  # times the expected minutes: beyond, the person was away, not thinking
OVERRUN = 1.5  # a question may be expected to run over the budget by half its own minutes

# -- where a sitting stands ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class State:
    """Where a sitting stands, derived from its facts."""

    posterior: Posterior
    belief: Belief  # to choose by: as narrow as ungraded interviews will make it, around what is claimed
    pace: Pace
    answered: int  # questions of this sitting
    minutes: float  # spent on answered questions
    left: float  # of the minutes it may take
    aim: Aim
    allowed: Mask  # (I,) items that may be asked next
    owed: Mask  # (I,) items of a domain of which the role wants more questions
    expected: Floats  # (I,) minutes each would take this person
    cost: Floats  # (I,) the same with the tolls that keep exposure within its limits
    room: Room  # for interviews
    asked: list[Question]  # of this person

    def pool(self, scale: Scale) -> Pool:
        return Pool(scale.parameters, scale.blur, self.cost)


def look(sitting: Sitting, scale: Scale, bank: Bank, before: Question | None = None) -> State:
    """Where a sitting stands now, or stood when one of its questions was about to be chosen."""
    until = before.at if before is not None else None
    earlier = [other for other in sitting.applicant.sittings if other.at <= sitting.at]
    papers = [paper for paper in sitting.applicant.certificates if paper.at <= sitting.at]
    claims = evidence.claims_of(sitting.applicant, until or (sitting.ending.at if sitting.ending else None))
    posterior = solve(scale.population, evidence.gather(earlier, papers, claims, scale, sitting.at, until))
    mine, asked = asked_of([sitting], before), asked_of(sitting.applicant.sittings, before)
    known = scale.items.position
    answers = [one.answer for one in mine if one.answer is not None and one.item_id in known]
    rows = scale.items.rows(answer.question.item_id for answer in answers)
    taken = np.array([answer.seconds / 60 for answer in answers])
    person = pace(np.log(np.maximum(taken, 1e-3)), scale.intensity[rows])
    expected = expected_minutes(scale.intensity, person, spread=scale.sd_intensity)
    minutes = float(np.minimum(taken, LONGEST_ABSENCE * np.exp(scale.intensity[rows])).sum())
    minutes += probing.spent(mine, scale)
    left = max(0.0, sitting.aim["minutes"] * sitting.extra_time - minutes)
    open_items = allowed(sitting, scale, bank, before) & looks_at(scale, wished(sitting.aim))
    suits = content.fit(read_content(sitting.aim), scale, bank, rows, open_items, expected, left)
    foreseen = probing.expected_belief(posterior.belief, asked_of(earlier, before), scale, until)
    return State(
        posterior, resume.aimed(foreseen, claims, scale), person,
        len(rows) + len(probing.finished(mine, scale)), minutes, left, read_aim(sitting.aim, scale), suits.may,
        suits.owed, expected, priced(expected, read_tolls(sitting.aim, scale)),
        probing.room(sitting, mine, minutes, scale), asked,
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

    return np.array([may(row, key) for row, key in enumerate(scale.items.ids)], dtype=bool)


# -- what next -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chosen:
    """The next item or probe and why it is this one."""

    item_id: str
    revision: int
    why: Json


@dataclass(frozen=True, eq=False)
class Options:
    """Items and probes that could come next, the best of each kind first."""

    chances: Scan
    offers: list[Offer]
    purpose: str = MEASURE

    def rates(self) -> list[float]:
        """Value of a minute of the best of each kind."""
        return [float(self.chances.rate[row]) for row in self.chances.order[:1]] + [one.rate for one in self.offers[:1]]


def choose(sitting: Sitting, scale: Scale, bank: Bank, before: Question | None = None) -> Chosen | str:
    """The best next item or probe, or in words why there is none."""
    state = look(sitting, scale, bank, before)
    found = options(sitting, state, scale, bank)
    reason = enough(sitting, state, scale, found)
    owed = reason is not None and state.owed.any()
    if owed:  # all is known that was asked for, but the content is not complete
        found = Options(scan(state.belief, state.pool(scale), Knowledge(), state.owed), [], CONTENT)
    ranked = runners_up(state, scale, found)
    if ranked and (reason is None or owed):
        if ranked[0]["minutes"] > OVERRUN * state.left:
            return "minutes spent"
        return chosen(ranked, state, scale, found)
    return reason or "no question left that would tell us more"


def options(sitting: Sitting, state: State, scale: Scale, bank: Bank) -> Options:
    """What could come next. All compete by value per minute; but minutes given to interviews are kept for them."""
    settle = to_settle(sitting, state, scale)
    offers = probing.offers(
        sitting, state.asked, state.belief, state.aim, settle, state.pace, scale, bank, most=state.room.left
    )
    nothing = np.zeros_like(state.allowed)
    may = nothing if offers and state.room.kept else state.allowed
    wanted: Objective = Both(state.aim, settle, SETTLING) if settle else state.aim
    return Options(scan(state.belief, state.pool(scale), wanted, may), offers)


def to_settle(sitting: Sitting, state: State, scale: Scale) -> Verdicts | None:
    """The decisions that questions should settle, each bar as much as its decision hangs on it."""
    bars = decisions(sitting.aim, scale)
    return verdicts(bars, state.belief) if bars else None


def replay(sitting: Sitting, scale: Scale, bank: Bank) -> Iterator[tuple[Question, Chosen | str]]:
    """Every question on record with what the same facts lead to today: the same to the bit, if nothing was touched."""
    for question in sitting.questions:
        yield question, choose(sitting, scale, bank, question)


def enough(sitting: Sitting, state: State, scale: Scale, found: Options) -> str | None:
    """The reason why no more need be known, or None."""
    if hinge(np.diag(state.belief.cov), state.aim) == 0:
        return "precise"
    if settled := decided(sitting, state, scale, found):
        return settled
    rates = found.rates()
    if not rates:
        return "no question left that would tell us more"
    price = 0.0 if state.room.kept and found.offers else sitting.aim["price"]
    return "not worth more minutes" if max(rates) < price else None


def decided(sitting: Sitting, state: State, scale: Scale, found: Options) -> str | None:
    """Why the role's bars need no more questions: as good as surely met or missed, or not worth the minutes."""
    if not sitting.aim["bars"] or not (bars := decisions(sitting.aim, scale)):
        return None
    if state.answered < DECIDED_FROM or state.minutes < sitting.aim["minutes"] / 3:
        return None
    if not DECIDED < state.posterior.belief.all_above(bars[0].skill, bars[0].bar) < 1 - DECIDED:
        return "decided"
    price = sitting.aim.get("decision_price", 0.0)
    if not price or state.room.kept or not len(found.chances.order):
        return None
    return "decided as far as minutes are worth it" if worth_of_bars(bars[0], state, scale, found, price) <= 0 else None


def worth_of_bars(role: Bars, state: State, scale: Scale, found: Options, price: float) -> float:
    """What asking on is worth for the role's bars, at the pace of the best item and with a price of a minute."""
    best, belief = int(found.chances.order[0]), state.belief
    reach = (belief.cov[:, scale.parameters.skill[best]] * scale.parameters.slope[best]).sum(1)[role.skill]
    return undecided(
        belief.mean[role.skill] - role.bar, belief.sd[role.skill] ** 2, found.chances.shrink[best] * reach**2,
        role.open_to(belief), float(state.expected[best]), price,
    )  # fmt: skip


def chosen(ranked: list[Json], state: State, scale: Scale, found: Options) -> Chosen:
    """The first of the ranked, with what it should tell, about which skills, and what came next."""
    key, probes = ranked[0]["item"], scale.probes
    if key in probes.ids.position:
        revision, information = int(probes.revision[probes.ids.position[key]]), 0.0
        tells, settles = probing.tells(found.offers[0], state.belief, state.aim, scale), found.offers[0].settles
    else:
        row = scale.items.position[key]
        revision, information = int(scale.revision[row]), float(found.chances.information[row])
        item, shrink = scale.parameters.rows(np.array([row])), found.chances.shrink[[row]]
        shares = falls(state.belief.cov, item, shrink, state.aim)[0]
        tells = {scale.skills.ids[d]: float(shares[d]) for d in np.argsort(-shares)[:4] if shares[d] > 1e-6}
        settles = ranked[0]["gain"] - float(shares.sum()) if found.purpose == MEASURE else 0.0
    why = {
        **{field: ranked[0][field] for field in ("gain", "minutes", "cost")}, "information": information,
        "skills": tells, "for": found.purpose, "settles": settles, "runners_up": ranked[1 : 1 + RUNNERS_UP],
    }  # fmt: skip
    return Chosen(key, revision, why)


def runners_up(state: State, scale: Scale, found: Options) -> list[Json]:
    """Items and probes together, best value per minute and toll first."""
    ids, gain, minutes = scale.items.ids, found.chances.gain, state.expected
    ranked: list[Json] = [
        {"item": ids[row], "gain": float(gain[row]), "minutes": float(minutes[row]), "cost": float(state.cost[row])}
        for row in found.chances.order[: 1 + RUNNERS_UP]
    ]
    ranked += [
        {"item": one.probe.id, "gain": one.gain, "minutes": one.minutes, "cost": one.cost}
        for one in found.offers[: 1 + RUNNERS_UP]
    ]
    return sorted(ranked, key=lambda one: -one["gain"] / one["cost"])
