"""From facts to evidence: what a person's answers, interviews, certificates and claims say on one scale.

What people say of themselves is weak evidence. A claim sees its skill with an error of CLAIM_SD of its own and one of
CLAIMANT_SD that all claims of a person share: how highly they speak of themselves. So whoever claims everything says
little, and claims count only beside answers, never alone. Ratings of one's own ability correlate with measured ability
at about .29 (Zell & Krizan, 2014, Perspectives on Psychological Science 9), an error of 3.3 sds; those of applicants,
who have a reason to rate themselves highly, are trusted less: 5 sds in all. See benchmarks/claims.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import defaultload, defer, joinedload, selectinload

from irt.belief import GAUSSIAN, Evidence, Posterior, answers, solve
from irt.conversation import PROPOSED, Criteria
from irt.model import Ints, Items, rated
from vetting import learning, panel
from vetting.panel import Reading
from vetting.records import Answer, Applicant, Certificate, Claim, Grade, Question, Resume, Sitting
from vetting.scale import Scale
from vetting.work_records import Dispute, Look, Offer, Outcome, Resolution, Review, Submission, Unit

# CEFR levels on the scale of start.py's difficulties: where half of the level's items are mastered
CEFR = {"a1": -2.4, "a2": -1.8, "b1": -1.0, "b2": -0.2, "c1": 0.8, "c2": 1.6}
CERTIFICATE_SD = 0.6  # what a certificate leaves open, in population sds: about a CEFR level either way
CLAIM_SD, CLAIMANT_SD = 4.0, 3.0  # errors of a claim and of all claims of a person, in population sds
CLAIMS = 0  # the cluster of a person's claims; those of interviews are the numbers of their answers, from 1


# loads people with all that their beliefs rest on, in a handful of queries instead of several a person; what an answer
# said and why it was asked move no belief, and come when they are read
WHOLE = (
    defaultload(Applicant.sittings).defaultload(Sitting.questions).defer(Question.why),
    defaultload(Applicant.sittings).defaultload(Sitting.questions).defaultload(Question.answer).defer(Answer.response),
    selectinload(Applicant.sittings)
    .selectinload(Sitting.questions)
    .selectinload(Question.answer)
    .selectinload(Answer.grades),
    selectinload(Applicant.sittings).selectinload(Sitting.questions).selectinload(Question.turns),
    selectinload(Applicant.sittings).joinedload(Sitting.ending),
    selectinload(Applicant.certificates),
    selectinload(Applicant.resumes).selectinload(Resume.claims),
    selectinload(Applicant.decisions),
    selectinload(Applicant.offers),
    selectinload(Applicant.outcomes)
    .joinedload(Outcome.submission)
    .options(
        defer(Submission.text),
        defer(Submission.wrong_steps),
        selectinload(Submission.wording),
        selectinload(Submission.customer),
        selectinload(Submission.reviews).options(
            defer(Review.because), defer(Review.wrong_steps), joinedload(Review.offer).defer(Offer.why)
        ),
        joinedload(Submission.unit)
        .defer(Unit.content)
        .selectinload(Unit.disputes)
        .joinedload(Dispute.resolution)
        .joinedload(Resolution.offer)
        .defer(Offer.why),
    ),
    selectinload(Applicant.looks).joinedload(Look.offer).joinedload(Offer.unit).selectinload(Unit.golds),
)


def given(answer: Answer, until: datetime | None = None) -> list[Grade]:
    """The grades of an answer, oldest first: all, or those of a moment."""
    return [grade for grade in answer.grades if until is None or grade.at <= until]


def counted(answer: Answer, until: datetime | None = None) -> Grade | None:
    """The grade that counts: the latest, since a correction is one more fact."""
    return next(reversed(given(answer, until)), None)


def graded(sittings: Iterable[Sitting], scale: Scale, until: datetime | None = None) -> list[tuple[Answer, Grade]]:
    """Graded answers, oldest first, to items that the scale knows in the revision that was asked."""
    return [
        (question.answer, grade)
        for sitting in sittings
        for question in sitting.questions
        if question.item_id in scale.items.position
        and scale.revision[scale.items.position[question.item_id]] == question.revision
        and question.answer is not None
        and (grade := counted(question.answer, until)) is not None
    ]


@dataclass(frozen=True, eq=False)
class Verdict:
    """One rater's verdict on one criterion of an interview, and how to read it."""

    answer: Answer
    row: int  # of the criterion
    grade: Grade
    reading: Reading
    questions: float  # about the criterion beyond the opening, see asked_about


def interviews(sittings: Iterable[Sitting], scale: Scale) -> Iterator[Answer]:
    """Finished interviews, oldest first, on probes that the scale knows in the wording that was used."""
    probes = scale.probes
    for sitting in sittings:
        for question in sitting.questions:
            row = probes.ids.position.get(question.item_id)
            if row is not None and probes.revision[row] == question.revision and question.answer is not None:
                yield question.answer


def judged(sittings: Iterable[Sitting], scale: Scale, until: datetime | None = None) -> list[Verdict]:
    """Verdicts on interviews that count, or did at a moment."""
    return [one for answer in interviews(sittings, scale) for one in verdicts_on(answer.question, scale, until)]


def verdicts_on(question: Question, scale: Scale, until: datetime | None = None) -> list[Verdict]:
    """Verdicts on one interview that count, criterion by criterion."""
    answer, asked = question.answer, asked_about(question)
    if answer is None:
        return []
    grades = given(answer, until)
    return [
        Verdict(answer, int(row), grade, reading, asked[criterion])
        for row in scale.probes.of(question.item_id)
        for criterion in [scale.probes.criterion(row)]
        for grade, reading in panel.counted([one for one in grades if one.criterion == criterion], scale.raters)
    ]


def asked_about(question: Question) -> Mapping[str, float]:
    """How many further questions about each criterion were put and answered; one that a model proposed counts less."""
    said = max((turn.number for turn in question.turns if turn.who == "says"), default=0)
    found: defaultdict[str, float] = defaultdict(float)
    for turn in question.turns:
        if turn.who == "asks" and turn.move.get("criterion") and turn.number < said:
            found[str(turn.move["criterion"])] += PROPOSED if turn.move.get("proposed") else 1.0
    return found


def claims_of(person: Applicant, until: datetime | None = None) -> list[Claim]:
    """The claims that hold, or did at a moment: those the person confirmed last."""
    mine = [one for one in person.resumes if one.by == "applicant" and (until is None or one.at <= until)]
    return mine[-1].claims if mine else []


def gather(
    sittings: Iterable[Sitting], certificates: Iterable[Certificate], claims: Iterable[Claim], scale: Scale,
    now: datetime, until: datetime | None = None, outcomes: Iterable[Outcome | Look] = (),
) -> Evidence:  # fmt: skip
    """All that is known of one person, or was at a moment: what `vetted` gives, then outcomes of work."""
    sittings = list(sittings)
    parts = vetted(sittings, judged(sittings, scale, until), certificates, claims, scale, now, until)
    if worked := list(outcomes):  # read around what vetting alone says
        parts.append(learning.evidence_of(worked, scale, solve(scale.population, together(parts)).belief))
    return together(parts)


def gather_around(person: Applicant, scale: Scale, now: datetime, done: Sequence[learning.Work]) -> Evidence:
    """What vetting knows of a person, and these of their works."""
    verdicts = judged(person.sittings, scale)
    parts = vetted(person.sittings, verdicts, person.certificates, claims_of(person), scale, now)
    before = solve(scale.population, together(parts)).belief
    return together([*parts, learning.as_evidence(done, scale.skills, scale.reviewers, before)])


def vetted(
    sittings: Iterable[Sitting], verdicts: list[Verdict], certificates: Iterable[Certificate], claims: Iterable[Claim],
    scale: Scale, now: datetime, until: datetime | None = None,
) -> list[Evidence]:  # fmt: skip
    """What vetting alone knows: keyed answers, these verdicts on interviews, certificates, claims beside any answer."""
    shown = [answered(sittings, scale, until), talked(verdicts, scale)]
    said = claims if any(map(len, shown)) else []
    return [*shown, certified(certificates, scale, now), claimed(said, scale)]


def together(parts: Sequence[Evidence]) -> Evidence:
    """Rows of evidence one below the other."""
    parts = [part for part in parts if len(part)] or parts[:1]
    return Evidence(
        items=stacked(*(part.items for part in parts)),
        level=np.concatenate([part.level for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        variance=np.concatenate([part.variance for part in parts]),
        blur=np.concatenate([part.blur for part in parts]),
        cluster=np.concatenate([part.cluster for part in parts]),
        effect=np.concatenate([part.effect for part in parts]),
    )


def answered(sittings: Iterable[Sitting], scale: Scale, until: datetime | None = None) -> Evidence:
    """Items with a key, each with an effect of its own."""
    pairs = graded(sittings, scale, until)
    rows = scale.items.rows(answer.question.item_id for answer, _ in pairs)
    level = np.array([grade.level for _, grade in pairs], dtype=np.int64)
    return answers(scale.parameters.rows(rows), level, scale.blur[rows])


def as_read(scale: Scale, rows: Ints, read: Sequence[Reading]) -> Criteria:
    """Criteria as their raters read them after a full conversation.

    A rater of discrimination φ and severity ρ reads σ(φ (s + d_k - ρ |a|)); what is not known of φ and ρ widens the
    blur, and what the answer's criteria share is read as sharply as the rest.
    """
    own = scale.probes.parameters.rows(rows)
    steep = np.linalg.norm(own.slope, axis=1)
    sharp = np.array([one.discrimination for one in read])
    severity = np.array([one.severity for one in read])
    doubt = np.array([one.sd_severity**2 + one.sd_log_discrimination**2 for one in read])
    blur = sharp**2 * (scale.probes.blur[rows] + doubt * steep**2)
    return Criteria(rated(own, sharp, severity * steep), blur, sharp * scale.probes.effect[rows])


def talked(verdicts: list[Verdict], scale: Scale) -> Evidence:
    """Verdicts on interviews; all of one answer share its effect."""
    rows = np.array([verdict.row for verdict in verdicts], dtype=np.int64)
    asked = np.array([verdict.questions for verdict in verdicts], dtype=float)
    seen = as_read(scale, rows, [verdict.reading for verdict in verdicts]).after(asked)
    level = np.array([verdict.grade.level for verdict in verdicts], dtype=np.int64)
    n = len(verdicts)
    cluster = np.array([verdict.answer.id for verdict in verdicts], dtype=np.int64)
    return Evidence(seen.items, level, np.zeros(n), np.ones(n), seen.blur, cluster, seen.effect)


def certified(certificates: Iterable[Certificate], scale: Scale, now: datetime) -> Evidence:
    """Valid certificates: a skill seen directly, with a stated error."""
    valid = [
        paper for paper in certificates
        if paper.skill in scale.skills.position and (paper.expires is None or paper.expires > now)
    ]  # fmt: skip
    return observed(scale, [(paper.skill, CEFR[paper.level], CERTIFICATE_SD) for paper in valid])


def claimed(claims: Iterable[Claim], scale: Scale) -> Evidence:
    """What a person says of their skills: seen directly, with large errors of which one is shared."""
    known = [(one.skill, one.level, CLAIM_SD) for one in claims if one.skill in scale.skills.position]
    n = len(known)
    return replace(observed(scale, known), cluster=np.full(n, CLAIMS), effect=np.full(n, CLAIMANT_SD))


def observed(scale: Scale, seen: Sequence[tuple[str, float, float]]) -> Evidence:
    """Skills seen directly: (skill, value, sd) each."""
    n = len(seen)
    threshold = np.zeros((n, 1))
    skill = scale.skills.rows(skill for skill, _, _ in seen).reshape(n, 1)
    return Evidence(
        items=Items(skill, np.ones((n, 1)), threshold, np.zeros(n)),
        level=np.full(n, GAUSSIAN),
        value=np.array([value for _, value, _ in seen], dtype=float),
        variance=np.array([sd**2 for _, _, sd in seen], dtype=float),
        blur=np.zeros(n),
        cluster=np.full(n, -1),
        effect=np.zeros(n),
    )


def stacked(*parts: Items) -> Items:
    """Items one below the other, padded to the widest."""
    loads, cuts = max(part.skill.shape[1] for part in parts), max(part.threshold.shape[1] for part in parts)

    def wide(block: NDArray[Any], columns: int, fill: float) -> NDArray[Any]:
        if (lacking := columns - block.shape[1]) == 0:
            return block
        return np.pad(block, [(0, 0), (0, lacking)], constant_values=fill)

    return Items(
        np.concatenate([wide(part.skill, loads, 0) for part in parts]),
        np.concatenate([wide(part.slope, loads, 0.0) for part in parts]),
        np.concatenate([wide(part.threshold, cuts, -np.inf) for part in parts]),
        np.concatenate([part.guess for part in parts]),
    )


def leaving_out(full: Evidence, place: int) -> Evidence:
    """The evidence without one of its rows."""
    return only(full, np.arange(len(full)) != place)


def only(full: Evidence, keep: NDArray[np.bool_]) -> Evidence:
    """Some rows of the evidence."""
    return Evidence(
        full.items.rows(keep), full.level[keep], full.value[keep], full.variance[keep],
        full.blur[keep], full.cluster[keep], full.effect[keep],
    )  # fmt: skip


def belief(applicant: Applicant, scale: Scale, now: datetime) -> Posterior:
    """What we believe of a person from everything they did."""
    return solve(
        scale.population,
        gather(
            applicant.sittings, applicant.certificates, claims_of(applicant), scale, now, outcomes=applicant.work_seen
        ),
    )


def belief_without(applicant: Applicant, left_out: Answer | None, scale: Scale, now: datetime) -> Posterior:
    """What vetting alone, without outcomes of work, lets believe; without the verdicts on one interview."""
    verdicts = [one for one in judged(applicant.sittings, scale) if one.answer is not left_out]
    parts = vetted(applicant.sittings, verdicts, applicant.certificates, claims_of(applicant), scale, now)
    return solve(scale.population, together(parts))
