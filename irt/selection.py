r"""Which question is worth its minutes.

Each skill has a target standard error t_d and a weight w_d (what the demand says it is worth). The
hinge counts how far the log standard errors stand above their targets,

    H(S) = Σ_d w_d · ½ log max(1, S_dd / t_d²),

and a question's value is the H it is expected to take away, per expected minute. An answer to item j
shrinks Var(s_j) by the fraction f_j = E[(v - v')/v], so with u = S a_j

    S_dd after ≈ S_dd - (f_j / v_j) u_d²,      f_j = Σ_k (Σ_q W_q p_k(s_q) x_q)² / p̄_k   (total variance)

No credit goes to a skill already known well enough, none to what other answers will tell by correlation
later: the fall of all skills is counted at once. Mutual information comes along for the record; `irt.verdict`
has it, and decisions, as objectives of their own. Expected values are over the belief, guessing and item
uncertainty included.

References: van der Linden & Pashley (2010), Elements of Adaptive Testing; Fan, Wang, Chang & Douglas
(2012), JEBS 37, for information per minute; van der Linden & Veldkamp (2007), JEBS 32, for eligibility.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from irt.belief import Belief
from irt.model import Floats, Ints, Items
from irt.worth import curves, effect, glance, hinge_falls

SHORTLIST = 64  # items whose worth is computed exactly after the scan of the whole bank
STEP = 0.02  # share of a skill's variance that an answer about another skill typically takes away


@dataclass(frozen=True, eq=False)
class Tangent:
    """About what an answer is worth: (f/v) a'M a, but by the hinge itself for the item's own skills."""

    form: Floats  # (D, D) = M
    steep: Floats  # (D,) what M holds of each skill's own hinge: M = S diag(steep) S, or 0 where there is none
    goal: Floats  # (D,) variance at which a skill's hinge ends
    weight: Floats  # (D,) of each skill's hinge


class Objective(Protocol):
    """What an answer is wanted for: here `Aim`, in `irt.verdict` information and decisions."""

    def tangent(self, belief: Belief) -> Tangent:
        """A fast judgement, for ranking the whole bank."""

    def gain(self, belief: Belief, pool: Pool, told: Told) -> Floats:
        """What answers to some rows of the pool are worth, exactly: (n,)."""


@dataclass(frozen=True, eq=False)
class Told:
    """What answers to some rows of a pool are expected to tell about their s."""

    rows: Ints  # (n,)
    shrink: Floats  # (n,) f/v
    information: Floats  # (n,) nats


@dataclass(frozen=True, eq=False)
class Aim:
    """Standard errors good enough, by skill: the hinge is the objective."""

    target: Floats  # (D,) standard error that is good enough
    weight: Floats  # (D,) worth of a unit of log standard error; 0: not wanted

    def __post_init__(self) -> None:
        if self.target.ndim != 1 or self.target.shape != self.weight.shape:
            raise ValueError(
                f"Aim: {self.target.size} targets of shape {self.target.shape}, but weights of {self.weight.shape}."
            )
        if not ((self.target > 0).all() and (self.weight >= 0).all() and np.isfinite(self.weight).all()):
            raise ValueError("Aim: every target must be above 0 and every weight finite and not negative.")

    def tangent(self, belief: Belief) -> Tangent:
        """Each skill counts by its secant over a typical step: from S_dd to (1 - STEP) S_dd, or to its target."""
        variance = np.diag(belief.cov)
        above = np.log(np.maximum(1.0, variance / self.target**2))
        steep = self.weight * 0.5 * np.minimum(above, -np.log1p(-STEP)) / (STEP * variance)
        wanted = np.flatnonzero(steep)
        form = (belief.cov[:, wanted] * steep[wanted]) @ belief.cov[wanted]
        return Tangent(form, steep, self.target**2, self.weight)

    def gain(self, belief: Belief, pool: Pool, told: Told) -> Floats:
        items = pool.items
        return hinge_falls(belief.cov, items.skill, items.slope, told.rows, told.shrink, self.target, self.weight)


@dataclass(frozen=True, eq=False)
class Pool:
    """The items one may choose from."""

    items: Items
    blur: Floats  # (I,) variance of s_j from not knowing the item exactly
    minutes: Floats  # (I,) expected minutes for this person

    def __post_init__(self) -> None:
        if self.blur.shape != (len(self.items),) or self.minutes.shape != (len(self.items),):
            raise ValueError(
                f"Pool: {len(self.items)} items, but blur is {self.blur.shape} and minutes {self.minutes.shape}."
            )
        if not ((self.minutes > 0) & np.isfinite(self.minutes)).all():
            raise ValueError("Pool: expected minutes must be above 0 and finite. Maybe an item has no time intensity.")
        if not ((self.blur >= 0) & np.isfinite(self.blur)).all():
            raise ValueError("Pool: blur must be finite and not negative.")


@dataclass(frozen=True, eq=False)
class Scan:
    """What an answer to each item is expected to do, under one belief."""

    gain: Floats  # (I,) fall of the hinge; 0 outside the shortlist
    information: Floats  # (I,) mutual information with θ, nats; 0 outside the shortlist
    rate: Floats  # (I,) gain per expected minute
    shrink: Floats  # (I,) f/v: what `falls` needs to say which skills gain; 0 outside the shortlist
    order: Ints  # shortlisted rows, best rate first


def hinge(variance: Floats, aim: Aim) -> float:
    """H(S) of a belief's variances (D,): what is still to be learnt."""
    return float((aim.weight * 0.5 * np.log(np.maximum(1.0, variance / aim.target**2))).sum())


def scan(belief: Belief, pool: Pool, aim: Objective, allowed: NDArray[np.bool_]) -> Scan:
    """Value per minute of the allowed items that come near the best; (I,) arrays in the pool's order.

    A constraint on content (items of a family, enemies, a part of the blueprint that is full) is a mask in
    `allowed`; a preference is a factor on the pool's minutes: 1.2 asks for a fifth more worth.
    """
    if allowed.shape != (len(pool.items),):
        raise ValueError(f"scan: {len(pool.items)} items, but allowed is {allowed.shape}.")
    told = look(belief, pool, aim, allowed)
    gain, information, shrink = (np.zeros(len(pool.items)) for _ in range(3))
    shrink[told.rows], information[told.rows] = told.shrink, told.information
    gain[told.rows] = aim.gain(belief, pool, told)
    rate = gain / pool.minutes
    order = told.rows[np.argsort(-rate[told.rows], kind="stable")]
    return Scan(gain, information, rate, shrink, order[rate[order] > 0])


def look(belief: Belief, pool: Pool, aim: Objective, allowed: NDArray[np.bool_]) -> Told:
    """The allowed rows that a glance at the whole bank puts first, and exactly what they would tell."""
    items, near = pool.items, aim.tangent(belief)
    bank = items.skill, items.slope, items.threshold, items.guess, pool.blur
    about = glance(belief.mean, belief.cov, near.form, near.goal, near.weight, near.steep, *bank, allowed, curves())
    rows = best(about / pool.minutes, SHORTLIST)
    rows = rows[about[rows] >= 0]
    return Told(rows, *effect(belief.mean, belief.cov, *bank, rows))


def best(value: Floats, count: int) -> Ints:
    """Rows of the highest values, in the order of rows, so that ties are settled alike every time."""
    return np.arange(len(value)) if len(value) <= count else np.sort(np.argpartition(-value, count)[:count])


def falls(cov: Floats, items: Items, shrink: Floats, aim: Aim) -> Floats:
    """Expected fall of each skill's share of the hinge: (I, D). shrink = f/v."""
    variance = np.diag(cov)
    u = (cov[:, items.skill] * items.slope).sum(-1)  # (D, I)
    after = variance[:, None] - shrink * u**2
    target = aim.target[:, None] ** 2
    before = np.log(np.maximum(1.0, variance[:, None] / target))
    fall = 0.5 * (before - np.log(np.maximum(1.0, after / target)))
    return (aim.weight[:, None] * fall).T


# -- security --------------------------------------------------------------------------------------


SOFT = 0.1  # how far below its limit an item begins to be closed to some, as a share of the limit


def eligible(
    shown: Ints, sittings: Ints, limit: float, rng: np.random.Generator, soft: float = SOFT
) -> NDArray[np.bool_]:
    """Which items one sitting may use, so that none is shown to more than `limit` of the people.

    shown, sittings (I,): sittings so far that were asked the item, and all that could have been since it is in use.
    An item is closed from the limit on, and open by chance within a share `soft` below it: a favourite settles where it
    is open to as many sittings as it may be shown to. Eligibility by the ratio of past offers overshoots when an item
    becomes a favourite late; this cannot. One draw a sitting; counts of the last few thousand sittings keep the limit
    within that window too.
    """
    if not 0 < limit <= 1:
        raise ValueError(f"eligible: limit is {limit}, but a share of people is in (0, 1].")
    exposure = shown / np.maximum(sittings, 1)
    chance_open = np.clip((limit - exposure) / (soft * limit), 0.0, 1.0)
    return rng.random(len(shown)) < chance_open


STEP_FIRST, STEP_LAST, SETTLED_BY = 0.3, 0.02, 150  # minutes a toll moves by a showing, at first and from so many on
CALL, CALL_FROM = 3.0, 0.5  # minutes that the longest unseen is cheaper, from which share of 1 / floor on it begins
LEAST_PRICE = 0.05  # of its own minutes: no bonus makes an item cheaper


def tolls(shown: NDArray[np.bool_], could: NDArray[np.bool_], limit: float, floor: float = 0.0) -> Floats:
    """Minutes that each item costs besides its own, so that none is shown to more than `limit` of the people: (I,).

    shown, could (N, I): sittings in their order, whether each was asked the item and whether it could have been: one to
    which it was closed says nothing about who wants it. The least minutes that keep the limits are a linear programme;
    the toll is its dual, learnt by stochastic gradient,

        λ_j ← max(0, λ_j + η (shown_j - limit)),

    and an item is chosen by what it is worth per minute and toll. So a favourite goes to those to whom it is worth
    most, not to a random few. One that n sittings in turn could have been asked and were not becomes cheaper, by
    3 min(1, 2 floor n - 1)² minutes from n = 1 / (2 floor) on: it is called up where it costs least, and about `floor`
    of the people see it. A new limit needs some 150 sittings to settle; `eligible` keeps it meanwhile.

    References: Bertsekas (2015), Convex Optimization Algorithms, ch. 3; van der Linden & Veldkamp (2007), JEBS 32.
    """
    if shown.shape != could.shape or shown.ndim != 2:
        raise ValueError(f"tolls: shown is {shown.shape} and could {could.shape}, but both must be (N, I).")
    if not 0 <= floor < limit <= 1:
        raise ValueError(f"tolls: floor {floor} and limit {limit}, but 0 <= floor < limit <= 1 is needed.")
    toll, unseen = np.zeros(shown.shape[1]), np.zeros(shown.shape[1], dtype=np.int64)
    for number, (asked, may) in enumerate(zip(shown, could, strict=True)):
        toll, unseen = moved(toll, asked, may, limit, number), since(unseen, asked, may)
    return toll - bonus(unseen, floor)


def moved(toll: Floats, asked: NDArray[np.bool_], may: NDArray[np.bool_], limit: float, number: int) -> Floats:
    """Tolls after one more sitting, the `number`th."""
    step = max(STEP_FIRST * (STEP_LAST / STEP_FIRST) ** (number / SETTLED_BY), STEP_LAST)
    return np.maximum(toll + np.where(may, step * (asked - limit), 0.0), 0.0)


def since(unseen: Ints, asked: NDArray[np.bool_], may: NDArray[np.bool_]) -> Ints:
    """Sittings that could have been asked each item since one was, after one more."""
    return np.where(asked, 0, unseen + may)


def bonus(unseen: Ints, floor: float) -> Floats:
    """Minutes that items are cheaper which so many sittings in turn could have been asked and were not."""
    late = np.clip((unseen * floor - CALL_FROM) / (1 - CALL_FROM), 0.0, 1.0)
    return CALL * late**2


def priced(minutes: Floats, toll: Floats) -> Floats:
    """What items cost when they are compared: their own minutes and their toll."""
    return np.maximum(minutes + toll, LEAST_PRICE * minutes)
