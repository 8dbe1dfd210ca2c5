"""Other packages on the same answers, where they are installed (dependency group `bench` of pyproject.toml)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.calibration import Truth

HOW = "girth is not installed: pip install --group bench (pip 25.1 or later), in this environment or one of your own"


def missing(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def girth(truth: Truth) -> dict[str, Any] | None:
    """girth's two-parameter model, one skill at a time (it is the faster and, with three skills, the more exact of
    its two ways); calibration by `twopl_mml`, scores by `ability_eap`. None where items ask several skills,
    have several levels or were not asked of everybody: that it does not fit.
    """
    alone = (truth.items.slope[:, 1:] == 0).all() and truth.items.threshold.shape[1] == 1
    people, items = len(truth.answers), len(truth.items)
    if not alone or len(truth.answers.item) < people * items:
        return None
    table = np.zeros((items, people), dtype=int)
    table[truth.answers.item, truth.answers.person] = truth.answers.level
    theta = np.zeros((people, len(truth.correlation)))
    slope, easiness = np.zeros(items), np.zeros(items)
    fitted = scored = 0.0
    own: Any = __import__("girth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy's, about girth's own code
        own.twopl_mml(table[:6, :200])  # compiles
        for d in range(len(truth.correlation)):
            mine = np.nonzero(truth.items.skill[:, 0] == d)[0]
            clock = time.process_time()
            found = own.twopl_mml(table[mine])
            fitted += time.process_time() - clock
            a, b = found["Discrimination"], found["Difficulty"]
            slope[mine], easiness[mine] = a, -a * b
            clock = time.process_time()
            theta[:, d] = own.ability_eap(table[mine], b, a)
            scored += time.process_time() - clock
    real = truth.items.slope[:, 0]
    off = (np.corrcoef(theta.T) - truth.correlation)[np.tril_indices(len(truth.correlation), -1)]
    return {
        "version": importlib.metadata.version("girth"), "fit_cpu_s": fitted, "score_cpu_s": scored,
        "a_rmse": rms(slope - real), "a_bias": float((slope - real).mean()),
        "d_rmse": rms(easiness - truth.items.threshold[:, 0]), "corr_rmse": rms(off),
        "theta_rmse": rms(theta - truth.theta),
    }  # fmt: skip


def rms(x: np.ndarray[Any, Any]) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
