r"""One pass over all ratings: what each answer's quality is, given how the raters grade.

A *cell* is one answer's quality on one axis, as people (layer 0) or as the panel (layer 1) see it; the cells of
one answer, or of all answers of one person, are a *block* with prior

    q ~ N(0, K),   K_ij = Σ_B[a_i, a_j] + [same answer] Σ_W[a_i, a_j]

All ratings of a cell together are one factor L(q), held on a grid of G points, so that a block of one cell is
integrated exactly (trapezoid rule on a smooth function) and more are joined by expectation propagation, one
rank-one change of the block's covariance a cell.

    log Z = Σ_i [log Z_i + Φ(cavity_i) - Φ(marginal_i)] - ½ log det(I + K T) + ½ m·ν,   Φ(m, v) = ½ log v + m²/2v

Compiled with numba; the compiled code is cached beside this file. References: Minka (2001); Rasmussen & Williams
(2006), Gaussian Processes for Machine Learning, ch. 3.6 (the same recursion for one factor a point).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from irt.model import Floats, Ints

SPAN = 6.0  # the grid reaches this many standard deviations of quality either side
NODES = 121
GRID: Floats = np.linspace(-SPAN, SPAN, NODES)
TINY = 1e-300


@njit(cache=True)
def evidence(
    cell: Ints, pair: Ints, level: Ints, weight: Floats, logs: Floats, count: int
) -> tuple[Floats, Floats]:  # fmt: skip
    """(L(q) (cells, G) with its top at 1, log of that top (cells,)) from log-probabilities (pairs, K, G)."""
    total = np.zeros((count, logs.shape[2]))
    for n in range(len(cell)):
        for g in range(logs.shape[2]):
            total[cell[n], g] += weight[n] * logs[pair[n], level[n], g]
    top = np.zeros(count)
    for i in range(count):
        top[i] = total[i].max()
        for g in range(logs.shape[2]):
            total[i, g] = np.exp(total[i, g] - top[i])
    return total, top


@njit(cache=True)
def tally(cell: Ints, pair: Ints, level: Ints, weight: Floats, belief: Floats, shape: tuple[int, int]) -> Floats:
    """Expected counts (pairs, K, G): how often a rater gave a level to each quality."""
    counts = np.zeros((shape[0], shape[1], belief.shape[1]))
    for n in range(len(cell)):
        for g in range(belief.shape[1]):
            counts[pair[n], level[n], g] += weight[n] * belief[cell[n], g]
    return counts


@njit(cache=True)
def tilted(likely: Floats, m: float, v: float, grid: Floats, out: Floats) -> tuple[float, float, float]:
    """(log Z, mean, variance) of L(q) N(q; m, v); `out` (G,) receives its normalised weights."""
    z0 = z1 = z2 = 0.0
    step = grid[1] - grid[0]
    for g in range(len(grid)):
        d = grid[g] - m
        p = likely[g] * np.exp(-0.5 * d * d / v)
        out[g] = p
        z0 += p
        z1 += p * d
        z2 += p * d * d
    z0 = max(z0, TINY)
    for g in range(len(grid)):
        out[g] /= z0
    centre = z1 / z0
    return np.log(z0 * step / np.sqrt(2 * np.pi * v)), m + centre, max(z2 / z0 - centre * centre, 0.1 * step * step)


@njit(cache=True)
def prior(axis: Ints, answer: Ints, within: Floats, between: Floats) -> Floats:
    """K of one block."""
    size = len(axis)
    k = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            k[i, j] = between[axis[i], axis[j]]
            if answer[i] == answer[j]:
                k[i, j] += within[axis[i], axis[j]]
    return k


@njit(cache=True)
def joined(k: Floats, tau: Floats) -> tuple[Floats, Floats, float]:
    """(V = (K⁻¹ + T)⁻¹, C = (K + T⁻¹)⁻¹, log det(I + K T)), with no inverse of K or T."""
    root = np.sqrt(tau)
    size = len(tau)
    b = np.eye(size)
    for i in range(size):
        for j in range(size):
            b[i, j] += root[i] * k[i, j] * root[j]
    low = np.linalg.cholesky(b)
    logdet = 2.0 * np.log(np.diag(low)).sum()
    c = np.linalg.inv(b)
    for i in range(size):
        for j in range(size):
            c[i, j] *= root[i] * root[j]
    return k - k @ c @ k, c, logdet  # type: ignore[return-value] # numba keeps float64


@njit(cache=True)
def visit(i: int, v: Floats, m: Floats, tau: Floats, nu: Floats, likely: Floats, grid: Floats, out: Floats) -> float:
    """One cell's factor matched anew; V, m and its site change in place. Returns the change of its precision."""
    own = v[i, i]
    wide = 1.0 / max(1.0 / own - tau[i], 1e-10)
    centre = wide * (m[i] / own - nu[i])
    _, mean, var = tilted(likely, centre, wide, grid, out)
    new_tau = max(1.0 / var - 1.0 / wide, 1e-12)
    d_tau, d_nu = new_tau - tau[i], mean / var - centre / wide - nu[i]
    tau[i] = new_tau
    nu[i] += d_nu
    column = v[:, i].copy() / (1.0 + d_tau * own)
    gain = d_nu - d_tau * m[i]
    for j in range(len(m)):
        m[j] += gain * column[j]
        for l in range(len(m)):  # noqa: E741
            v[j, l] -= d_tau * (1.0 + d_tau * own) * column[j] * column[l]
    return abs(d_tau) / new_tau


@njit(cache=True)
def sweep(  # noqa: C901 -- one compiled loop
    start: Ints, axis: Ints, answer: Ints, likely: Floats, said: Ints, within: Floats, between: Floats,
    tau: Floats, nu: Floats, grid: Floats, rounds: int,
) -> tuple[Floats, Floats, Floats, float, Floats, Floats]:  # fmt: skip
    """All blocks: (belief (cells, G), mean, variance, log Z, gradients for Σ_W and Σ_B); sites change in place."""
    belief = np.empty(likely.shape)
    mean, var = np.empty(len(axis)), np.empty(len(axis))
    g_within, g_between = np.zeros(within.shape), np.zeros(within.shape)
    total = 0.0
    for b in range(len(start) - 1):
        lo, hi = start[b], start[b + 1]
        k = prior(axis[lo:hi], answer[lo:hi], within, between)
        t, n = tau[lo:hi], nu[lo:hi]
        for _ in range(rounds):
            v, _c, _d = joined(k, t)
            m = v @ n
            change = 0.0
            for i in range(hi - lo):
                if said[lo + i]:
                    change = max(change, visit(i, v, m, t, n, likely[lo + i], grid, belief[lo + i]))
            if change < 1e-6 or hi - lo == 1:
                break
        v, c, logdet = joined(k, t)
        m = v @ n
        total += 0.5 * float(m @ n) - 0.5 * logdet
        for i in range(hi - lo):
            own = v[i, i]
            wide = 1.0 / max(1.0 / own - t[i], 1e-10)
            centre = wide * (m[i] / own - n[i])
            z, mean[lo + i], var[lo + i] = tilted(likely[lo + i], centre, wide, grid, belief[lo + i])
            if said[lo + i]:
                total += z + 0.5 * (np.log(wide) + centre * centre / wide - np.log(own) - m[i] * m[i] / own)
        pull = n - t * m
        for i in range(hi - lo):
            for j in range(hi - lo):
                h = pull[i] * pull[j] - c[i, j]
                g_between[axis[lo + i], axis[lo + j]] += h
                if answer[lo + i] == answer[lo + j]:
                    g_within[axis[lo + i], axis[lo + j]] += h
    return belief, mean, var, total, g_within, g_between


@njit(cache=True)
def lost_information(  # noqa: C901 -- one compiled loop
    start: Ints, axis: Ints, answer: Ints, within: Floats, between: Floats, tau: Floats, belief: Floats,
    mean: Floats, var: Floats, grid: Floats, first: Ints, pair: Ints, level: Ints, weight: Floats,
    score: Floats, column: Ints, size: int,
) -> Floats:  # fmt: skip
    """Σ Var(score | ratings) (P, P): what is lost because quality is not seen (Louis 1982).

    Inside a cell the covariance is taken on the grid; between cells of a block by its first-order term,
    cov(S_i, q_i) V_ij cov(S_j, q_j) / (v_i v_j). score (pairs, K, F, G) with columns (pairs, F) of the P.
    """
    lost = np.zeros((size, size))
    features = score.shape[2]
    for b in range(len(start) - 1):
        lo, hi = start[b], start[b + 1]
        v, _c, _d = joined(prior(axis[lo:hi], answer[lo:hi], within, between), tau[lo:hi])
        begin, end = first[lo], first[hi]
        value = np.zeros((end - begin) * features)  # cov(score, q) / v of each entry
        where = np.zeros((end - begin) * features, dtype=np.int64)
        owner = np.zeros((end - begin) * features, dtype=np.int64)
        for i in range(lo, hi):
            count = (first[i + 1] - first[i]) * features
            table = np.zeros((count, len(grid)))
            e = 0
            for n in range(first[i], first[i + 1]):
                for f in range(features):
                    row = score[pair[n], level[n], f]
                    table[e] = row * weight[n]
                    table[e] -= (belief[i] * table[e]).sum()
                    at = (n - begin) * features + f
                    where[at] = column[pair[n], f]
                    owner[at] = i - lo
                    value[at] = (belief[i] * table[e] * (grid - mean[i])).sum() / var[i]
                    e += 1
            inside = (table * belief[i]) @ table.T
            base = (first[i] - begin) * features
            for x in range(count):
                for y in range(count):
                    if where[base + x] >= 0 and where[base + y] >= 0:
                        lost[where[base + x], where[base + y]] += inside[x, y]
        for x in range(len(value)):
            for y in range(len(value)):
                if owner[x] != owner[y] and where[x] >= 0 and where[y] >= 0:
                    lost[where[x], where[y]] += value[x] * value[y] * v[owner[x], owner[y]]
    return lost
