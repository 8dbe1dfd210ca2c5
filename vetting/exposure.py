"""Security: how often items were shown, which are closed to the next sitting, and what the others cost besides minutes.

Both are settled when a sitting begins, from the record alone, and kept with it, so that it can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.model import Floats
from irt.selection import eligible, tolls
from vetting.aim import looks_at, wished
from vetting.records import Json, Question, Sitting
from vetting.scale import Scale

EXPOSURE = 0.35  # no item is shown to a larger share of the people it could be shown to
OFF = 0.94  # share of that limit at which tolls keep favourites, so that items are seldom closed
CLOSE = 0.04  # how near the limit an item is closed to some by lot all the same, as a share of it
FLOOR = 0.002  # share of the people that every item should be shown to
WINDOW = 500  # latest sittings over which shares are counted
ROOM = 2.0  # minutes of open questions that a sitting must have to choose from, as a multiple of its budget
LEAST_TOLL = 0.005  # minutes; less is not worth keeping


@dataclass(frozen=True, eq=False)
class Shown:
    """The latest sittings in which anything was asked, oldest first."""

    shown: NDArray[np.bool_]  # (N, I) asked
    could: NDArray[np.bool_]  # (N, I) could have been: the sitting wanted one of the item's skills


def lately(db: Session, scale: Scale) -> Shown:
    """What the latest sittings were asked, of the items on a scale."""
    recent = db.execute(select(Sitting.id, Sitting.aim).order_by(Sitting.id.desc()).limit(WINDOW)).all()[::-1]
    since = min((said.id for said in recent), default=0)
    asked = db.execute(select(Question.sitting_id, Question.item_id).where(Question.sitting_id >= since)).all()
    row = {said.id: number for number, said in enumerate(recent)}
    shown = np.zeros((len(recent), len(scale.items.ids)), dtype=np.bool_)
    for said in asked:
        if said.item_id in scale.items.position and said.sitting_id in row:
            shown[row[said.sitting_id], scale.items.position[said.item_id]] = True
    kinds = [frozenset(wished(said.aim)) for said in recent]
    could = {kind: looks_at(scale, kind) for kind in kinds}
    began = shown.any(axis=1)
    return Shown(shown[began], stacked((could[kind] for kind in kinds), shown.shape)[began])


def stacked(rows: Iterable[NDArray[np.bool_]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.array(list(rows), dtype=np.bool_).reshape(shape)


def closed(log: Shown, scale: Scale, aim: Json, rng: np.random.Generator) -> list[str]:
    """Items that are not open to the next sitting, so that none is shown to too many of those it could be shown to.

    Where that would leave a sitting too little to choose from, the items shown least are opened again: a small bank
    cannot keep its secrets.
    """
    times, could = log.shown.sum(0), log.could.sum(0)
    is_open = eligible(times, could, EXPOSURE, rng, CLOSE)
    mine, minutes = looks_at(scale, wished(aim)), np.exp(scale.intensity)
    for row in np.argsort(times / np.maximum(could, 1), kind="stable"):
        if minutes[is_open & mine].sum() >= ROOM * aim["minutes"]:
            break
        is_open[row] = True
    return [key for key, may in zip(scale.items.ids, is_open, strict=True) if not may]


def priced(log: Shown, scale: Scale) -> dict[str, float]:
    """Minutes that items cost besides their own: favourites more, what nobody has seen for long less."""
    found = tolls(log.shown, log.could, OFF * EXPOSURE, FLOOR)
    return {
        key: round(float(toll), 4) for key, toll in zip(scale.items.ids, found, strict=True) if abs(toll) > LEAST_TOLL
    }


def read_tolls(aim: Json, scale: Scale) -> Floats:
    """A sitting's tolls, (I,); none where it is older than the idea."""
    return scale.items.values(aim.get("tolls", {}), 0.0)
