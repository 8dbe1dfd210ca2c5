r"""Where a fit begins, and items that are held: start values, earlier fits, anchors, empty levels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from irt.design import Flags, Task
from irt.estep import Parameters
from irt.facet_step import unread
from irt.model import Floats, Ints, Items

EMPTY_END, EMPTY_INSIDE = 4.0, 0.01  # logits between thresholds where nobody reached a level


@dataclass(frozen=True, eq=False)
class Anchors:
    """Items already on a published scale: held where they are, so that the fit lands on that scale."""

    rows: Ints  # (A,) rows of the design
    items: Items  # A items, skill columns as in the design

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.items) or len(np.unique(self.rows)) != len(self.rows):
            raise ValueError(f"Anchors: {len(self.rows)} rows for {len(self.items)} items, or a row named twice.")


def chosen(correlation: Floats, skills: Ints) -> Floats:
    square = correlation.ndim == 2 and correlation.shape[0] == correlation.shape[1] > skills.max(initial=0)
    if not square or not np.isfinite(correlation).all() or not np.allclose(correlation, correlation.T):
        raise ValueError(f"calibrate: correlation is {correlation.shape}, but must be a symmetric (D, D) of numbers.")
    chosen = correlation[np.ix_(skills, skills)].astype(float)
    if not np.allclose(np.diag(chosen), 1) or np.linalg.eigvalsh(chosen)[0] <= 1e-8:
        raise ValueError(
            "calibrate: correlation must be positive definite with ones on its diagonal. "
            "Maybe two skills have a correlation of 1: make them one skill."
        )
    return chosen


def cold(task: Task) -> Parameters:
    design, answers = task.design, task.answers
    rows, most = len(design), int(design.levels.max()) - 1
    count = np.zeros((rows, most + 1))
    np.add.at(count, (task.asked, answers.level), answers.weight[answers.person])
    reach = count[:, ::-1].cumsum(1)[:, ::-1]
    share = (reach[:, 1:] + 0.5) / (reach[:, :1] + 1.0)
    share = np.clip((share - design.guess[:, None]) / (1 - design.guess[:, None]), 0.02, 0.98)
    real = np.arange(most) < design.levels[:, None] - 1
    fall = 1.2 * logit(share) - 1e-3 * np.arange(most)  # ties would not fall
    width = design.width
    slope = np.where(design.skill >= 0, 1 / np.sqrt(width)[:, None], 0.0)
    cov = np.full((design.skills, design.skills), 0.5) + 0.5 * np.eye(design.skills)
    skill = np.maximum(design.skill, 0)
    threshold, facets = np.where(real, fall, -np.inf), None if task.cells is None else unread(task.cells)
    return Parameters(skill, width, slope, threshold, design.guess, np.zeros(design.skills), cov, facets)


def warm(at: Parameters, task: Task, rows: Ints, items: Items, skills: Ints, covariance: Floats) -> Parameters:
    """The values of an earlier fit where it has them; rows and skills are numbered as in the whole design."""
    at = _place(at, task, rows, items, skills)
    if not np.isin(task.skills, skills).all():
        return at
    column = np.searchsorted(skills, task.skills)
    sd = np.sqrt(np.diag(covariance))
    return replace(at, cov=(covariance / np.outer(sd, sd))[np.ix_(column, column)])


def held(at: Parameters, task: Task, anchors: Anchors) -> tuple[Parameters, Flags, Flags]:
    """The parameters with the anchors in place, which items are held (I,), which skills they anchor (D,)."""
    at = _place(at, task, anchors.rows, anchors.items, np.arange(task.skills.max() + 1))
    fixed = np.isin(task.items, anchors.rows)
    anchored = np.zeros(len(task.skills), dtype=bool)
    for i in np.nonzero(fixed)[0]:
        anchored[at.skill[i, : at.width[i]]] = True
    return at, fixed, anchored


def _place(at: Parameters, task: Task, rows: Ints, items: Items, skills: Ints) -> Parameters:
    """Copy known items (rows of the whole design) into the parameters, matching skill by skill."""
    slope, threshold = at.slope.copy(), at.threshold.copy()
    where = {int(r): n for n, r in enumerate(rows)}
    dense = items.dense(len(skills))
    column = {int(s): n for n, s in enumerate(skills)}
    for i, whole in enumerate(task.items):
        if int(whole) not in where:
            continue
        known = where[int(whole)]
        for t in range(at.width[i]):
            slope[i, t] = dense[known, column[int(task.skills[at.skill[i, t]])]]
        levels = int(items.levels[known])
        recode = task.recode[i, :levels]
        for level in range(1, levels):
            if recode[level] > recode[level - 1]:
                threshold[i, recode[level] - 1] = items.threshold[known, level - 1]
    return replace(at, slope=slope, threshold=threshold)


def expand(task: Task, at: Parameters) -> tuple[Floats, Ints]:
    """Thresholds (I', M) for all levels of the design, and the fitted threshold each is (-1: nobody reached it)."""
    rows, levels = task.recode.shape
    threshold, place = np.full((rows, levels - 1), -np.inf), np.full((rows, levels - 1), -1)
    for i in range(rows):
        recode, fitted = task.recode[i], at.threshold[i]
        own = int(task.levels[i])
        for level in range(1, own):
            if recode[level] > recode[level - 1]:
                place[i, level - 1] = recode[level] - 1
        known = np.nonzero(place[i, : own - 1] >= 0)[0]
        for n in range(own - 1):
            before, after = known[known <= n], known[known >= n]
            if len(before) == 0:
                threshold[i, n] = fitted[0] + EMPTY_END * (after[0] - n)
            elif len(after) == 0:
                threshold[i, n] = fitted[place[i, before[-1]]] - EMPTY_END * (n - before[-1])
            else:
                threshold[i, n] = fitted[place[i, before[-1]]] - EMPTY_INSIDE * (n - before[-1])
    return threshold, place
