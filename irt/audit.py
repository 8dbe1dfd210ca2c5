r"""The mean that people would have given, from what a panel gave to all and people to a drawn few.

    θ = λ mean_all(f) + mean_audited(y - λ f),     Var = λ² Var(f) / N + Var(y - λ f) / n
    λ = Cov(y, f) / ((1 + n / N) Var(f)),          kept within [0, 1]

f is the panel's verdict on an answer, y a person's on the same answer. Whatever the panel's bias, θ is about people's
mean; the better the panel foretells people, the narrower it is, and never wider than people's mean alone by much. The
audited answers must be drawn by lot. Answers of one person are no independent draws: `group` makes persons the draws.

References: Angelopoulos, Bates, Fannjiang, Jordan & Zrnic (2023), Prediction-powered inference, Science 382;
Angelopoulos, Duchi & Zrnic (2023), PPI++ (the choice of λ).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from irt.model import Floats, Ints

FEWEST = 2  # audited draws without which nothing can be said of people's mean


class Mean(NamedTuple):
    """People's mean with its interval; `power` is λ, how much the panel was leant on."""

    value: float
    se: float
    low: float
    high: float
    power: float
    audited: int


def corrected_mean(
    panel: Floats, audited: Floats, people: Floats, *, level: float = 0.95, groups: tuple[Ints, Ints] | None = None
) -> Mean:
    """People's mean over all answers.

    panel (N,): the panel's verdicts on answers that people did not grade; audited (n,) and people (n,): the panel's and
    people's on those they did. groups: whose answers they are, (N,) and (n,). Raises ValueError.
    """
    if audited.shape != people.shape:
        raise ValueError(f"corrected_mean: audited is {audited.shape}, people {people.shape}, but both must be (n,).")
    n = len(people)
    whose = (np.arange(n, n + len(panel)), np.arange(n)) if groups is None else groups
    n = len(np.unique(whose[1]))
    if n < FEWEST:
        raise ValueError(f"corrected_mean: {n} audited draws, but {FEWEST} are needed. Maybe audit more.")
    total = len(panel) + len(people)
    power = _power(panel, audited, people)
    rest = people - power * audited
    # the whole mean of f, and how each answer moves θ: an audited one moves both terms
    value = float(power * np.concatenate([panel, audited]).mean() + rest.mean())
    pull = power * (np.concatenate([panel, audited]) - np.concatenate([panel, audited]).mean()) / total
    pull[len(panel) :] += (rest - rest.mean()) / len(people)
    owner = np.concatenate([whose[0], whose[1]])
    sums = np.bincount(np.unique(owner, return_inverse=True)[1], weights=pull)
    se = float(np.sqrt(n / (n - 1) * (sums**2).sum()))
    reach = float(student.ppf(0.5 + level / 2, n - 1)) * se
    return Mean(value, se, value - reach, value + reach, power, len(people))


def _power(panel: Floats, audited: Floats, people: Floats) -> float:
    """λ; 0 where the panel gave one verdict only."""
    spread = float(np.concatenate([panel, audited]).var())
    if spread <= 0:
        return 0.0
    both = float(((audited - audited.mean()) * (people - people.mean())).mean())
    return float(np.clip(both / spread, 0.0, 1.0))
