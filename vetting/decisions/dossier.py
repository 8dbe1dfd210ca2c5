"""What we know of a person, how surely, and why: the profile, the evidence behind it, what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.special import ndtr

from irt.belief import Belief, Evidence, Posterior, solve
from irt.model import Floats, Ints
from irt.selection import Aim, Pool, scan
from irt.timing import Pace, expected_minutes, pace
from item_bank.load import Bank
from vetting import evidence
from vetting.messages import RoleForm
from vetting.records import Answer, Applicant, Record
from vetting.scale import Scale
from vetting.sittings.choice import allowed
from vetting.sittings.resume import nearest

NINETY = 1.6448536269514722  # normal quantile of a 90 % interval
CLEARS = 0.9  # P(meets bar) from which a bar counts as cleared; below 1 - CLEARS it counts as missed
WORDS = ("novice", "capable", "strong", "expert")  # below -1, -1 to 0, 0 to 1, above 1
MORE_MINUTES = 5.0


@dataclass(frozen=True)
class SkillView:
    """One row of a profile: mean and 90 % interval in population sds."""

    skill: str
    name: str
    mean: float
    low: float
    high: float
    bar: float | None
    clears: float | None  # P(skill >= bar)
    asked: int  # answers that looked at this skill directly
    wanted: bool  # part of the role

    @property
    def word(self) -> str:
        return WORDS[int(np.searchsorted([-1.0, 0.0, 1.0], self.mean))]


@dataclass(frozen=True)
class EvidenceView:
    """One piece of evidence and how far it moved the belief."""

    kind: str  # of item, "interview", "certificate", "claims" or "outcome"
    title: str
    level: int
    most: int  # highest level there is; 0: none is reached here
    at: datetime
    skills: tuple[str, ...]
    moved: float  # change of the role's mean score if this piece were left out, in sds
    minutes: float
    answer_id: int  # 0: no answer stands behind it
    rater: str
    words: str = ""  # what it says, where it is short


@dataclass(frozen=True)
class MoreMinutes:
    """What some more minutes on one skill would do to P(meets bar)."""

    skill: str
    minutes: float
    now: float
    up: float
    down: float


@dataclass(frozen=True, eq=False)
class Dossier:
    """A person against a role."""

    applicant: Applicant
    role: RoleForm
    calibration_id: int
    belief: Belief
    clears: float  # P(every bar of the role is met)
    score: float  # the role's weighted mean skill
    score_sd: float
    skills: tuple[SkillView, ...]
    minutes: float
    answered: int
    finished: bool

    @property
    def state(self) -> str:
        if self.clears >= CLEARS:
            return "clears"
        return "below" if self.clears <= 1 - CLEARS else "open"


def role_columns(role: RoleForm, scale: Scale) -> tuple[Ints, Floats, Floats]:
    """(rows of the role's skills, bars, weights that add up to 1)."""
    known = {skill: ask for skill, ask in role.skills.items() if skill in scale.skills.position}
    weight = np.array([ask.weight for ask in known.values()])
    share = weight / weight.sum() if weight.sum() > 0 else np.full(len(known), 1 / max(len(known), 1))
    return scale.skills.rows(known), np.array([ask.bar for ask in known.values()]), share


def dossier(
    applicant: Applicant, role: RoleForm, scale: Scale, bank: Bank, calibration_id: int, now: datetime
) -> Dossier:
    """The profile as it stands now."""
    posterior = evidence.belief(applicant, scale, now)
    belief = posterior.belief
    rows, bars, share = role_columns(role, scale)
    pairs = evidence.graded(applicant.sittings, scale)
    talks = list(evidence.interviews(applicant.sittings, scale))
    return Dossier(
        applicant=applicant,
        role=role,
        calibration_id=calibration_id,
        belief=belief,
        clears=belief.all_above(rows, bars),
        score=float(share @ belief.mean[rows]),
        score_sd=float(np.sqrt(share @ belief.cov[np.ix_(rows, rows)] @ share)),
        skills=profile(posterior, role, scale, bank, [*(answer for answer, _ in pairs), *talks]),
        minutes=sum(answer.seconds for answer in [*(answer for answer, _ in pairs), *talks]) / 60,
        answered=len(pairs) + len(talks),
        finished=any(sitting.ending for sitting in applicant.sittings),
    )


def profile(
    posterior: Posterior, role: RoleForm, scale: Scale, bank: Bank, answers: Sequence[Answer]
) -> tuple[SkillView, ...]:
    """Every skill of the role, then every other skill that was asked about, each with its interval."""
    asked = [skill for answer in answers for skill in bank_skills(answer, bank)]
    order = [skill for skill in role.skills if skill in scale.skills.position]
    order += [skill for skill in scale.skills.ids if skill in asked and skill not in order]

    def view(skill: str) -> SkillView:
        row = scale.skills.position[skill]
        mean, sd = float(posterior.mean[row]), float(posterior.sd[row])
        bar = role.skills[skill].bar if skill in role.skills else None
        return SkillView(
            skill=skill,
            name=skill_name(skill, bank),
            mean=mean,
            low=mean - NINETY * sd,
            high=mean + NINETY * sd,
            bar=bar,
            clears=None if bar is None else float(ndtr((mean - bar) / sd)),
            asked=asked.count(skill),
            wanted=skill in role.skills,
        )

    return tuple(view(skill) for skill in order)


def skill_name(skill: str, bank: Bank) -> str:
    """In words, where the bank still has the skill."""
    known = bank.tree.skills.get(skill)
    return known.name if known else skill


def bank_skills(answer: Answer, bank: Bank) -> tuple[str, ...]:
    key = answer.question.item_id
    asked = bank.items.get(key) or bank.probes.get(key)
    return tuple(asked.skills) if asked else ()


def evidence_of(applicant: Applicant, role: RoleForm, scale: Scale, bank: Bank, now: datetime) -> list[EvidenceView]:
    """All that speaks about a person, piece by piece, the one that moved the role's score most first.

    How far a piece moved it: the score with all evidence, less the score with this piece left out.
    """
    everything = all_but(applicant, scale, now)
    pairs = evidence.graded(applicant.sittings, scale)
    full = score_of(everything, role, scale)
    views = []
    for place, (answer, grade) in enumerate(pairs):
        moved = full - score_of(evidence.leaving_out(everything, place), role, scale)
        item = bank.items.get(answer.question.item_id)
        row = scale.items.position[answer.question.item_id]
        views.append(
            EvidenceView(
                kind=item.kind if item else "item",
                title=item.title if item else answer.question.item_id,
                level=grade.level,
                most=int(scale.parameters.levels[row]) - 1,
                at=answer.at,
                skills=bank_skills(answer, bank),
                moved=moved,
                minutes=answer.seconds / 60,
                answer_id=answer.id,
                rater=grade.rater,
            )
        )
    views += talks_of(applicant, everything, full, role, scale, bank)
    views += besides(applicant, full, role, scale, bank, now)
    return sorted(views, key=lambda view: -abs(view.moved))


def talks_of(
    applicant: Applicant, everything: Evidence, full: float, role: RoleForm, scale: Scale, bank: Bank
) -> list[EvidenceView]:
    """Graded interviews, each with how far all its grades together moved the score."""
    verdicts = evidence.judged(applicant.sittings, scale)
    views = []
    for answer in {verdict.answer.id: verdict.answer for verdict in verdicts}.values():
        without = evidence.only(everything, everything.cluster != answer.id)
        probe = bank.probes.get(answer.question.item_id)
        mine = [verdict for verdict in verdicts if verdict.answer is answer]
        views.append(
            EvidenceView(
                kind="interview",
                title=probe.title if probe else answer.question.item_id,
                level=sum(verdict.grade.level for verdict in mine),
                most=sum(int(scale.probes.parameters.levels[verdict.row]) - 1 for verdict in mine),
                at=answer.at,
                skills=bank_skills(answer, bank),
                moved=full - score_of(without, role, scale),
                minutes=answer.seconds / 60,
                answer_id=answer.id,
                rater=", ".join(sorted({verdict.grade.rater for verdict in mine})),
            )
        )
    return views


def score_of(seen: Evidence, role: RoleForm, scale: Scale) -> float:
    """The role's weighted mean skill after some evidence."""
    rows, _, share = role_columns(role, scale)
    return float(share @ solve(scale.population, seen).mean[rows])


def all_but(applicant: Applicant, scale: Scale, now: datetime, left_out: Sequence[Record] = ()) -> Evidence:
    """All that is known of a person, as if some certificates, claims or pieces of work had never been."""
    gone = set(left_out)
    papers = [one for one in applicant.certificates if one not in gone]
    claims = [one for one in evidence.claims_of(applicant) if one not in gone]
    work = [one for one in applicant.work_seen if one not in gone]
    return evidence.gather(applicant.sittings, papers, claims, scale, now, outcomes=work)


def besides(
    applicant: Applicant, full: float, role: RoleForm, scale: Scale, bank: Bank, now: datetime
) -> list[EvidenceView]:
    """Certificates, all that the person claims and all their work, each with how far it moved the score, if at all."""

    def view(
        kind: str, title: str, facts: Sequence[Record], skills: Sequence[str] = (), words: str = ""
    ) -> EvidenceView:
        without = all_but(applicant, scale, now, facts)
        return EvidenceView(
            kind=kind, title=title, level=0, most=0, at=max(one.at for one in facts), skills=tuple(skills),
            moved=full - score_of(without, role, scale), minutes=0.0, answer_id=0, rater="", words=words,
        )  # fmt: skip

    found = [
        view("certificate", f"{one.level.upper()}, {one.issuer}", [one], [one.skill]) for one in applicant.certificates
    ]
    if claims := evidence.claims_of(applicant):
        told = [f"{skill_name(one.skill, bank)}: {nearest(one.level)}" for one in claims]
        found.append(view("claims", "Experience as told", claims, [one.skill for one in claims], "; ".join(told)))
    if applicant.work_seen:
        found.append(view("outcome", "Outcomes of work", applicant.work_seen))
    return [one for one in found if one.moved]


def more_minutes(person: Dossier, scale: Scale, bank: Bank, minutes: float = MORE_MINUTES) -> MoreMinutes | None:
    """The skill of the role on which some more minutes would move P(meets bar) most, and where to.

    The best items on the skill are worth a certain precision a minute; what they would show is taken as
    one observation of that precision, one sd to the better or to the worse. None when nothing is left to ask.
    """
    rows, bars, _ = role_columns(person.role, scale)
    options = [
        option
        for row in rows
        if (noise := noise_of(person, scale, bank, int(row), minutes)) is not None
        and (option := swing(person, scale, int(row), noise, rows, bars, minutes))
    ]
    return max(options, key=lambda option: option.up - option.down, default=None)


def noise_of(person: Dossier, scale: Scale, bank: Bank, row: int, minutes: float) -> float | None:
    """Variance of the observation of one skill that the best items give in some minutes."""
    only = np.zeros(len(scale.population))
    only[row] = 1.0
    aim = Aim(np.full(len(only), 0.05), only)
    expected = expected_minutes(scale.intensity, pace_of(person, scale))
    unasked = (
        allowed(person.applicant.sittings[-1], scale, bank)
        if person.applicant.sittings
        else np.ones(len(expected), bool)
    )
    chances = scan(person.belief, Pool(scale.parameters, scale.blur, expected), aim, unasked)
    if len(chances.order) == 0:
        return None
    best = chances.order[0]
    variance = float(person.belief.cov[row, row])
    fall = 1 - np.exp(-2 * chances.gain[best])  # share of the variance one answer takes
    precision = fall / (1 - fall) / variance * minutes / expected[best]
    return float(1 / precision)


def pace_of(person: Dossier, scale: Scale) -> Pace:
    pairs = evidence.graded(person.applicant.sittings, scale)
    rows = scale.items.rows(answer.question.item_id for answer, _ in pairs)
    minutes = np.array([answer.seconds / 60 for answer, _ in pairs])
    return pace(np.log(np.maximum(minutes, 1e-3)), scale.intensity[rows])


def swing(
    person: Dossier, scale: Scale, row: int, noise: float, rows: Ints, bars: Floats, minutes: float
) -> MoreMinutes:
    shift, cov = person.belief.seeing(row, noise)
    up, down = (Belief(person.belief.mean + side * shift, cov).all_above(rows, bars) for side in (1.0, -1.0))
    return MoreMinutes(skill=scale.skills.ids[row], minutes=minutes, now=person.clears, up=up, down=down)


def alike(people: Sequence[Dossier]) -> list[list[Dossier]]:
    """People sorted by P(meets bar), in runs whose scores cannot be told apart with 90 % certainty."""
    ordered = sorted(people, key=lambda person: (-person.clears, -person.score, person.applicant.id))
    runs: list[list[Dossier]] = []
    for person in ordered:
        if runs and not surely_apart(runs[-1][0], person):
            runs[-1].append(person)
        else:
            runs.append([person])
    return runs


def surely_apart(one: Dossier, two: Dossier) -> bool:
    gap = abs(one.score - two.score)
    return bool(ndtr(gap / np.hypot(one.score_sd, two.score_sd)) >= CLEARS)
