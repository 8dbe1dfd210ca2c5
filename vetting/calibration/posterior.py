"""A small bank by Markov chains: posterior means and sds instead of modes, kept only if the chains may be believed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from irt.calibration import Fit
from irt.design import Answers
from irt.estep import e_step, no_sites, parameters, settle
from irt.model import Floats

MOST_PARAMETERS, MOST_ANSWERS = 300, 30_000  # about a tenth of a CPU second a draw at 15,000 answers
CHAINS, TUNE = 2, 150

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A scale from chains, and the draws behind it."""

    fit: Fit
    draws: Any  # az.InferenceData with items and skills by name
    rhat: float
    effective: float
    count: int
    faults: tuple[str, ...]


def refuse_large(answers: Answers, fit: Fit) -> None:
    """Chains need some seven passes a draw: minutes for a quiz, days for a bank."""
    skills = len(fit.mean)
    wide = int((fit.items.slope != 0).sum() + np.isfinite(fit.items.threshold).sum()) + skills * (skills - 1) // 2
    if wide > MOST_PARAMETERS or len(answers.item) > MOST_ANSWERS:
        raise ValueError(
            f"--bayes: {wide} parameters and {len(answers.item)} answers, but it is meant for up to {MOST_PARAMETERS} "
            f"and {MOST_ANSWERS}. Maybe leave it out: with so many answers the mode and its errors say the same."
        )


def sample(
    answers: Answers, fit: Fit, items: Sequence[str], skills: Sequence[str], *, draws: int, seed: int,
    progress: Progress | None = None,
) -> Posterior:  # fmt: skip
    """Chains from a fit on; `items` and `skills` name the fit's. Answers are numbered as in the design."""
    from irt import bayes  # noqa: PLC0415  PyMC takes seconds to load

    logging.getLogger("pymc").setLevel(logging.ERROR)  # the bar and the gates say what it would
    mine = fit.answers(answers)
    refuse_large(mine, fit)
    step = None if progress is None else (lambda done: progress(done, CHAINS * (TUNE + draws)))
    found = bayes.sample(mine, fit, seed, draws=draws, tune=TUNE, chains=CHAINS, progress=step)
    rhat, effective = bayes.health(found)
    return Posterior(
        summarised(fit, found.posterior, mine), named(found, fit, items, skills), rhat, effective, CHAINS * draws,
        tuple(bayes.faults(found)),
    )  # fmt: skip


def summarised(fit: Fit, posterior: Any, answers: Answers) -> Fit:  # noqa: ANN401  ArviZ carries no types
    """Posterior means in the place of modes, posterior sds and covariances in the place of errors."""
    slope, threshold, cov = (posterior[name].to_numpy() for name in ("slope", "threshold", "covariance"))
    used = np.isfinite(fit.items.threshold)
    threshold = np.where(used, threshold, 0.0)
    both = np.concatenate([slope, threshold], axis=-1).reshape(-1, len(used), slope.shape[-1] + used.shape[1])
    apart = both - both.mean(0)
    mean = np.where(used, threshold.mean((0, 1)), -np.inf)
    items = replace(fit.items, slope=slope.mean((0, 1)), threshold=mean)
    return replace(
        fit,
        items=items,
        covariance=cov.mean((0, 1)),
        slope_se=slope.std((0, 1)),
        threshold_se=np.where(np.isfinite(fit.threshold_se), threshold.std((0, 1)), np.nan),
        item_covariance=np.einsum("nij,nik->ijk", apart, apart) / len(apart),
        log_likelihood=_log_likelihood(answers, replace(fit, items=items, covariance=cov.mean((0, 1)))),
        method="Markov chains over the expectation-propagation likelihood; means",
        se_method="posterior standard deviations",
    )


def _log_likelihood(answers: Answers, fit: Fit) -> float:
    at = parameters(fit.items, fit.mean, fit.covariance)
    return float(e_step(answers, at, settle(answers, at, no_sites(answers)))[0].log_likelihood)


def named(found: Any, fit: Fit, items: Sequence[str], skills: Sequence[str]) -> Any:  # noqa: ANN401
    """The draws as ArviZ data by names: loading (item, skill), threshold (item, level), correlation (skill, skill)."""
    import arviz as az  # noqa: PLC0415

    posterior = found.posterior
    table: Floats = np.zeros((*posterior["slope"].shape[:2], len(items), len(skills)))
    row, place = np.nonzero(fit.items.slope)
    table[..., row, fit.items.skill[row, place]] = posterior["slope"].to_numpy()[..., row, place]
    arviz: Any = az
    return arviz.from_dict(
        posterior={
            "loading": table,
            "threshold": posterior["threshold"].to_numpy(),
            "correlation": posterior["covariance"].to_numpy(),
        },
        sample_stats={name: found.sample_stats[name].to_numpy() for name in ("lp", "diverging")},
        coords={
            "item": list(items), "skill": list(skills), "other_skill": list(skills),
            "level": np.arange(1, fit.items.threshold.shape[1] + 1),
        },
        dims={
            "loading": ["item", "skill"], "threshold": ["item", "level"], "correlation": ["skill", "other_skill"],
        },
        attrs={"made_by": "assay fit --bayes", "guess": json.dumps(fit.items.guess.tolist())},
    )  # fmt: skip


def keep(draws: Any, file: Path) -> None:  # noqa: ANN401
    """All of the file or nothing."""
    beside = file.with_name(file.name + ".part")
    try:
        draws.to_netcdf(str(beside))
        beside.replace(file)
    except OSError as wrong:
        beside.unlink(missing_ok=True)
        raise OSError(f"{file}: cannot be written: {wrong}. Maybe the folder does not exist.") from wrong
