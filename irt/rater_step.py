r"""How a rater's grade depends on quality, and one step of scoring towards better raters.

    z_k = φ_r (q - ρ_r - δ_rc + t_ck + s_rck),   P(Y >= k | q) = σ(z_k),   P(Y = k | q) = σ(z_k) - σ(z_k+1)

Steps s_rc sum to zero over k: where a rater's scale is wider or narrower than the rubric's, not how strict he is. They
are H u_rc with M - 1 orthonormal contrasts H.

Entries a pair (rater, criterion) has to do with, in this order: ρ_r, δ_rc, log φ_r, t_c1, ..., t_cM, u_rc. With
expected counts N (pairs, K, G) of an E-step the gradient is Σ N s and the information Σ_g n_g Σ_k P_k s_k s_k',
s = ∂ log P / ∂(entries); one Fisher-scoring step solves the sparse system of all pairs together.

Priors: ρ_r ~ N(0, τ_ρ²), δ_rc ~ N(0, τ_δ²), u_rc ~ N(0, τ_s²), log φ_r ~ N(log φ0, s_φ²), each layer its own;
t_ck ~ N(0, 5²) and log gaps of thresholds ~ N(log .8, 1.5²), so that a level nobody gave keeps a place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import helmert
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.special import expit

from irt.model import Floats, Ints
from irt.rater_sweep import GRID, TINY

THRESHOLD_SD = 5.0
GAP, GAP_SD = 0.8, 1.5
LONGEST = 0.7  # longest step of an entry
STRENGTH = 3.0  # raters that the starting value of a hyperparameter counts for
START = {"severity": 0.5, "deviation": 0.25, "step": 0.2, "discrimination": 0.3}  # prior sds to begin with
SHARP = float(np.log(2.0))  # log φ0 to begin with


class Pairs(NamedTuple):
    """Which rater grades which criterion; row p in every array."""

    rater: Ints  # (pairs,)
    criterion: Ints  # (pairs,)


class Spread(NamedTuple):
    """Empirical-Bayes hyperparameters, one a layer: (2,) each."""

    severity: Floats  # τ_ρ
    deviation: Floats  # τ_δ
    step: Floats  # τ_s
    discrimination: Floats  # s_φ
    sharp: Floats  # log φ0


@dataclass(frozen=True, eq=False)
class Raters:
    """Parameters of raters and rubric; severities in standard deviations of quality."""

    severity: Floats  # ρ (R,)
    deviation: Floats  # δ (pairs,)
    log_discrimination: Floats  # (R,)
    threshold: Floats  # t (C, M), falling, -inf past a criterion's own levels
    step: Floats  # u (pairs, M - 1), nan past a criterion's own levels


def spread_at_start() -> Spread:
    two = np.ones(2)
    own = {name: value * two for name, value in START.items()}
    return Spread(**own, sharp=SHARP * two)


def contrasts(threshold: Floats) -> Floats:
    """H (C, M, M - 1): orthonormal, each column sums to zero over a criterion's own levels; 0 past them."""
    size, most = threshold.shape
    out = np.zeros((size, most, most - 1))
    for c, own in enumerate(np.isfinite(threshold).sum(1).tolist()):
        out[c, :own, : own - 1] = helmert(own).T
    return out


def own_thresholds(at: Raters, pairs: Pairs) -> Floats:
    """Thresholds (pairs, M) as each rater reads them: t + s."""
    turned = (contrasts(at.threshold)[pairs.criterion] * np.nan_to_num(at.step)[:, None]).sum(2)
    return np.asarray(at.threshold[pairs.criterion] + turned)


def reaches(at: Raters, pairs: Pairs, grid: Floats = GRID) -> Floats:
    """Z (pairs, M, G); -inf for levels a criterion lacks."""
    own = grid - at.severity[pairs.rater, None] - at.deviation[:, None]  # (pairs, G)
    phi = np.exp(at.log_discrimination[pairs.rater])
    return phi[:, None, None] * (own[:, None, :] + own_thresholds(at, pairs)[:, :, None])


def chances(z: Floats) -> Floats:
    """P(Y = k | q) (pairs, K, G), without cancellation: σ(a) - σ(b) = σ(a) σ(-b) (1 - e^{b-a})."""
    ends = np.full((z.shape[0], 1, z.shape[2]), np.inf)
    above, below = np.concatenate([ends, z], axis=1), np.concatenate([z, -ends], axis=1)
    with np.errstate(invalid="ignore"):
        gap = np.where(np.isfinite(above) & np.isfinite(below), below - above, -np.inf)
    shown: Floats = np.where(above == -np.inf, 0.0, expit(above) * expit(-below) * -np.expm1(gap))
    return shown


def scores(z: Floats, p: Floats, phi: Floats, turn: Floats) -> Floats:
    """∂ log P(Y = k | q) / ∂ entries: (pairs, K, 3 + M + M - 1, G); turn (pairs, M, M - 1) are the contrasts."""
    pairs, top, nodes = z.shape
    slope = expit(z) * expit(-z)
    edge = np.zeros((pairs, 1, nodes))
    with np.errstate(invalid="ignore"):
        up = np.concatenate([edge, slope], axis=1) / np.maximum(p, TINY)
        down = -np.concatenate([slope, edge], axis=1) / np.maximum(p, TINY)
    seen = p > 0
    up, down = np.where(seen, up, 0.0), np.where(seen, down, 0.0)
    flat = np.where(np.isfinite(z), z, 0.0)
    out = np.zeros((pairs, top + 1, 2 + 2 * top, nodes))
    out[:, :, 0] = out[:, :, 1] = -phi[:, None, None] * (up + down)
    out[:, 1:, 2] += flat * up[:, 1:]
    out[:, :-1, 2] += flat * down[:, :-1]
    for k in range(top):
        out[:, k + 1, 3 + k] = phi[:, None] * up[:, k + 1]
        out[:, k, 3 + k] = phi[:, None] * down[:, k]
    out[:, :, 3 + top :] = np.einsum("pkmg,pmu->pkug", out[:, :, 3 : 3 + top], turn)
    return out


def columns(at: Raters, pairs: Pairs) -> tuple[Ints, int]:
    """Place (pairs, 3 + M + M - 1) of each entry among all free parameters; -1 where there is none."""
    raters, count = len(at.severity), len(pairs.rater)
    several = len(at.threshold) > 1
    before, places = 2 * raters + count * several, []
    for real in (np.isfinite(at.step), np.isfinite(at.threshold)):
        places.append(np.where(real, before + np.cumsum(real).reshape(real.shape) - 1, -1))
        before += int(real.sum())
    own = np.arange(count) + 2 * raters if several else np.full(count, -1)
    parts = [pairs.rater[:, None], own[:, None], raters + pairs.rater[:, None], places[1][pairs.criterion], places[0]]
    return np.concatenate(parts, axis=1), before


def packed(at: Raters) -> Floats:
    """All free parameters (P,) in the order of `columns`."""
    own = at.deviation if len(at.threshold) > 1 else at.deviation[:0]
    free = [part[np.isfinite(part)] for part in (at.step, at.threshold)]
    return np.concatenate([at.severity, at.log_discrimination, own, *free])


def unpacked(x: Floats, like: Raters) -> Raters:
    raters = len(like.severity)
    own = len(like.deviation) if len(like.threshold) > 1 else 0
    before, found = 2 * raters + own, []
    for part in (like.step, like.threshold):
        new, real = part.copy(), np.isfinite(part)
        new[real] = x[before : before + real.sum()]
        before += int(real.sum())
        found.append(new)
    deviation = x[2 * raters : 2 * raters + own] if own else like.deviation
    return Raters(x[:raters], deviation, x[raters : 2 * raters], found[1], found[0])


def falls(at: Raters, pairs: Pairs) -> bool:
    """Whether thresholds fall, the rubric's and every rater's own, by a margin."""
    with np.errstate(invalid="ignore"):
        return not any((np.diff(one, axis=1) > -1e-6).any() for one in (at.threshold, own_thresholds(at, pairs)))


def priors(at: Raters, pairs: Pairs, layer: Ints, spread: Spread) -> tuple[Floats, Floats, Floats]:
    """(gradient (P,), curvature (P,), curvature between a threshold and the next (P,)) of the log prior."""
    kind = layer[pairs.rater] if len(at.threshold) > 1 else layer[:0]
    free = np.isfinite(at.threshold)
    scale = np.concatenate(
        [
            spread.severity[layer],
            spread.discrimination[layer],
            spread.deviation[kind],
            np.broadcast_to(spread.step[layer[pairs.rater], None], at.step.shape)[np.isfinite(at.step)],
            np.full(free.sum(), THRESHOLD_SD),
        ]
    )
    centre = np.zeros(len(scale))
    centre[len(layer) : 2 * len(layer)] = spread.sharp[layer]
    gradient, curvature = (centre - packed(at)) / scale**2, 1 / scale**2
    pull, stiff = np.zeros(at.threshold.shape), np.zeros(at.threshold.shape)
    beside = np.zeros(at.threshold.shape)
    with np.errstate(invalid="ignore"):
        gap = -np.diff(at.threshold, axis=1)
    real = np.isfinite(gap)
    gap = np.where(real, gap, 1.0)
    force = np.where(real, -np.log(gap / GAP) / (GAP_SD**2 * gap), 0.0)  # d log prior / d gap
    curve = np.where(real, 1.0 / (GAP_SD * gap) ** 2, 0.0)
    pull[:, :-1] += force
    pull[:, 1:] -= force
    stiff[:, :-1] += curve
    stiff[:, 1:] += curve
    beside[:, :-1] -= curve
    tail = slice(len(scale) - free.sum(), None)
    gradient[tail] += pull[free]
    curvature[tail] += stiff[free]
    coupling = np.zeros(len(scale))
    coupling[tail] = beside[free]
    return gradient, curvature, coupling


def information(
    score: Floats, weight: Floats, column: Ints, size: int, curvature: Floats, coupling: Floats
) -> coo_array:
    """Complete-data information (P, P) with the priors' part; weight (pairs, K, G) are expected counts."""
    pairs, levels, entries, nodes = score.shape
    flat = score.transpose(0, 2, 1, 3).reshape(pairs, entries, levels * nodes)
    blocks = (flat * weight.reshape(pairs, 1, levels * nodes)) @ flat.transpose(0, 2, 1)
    row = np.broadcast_to(column[:, :, None], blocks.shape)
    col = np.broadcast_to(column[:, None, :], blocks.shape)
    real = (row >= 0) & (col >= 0)
    every, next_to = np.arange(size), np.arange(size - 1)
    rows = np.concatenate([row[real], every, next_to, next_to + 1])
    cols = np.concatenate([col[real], every, next_to + 1, next_to])
    values = np.concatenate([blocks[real], curvature, coupling[:-1], coupling[:-1]])
    return coo_array((values, (rows, cols)), shape=(size, size))


def improved(at: Raters, pairs: Pairs, layer: Ints, spread: Spread, counts: Floats) -> Raters:
    """One Fisher-scoring step from expected counts (pairs, K, G)."""
    z = reaches(at, pairs)
    p = chances(z)
    score = scores(z, p, np.exp(at.log_discrimination[pairs.rater]), contrasts(at.threshold)[pairs.criterion])
    column, size = columns(at, pairs)
    gradient, curvature, coupling = priors(at, pairs, layer, spread)
    pull = (score * counts[:, :, None, :]).sum((1, 3))
    np.add.at(gradient, column[column >= 0], pull[column >= 0])
    seen = counts.sum(1, keepdims=True) * p
    matrix = information(score, seen, column, size, curvature, coupling).tocsc()
    step = np.atleast_1d(spsolve(matrix, gradient))
    step *= min(1.0, LONGEST / max(float(np.abs(step).max()), TINY))
    x = packed(at)
    for _ in range(30):
        found = unpacked(x + step, at)
        if falls(found, pairs):
            return found
        step /= 2
    return at


def rescaled(at: Raters, scale: float) -> Raters:
    """The same raters where quality is measured in units `scale` times as large."""
    return Raters(
        at.severity / scale,
        at.deviation / scale,
        at.log_discrimination + np.log(scale),
        at.threshold / scale,
        at.step / scale,
    )


def spread_of(at: Raters, pairs: Pairs, layer: Ints, sure: Floats) -> Spread:
    """Hyperparameters from estimates and their variances (P,), with STRENGTH raters' worth of the start."""
    raters, values = len(layer), replace(at)
    count = len(pairs.rater) if len(at.threshold) > 1 else 0
    own = sure[2 * raters : 2 * raters + count] if count else 0.0 * at.deviation
    real = np.isfinite(at.step)
    steps = sure[2 * raters + count : 2 * raters + count + real.sum()]
    begin = spread_at_start()
    found = []
    sharp = np.array(
        [(at.log_discrimination[layer == side].sum() + SHARP) / ((layer == side).sum() + 1) for side in (0, 1)]
    )
    squares = (
        (values.severity**2 + sure[:raters], layer, begin.severity),
        (values.deviation**2 + own, layer[pairs.rater], begin.deviation),
        (at.step[real] ** 2 + steps, layer[pairs.rater[np.nonzero(real)[0]]], begin.step),
        ((at.log_discrimination - sharp[layer]) ** 2 + sure[raters : 2 * raters], layer, begin.discrimination),
    )
    for square, kind, start in squares:
        total = np.bincount(kind, weights=square, minlength=2) + STRENGTH * start**2
        found.append(np.sqrt(total / (np.bincount(kind, minlength=2) + STRENGTH)))
    return Spread(found[0], found[1], found[2], found[3], sharp)
