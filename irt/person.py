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
    """Scratch for one person: n skills touched, numbered in `local`, listed in `mine`.

    Rows of the matrices are padded with zeros to whole vectors of the machine, see `padded`.
    """

    local: Ints  # (D,) -1 where not touched
    mine: Ints  # (D,)
    S: Floats  # Σ of the skills touched
    C: Floats  # its inverse, where needed
    L: Floats  # Λ
    V: Floats
    LV: Floats
    VL: Floats
    b: Floats
    delta: Floats
    c: Floats  # V a, over the skills touched
    mu: Floats  # of one item's skills
    ck: Floats  # V a, of one item's skills
    vk: Floats
    out: Floats  # moments of one answer


@njit(cache=True, forceinline=True)
def padded(n: int) -> int:
    """The next multiple of 8: rows of this length need no odd steps."""
    return (n + 7) & -8


@njit(cache=True)
def room(skills: int, k: int) -> Room:
    size = padded(skills)
    square = (size, size)
    return Room(
        np.full(skills, -1),
        np.zeros(skills, np.int64),
        np.zeros(square),
        np.zeros(square),
        np.zeros(square),
        np.zeros(square),
        np.zeros(square),
        np.zeros(square),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.empty(k),
        np.empty(k),
        np.empty((k, k)),
        np.zeros(MOMENTS),
    )


@njit(cache=True)
def desk() -> tuple[Floats, Ints, Floats, Floats, Floats]:
    """Scratch of `irt.moments`."""
    bits = np.empty(NODES, np.int64)
    return np.empty(NODES), bits, bits.view(np.float64), np.empty(NODES), np.empty(NODES)


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def invert(A: Floats, n: int) -> float:
    """The inverse of the leading n x n block of a symmetric matrix, in place, by sweeps; log |A|, or nan."""
    log_det = 0.0
    wide = padded(n)
    for k in range(n):
        pivot = A[k, k]
        if not pivot > 1e-14:
            return np.nan
        log_det += np.log(pivot)
        scale = 1.0 / pivot
        A[k, k] = 1.0
        for j in range(wide):
            A[k, j] *= scale
        for i in range(n):
            if i != k:
                f = A[i, k]
                A[i, k] = 0.0
                for j in range(wide):
                    A[i, j] -= f * A[k, j]
    return log_det


@njit(cache=True, forceinline=True)
def enter(i: int, rows: Rows, bank: Bank, prior: Prior, at: Room) -> int:
    """Number the skills person i was asked and put their Σ into S; how many."""
    n = 0
    for j in range(rows.start[i], rows.start[i + 1]):
        row = rows.item[j]
        for t in range(bank.width[row]):
            d = bank.skill[row, t]
            if at.local[d] < 0:
                at.local[d] = n
                at.mine[n] = d
                n += 1
    for r in range(n):
        for s in range(n):
            at.S[r, s] = prior.cov[at.mine[r], at.mine[s]]
        for s in range(n, padded(n)):
            at.S[r, s] = 0.0
    return n


@njit(cache=True)
def enter_all(prior: Prior, at: Room) -> None:
    """Take all skills as touched."""
    for r in range(len(prior.mean)):
        at.local[r] = r
        at.mine[r] = r
        for s in range(len(prior.mean)):
            at.S[r, s] = prior.cov[r, s]


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
        for s in range(padded(n)):
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
    """Λ, b, V and δ of person i; log |I + Σ Λ| and the constant of `gather`."""
    if rows.start[i + 1] - rows.start[i] < 2 * n:
        log_det = condition(i, rows, bank, sites, at, n)
        constant = gather(i, rows, bank, prior, sites, at, n)
    else:
        log_det, constant = solve(i, rows, bank, prior, sites, at, n)
    for r in range(n):
        at.delta[r] = 0.0
        for s in range(n):
            at.delta[r] += at.V[r, s] * at.b[s]
    return log_det, constant


@njit(cache=True, error_model="numpy", forceinline=True)
def condition(i: int, rows: Rows, bank: Bank, sites: Sites, at: Room, n: int) -> float:
    """V by one rank-one step an answer, negative precisions last; a site that leaves nothing proper is dropped."""
    for r in range(n):
        for s in range(padded(n)):
            at.V[r, s] = at.S[r, s]
    log_det = 0.0
    for last in range(2):
        for j in range(rows.start[i], rows.start[i + 1]):
            tau = sites.precision[j]
            if tau != 0.0 and (tau < 0.0) == (last == 1):
                factor = 1.0 + tau * spread_along(rows.item[j], bank, at, n)
                if factor < 1e-3:
                    sites.precision[j] = 0.0
                    sites.shift[j] = 0.0
                else:
                    log_det += np.log(factor)
                    shrink(tau / factor, at, n)
    return log_det


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def spread_along(row: int, bank: Bank, at: Room, n: int) -> float:
    """Variance a'V a of one item's s, and V a into c."""
    for r in range(padded(n)):
        at.c[r] = 0.0
    for t in range(bank.width[row]):
        st, a = at.local[bank.skill[row, t]], bank.slope[row, t]
        for r in range(padded(n)):
            at.c[r] += a * at.V[st, r]
    v = 0.0
    for t in range(bank.width[row]):
        v += bank.slope[row, t] * at.c[at.local[bank.skill[row, t]]]
    return v


@njit(cache=True, fastmath=FAST, error_model="numpy", forceinline=True)
def shrink(by: float, at: Room, n: int) -> None:
    """V - by c c'."""
    for r in range(n):
        f = by * at.c[r]
        for s in range(padded(n)):
            at.V[r, s] -= f * at.c[s]


@njit(cache=True, error_model="numpy", forceinline=True)
def solve(i: int, rows: Rows, bank: Bank, prior: Prior, sites: Sites, at: Room, n: int) -> tuple[float, float]:
    """V as an inverse, cheaper for many answers on few skills; improper precisions are dropped."""
    log_prior = invert_prior(prior, at, n)
    log_det, constant = np.nan, 0.0
    for _ in range(2):
        constant = gather(i, rows, bank, prior, sites, at, n)
        for r in range(n):
            for s in range(padded(n)):
                at.V[r, s] = at.C[r, s] + at.L[r, s]
        log_det = invert(at.V, n)
        if not np.isnan(log_det):
            break
        for j in range(rows.start[i], rows.start[i + 1]):
            if sites.precision[j] < 0:
                sites.precision[j] = 0.0
                sites.shift[j] = 0.0
    return log_prior + log_det, constant


@njit(cache=True, error_model="numpy", forceinline=True)
def invert_prior(prior: Prior, at: Room, n: int) -> float:
    """Σ^-1 of the skills touched into C; log |Σ| of them."""
    whole = n == len(prior.mean)
    for r in range(n):
        for s in range(n):
            at.C[r, s] = prior.precision[at.mine[r], at.mine[s]] if whole else at.S[r, s]
        for s in range(n, padded(n)):
            at.C[r, s] = 0.0
    return prior.log_det if whole else invert(at.C, n)


@njit(cache=True, error_model="numpy", forceinline=True)
def project(row: int, bank: Bank, prior: Prior, at: Room) -> tuple[float, float]:
    """Mean and variance of s for one item; μ, V a and V of its skills into the room."""
    wide = bank.width[row]
    m = v = 0.0
    for t in range(wide):
        st = at.local[bank.skill[row, t]]
        at.mu[t] = prior.mean[bank.skill[row, t]] + at.delta[st]
        at.ck[t] = 0.0
        for u in range(wide):
            at.vk[t, u] = at.V[st, at.local[bank.skill[row, u]]]
            at.ck[t] += at.vk[t, u] * bank.slope[row, u]
        m += bank.slope[row, t] * at.mu[t]
        v += bank.slope[row, t] * at.ck[t]
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
