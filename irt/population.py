r"""The skills of a population: θ ~ N(μ, Σ) with Σ = L L' + diag(ψ) and unit diagonal.

L (D, R) holds a general factor, a factor a domain, and what else a calibration found; ψ > 0 is what
each skill has for itself. Products with Σ cost O(DR), so hundreds of skills stay cheap.

Reference: Reise (2012), The rediscovery of bifactor measurement models, Multivariate Behav. Res. 47.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from irt.model import Floats, Items


@dataclass(frozen=True, eq=False)
class Population:
    """Prior over skills on the published scale."""

    mean: Floats  # (D,)
    loading: Floats  # (D, R)
    specific: Floats  # (D,) > 0

    def __post_init__(self) -> None:
        if (
            self.loading.ndim != 2
            or self.loading.shape[:1] != self.mean.shape
            or self.specific.shape != self.mean.shape
        ):
            raise ValueError(
                f"Population: mean {self.mean.shape}, loading {self.loading.shape}, specific {self.specific.shape}, "
                "but they must be (D,), (D, R) and (D,)."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.loading).all()):
            raise ValueError("Population: every mean and loading must be finite. Maybe a calibration did not converge.")
        if not (self.specific > 0).all():
            raise ValueError(
                f"Population: skill {int(np.argmin(self.specific))} has specific variance {self.specific.min():.3g}, "
                "but each must be above 0. Maybe two skills have a correlation of 1: make them one skill."
            )

    def __len__(self) -> int:
        return len(self.mean)

    @cached_property
    def cov(self) -> Floats:
        """Σ (D, D)."""
        return self.loading @ self.loading.T + np.diag(self.specific)

    def times(self, items: Items) -> Floats:
        """Σ A for the loadings A of some items: (D, n), without forming Σ."""
        if items.skill.size and (strange := items.skill.max()) >= len(self):
            raise ValueError(
                f"Population: an item is about skill {strange}, but there are {len(self)} skills, counted from 0. "
                "Maybe items and population come from different scales."
            )
        rows = (self.loading[items.skill] * items.slope[..., None]).sum(1)  # (n, R) = A'L
        product = self.loading @ rows.T
        columns = np.broadcast_to(np.arange(len(items))[:, None], items.skill.shape)
        np.add.at(product, (items.skill, columns), self.specific[items.skill] * items.slope)
        return product

    def draw(self, people: int, rng: np.random.Generator) -> Floats:
        """Skills of simulated people, (P, D)."""
        common = rng.standard_normal((people, self.loading.shape[1])) @ self.loading.T
        return self.mean + common + rng.standard_normal((people, len(self))) * np.sqrt(self.specific)


def bifactor(general: Floats, shared: Floats, group: list[int]) -> Population:
    """A general factor and one factor a group, from shares of variance (D,) and group numbers (D)."""
    if ((general < 0) | (shared < 0) | (general + shared >= 1)).any():
        raise ValueError("bifactor: general + shared must be in [0, 1) for every skill.")
    loading = np.zeros((len(general), 1 + max(group) + 1))
    loading[:, 0] = np.sqrt(general)
    loading[np.arange(len(group)), 1 + np.array(group)] = np.sqrt(shared)
    return Population(np.zeros(len(general)), loading, 1 - general - shared)


def from_covariance(mean: Floats, cov: Floats) -> Population:
    """Any positive definite covariance, as factors plus the same specific variance for all."""
    if cov.shape != (len(mean), len(mean)) or not np.allclose(cov, cov.T, atol=1e-8, equal_nan=True):
        raise ValueError(f"from_covariance: cov is {cov.shape}, but must be a symmetric ({len(mean)}, {len(mean)}).")
    if not np.isfinite(cov).all():
        raise ValueError("from_covariance: cov must be finite. Maybe a skill had no data.")
    value, vector = np.linalg.eigh(cov)
    if value[0] <= 1e-9:
        raise ValueError(
            f"from_covariance: smallest eigenvalue {value[0]:.2g}, but it must be above 0. "
            "Maybe two skills have a correlation of 1: make them one skill."
        )
    floor = 0.999 * value[0]
    return Population(mean, vector * np.sqrt(value - floor), np.full(len(mean), floor))
