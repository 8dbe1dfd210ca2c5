r"""Who would move first where a row asks for more or fewer hours than it gets.

A programme of few people that buys or sells at the edges of its box says in which rows hours are missing or too many.
Whoever is nearest to a tie is asked first: with margin m = best worth - worth of the arc,

    enter(seat)   the least m at which others bring FOLD times the hours that the seat is short of
    leave(seat)   the same for those whose best arc is in the seat, and m to their runner-up

A seat is a role of a queue (`reply_map`). Margins are counted on a ladder of rungs, each STEP times as high as the one
before, so that nothing is sorted and one pass over the arcs is enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from assignment.arrays import Bools, Floats, Rows
from assignment.blocks import Blocks
from assignment.prices import Frame
from assignment.problem import Queues
from assignment.projection import PRODUCE, REVIEW, ROLES, SECOND
from assignment.reply_map import Ground

FOLD = 3.0  # so many times the hours that are asked for
STEP = 1.25
RUNGS = 44
HIGHEST = STEP ** (RUNGS - 1)  # 15,000


class Stand(NamedTuple):
    """Where every block stands at some prices."""

    choice: Rows  # (b,) arc, -1 for idle
    best: Floats  # (b,) an hour
    second: Floats  # (b,) of the runner-up
    worth: Floats  # (A,) without bonuses


class Bands(NamedTuple):
    """How far from a block's best an arc may be and still be looked at, money an hour."""

    enter: Floats  # (3 Q,) arcs in each seat
    leave: Floats  # (3 Q + 1,) all arcs of whoever's best is in the seat; the last: of the idle

    def limits(self, land: Ground, arc: Rows, choice: Rows) -> Floats:
        """For pairs of an arc and the best arc of a block."""
        home = np.where(choice >= 0, land.seat[choice], len(self.enter))
        return np.maximum(self.enter[land.seat[arc]], self.leave[home])

    def and_further(self, other: Bands) -> Bands:
        """Both."""
        return Bands(np.maximum(self.enter, other.enter), np.maximum(self.leave, other.leave))


def within(band: Floats) -> Bands:
    """Arcs within a band of each queue (Q,), whoever comes."""
    return Bands(np.repeat(band, len(ROLES)), np.full(len(ROLES) * len(band) + 1, -np.inf))


class Asked(NamedTuple):
    """Hours that rows are short of, or have too many."""

    needed: Floats  # (3 Q,) in each seat
    spare: Floats  # (3 Q,)

    @property
    def total(self) -> float:
        """Of both, in all seats."""
        return float(self.needed.sum() + self.spare.sum())


def asked(queues: Queues, at: Frame, traded: Floats) -> Asked:
    """What seats ask for, from what was bought (> 0) and sold (< 0) of rows (n,)."""
    size = len(queues)
    hours = traded / at.pull  # of production
    many, few = (np.maximum(side, 0.0) for side in (hours, -hours))
    (over, short, short2, dear), (under, idle, idle2, cheap) = (
        np.split(side, [size, 2 * size, 3 * size]) for side in (many, few)
    )
    check, check2 = (
        share * at.pace[PRODUCE] / at.pace[role]
        for share, role in ((queues.review_share, REVIEW), (queues.second_share, SECOND))
    )
    needed = np.stack([
        np.maximum.reduce([under, idle, idle2, cheap[queues.purse]]),
        (short + under) * check,
        (short2 + under) * check2,
    ], axis=1)  # fmt: skip
    spare = np.stack([
        np.maximum.reduce([over, short, short2, dear[queues.purse]]),
        idle * check,
        idle2 * check2,
    ], axis=1)  # fmt: skip
    return Asked(needed.ravel(), spare.ravel())


def nearest(land: Ground, who: Blocks, at: Stand, unit: float, hours: Asked, known: Bools) -> tuple[Bands, Bools]:
    """(bands, (b,) blocks within them) so that the hours asked for are there FOLD times, not counting known blocks."""
    needed, spare = (FOLD * part for part in hours)
    enter, leave = _ladders(land, who, at, unit, needed, spare, known)
    bands = Bands(_height(enter, needed, unit), np.append(_height(leave, spare, unit), -np.inf))
    return bands, _within(land, who, at, bands)


def _height(ladder: Floats, hours: Floats, unit: float) -> Floats:
    """(seats,) the margin up to which the rungs of a ladder (seats, RUNGS) hold the hours; -inf where none is asked."""
    rung = np.minimum((np.cumsum(ladder, axis=1) < hours[:, None]).sum(axis=1), RUNGS - 1)
    return np.where(hours > 0, unit * STEP**rung, -np.inf)


@njit(cache=True, error_model="numpy")
def _rung(margin: float) -> int:
    """Where on a ladder a margin stands; RUNGS where it is too high for it."""
    if margin < 1.0:
        return 0
    return min(int(np.log(margin) / np.log(STEP)) + 1, RUNGS) if margin < HIGHEST else RUNGS


@njit(cache=True, error_model="numpy")
def _ladders(
    land: Ground, who: Blocks, at: Stand, unit: float, needed: Floats, spare: Floats, known: Bools
) -> tuple[Floats, Floats]:
    """(3 Q, RUNGS + 1) hours of unknown blocks by their margin to enter each seat, and to leave it."""
    enter, leave = np.zeros((needed.shape[0], RUNGS + 1)), np.zeros((needed.shape[0], RUNGS + 1))
    starts, seats, worth, due = land.starts, land.seat, at.worth, land.due
    for b in range(known.shape[0]):
        if known[b]:
            continue
        best, home, own, bonus = at.best[b], at.choice[b], who.arc[b], who.bonus[b]
        hours, period = who.hours[b], who.period[b]
        for a in range(starts[who.expert[b]], starts[who.expert[b] + 1]):
            seat = seats[a]
            if needed[seat] > 0 and a != home and (period == 0 or due[seat // 3] >= period):
                enter[seat, _rung((best - worth[a] - (bonus if a == own else 0.0)) / unit)] += hours
        if home >= 0 and spare[seats[home]] > 0:
            leave[seats[home], _rung((best - max(at.second[b], 0.0)) / unit)] += hours
    return enter[:, :RUNGS], leave[:, :RUNGS]


@njit(cache=True, error_model="numpy")
def _within(land: Ground, who: Blocks, at: Stand, bands: Bands) -> Bools:
    """(b,) blocks that have another arc within the bands."""
    starts, seats, worth, due, enter = land.starts, land.seat, at.worth, land.due, bands.enter
    found = np.zeros(who.expert.shape[0], np.bool_)
    for b in range(found.shape[0]):
        best, home, own, bonus, period = at.best[b], at.choice[b], who.arc[b], who.bonus[b], who.period[b]
        out = bands.leave[seats[home] if home >= 0 else enter.shape[0]]
        for a in range(starts[who.expert[b]], starts[who.expert[b] + 1]):
            seat = seats[a]
            near = best - worth[a] - (bonus if a == own else 0.0) <= max(enter[seat], out)
            if near and a != home and (period == 0 or due[seat // 3] >= period):
                found[b] = True
                break
    return found
