r"""Is an item as hard for one group of persons as for another of equal skill? Groups may be periods: see `irt.drift`.

How many logits easier an item is for the focal group than for the reference, each group with its own mean and
covariance, so that a true difference of the groups is not laid at an item's door. With r_p the slope of person p's
marginal log-likelihood in a shift of all thresholds of item i, one scoring step from no shift is

    δ_i = Σ_p r_p / Σ_p r_p²,    se_i = (Σ_p r_p²)^-1/2

Where raters graded, δ is the shift that makes a person's grades on the item likeliest together (`irt.rater_fit`).

Items are known with errors, of covariance C: a shift between groups gains w'C w, w the difference of what errors in an
item's parameters look like as a shift in either group: errors of easiness cancel, those of slopes do not.

Reference: Dorans & Holland (1993) for the classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from irt.design import Answers, Flags
from irt.estep import Parameters, e_step, no_sites, parameters, room_for_scores, settle
from irt.facet_step import pulled, spelled
from irt.facets import Facets
from irt.model import Floats, Items
from irt.person import Sites
from irt.rater_fit import moved, raters_of

ETS = 2.35  # delta units a logit
SMALL, LARGE = 1.0, 1.5  # delta units: negligible below, large above
TINY = 1e-300
BLUR = 0.43  # standard error, logits, above which a DIF of one delta unit could not be seen


class GroupDifference(NamedTuple):
    """Of each item, (I,): how many logits easier it is for the focal group at equal skill."""

    shift: Floats
    se: Floats
    ets: tuple[str, ...]  # A negligible, B moderate, C large, "?" too few answers to say
    groups: Floats  # (2, D) means of reference and focal group


def group_difference(
    items: Items, mean: Floats, cov: Floats, answers: Answers, focal: Flags, rounds: int = 2,
    errors: Floats | None = None, facets: Facets | None = None,
) -> GroupDifference:  # fmt: skip
    """DIF of two groups of persons; items found large no longer tell the skills in the next round.

    facets: who graded; answers are then to cells (`irt.facets`), and an item's shift is that of all its cells.
    """
    clean = np.ones(len(items), dtype=bool)
    shift, se, means = np.zeros(len(items)), np.full(len(items), np.inf), np.zeros((2, len(mean)))
    for _ in range(rounds):
        low, high = (shifts(items, mean, cov, answers.people(who), clean, facets) for who in (~focal, focal))
        means = np.array([low.mean, high.mean])
        shift, se = high.shift - low.shift, np.hypot(low.se, high.se)
        if errors is not None:
            apart = high.weight - low.weight
            se = np.sqrt(se**2 + np.einsum("ip,ipq,iq->i", apart, errors, apart))
        if clean.any():
            middle = np.average(shift[clean], weights=1 / np.maximum(se[clean], 1e-6) ** 2)
            shift = shift - middle  # a shift of all is a difference of the groups
        clean = np.array([c != "C" for c in classes(shift, se)])
    return GroupDifference(shift, se, classes(shift, se), means)


class Shifts(NamedTuple):
    """Of each item in one group: how many logits easier it is than on the scale."""

    shift: Floats  # (I,)
    se: Floats  # (I,) given the item's parameters; inf without answers
    weight: Floats  # (I, p) what an error in each of an item's parameters looks like as a shift
    mean: Floats  # (D,) of the group


def shifts(
    items: Items, mean: Floats, cov: Floats, answers: Answers, clean: Flags, facets: Facets | None = None
) -> Shifts:
    """Shift of each item's thresholds in one group whose skills the clean items tell."""
    whole, rows = replace(parameters(items, mean, cov), facets=facets), len(items)
    dropped = ~clean[answers.item if facets is None else facets.cells.item[answers.item]]
    at = _population(whole, answers.where(~dropped))
    wide = spelled(at)
    told = settle(answers, wide, no_sites(answers))
    sites = type(told)(np.where(dropped, 0.0, told.precision), np.where(dropped, 0.0, told.shift))
    if facets is not None:
        return _shifts_of_marks(at, answers, sites, rows)
    scores = room_for_scores(answers, wide)
    bend, k = e_step(answers, wide, sites, 0.0, scores)[0].curvature, at.slope.shape[1]
    pull = scores.answer[:, k:].sum(1)  # slope of log Z in a shift of all thresholds
    information = np.bincount(answers.item, pull**2, minlength=rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(information > 0, np.bincount(answers.item, pull, minlength=rows) / information, 0.0)
        return Shifts(step, 1 / np.sqrt(information), _weight(bend, k), at.mean)


def _shifts_of_marks(at: Parameters, answers: Answers, sites: Sites, rows: int) -> Shifts:
    """The same where raters graded: a shift moves each grade by its rater's discrimination."""
    many = raters_of(at)
    cell = many.cells
    lean = np.exp(np.append(many.log_discrimination, 0.0)[cell.rater[answers.item]])
    found = moved(at, answers, sites, lean, cell.item[answers.item], rows)
    bend = pulled(e_step(answers, spelled(at), sites, 0.0)[0], at).found.curvature
    return Shifts(found.size, found.se, _weight(bend, at.slope.shape[1]), at.mean)


def _weight(bend: Floats, k: int) -> Floats:
    """What an error in each of an item's parameters looks like as a shift, (I, p)."""
    weight: Floats = bend[:, :, k:].sum(2) / np.maximum(bend[:, k:, k:].sum((1, 2)), TINY)[:, None]
    return weight


def population(
    items: Items, mean: Floats, cov: Floats, answers: Answers, passes: int = 60, facets: Facets | None = None
) -> tuple[Floats, Floats]:
    """Mean and covariance of the skills of the persons who answered here, items held; begins at mean and cov."""
    own = _population(replace(parameters(items, mean, cov), facets=facets), answers, passes)
    return own.mean, own.cov


def _population(at: Parameters, answers: Answers, passes: int = 25) -> Parameters:
    """The parameters with the group's own mean and covariance, items and raters held."""
    sites, skills = settle(answers, spelled(at), no_sites(answers), sweeps=2), len(at.mean)
    for _ in range(passes):
        found, sites = e_step(answers, spelled(at), sites)
        persons = max(float(found.persons), 1.0)
        pull, bend = found.mean[:skills], found.cov[:skills, :skills]
        gain = bend - np.outer(pull, pull) / persons
        cov = at.cov + at.cov @ gain @ at.cov / persons
        at = replace(at, mean=at.mean + at.cov @ pull / persons, cov=(cov + cov.T) / 2)
    return at


def classes(shift: Floats, se: Floats, sure: tuple[float, float] = (1.645, 1.96)) -> tuple[str, ...]:
    """ETS classes; `sure`: standard errors above the size that is negligible, and above 0, that chance seldom goes."""
    size, unsure = ETS * np.abs(shift), ETS * se
    large = (size >= LARGE) & (size - SMALL > sure[0] * unsure)
    small = (size < SMALL) | (size < sure[1] * unsure)
    words = np.where(large, "C", np.where(small, "A", "B"))
    return tuple(np.where((se > BLUR) & ~large, "?", words).tolist())
