"""Who stands behind an outcome of work, and how each of them is read: reviewers, third persons, the customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assignment.pooling import slips
from assignment.reviewing import USUAL, Reviewing, agreeing
from irt.model import Floats
from vetting.work_records import Outcome

CUSTOMER = "customer:"  # of a program
Readings = Mapping[str, Reviewing]


def readings(body: Mapping[str, Any]) -> dict[str, Reviewing]:
    """The judges that a calibration's body knows."""
    return {judge: Reviewing(**numbers) for judge, numbers in body.get("reviewers", {}).items()}


def level_of(outcome: Outcome) -> tuple[int, tuple[str, ...]]:
    """The level of an outcome's content and who stands behind it; what the customer found goes first."""
    submission = outcome.submission
    if submission.customer:
        return submission.customer[-1].level, (f"{CUSTOMER}{submission.unit.program_id}",)
    return outcome.level, behind(outcome)


def behind(outcome: Outcome) -> tuple[str, ...]:
    """The third person who decided, or all whose verdicts agreed; of a judgement nobody: its level says who agreed."""
    submission = outcome.submission
    if submission.label:
        return ()
    if outcome.settled == "adjudicated":
        told = [one.resolution for one in submission.unit.disputes if one.submission_id == submission.id]
        return tuple(str(one.offer.applicant_id) for one in told[-1:] if one)
    return tuple(sorted(str(review.offer.applicant_id) for review in submission.reviews))


def panel(behind: Sequence[tuple[str, ...]], known: Readings) -> tuple[Floats, Floats]:
    """(J,) severities and (J, 3, 3) labels of groups of judges who said the same."""
    read = [[known.get(judge, USUAL) for judge in group] or [USUAL] for group in behind]
    severity = np.array([np.mean([one.severity for one in some]) for some in read])
    labels = np.empty((len(read), 3, 3))
    for size in {len(some) for some in read}:
        rows = [row for row, some in enumerate(read) if len(some) == size]
        labels[rows] = agreeing(slips(np.array([[one.slip for one in read[row]] for row in rows])))
    return severity, labels


def doubt(counts: Mapping[tuple[str, ...], Sequence[int]], known: Readings) -> float:
    """Variance that unknown severities leave on what the counts say: the judges' doubts, each by their share."""
    total = sum(map(sum, counts.values()))
    share: dict[str, float] = {}
    for group, tally in counts.items():
        for judge in group or ("",):
            share[judge] = share.get(judge, 0.0) + sum(tally) / (total * max(len(group), 1))
    return float(sum((part * known.get(judge, USUAL).severity_sd) ** 2 for judge, part in share.items()))
