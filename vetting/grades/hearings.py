"""Gradings on record and read again: a kept reply gives the verdict that it gave, without asking anybody.

A grading of one answer is a *run*: its calls, each with what reading it needs besides what was sent. The same rows
are kept in the database (`ModelCall.sent["about"]`) and in the files of `assay grade`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, exists, select
from sqlalchemy.orm import Session

from item_bank.load import Bank
from item_bank.probe import Probe
from vetting import store
from vetting.grades import rater_changes, watching
from vetting.grades.grading import Graded, Hearing, Judged, Panel, grade, reread, settle
from vetting.grades.verdicts import Said
from vetting.models import calls
from vetting.models.llm import Attempt
from vetting.models.prompts import Prompt
from vetting.panel import original
from vetting.records import Answer, Grade, Json, ModelCall, Question, Referral

PURPOSE = calls.GRADE


@dataclass(frozen=True)
class Row:
    """One verdict in the long format."""

    answer: str
    criterion: str
    rater: str
    level: int
    confidence: float
    quote: str


def row(answer: str, one: Graded) -> Row:
    said = one.verdict
    return Row(answer, one.criterion, one.rater, said.level, said.confidence, said.quote)


def about(heard: Hearing, criteria: Sequence[str], run: str) -> Json:
    """What reading a call again needs besides what was sent and what came back."""
    return {
        "run": run, "criteria": list(criteria), "criterion": heard.criterion, "rater": heard.rater,
        "codes": list(heard.codes), "doubtful": heard.doubtful, "stripped": heard.stripped,
    }  # fmt: skip


# -- in the database -------------------------------------------------------------------------------


def said_in(question: Question) -> list[Said]:
    """The turns of a kept interview question, up to now."""
    return [Said("says" if turn.who == "says" else "asks", turn.text) for turn in question.turns]


def grade_kept(engine: Engine, answer_id: int, bank: Bank, by: Panel, now: datetime) -> Judged:
    """Grade an answer that is already on record, then look whether a model changed.

    No transaction is open while models are asked.
    """
    with store.reading(engine) as db:
        answer = db.get_one(Answer, answer_id)
        sitting_id, probe, turns = (
            answer.question.sitting_id,
            bank.probes[answer.question.item_id],
            said_in(answer.question),
        )
        by = Panel(calls.within_budget(db, by.access, sitting_id), by.raters, by.reserve, offline=by.offline)
    found = grade(probe, turns, by)
    with store.writing(engine) as db:
        keep(db, db.get_one(Answer, answer_id), probe, found, now)
    watching.follow(engine, now)
    return found


def keep(db: Session, answer: Answer, probe: Probe, found: Judged, now: datetime) -> None:
    """Put a grading on record; a verdict of the same rater on the same criterion stays as it was."""
    criteria, run = [criterion.id for criterion in probe.criteria], secrets.token_hex(8)
    kept: dict[int, ModelCall] = {}
    for heard in found.hearings:
        rows = calls.keep(
            db, heard.attempts, purpose=PURPOSE, now=now, sitting_id=answer.question.sitting_id, answer_id=answer.id,
            about=about(heard, criteria, run),
        )  # fmt: skip
        if rows:
            kept[id(heard)] = rows[-1]
    given = {(original(one.rater), one.criterion) for one in answer.grades}
    changes = rater_changes.of(db)
    for one in found.grades:
        if (one.rater, one.criterion) not in given:
            said = one.verdict
            answer.grades.append(
                Grade(
                    at=now, rater=changes.called(one.rater), criterion=one.criterion, level=said.level,
                    quote=said.quote, confidence=said.confidence, call=kept.get(id(one.hearing)),
                )
            )  # fmt: skip
    db.add_all(
        Referral(at=now, answer=answer, criterion=one.criterion, rater=one.rater, why=one.why)
        for one in found.referrals
    )
    db.flush()


def waiting(db: Session, bank: Bank) -> list[int]:
    """Answers to the bank's probes that no model has graded, nor sent to people, oldest first."""
    by_people = Grade.rater.like("human:%") | Grade.rater.like("adjudicator:%")
    graded = exists().where(Grade.answer_id == Answer.id, ~by_people)
    referred = exists().where(Referral.answer_id == Answer.id)
    found = select(Answer).join(Question).where(Question.item_id.in_(list(bank.probes)), ~graded, ~referred)
    return [
        answer.id
        for answer in db.scalars(found.order_by(Answer.id))
        if bank.probes[answer.question.item_id].revision == answer.question.revision
    ]


# -- read again ------------------------------------------------------------------------------------


def rebuilt(rows: Iterable[Mapping[str, Any]]) -> Judged:
    """The grading of one run, from its kept calls alone: {"about", "messages", "reply", "fault", …} in their order."""
    heard: dict[tuple[str, str, bool], list[Mapping[str, Any]]] = {}
    criteria: list[str] = []
    for one in rows:
        told = one["about"]
        criteria = criteria or told["criteria"]
        heard.setdefault((told["rater"], told["criterion"], told["stripped"]), []).append(one)
    return settle(criteria, [_hearing(group) for group in heard.values()])


def _hearing(group: Sequence[Mapping[str, Any]]) -> Hearing:
    told = group[0]["about"]
    attempts = tuple(
        Attempt(
            prompt=Prompt(one["prompt"], "", one["prompt_version"]), model=one["model"], input_hash=one["input_hash"],
            messages=one["messages"], reply=one["reply"], seconds=one["seconds"], tokens_in=one["tokens_in"],
            tokens_out=one["tokens_out"], cost=one["cost"], fault=one["fault"],
        )
        for one in group
    )  # fmt: skip
    return reread(
        Hearing(
            told["rater"], told["criterion"], tuple(told["codes"]), attempts, doubtful=told["doubtful"],
            stripped=told["stripped"],
        )
    )  # fmt: skip


def plain_rows(found: Judged, criteria: Sequence[str], run: str) -> list[Json]:
    """The calls of a grading, as files keep them."""
    return [
        {
            "about": about(heard, criteria, run), "prompt": one.prompt.name, "prompt_version": one.prompt.version,
            "model": one.model, "input_hash": one.input_hash, "messages": one.messages, "reply": one.reply,
            "seconds": round(one.seconds, 4), "tokens_in": one.tokens_in, "tokens_out": one.tokens_out,
            "cost": one.cost, "fault": one.fault,
        }
        for heard in found.hearings
        for one in heard.attempts
    ]  # fmt: skip


def of_call(call: ModelCall) -> Json:
    """A kept call as such a row."""
    names = (
        "prompt",
        "prompt_version",
        "model",
        "input_hash",
        "reply",
        "seconds",
        "tokens_in",
        "tokens_out",
        "cost",
        "fault",
    )
    return {name: getattr(call, name) for name in names} | dict(call.sent)


@dataclass(frozen=True)
class Again:
    """A verdict read again from its kept reply, beside the one on record; None: it is not there."""

    now: Row | None
    then: Row | None

    @property
    def same(self) -> bool:
        return self.now == self.then


def compared(answer: str, found: Judged, kept: Iterable[Row], version: str) -> list[Again]:
    """The verdicts of one answer by a prompt version, now and then."""
    now = {(one.criterion, one.rater): row(answer, one) for one in found.grades}
    then = {(one.criterion, one.rater): one for one in kept}
    both = [key for key in dict.fromkeys([*now, *then]) if key[1].endswith(f"@{version}")]
    return [Again(now.get(key), then.get(key)) for key in both if key[1].startswith("model:")]


def regrade(db: Session, version: str) -> list[Again]:
    """Every verdict by a prompt version, read again from the kept replies; nobody is asked.

    Where an answer was graded more than once, the first run counts, as its verdicts are those on record.
    """
    kept: dict[int, list[Row]] = {}
    by_it = Grade.rater.endswith(f"@{version}") | Grade.rater.contains(f"@{version}~")
    for one in db.scalars(select(Grade).where(by_it)):
        kept.setdefault(one.answer_id, []).append(_of_grade(one))
    out = []
    for answer, runs in runs_of(db, version).items():
        grades: dict[tuple[str, str], Graded] = {}
        for rows in runs.values():
            for given in rebuilt(of_call(call) for call in rows).grades:
                grades.setdefault((given.criterion, given.rater), given)
        out += compared(str(answer), Judged(tuple(grades.values()), ()), kept.get(answer, []), version)
    return out


def runs_of(db: Session, version: str) -> dict[int, dict[str, list[ModelCall]]]:
    """All calls of the answers that the version graded, by run: one rater's control can undo another's verdict."""
    used = select(ModelCall.answer_id).where(ModelCall.purpose == PURPOSE, ModelCall.prompt_version == version)
    found = db.scalars(
        select(ModelCall).where(ModelCall.purpose == PURPOSE, ModelCall.answer_id.in_(used)).order_by(ModelCall.id)
    )
    runs: dict[int, dict[str, list[ModelCall]]] = {}
    for call in found:
        runs.setdefault(call.answer_id or 0, {}).setdefault(call.sent["about"]["run"], []).append(call)
    return runs


def _of_grade(one: Grade) -> Row:
    said_by = original(one.rater)
    return Row(str(one.answer_id), one.criterion, said_by, one.level, one.confidence or 0.0, one.quote)
