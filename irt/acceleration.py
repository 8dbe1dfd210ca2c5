r"""Anderson mixing of a fixed-point iteration x <- G(x).

With residuals f_n = G(x_n) - x_n, the next point is G(x_n) - Σ_m γ_m ΔG_m, γ least squares of f_n on Δf.
It is GMRES in disguise near the solution, and needs no likelihood; the memory is dropped when the
residual grows, and a long jump is cut short.

Reference: Walker & Ni (2011), SIAM Journal on Numerical Analysis 49, 1715-1735.
"""

from __future__ import annotations

import numpy as np

from irt.model import Floats

MEMORY = 8
GROWTH = 2.0  # times the best residual so far at which the memory is dropped
JUMP = 0.5  # longest change of a coordinate beyond the plain step


class Mixer:
    """The last few steps of one iteration."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget the steps so far."""
        self.points: list[Floats] = []
        self.residuals: list[Floats] = []
        self.best = np.inf

    def mix(self, x: Floats, target: Floats, weight: Floats) -> Floats:
        """The next point from the current one and its image G(x); residuals count by their weights."""
        residual = target - x
        size = float(np.linalg.norm(residual * weight))
        if size > GROWTH * self.best:
            self.restart()
        self.best = min(self.best, size)
        self.points.append(target)
        self.residuals.append(residual)
        del self.points[: -MEMORY - 1], self.residuals[: -MEMORY - 1]
        if len(self.residuals) < 2:
            return target
        df = (np.diff(np.array(self.residuals), axis=0) * weight).T
        dg = np.diff(np.array(self.points), axis=0).T
        gram = df.T @ df
        ridge = 1e-10 * np.trace(gram) * np.eye(len(gram))
        step = dg @ np.linalg.solve(gram + ridge, df.T @ (residual * weight))
        longest = float(np.abs(step).max())
        return target - step * min(1.0, JUMP / max(longest, 1e-300))
