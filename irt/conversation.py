r"""What a conversation can be expected to tell before anybody has judged it.

One answer is judged by several criteria. Criterion c sees s_c = a_c·θ + γ_c u, where u ~ N(0, 1) is what all criteria
of the answer share (a good day, a liked question) and says nothing about θ. With the belief widened by u,

    S⁺ = diag(S, 1),     a⁺_c = (a_c, γ_c),

a grade takes away the fraction f_c of Var(s_c) (`irt.worth`), and the criteria are taken one after the other, each
under what the ones before it leave: S⁺ ← S⁺ - (f_c / v_c) (S⁺ a⁺_c)(S⁺ a⁺_c)'. The mean stays where it is, as no grade
has come; the first D rows and columns are what may be expected of S. Since u is learnt along the way, the fourth
criterion of an answer is worth less than the first, and far less than one of another answer.

A further question about criterion c sharpens its later grade: after n of them a rater reads it with the share
h(n) = 1 - (1 - OPENING) LEFT^n of the discrimination that a full conversation gives. It is worth that difference, times
the chance that the person stands between the two levels which it tells apart. n need not be whole: a question whose
quality nobody knows, such as one that a model proposed, counts as the part PROPOSED of one.

Reference: Wainer, Bradlow & Wang (2007), Testlet Response Theory; Lindley (1956) for worth before the fact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from irt.belief import Belief
from irt.model import Floats, Ints, Items, rated
from irt.selection import Aim, hinge
from irt.worth import NOWHERE, exact_fraction, outcomes, project

OPENING = 0.35  # share of a criterion's discrimination that the answer to the opening alone gives
LEFT = 0.2  # share of what lacks that one more question about the criterion leaves lacking
PROPOSED = 0.5  # what a question proposed by a model is taken to be worth, in questions written for the criterion


def share(questions: Ints | Floats | float) -> Floats:
    """h(n): how sharply a criterion can be judged after n questions about it beyond the opening."""
    return 1.0 - (1.0 - OPENING) * LEFT ** np.asarray(questions, dtype=float)


@dataclass(frozen=True, eq=False)
class Criteria:
    """The criteria of one answer, as a rater reads them after a full conversation."""

    items: Items  # (C,)
    blur: Floats  # (C,) variance of s_c from not knowing criterion and rater exactly
    effect: Floats  # (C,) γ

    def __post_init__(self) -> None:
        if self.blur.shape != (len(self.items),) or self.effect.shape != (len(self.items),):
            raise ValueError(
                f"Criteria: {len(self.items)} criteria, but blur is {self.blur.shape} and effect {self.effect.shape}."
            )

    def after(self, questions: Ints | Floats) -> Criteria:
        """The same after so many questions about each, (C,)."""
        sharp = share(questions)
        return Criteria(rated(self.items, sharp, 0.0), self.blur * sharp**2, self.effect * sharp)


def foreseen(belief: Belief, criteria: Criteria) -> Belief:
    """The belief with the uncertainty that may be expected once the criteria are graded."""
    items = criteria.items
    cov = expected_covariance(
        belief.mean, belief.cov, items.skill, items.slope, items.threshold, items.guess, criteria.blur, criteria.effect
    )
    return replace(belief, cov=cov)


@njit(cache=True)
def expected_covariance(
    mean: Floats,
    cov: Floats,
    skill: Ints,
    slope: Floats,
    threshold: Floats,
    guess: Floats,
    blur: Floats,
    effect: Floats,
) -> Floats:
    """S (D, D) once every row is graded, in expectation."""
    skills = len(mean)
    wide = np.zeros((skills + 1, skills + 1))
    wide[:skills, :skills] = cov
    wide[skills, skills] = 1.0
    for c in range(len(guess)):
        u = wide[:, skills] * effect[c]
        m = 0.0
        for k in range(skill.shape[1]):
            m += slope[c, k] * mean[skill[c, k]]
            u += slope[c, k] * wide[:, skill[c, k]]
        v = blur[c] + effect[c] * u[skills]
        for k in range(skill.shape[1]):
            v += slope[c, k] * u[skill[c, k]]
        if v > NOWHERE:
            wide -= np.outer(u, u) * (exact_fraction(m, v, threshold[c], guess[c]) / v)
    return wide[:skills, :skills]


def worth(belief: Belief, criteria: Criteria, aim: Aim) -> float:
    """Fall of the hinge that the graded criteria may be expected to bring."""
    return hinge(np.diag(belief.cov), aim) - hinge(np.diag(foreseen(belief, criteria).cov), aim)


def worth_of_asking(
    belief: Belief, criteria: Criteria, aim: Aim, asked: Ints | Floats, about: int, apart: tuple[int, int],
    counts: float = 1.0,
) -> float:  # fmt: skip
    """Fall of the hinge by one more question about a criterion which tells one level from a higher one.

    It sharpens as much as `counts` questions written for the criterion.
    """
    more = asked.astype(float)
    more[about] += counts
    gain = worth(belief, criteria.after(more), aim) - worth(belief, criteria.after(asked), aim)
    return max(gain, 0.0) * chance_between(belief, criteria, about, apart)


def chance_between(belief: Belief, criteria: Criteria, about: int, apart: tuple[int, int]) -> float:
    """P(the person's level of a criterion is one of those between `apart`, both included)."""
    items, (low, high) = criteria.items, apart
    m, own = project(belief.mean, belief.cov, items.skill[about], items.slope[about])
    v = own + criteria.blur[about] + criteria.effect[about] ** 2
    chances = outcomes(m, v, items.threshold[about], items.guess[about])[0]
    return float(chances[low : high + 1].sum())
