"""What a test must and must not contain, as masks over the items that one may still ask.

Masks combine by `&` and go into `selection.scan` as `allowed`. A minimum binds only once the questions left are just
enough to meet what is missing, so that until then the measurement decides.

References: Kingsbury & Zara (1989), Applied Measurement in Education 2, for balancing content; Bejar et al. (2003) for
items generated as families.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irt.model import Ints

Mask = NDArray[np.bool_]
ALONE = -1  # family of an item that has no kin


@dataclass(frozen=True, eq=False)
class Blueprint:
    """How many questions of each area of content a test holds."""

    area: Ints  # (I,) area of each item
    least: Ints  # (A,)
    most: Ints  # (A,)

    def __post_init__(self) -> None:
        areas = len(self.least)
        if self.most.shape != (areas,) or self.least.ndim != 1 or self.area.ndim != 1:
            raise ValueError(
                f"Blueprint: least is {self.least.shape} and most {self.most.shape}, but both must be (A,)."
            )
        if ((self.area < 0) | (self.area >= areas)).any():
            raise ValueError(f"Blueprint: an item is of an area that is not among the {areas} areas.")
        if ((self.least < 0) | (self.least > self.most)).any():
            wrong = int(np.argmax((self.least < 0) | (self.least > self.most)))
            raise ValueError(f"Blueprint: area {wrong} asks for {self.least[wrong]} to {self.most[wrong]} questions.")
        held = np.bincount(self.area, minlength=areas)
        if (held < self.least).any():
            short = int(np.argmax(held < self.least))
            raise ValueError(
                f"Blueprint: area {short} asks for {self.least[short]} questions or more, but has {held[short]} items."
            )

    def may(self, asked: Ints, left: int) -> Mask:
        """Items that keep the blueprint within reach, with `left` questions to come: (I,).

        If even all of them cannot make up what is missing, only what is missing is allowed.
        """
        count = np.bincount(self.area[asked], minlength=len(self.least))
        missing = np.maximum(self.least - count, 0)
        fits = count < self.most if missing.sum() < left else missing > 0
        return fits[self.area]


def unrelated(family: Ints, asked: Ints) -> Mask:
    """Items of no family that was asked already: (I,). family: ALONE, or a number that kin share."""
    return (family == ALONE) | ~np.isin(family, family[asked])


def without_enemies(pairs: Ints, asked: Ints, items: int) -> Mask:
    """Items that give away, or are given away by, none that was asked: (I,). pairs (E, 2), in either order."""
    known = np.zeros(items, dtype=np.bool_)
    known[asked] = True
    free = np.ones(items, dtype=np.bool_)
    free[pairs[known[pairs[:, 0]], 1]] = False
    free[pairs[known[pairs[:, 1]], 0]] = False
    return free
