"""How each model reads answers to interviews, and when its verdicts begin to count.

A model with a prompt is a rater of its own, `model:<model>@<prompt version>`. Until a calibration knows its severity
and discrimination it grades in the shadow. Both are estimated from its verdicts on real people's answers, each held
against what everything else says of that answer: the person's other evidence, and people's verdicts on the same answer
(the desk's audit). People are the anchors: their severity is 0 as a kind, with the spread that panel.KINDS states.

What is not known of a criterion's thresholds widens each verdict as if it were drawn anew. On few probes that is too
kind, since the same criterion comes again and again: a rater should be measured on many probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.audit import Mean, corrected_mean
from irt.belief import Belief, Evidence, solve
from irt.model import Floats, Items, rated
from irt.newcomer import Newcomer, newcomer
from irt.population import Population
from vetting import evidence
from vetting import scale as scales
from vetting.evidence import Verdict
from vetting.grades import rater_drift
from vetting.grades.desk import MODEL
from vetting.grades.rater_drift import Seen, Watch
from vetting.panel import ADJUDICATOR, Reading
from vetting.records import Answer, Applicant, Calibration, Grade
from vetting.scale import Scale

SURE = 0.10  # standard error of severity, in sds, below which a rater counts
FEWEST = 50  # answers beside a person's verdict, whatever the standard error says
DULL = 0.15  # discrimination below which a rater tells nothing worth its disputes
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


@dataclass(frozen=True)
class RaterReport:
    """One model rater."""

    rater: str
    answers: int
    beside: int  # answers that a person graded too
    found: Newcomer
    mean_level: Mean | None  # people's mean, as a share of the highest level, over all that the model graded
    model_mean: float  # the model's own
    live: bool  # its verdicts count on the published scale
    lacking: tuple[str, ...]  # before they may
    watch: Watch | None = None  # of a rater whose verdicts count: has it changed since?

    @property
    def discrimination(self) -> float:
        return float(np.exp(self.found.log_discrimination))


def measure(db: Session, scale: Scale, now: datetime, *, simulated: bool = False) -> list[RaterReport]:
    """Every model that has graded, by name."""
    by_rater: dict[str, list[Look]] = {}
    people = select(Applicant).where(Applicant.simulated == simulated).order_by(Applicant.id)
    for person in db.scalars(people.options(*evidence.WHOLE)):
        for look in looks(person, scale, now):
            by_rater.setdefault(look.grade.rater, []).append(look)
    since = rater_drift.known_since(db, by_rater)
    return [report(rater, found, scale, since.get(rater)) for rater, found in sorted(by_rater.items())]


def looks(person: Applicant, scale: Scale, now: datetime) -> Iterator[Look]:
    """Models' verdicts on one person's interviews, each with a belief that no model's verdict on it has entered."""
    verdicts = evidence.judged(person.sittings, scale)
    for answer in evidence.interviews(person.sittings, scale):
        models = [grade for grade in answer.grades if grade.rater.startswith(MODEL)]
        if models:
            elsewhere = [one for one in verdicts if one.answer is not answer]
            here = [one for one in verdicts if one.answer is answer and one.grade.rater.startswith(PEOPLE)]
            belief = belief_with_effect(person, elsewhere, here, scale, now)
            yield from looks_at(answer, models, belief, scale)


def belief_with_effect(
    person: Applicant, elsewhere: list[Verdict], here: list[Verdict], scale: Scale, now: datetime
) -> Belief:
    """The belief over the skills and, as one more, over what the criteria of one answer share."""
    claims = evidence.claims_of(person)
    rest = evidence.vetted(person.sittings, elsewhere, person.certificates, claims, scale, now)
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


def report(rater: str, found: list[Look], scale: Scale, since: datetime | None) -> RaterReport:
    found = sorted(found, key=lambda look: look.grade.id)
    items = evidence.stacked(*(look.items for look in found))
    level = np.array([look.grade.level for look in found], dtype=np.int64)
    answer = np.array([look.grade.answer_id for look in found], dtype=np.int64)
    seen = Seen(level, items, column(found, "mean"), column(found, "variance"), answer)
    told = newcomer(*seen)
    top = (items.levels - 1).astype(np.float64)
    audited = np.array([look.beside is not None for look in found])
    beside = len(np.unique(answer[audited]))
    return RaterReport(
        rater, len(np.unique(answer)), beside, told, mean_of(found, level / top, top, audited),
        float((level / top).mean()), rater in scale.raters, lacking(told, beside),
        rater_drift.watch(seen, np.array([look.grade.at > since for look in found])) if since else None,
    )  # fmt: skip


def column(found: Iterable[Look], field: str) -> Floats:
    return np.array([getattr(look, field) for look in found])


def mean_of(found: list[Look], share: Floats, top: Floats, audited: NDArray[np.bool_]) -> Mean | None:
    """What people's mean would be, with its interval; persons are the draws."""
    person = np.array([look.person for look in found])
    if len(np.unique(person[audited])) < 2:
        return None
    people = np.array([look.beside or 0 for look in found])[audited] / top[audited]
    return corrected_mean(share[~audited], share[audited], people, groups=(person[~audited], person[audited]))


def lacking(told: Newcomer, beside: int) -> tuple[str, ...]:
    """What keeps a rater in the shadow."""
    reasons = []
    if beside < FEWEST:
        reasons.append(f"{beside} of its answers were graded by people too; {FEWEST} are needed.")
    if told.severity_se > SURE:
        more = (told.severity_se / SURE) ** 2
        reasons.append(f"its severity is known to ±{told.severity_se:.2f}: {more:.1f} times the grades are needed.")
    if np.exp(told.log_discrimination) < DULL:
        reasons.append(f"it hardly tells answers apart (discrimination {np.exp(told.log_discrimination):.2f}).")
    return tuple(reasons)


def publish(db: Session, found: Iterable[RaterReport], who: str, now: datetime) -> Calibration | None:
    """A calibration that knows the raters who are ready; None where there is none."""
    ready = [one for one in found if not one.lacking]
    if not ready:
        return None
    newest = scales.latest(db)
    known = {one.rater: numbers(one) for one in ready}
    body = {**newest.body, "raters": {**newest.body.get("raters", {}), **known}}
    return scales.publish(db, body, f"{len(ready)} raters of interviews measured", who, now)


def numbers(one: RaterReport) -> dict[str, float]:
    return {
        "discrimination": one.discrimination, "severity": one.found.severity,
        "sd_log_discrimination": one.found.log_discrimination_se, "sd_severity": one.found.severity_se,
    }  # fmt: skip
