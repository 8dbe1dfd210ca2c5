"""Drift of a grader whose steady severity is estimated too: false alarms, and answers until a change is found.

Three criteria an answer, half of the variance of what is not known of their quality shared by the answer. Each run
draws a steady grader, reads its numbers and the limit from its steady answers as the watch does
(vetting/grades/rater_drift.py), and counts alarms over later answers: of the same grader, and .3 and .6 sd stricter.

    python -m benchmarks.drift [--steady 300] [--doubt 0.5] [--runs 12] [--answers 8000] [--seed 5] [--json]
"""

from __future__ import annotations

import argparse
import json
from typing import NamedTuple

import numpy as np

from irt.model import Floats, Items, probability
from vetting.grades.rater_drift import Seen, Steadiness, steadiness, sums

STEEP, CRITERIA = 2.0, 3
CUTS = (2.0, 0.7, -0.7, -2.0)


def drawn(rng: np.random.Generator, answers: int, severity: float, doubt: float) -> Seen:
    """Verdicts of a faultless grader of this severity, quality known to ± doubt sds."""
    n = answers * CRITERIA
    items = Items(np.zeros((n, 1), dtype=np.int64), np.full((n, 1), STEEP), np.tile(CUTS, (n, 1)), np.zeros(n))
    mean = rng.normal(size=n) * max(1.3 - doubt, 0.3)
    shared = np.repeat(rng.normal(size=answers), CRITERIA)
    quality = mean + (rng.normal(size=n) + shared) * 0.5**0.5 * doubt
    p = probability(STEEP * (quality - severity), items)
    level = (rng.random((n, 1)) > np.cumsum(p, axis=1)).sum(1)
    return Seen(level, items, STEEP * mean, np.full(n, (STEEP * doubt) ** 2), np.repeat(np.arange(answers), CRITERIA))


def alarms(told: Steadiness, seen: Seen) -> list[int]:
    """Answers to each alarm, the chart begun anew after it."""
    runs, since, up, down = [], 0, 0.0, 0.0
    for one, two in zip(*(side.tolist() for side in sums(told.found, seen, told.shift)), strict=True):
        up, down, since = max(0.0, up + one), max(0.0, down + two), since + 1
        if max(up, down) > told.limit:
            runs.append(since)
            since, up, down = 0, 0.0, 0.0
    return runs


class Run(NamedTuple):
    """One steady grader: its numbers, false alarms, and answers until each shift was found."""

    told: Steadiness
    calm: int
    moved: tuple[list[int], list[int]]


def run(rng: np.random.Generator, steady: int, doubt: float, answers: int) -> Run:
    told = steadiness(drawn(rng, steady, 0.0, doubt))
    if told is None:
        raise ValueError(f"--steady {steady}: too few answers tell what is steady. Maybe take 300.")
    calm = len(alarms(told, drawn(rng, answers, 0.0, doubt)))
    some, much = (alarms(told, drawn(rng, most, shift, doubt)) for most, shift in ((800, 0.3), (400, 0.6)))
    return Run(told, calm, (some, much))


def summary(found: Floats) -> dict[str, float]:
    return {"median": float(np.median(found)), "within_100": float(np.mean(found <= 100))}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steady", type=int, default=300)
    parser.add_argument("--doubt", type=float, default=0.5)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--answers", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    said = parser.parse_args(argv)
    rng = np.random.default_rng(said.seed)
    runs = [run(rng, said.steady, said.doubt, said.answers) for _ in range(said.runs)]
    told = {
        "severity_se": float(np.mean([one.told.found.severity_se for one in runs])),
        "shift": float(np.mean([one.told.shift for one in runs])),
        "false_alarms": sum(one.calm for one in runs), "answers": said.runs * said.answers,
        "stricter_by_0.3": summary(np.concatenate([one.moved[0] for one in runs])),
        "stricter_by_0.6": summary(np.concatenate([one.moved[1] for one in runs])),
    }  # fmt: skip
    print(json.dumps(told) if said.json else "\n".join(f"{name}: {value}" for name, value in told.items()))
    return 0


if __name__ == "__main__":
    main()
