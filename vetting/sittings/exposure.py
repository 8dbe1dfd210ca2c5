"""Security: how often items and probes were shown, which are closed to the next sitting, what the others cost besides.

Both are settled when a sitting begins, from the record alone, and kept with it, so that it can be replayed. Items and
probes keep the same rules, each among their own; a probe can be shown to whoever has minutes for interviews.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.model import Floats, Items
from irt.selection import eligible, tolls
from vetting.records import Json, Question, Sitting
from vetting.scale import Axis, Scale
from vetting.sittings.aim import wished

EXPOSURE = 0.35  # nothing is shown to a larger share of the people it could be shown to
OFF = 0.94  # share of that limit at which tolls keep favourites, so that items are seldom closed
CLOSE = 0.04  # how near the limit an item is closed to some by lot all the same, as a share of it
FLOOR = 0.002  # share of the people that every item should be shown to
WINDOW = 500  # latest sittings over which shares are counted
ROOM = 2.0  # minutes of open questions that a sitting must have to choose from, as a multiple of its budget
LEAST_TOLL = 0.005  # minutes; less is not worth keeping

Mask = NDArray[np.bool_]


# -- what can be shown -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Shelf:
    """The items of a scale, or its probes."""

    ids: Axis
    sees: Mask  # (I, D) which skills each looks at
    minutes: Floats  # (I,) that each takes
    step: float  # of tolls, as a multiple of the step for items: a probe's minutes are more
    budget: str  # the field of an aim that holds their minutes

    def wanted(self, scale: Scale, aim: Json) -> Mask:
        """Which of them a sitting could be shown, (I,)."""
        if not aim.get(self.budget):
            return np.zeros(len(self.ids.ids), dtype=np.bool_)
        rows = scale.skills.rows(skill for skill in wished(aim) if skill in scale.skills.position)
        found: Mask = np.any(self.sees[:, rows], axis=1)
        return found


def items(scale: Scale) -> Shelf:
    return Shelf(scale.items, seen(scale.parameters, scale), np.exp(scale.intensity), 1.0, "minutes")


def probes(scale: Scale) -> Shelf:
    """A probe looks at what its criteria look at, and takes its opening and a question about each."""
    kept = scale.probes
    own = kept.probe == np.arange(len(kept.ids.ids))[:, None]  # (P, C)
    minutes = np.exp(kept.opening) + own.sum(1) * np.exp(kept.follow_up)
    both = len(minutes) and len(scale.intensity)
    step = float(np.median(minutes) / np.median(np.exp(scale.intensity))) if both else 1.0
    return Shelf(kept.ids, own @ seen(kept.parameters, scale), minutes, step, "interview")


def seen(rows: Items, scale: Scale) -> Mask:
    """Which skills each row leans on, (I, D)."""
    found = np.zeros((len(rows), len(scale.skills.ids)), dtype=np.bool_)
    np.logical_or.at(found, (np.arange(len(rows))[:, None], rows.skill), rows.slope > 0)
    return found


# -- what was shown --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Shown:
    """The latest sittings in which anything was asked, oldest first."""

    shown: Mask  # (N, I) asked
    could: Mask  # (N, I) could have been: the sitting wanted one of its skills, and had minutes for it
    was_open: Mask  # (N, I) could have been, and was not closed to the sitting


def lately(db: Session, scale: Scale, shelf: Shelf) -> Shown:
    """What the latest sittings were asked of a shelf."""
    recent = db.execute(
        select(Sitting.id, Sitting.aim, Sitting.closed_items).order_by(Sitting.id.desc()).limit(WINDOW)
    ).all()[::-1]
    since = min((said.id for said in recent), default=0)
    asked = db.execute(select(Question.sitting_id, Question.item_id).where(Question.sitting_id >= since)).all()
    row = {said.id: number for number, said in enumerate(recent)}
    shown, began = np.zeros((len(recent), len(shelf.ids.ids)), dtype=np.bool_), np.zeros(len(recent), dtype=np.bool_)
    for said in asked:
        if said.sitting_id in row:
            began[row[said.sitting_id]] = True
            if said.item_id in shelf.ids.position:
                shown[row[said.sitting_id], shelf.ids.position[said.item_id]] = True
    could, shut = who_could(scale, shelf, [said.aim for said in recent]), np.zeros_like(shown)
    for number, sitting in enumerate(recent):
        shut[number, shelf.ids.rows(key for key in sitting.closed_items if key in shelf.ids.position)] = True
    return Shown(shown[began], could[began], (could & ~shut)[began])


def who_could(scale: Scale, shelf: Shelf, aims: Sequence[Json]) -> Mask:
    """Which sittings could be shown what, (N, I); sittings of one kind are looked at once."""
    kinds = [(frozenset(wished(aim)), bool(aim.get(shelf.budget))) for aim in aims]
    rows = {kind: shelf.wanted(scale, aim) for kind, aim in zip(kinds, aims, strict=True)}
    return np.array([rows[kind] for kind in kinds], dtype=np.bool_).reshape(len(aims), len(shelf.ids.ids))


# -- what follows ----------------------------------------------------------------------------------


def settle(db: Session, scale: Scale, aim: Json, rng: np.random.Generator) -> tuple[Json, list[str]]:
    """The aim of a sitting that begins with its tolls, and the items and probes that are closed to it."""
    shelves = {"tolls": items(scale), "probe_tolls": probes(scale)}
    logs = {name: lately(db, scale, shelf) for name, shelf in shelves.items()}
    shut = [key for name, shelf in shelves.items() for key in closed(logs[name], scale, shelf, aim, rng)]
    return aim | {name: priced(logs[name], shelf) for name, shelf in shelves.items()}, shut


def closed(log: Shown, scale: Scale, shelf: Shelf, aim: Json, rng: np.random.Generator) -> list[str]:
    """What of a shelf is not open to the next sitting, so that nothing is shown to too many who could be shown it.

    Where that would leave a sitting too little to choose from, what was shown least is opened again: a small bank
    cannot keep its secrets.
    """
    times, could = log.shown.sum(0), log.could.sum(0)
    is_open = eligible(times, could, EXPOSURE, rng, CLOSE)
    mine, enough = shelf.wanted(scale, aim), ROOM * aim.get(shelf.budget, 0.0)
    for row in np.argsort(times / np.maximum(could, 1), kind="stable"):
        if shelf.minutes[is_open & mine].sum() >= enough:
            break
        is_open[row] = True
    return [key for key, may in zip(shelf.ids.ids, is_open, strict=True) if not may]


def priced(log: Shown, shelf: Shelf) -> dict[str, float]:
    """Minutes that items cost besides their own: favourites more, what nobody has seen for long less."""
    found = shelf.step * tolls(log.shown, log.was_open, OFF * EXPOSURE, FLOOR)
    return {
        key: round(float(toll), 4) for key, toll in zip(shelf.ids.ids, found, strict=True) if abs(toll) > LEAST_TOLL
    }


def read_tolls(aim: Json, scale: Scale) -> Floats:
    """A sitting's tolls on items, (I,); none where it is older than the idea."""
    return scale.items.values(aim.get("tolls", {}), 0.0)


def read_probe_tolls(aim: Json, scale: Scale) -> Floats:
    """The same on probes, (P,)."""
    return scale.probes.ids.values(aim.get("probe_tolls", {}), 0.0)
