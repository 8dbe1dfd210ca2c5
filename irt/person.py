r"""One person's belief from the sites of their answers, over the skills they were asked only.

    V = (Σ^-1 + Λ)^-1,  δ = V b,  Λ = Σ_j τ_j a_j a_j',  b = Σ_j (ν_j - τ_j a_j·μ0) a_j

With few skills touched out of many the cost does not depend on D. Compiled with numba; tuples of arrays
hold what belongs together, and a `Room` is scratch space used for one person after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from irt.model import Floats, Ints
from irt.moments import FAST, MOMENTS, NODES


class Rows(NamedTuple):
    """Answers in compressed rows, as in `irt.design.Answers`."""

    start: Ints
    item: Ints
    level: Ints
    weight: Floats


class Bank(NamedTuple):
    """Item parameters, as in `irt.model.Items`, and the number of real loadings."""

    skill: Ints
    width: Ints
    slope: Floats
    threshold: Floats
    guess: Floats


class Prior(NamedTuple):
    """The population, with Σ^-1 and log |Σ|."""

    mean: Floats
    cov: Floats
    precision: Floats
    log_det: float


class Sites(NamedTuple):
    """Gaussian stand-ins of the answers, (N,) each; the state of a fit that belongs to the answers."""

    precision: Floats
    shift: Floats


class Room(NamedTuple):
    """Scratch for one person: n skills touched, numbered in `local`, listed in `mine`."""

    local: Ints  # (D,) -1 where not touched
    mine: Ints  # (D,)
    C: Floats  # Σ^-1 of the skills touched
    L: Floats  # Λ
    V: Floats
    LV: Floats
    b: Floats
    delta: Floats
    mu: Floats  # of one item's skills
    c: Floats
    vk: Floats
    out: Floats  # moments of one answer


@njit(cache=True, forceinline=True)
def room(skills: int, k: int) -> Room:
    return Room(
        np.full(skills, -1), np.zeros(skills, np.int64), np.empty((skills, skills)), np.empty((skills, skills)),
        np.empty((skills, skills)), np.empty((skills, skills)), np.empty(skills), np.empty(skills),
        np.empty(k), np.empty(max(k, skills)), np.empty((k, k)), np.zeros(MOMENTS),
    )


@njit(cache=True, forceinline=True)
def desk() -> tuple[Floats, Ints, Floats, Floats, Floats]:
    """Scratch of `irt.moments`."""
    bits = np.empty(NODES, np.int64)
    return np.empty(NODES), bits, bits.view(np.float64), np.empty(NODES), np.empty(NODES)


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def invert(A: Floats, n: int) -> float:
    """The inverse of the leading n x n block of a symmetric matrix, in place, by sweeps; log |A|, or nan."""
    log_det = 0.0
    for k in range(n):
        pivot = A[k, k]
        if not pivot > 1e-14:
            return np.nan
        log_det += np.log(pivot)
        scale = 1.0 / pivot
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] *= scale
        for i in range(n):
            if i != k:
                f = A[i, k]
                A[i, k] = 0.0
                for j in range(n):
                    A[i, j] -= f * A[k, j]
    return log_det


@njit(cache=True, forceinline=True)
def enter(i: int, rows: Rows, bank: Bank, prior: Prior, at: Room) -> tuple[int, float]:
    """Number the skills person i was asked and put their Σ^-1 into C; how many, and log |Σ| of them."""
    n = 0
    for j in range(rows.start[i], rows.start[i + 1]):
        row = rows.item[j]
        for t in range(bank.width[row]):
            d = bank.skill[row, t]
            if at.local[d] < 0:
                at.local[d] = n
                at.mine[n] = d
                n += 1
    whole = n == len(prior.mean)
    source = prior.precision if whole else prior.cov
    for r in range(n):
        for s in range(n):
            at.C[r, s] = source[at.mine[r], at.mine[s]]
    return n, prior.log_det if whole else invert(at.C, n)


@njit(cache=True, forceinline=True)
def enter_all(prior: Prior, at: Room) -> None:
    """Take all skills as touched."""
    for r in range(len(prior.mean)):
        at.local[r] = r
        at.mine[r] = r
        for s in range(len(prior.mean)):
            at.C[r, s] = prior.precision[r, s]


@njit(cache=True, forceinline=True)
def leave(n: int, at: Room) -> None:
    """Forget the numbering of `enter`."""
    for r in range(n):
        at.local[at.mine[r]] = -1


@njit(cache=True, error_model="numpy", forceinline=True)
def gather(i: int, rows: Rows, bank: Bank, prior: Prior, sites: Sites, at: Room, n: int) -> float:
    """Λ and b of person i, and Σ_j ν m0 - τ m0²/2 with m0 = a·μ0."""
    for r in range(n):
        at.b[r] = 0.0
        for s in range(n):
            at.L[r, s] = 0.0
    constant = 0.0
    for j in range(rows.start[i], rows.start[i + 1]):
        row, tau = rows.item[j], sites.precision[j]
        m0 = 0.0
        for t in range(bank.width[row]):
            m0 += bank.slope[row, t] * prior.mean[bank.skill[row, t]]
        shift = sites.shift[j] - tau * m0
        constant += sites.shift[j] * m0 - 0.5 * tau * m0 * m0
        for t in range(bank.width[row]):
            place = at.local[bank.skill[row, t]]
            a = bank.slope[row, t]
            at.b[place] += shift * a
            for u in range(bank.width[row]):
                at.L[place, at.local[bank.skill[row, u]]] += tau * a * bank.slope[row, u]
    return constant


@njit(cache=True, error_model="numpy", forceinline=True)
def believe(i: int, rows: Rows, bank: Bank, prior: Prior, sites: Sites, at: Room, n: int) -> tuple[float, float]:
    """Λ, b, V and δ of person i; log |Σ^-1 + Λ| and the constant of `gather`.

    Sites of negative precision are dropped where the belief would not be proper with them.
    """
    log_det, constant = np.nan, 0.0
    for _ in range(2):
        constant = gather(i, rows, bank, prior, sites, at, n)
        for r in range(n):
            for s in range(n):
                at.V[r, s] = at.C[r, s] + at.L[r, s]
        log_det = invert(at.V, n)
        if not np.isnan(log_det):
            break
        for j in range(rows.start[i], rows.start[i + 1]):
            if sites.precision[j] < 0:
                sites.precision[j] = 0.0
                sites.shift[j] = 0.0
    for r in range(n):
        at.delta[r] = 0.0
        for s in range(n):
            at.delta[r] += at.V[r, s] * at.b[s]
    return log_det, constant


@njit(cache=True, error_model="numpy", forceinline=True)
def project(row: int, bank: Bank, prior: Prior, at: Room) -> tuple[float, float]:
    """Mean and variance of s for one item; μ, c = V a and V of its skills into the room."""
    wide = bank.width[row]
    m = v = 0.0
    for t in range(wide):
        st = at.local[bank.skill[row, t]]
        at.mu[t] = prior.mean[bank.skill[row, t]] + at.delta[st]
        at.c[t] = 0.0
        for u in range(wide):
            at.vk[t, u] = at.V[st, at.local[bank.skill[row, u]]]
            at.c[t] += at.vk[t, u] * bank.slope[row, u]
        m += bank.slope[row, t] * at.mu[t]
        v += bank.slope[row, t] * at.c[t]
    return m, max(v, 1e-10)


@njit(cache=True, error_model="numpy", forceinline=True)
def cavity(j: int, m: float, v: float, sites: Sites) -> tuple[float, float]:
    """Mean and variance of s without answer j's own site; a site that leaves nothing proper begins anew."""
    left = 1.0 / v - sites.precision[j]
    if not left > 1e-3 / v:
        sites.precision[j] = 0.0
        sites.shift[j] = 0.0
        left = 1.0 / v
    vc = 1.0 / left
    return vc * (m / v - sites.shift[j]), vc
