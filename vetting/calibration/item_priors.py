"""What is expected of items before their answers: a YAML or JSON file into priors, item by item.

    default:   {slope: 1.0, slope_sd: 0.4, easiness: 0.0, easiness_sd: 1.5, learn: true}
    families:
      fractions: {items: ["fr*", "mixed-7"], slope: 1.4}
    items:
      fr12: {slope: 2.0, slope_sd: 0.1, easiness: -1.0, easiness_sd: 0.3}

slope is the median of a family's slopes and slope_sd the sd of their logarithms; easiness is the mean of their
intercepts d (of an item with several levels: of their mean). With `learn` (as it is unless said otherwise, but for
single items) the four numbers of a family are where learning begins, and its items say what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from irt.mstep import ItemPrior, Priors
from vetting.messages import content_of, faults

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class Expected(BaseModel):
    """What is expected of an item, or of a family of them."""

    model_config = ConfigDict(extra="forbid")

    slope: Positive = 1.0
    slope_sd: Positive = 0.4
    easiness: Real = 0.0
    easiness_sd: Positive = 1.5
    learn: bool = True

    def prior(self, *, learn: bool) -> ItemPrior:
        return ItemPrior(math.log(self.slope), self.slope_sd, self.easiness, self.easiness_sd, estimated=learn)


class Family(Expected):
    """Items by name or pattern (`fr*`), and what is expected of them."""

    items: Annotated[list[str], Field(min_length=1)]


class Single(Expected):
    """One item; nothing can be learnt about a family of one."""

    learn: bool = False


class PriorFile(BaseModel):
    """A file of expectations."""

    model_config = ConfigDict(extra="forbid")

    default: Expected = Expected()
    families: dict[str, Family] = {}
    items: dict[str, Single] = {}


def read(file: Path, items: Sequence[str]) -> Priors:
    """The prior of each item, in this order. Raises ValueError with the file and what is wrong with it."""
    said = parsed(file)
    family = dict.fromkeys(items, 0)
    whole = [said.default]
    for number, (name, one) in enumerate(said.families.items(), start=1):
        whole.append(one)
        for key in members(file, name, one, items):
            if family[key]:
                other = list(said.families)[family[key] - 1]
                raise ValueError(f"{file}: item {key!r} is in families {other!r} and {name!r}. Maybe narrow a pattern.")
            family[key] = number
    for key, single in said.items.items():
        if key not in family:
            raise ValueError(f"{file}: items.{key}: no such item. Maybe ITEMS lacks its row.")
        family[key] = len(whole)
        whole.append(single)
    learnt = tuple(one.prior(learn=one.learn) for one in whole)
    return Priors(learnt, np.array([family[key] for key in items], dtype=np.int64))


def parsed(file: Path) -> PriorFile:
    said = content_of(file)
    try:
        return PriorFile.model_validate(said)
    except ValidationError as wrong:
        raise ValueError("\n".join(f"{file}: {fault}" for fault in faults(wrong))) from wrong


def members(file: Path, name: str, family: Family, items: Sequence[str]) -> list[str]:
    found: list[str] = []
    for pattern in family.items:
        mine = [key for key in items if fnmatchcase(key, pattern) and key not in found]
        if not mine and not any(fnmatchcase(key, pattern) for key in found):
            raise ValueError(f"{file}: families.{name}: no item is called {pattern!r}. Maybe ITEMS lacks its row.")
        found += mine
    return found
