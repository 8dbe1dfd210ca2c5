"""Which verdicts on an interview count, and how each rater is read.

A criterion is judged by several raters, people and models alike. An adjudication takes the place of the verdicts that
it settles; verdicts too far apart wait for one, since an average of a dispute is nobody's opinion. A model counts from
the calibration on that knows its severity and discrimination; before, it runs in the shadow of the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vetting.records import Grade

ADJUDICATOR = "adjudicator:"
DISPUTE = 2  # verdicts on one criterion that lie so many levels apart are not averaged
SHARP = 0.5  # discrimination from which a rater can dispute: a duller one differs by its noise alone

CHANGED = re.compile(r"~[0-9]+$")  # what a rater's name ends with once it changed
NO_MODEL = "no model grades here"  # why an answer is left to people where none is set


@dataclass(frozen=True)
class Reading:
    """How a rater reads an answer: P(Y >= k | q) = σ(φ (q + d_k - ρ)), q and ρ in sds of the criterion's quality."""

    discrimination: float  # φ, as a share of a faultless rater's
    severity: float = 0.0  # ρ, in sds
    sd_log_discrimination: float = 0.0
    sd_severity: float = 0.0


# before a calibration knows the rater; severities of untrained raters spread by half an sd, trained ones by a third
KINDS: Mapping[str, Reading] = {
    "key": Reading(1.0),
    "simulated": Reading(1.0),
    "adjudicator": Reading(1.0, sd_log_discrimination=0.2, sd_severity=0.2),
    "human": Reading(0.8, sd_log_discrimination=0.3, sd_severity=0.33),
    "offline": Reading(0.3, sd_log_discrimination=0.5, sd_severity=0.5),
}
EXPECTED = KINDS["human"]  # of whoever will grade what nobody has graded yet


def readings(body: Mapping[str, Any]) -> dict[str, Reading]:
    """The raters that a calibration's body knows: {rater: {"discrimination", "severity", "sd_…"}}."""
    return {rater: Reading(**numbers) for rater, numbers in body.get("raters", {}).items()}


def reading(rater: str, known: Mapping[str, Reading]) -> Reading | None:
    """How to read a rater; None: not yet, the rater is in the shadow."""
    return known.get(rater) or KINDS.get(rater.partition(":")[0])


def original(rater: str) -> str:
    """The model and prompt behind a rater's name, whatever it is called since it changed."""
    return CHANGED.sub("", rater)


def counted(grades: Iterable[Grade], known: Mapping[str, Reading]) -> list[tuple[Grade, Reading]]:
    """The verdicts that count for one criterion: the latest adjudication alone, else all, unless they are a dispute."""
    live = [(grade, read) for grade in grades if (read := reading(grade.rater, known)) is not None]
    settled = [pair for pair in live if pair[0].rater.startswith(ADJUDICATOR)]
    if settled:
        return settled[-1:]
    return [] if at_odds(live) else live


def at_odds(live: Iterable[tuple[Grade, Reading]]) -> bool:
    """Whether raters sharp enough to have an opinion differ too much; the belief knows how dull the others are."""
    return disputed(grade.level for grade, read in live if read.discrimination >= SHARP)


def disputed(levels: Iterable[int]) -> bool:
    """Whether verdicts lie too far apart to stand side by side."""
    seen = sorted(levels)
    return bool(seen) and seen[-1] - seen[0] >= DISPUTE
