"""Models' verdicts on interviews, each beside what everything but models says of that criterion of that answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from irt.belief import Belief, Evidence, solve
from irt.model import Floats, Items, rated
from irt.population import Population
from vetting import evidence
from vetting.evidence import Verdict
from vetting.grades.desk import MODEL
from vetting.grades.rater_drift import Seen
from vetting.panel import ADJUDICATOR, Reading
from vetting.records import Answer, Applicant, Grade
from vetting.scale import Scale

PEOPLE = ("human:", ADJUDICATOR)
FAULTLESS = Reading(1.0)


@dataclass(frozen=True, eq=False)
class Look:
    """One verdict of a model, with what everything else says of that criterion of that answer."""

    grade: Grade
    items: Items  # (1,) as a faultless rater reads it
    mean: float
    variance: float
    person: int
    beside: int | None  # a person's level on the same criterion


def looks(person: Applicant, scale: Scale, now: datetime) -> Iterator[Look]:
    """Models' verdicts on one person's interviews."""
    verdicts = evidence.judged(person.sittings, scale)
    for answer in evidence.interviews(person.sittings, scale):
        models = [grade for grade in answer.grades if grade.rater.startswith(MODEL)]
        if models:
            yield from looks_at(answer, models, belief_beside(answer, verdicts, scale, now), scale)


def looks_then(answer: Answer, names: Iterable[str], scale: Scale) -> list[Look]:
    """A rater's verdicts on one answer, with what was known when it gave them; none on a probe the scale lacks."""
    row = scale.probes.ids.position.get(answer.question.item_id)
    mine = [grade for grade in answer.grades if grade.rater in names]
    if row is None or scale.probes.revision[row] != answer.question.revision or not mine:
        return []
    then = max(grade.at for grade in mine)
    verdicts = evidence.judged(answer.question.sitting.applicant.sittings, scale, then)
    return list(looks_at(answer, mine, belief_beside(answer, verdicts, scale, then, then), scale))


def belief_beside(
    answer: Answer, verdicts: list[Verdict], scale: Scale, now: datetime, until: datetime | None = None
) -> Belief:
    """What everything lets believe but models' verdicts on this answer."""
    elsewhere = [one for one in verdicts if one.answer is not answer]
    here = [one for one in verdicts if one.answer is answer and one.grade.rater.startswith(PEOPLE)]
    return belief_with_effect(answer.question.sitting.applicant, elsewhere, here, scale, now, until)


def seen_in(found: Iterable[Look]) -> Seen:
    """Looks as columns, in their order."""
    looked = list(found)
    return Seen(
        np.array([look.grade.level for look in looked], dtype=np.int64),
        evidence.stacked(*(look.items for look in looked)), column(looked, "mean"), column(looked, "variance"),
        np.array([look.grade.answer_id for look in looked], dtype=np.int64),
    )  # fmt: skip


def belief_with_effect(
    person: Applicant, elsewhere: list[Verdict], here: list[Verdict], scale: Scale, now: datetime,
    until: datetime | None = None,
) -> Belief:  # fmt: skip
    """The belief over the skills and, as one more, over what the criteria of one answer share."""
    claims = evidence.claims_of(person, until)
    rest = evidence.vetted(person.sittings, elsewhere, person.certificates, claims, scale, now, until)
    own = shared_as_skill(evidence.talked(here, scale), len(scale.population))
    return solve(with_effect(scale.population), evidence.together([*rest, own])).belief


def with_effect(population: Population) -> Population:
    """One more dimension, independent of the skills and of unit variance."""
    return Population(
        np.append(population.mean, 0.0),
        np.vstack([population.loading, np.zeros(population.loading.shape[1])]),
        np.append(population.specific, 1.0),
    )


def shared_as_skill(seen: Evidence, dimension: int) -> Evidence:
    """Rows of one answer, whose shared effect is a loading on a dimension of its own."""
    n = len(seen)
    items = replace(
        seen.items,
        skill=np.column_stack([seen.items.skill, np.full(n, dimension)]),
        slope=np.column_stack([seen.items.slope, seen.effect]),
    )
    return replace(seen, items=items, cluster=np.full(n, -1), effect=np.zeros(n))


def looks_at(answer: Answer, models: list[Grade], belief: Belief, scale: Scale) -> Iterator[Look]:
    asked, last = evidence.asked_about(answer.question), len(scale.population)
    human = {grade.criterion: grade.level for grade in answer.grades if grade.rater.startswith(PEOPLE)}
    for row in scale.probes.of(answer.question.item_id):
        criterion = scale.probes.criterion(row)
        rows = np.array([row])
        seen = evidence.as_read(scale, rows, [FAULTLESS]).after(np.array([asked[criterion]]))
        along = np.zeros(last + 1)
        np.add.at(along, seen.items.skill[0], seen.items.slope[0])
        along[last] = seen.effect[0]
        variance = float(along @ belief.cov @ along + seen.blur[0])
        for grade in models:
            if grade.criterion == criterion:
                yield Look(
                    grade, rated(seen.items, 1.0, 0.0), float(along @ belief.mean), variance,
                    answer.question.sitting.applicant_id, human.get(criterion),
                )  # fmt: skip


def column(found: Iterable[Look], field: str) -> Floats:
    return np.array([getattr(look, field) for look in found])
