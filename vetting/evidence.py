"""From facts to evidence: what a person's answers and certificates say on one scale."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from sqlalchemy.orm import selectinload

from irt.belief import GAUSSIAN, Evidence, Posterior, solve
from irt.model import Items
from vetting.records import Answer, Applicant, Certificate, Grade, Question, Sitting
from vetting.scale import Scale

# CEFR levels on the scale of start.py's difficulties: where half of the level's items are mastered
CEFR = {"a1": -2.4, "a2": -1.8, "b1": -1.0, "b2": -0.2, "c1": 0.8, "c2": 1.6}
CERTIFICATE_SD = 0.6  # what a certificate leaves open, in population sds: about a CEFR level either way


# loads people with all that their beliefs rest on, in a handful of queries instead of several a person
WHOLE = (
    selectinload(Applicant.sittings)
    .selectinload(Sitting.questions)
    .selectinload(Question.answer)
    .selectinload(Answer.grades),
    selectinload(Applicant.sittings).joinedload(Sitting.ending),
    selectinload(Applicant.certificates),
    selectinload(Applicant.decisions),
    selectinload(Applicant.offers),
)


def counted(answer: Answer) -> Grade | None:
    """The grade that counts: the latest, since a correction is one more fact."""
    return answer.grades[-1] if answer.grades else None


def graded(sittings: Iterable[Sitting], scale: Scale) -> list[tuple[Answer, Grade]]:
    """Graded answers, oldest first, to items that the scale knows in the revision that was asked."""
    return [
        (question.answer, grade)
        for sitting in sittings
        for question in sitting.questions
        if question.item_id in scale.items.position
        and scale.revision[scale.items.position[question.item_id]] == question.revision
        and question.answer is not None
        and (grade := counted(question.answer)) is not None
    ]


def gather(sittings: Iterable[Sitting], certificates: Iterable[Certificate], scale: Scale, now: datetime) -> Evidence:
    """All that is known of one person as rows of evidence."""
    pairs = graded(sittings, scale)
    rows = scale.items.rows(answer.question.item_id for answer, _ in pairs)
    asked = scale.parameters.rows(rows)
    valid = [
        paper for paper in certificates
        if paper.skill in scale.skills.position and (paper.expires is None or paper.expires > now)
    ]  # fmt: skip
    papers = direct(scale, [paper.skill for paper in valid], asked)
    n, extra = len(pairs), len(valid)
    level = [grade.level for _, grade in pairs] + [GAUSSIAN] * extra
    return Evidence(
        items=stacked(asked, papers),
        level=np.array(level, dtype=np.int64),
        value=np.array([0.0] * n + [CEFR[paper.level] for paper in valid]),
        variance=np.array([1.0] * n + [CERTIFICATE_SD**2] * extra),
        blur=np.concatenate([scale.blur[rows], np.zeros(extra)]),
        cluster=np.full(n + extra, -1),
        effect=np.zeros(n + extra),
    )


def direct(scale: Scale, skills: list[str], like: Items) -> Items:
    """Rows that look straight at one skill each, padded as `like`."""
    count = len(skills)
    skill, slope = np.zeros((count, like.skill.shape[1]), dtype=np.int64), np.zeros((count, like.slope.shape[1]))
    skill[:, 0], slope[:, 0] = scale.skills.rows(skills), 1.0
    threshold = np.full((count, like.threshold.shape[1]), -np.inf)
    threshold[:, 0] = 0.0
    return Items(skill, slope, threshold, np.zeros(count))


def stacked(one: Items, two: Items) -> Items:
    return Items(
        np.concatenate([one.skill, two.skill]),
        np.concatenate([one.slope, two.slope]),
        np.concatenate([one.threshold, two.threshold]),
        np.concatenate([one.guess, two.guess]),
    )


def leaving_out(full: Evidence, place: int) -> Evidence:
    """The evidence without one of its rows."""
    keep = np.arange(len(full)) != place
    return Evidence(
        full.items.rows(keep), full.level[keep], full.value[keep], full.variance[keep],
        full.blur[keep], full.cluster[keep], full.effect[keep],
    )  # fmt: skip


def belief(applicant: Applicant, scale: Scale, now: datetime) -> Posterior:
    """What we believe of a person from everything they did."""
    return solve(scale.population, gather(applicant.sittings, applicant.certificates, scale, now))
