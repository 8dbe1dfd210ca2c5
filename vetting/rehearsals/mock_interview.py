r"""Interviews of simulated people: what they say, and how simulated graders judge it.

What a person shows of criterion c is drawn from the very model that the engine believes, with items off as their
start values allow,

    q_c = a_c·θ + γ_c u,        u ~ N(0, 1) shared by all criteria of one answer,

and the level it stands at is the number of thresholds it passes, #{k : q_c + d_k > 0}. The words are the bank's own
examples of these levels, in the open and marked: the opening shows each criterion one level low, a further question
brings out the rest. A simulated grader of discrimination φ and severity ρ does not read them; the verdict is drawn by

    P(Y >= k | q_c) = σ(φ h(n) (q_c + d_k - ρ |a_c|)),      h(n) after n questions about c: irt.conversation.

Everything else (which probe, which further question, facts, the desk, the belief) is what real applicants meet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from irt.conversation import share
from irt.model import Floats, Ints, Items, probability, projection, rated
from irt.timing import SIGMA, simulate_minutes
from item_bank.load import Bank
from item_bank.probe import Criterion, Fact, Probe
from vetting import evidence
from vetting.grades import desk
from vetting.grades.desk import Task, Verdict
from vetting.interviews import interview
from vetting.interviews.interview import Move
from vetting.models.screening import split
from vetting.panel import EXPECTED, Reading
from vetting.records import Grade, Question, Turn
from vetting.scale import Scale

MARK = "[Simulated]"
NO_MORE = "I have nothing to add to that."
ASKS = "Asks "  # how a fact's `when` begins
MOST_ASKED = 2  # facts that one person asks for


# -- what is true ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Talk:
    """What is true behind simulated interviews."""

    criteria: Items  # (C,) as they really are
    quality: Floats  # (P, C) what each person would show, asked or not
    opening: Floats  # (P, N) minutes of each probe's opening
    follow_up: Floats  # (P, N) minutes of each further question

    def levels(self, person: int, rows: Ints) -> Ints:
        """Where a person's answer stands on some criteria."""
        passed: Ints = (self.quality[person, rows, None] + self.criteria.threshold[rows] > 0).sum(-1)
        return passed


def talk(criteria: Items, theta: Floats, speed: Floats, scale: Scale, rng: np.random.Generator) -> Talk:
    """People (P, D) in interviews on every probe of the scale, with criteria as they really are."""
    luck = rng.standard_normal((len(theta), len(scale.probes.ids.ids)))
    quality = projection(theta, criteria) + luck[:, scale.probes.probe] * scale.probes.effect

    def minutes(intensity: Floats) -> Floats:
        return simulate_minutes(intensity, speed, SIGMA, rng)

    return Talk(criteria, quality, minutes(scale.probes.opening), minutes(scale.probes.follow_up))


# -- holding one -----------------------------------------------------------------------------------


def hold(
    db: Session, question: Question, truth: Talk, person: int, bank: Bank, scale: Scale, now: datetime,
    rng: np.random.Generator,
) -> datetime:  # fmt: skip
    """One simulated person in one interview, through the same functions as a real one; when it is over."""
    probe, place = bank.probes[question.item_id], scale.probes.ids.position[question.item_id]
    rows = scale.probes.of(probe.id)
    levels = dict(zip((scale.probes.criterion(row) for row in rows), truth.levels(person, rows), strict=True))
    wanted = facts_asked_for(probe, levels, rng)
    while (step := interview.step(db, question, bank, now)) is not None:
        if isinstance(step, Move):
            step = interview.ask(db, question, step, step.text, wording="own", now=now)
        act, said = reply(probe, levels, question, wanted)
        minutes = truth.opening if len(question.turns) == 1 else truth.follow_up
        now += timedelta(minutes=float(minutes[person, place]))
        interview.say(
            db, question, f"{MARK} {said}", act=act, to=step.number, now=now,
            request_id=f"simulated-{question.id}-{step.number}",
        )  # fmt: skip
    return now


def facts_asked_for(probe: Probe, levels: dict[str, int], rng: np.random.Generator) -> list[Fact]:
    """The more a person can do, the more of the facts they ask for; at most a few."""
    able = sum(levels[one.id] / (len(one.levels) - 1) for one in probe.criteria) / len(probe.criteria)
    asked = [fact for fact in probe.facts if fact.when.startswith(ASKS) and rng.random() < able]
    return asked[:MOST_ASKED]


def reply(probe: Probe, levels: dict[str, int], question: Question, wanted: list[Fact]) -> tuple[str, str]:
    """(act, words) to what stands: a question while there are any, else what the level brings forth."""
    if wanted:
        return "ask", f"May I ask {wanted.pop(0).when.removeprefix(ASKS).rstrip('.')}?"
    current = interview.current(question)
    if current is None or current.move["kind"] == "opening":
        return "answer", "\n\n".join(example(one, max(levels[one.id] - 1, 0)) for one in probe.criteria)
    about = probe.criterion(current.move["criterion"])
    first = question_number(question.turns, about.id) == 1
    return "answer", example(about, levels[about.id]) if first and levels[about.id] else NO_MORE


def example(criterion: Criterion, level: int) -> str:
    return criterion.levels[level].example


def question_number(turns: Iterable[Turn], criterion: str) -> int:
    """How many questions about a criterion were put, the standing one included."""
    return len({turn.move["id"] for turn in turns if turn.move.get("criterion") == criterion})


# -- judging them ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grader:
    """A simulated person who grades at the desk."""

    name: str  # such as simulated-ada
    reading: Reading  # how they really read


def grader(name: str, rng: np.random.Generator) -> Grader:
    """Somebody as strict and as sharp as people at the desk are believed to be."""
    sharp = EXPECTED.discrimination * np.exp(rng.normal(0, EXPECTED.sd_log_discrimination))
    return Grader(f"simulated-{name}", Reading(float(sharp), float(rng.normal(0, EXPECTED.sd_severity))))


def judge(
    db: Session, task: Task, by: Grader, truth: Talk, person: int, scale: Scale, now: datetime, rng: np.random.Generator
) -> list[Grade]:
    """What a simulated grader gives to all that waits of one answer, kept as a person's grades are."""
    rows = scale.probes.criteria.rows(f"{task.probe.id}:{one.criterion}" for one in task.wanted)
    asked = evidence.asked_about(task.answer.question)
    levels = drawn(truth, person, rows, np.array([asked[one.criterion] for one in task.wanted]), by.reading, rng)
    verdicts = [
        Verdict(one.criterion, int(level), decided_by(task, one.criterion, int(level)), "Drawn for a simulated grader.")
        for one, level in zip(task.wanted, levels, strict=True)
    ]
    return desk.grade(db, task, verdicts, grader=by.name, now=now)


def drawn(truth: Talk, person: int, rows: Ints, asked: Ints, read: Reading, rng: np.random.Generator) -> Ints:
    """Levels that such a reader gives to criteria after so many questions about each."""
    criteria, sharp = truth.criteria.rows(rows), read.discrimination * share(asked)
    seen = rated(criteria, sharp, read.severity * np.linalg.norm(criteria.slope, axis=1))
    ladder = probability(truth.quality[person, rows] * sharp, seen).cumsum(-1)[:, :-1]
    level: Ints = (rng.random(len(rows))[:, None] > ladder).sum(-1)
    return level


def decided_by(task: Task, criterion: str, level: int) -> str:
    """The last words said about a criterion, to be quoted for all but the lowest level."""
    said: dict[str, str] = defaultdict(str)
    for turn in task.answer.question.turns:
        for anchor in task.probe.criterion(criterion).levels:
            if turn.who == "says" and anchor.example in turn.text:
                said[criterion] = split(anchor.example)[0]
    return said[criterion] if level else ""
