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
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.model import Floats, Ints, Items
from irt.newcomer import Newcomer, moved, newcomer
from irt.rater_watch import FEWEST_STEADY, SHIFT, by_answer, drift_by_answer
from vetting.records import Calibration


class Seen(NamedTuple):
    """A rater's verdicts in the order they came, with what everything else says of what they are about."""

    level: Ints  # (n,)
    items: Items  # (n,) as a faultless rater reads them
    mean: Floats  # (n,)
    variance: Floats  # (n,)
    answer: Ints  # (n,)

    def rows(self, which: NDArray[np.bool_]) -> Seen:
        place = np.flatnonzero(which)
        return Seen(
            self.level[place], self.items.rows(place), self.mean[place], self.variance[place], self.answer[place]
        )


@dataclass(frozen=True)
class Watch:
    """What the watch over a rater has found."""

    steady: int  # answers graded before it counted
    since: int  # answers watched
    alarm: int | None = None  # how many of them it took; None: no alarm
    direction: str | None = None  # "stricter", "milder"

    def __str__(self) -> str:
        """In words."""
        if self.steady < FEWEST_STEADY:
            return (
                f"not watched for drift: {self.steady} answers were graded before it counted, {FEWEST_STEADY} are "
                "needed. Maybe publish anew (`assay panel --publish`) when there are more."
            )
        if self.alarm is None:
            return f"steady over {self.since} answers since it counts."
        return (
            f"became {self.direction} since it counts: noticed after {self.alarm} of {self.since} answers. Maybe the "
            "model behind the name changed: let people grade its last answers, then `assay panel --publish` anew."
        )


def known_since(db: Session, raters: Iterable[str]) -> dict[str, datetime]:
    """When the numbers that the newest calibration has of each rater were published; raters it does not know lack."""
    rows = iter(db.scalars(select(Calibration).order_by(Calibration.id.desc()).execution_options(yield_per=1)))
    newest = next(rows)
    numbers = newest.body.get("raters", {})
    found = {rater: newest.at for rater in raters if rater in numbers}
    same = set(found)
    for row in rows:
        before = row.body.get("raters", {})
        same = {rater for rater in same if before.get(rater) == numbers[rater]}
        if not same:
            break
        found |= dict.fromkeys(same, row.at)
    return found


def watch(seen: Seen, later: NDArray[np.bool_]) -> Watch | None:
    """None where nothing came later (n,); an answer of which one verdict came later is a later one."""
    later = np.isin(seen.answer, seen.answer[later])
    steady, now = seen.rows(~later), seen.rows(later)
    before, since = len(np.unique(steady.answer)), len(np.unique(now.answer))
    if not since:
        return None
    if before < FEWEST_STEADY:
        return Watch(before, since)
    as_was = newcomer(*steady)
    found = drift_by_answer(sums(as_was, steady), sums(as_was, now))
    return Watch(before, since, found.alarm, found.direction)


def sums(as_was: Newcomer, seen: Seen) -> tuple[Floats, Floats]:
    """(answers,) evidence for stricter and for milder by SHIFT."""
    ratios = moved(as_was, *seen[:4], SHIFT)
    only = np.zeros(len(seen.level), dtype=np.int64)
    up, down = (by_answer(seen.answer, only, ratio[:, None]) for ratio in ratios)
    return up, down
