r"""From statistics to better parameters.

Item j: (a, d) <- (a, d) + H^-1 g, with the prior's gradient and curvature where there is one.
Skill e, scale and place (parameter expansion): the population's own step in scale and mean is carried into
the slopes and thresholds, log s = ((Q Σ)_ee + Σ_j a_je ∂_a) / (2P), which vanishes where the items' steps do.
Population: Σ <- Σ + Σ (Q - diag λ) Σ / P with λ such that the variances stay 1; so Σ rests where the
gradient in every correlation is 0. Anchored skills have a free mean and variance instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from irt.design import Flags
from irt.estep import Parameters, Statistics
from irt.facets import packed, unpacked
from irt.model import Floats, Ints

MAX_SLOPE = 8.0  # logits per sd of a skill; steeper items are steps, told by no finite sample
LONGEST = 0.7  # of one step in a slope or threshold


TRUST = 0.35  # longest log scale a pass may move


@dataclass(frozen=True)
class ItemPrior:
    """log a ~ N(log_slope, slope_sd²), mean threshold ~ N(threshold, threshold_sd²) over items, modes reported.

    Unless `estimated` is False the four numbers are start values: they are learnt from the items
    (empirical Bayes), so a bank of steep items shrinks towards steep ones. Slopes stay positive.
    """

    log_slope: float = 0.0
    slope_sd: float = 0.4
    threshold: float = 0.0
    threshold_sd: float = 1.5
    estimated: bool = True
    lkj: float = 1.0  # η of a prior det(Σ)^(η - 1) on the correlations; 1 is flat, 2 keeps skills from becoming one

    def __post_init__(self) -> None:
        if not (0 < self.slope_sd < np.inf and 0 < self.threshold_sd < np.inf):
            raise ValueError(f"ItemPrior: sds are {self.slope_sd} and {self.threshold_sd}, but must be above 0.")
        if not 1 <= self.lkj < np.inf:
            raise ValueError(f"ItemPrior: lkj is {self.lkj}, but must be 1 (flat) or more.")
        if not np.isfinite([self.log_slope, self.threshold]).all():
            raise ValueError(f"ItemPrior: means are {self.log_slope} and {self.threshold}, but must be numbers.")


TYPICAL, WORTH = ItemPrior(), 4.0


@dataclass(frozen=True, eq=False)
class Priors:
    """Families of items with a prior each: item i comes from families[family[i]]."""

    families: tuple[ItemPrior, ...]
    family: Ints  # (I,)

    def __post_init__(self) -> None:
        if self.family.ndim != 1 or not 0 <= self.family.min(initial=0) <= self.family.max(initial=0) < len(
            self.families
        ):
            raise ValueError(
                f"Priors: family is {self.family.shape} with numbers up to {self.family.max(initial=0)}, but must be "
                f"(I,) in 0..{len(self.families) - 1}. Maybe families are counted from 1."
            )

    def rows(self, which: Ints) -> Priors:
        """The priors of some items."""
        return Priors(self.families, self.family[which])

    @property
    def lkj(self) -> float:
        """The correlations are of all skills: the strongest hold that any family asks for."""
        return max((one.lkj for one in self.families), default=1.0)

    def column(self, name: str) -> Floats:
        """One number of each item's prior, (I, 1)."""
        return np.array([getattr(one, name) for one in self.families])[self.family][:, None]


def priors(prior: ItemPrior | Priors, items: int) -> Priors:
    """One prior for all items, or a prior each as given."""
    if isinstance(prior, ItemPrior):
        return Priors((prior,), np.zeros(items, dtype=np.int64))
    if len(prior.family) != items:
        raise ValueError(f"Priors: {len(prior.family)} items have a family, but there are {items}.")
    return prior


def real_slopes(at: Parameters) -> Flags:
    """(I, k): not padding."""
    return np.arange(at.slope.shape[1]) < at.width[:, None]


def prior_terms(at: Parameters, prior: Priors | None) -> tuple[Floats, Floats]:
    """Gradient (I, p) and curvature (I, p, p) of the log prior, stacked as the statistics are."""
    rows, k = at.slope.shape
    p = k + at.threshold.shape[1]
    gradient, curvature = np.zeros((rows, p)), np.zeros((rows, p, p))
    if prior is None:
        return gradient, curvature
    real = real_slopes(at)
    a = np.where(real, np.maximum(at.slope, 1e-3), 1.0)
    weight = 1 / (a * prior.column("slope_sd")) ** 2
    place = np.arange(k)
    gradient[:, :k] = np.where(real, -(np.log(a) - prior.column("log_slope")) * a * weight, 0.0)
    curvature[:, place, place] = np.where(real, weight, 0.0)
    used = np.isfinite(at.threshold)
    share = used / used.sum(1, keepdims=True)
    variance = prior.column("threshold_sd") ** 2
    centre = (np.where(used, at.threshold, 0.0) * share).sum(1, keepdims=True)
    gradient[:, k:] = -(centre - prior.column("threshold")) / variance * share
    curvature[:, k:, k:] = share[:, :, None] * share[:, None, :] / variance[:, :, None]
    return gradient, curvature


def learn(prior: Priors, at: Parameters, information: Floats, free: Flags) -> Priors:
    """The priors that these items come from, family by family."""
    if not any(one.estimated for one in prior.families):
        return prior
    variance = np.diagonal(np.linalg.inv(bordered(information, at)), axis1=1, axis2=2)
    mine = [free & (prior.family == n) for n in range(len(prior.families))]
    return replace(
        prior, families=tuple(_learnt(one, at, variance, some) for one, some in zip(prior.families, mine, strict=True))
    )


def ahead(prior: Priors, found: Statistics, at: Parameters, free: Flags) -> Priors:
    """Families' means where the coming step will put their items, so that a tight family moves as one.

    With x_j = log a_j, g_j and h_j the likelihood's gradient and curvature in x_j, and spread s, the joint Newton step
    has m = mean of x_j + (g_j - (x_j - m)/s²) / (h_j + 1/s²); easinesses alike. At rest m is the mean of the items.
    """
    k = at.slope.shape[1]
    real, used = real_slopes(at), np.isfinite(at.threshold)
    a = np.where(real, np.maximum(at.slope, 1e-3), 1.0)
    stiff = np.diagonal(found.curvature, axis1=1, axis2=2)
    centre = np.where(used, at.threshold, 0.0).sum(1) / used.sum(1)
    push, hold = found.gradient[:, k:].sum(1), found.curvature[:, k:, k:].sum((1, 2))

    def moved(one: ItemPrior, mine: Flags) -> ItemPrior:
        slopes = real & mine[:, None]
        if not one.estimated or slopes.sum() < 4:
            return one
        pull, hold_slope = (found.gradient[:, :k] * a)[slopes], (stiff[:, :k] * a**2)[slopes]
        return replace(
            one,
            log_slope=_met(np.log(a[slopes]), pull, hold_slope, one.slope_sd),
            threshold=_met(centre[mine], push[mine], hold[mine], one.threshold_sd),
        )

    parts = enumerate(prior.families)
    return replace(prior, families=tuple(moved(one, free & (prior.family == n)) for n, one in parts))


def _met(x: Floats, gradient: Floats, curvature: Floats, sd: float) -> float:
    """The mean m that a joint Newton step of x and m comes to."""
    total = np.maximum(curvature, 1e-9) + 1 / sd**2
    own = x + (gradient - x / sd**2) / total
    mean = own.sum() / (len(x) - (1 / sd**2 / total).sum())
    return float(np.clip(mean, x.mean() - LONGEST, x.mean() + LONGEST))


def _learnt(prior: ItemPrior, at: Parameters, variance: Floats, free: Flags) -> ItemPrior:
    """Means and spreads over items, with what is unsure of each added.

    The spreads hold some items' worth of what is typical: from few items a spread of 0 would be learnt, which pins
    them together on no evidence and makes steps swing.
    """
    real = real_slopes(at) & free[:, None]
    if not prior.estimated or real.sum() < 4:
        return prior
    k = at.slope.shape[1]
    log_a = np.log(np.maximum(at.slope[real], 1e-3))
    unsure = np.minimum(variance[:, :k][real] / at.slope[real] ** 2, prior.slope_sd**2)
    used = np.isfinite(at.threshold)
    centre = np.where(used, at.threshold, 0.0).sum(1)[free] / used.sum(1)[free]
    loose = np.minimum(variance[:, k:].sum(1)[free] / used.sum(1)[free] ** 2, prior.threshold_sd**2)
    return replace(
        prior,
        log_slope=float(log_a.mean()),
        slope_sd=spread_of(log_a.var() + unsure.mean(), log_a.size, TYPICAL.slope_sd, 1.0),
        threshold=float(centre.mean()),
        threshold_sd=spread_of(centre.var() + loose.mean(), centre.size, TYPICAL.threshold_sd, 5.0),
    )


def spread_of(variance: float, items: int, typical: float, most: float) -> float:
    """A learnt sd, with `WORTH` items' worth of the typical one."""
    return min(float(np.sqrt((items * variance + WORTH * typical**2) / (items + WORTH))), most)


def bordered(information: Floats, at: Parameters) -> Floats:
    """Information (I, p, p) with ones on the diagonal of padding, so that it can be inverted."""
    used = np.concatenate([real_slopes(at), np.isfinite(at.threshold)], axis=1)
    p = used.shape[1]
    full = np.where(used[:, :, None] & used[:, None, :], information, 0.0)
    place = np.arange(p)
    diagonal = full[:, place, place]
    full[:, place, place] = np.where(used, diagonal * (1 + 1e-9) + 1e-9, 1.0)
    return full


@dataclass(frozen=True, eq=False)
class Rules:
    """What a step must hold."""

    fixed: Flags  # (I,) items held where they are
    anchored: Flags  # (D,) skills whose scale such items give: their mean and variance are free
    correlated: bool  # correlations are estimated
    same_slope: bool  # the items of a skill share one slope


def m_step(found: Statistics, at: Parameters, prior: Priors | None, rules: Rules) -> tuple[Parameters, Priors | None]:
    """The next parameters, and the prior learnt anew."""
    fixed = rules.fixed
    prior = None if prior is None else ahead(prior, found, at, ~fixed)
    gradient, curvature = prior_terms(at, prior)
    moved = items_step(found, at, gradient, curvature, rules)
    scale, shift = expansion(found, at, gradient, curvature, rules.anchored)
    whole = found if prior is None else replace(found, cov=found.cov + 2 * (prior.lkj - 1) * np.linalg.inv(at.cov))
    cov, mean = population_step(whole, at, rules)
    slope = moved.slope * np.where(fixed[:, None], 1.0, scale[at.skill])
    place = (moved.slope * np.where(real_slopes(at), shift[at.skill], 0.0)).sum(1)
    threshold = moved.threshold + np.where(fixed, 0.0, place)[:, None]
    if prior is not None:
        slope = np.where(fixed[:, None], slope, np.where(real_slopes(at), np.maximum(slope, 0.02), 0.0))
        prior = learn(prior, replace(at, slope=slope, threshold=threshold), found.crossed + curvature, ~fixed)
    slope = np.where(fixed[:, None], slope, np.clip(slope, -MAX_SLOPE, MAX_SLOPE))
    return replace(at, slope=slope, threshold=threshold, mean=mean, cov=cov), prior


def items_step(found: Statistics, at: Parameters, gradient: Floats, curvature: Floats, rules: Rules) -> Parameters:
    """One Newton step an item, cut where it is long or would make thresholds rise."""
    k = at.slope.shape[1]
    used = np.concatenate([real_slopes(at), np.isfinite(at.threshold)], axis=1)
    g = np.where(used, found.gradient + gradient, 0.0)
    H = bordered(found.curvature + curvature, at)
    step = _tied(g, H, at, k) if rules.same_slope else np.linalg.solve(H, g[:, :, None])[:, :, 0]
    longest = np.abs(step).max(1, keepdims=True)
    step *= np.minimum(1.0, LONGEST / np.maximum(longest, 1e-300))
    step[rules.fixed] = 0.0
    for _ in range(6):
        threshold = at.threshold + step[:, k:]
        with np.errstate(invalid="ignore"):
            rising = (np.diff(threshold, axis=1) > -1e-6).any(1)
        if not rising.any():
            break
        step[rising] *= 0.5
    step[rising, k:] = 0.0
    return replace(at, slope=at.slope + step[:, :k], threshold=at.threshold + step[:, k:])


def _tied(g: Floats, H: Floats, at: Parameters, k: int) -> Floats:
    """The step when all items of a skill share one slope: slopes first, thresholds given them."""
    inner = np.linalg.inv(H[:, k:, k:])
    through = H[:, :k, k:] @ inner
    left = g[:, :k] - (through @ g[:, k:, None])[:, :, 0]
    stiff = np.diagonal(H[:, :k, :k] - through @ H[:, k:, :k], axis1=1, axis2=2)
    real = real_slopes(at)
    pull, hold = np.zeros(len(at.mean)), np.full(len(at.mean), 1e-9)
    np.add.at(pull, at.skill[real], left[real])
    np.add.at(hold, at.skill[real], stiff[real])
    slope = np.where(real, (pull / hold)[at.skill], 0.0)
    rest = g[:, k:] - (H[:, k:, :k] @ slope[:, :, None])[:, :, 0]
    return np.concatenate([slope, (inner @ rest[:, :, None])[:, :, 0]], axis=1)


def expansion(
    found: Statistics, at: Parameters, gradient: Floats, curvature: Floats, anchored: Flags
) -> tuple[Floats, Floats]:
    """Scale (D,) and shift (D,) of the skills to carry into the items; 1 and 0 where anchored."""
    skills, k = len(at.mean), at.slope.shape[1]
    persons = float(found.persons)
    real = real_slopes(at)
    pull = np.einsum("de,de->d", found.cov, at.cov)
    hold = np.full(skills, 2 * persons)
    np.add.at(pull, at.skill[real], (gradient[:, :k] * at.slope)[real])
    np.add.at(hold, at.skill[real], (np.diagonal(curvature, axis1=1, axis2=2)[:, :k] * at.slope**2)[real])
    scale = np.exp(np.clip(pull / hold, -TRUST, TRUST))
    push, stiff = found.mean.copy(), persons * np.diag(np.linalg.inv(at.cov))
    whole_gradient, whole_curvature = gradient[:, k:].sum(1), curvature[:, k:, k:].sum((1, 2))
    np.add.at(push, at.skill[real], (at.slope * whole_gradient[:, None])[real])
    np.add.at(stiff, at.skill[real], (at.slope**2 * whole_curvature[:, None])[real])
    shift = at.cov @ push / persons if not whole_curvature.any() else push / stiff
    tied = anchored | (at.facets is not None)  # a severity moves with its item's slopes: no mere change of units
    return np.where(tied, 1.0, scale), np.where(anchored, 0.0, np.clip(shift, -TRUST, TRUST))


def population_step(found: Statistics, at: Parameters, rules: Rules) -> tuple[Floats, Floats]:
    """Σ and μ after EM's step, with unit variances and mean 0 kept where no anchor frees them."""
    anchored = rules.anchored
    if not rules.correlated and not anchored.any():
        return at.cov, at.mean
    persons = float(found.persons)
    push = at.cov @ found.mean / persons
    mean = at.mean + np.where(anchored, push, 0.0)
    loose = np.where(anchored, found.mean, 0.0)
    Q = found.cov - np.outer(loose, loose) / persons  # about the new mean
    held = ~anchored
    step = at.cov @ Q @ at.cov / persons
    if held.any():
        square = (at.cov**2)[np.ix_(held, held)]
        multiplier = np.zeros(len(at.mean))
        multiplier[held] = np.linalg.solve(square, np.diag(step)[held])
        step -= (at.cov * multiplier) @ at.cov
    if not rules.correlated:
        step = _only_scales(step, at)
    cov = at.cov + step
    if np.linalg.eigvalsh(cov)[0] < 1e-3 * np.diag(cov).min():
        cov = at.cov + at.cov @ found.cov @ at.cov / persons
    return proper(cov, held), mean


def _only_scales(step: Floats, at: Parameters) -> Floats:
    """The part of a step in Σ that keeps the correlations: variances move, for anchored skills."""
    sd = np.sqrt(np.diag(at.cov))
    grown = np.sqrt(np.maximum(np.diag(at.cov + step), 1e-3)) / sd
    return at.cov * np.outer(grown, grown) - at.cov


def proper(cov: Floats, held: Flags) -> Floats:
    """The covariance with unit variance where held, and no eigenvalue at 0."""
    value, vector = np.linalg.eigh((cov + cov.T) / 2)
    whole = (vector * np.maximum(value, 1e-4 * value[-1])) @ vector.T
    sd = np.where(held, np.sqrt(np.diag(whole)), 1.0)
    return whole / np.outer(sd, sd)


def pack(at: Parameters, rules: Rules) -> Floats:
    """All that a fit moves as one vector; Σ by the rows of its Cholesky factor over their last entry."""
    sd = np.sqrt(np.diag(at.cov))
    root = np.linalg.cholesky(at.cov / np.outer(sd, sd))
    rows = root / np.diag(root)[:, None]
    below = np.tril_indices(len(sd), -1)
    parts = [at.slope[real_slopes(at)], at.threshold[np.isfinite(at.threshold)], rows[below]]
    raters = [] if at.facets is None else [packed(at.facets)]
    return np.concatenate([*parts, np.log(sd[rules.anchored]), at.mean[rules.anchored], *raters])


def spread(found: Statistics, at: Parameters, prior: Priors | None, rules: Rules) -> Floats:
    """A rough standard error of each entry of `pack`, from each item's own information."""
    k, skills = at.slope.shape[1], len(at.mean)
    information = bordered(found.crossed + prior_terms(at, prior)[1], at)
    place = np.arange(information.shape[1])
    information[:, place, place] *= 1 + 1e-4
    se = np.sqrt(np.diagonal(np.linalg.inv(information), axis1=1, axis2=2))
    others = skills * (skills - 1) // 2 + 2 * int(rules.anchored.sum())
    typical = np.full(others, 1 / np.sqrt(max(float(found.persons), 1.0)))
    return np.concatenate([se[:, :k][real_slopes(at)], se[:, k:][np.isfinite(at.threshold)], typical])


def unpack(x: Floats, at: Parameters, rules: Rules) -> Parameters | None:
    """The inverse of `pack`; None where thresholds would not fall."""
    skills, fixed, anchored = len(at.mean), rules.fixed, rules.anchored
    real, used, below = real_slopes(at), np.isfinite(at.threshold), np.tril_indices(skills, -1)
    sizes = np.cumsum([real.sum(), used.sum(), len(below[0]), anchored.sum()])
    sizes = np.append(sizes, sizes[-1] + anchored.sum())
    slopes, thresholds, rows, log_sd, means, raters = np.split(x, sizes)
    slope, threshold, mean, sd = at.slope.copy(), at.threshold.copy(), at.mean.copy(), np.ones(skills)
    slope[real], threshold[used] = np.clip(slopes, -MAX_SLOPE, MAX_SLOPE), thresholds
    slope[fixed], threshold[fixed] = at.slope[fixed], at.threshold[fixed]
    mean[anchored], sd[anchored] = means, np.exp(log_sd)
    with np.errstate(invalid="ignore"):
        if (np.diff(threshold, axis=1) > -1e-6).any():
            return None
    root = np.eye(skills)
    root[below] = rows
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    cov = root @ root.T
    facets = None if at.facets is None else unpacked(raters, at.facets)
    return replace(at, slope=slope, threshold=threshold, mean=mean, cov=cov * np.outer(sd, sd), facets=facets)
