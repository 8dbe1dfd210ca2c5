"""Has a model changed since its verdicts began to count? A provider may change what stands behind a name.

A rater's verdicts up to the calibration that knows how it reads are its steady time; later ones are watched, answer by
answer. Severity and discrimination are those that the steady verdicts tell, each verdict against what everything but
models says of its answer, and the limit of the chart is read from the steady sums (irt/rater_watch.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.model import Floats, Ints, Items
from irt.newcomer import Newcomer, moved, newcomer
from irt.rater_watch import FEWEST_STEADY, RUN, by_answer, least_shift, limit_by_answer
from vetting.records import Calibration

MARGIN = 1.5  # of the answers between false alarms: the limit is read from some hundred answers itself


class Seen(NamedTuple):
    """A rater's verdicts in the order they came, with what everything else says of what they are about."""

    level: Ints  # (n,)
    items: Items  # (n,) as a faultless rater reads them
    mean: Floats  # (n,)
    variance: Floats  # (n,)
    answer: Ints  # (n,)


@dataclass(frozen=True)
class Steadiness:
    """How a rater reads while it is steady, and the limit of its chart."""

    answers: int
    found: Newcomer
    shift: float  # that is watched for, in sds
    limit: float


def known_since(db: Session, raters: Iterable[str]) -> dict[str, datetime]:
    """When the numbers that the newest calibration has of each rater were published; raters it does not know lack."""
    told = select(Calibration.at, Calibration.body["raters"]).order_by(Calibration.id.desc())
    rows = iter(db.execute(told).all())
    at, numbers = next(rows)
    found = {rater: at for rater in raters if rater in (numbers or {})}
    same = set(found)
    for at, before in rows:
        same = {rater for rater in same if (before or {}).get(rater) == numbers[rater]}
        if not same:
            break
        found |= dict.fromkeys(same, at)
    return found


def steadiness(seen: Seen) -> Steadiness | None:
    """What steady verdicts tell; None where they are too few."""
    answers = len(np.unique(seen.answer))
    if answers < FEWEST_STEADY:
        return None
    found = newcomer(*seen)
    shift = least_shift(found.severity_se)
    limit = limit_by_answer(sums(found, seen, shift), doubt=found.severity_se, shift=shift, run=MARGIN * RUN)
    return Steadiness(answers, found, shift, limit)


def sums(as_was: Newcomer, seen: Seen, shift: float) -> tuple[Floats, Floats]:
    """(answers,) evidence for stricter and for milder by `shift`."""
    ratios = moved(as_was, *seen[:4], shift)
    only = np.zeros(len(seen.level), dtype=np.int64)
    up, down = (by_answer(seen.answer, only, ratio[:, None]) for ratio in ratios)
    return up, down
