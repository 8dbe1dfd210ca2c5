"""People, items and answers with known truth, for tests, studies and the demo."""

from __future__ import annotations

import numpy as np

from irt.model import Floats, Ints, Items, probability, projection


def respond(theta: Floats, items: Items, rng: np.random.Generator) -> Ints:
    """Draw a level for each person and item: (..., D) -> (..., I)."""
    chance = probability(projection(theta, items), items)
    ladder = np.cumsum(chance, axis=-1)[..., :-1]
    return (rng.random(ladder.shape[:-1])[..., None] > ladder).sum(-1)


def random_items(count: int, skills: int, rng: np.random.Generator, *, graded: float = 0.2, two: float = 0.2) -> Items:
    """A bank to study with: slopes exp(N(.25, .3)), difficulties N(0, 1), guessing .1 to .25.

    `graded` is the share of five-level items (never guessed), `two` the share that lean on a second skill.
    """
    slope = np.zeros((count, 2))
    slope[:, 0] = np.exp(rng.normal(0.25, 0.3, count))
    second = rng.random(count) < min(two, 1.0 if skills > 1 else 0.0)
    slope[second, 1] = slope[second, 0] * rng.uniform(0.3, 0.7, second.sum())
    skill = np.stack([rng.integers(skills, size=count), np.zeros(count, dtype=np.int64)], axis=1)
    other = (skill[:, 0] + rng.integers(1, max(skills, 2), size=count)) % skills
    skill[second, 1] = other[second]
    middle = rng.standard_normal(count)
    many = rng.random(count) < graded
    cuts = np.where(many[:, None], middle[:, None] + np.array([-1.5, -0.5, 0.5, 1.5]), middle[:, None])
    threshold = -np.hypot(slope[:, :1], slope[:, 1:]) * cuts
    threshold[~many, 1:] = -np.inf
    guess = np.where(many, 0.0, rng.uniform(0.1, 0.25, count))
    return Items(skill, slope, threshold, guess)
