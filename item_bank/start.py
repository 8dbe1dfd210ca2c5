"""Start values of an item that nobody has answered yet: a rule, not a measurement.

Difficulty follows the study level, discrimination and guessing the kind of item, minutes the kind,
the level and the words to read. `sd` fields say how little is known; a calibration replaces all of it.
Language models guess difficulty fairly and discrimination hardly (rank correlations near .8 and .2 in
published comparisons), hence the wide spread of the slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

from item_bank.probe import Criterion, Form, Probe
from item_bank.schema import (
    Choice,
    ClaimCheck,
    Follow,
    Item,
    Multi,
    Numeric,
    Preference,
    StepGrade,
    StudyLevel,
    Text,
)

# difficulty of a middling item of the level, in standard deviations of the applicants
DIFFICULTY: dict[StudyLevel, float] = {
    "school": -1.2, "undergraduate": -0.3, "hard_undergraduate": 0.5, "graduate": 1.2, "expert": 2.0,
    "a2": -1.8, "b1": -1.0, "b2": -0.2, "c1": 0.8, "c2": 1.6,
}  # fmt: skip
SLOPE: dict[type, float] = {
    Choice: 1.2, Multi: 1.3, Numeric: 1.5, Text: 1.4, Follow: 1.1, StepGrade: 1.3, Preference: 1.0, ClaimCheck: 1.2,
}  # fmt: skip
# minutes to think, before reading time, at undergraduate level
MINUTES: dict[type, float] = {
    Choice: 0.7, Multi: 1.0, Numeric: 1.5, Text: 0.4, Follow: 2.0, StepGrade: 2.0, Preference: 1.5, ClaimCheck: 2.0,
}  # fmt: skip
PACE: dict[StudyLevel, float] = {
    "school": 0.7, "undergraduate": 1.0, "hard_undergraduate": 1.3, "graduate": 1.6, "expert": 2.0,
    "a2": 0.6, "b1": 0.8, "b2": 0.9, "c1": 1.0, "c2": 1.1,
}  # fmt: skip
SPREAD = 1.1  # distance between neighbouring levels' thresholds, in population sds
WORDS_PER_MINUTE = 220.0
GUESS_SHARE = 0.85  # of 1/options: good distractors catch some who would otherwise guess
SD_LOG_SLOPE, SD_DIFFICULTY, SD_LOG_MINUTES = 0.35, 0.7, 0.35


@dataclass(frozen=True)
class Start:
    """Start values in intercept form, logit P(level >= k) = slope · theta + threshold_k."""

    slopes: dict[str, float]
    thresholds: tuple[float, ...]
    guess: float
    minutes: float  # median
    sd_log_slope: float = SD_LOG_SLOPE
    sd_difficulty: float = SD_DIFFICULTY
    sd_log_minutes: float = SD_LOG_MINUTES


def start(item: Item) -> Start:
    """The rule, applied to one item."""
    total = sum(share * share for share in item.skills.values()) ** 0.5
    slope = SLOPE[type(item)]
    middle = DIFFICULTY[item.level] + item.nudge
    steps = item.levels - 1
    cuts = [middle + SPREAD * (k - (steps - 1) / 2) for k in range(steps)]
    return Start(
        slopes={skill: slope * share / total for skill, share in item.skills.items()},
        thresholds=tuple(-slope * cut for cut in cuts),
        guess=GUESS_SHARE / len(item.options) if isinstance(item, Choice) else 0.0,
        minutes=item.minutes or MINUTES[type(item)] * PACE[item.level] + words(item) / WORDS_PER_MINUTE,
    )


def words(item: Item) -> int:
    """Words on the screen."""
    shown = [item.stem, *getattr(item, "options", ()), *getattr(item, "steps", ()), *getattr(item, "answers", ())]
    shown += [*getattr(item, "reasons", ()), getattr(item, "source", "")]
    shown += [claim.text for claim in getattr(item, "claims", ())]
    return sum(len(text.split()) for text in shown)


def log_minutes(start: Start) -> float:
    """Mean of log minutes, the time model's item intensity."""
    return log(start.minutes)


# -- probes ------------------------------------------------------------------------------------------

# slope of one criterion under a faultless rater, by form; raters' own noise is modelled apart
CRITERION_SLOPE: dict[Form, float] = {
    "fermi": 1.2, "case": 1.1, "design": 1.2, "proof": 1.4, "debugging": 1.3, "vignette": 1.2, "language": 1.5,
}  # fmt: skip
CRITERION_SPREAD = 0.9  # between neighbouring levels: about one CEFR step, in population sds
OPENING_SHARE = 0.5  # of the time frame; the rest is shared by one follow-up for each criterion


@dataclass(frozen=True)
class CriterionStart:
    """Start values of one criterion of a probe, in the form of `Start`; nobody has validated them."""

    slopes: dict[str, float]
    thresholds: tuple[float, ...]
    log_minutes_opening: float
    log_minutes_follow_up: float
    guess: float = 0.0  # nobody guesses an argument
    sd_log_slope: float = SD_LOG_SLOPE
    sd_difficulty: float = SD_DIFFICULTY
    sd_log_minutes: float = SD_LOG_MINUTES
    validated: Literal[False] = False


def start_criterion(probe: Probe, criterion: Criterion) -> CriterionStart:
    """The rule for a criterion: difficulty by level and both nudges, slope by form, minutes by the frame."""
    total = sum(share * share for share in criterion.skills.values()) ** 0.5
    slope = CRITERION_SLOPE[probe.form]
    middle = DIFFICULTY[probe.level] + probe.nudge + criterion.nudge
    steps = len(criterion.levels) - 1
    cuts = [middle + CRITERION_SPREAD * (k - (steps - 1) / 2) for k in range(steps)]
    return CriterionStart(
        slopes={skill: slope * share / total for skill, share in criterion.skills.items()},
        thresholds=tuple(-slope * cut for cut in cuts),
        log_minutes_opening=log(probe.minutes * OPENING_SHARE),
        log_minutes_follow_up=log(probe.minutes * (1 - OPENING_SHARE) / len(probe.criteria)),
    )
