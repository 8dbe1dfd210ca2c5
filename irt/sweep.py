r"""Passes of expectation propagation over persons: for statistics, for scores, for answers held out.

Matrices of items are summed in their upper triangles.
Equations: `irt.estep`; one person's belief: `irt.person`; one answer: `irt.moments`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from irt.model import Floats
from irt.moments import (
    FAST,
    HH,
    HI,
    HI0,
    HI1,
    HL,
    LL,
    LO,
    LO0,
    LO1,
    MEAN,
    PULL,
    VARIANCE,
    W0,
    W1,
    W2,
    Z,
    graded,
    two_level,
)
from irt.person import (
    Bank,
    Prior,
    Room,
    Rows,
    Sites,
    believe,
    cavity,
    desk,
    enter,
    invert_prior,
    leave,
    padded,
    project,
    room,
    shrink,
    spread_along,
)


class Sums(NamedTuple):
    """What a pass adds up, as in `irt.estep.Statistics`."""

    gradient: Floats
    curvature: Floats
    crossed: Floats
    mean: Floats
    cov: Floats


@njit(cache=True, error_model="numpy", forceinline=True)
def tilted(row: int, y: int, mc: float, vc: float, m: float, v: float, bank: Bank, space: tuple, out: Floats) -> bool:  # type: ignore[type-arg]
    """Moments of one answer into `out`; True if it is of the plain two-level kind."""
    d = bank.threshold[row]
    plain = bank.guess[row] == 0.0 and (d.shape[0] == 1 or d[1] == -np.inf)
    if plain:
        two_level(mc, vc, m, v, y, d[0], space, out)
    else:
        graded(mc, vc, m, v, y, d, bank.guess[row], space, out)
    return plain


@njit(cache=True, error_model="numpy")
def statistics(
    rows: Rows, bank: Bank, prior: Prior, sites: Sites, damping: float, sums: Sums, answer: Floats, population: Floats
) -> float:
    """One parallel update of all sites, sums at the beliefs before it, and the EP log-likelihood."""
    k = bank.skill.shape[1]
    at, space = room(len(prior.mean), k), desk()
    x = np.zeros(k + bank.threshold.shape[1])
    total = 0.0
    for i in range(len(rows.start) - 1):
        if rows.start[i] == rows.start[i + 1] or rows.weight[i] == 0.0:
            continue
        n = enter(i, rows, bank, prior, at)
        log_det, evidence = believe(i, rows, bank, prior, sites, at, n)
        evidence -= 0.5 * log_det
        for r in range(n):
            evidence += 0.5 * at.b[r] * at.delta[r]
        if len(population) > 0:
            population_terms(n, at, 1.0, population[i, 0], population[i, 1:])
        population_terms(n, at, rows.weight[i], sums.mean, sums.cov)
        for j in range(rows.start[i], rows.start[i + 1]):
            row, y = rows.item[j], rows.level[j]
            m, v = project(row, bank, prior, at)
            mc, vc = cavity(j, m, v, sites)
            plain = tilted(row, y, mc, vc, m, v, bank, space, at.out)
            if plain:
                add_two_level(row, bank.width[row], k, rows.weight[i], v, at, x, sums)
            else:
                add_graded(row, y, bank.width[row], k, rows.weight[i], v, at, x, sums)
            if len(answer) > 0:
                answer[j] = x
            tau, nu = sites.precision[j], sites.shift[j]
            evidence += np.log(at.out[Z]) + 0.5 * np.log1p(tau * vc)
            evidence -= 0.5 * ((mc / vc + nu) ** 2 / (1.0 / vc + tau) - mc * mc / vc)
            sites.precision[j] += damping * (1.0 / at.out[VARIANCE] - 1.0 / vc - tau)
            sites.shift[j] += damping * (at.out[MEAN] / at.out[VARIANCE] - mc / vc - nu)
        leave(n, at)
        total += rows.weight[i] * evidence
    return total


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def population_terms(n: int, at: Room, weigh: float, E: Floats, Q: Floats) -> None:
    """Add e = b - Λ δ and Q = e e' - Λ + Λ V Λ of one person; most of Λ is 0."""
    multiply(at.L, at.V, at.LV, n)
    for r in range(n):
        at.c[r] = at.b[r]
        for s in range(n):
            at.c[r] -= at.L[r, s] * at.delta[s]
            at.VL[s, r] = at.LV[r, s]
    multiply(at.L, at.VL, at.LV, n)
    for r in range(n):
        here = at.mine[r]
        E[here] += weigh * at.c[r]
        for s in range(n):
            Q[here, at.mine[s]] += weigh * (at.c[r] * at.c[s] - at.L[r, s] + at.LV[r, s])


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def multiply(sparse: Floats, full: Floats, product: Floats, n: int) -> None:
    """The product of two leading n x n blocks, the first mostly zeros."""
    for r in range(n):
        for s in range(padded(n)):
            product[r, s] = 0.0
        for t in range(n):
            if sparse[r, t] != 0.0:
                for s in range(padded(n)):
                    product[r, s] += sparse[r, t] * full[t, s]


@njit(cache=True, error_model="numpy", forceinline=True)
def add_two_level(row: int, wide: int, k: int, weigh: float, v: float, at: Room, x: Floats, sums: Sums) -> None:
    """Add a two-level answer; its gradient is left in x."""
    G, H, B = sums.gradient, sums.curvature, sums.crossed
    mu, c, out = at.mu, at.ck, at.out
    x[:] = 0.0
    x[k] = out[HI]
    G[row, k] += weigh * x[k]
    H[row, k, k] += weigh * out[W0]
    B[row, k, k] += weigh * x[k] * x[k]
    for t in range(wide):
        x[t] = mu[t] * out[HI] + c[t] * out[PULL]
        G[row, t] += weigh * x[t]
        H[row, t, k] += weigh * (mu[t] * out[W0] + c[t] * out[W1])
        B[row, t, k] += weigh * x[t] * x[k]
        for u in range(t + 1):
            H[row, u, t] += weigh * loading_information(t, u, v, at)
            B[row, u, t] += weigh * x[t] * x[u]


@njit(cache=True, error_model="numpy", forceinline=True)
def loading_information(t: int, u: int, v: float, at: Room) -> float:
    """E[w θ_t θ_u] of one answer."""
    mu, c, out = at.mu, at.ck, at.out
    spread = at.vk[t, u] - c[t] * c[u] / v + mu[t] * mu[u]
    return out[W0] * spread + out[W1] * (mu[t] * c[u] + c[t] * mu[u]) + out[W2] * c[t] * c[u]


@njit(cache=True, error_model="numpy", forceinline=True)
def add_graded(row: int, y: int, wide: int, k: int, weigh: float, v: float, at: Room, x: Floats, sums: Sums) -> None:
    """Add an answer at any level; its gradient is left in x."""
    G, H, B = sums.gradient, sums.curvature, sums.crossed
    mu, c, out = at.mu, at.ck, at.out
    hi, lo = k + y - 1, k + y
    has_lo = lo < len(x)
    x[:] = 0.0
    if y > 0:
        x[hi] = out[HI]
        H[row, hi, hi] += weigh * out[HH]
    if has_lo:
        x[lo] = out[LO]
        H[row, lo, lo] += weigh * out[LL]
    if y > 0 and has_lo:
        H[row, hi, lo] += weigh * out[HL]
    for t in range(wide):
        x[t] = mu[t] * (out[HI] + out[LO]) + c[t] * out[PULL]
        if y > 0:
            H[row, t, hi] += weigh * (mu[t] * out[HI0] + c[t] * out[HI1])
        if has_lo:
            H[row, t, lo] += weigh * (mu[t] * out[LO0] + c[t] * out[LO1])
        for u in range(t + 1):
            H[row, u, t] += weigh * loading_information(t, u, v, at)
    add_score(row, weigh, x, G, B)


@njit(cache=True, forceinline=True)
def add_score(row: int, weigh: float, x: Floats, G: Floats, B: Floats) -> None:
    """Add the gradient x of one answer, and its square (upper triangle)."""
    for t in range(len(x)):
        if x[t] != 0.0:
            G[row, t] += weigh * x[t]
            for u in range(t, len(x)):
                B[row, t, u] += weigh * x[t] * x[u]


@njit(cache=True, error_model="numpy")
def settle(
    rows: Rows, bank: Bank, prior: Prior, sites: Sites, sweeps: int, tolerance: float, means: Floats, sds: Floats
) -> None:
    """Expectation propagation to convergence, one answer after the other; mean and sd of every skill."""
    skills = len(prior.mean)
    at, space = room(skills, bank.skill.shape[1]), desk()
    old = np.zeros(skills)
    for i in range(len(rows.start) - 1):
        n = enter(i, rows, bank, prior, at)
        for sweep in range(sweeps + 1):
            believe(i, rows, bank, prior, sites, at, n)
            change = 1.0 if sweep == 0 and n > 0 else 0.0
            for r in range(n):
                change = max(change, abs(at.delta[r] - old[r]))
                old[r] = at.delta[r]
            if change < tolerance or sweep == sweeps:
                break
            for j in range(rows.start[i], rows.start[i + 1]):
                refresh(j, rows, bank, prior, sites, at, n, space)
        if len(means) > 0:
            everywhere(n, prior, at, means[i], sds[i])
        leave(n, at)


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def refresh(j: int, rows: Rows, bank: Bank, prior: Prior, sites: Sites, at: Room, n: int, space: tuple) -> None:  # type: ignore[type-arg]
    """One answer's site anew, and the belief with it."""
    row = rows.item[j]
    m, v = project(row, bank, prior, at)
    mc, vc = cavity(j, m, v, sites)
    tilted(row, rows.level[j], mc, vc, m, v, bank, space, at.out)
    tau = 1.0 / at.out[VARIANCE] - 1.0 / vc
    nu = at.out[MEAN] / at.out[VARIANCE] - mc / vc
    sites.precision[j], sites.shift[j] = tau, nu
    spread_along(row, bank, at, n)
    for r in range(n):
        at.delta[r] += at.c[r] * (at.out[MEAN] - m) / v
    shrink((v - at.out[VARIANCE]) / (v * v), at, n)


@njit(cache=True, error_model="numpy", forceinline=True)
def everywhere(n: int, prior: Prior, at: Room, mean: Floats, sd: Floats) -> None:
    """Mean and sd of all skills from the belief over those touched."""
    skills = len(prior.mean)
    if n < skills:  # regress on the skills touched: R = Σ_dU Σ_UU^-1
        invert_prior(prior, at, n)
        for d in range(skills):
            if at.local[d] < 0:
                mean[d], sd[d] = regress(d, n, prior, at)
    for r in range(n):
        mean[at.mine[r]] = prior.mean[at.mine[r]] + at.delta[r]
        sd[at.mine[r]] = np.sqrt(at.V[r, r])


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def regress(d: int, n: int, prior: Prior, at: Room) -> tuple[float, float]:
    """Mean and sd of a skill not touched."""
    weight = at.b  # no longer needed
    mean, variance = prior.mean[d], prior.cov[d, d]
    for r in range(n):
        weight[r] = 0.0
        for s in range(n):
            weight[r] += at.C[r, s] * prior.cov[d, at.mine[s]]
        mean += weight[r] * at.delta[r]
        variance -= weight[r] * prior.cov[d, at.mine[r]]
    for r in range(n):
        for s in range(n):
            variance += weight[r] * at.V[r, s] * weight[s]
    return mean, np.sqrt(variance)


@njit(cache=True, error_model="numpy")
def foresee(rows: Rows, bank: Bank, prior: Prior, sites: Sites, log_p: Floats) -> None:
    """Log P of each answer under the belief that the person's other answers' sites imply."""
    at, space = room(len(prior.mean), bank.skill.shape[1]), desk()
    for i in range(len(rows.start) - 1):
        n = enter(i, rows, bank, prior, at)
        believe(i, rows, bank, prior, sites, at, n)
        for j in range(rows.start[i], rows.start[i + 1]):
            m, v = project(rows.item[j], bank, prior, at)
            mc, vc = cavity(j, m, v, sites)
            tilted(rows.item[j], rows.level[j], mc, vc, m, v, bank, space, at.out)
            log_p[j] = np.log(at.out[Z])
        leave(n, at)


@njit(cache=True, error_model="numpy")
def outlook(
    rows: Rows, bank: Bank, prior: Prior, sites: Sites, m: Floats, v: Floats, mean: Floats, lean: Floats
) -> None:
    """Mean and variance of each answer's s as the sites stand; means of its skills, and their covariances with s."""
    at = room(len(prior.mean), bank.skill.shape[1])
    for i in range(len(rows.start) - 1):
        n = enter(i, rows, bank, prior, at)
        believe(i, rows, bank, prior, sites, at, n)
        for j in range(rows.start[i], rows.start[i + 1]):
            m[j], v[j] = project(rows.item[j], bank, prior, at)
            for t in range(bank.width[rows.item[j]]):
                mean[j, t] = at.mu[t]
                lean[j, t] = at.ck[t]
        leave(n, at)
