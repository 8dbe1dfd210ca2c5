r"""What we believe of one person's skills after their answers: θ | answers ≈ N(μ, S).

Each answer sees θ only through s_j = a_j·θ, so n answers live in n dimensions however many skills
there are. With prior N(μ0, Σ) and G = Σ A (D, n), K = A'Σ A (n, n), expectation propagation gives every
answer a Gaussian site (τ_j, ν_j) in s_j, and

    V  = (I + K T)^{-1} K                      covariance of s,   T = diag(τ)
    s̄  = m0 + V (ν - T m0)                     mean of s,         m0 = A'μ0
    μ  = μ0 + G (I + T K)^{-1} (ν - T m0)
    S  = Σ - G (I + T K)^{-1} T G'

τ may be negative (a guessed item), so nothing takes its square root. What widens or ties answers
enters K alone: an uncertain item adds its own variance to K_jj (`blur`), and criteria of one answer
share an effect u ~ N(0, 1) with loadings γ: K_jk += γ_j γ_k (`cluster`, `effect`).

The result does not depend on the order of the answers. `update` is the running form: one answer, exact
moment matching (assumed-density filtering), for simulations and live previews; what is shown, stored
or acted on comes from `solve`.

References: Minka (2001), Expectation propagation; Rasmussen & Williams (2006), Gaussian Processes for
Machine Learning, ch. 3.6; Wainer, Bradlow & Wang (2007), Testlet Response Theory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numba import njit
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from irt.model import Floats, Ints, Items
from irt.population import Population
from irt.tilt import tilt

GAUSSIAN = -1  # level of a row that observed s directly, with known variance
SWEEPS = 100
EAGER = 10  # sweeps with whole steps; where sites have not settled by then they chase each other, and steps are halved
SETTLED = 1e-8  # largest change of a mean of s in a sweep, in sds of s


@dataclass(frozen=True, eq=False)
class Evidence:
    """n observations of one person; row j is about s_j = a_j·θ."""

    items: Items  # as their raters read them: see model.rated
    level: Ints  # (n,) level reached, or GAUSSIAN
    value: Floats  # (n,) where GAUSSIAN: the observed s
    variance: Floats  # (n,) where GAUSSIAN: its noise
    blur: Floats  # (n,) variance of s_j from not knowing the item exactly
    cluster: Ints  # (n,) equal numbers share an answer's effect; -1: none
    effect: Floats  # (n,) loading γ on that effect

    def __post_init__(self) -> None:
        n = len(self.items)
        columns = (self.level, self.value, self.variance, self.blur, self.cluster, self.effect)
        if any(column.shape != (n,) for column in columns):
            raise ValueError(f"Evidence: {n} items, but columns of {[column.shape for column in columns]}.")
        if (wrong := (self.level < GAUSSIAN) | (self.level >= self.items.levels)).any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"Evidence: row {row} has level {self.level[row]} of an item with {self.items.levels[row]} levels."
            )
        known = self.level == GAUSSIAN
        if not (np.isfinite(self.value[known]).all() and (self.variance[known] > 0).all()):
            raise ValueError("Evidence: a Gaussian row needs a finite value and a variance above 0.")
        if not ((self.blur >= 0) & np.isfinite(self.blur) & np.isfinite(self.effect)).all():
            raise ValueError("Evidence: every blur must be finite and not negative, and every effect finite.")

    def __len__(self) -> int:
        return len(self.items)


def answers(items: Items, level: Ints, blur: Floats | None = None) -> Evidence:
    """Plain answers to items, each with an effect of its own."""
    n = len(items)
    nothing = np.zeros(n)
    return Evidence(
        items, np.asarray(level, dtype=np.int64), nothing, np.ones(n),
        nothing if blur is None else blur, np.full(n, -1), nothing,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Belief:
    """θ ~ N(mean, cov) for one person."""

    mean: Floats  # (D,)
    cov: Floats  # (D, D)

    @property
    def sd(self) -> Floats:
        return np.sqrt(np.diag(self.cov))

    def above(self, weight: Floats, bar: Floats | float) -> Floats:
        """P(w·θ >= bar) for rows of weights (..., D)."""
        sd = np.sqrt(np.einsum("...d,de,...e->...", weight, self.cov, weight))
        return ndtr((weight @ self.mean - bar) / np.maximum(sd, 1e-12))

    def all_above(self, skill: Ints, bar: Floats) -> float:
        """P(θ_d >= bar_d for every named skill), by 4,096 fixed low-discrepancy points (error about 0.003)."""
        if len(skill) == 0:
            return 1.0
        root = np.linalg.cholesky(self.cov[np.ix_(skill, skill)])
        points = self.mean[skill] + normal_points(len(skill)) @ root.T
        return float((points >= bar).all(axis=1).mean())

    def seeing(self, skill: int, noise: float) -> tuple[Floats, Floats]:
        """What an observation of one skill with a noise variance would do: sd of the new mean (D,), new cov (D, D)."""
        column = self.cov[:, skill]
        total = column[skill] + noise
        return column / np.sqrt(total), self.cov - np.outer(column, column) / total


@lru_cache(maxsize=64)
def normal_points(dimensions: int) -> Floats:
    """Points of a scrambled Sobol sequence as standard normals, (4096, D); always the same ones."""
    return ndtri(qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(0)).random(4096))


@dataclass(frozen=True, eq=False)
class Posterior:
    """A solved belief: means and sds at once, the full covariance when asked for."""

    mean: Floats  # (D,)
    population: Population
    gain: Floats  # (D, n) = G
    core: Floats  # (n, n) = (I + T K)^{-1} T
    settled: bool  # the sites stopped moving

    @cached_property
    def sd(self) -> Floats:
        spent = ((self.gain @ self.core) * self.gain).sum(1)
        prior = (self.population.loading**2).sum(1) + self.population.specific
        return np.sqrt(np.maximum(prior - spent, 1e-12))

    @cached_property
    def belief(self) -> Belief:
        cov = self.population.cov - self.gain @ self.core @ self.gain.T
        return Belief(self.mean, 0.5 * (cov + cov.T))


def solve(population: Population, evidence: Evidence) -> Posterior:
    """The belief after all evidence, whatever its order: O(n^3 + nDR), no matrix of skills by skills."""
    items = evidence.items
    gain = population.times(items)  # (D, n)
    joint = (gain[items.skill] * items.slope[..., None]).sum(1) + ties(evidence)  # (n, n)
    start = (population.mean[items.skill] * items.slope).sum(1)
    core, shift, settled = propagate(
        joint, start, evidence.level, items.threshold, items.guess, evidence.value, evidence.variance
    )
    return Posterior(population.mean + gain @ shift, population, gain, core, settled)


def ties(evidence: Evidence) -> Floats:
    """What K (n, n) holds beyond A'Σ A: blur on the diagonal, shared effects within a cluster."""
    same = (evidence.cluster[:, None] == evidence.cluster) & (evidence.cluster >= 0)
    return np.where(same, np.outer(evidence.effect, evidence.effect), 0.0) + np.diag(evidence.blur)


@njit(cache=True)
def propagate(
    joint: Floats, start: Floats, level: Ints, threshold: Floats, guess: Floats, value: Floats, variance: Floats
) -> tuple[Floats, Floats, bool]:
    """Run EP over the n answers: (I + T K)^{-1} T, (I + T K)^{-1} (ν - T m0), and whether it settled."""
    n = len(start)
    tau, nu = np.zeros(n), np.zeros(n)
    for j in range(n):
        if level[j] < 0:
            tau[j], nu[j] = 1.0 / variance[j], value[j] / variance[j]
    eye = np.eye(n)
    settled = n == 0
    for sweep in range(SWEEPS):
        step_size = 1.0 if sweep < EAGER else 0.5 if sweep < 4 * EAGER else 0.2
        cov = np.linalg.solve(eye + joint * tau, joint)
        mean = start + cov @ (nu - tau * start)
        moved = 0.0
        for j in range(n):
            if level[j] < 0:
                continue
            left = 1.0 / cov[j, j] - tau[j]
            if left <= 1e-10:
                continue  # the other sites overshoot: leave this one for the next sweep
            v = 1.0 / left
            m = v * (mean[j] / cov[j, j] - nu[j])
            _, m1, v1 = tilt(m, v, level[j], threshold[j], guess[j])
            change = step_size * (1.0 / v1 - left - tau[j])
            shift = step_size * (m1 / v1 - m * left - nu[j])
            # a rank-one change of site j: Sherman-Morrison on cov, then the mean
            scale = 1.0 + change * cov[j, j]
            if scale <= 1e-10:
                continue
            step = (shift - change * mean[j]) / scale
            moved = max(moved, abs(step) * np.sqrt(cov[j, j]))
            column = cov[:, j].copy()
            mean += column * step
            cov -= np.outer(column, column) * (change / scale)
            tau[j] += change
            nu[j] += shift
        if moved < SETTLED:
            settled = True
            break
    inverse = np.linalg.solve(eye + joint.T * tau.reshape(-1, 1), eye)  # (I + T K)^{-1}
    return inverse * tau, inverse @ (nu - tau * start), settled


def update(belief: Belief, items: Items, level: int, blur: float = 0.0) -> Belief:
    """The belief after one more answer, to the only row of `items`: exact moments, O(D^2)."""
    if len(items) != 1:
        raise ValueError(f"update: {len(items)} items, but an update takes one item and its answer. Maybe use solve.")
    if not 0 <= level < items.levels[0]:
        raise ValueError(f"update: level {level} of an item with {items.levels[0]} levels.")
    mean, cov = belief.mean.copy(), belief.cov.copy()
    absorb(mean, cov, items.skill[0], items.slope[0], items.threshold[0], items.guess[0], level, blur)
    return Belief(mean, cov)


@njit(cache=True)
def absorb(
    mean: Floats, cov: Floats, skill: Ints, slope: Floats, threshold: Floats, guess: float, level: int, blur: float
) -> None:
    """One answer into (mean, cov), in place."""
    skills = len(mean)
    u = np.zeros(skills)
    m = 0.0
    for c in range(len(skill)):
        if slope[c] != 0.0:
            m += slope[c] * mean[skill[c]]
            for d in range(skills):
                u[d] += slope[c] * cov[skill[c], d]
    v = blur
    for c in range(len(skill)):
        v += slope[c] * u[skill[c]]
    _, m1, v1 = tilt(m, v, level, threshold, guess)
    shift, shrink = (m1 - m) / v, (v - v1) / (v * v)
    for d in range(skills):
        mean[d] += u[d] * shift
        for e in range(skills):
            cov[d, e] -= u[d] * u[e] * shrink
