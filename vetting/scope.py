"""What a lead asks for: a program of queues, as a file, a form or a row says it. Refused here or never.

Minutes that are not given come from the kind of unit: evaluation and fine-tuning units take 30 to 120 minutes with
their review, preference units 15 to 60; the start values below are the geometric middles. A priority stands for a
value where no value is given: what a unit costs at the usual pay, times a step of the ladder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vetting.messages import Level, Message, Worth

Role = Literal["produce", "review", "second"]
Kind = Literal["evaluation", "sft", "preference", "process_supervision", "verification", "other"]
Priority = Literal["low", "normal", "high", "must"]

MINUTES: dict[str, tuple[float, float]] = {  # (to make one unit, to review it) before any outcome is known
    "evaluation": (45.0, 15.0),
    "sft": (45.0, 15.0),
    "preference": (22.0, 8.0),
    "process_supervision": (60.0, 20.0),
    "verification": (20.0, 10.0),
    "other": (45.0, 15.0),
}
LABELS: dict[str, list[str]] = {  # kinds whose product is a judgement, and what may be judged
    "evaluation": ["good", "flawed"],
    "preference": ["first", "second", "tie"],
    "verification": ["valid", "invalid"],
}
LADDER = {"low": 1.2, "normal": 2.0, "high": 4.0, "must": 8.0}  # worth of a unit over what it costs
USUAL_PAY = 40.0  # an hour


class QueueForm(Message):
    """One kind of unit that a program needs."""

    name: Annotated[str, Field(min_length=2, max_length=80)]
    kind: Kind = "other"
    skills: Annotated[dict[str, Worth], Field(min_length=1)]  # weights of what the work leans on
    stated: dict[str, Worth] = Field(default_factory=dict)  # weights as first said, where learnt ones took their place
    bars: dict[str, Level] = Field(default_factory=dict)  # P(skill >= bar) >= 0.9 to be let in
    difficulty: Level = 0.0
    units: Annotated[float, Field(gt=0, le=1e6)]
    value: Annotated[float, Field(ge=0, le=1e6)] = 50.0  # of one accepted unit, in the currency of pay
    priority: Priority | None = None  # stands for a value where none is given
    minutes: Annotated[float, Field(gt=0, le=1000)] = 45.0  # to make one unit
    review_minutes: Annotated[float, Field(gt=0, le=1000)] = 15.0
    second_minutes: Annotated[float, Field(gt=0, le=1000)] | None = None  # of a second-level review; as a review
    reviews: Annotated[float, Field(ge=0, le=3)] = 1.0  # independent reviews a unit
    second: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of units that get a second-level review
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    languages: list[Annotated[str, Field(pattern=r"^[a-z]{2}$")]] = Field(default_factory=list)  # spoken besides
    credentials: list[Annotated[str, Field(min_length=2, max_length=80)]] = Field(default_factory=list)
    human_only: bool = False  # made by people alone; each submission attests it
    outside_team: bool = False  # reviewers come from another team than the maker
    least: dict[Role, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=dict)  # people a role, at least
    most_share: Annotated[float, Field(gt=0, le=1)] | None = None  # of the units asked, that one person may make
    budget: Annotated[float, Field(gt=0, le=1e9)] | None = None  # pay for this queue alone
    part: Annotated[str, Field(max_length=40)] = ""  # which part of the program's mix
    due: date | None = None
    labels: Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=12)] = Field(
        default_factory=list
    )  # what a judging unit may be judged; empty: the unit is made, and reviewers judge it
    style_skills: list[str] = Field(default_factory=list)  # what errors of style speak about
    guideline: Annotated[str, Field(max_length=20_000)] = ""
    pilot: Annotated[int, Field(ge=50, le=100)] = 60  # units before the queue may scale
    raters: Annotated[int, Field(ge=3, le=7)] = 3  # people who judge each of them
    agreement: Annotated[float, Field(ge=0, lt=1)] = 0.6  # what the lower bound of Gwet's AC1 must reach
    checkpoint: Annotated[int, Field(ge=10, le=10_000)] = 1000  # accepted units between two looks
    gold: Annotated[float, Field(ge=0, le=0.3)] = 0.1  # share of a person's judgements, if there are gold units
    gold_people: Annotated[int, Field(ge=1, le=10_000)] = 30  # who may see one gold unit, before it is retired
    repeats: Annotated[float, Field(ge=0, le=0.3)] = 0.0  # share of a person's judgements that come back to them
    repeat_after: Annotated[int, Field(ge=5, le=1000)] = 30  # of their judgements between the two

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, said: Any) -> Any:  # noqa: ANN401 -- whatever was said
        """What was left out follows from the kind and the priority."""
        if not isinstance(said, dict):
            return said
        kind = said.get("kind", "other")
        usual = MINUTES.get(kind if isinstance(kind, str) else "", MINUTES["other"])
        filled: dict[str, Any] = {"minutes": usual[0], "review_minutes": usual[1], "labels": LABELS.get(str(kind), [])}
        filled |= said
        step = LADDER.get(str(said.get("priority")))
        if step and "value" not in said:
            try:
                loaded = float(filled["minutes"]) + float(said.get("reviews", 1.0)) * float(filled["review_minutes"])
            except (TypeError, ValueError):
                return filled
            filled["value"] = round(step * USUAL_PAY * loaded / 60, 2)
        return filled

    @model_validator(mode="after")
    def _some_weight(self) -> QueueForm:
        if not any(weight > 0 for weight in self.skills.values()):
            raise ValueError("skills: every weight is 0. Maybe give the skill that matters most 1.")
        if len(self.labels) == 1 or len(set(self.labels)) < len(self.labels):
            raise ValueError("labels: at least two different ones are needed. Maybe leave them out.")
        if self.least.get("second") and not self.second:
            raise ValueError("least: second-level people are asked for, but no second-level review. Maybe give second.")
        return self

    @property
    def judging(self) -> bool:
        """Whether a unit is a judgement by itself, so that reviewers judge again, blind, instead of the maker."""
        return bool(self.labels)

    @property
    def by_steps(self) -> bool:
        """Whether steps are judged one by one: of what is made, and of chains that are put before a judge."""
        return not self.judging or self.kind in {"process_supervision", "verification"}

    @property
    def spoken(self) -> frozenset[str]:
        return frozenset({self.language, *self.languages})

    @property
    def loaded(self) -> float:
        """Minutes behind one submitted unit, its reviews included."""
        second = self.review_minutes if self.second_minutes is None else self.second_minutes
        return self.minutes + self.reviews * self.review_minutes + self.second * second


class ProgramForm(Message):
    """What a program lead wants made."""

    name: Annotated[str, Field(min_length=2, max_length=80)]
    about: Annotated[str, Field(max_length=4000)] = ""
    budget: Annotated[float, Field(gt=0, le=1e9)] | None = None  # pay for all queues that name none of their own
    mix: dict[Annotated[str, Field(min_length=1, max_length=40)], Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict
    )  # part of the program: share of its hours
    block: Annotated[float, Field(ge=0, le=168)] = 0.0  # hours that anybody works on a queue in one role, or none
    most_queues: Annotated[int, Field(ge=1, le=500)] | None = None  # that one person works on
    explore: Annotated[float, Field(ge=0, le=0.5)] = 0.0  # share of hours that may be trials of who fits a queue
    queues: Annotated[list[QueueForm], Field(min_length=1, max_length=500)]

    def wishing(self, wishes: Mapping[str, float]) -> ProgramForm:
        """The same with other wishes about the whole of its plan; refused if they cannot be."""
        return ProgramForm.model_validate(self.model_dump() | dict(wishes)) if wishes else self

    @model_validator(mode="after")
    def _one_of_a_name(self) -> ProgramForm:
        twice = [name for name, count in Counter(queue.name for queue in self.queues).items() if count > 1]
        if twice:
            raise ValueError(f"queues: {twice[0]!r} stands twice. Maybe give one another name.")
        return self

    @model_validator(mode="after")
    def _stints_or_learning(self) -> ProgramForm:
        if self.explore and (self.block or self.most_queues):
            raise ValueError("explore: not beside a minimum block or a limit of queues a person. Maybe leave one out.")
        return self

    @model_validator(mode="after")
    def _mix_of_parts(self) -> ProgramForm:
        if not self.mix:
            return self
        if abs(sum(self.mix.values()) - 1) > 1e-6:
            raise ValueError(f"mix: the shares add up to {sum(self.mix.values()):g}, not to 1. Maybe divide by that.")
        parts = {queue.part for queue in self.queues}
        if strangers := sorted(set(self.mix) ^ parts):
            raise ValueError(
                f"mix: {strangers[0]!r} is not both a share of the mix and the part of a queue. "
                "Maybe each queue needs its `part`, and each part its share."
            )
        return self
