"""Equal minutes, three ways: items alone, items and interviews as the engine mixes them, a fixed interview.

Simulated people with items and criteria off by what their start values leave open; interviews are graded once by a
person of ordinary severity and noise (vetting.panel). Two criteria of success are foretold from the final estimate:
the mean of five skills, and the same when a part of it is a skill that only open answers show and closed items miss
(`--unseen`, its share of variance), so that what an interview is for can count.

    python -m benchmarks.mix [--people 300] [--minutes 30] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np

from irt.belief import Evidence, Posterior, answers, solve
from irt.conversation import foreseen
from irt.model import Floats, Ints, probability
from irt.selection import Aim, Pool, scan
from irt.simulation import respond
from irt.timing import Pace, expected_minutes
from item_bank.load import Bank, load
from item_bank.probe import Probe
from vetting import evidence
from vetting import scale as scales
from vetting.panel import EXPECTED
from vetting.rehearsals.rehearsal import possible_items
from vetting.scale import Scale
from vetting.sittings import probing

SKILLS = ("math.proof", "science.physics", "stats.inference", "computing.python", "computing.algorithms")
SHARE = 1 / 3  # of the minutes that the mix gives to interviews
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class World:
    """One person as they are: what they would answer, and how an interview would be graded."""

    theta: Floats  # (D,)
    unseen: float
    level: Ints  # (I,)
    criterion: Ints  # (C,)


def graded(theta: Floats, unseen: float, share: float, scale: Scale, rng: np.random.Generator) -> Ints:
    """Levels that a typical person would give on every criterion, (C,)."""
    rows = np.arange(len(scale.probes.criteria.ids))
    severity = rng.normal(0, EXPECTED.sd_severity)
    read = evidence.as_read(scale, rows, [EXPECTED] * len(rows))
    items, steep = read.items, np.linalg.norm(read.items.slope, axis=1)
    effect = rng.standard_normal(len(scale.probes.ids.ids))[scale.probes.probe] * read.effect
    own = scale.probes.blur * EXPECTED.discrimination**2  # what start values leave open
    s = (theta[items.skill] * items.slope).sum(-1) * np.sqrt(1 - share) + np.sqrt(share) * unseen * steep
    s += effect + rng.standard_normal(len(rows)) * np.sqrt(own) - severity * steep
    reach = probability(s, items)[:, ::-1].cumsum(1)[:, ::-1]
    return (rng.random((len(rows), 1)) < reach[:, 1:]).sum(1)


def worlds(people: int, share: float, scale: Scale, rng: np.random.Generator) -> list[World]:
    theta = scale.population.draw(people, rng)
    unseen = rng.standard_normal(people)
    return [
        World(
            theta[p], unseen[p], respond(theta[[p]], possible_items(scale.parameters, rng), rng)[0],
            graded(theta[p], unseen[p], share, scale, rng),
        )
        for p in range(people)
    ]  # fmt: skip


def known(scale: Scale, world: World, items: list[int], probes: list[str]) -> Posterior:
    """The belief after some items and whole, graded interviews."""
    rows = np.array(items, dtype=np.int64)
    asked = answers(scale.parameters.rows(rows), world.level[rows], scale.blur[rows])
    c = np.concatenate([scale.probes.of(key) for key in probes]) if probes else np.zeros(0, dtype=np.int64)
    read = evidence.as_read(scale, c, [EXPECTED] * len(c)).after(np.ones(len(c), dtype=np.int64))
    both = Evidence(
        evidence.stacked(asked.items, read.items), np.concatenate([asked.level, world.criterion[c]]),
        np.zeros(len(rows) + len(c)), np.ones(len(rows) + len(c)), np.concatenate([asked.blur, read.blur]),
        np.concatenate([asked.cluster, scale.probes.probe[c]]), np.concatenate([asked.effect, read.effect]),
    )  # fmt: skip
    return solve(scale.population, both)


def sit(world: World, scale: Scale, bank: Bank, aim: Aim, minutes: float, talk: float) -> Posterior:
    """Items by value per minute, then the probes of most value per minute in the minutes kept for them."""
    taken = expected_minutes(scale.intensity, Pace(), spread=scale.sd_intensity)
    items: list[int] = []
    free, left = np.ones(len(taken), dtype=bool), minutes - talk
    while left > 0:
        belief = known(scale, world, items, []).belief
        chances = scan(belief, Pool(scale.parameters, scale.blur, taken), aim, free & (taken <= left))
        if len(chances.order) == 0:
            break
        items.append(int(chances.order[0]))
        free[items[-1]] = False
        left -= taken[items[-1]]
    return known(scale, world, items, interviews(known(scale, world, items, []), scale, bank, aim, talk + left))


def interviews(now: Posterior, scale: Scale, bank: Bank, aim: Aim, minutes: float) -> list[str]:
    """Probes for some minutes, each chosen with what the ones before it will tell once they are graded."""
    belief, chosen = now.belief, []
    while True:
        able = [
            (probing.offer_of(probe, belief, aim, None, Pace(), scale), whole)
            for key, probe in bank.probes.items()
            if key not in chosen and (whole := length(probe, scale)) <= minutes
        ]
        if not able:
            return chosen
        best, whole = max(able, key=lambda pair: pair[0].gain / pair[1])
        if best.gain <= 0:
            return chosen
        rows = scale.probes.of(best.probe.id)
        belief = foreseen(belief, probing.criteria_of(scale, rows).after(np.ones(len(rows), dtype=np.int64)))
        chosen.append(best.probe.id)
        minutes -= whole


def length(probe: Probe, scale: Scale) -> float:
    """Minutes of a probe with one question about each criterion."""
    opening, follow_up = probing.minutes_of(probe, Pace(), scale)
    return opening + len(scale.probes.of(probe.id)) * follow_up


def interval(draws: Floats) -> list[float]:
    return [float(x) for x in np.quantile(draws, [0.025, 0.975])]


def correlations(said: Floats, truth: Floats, draws: Ints) -> Floats:
    """With everybody (first), then over the same resamples of people for every arm."""
    return np.array([np.corrcoef(said[d], truth[d])[0, 1] for d in [np.arange(len(said)), *draws]])


def figures(people: int, minutes: float, seed: int, unseen: float) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    bank = load()
    scale = scales.read(scales.starting_body(bank))
    rows = scale.skills.rows(SKILLS)
    target, weight = dict.fromkeys(SKILLS, 0.2), dict.fromkeys(SKILLS, 0.2)
    aim = Aim(scale.skills.values(target, 0.45), scale.skills.values(weight, 0.0))
    everybody = worlds(people, unseen, scale, rng)
    prior = solve(scale.population, answers(scale.parameters.rows(np.zeros(0, dtype=np.int64)), np.zeros(0)))
    form = interviews(prior, scale, bank, aim, minutes)
    seen = {
        "items alone": [sit(one, scale, bank, aim, minutes, 0.0) for one in everybody],
        "adaptive mix": [sit(one, scale, bank, aim, minutes, SHARE * minutes) for one in everybody],
        "fixed interview": [known(scale, one, [], form) for one in everybody],
    }
    skill = np.array([one.theta[rows].mean() for one in everybody])
    whole = np.sqrt(1 - unseen) * skill / skill.std() + np.sqrt(unseen) * np.array([one.unseen for one in everybody])
    draws = rng.integers(0, people, (RESAMPLES, people))
    told: dict[str, list[float]] = {}
    for what, truth in (("skills", skill), ("skills and the unseen", whole)):
        found = {
            name: correlations(np.array([one.mean[rows].mean() for one in beliefs]), truth, draws)
            for name, beliefs in seen.items()
        }
        told |= {f"{name}: {what}": [float(r[0]), *interval(r[1:])] for name, r in found.items()}
        for other in ("items alone", "fixed interview"):
            gap = found["adaptive mix"] - found[other]
            told[f"mix less {other}: {what}"] = [float(gap[0]), *interval(gap[1:])]
    return told


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unseen", type=float, default=0.2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    told = figures(asked.people, asked.minutes, asked.seed, asked.unseen)
    lines = [f"{name:44} {r:.3f}  [{low:.3f}, {high:.3f}]" for name, (r, low, high) in told.items()]
    print(json.dumps(told) if asked.json else "\n".join(lines))
    return 0


if __name__ == "__main__":
    main()
