"""A judgement as one page for people: no script, no address outside, every picture with its table."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import jinja2
import numpy as np
from scipy.special import ndtr

from vetting.calibration.judge import LEVELS
from vetting.calibration.judgement import ItemJudged, Judgement
from vetting.calibration.reasons import ALARMS, ALIKE, DEPENDENT, ERRATIC, MISFIT, NOISY, WORSE, moment

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 15  # items of a comparison that are drawn


def page(found: Judgement) -> str:
    """The report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"along": along, "normal_share": normal_share, "places": places, "limits": limits()}
    environment.filters |= {"signed": signed, "tiny": tiny, "moment": moment}
    return environment.get_template("judgement.html").render(it=found, shown=SHOWN)


def limits() -> dict[str, float]:
    return {
        "alarms": ALARMS, "dependent": DEPENDENT, "misfit": MISFIT, "worse": WORSE, "noisy": NOISY, "erratic": ERRATIC,
        "alike": ALIKE,
    }  # fmt: skip


def along(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value lies between two ends of a picture; what is beyond an end lies on it."""
    share = (min(max(value, low), high) - low) / (high - low)
    return round(start + share * (end - start), 1)


def normal_share(low: float, width: float) -> float:
    """Share of a standard normal in a bin."""
    return float(ndtr(low + width) - ndtr(low))


def places(items: Iterable[ItemJudged], skill: str) -> list[tuple[ItemJudged, int]]:
    """Items of which a skill is the main one, with how many marks stand below each in the map."""
    height: dict[int, int] = {}
    found = []
    for one in items:
        if one.skills[:1] != [skill] or one.difficulty is None or not isfinite(one.difficulty):
            continue
        column = round(4 * float(np.clip(one.difficulty, LEVELS[0], LEVELS[-1])))
        found.append((one, height.get(column, 0)))
        height[column] = height.get(column, 0) + 1
    return found


def signed(value: float, digits: int = 2) -> str:
    shown = f"{value:+.{digits}f}".replace("-", "\u2212")
    return shown if any(digit in shown for digit in "123456789") else shown[1:]  # nought has no sign


def tiny(p: float) -> str:
    return "< .0001" if p < 1e-4 else f"{p:.4f}".removeprefix("0")
