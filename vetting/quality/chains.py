"""Chains of steps: each numbered step has a status of its own, and a chain is valid if every one of its steps is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from assignment.agreement import Estimate, Labels, gwet
from vetting.quality import progress
from vetting.records import Json
from vetting.units import checks, work
from vetting.work_records import Dispute, Submission

RIGHT, WRONG, DISPUTED, OPEN = "right", "wrong", "disputed", "not judged"


def resolution_of(submission: Submission) -> Dispute | None:
    """The dispute about this submission that a third person decided."""
    mine = [one for one in submission.unit.disputes if one.submission_id == submission.id]
    return next((one for one in mine if one.resolution is not None), None)


def words_on_steps(submission: Submission) -> tuple[int, list[tuple[int, list[int]]]]:
    """(number of steps, (person, steps they found wrong) of everybody who judged them)."""
    queue = work.wording_of(submission)
    count = len(checks.chain_of(queue, submission.unit.content, submission.text))
    own = [(submission.offer.applicant_id, submission.wrong_steps)] if submission.label else []
    return count, own + [(review.offer.applicant_id, review.wrong_steps) for review in submission.reviews]


def step_status(submission: Submission) -> list[Json]:
    """Each numbered step: right, wrong, or where its judges differ; a third person's word holds."""
    third = resolution_of(submission)
    count, judges = words_on_steps(submission)
    if third is not None and third.resolution is not None and third.resolution.verdict != work.AMBIGUOUS:
        wrong = third.resolution.wrong_steps
        return [{"step": n, "status": WRONG if n in wrong else RIGHT, "by": 1} for n in range(1, count + 1)]
    votes = [sum(n in wrong for _, wrong in judges) for n in range(1, count + 1)]
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


def step_agreement(submissions: Iterable[Submission]) -> Estimate:
    """Gwet's AC1 of right and wrong, over the steps of everything that two people or more judged."""
    rows: list[tuple[int, int, int]] = []
    people: dict[int, int] = {}
    for one in submissions:
        count, judges = words_on_steps(one)
        asked = {review.offer.applicant_id for review in one.reviews if review.offer.task == "again"}
        told = [(who, wrong) for who, wrong in judges if who not in asked]
        if len(told) >= 2:
            first = rows[-1][0] + 1 if rows else 0
            rows += [
                (first + n, people.setdefault(who, len(people)), int(n + 1 in wrong))
                for n in range(count) for who, wrong in told
            ]  # fmt: skip
    if not rows:
        return progress.NOTHING
    table = np.array(rows, dtype=np.intp)
    return gwet(Labels(table[:, 0], table[:, 1], table[:, 2], 2)).analytic()
