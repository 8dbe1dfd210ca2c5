"""A fitted scale moved onto a published one, by the items that both have."""

from __future__ import annotations

from typing import Literal

import numpy as np

from irt.linking import Link, haebara, mean_sigma
from irt.model import Items
from vetting.calibration.calibrate import ScaleFile, ScaleItem, on
from vetting.scale import Axis
from vetting.tables import near

By = Literal["haebara", "mean-sigma"]
FEWEST = 2  # common items
SEED = 1  # of the population at which Haebara compares


class Apart(ValueError):  # noqa: N818 -- what the scales are
    """Two scales cannot be linked; the message says why."""


def linked(scale: ScaleFile, published: ScaleFile, by: By = "haebara") -> tuple[ScaleFile, Link, list[str]]:
    """(the scale on the published one, how it was moved, items in common). Raises Apart."""
    if scale.raters or published.raters:
        raise Apart("a scale with raters cannot be moved yet. Maybe fit both tables of grades together.")
    if strangers := set(scale.skills) - set(published.skills):
        first = min(strangers)
        raise Apart(f"skill {first!r} is not on the published scale.{near(first, published.skills)}")
    common = [key for key in scale.items if key in published.items and alike(scale, published, key)]
    if len(common) < FEWEST:
        raise Apart(
            f"the scales share {len(common)} items with the same skills and levels, but {FEWEST} are needed. "
            "Maybe the items have other names."
        )
    skills = Axis.of("skills", scale.skills)
    old, new = (
        on(skills, one.model_copy(update={"items": {k: one.items[k] for k in common}})) for one in (scale, published)
    )
    if by == "mean-sigma":
        link = mean_sigma(old, new, len(scale.skills))
    else:
        place = [published.skills.index(skill) for skill in scale.skills]
        mean, cov = np.array(published.prior.mean)[place], np.array(published.prior.covariance)[np.ix_(place, place)]
        link = haebara(old, new, mean, cov, np.random.default_rng(SEED))
    return moved(scale, link), link, common


def alike(scale: ScaleFile, published: ScaleFile, key: str) -> bool:
    """Whether an item asks the same skills with as many levels on both."""
    one, two = scale.items[key], published.items[key]
    return set(one.discrimination) == set(two.discrimination) and len(one.thresholds) == len(two.thresholds)


def moved(scale: ScaleFile, link: Link) -> ScaleFile:
    """Every item and the prior on the other scale."""
    items = link.items(on(Axis.of("skills", scale.skills), scale))
    mean, cov = link.population(np.array(scale.prior.mean), np.array(scale.prior.covariance))
    rows = {key: item_of(item, items, row) for row, (key, item) in enumerate(scale.items.items())}
    prior = scale.prior.model_copy(update={"mean": mean.tolist(), "covariance": cov.tolist()})
    return scale.model_copy(update={"items": rows, "prior": prior})


def item_of(item: ScaleItem, items: Items, row: int) -> ScaleItem:
    """One item moved. Its errors go: what moved it has an error of its own, which they would not hold."""
    names = list(item.discrimination)
    return item.model_copy(
        update={
            "discrimination": dict(zip(names, items.slope[row].tolist(), strict=False)),
            "thresholds": items.threshold[row, : len(item.thresholds)].tolist(),
            "se": None,
        }
    )
