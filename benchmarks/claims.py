"""Claims of a résumé: what false ones do to the estimate, and how many minutes true ones save.

The same simulated people sit the same adaptive test three times with the same luck: without claims, with true ones
(their own level, rounded to what the form offers) and with false ones (everybody claims to be an expert). Items are the
shipped bank with its start values. The bias is the mean difference of the final estimates of the claimed skills.

    python -m benchmarks.claims [--people 400] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np

from irt.belief import answers, solve
from irt.model import Floats, Ints
from irt.selection import Aim, Pool, hinge, scan
from irt.simulation import respond
from irt.timing import Pace, expected_minutes
from item_bank.load import load
from vetting import scale as scales
from vetting.records import Claim
from vetting.rehearsals.rehearsal import possible_items
from vetting.scale import Scale
from vetting.sittings.resume import LEVELS, aimed

SKILLS = ("math.algebra", "math.proof", "science.physics", "stats.inference", "computing.python")
TARGET, MOST = 0.65, 60  # standard error wanted of each skill; items at most


@dataclass(frozen=True, eq=False)
class Sat:
    """How one person's test went."""

    mean: Floats
    sd: Floats
    minutes: float


def sit(level: Ints, claims: list[Claim], scale: Scale, aim: Aim, minutes: Floats) -> Sat:
    """Adaptive until every skill is known well enough; claims only aim."""
    asked: list[int] = []
    free = np.ones(len(minutes), dtype=bool)
    pool = Pool(scale.parameters, scale.blur, minutes)
    while True:
        rows = np.array(asked, dtype=np.int64)
        known = solve(scale.population, answers(scale.parameters.rows(rows), level[rows], scale.blur[rows]))
        if hinge(known.sd**2, aim) == 0 or len(asked) == MOST:
            return Sat(known.mean, known.sd, float(minutes[rows].sum()))
        chances = scan(aimed(known.belief, claims, scale), pool, aim, free)
        if len(chances.order) == 0:
            return Sat(known.mean, known.sd, float(minutes[rows].sum()))
        asked.append(int(chances.order[0]))
        free[asked[-1]] = False


def claimed(values: dict[str, float]) -> list[Claim]:
    return [Claim(skill=skill, level=value, source="") for skill, value in values.items()]


def nearest(value: float) -> float:
    """What an honest person picks in the form."""
    return min(LEVELS.values(), key=lambda level: abs(level - value))


def figures(people: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    scale = scales.read(scales.starting_body(load()))
    rows = scale.skills.rows(SKILLS)
    target, weight = dict.fromkeys(SKILLS, TARGET), dict.fromkeys(SKILLS, 0.2)
    aim = Aim(scale.skills.values(target, 0.45), scale.skills.values(weight, 0.0))
    minutes = expected_minutes(scale.intensity, Pace())
    theta = scale.population.draw(people, rng)
    level = np.concatenate(  # everybody meets items as they may really be, off by what the start values leave open
        [respond(theta[[person]], possible_items(scale.parameters, rng), rng) for person in range(people)]
    )
    arms: dict[str, list[Sat]] = {"none": [], "true": [], "false": []}
    for person in range(people):
        said = {
            "none": {},
            "true": {skill: nearest(theta[person, row]) for skill, row in zip(SKILLS, rows, strict=True)},
            "false": dict.fromkeys(SKILLS, LEVELS["expert"]),
        }
        for arm, values in said.items():
            arms[arm].append(sit(level[person], claimed(values), scale, aim, minutes))
    told = {"people": people}
    base = arms["none"]
    for arm, seats in arms.items():
        gap = np.array([one.mean[rows] - other.mean[rows] for one, other in zip(seats, base, strict=True)])
        error = np.array([one.mean[rows] for one in seats]) - theta[:, rows]
        spent = np.array([one.minutes for one in seats])
        saved = np.array([other.minutes for other in base]) - spent
        told |= {
            f"{arm}: minutes": float(spent.mean()),
            f"{arm}: minutes saved": float(saved.mean()),
            f"{arm}: minutes saved, se": float(saved.std() / np.sqrt(people)),
            f"{arm}: moved against none, sd": float(gap.mean()),
            f"{arm}: moved against none, se": float(gap.mean(1).std() / np.sqrt(people)),
            f"{arm}: bias against the truth, sd": float(error.mean()),
            f"{arm}: rmse": float(np.sqrt((error**2).mean())),
        }
    return told


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    told = figures(asked.people, asked.seed)
    print(json.dumps(told) if asked.json else "\n".join(f"{name:32} {value:8.3f}" for name, value in told.items()))
    return 0


if __name__ == "__main__":
    main()
