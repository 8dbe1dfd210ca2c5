"""Chains of steps: each numbered step has a status of its own, and a chain is valid if every one of its steps is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from assignment.agreement import Estimate, Labels, gwet
from vetting import progress, work
from vetting.checks import step_texts
from vetting.records import Json
from vetting.work_records import Dispute, Submission

RIGHT, WRONG, DISPUTED, OPEN = "right", "wrong", "disputed", "not judged"


def resolution_of(submission: Submission) -> Dispute | None:
    """The dispute about this submission that a third person decided."""
    mine = [one for one in submission.unit.disputes if one.submission_id == submission.id]
    return next((one for one in mine if one.resolution is not None), None)


def step_status(submission: Submission) -> list[Json]:
    """Each numbered step: right, wrong, or where its judges differ; a third person's word holds."""
    third = resolution_of(submission)
    count = len(step_texts(submission.text))
    if third is not None and third.resolution is not None and third.resolution.verdict != work.AMBIGUOUS:
        wrong = third.resolution.wrong_steps
        return [{"step": n, "status": WRONG if n in wrong else RIGHT, "by": 1} for n in range(1, count + 1)]
    judges = submission.reviews
    votes = [sum(n in review.wrong_steps for review in judges) for n in range(1, count + 1)]
    named = {0: RIGHT, len(judges): WRONG} if judges else {0: OPEN}
    return [{"step": n, "status": named.get(vote, DISPUTED), "by": len(judges)} for n, vote in enumerate(votes, 1)]


def chain_valid(submission: Submission) -> bool | None:
    """Whether every step is right; None while one is not judged or its judges differ, or where there are no steps."""
    seen = {step["status"] for step in step_status(submission)}
    if WRONG in seen:
        return False
    return True if seen == {RIGHT} else None


def error_codes(submission: Submission) -> dict[str, int]:
    """How many judges named each kind of error; where a third person decided, theirs alone."""
    third = resolution_of(submission)
    decided = third.resolution if third is not None else None
    judges = [decided] if decided is not None else submission.reviews
    return dict(Counter(error for one in judges for error in one.errors))


def step_agreement(submissions: Sequence[Submission]) -> Estimate:
    """Gwet's AC1 of right and wrong, over the steps of everything that two people or more judged."""
    rows: list[tuple[int, int, int]] = []
    units = 0
    people: dict[int, int] = {}
    for one in submissions:
        judges = [review for review in one.reviews if review.offer.task != "again"]
        if len(judges) < 2:
            continue
        for n in range(1, len(step_texts(one.text)) + 1):
            rows += [
                (units, people.setdefault(review.offer.applicant_id, len(people)), int(n in review.wrong_steps))
                for review in judges
            ]
            units += 1
    if not rows:
        return progress.NOTHING
    table = np.array(rows, dtype=np.intp)
    return gwet(Labels(table[:, 0], table[:, 1], table[:, 2], 2)).analytic()
