"""What a probe is: one open question of an interview, its rubric, its follow-ups, and the facts it keeps back.

A probe opens with `opening`. What the applicant says is judged by each of its `criteria` apart, as a level
0..K-1 whose anchors say what an answer of that level does and show one. Each of its `follow_ups` belongs to one
criterion and tells a lower level from a higher one. A `fact` is told only when the applicant reaches for it.
Rubric, anchors, `when` and `explanation` are for graders; the applicant never sees them.

On the scale, a criterion is a row of its own: `row_id(probe, criterion)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from item_bank.schema import Provenance, Strict, StudyLevel

Form = Literal["fermi", "case", "design", "proof", "debugging", "vignette", "language"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Line = Annotated[str, Field(min_length=5, max_length=400)]
Nudge = Annotated[float, Field(ge=-1.5, le=1.5)]
Place = tuple[str | int, ...]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


class Anchor(Strict):
    """One level of a criterion: what an answer of that level does, and one such answer, word for word."""

    means: Line
    example: Annotated[str, Field(min_length=5, max_length=1200)]


class Criterion(Strict):
    """One thing that is judged; its levels run from worst to best."""

    id: Slug
    title: Annotated[str, Field(min_length=3, max_length=80)]
    skills: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1, max_length=4)]
    nudge: Nudge = 0.0  # author's correction of this criterion's difficulty, in population sds
    levels: Annotated[tuple[Anchor, ...], Field(min_length=3, max_length=5)]


class FollowUp(Strict):
    """One further question, which tells level `apart[0]` of its criterion from level `apart[1]`."""

    id: Slug
    asks: Annotated[str, Field(min_length=5, max_length=600)]
    criterion: Slug
    apart: tuple[Annotated[int, Field(ge=0, le=3)], Annotated[int, Field(ge=1, le=4)]]
    needs: tuple[Slug, ...] = ()  # facts that must have been told before
    after: tuple[Slug, ...] = ()  # follow-ups that must have been put before


class Fact(Strict):
    """What is told once the applicant asks or reaches for it."""

    id: Slug
    says: Annotated[str, Field(min_length=3, max_length=800)]
    when: Line


class Probe(Strict):
    """One open question with everything that is needed to ask, to follow up and to judge."""

    id: Slug
    kind: Literal["probe"]
    form: Form
    title: Annotated[str, Field(min_length=3, max_length=80)]
    level: StudyLevel
    nudge: Nudge = 0.0
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    opening: Annotated[str, Field(min_length=20, max_length=6000)]
    minutes: Annotated[float, Field(gt=0, le=60)]  # the whole frame: opening and follow-ups
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=3, max_length=5)]
    follow_ups: Annotated[tuple[FollowUp, ...], Field(min_length=2, max_length=16)]
    facts: Annotated[tuple[Fact, ...], Field(max_length=12)] = ()
    explanation: Annotated[str, Field(min_length=20, max_length=4000)]  # what a strong answer holds: for graders
    family: str | None = None  # variants of one question: at most one is asked
    enemies: tuple[str, ...] = ()  # items or probes that would give this one away
    revision: Annotated[int, Field(ge=1)] = 1
    provenance: Provenance

    @model_validator(mode="after")
    def _coherent(self) -> Probe:
        if found := list(faults(self)):
            said = " ".join(what for _, what in found)
            raise PydanticCustomError("incoherent", "{said}", {"said": said, "faults": found})
        return self

    @property
    def skills(self) -> dict[str, float]:
        """Every skill that some criterion leans on, with its greatest loading."""
        greatest: dict[str, float] = {}
        for criterion in self.criteria:
            for skill, loading in criterion.skills.items():
                greatest[skill] = max(loading, greatest.get(skill, 0.0))
        return greatest

    def criterion(self, key: str) -> Criterion:
        return next(one for one in self.criteria if one.id == key)


def row_id(probe: Probe, criterion: Criterion) -> str:
    """The criterion's name on the scale."""
    return f"{probe.id}:{criterion.id}"


def questions(text: str) -> int:
    """Question marks outside code."""
    return len(re.findall(r"\?+", CODE.sub(" ", text)))


# -- what does not fit together ----------------------------------------------------------------------


def faults(probe: Probe) -> Iterator[tuple[Place, str]]:
    """Where a probe contradicts itself, with the place in its file."""
    for field in ("criteria", "follow_ups", "facts"):
        yield from repeated(field, [one.id for one in getattr(probe, field)])
    if questions(probe.opening) > 1:
        yield ("opening",), f"opening: asks {questions(probe.opening)} questions. Maybe move some to follow_ups."
    for number, criterion in enumerate(probe.criteria):
        yield from anchor_faults(("criteria", number, "levels"), criterion)
    levels = {criterion.id: len(criterion.levels) for criterion in probe.criteria}
    facts = {fact.id for fact in probe.facts}
    for number, follow_up in enumerate(probe.follow_ups):
        yield from follow_up_faults(("follow_ups", number), follow_up, levels, facts)
    yield from order_faults(probe)
    asked = {follow_up.criterion for follow_up in probe.follow_ups}
    for number, criterion in enumerate(probe.criteria):
        if criterion.id not in asked:
            yield ("criteria", number), f"criteria: no follow-up asks about {criterion.id!r}. Maybe write one."


def repeated(field: str, ids: list[str]) -> Iterator[tuple[Place, str]]:
    for number, key in enumerate(ids):
        if key in ids[:number]:
            yield (field, number, "id"), f"{field}: the id {key!r} stands twice."


def anchor_faults(place: Place, criterion: Criterion) -> Iterator[tuple[Place, str]]:
    for field in ("means", "example"):
        said = [" ".join(getattr(anchor, field).casefold().split()) for anchor in criterion.levels]
        for level, text in enumerate(said):
            if text in said[:level]:
                twin = said.index(text)
                yield (*place, level, field), f"{criterion.id}: levels {twin} and {level} have the same {field}."


def follow_up_faults(
    place: Place, follow_up: FollowUp, levels: dict[str, int], facts: set[str]
) -> Iterator[tuple[Place, str]]:
    asks, who, (low, high) = questions(follow_up.asks), f"follow-up {follow_up.id!r}", follow_up.apart
    if asks != 1:
        yield (*place, "asks"), f"{who}: asks {asks} questions, but must ask exactly one. Maybe end it with one '?'."
    if follow_up.criterion not in levels:
        yield (*place, "criterion"), f"{who}: there is no criterion {follow_up.criterion!r}{listed(levels)}"
    elif not low < high < levels[follow_up.criterion]:
        most = levels[follow_up.criterion] - 1
        yield (*place, "apart"), f"{who}: apart [{low}, {high}] must be a lower and a higher level out of 0 to {most}."
    for fact in follow_up.needs:
        if fact not in facts:
            yield (*place, "needs"), f"{who}: there is no fact {fact!r}{listed(facts)}"


def order_faults(probe: Probe) -> Iterator[tuple[Place, str]]:
    """Follow-ups that wait for one that is not there, or for one another."""
    waits = {one.id: set(one.after) for one in probe.follow_ups}
    for number, one in enumerate(probe.follow_ups):
        place = ("follow_ups", number, "after")
        for other in one.after:
            if other not in waits:
                yield place, f"follow-up {one.id!r}: there is no follow-up {other!r}{listed(waits)}"
    free: set[str] = set()
    while fresh := {key for key, before in waits.items() if before & set(waits) <= free} - free:
        free |= fresh
    for number, one in enumerate(probe.follow_ups):
        if one.id not in free:
            said = f"follow-up {one.id!r}: can never be put, as what stands in its 'after' waits for it."
            yield ("follow_ups", number, "after"), f"{said} Maybe take one of them out."


def listed(known: Iterable[str]) -> str:
    names = sorted(known)
    return f". Maybe one of {', '.join(names)}." if names else "; the probe keeps none back."
