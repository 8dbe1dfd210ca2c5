"""What `assay judge` found: verdict, reasons and every figure behind them, as JSON and for the report."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

Verdict = Literal["publish", "publish with notes", "refuse"]


class Reason(BaseModel):
    """One thing that speaks against publishing, or that whoever publishes should know."""

    weight: Literal["refuse", "note"]
    check: str  # the part of the report that it comes from
    why: str
    items: list[str] = []  # left out, the reason would fall away


class CurvePoint(BaseModel):
    """A group of people with like expectations on one item; mean scores in shares of the top level."""

    people: int
    foreseen: float
    observed: float
    se: float


class ItemJudged(BaseModel):
    """How one item's answers agree with its curve."""

    item: str
    skills: list[str]
    answers: int
    difficulty: float | None  # in sds of its main skill; the mean over thresholds. None where the slope is 0
    discrimination: float
    rmsd: float  # of observed and foreseen mean scores, in shares of the top level
    p_value: float
    adjusted: float  # share of false alarms among items flagged down to this one (Benjamini & Hochberg)
    standing: Literal["fits", "doubtful", "misfits", "too few answers"]
    curve: list[CurvePoint] = []  # of the items that stand out


class PersonJudged(BaseModel):
    """Somebody whose answers the scale finds odd."""

    person: str
    answers: int
    z: float


class PersonsJudged(BaseModel):
    """How odd people's answers are, standardised."""

    judged: int  # with enough answers
    below: int  # z below the 5 % point
    expected: float  # how many would be by chance
    histogram: list[tuple[float, int]]  # lower end of a bin, people
    oddest: list[PersonJudged]


class PairJudged(BaseModel):
    """Two items whose answers depend on each other beyond the skills."""

    first: str
    second: str
    people: int
    q3: float
    adjusted: float


class PairsJudged(BaseModel):
    """Local dependence: how many pairs were looked at, and the strongest."""

    looked_at: int
    flagged: int
    strongest: list[PairJudged]


class Shift(BaseModel):
    """How many logits easier one item is for the focal group than for the reference, at equal skill."""

    item: str
    shift: float
    se: float
    delta: float  # the same in ETS delta units
    ets: Literal["A", "B", "C", "?"]
    seen: float  # the smallest shift that would be found four times in five


class Comparison(BaseModel):
    """Two groups of people, or an earlier and a later period."""

    grouping: str
    reference: str
    focal: str
    reference_people: int
    focal_people: int
    ahead: dict[str, float]  # by how many sds the focal group's mean is above the reference's
    items: list[Shift]  # largest first
    compared: bool = True  # False: too few people
    unclear: int = 0  # items with too few answers to say

    @property
    def large(self) -> list[Shift]:
        return [one for one in self.items if one.ets == "C"]


class Window(BaseModel):
    """People of one stretch of time."""

    begin: float
    end: float
    people: int
    ahead: dict[str, float]  # by how many sds their mean is above the first window's


class ItemDrift(Shift):
    """Where an item became easier or harder, if it did: `shift` is after the change less before it."""

    p_value: float  # of the largest change at any time
    adjusted: float  # share of false alarms among items flagged down to this one
    since: float  # begin of the first window after the change
    between: tuple[float, float]  # the change cannot be excluded to lie anywhere here
    path: list[tuple[float, float] | None]  # shift and error of each window


class Drift(BaseModel):
    """Items over windows of time."""

    windows: list[Window]
    items: list[ItemDrift]  # surest first
    sure: float  # errors on either side of a shift that make a 95 % interval, wherever the change is looked for
    compared: bool = True  # False: too few people
    unclear: int = 0  # items with too few answers to say

    @property
    def large(self) -> list[ItemDrift]:
        return [one for one in self.items if one.ets == "C"]


class SkillJudged(BaseModel):
    """What scale and people are like on one skill."""

    skill: str
    items: int
    mean: float  # of these people, in sds of the scale's population
    sd: float
    score_sd: float  # mean posterior sd of their scores
    reliability: float
    people: list[tuple[float, int]]  # lower end of a bin of scores, people
    attainable: list[tuple[float, float]]  # level, posterior sd after the best items there


class CorrelationJudged(BaseModel):
    """A correlation of the scale against these people's."""

    first: str
    second: str
    scale: float
    here: float
    z: float  # of the predictive check


class RaterJudged(BaseModel):
    """How one rater's grades agree with what all other grades of the same people let expect."""

    rater: str
    grades: int
    severity: float  # on the scale, in sds of the skill
    discrimination: float
    infit: float  # mean squares, 1 in expectation: above, erratic; below, going along with the others
    outfit: float
    z: float
    adjusted: float  # share of false alarms among raters flagged down to this one
    standing: Literal["fits", "noisy", "erratic", "too alike", "dull", "too few grades"]
    moved: float | None  # stricter here than on the scale by, in sds of the skill; None on the answers it was fitted on
    moved_se: float | None


class DeviationJudged(BaseModel):
    """A rater who is stricter on one item than on others, in sds of the skill."""

    rater: str
    item: str
    people: int
    deviation: float
    se: float
    adjusted: float


class RatersJudged(BaseModel):
    """Raters, worst fit first, and the surest deviations of raters on items."""

    raters: list[RaterJudged]
    pairs: int  # of rater and item that could be looked at
    deviations: list[DeviationJudged]
    unseen: list[str]  # of the scale, who graded nothing here


class Judgement(BaseModel):
    """The answer to: may it be published? With all that it rests on."""

    verdict: Verdict
    reasons: list[Reason]
    leave_out: list[str]  # items without which no reason to refuse that names items is left
    scale: str
    responses: str
    people: int
    answers: int
    log_likelihood: float  # mean of an answer, foreseen from the same person's others
    auc: float | None  # of two-level items, foreseen likewise
    items: list[ItemJudged]
    unanswered: list[str]
    persons: PersonsJudged
    pairs: PairsJudged
    groups: list[Comparison]
    drift: Drift | None
    errors: Literal["none", "fitted here", "counted"]  # of the items' parameters, in the tests of items
    correlations: list[CorrelationJudged]
    skills: list[SkillJudged]
    raters: RatersJudged | None  # None: a scale without raters
    best: int  # items a skill counted in `attainable`
    seed: int
