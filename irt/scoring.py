r"""Beliefs about many persons at once, and how well beliefs foresee answers not yet seen.

Scores are expectation propagation to convergence, so the order of answers does not matter. An answer held
out is foreseen by Z = ∫ P(y | s) N(s; m, v) ds under the person's belief about s = a·θ from the other answers.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from irt.design import Answers, Flags
from irt.estep import Parameters, beliefs, foresee, no_sites, parameters, settle
from irt.model import Floats, Items, first
from irt.person import Sites

SWEEPS = 30
SETTLED = 1e-4  # largest change of a mean, in prior sds, at which a person's sweeps end


def score(items: Items, mean: Floats, cov: Floats, answers: Answers) -> tuple[Floats, Floats]:
    """Mean and sd (P, D) of every skill of every person; the prior's for a person without answers."""
    at = _checked(items, mean, cov, answers)
    return beliefs(answers, at, settle(answers, at, no_sites(answers), SWEEPS, SETTLED))


def log_predictive(items: Items, mean: Floats, cov: Floats, known: Answers, held_out: Answers) -> Floats:
    """Log P(answer held out | the same person's known answers), (N,) in the order of `held_out`."""
    if len(known) != len(held_out):
        raise ValueError(
            f"log_predictive: {len(known)} persons are known and {len(held_out)} held out, but rows must be the same "
            "persons. Maybe keep everyone in both and leave answers out with Answers.where."
        )
    at = _checked(items, mean, cov, known)
    _checked(items, mean, cov, held_out)
    sites = settle(known, at, no_sites(known), SWEEPS, SETTLED)
    both, is_known = _together(known, held_out)
    tau, nu = np.zeros(len(both.item)), np.zeros(len(both.item))
    tau[is_known], nu[is_known] = sites
    return foresee(both, at, Sites(tau, nu))[~is_known]


def log_likelihood_held_out(items: Items, mean: Floats, cov: Floats, known: Answers, held_out: Answers) -> float:
    """Mean log predictive probability of an answer held out."""
    return float(log_predictive(items, mean, cov, known, held_out).mean())


def auc_held_out(items: Items, mean: Floats, cov: Floats, known: Answers, held_out: Answers) -> float | None:
    """How well right is told from wrong, of answers held out to items of two levels; None where there are not both."""
    two = held_out.where(items.levels[held_out.item] == 2)
    right = Answers(two.start, two.item, np.ones_like(two.level), two.weight)
    return auc(log_predictive(items, mean, cov, known, right), two.level == 1)


def auc(foreseen: Floats, right: Flags) -> float | None:
    """Area under the receiver's curve by ranks (Mann & Whitney, 1947); None if all answers are alike."""
    yes, no = int(right.sum()), int((~right).sum())
    if not yes or not no:
        return None
    return float((rankdata(foreseen)[right].sum() - yes * (yes + 1) / 2) / (yes * no))


def split(answers: Answers, share: float, rng: np.random.Generator) -> tuple[Answers, Answers]:
    """Answers kept and held out at random; everyone stays in both."""
    out = rng.random(len(answers.item)) < share
    return answers.where(~out), answers.where(out)


def _together(known: Answers, held_out: Answers) -> tuple[Answers, Flags]:
    person = np.concatenate([known.person, held_out.person])
    order = np.argsort(person, kind="stable")
    is_known = (np.arange(len(person)) < len(known.item))[order]
    item = np.concatenate([known.item, held_out.item])[order]
    level = np.concatenate([known.level, held_out.level])[order]
    return Answers(known.start + held_out.start, item, level, known.weight), is_known


def _checked(items: Items, mean: Floats, cov: Floats, answers: Answers) -> Parameters:
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ValueError("score: the population's mean or covariance holds nan or infinity.")
    at = parameters(items, mean, cov)
    if cov.shape != (len(mean), len(mean)) or at.skill.max(initial=0) >= len(mean):
        raise ValueError(f"score: mean {mean.shape}, cov {cov.shape} and items on skill {at.skill.max()} do not match.")
    if not np.allclose(cov, cov.T) or np.linalg.eigvalsh(cov)[0] <= 0:
        raise ValueError(
            "score: the population's covariance must be symmetric and positive definite. "
            "Maybe two skills have a correlation of 1: make them one skill."
        )
    if len(answers.item):
        if answers.item.max() >= len(items):
            raise ValueError(f"score: item {answers.item.max()} was answered, but there are {len(items)} items.")
        high = answers.level >= items.levels[answers.item]
        if high.any():
            at_fault = first(high)
            raise ValueError(
                f"score: person {answers.person[at_fault]} reached level {answers.level[at_fault]} of item "
                f"{answers.item[at_fault]}, which has {items.levels[answers.item[at_fault]]} levels. "
                "Maybe levels are counted from 1."
            )
    return at
