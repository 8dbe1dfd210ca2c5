"""What models were asked, kept as facts: each attempt, however it went, and what an interview has cost so far."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vetting.models.llm import Access, Attempt
from vetting.models.prompts import Messages
from vetting.records import Json, ModelCall, Question

PHRASE, PROPOSE, FACT, GRADE = "phrase", "propose", "fact", "grade"  # purposes
RESUME = "RESUME"  # the mark of what was told of a résumé
RESUME_READ = "résumé"  # purpose of a call that reads one
TOLD = re.compile(rf"(<<{RESUME} (\w+)>>\n).*?(\n<<end {RESUME} \2>>)", re.DOTALL)


def keep(
    db: Session, attempts: Sequence[Attempt], *, purpose: str, now: datetime, sitting_id: int | None = None,
    answer_id: int | None = None, about: Json | None = None,
) -> list[ModelCall]:  # fmt: skip
    """Put attempts on record; `about` is whatever reading the replies again needs besides what was sent."""
    calls = [
        ModelCall(
            at=now, sitting_id=sitting_id, answer_id=answer_id, purpose=purpose, prompt=one.prompt.name,
            prompt_version=one.prompt.version, model=one.model, input_hash=one.input_hash,
            sent={"messages": one.messages, "about": about or {}}, reply=one.reply, seconds=one.seconds,
            tokens_in=one.tokens_in, tokens_out=one.tokens_out, cost=one.cost, fault=one.fault,
        )
        for one in attempts
    ]  # fmt: skip
    db.add_all(calls)
    db.flush()
    return calls


def block(messages: Messages, name: str) -> str:
    """One of others' texts as it was sent."""
    data = next(message["content"] for message in messages if message["role"] == "user")
    found = re.search(rf"<<{name} (\w+)>>\n(.*?)\n<<end {name} \1>>", data, re.DOTALL)
    return found[2] if found else ""


@dataclass(frozen=True)
class Bill:
    """What models took."""

    calls: int
    faults: int
    seconds: float
    cost: float  # of the calls whose price is known
    unpriced: int  # calls whose price is not
    longest: float = 0.0  # seconds of one call

    def __str__(self) -> str:
        faults = f" ({self.faults} failed)" if self.faults else ""
        also = f", {self.unpriced} of them of unknown price" if self.unpriced else ""
        longest = f" (longest {self.longest:.1f} s)" if self.calls > 1 else ""
        calls = f"{self.calls} call{'s' * (self.calls != 1)}"
        return f"{calls}{faults}, {self.seconds:.1f} s{longest}, cost {self.cost:.4f}{also}"


def bill(db: Session, sitting_id: int) -> Bill:
    """What a sitting's models took so far."""
    row = db.execute(
        select(
            func.count(ModelCall.id), func.count(func.nullif(ModelCall.fault, "")), func.sum(ModelCall.seconds),
            func.sum(ModelCall.cost), func.count(ModelCall.cost), func.max(ModelCall.seconds),
        ).where(ModelCall.sitting_id == sitting_id)
    ).one()  # fmt: skip
    calls, faults, seconds, cost, priced, longest = row
    return Bill(calls, faults, float(seconds or 0.0), float(cost or 0.0), calls - priced, float(longest or 0.0))


def bills(db: Session, question: Question) -> dict[str, Bill]:
    """What models took in one interview, by what they were asked for."""
    found: dict[str, list[ModelCall]] = {}
    for call in db.scalars(select(ModelCall).where(ModelCall.sitting_id == question.sitting_id).order_by(ModelCall.id)):
        graded = question.answer is not None and call.answer_id == question.answer.id
        if graded or call.sent.get("about", {}).get("question") == question.id:
            found.setdefault(call.purpose, []).append(call)
    return {purpose: total(calls) for purpose, calls in found.items()}


def total(calls: Sequence[ModelCall]) -> Bill:
    costs, seconds = [call.cost for call in calls], [call.seconds for call in calls]
    known = [cost for cost in costs if cost is not None]
    faults = sum(bool(call.fault) for call in calls)
    return Bill(len(calls), faults, sum(seconds), sum(known), len(costs) - len(known), max(seconds, default=0.0))


def within_budget(db: Session, access: Access, sitting_id: int) -> Access:
    """The access with what this sitting has left to spend."""
    return access if access.money is None else access.spending(access.money - bill(db, sitting_id).cost)


def forget_resumes(db: Session, sittings: Iterable[int]) -> None:
    """Empty what models were told of a person's résumé; that they were asked, and what it cost, stays."""
    for call in db.scalars(select(ModelCall).where(ModelCall.sitting_id.in_(list(sittings)))):
        messages = [one | {"content": TOLD.sub(r"\1\3", one["content"])} for one in call.sent["messages"]]
        if call.purpose == RESUME_READ:
            call.reply = ""
        if messages != call.sent["messages"]:
            call.sent = {**call.sent, "messages": messages}
