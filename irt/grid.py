r"""The statistics of a pass by the exact integral over few skills.

Nodes θ_q = μ + R x_q, R R' = V, of a product Gauss-Hermite grid on the person's EP belief N(μ, V), with weights
w_q N(θ_q; μ0, Σ) / N(θ_q; μ, V) Π_j P(y_j | a_j·θ_q): adaptive quadrature, exact as the nodes grow.

Reference: Schilling & Bock (2005), High-dimensional maximum marginal likelihood by adaptive quadrature,
Psychometrika 70.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from irt.model import Floats
from irt.moments import terms
from irt.person import Bank, Prior, Room, Rows, Sites, believe, enter_all, room
from irt.sweep import Sums, add_score
from irt.tilt import sigmoid


@njit(cache=True, error_model="numpy")
def at_point(s: float, y: int, d: Floats, g: float) -> tuple[float, float, float, float, float, float]:
    """P, hi, lo, hh, hl, ll of one answer at one s."""
    u = sigmoid(s + d[y - 1]) if y > 0 else 1.0
    below = sigmoid(s + d[y]) if y < d.shape[0] and d[y] > -np.inf else 0.0
    return terms(u, below, y, g)


@njit(cache=True)
def projected(q: int, row: int, bank: Bank, theta: Floats) -> float:
    s = 0.0
    for t in range(bank.width[row]):
        s += bank.slope[row, t] * theta[q, bank.skill[row, t]]
    return s


@njit(cache=True, error_model="numpy")
def statistics(
    rows: Rows,
    bank: Bank,
    prior: Prior,
    sites: Sites,
    grid: Floats,
    log_w: Floats,
    sums: Sums,
    answer: Floats,
    population: Floats,
) -> float:
    """Sums at the exact posteriors, and the log-likelihood."""
    at = room(len(prior.mean), bank.skill.shape[1])
    theta, log_p = np.empty(grid.shape), np.empty(len(grid))
    x = np.zeros(bank.skill.shape[1] + bank.threshold.shape[1])
    total = 0.0
    for i in range(len(rows.start) - 1):
        if rows.start[i] == rows.start[i + 1] or rows.weight[i] == 0.0:
            continue
        place(i, rows, bank, prior, sites, at, grid, log_w, theta, log_p)
        for j in range(rows.start[i], rows.start[i + 1]):
            row = rows.item[j]
            for q in range(len(grid)):
                s = projected(q, row, bank, theta)
                log_p[q] += np.log(at_point(s, rows.level[j], bank.threshold[row], bank.guess[row])[0])
        top = log_p.max()
        p = np.exp(log_p - top)
        total += rows.weight[i] * (top + np.log(p.sum()))
        p /= p.sum()
        if len(population) > 0:
            add_population(p, theta, prior, 1.0, at.b, population[i, 0], population[i, 1:])
        add_population(p, theta, prior, rows.weight[i], at.b, sums.mean, sums.cov)
        for j in range(rows.start[i], rows.start[i + 1]):
            add_answer(rows.item[j], rows.level[j], p, theta, bank, rows.weight[i], x, sums)
            if len(answer) > 0:
                answer[j] = x
    return total


@njit(cache=True, error_model="numpy")
def place(
    i: int,
    rows: Rows,
    bank: Bank,
    prior: Prior,
    sites: Sites,
    at: Room,
    grid: Floats,
    log_w: Floats,
    theta: Floats,
    log_p: Floats,
) -> None:
    """Nodes of person i, and the logs of their weights under the prior."""
    skills = len(prior.mean)
    enter_all(prior, at)
    log_det, _ = believe(i, rows, bank, prior, sites, at, skills)
    root = np.linalg.cholesky(at.V[:skills, :skills])
    for q in range(len(grid)):
        far = 0.0
        for r in range(skills):
            theta[q, r] = prior.mean[r] + at.delta[r]
            for s in range(r + 1):
                theta[q, r] += root[r, s] * grid[q, s]
            far += grid[q, r] * grid[q, r]
        for r in range(skills):
            for s in range(skills):
                far -= (theta[q, r] - prior.mean[r]) * prior.precision[r, s] * (theta[q, s] - prior.mean[s])
        log_p[q] = log_w[q] + 0.5 * (far - log_det)


@njit(cache=True, error_model="numpy")
def add_population(p: Floats, theta: Floats, prior: Prior, weigh: float, e: Floats, E: Floats, Q: Floats) -> None:
    """Add E[e] and E[e e'] - Σ^-1, e = Σ^-1 (θ - μ0)."""
    skills = len(prior.mean)
    for q in range(len(p)):
        for r in range(skills):
            e[r] = 0.0
            for s in range(skills):
                e[r] += prior.precision[r, s] * (theta[q, s] - prior.mean[s])
            E[r] += weigh * p[q] * e[r]
        for r in range(skills):
            for s in range(skills):
                Q[r, s] += weigh * p[q] * e[r] * e[s]
    for r in range(skills):
        for s in range(skills):
            Q[r, s] -= weigh * prior.precision[r, s]


@njit(cache=True, error_model="numpy")
def add_answer(row: int, y: int, p: Floats, theta: Floats, bank: Bank, weigh: float, x: Floats, sums: Sums) -> None:
    """Add one answer to its item's sums; its gradient is left in x."""
    H = sums.curvature
    k, wide = bank.skill.shape[1], bank.width[row]
    hi, lo = max(k + y - 1, k), min(k + y, len(x) - 1)  # where there is none, the terms are 0
    x[:] = 0.0
    for q in range(len(p)):
        s = projected(q, row, bank, theta)
        _, up, down, hh, hl, ll = at_point(s, y, bank.threshold[row], bank.guess[row])
        f = weigh * p[q]
        for t in range(wide):
            mine = theta[q, bank.skill[row, t]]
            x[t] += p[q] * (up + down) * mine
            H[row, t, hi] += f * (hh + hl) * mine
            H[row, t, lo] += f * (hl + ll) * mine
            for u in range(t + 1):
                H[row, u, t] += f * (hh + 2.0 * hl + ll) * mine * theta[q, bank.skill[row, u]]
        x[hi] += p[q] * up
        x[lo] += p[q] * down
        H[row, hi, hi] += f * hh
        H[row, lo, lo] += f * ll
        if hi < lo:
            H[row, hi, lo] += f * hl
    add_score(row, weigh, x, sums.gradient, sums.crossed)
