"""Other packages on the same answers, where they are installed (dependency group `bench` of pyproject.toml)."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from irt.model import Floats, Items

if TYPE_CHECKING:
    from benchmarks.calibration import Truth

# Ability after all answers so far, and the row to ask next; rows asked and whether each was right go in.
Step = Callable[[list[int], list[int]], tuple[float, int]]


def missing(name: str) -> bool:
    return importlib.util.find_spec(name) is None


def how(*names: str) -> str:
    """What to do about peers that are not there; nothing where all are."""
    away = [name for name in names if missing(name)]
    return f"not installed: {', '.join(away)}. {INSTALL}" if away else ""


INSTALL = (
    "Maybe pip install --group bench (pip 25.1 or later), in this environment or one of your own; ours run anyway."
)


def catsim(items: Items) -> Callable[[], Step]:
    """catsim's defaults: maximum likelihood (Dodd's rule while all answers are alike), maximum information."""
    estimation, selection = modules("catsim.estimation", "catsim.selection")
    bank = modules("catsim.item_bank")[0].ItemBank(np.column_stack([*three(items), np.ones(len(items))]))
    estimator, selector = estimation.NumericalSearchEstimator(), selection.MaxInfoSelector()

    def begin() -> Step:
        ability = 0.0

        def step(asked: list[int], right: list[int]) -> tuple[float, int]:
            nonlocal ability
            if asked:
                ability = estimator.estimate(
                    item_bank=bank, administered_items=asked, response_vector=[x == 1 for x in right], est_theta=ability
                )
            return ability, int(selector.select(item_bank=bank, administered_items=asked, est_theta=ability))

        return step

    return begin


def adaptivetesting(items: Items) -> Callable[[], Step]:
    """adaptivetesting's mode under the true prior N(0, 1), maximum information; without its standard error."""
    estimators, item_selection = modules("adaptivetesting.math.estimators", "adaptivetesting.math.item_selection")
    a, b, c = (column.tolist() for column in three(items))
    rows = list(range(len(items)))
    bank = (
        modules("adaptivetesting.models")[0]
        .ItemPool.load_from_list(a=a, b=b, c=c, d=[1.0] * len(items), ids=rows)
        .test_items
    )
    prior = estimators.NormalPrior(0.0, 1.0)

    def begin() -> Step:
        free = dict(enumerate(bank))

        def step(asked: list[int], right: list[int]) -> tuple[float, int]:
            if asked:
                del free[asked[-1]]
            answered = [bank[row] for row in asked]
            ability = estimators.BayesModal(right, answered, prior).get_estimation() if asked else 0.0
            return ability, item_selection.maximum_information_criterion(list(free.values()), ability).id

        return step

    return begin


def modules(*names: str) -> list[Any]:
    """Modules of a package that may not be there, when they are needed."""
    return [importlib.import_module(name) for name in names]


def three(items: Items) -> tuple[Floats, Floats, Floats]:
    """Discrimination, difficulty and guessing of two-level items on one skill, as other packages have them."""
    a = items.slope[:, 0]
    return a, -items.threshold[:, 0] / a, items.guess


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
    (own,) = modules("girth")
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
