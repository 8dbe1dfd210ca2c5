"""The human desk: which answers to interviews people should grade, why, in what order, and what they said.

What waits is derived from the facts each time, criterion by criterion:

    dispute    verdicts that count lie too far apart: a third person settles it, by adjudication
    referral   a model could not grade it, or should not alone; the referral says why
    unsure     every model that graded it was less than `SURE` of itself
    ungraded   nobody whose verdict counts has graded it
    decisive   only models have graded it, and without them the person would stand elsewhere at the role's bars
    audit      models have graded it, and a lot drawn by its own number sends a share of such answers to people too

People grade blind: others' verdicts are shown after their own is kept. Nobody settles a dispute they are part of.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from item_bank.load import Bank
from item_bank.probe import Criterion, Probe
from vetting import evidence, panel
from vetting.grades import rater_changes
from vetting.panel import Reading
from vetting.records import Answer, AuditEntry, Grade, Question, Referral
from vetting.scale import Scale

SURE = 0.6  # confidence of its own below which a model's verdict is looked at
AUDIT = 0.1  # share of criteria graded by models that people grade too
LANES = ("dispute", "referral", "unsure", "ungraded", "decisive", "audit")  # in the order of work
SETTLED = 0.9  # P(meets the bars) from which a role's question is answered, or below 1 less this
HUMAN, MODEL = "human:", "model:"
NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
LONGEST_NOTE = 2_000
LEVELS_TOLD = re.compile(r":\s*\d+(?:,\s*\d+)*$")  # "raters lie too far apart: 0, 3"


class DeskError(ValueError):
    """A grade cannot be taken; the message says which and why."""


@dataclass(frozen=True)
class Wanted:
    """A criterion of an answer that waits for a person, and why."""

    criterion: str
    lane: str
    why: str


@dataclass(frozen=True)
class Task:
    """An answer that waits for a person."""

    answer: Answer
    probe: Probe
    wanted: tuple[Wanted, ...]

    @property
    def lane(self) -> str:
        return min((one.lane for one in self.wanted), key=LANES.index)


@dataclass(frozen=True)
class Verdict:
    """What a person says of one criterion."""

    criterion: str
    level: int
    quote: str = ""
    because: str = ""


# -- what waits ------------------------------------------------------------------------------------


def tasks(db: Session, bank: Bank, scale: Scale, now: datetime, grader: str | None = None) -> list[Task]:
    """What waits, disputes first and the oldest first; with a grader, what is for them."""
    found = []
    referrals: dict[int, dict[str, str]] = {}
    overruled = rater_changes.of(db).read_as
    for one in db.scalars(select(Referral).where(Referral.rater.not_in(list(overruled))).order_by(Referral.id)):
        referrals.setdefault(one.answer_id, {})[one.criterion] = one.why
    for answer in spoken(db, bank):
        probe = bank.probes[answer.question.item_id]
        waits = wanted(answer, probe, scale, referrals.get(answer.id, {}), now)
        mine = tuple(one for one in waits if grader is None or open_to(grader, answer, one))
        if mine:
            found.append(Task(answer, probe, mine))
    return sorted(found, key=lambda task: (LANES.index(task.lane), task.answer.at, task.answer.id))


def spoken(db: Session, bank: Bank) -> Iterable[Answer]:
    """Answers to probes of the bank, in the wording that the bank still has, that said something."""
    found = select(Answer).join(Question).where(Question.item_id.in_(list(bank.probes))).order_by(Answer.id)
    whole = selectinload(Answer.question)
    for answer in db.scalars(found.options(selectinload(Answer.grades), whole.selectinload(Question.turns))):
        current = bank.probes[answer.question.item_id].revision == answer.question.revision
        if current and any(turn.who == "says" and turn.text.strip() for turn in answer.question.turns):
            yield answer


def wanted(
    answer: Answer, probe: Probe, scale: Scale, referred: Mapping[str, str], now: datetime
) -> tuple[Wanted, ...]:  # fmt: skip
    """Criteria of an answer that wait for a person."""
    found = {}
    by_models = []
    for criterion in probe.criteria:
        grades = [grade for grade in answer.grades if grade.criterion == criterion.id]
        reason = why_wanted(answer, criterion, grades, scale.raters, referred.get(criterion.id, ""))
        if reason is not None:
            found[criterion.id] = reason
        if grades and all(grade.rater.startswith(MODEL) for grade in grades):
            by_models.append(criterion.id)
    alone = [key for key in by_models if found.get(key, ("audit", ""))[0] == "audit"]
    if alone and decisive(answer, scale, now):
        why = "Without the models' verdicts on it the person would stand elsewhere at the role's bars."
        found |= dict.fromkeys(alone, ("decisive", why))
    return tuple(Wanted(one.id, *found[one.id]) for one in probe.criteria if one.id in found)


def decisive(answer: Answer, scale: Scale, now: datetime) -> bool:
    """Whether the verdicts on this answer move the person over, or from, a line that settles the role's question."""
    seat = answer.question.sitting
    bars = {skill: bar for skill, bar in seat.aim["bars"].items() if skill in scale.skills.position}
    if not bars:
        return False
    rows, heights = scale.skills.rows(bars), np.array(list(bars.values()))

    def stands(without: Answer | None) -> int:
        met = evidence.belief_without(seat.applicant, without, scale, now).belief.all_above(rows, heights)
        return int(met >= SETTLED) - int(met <= 1 - SETTLED)

    return stands(None) != stands(answer)


def why_wanted(
    answer: Answer, criterion: Criterion, grades: list[Grade], known: Mapping[str, Reading], referred: str
) -> tuple[str, str] | None:  # fmt: skip
    """(lane, why) of a criterion, or None where nothing is wanted of people."""
    live = [(grade, read) for grade in grades if (read := panel.reading(grade.rater, known)) is not None]
    if any(grade.rater.startswith(panel.ADJUDICATOR) for grade in grades):
        return None
    if panel.at_odds(live):
        return "dispute", "Verdicts lie too far apart: somebody who gave none of them settles it."
    if any(grade.rater.startswith(HUMAN) for grade in grades):
        return None
    if referred and referred != panel.NO_MODEL:
        return "referral", blind(referred)
    return why_models_are_not_enough(
        answer, criterion, grades, heard=any(read.discrimination >= panel.SHARP for _, read in live)
    )


def blind(why: str) -> str:
    """A reason without the levels that some name: whoever grades must not know them."""
    return LEVELS_TOLD.sub("", why)


def why_models_are_not_enough(
    answer: Answer, criterion: Criterion, grades: list[Grade], *, heard: bool
) -> tuple[str, str] | None:  # fmt: skip
    models = [grade for grade in grades if grade.rater.startswith(MODEL)]
    if models and all(grade.confidence is not None and grade.confidence < SURE for grade in models):
        return "unsure", "Every model that graded it was unsure."
    if not heard:
        return "ungraded", "Nobody has graded it yet whose verdict weighs."
    if models and drawn(answer.id, criterion.id):
        return "audit", f"Drawn by lot: people grade {AUDIT:.0%} of what models grade."
    return None


def drawn(answer: int, criterion: str, share: float = AUDIT) -> bool:
    """Whether the lot sends a criterion to people; the same each time, and nobody can choose it."""
    lot = int.from_bytes(sha256(f"audit {answer} {criterion}".encode()).digest()[:8], "big")
    return lot < share * 2**64


def open_to(grader: str, answer: Answer, one: Wanted) -> bool:
    """Whether this person may take it: not their own verdict again, not a dispute they are part of."""
    return all(
        grader_of(grade.rater) != grader for grade in answer.grades if grade.criterion == one.criterion
    )  # fmt: skip


def grader_of(rater: str) -> str:
    """The person behind a rater's name; empty for a model."""
    kind, _, name = rater.partition(":")
    return name if kind in {"human", "adjudicator"} else ""


def lanes(found: Iterable[Task]) -> dict[str, int]:
    """How many criteria wait in each lane."""
    count = Counter(one.lane for task in found for one in task.wanted)
    return {lane: count[lane] for lane in LANES}


# -- grading ---------------------------------------------------------------------------------------


def name_of(said: str) -> str:
    """A grader's name as it stands on record. Raises DeskError."""
    name = unicodedata.normalize("NFKC", said).strip().lower().replace(" ", "-")
    if not NAME.fullmatch(name) or len(name) > 60:
        raise DeskError("Give a name of letters a to z, digits, dots and hyphens, such as an account's.")
    return name


def grade(
    db: Session, task: Task, verdicts: Iterable[Verdict], *, grader: str, now: datetime
) -> list[Grade]:  # fmt: skip
    """Keep a person's verdicts, all or none. A dispute's is an adjudication. Raises DeskError."""
    lane = {one.criterion: one.lane for one in task.wanted}
    said = tuple(verdicts)
    if lacking := set(lane) - {verdict.criterion for verdict in said}:
        raise DeskError(f"{min(lacking)}: choose a level.")
    for verdict in said:
        if verdict.criterion not in lane:
            raise DeskError(f"{verdict.criterion}: was graded in the meantime. Maybe open the next answer.")
        check(task, verdict)
    kept = [
        Grade(
            at=now, answer=task.answer, criterion=one.criterion, level=one.level, quote=one.quote, because=one.because,
            rater=(panel.ADJUDICATOR if lane[one.criterion] == "dispute" else HUMAN) + grader,
        )
        for one in said
    ]  # fmt: skip
    db.add_all(kept)
    about = {"answer": task.answer.id, "levels": {one.criterion: one.level for one in kept}}
    db.add(AuditEntry(at=now, who=grader, what="graded", about=about))
    db.flush()
    return kept


def seconded(task: Task | None, answer: Answer, probe: Probe, shown: Iterable[str], grader: str) -> Task | None:
    """The task with what somebody else graded while this person did: a second blind verdict is kept too.

    A dispute that was settled meanwhile stays settled.
    """
    known, mine = set(shown), task.wanted if task is not None else ()
    more = tuple(
        Wanted(one.id, "ungraded", "")
        for one in probe.criteria
        if one.id in known - {waits.criterion for waits in mine}
        and all(
            grader_of(grade.rater) != grader and not grade.rater.startswith(panel.ADJUDICATOR)
            for grade in answer.grades
            if grade.criterion == one.id
        )
    )
    return Task(answer, probe, mine + more) if mine or more else None


def check(task: Task, verdict: Verdict) -> None:
    levels = len(task.probe.criterion(verdict.criterion).levels)
    if not 0 <= verdict.level < levels:
        raise DeskError(f"{verdict.criterion}: level {verdict.level} is not one of 0 to {levels - 1}.")
    if len(verdict.because) > LONGEST_NOTE:
        raise DeskError(f"{verdict.criterion}: the note is longer than {LONGEST_NOTE} letters. Maybe shorten it.")
    words = "\n".join(turn.text for turn in task.answer.question.turns if turn.who == "says")
    if verdict.quote and plain(verdict.quote) not in plain(words):
        raise DeskError(f"{verdict.criterion}: these words do not stand in the answer. Maybe copy them from it.")


def plain(text: str) -> str:
    """Text for comparing: one form of each letter, one space between words."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
