"""What an interview would be worth beside the items: which probe, and which further question of a running one.

Nobody has graded an answer when the next question is chosen. So a probe is worth what its criteria may be expected to
tell of a typical grader (irt.conversation), and interviews that still wait for their grades are foreseen the same way:
the belief keeps its mean and is as narrow as they will probably make it, so that nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from irt.belief import Belief
from irt.conversation import PROPOSED, Criteria, foreseen, worth_of_asking
from irt.model import Floats, Ints
from irt.selection import Aim, hinge, priced
from irt.timing import Pace, expected_minutes
from irt.verdict import Verdicts, foretold
from item_bank.load import Bank
from item_bank.probe import FollowUp, Probe
from vetting import evidence
from vetting.panel import EXPECTED
from vetting.records import Pause, Question, Sitting
from vetting.scale import Scale
from vetting.sittings import content
from vetting.sittings.aim import SETTLING, wished
from vetting.sittings.exposure import read_probe_tolls

TELLING = 4  # skills named in the reasons for a probe


@dataclass(frozen=True, eq=False)
class Offer:
    """A probe that could be asked next."""

    probe: Probe
    gain: float
    minutes: float
    cost: float  # the minutes with the toll that keeps exposure within its limits
    least: float  # minutes of its opening and one more question
    settles: float = 0.0  # what of the gain is about decisions

    @property
    def rate(self) -> float:
        return self.gain / self.cost


@dataclass(frozen=True)
class Further:
    """A further question that could be asked next in a running interview."""

    follow_up: FollowUp
    gain: float
    minutes: float
    leads: float = 0.0  # gain of the best question that has to wait for this one
    proposed: bool = False  # by a model

    @property
    def rate(self) -> float:
        """Value of a minute: of this question alone, or with the one that it opens the way to."""
        return max(self.gain, (self.gain + self.leads) / 2) / self.minutes


def criteria_of(scale: Scale, rows: Ints) -> Criteria:
    """Criteria as whoever will grade them may be expected to read them."""
    return evidence.as_read(scale, rows, [EXPECTED] * len(rows))


def expected_belief(belief: Belief, asked: Iterable[Question], scale: Scale, until: datetime | None = None) -> Belief:
    """The belief with what finished interviews will tell once they are graded; of a moment, if one is named."""
    for question in finished(asked, scale):
        belief = so_far(question, belief, scale, until)
    return belief


def finished(asked: Iterable[Question], scale: Scale) -> list[Question]:
    """Finished interviews among some questions, in the wording that the scale knows."""
    place, revision = scale.probes.ids.position, scale.probes.revision
    return [
        one for one in asked
        if one.answer is not None and one.item_id in place and revision[place[one.item_id]] == one.revision
    ]  # fmt: skip


def so_far(question: Question, belief: Belief, scale: Scale, until: datetime | None = None) -> Belief:
    """The belief with what was said to one probe up to now, once it is graded."""
    rows = waiting(question, scale, until)
    return foreseen(belief, criteria_of(scale, rows).after(questions(question, scale, rows))) if len(rows) else belief


def waiting(question: Question, scale: Scale, until: datetime | None = None) -> Ints:
    """Rows of a probe's criteria that no counted grade has reached."""
    graded = {verdict.row for verdict in evidence.verdicts_on(question, scale, until)}
    return np.array([row for row in scale.probes.of(question.item_id) if row not in graded], dtype=np.int64)


def questions(question: Question, scale: Scale, rows: Ints) -> Floats:
    """How many further questions about each criterion were answered, see evidence.asked_about."""
    asked = evidence.asked_about(question)
    return np.array([asked[scale.probes.criterion(row)] for row in rows], dtype=float)


# -- a new interview -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """Minutes that a sitting has for interviews."""

    left: float
    kept: bool  # nothing but these minutes is left


def room(sitting: Sitting, asked: Iterable[Question], minutes: float, scale: Scale) -> Room:
    """What is left of the minutes that a role gives to interviews, so many minutes into the sitting."""
    given, talked = float(sitting.aim.get("interview", 0.0)) * sitting.extra_time, spent(asked, scale)
    left = given - talked
    return Room(left, left > 0 and minutes - talked >= sitting.aim["minutes"] * sitting.extra_time - given)


def spent(asked: Iterable[Question], scale: Scale) -> float:
    """Minutes in interviews, a running one included."""
    return sum(
        (question.answer.seconds if question.answer is not None else thinking(question)) / 60
        for question in asked
        if question.item_id in scale.probes.ids.position
    )


def offers(
    sitting: Sitting, asked: Iterable[Question], belief: Belief, aim: Aim, settle: Verdicts | None,
    person: Pace, scale: Scale, bank: Bank, most: float,
) -> list[Offer]:  # fmt: skip
    """Probes that may follow what was asked and begin within so many minutes, the most valuable minute first."""
    if most <= 0:
        return []
    place, toll = scale.probes.ids.position, read_probe_tolls(sitting.aim, scale)
    found = [
        offer_of(probe, belief, aim, settle, person, scale, float(toll[place[probe.id]]))
        for probe in open_probes(sitting, asked, scale, bank)
    ]
    able = [offer for offer in found if offer.gain > 0 and offer.least <= most]
    return sorted(able, key=lambda offer: (-offer.rate, offer.probe.id))


def thinking(question: Question) -> float:
    """Seconds between each thing asked and what was said to it, without pauses; a model's own time does not count."""
    pauses = question.sitting.pauses
    return sum(
        between(pauses, asked.at, said.at)
        for asked, said in pairwise(question.turns)
        if (asked.who, said.who) == ("asks", "says")
    )


def between(pauses: Iterable[Pause], start: datetime, end: datetime) -> float:
    """Seconds of a stretch of time without the pauses in it."""
    seconds, here = 0.0, start
    away = False
    for pause in pauses:
        at = min(max(pause.at, start), end)
        if not away:
            seconds += (at - here).total_seconds()
        here, away = at, pause.away
    return seconds if away else seconds + (end - here).total_seconds()


def open_probes(sitting: Sitting, asked: Iterable[Question], scale: Scale, bank: Bank) -> Iterator[Probe]:
    """Probes in the wording that the scale knows, not asked of this person and not given away by what was."""
    free = content.unspoilt([question.item_id for question in asked], bank)
    wanted, probes = set(wished(sitting.aim)), scale.probes
    for key, probe in bank.probes.items():
        place = probes.ids.position.get(key)
        known = place is not None and probe.revision == probes.revision[place]
        if known and free[key] and key not in sitting.closed_items and wanted & set(probe.skills):
            yield probe


def offer_of(
    probe: Probe, belief: Belief, aim: Aim, settle: Verdicts | None, person: Pace, scale: Scale, toll: float = 0.0
) -> Offer:  # fmt: skip
    """What a probe is worth: its opening alone, or with one question about each criterion, whichever pays better."""
    alone, with_more = foretellable(probe.id, scale)
    opening, follow_up = minutes_of(probe, person, scale)
    found = []
    for after, minutes in ((alone, opening), (with_more, opening + len(alone.items) * follow_up)):
        then = foreseen(belief, after)
        settles = SETTLING * foretold(settle, belief, then) if settle else 0.0
        gain = hinge(np.diag(belief.cov), aim) - hinge(np.diag(then.cov), aim) + settles
        cost = float(priced(np.array([minutes]), np.array([toll]))[0])
        found.append(Offer(probe, gain, minutes, cost, opening + follow_up, settles))
    return max(found, key=lambda offer: offer.rate)


# A scale never changes, so neither does what may be expected of its probes: that is worked out once.
_foretellable: WeakKeyDictionary[Scale, dict[str, tuple[Criteria, Criteria]]] = WeakKeyDictionary()


def foretellable(probe_id: str, scale: Scale) -> tuple[Criteria, Criteria]:
    """The probe's criteria after its opening alone, and after one question about each."""
    kept = _foretellable.setdefault(scale, {})
    if probe_id not in kept:
        rows = scale.probes.of(probe_id)
        criteria, bare = criteria_of(scale, rows), np.zeros(len(rows), dtype=np.int64)
        kept[probe_id] = criteria.after(bare), criteria.after(bare + 1)
    return kept[probe_id]


def minutes_of(probe: Probe, person: Pace, scale: Scale) -> tuple[float, float]:
    """Expected minutes of the opening, and of each further question, for this person."""
    row = scale.probes.ids.position[probe.id]
    logs = np.array([scale.probes.opening[row], scale.probes.follow_up[row]])
    opening, follow_up = expected_minutes(logs, person, spread=float(scale.probes.sd_intensity[row]))
    return float(opening), float(follow_up)


def tells(offer: Offer, belief: Belief, aim: Aim, scale: Scale) -> dict[str, float]:
    """The skills a probe should tell most about, and how far each falls towards its target."""
    rows = scale.probes.of(offer.probe.id)
    after = foreseen(belief, criteria_of(scale, rows).after(np.ones(len(rows), dtype=np.int64)))

    def above(one: Belief) -> Floats:
        return 0.5 * aim.weight * np.log(np.maximum(1.0, np.diag(one.cov) / aim.target**2))

    falls = above(belief) - above(after)
    return {scale.skills.ids[d]: float(falls[d]) for d in np.argsort(-falls)[:TELLING] if falls[d] > 1e-6}


# -- within a running one --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Talk:
    """A running interview, as far as what comes next depends on it."""

    probe: Probe
    asked: Floats  # (C,) questions about each criterion so far
    put: frozenset[str]  # follow-ups that were put
    told: frozenset[str]  # facts that were told
    criteria: Criteria
    names: list[str]  # of the criteria
    minutes: float  # expected of a further question

    def open(self, put: frozenset[str]) -> list[FollowUp]:
        """The probe's own questions that may be put once some were."""
        return [
            one for one in self.probe.follow_ups
            if one.id not in put and put.issuperset(one.after) and self.told.issuperset(one.needs)
            and one.criterion in self.names
        ]  # fmt: skip

    def gain(self, one: FollowUp, belief: Belief, aim: Aim, counts: float = 1.0) -> float:
        return self.worth(self.names.index(one.criterion), one.apart, belief, aim, counts)

    def worth(self, about: int, apart: tuple[int, int], belief: Belief, aim: Aim, counts: float = 1.0) -> float:
        return worth_of_asking(belief, self.criteria, aim, self.asked, about, apart, counts)


def talk(question: Question, probe: Probe, told: Iterable[str], person: Pace, scale: Scale) -> Talk:
    """What a running interview has asked and told."""
    rows = scale.probes.of(probe.id)
    put = {turn.move["id"] for turn in question.turns if turn.move.get("kind") == "follow_up"}
    return Talk(
        probe, questions(question, scale, rows), frozenset(put), frozenset(told), criteria_of(scale, rows),
        [scale.probes.criterion(int(row)) for row in rows], minutes_of(probe, person, scale)[1],
    )  # fmt: skip


def further(running: Talk, belief: Belief, aim: Aim, proposed: Sequence[FollowUp] = ()) -> list[Further]:
    """Further questions that may be put now, the most valuable minute first; of equals the bank's own."""
    own = [
        Further(one, running.gain(one, belief, aim), running.minutes, leads(running, one, belief, aim))
        for one in running.open(running.put)
    ]
    others = [
        Further(one, running.gain(one, belief, aim, PROPOSED), running.minutes, proposed=True)
        for one in proposed
        if one.criterion in running.names
    ]
    return sorted([*own, *others], key=lambda one: (-one.rate, one.proposed, one.follow_up.id))


def leads(running: Talk, one: FollowUp, belief: Belief, aim: Aim) -> float:
    """What the best question is worth that waits for this one alone."""
    asked = running.asked.copy()
    asked[running.names.index(one.criterion)] += 1
    later = replace(running, asked=asked)
    then = [other for other in running.open(running.put | {one.id}) if one.id in other.after]
    return max((later.gain(other, belief, aim) for other in then), default=0.0)


def best_proposable(running: Talk, belief: Belief, aim: Aim) -> float:
    """Value of a minute of the best question that a model could propose: any criterion, any two neighbouring levels."""
    gains = [
        running.worth(running.names.index(one.id), (low, low + 1), belief, aim, PROPOSED)
        for one in running.probe.criteria
        if one.id in running.names
        for low in range(len(one.levels) - 1)
    ]
    return max(gains, default=0.0) / running.minutes
