"""Claims of a résumé: what false ones do to the estimate, and how many minutes true ones save.

The same simulated people sit the same adaptive test several times with the same luck: without claims; with true ones
(their own level, rounded to what the form offers); with rough ones, as people know themselves (an error of 3.3 sds, of
which half is shared, and half an sd too high in the mean: a correlation of about .29 with the truth); and with false
ones: an expert in everything, in one skill of which alone they tell, or in that one and a beginner in the rest. Items
are the shipped bank with its start values. The bias is the mean difference of the final estimates against telling
nothing, of all five skills and of the one that the last two push.

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
from vetting.evidence import claimed, together
from vetting.records import Claim
from vetting.rehearsals.rehearsal import possible_items, self_ratings
from vetting.scale import Scale
from vetting.sittings.resume import LEVELS, aimed, nearest

SKILLS = ("math.algebra", "math.proof", "science.physics", "stats.inference", "computing.python")
PUSHED = 1  # the skill that a false claim is about
TARGET, MOST = 0.65, 60  # standard error wanted of each skill; items at most


@dataclass(frozen=True, eq=False)
class Sat:
    """How one person's test went."""

    mean: Floats
    sd: Floats
    minutes: float


def sit(level: Ints, claims: list[Claim], scale: Scale, aim: Aim, minutes: Floats) -> Sat:
    """Adaptive until every skill is known well enough; claims weigh little and aim, as in a sitting."""
    asked: list[int] = []
    free = np.ones(len(minutes), dtype=bool)
    pool = Pool(scale.parameters, scale.blur, minutes)
    while True:
        rows = np.array(asked, dtype=np.int64)
        shown = answers(scale.parameters.rows(rows), level[rows], scale.blur[rows])
        known = solve(scale.population, together([shown, claimed(claims if asked else [], scale)]))
        if hinge(known.sd**2, aim) == 0 or len(asked) == MOST:
            return Sat(known.mean, known.sd, float(minutes[rows].sum()))
        chances = scan(aimed(known.belief, claims, scale), pool, aim, free)
        if len(chances.order) == 0:
            return Sat(known.mean, known.sd, float(minutes[rows].sum()))
        asked.append(int(chances.order[0]))
        free[asked[-1]] = False


def telling(values: dict[str, float]) -> list[Claim]:
    return [Claim(skill=skill, level=value, source="") for skill, value in values.items()]


def rounded(values: Floats) -> list[float]:
    return [LEVELS[nearest(value)] for value in values]


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
    rough = self_ratings(theta[:, rows], rng)
    arms: dict[str, list[Sat]] = {}
    for person in range(people):
        for arm, values in said_by(theta[person, rows], rough[person]).items():
            arms.setdefault(arm, []).append(sit(level[person], telling(values), scale, aim, minutes))
    told: dict[str, float] = {"people": people}
    for arm, seats in arms.items():
        told |= {f"{arm}: {name}": value for name, value in compared(seats, arms["none"], theta[:, rows], rows).items()}
    return told


def said_by(own: Floats, rough: Floats) -> dict[str, dict[str, float]]:
    """What each arm claims of the five skills."""
    expert, pushed = LEVELS["expert"], SKILLS[PUSHED]
    return {
        "none": {},
        "true": dict(zip(SKILLS, rounded(own), strict=True)),
        "rough": dict(zip(SKILLS, rounded(rough), strict=True)),
        "false": dict.fromkeys(SKILLS, expert),
        "one": {pushed: expert},
        "pushed": dict.fromkeys(SKILLS, LEVELS["basic"]) | {pushed: expert},
    }


def compared(seats: list[Sat], base: list[Sat], theta: Floats, rows: Ints) -> dict[str, float]:
    """One arm against telling nothing, and against the truth (people, 5)."""
    mean, sd = np.array([one.mean[rows] for one in seats]), np.array([one.sd[rows] for one in seats])
    gap, error = mean - np.array([one.mean[rows] for one in base]), mean - theta
    spent = np.array([one.minutes for one in seats])
    saved = np.array([one.minutes for one in base]) - spent
    root = np.sqrt(len(seats))
    return {
        "minutes": float(spent.mean()),
        "minutes saved": float(saved.mean()),
        "minutes saved, se": float(saved.std() / root),
        "bias against none": float(gap.mean()),
        "bias against none, se": float(gap.mean(1).std() / root),
        "bias of the pushed skill": float(gap[:, PUSHED].mean()),
        "bias of the pushed skill, se": float(gap[:, PUSHED].std() / root),
        "rmse": float(np.sqrt((error**2).mean())),
        "share within 95 % intervals": float((np.abs(error) < 1.96 * sd).mean()),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    told = figures(asked.people, asked.seed)
    print(json.dumps(told) if asked.json else "\n".join(f"{name:42} {value:8.3f}" for name, value in told.items()))
    return 0


if __name__ == "__main__":
    main()
