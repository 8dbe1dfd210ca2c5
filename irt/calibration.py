r"""Marginal maximum likelihood for sparse, adaptive, many-skilled answers.

    maximise over a, d, Σ   Σ_p log ∫ Π_j P(y_pj | a_j·θ) N(θ; 0, Σ) dθ  (+ log prior of the items)

θ ~ N(0, Σ), Σ a correlation matrix; items as in `irt.model`. Answers missing by design (booklets,
adaptive tests) need no model of their own: what was asked depended on answers that are here.

The E-step (`irt.estep`) is expectation propagation with gradients taken under each answer's own tilted
density, which are the exact gradients of the EP marginal likelihood; with one or two skills the estimates
are finished with the exact integral. The M-step is a Newton step an item, a step of scale and place a skill
(parameter expansion) and EM's step in Σ kept to unit diagonal; Anderson's mixing speeds their sequence up.

References: Bock & Aitkin (1981); Minka (2001); Liu, Rubin & Wu (1998); Walker & Ni (2011), Anderson
acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49; Mislevy (1986) for priors on items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from irt.acceleration import Mixer
from irt.design import Answers, Design, Refused, Task, fittable
from irt.estep import Parameters
from irt.facet_step import Panel, errors, panel, pulled, spelled, whole_step
from irt.facets import Cells
from irt.model import Floats, Ints, Items
from irt.mstep import MAX_SLOPE, ItemPrior, Priors, Rules, pack, priors, real_slopes, spread, unpack
from irt.shards import Crew, Desk, Hands, Step, cut, integrated, settle_all, swept, total
from irt.start import Anchors, chosen, cold, expand, held, warm
from irt.uncertainty import uncertainty

MANY = 30_000  # persons above which a fit begins with some of them
SOME = 20_000
SHORT = 40  # passes over some of many persons
SWEEPS = 30  # of expectation propagation over one person's answers
SLACK = 2e-7  # share of the log-likelihood that a pass may lose: expectation propagation is not exact
GRID = {1: 31, 2: 15, 3: 11}  # nodes a dimension of the exact integral
LOOSE = 1.5  # standard error of a slope above which a fit says so
ALIKE = 0.98  # correlation of two skills that are one
VAGUE = 0.2  # standard error of a correlation above which a fit says so
EXACT_WORK = 6e7  # answers times nodes a pass up to which the exact integral is used unasked

Progress = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class Fit:
    """A calibration: items and population on one scale, how sure, and what was left out."""

    items: Items  # I' items that could be fitted; skill columns as in `skills`
    mean: Floats  # (D',)
    covariance: Floats  # (D', D') with unit variances, but for anchored skills
    slope_se: Floats  # (I', k)
    threshold_se: Floats  # (I', M) nan where no answers tell a threshold
    covariance_se: Floats  # (D', D') nan where held, or where parameters were too many to be taken together
    item_covariance: Floats  # (I', k + M, k + M) of an item's slopes and thresholds
    log_likelihood: float  # marginal, of the answers to the fitted items
    method: str  # "quadrature" or "expectation propagation": how log_likelihood and the gradients were computed
    se_method: str
    iterations: int
    converged: bool
    kept_items: Ints  # (I',) rows of the design
    kept_skills: Ints  # (D',) columns of the design
    refused: tuple[Refused, ...]
    prior: Priors | None  # on items, as learnt, if there was one; numbered as `items`
    panel: Panel | None = None  # raters and effects, where answers were graded

    def answers(self, answers: Answers) -> Answers:
        """Answers in the design's numbering as answers to the fitted items (or cells); others are left out."""
        if self.panel is not None:
            return self.panel.answers(answers)
        rows = max(int(answers.item.max(initial=0)), int(self.kept_items.max(initial=0))) + 1
        place = np.full(rows, -1)
        place[self.kept_items] = np.arange(len(self.kept_items))
        some = answers.where(place[answers.item] >= 0)
        return Answers(some.start, place[some.item], some.level, some.weight)

    @property
    def read(self) -> tuple[Items, Floats, Floats]:
        """(items, mean, covariance) to score `answers` with: cells, and effects as skills behind the others."""
        if self.panel is None:
            return self.items, self.mean, self.covariance
        return self.panel.read(self.items, self.mean, self.covariance)


def calibrate(
    answers: Answers,
    design: Design,
    *,
    cells: Cells | None = None,
    correlation: Floats | None = None,
    prior: ItemPrior | Priors | None = None,
    anchors: Anchors | None = None,
    start: Fit | None = None,
    exact: bool | None = None,
    tolerance: float = 1e-4,
    passes: int = 400,
    progress: Progress | None = None,
    crew: Crew = Desk,
) -> Fit:
    """Estimate items and population; what cannot be told is refused with a reason, not raised.

    cells: where raters graded: what the answers are to, instead of items of the design; see `irt.facets`.
    correlation: fixed correlations (D, D) of the skills; estimated if absent.
    prior: hierarchical prior on items, of one kind or by families; pure maximum likelihood if absent.
    exact: use the exact integral (D <= 3); if absent, where it is cheap.
    start: an earlier fit of the same design to begin from.
    tolerance: a fit has converged when no plain step moves a parameter by more than this, relative to
        1 + |parameter|, or by more than 100 times this, relative to its standard error.
    progress: called with the number of the pass and the largest relative change.
    crew: who holds the persons' shards; this process if absent. The estimates are the same.
    Raises ValueError on answers that the design cannot have.
    """
    loose = prior is not None or anchors is not None
    few = (1, 1) if loose else (3, 2)
    task = fittable(answers, design, correlated=correlation is None, lone=few[0], pair=few[1], cells=cells)
    if len(task.items) == 0:
        reasons = "; ".join(f"{r.what}: {r.why}" for r in task.refused[:5])
        raise ValueError(f"calibrate: nothing is left to fit. Maybe too few answers were given. {reasons}")
    first, rules = _begin(task, correlation, anchors, start)
    limits = _Limits(tolerance, passes, progress)
    climb = _Climb(first, None if prior is None else priors(prior, len(design)).rows(task.items), 0, converged=False)
    if len(task.answers) > MANY:
        climb = _foothills(task.answers, climb, rules, limits, crew)
    hands = crew(cut(task.answers))
    settle_all(hands, spelled(climb.at), 1 if start is None else SWEEPS)
    climb = _ascend(hands, climb, rules, limits, swept)
    if exact and cells is not None:
        raise ValueError("calibrate: the exact integral knows no raters. Maybe leave `exact` out.")
    nodes = GRID[len(task.skills)] if (_affordable(task) if exact is None else exact) else 0
    if nodes:
        settle_all(hands, spelled(climb.at), SWEEPS)
        climb = _ascend(hands, climb, rules, limits._replace(tolerance=tolerance / 10), integrated, nodes)
    return _fit(task, hands, climb, rules, nodes)


def _affordable(task: Task) -> bool:
    skills = task.design.skills
    return task.cells is None and skills <= 2 and len(task.answers.item) * GRID[skills] ** skills <= EXACT_WORK


def _begin(
    task: Task, correlation: Floats | None, anchors: Anchors | None, start: Fit | None
) -> tuple[Parameters, Rules]:
    """Start values, and what a step must hold."""
    at = cold(task)
    if start is not None:
        at = warm(at, task, start.kept_items, start.items, start.kept_skills, start.covariance)
    if correlation is not None:
        at = replace(at, cov=chosen(correlation, task.skills))
    fixed, anchored = np.zeros(len(task.items), dtype=bool), np.zeros(len(task.skills), dtype=bool)
    if anchors is not None:
        at, fixed, anchored = held(at, task, anchors)
    return at, Rules(fixed, anchored, correlation is None, task.design.same_slope)


class _Climb(NamedTuple):
    """How far a fit has come."""

    at: Parameters
    prior: Priors | None
    passes: int
    converged: bool


class _Limits(NamedTuple):
    tolerance: float
    passes: int
    progress: Progress | None


def _foothills(answers: Answers, climb: _Climb, rules: Rules, limits: _Limits, crew: Crew) -> _Climb:
    """The first part of the way, on some of many persons; a prior keeps items with few answers near."""
    some = crew(cut(answers.people(slice(0, None, len(answers) // SOME))))
    settle_all(some, spelled(climb.at), 1)
    begun = climb._replace(prior=climb.prior or priors(ItemPrior(), len(climb.at.guess)))
    rough = _Limits(10 * limits.tolerance, climb.passes + SHORT, limits.progress)
    return _ascend(some, begun, rules, rough, swept)._replace(prior=climb.prior)


def _ascend(hands: Hands, climb: _Climb, rules: Rules, limits: _Limits, step: Step, *args: object) -> _Climb:
    """Move until every plain step is below the tolerance, relative or in hundreds of the parameter's standard error."""
    at, prior, done, _ = climb
    mixer, safe, height = Mixer(), at, -np.inf
    while done < limits.passes:
        seen = pulled(total(hands, step, spelled(at), *args), at)
        found = seen.found
        lost = height - float(found.log_likelihood)
        height = float(found.log_likelihood)
        if lost > SLACK * abs(height) and at is not safe:  # the mixed step went down: take the plain one
            mixer.restart()
            at, done = safe, done + 1
            continue
        target, prior = whole_step(seen, at, prior, rules)
        old, new = pack(at, rules), pack(target, rules)
        unsure = np.concatenate([spread(found, at, prior, rules), errors(seen, at)])
        allowed = limits.tolerance * np.maximum(1 + np.abs(old), 100 * unsure)
        change = np.abs(new - old)
        done += 1
        if limits.progress is not None:
            limits.progress(done, float(np.max(change / (1 + np.abs(old)), initial=0.0)))
        if (change <= allowed).all():
            return _Climb(target, prior, done, converged=True)
        mixed = unpack(mixer.mix(old, new, 1 / unsure), target, rules)
        if mixed is None:
            mixer.restart()
        safe, at = target, target if mixed is None else mixed
    return _Climb(at, prior, done, converged=False)


def _fit(task: Task, hands: Hands, climb: _Climb, rules: Rules, nodes: int) -> Fit:
    climb = _upright(climb)
    at = climb.at
    settle_all(hands, spelled(at), SWEEPS)
    known = uncertainty(task.answers, hands, at, climb.prior, rules, nodes)
    threshold, place = expand(task, at)
    k = at.slope.shape[1]
    columns = np.concatenate([np.tile(np.arange(k), (len(place), 1)), np.where(place >= 0, k + place, -1)], axis=1)
    covariance = _chosen_rows(known.item, columns)
    se = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return Fit(
        items=Items(at.skill, at.slope, threshold, at.guess),
        mean=at.mean,
        covariance=at.cov,
        slope_se=se[:, :k],
        threshold_se=np.where(place >= 0, se[:, k:], np.nan),
        covariance_se=known.covariance_se,
        item_covariance=covariance,
        log_likelihood=known.log_likelihood,
        method="quadrature" if nodes else "expectation propagation",
        se_method=known.method,
        iterations=climb.passes,
        converged=climb.converged,
        kept_items=task.items,
        kept_skills=task.skills,
        refused=(
            *task.refused,
            *_runaways(task, at, se[:, :k]),
            *_alike(task, at, known.covariance_se),
            *_unsettled(climb),
        ),
        prior=climb.prior,
        panel=None if at.facets is None else panel(task, at.facets, known.facets),
    )


def _upright(climb: _Climb) -> _Climb:
    """Turn skills round whose slopes are mostly negative; s = a·θ and its sites stay as they are."""
    at = climb.at
    real = real_slopes(at)
    votes = np.zeros(len(at.mean))
    np.add.at(votes, at.skill[real], np.sign(at.slope[real]))
    sign = np.where(votes < 0, -1.0, 1.0)
    turned = replace(at, slope=at.slope * sign[at.skill], mean=at.mean * sign, cov=at.cov * np.outer(sign, sign))
    return climb._replace(at=turned)


def _chosen_rows(block: Floats, columns: Ints) -> Floats:
    """Covariances (I', q, q) of chosen rows of (I', p, p) blocks; -1 chooses nothing."""
    chosen = np.maximum(columns, 0)
    some = np.take_along_axis(np.take_along_axis(block, chosen[:, :, None], 1), chosen[:, None, :], 2)
    real = columns >= 0
    return np.where(real[:, :, None] & real[:, None, :], some, 0.0)


def _runaways(task: Task, at: Parameters, se: Floats) -> list[Refused]:
    """Items that stay in the fit although their slopes are not told."""
    notes = []
    for i in np.nonzero((np.abs(at.slope) >= MAX_SLOPE - 1e-6).any(1) | (se > LOOSE).any(1))[0]:
        t = int(np.argmax(se[i]))
        why = f"its slope ran to the limit of {MAX_SLOPE:g}"
        if (np.abs(at.slope[i]) < MAX_SLOPE - 1e-6).all():
            why = f"its slope is hardly told: {at.slope[i, t]:.2f} with standard error {se[i, t]:.2f}"
        notes.append(Refused("item", int(task.items[i]), f"{why}; it was kept. Maybe give a prior on items."))
    return notes


def _alike(task: Task, at: Parameters, se: Floats) -> list[Refused]:
    """Skills that stay in the fit although their correlation is 1, or is hardly told."""
    notes = []
    sd = np.sqrt(np.diag(at.cov))
    for d, e in zip(*np.tril_indices(len(sd), -1), strict=True):
        r, unsure = at.cov[d, e] / (sd[d] * sd[e]), se[d, e] / (sd[d] * sd[e])
        this, other = int(task.skills[d]), int(task.skills[e])
        if abs(r) > ALIKE:
            why = f"it correlates {r:.3f} with skill {other}: the answers do not tell them apart; it was kept. "
            notes.append(Refused("skill", this, f"{why}Maybe make them one skill.", other))
        elif unsure > VAGUE:
            why = f"its correlation with skill {other} is weakly identified: {r:.2f} with standard error {unsure:.2f}; "
            notes.append(Refused("skill", this, f"{why}it was kept. Maybe add items that ask it alone.", other))
    return notes


def _unsettled(climb: _Climb) -> list[Refused]:
    """Why a fit that never came to rest should not be believed."""
    if climb.converged:
        return []
    slope = climb.at.slope[real_slopes(climb.at)]
    low = float(np.linalg.eigvalsh(climb.at.cov)[0] / np.diag(climb.at.cov).mean())
    told = f"{(slope < 0).sum()} of {len(slope)} slopes are negative, {(np.abs(slope) >= MAX_SLOPE - 1e-6).sum()} at "
    told += f"their limit, and the correlations' least eigenvalue is {low:.3f}"
    why = f"weakly identified: after {climb.passes} passes the estimates still move ({told}). "
    maybe = "give a prior on items, or " if climb.prior is None else ""
    return [Refused("fit", 0, f"{why}Maybe {maybe}let items ask fewer skills, or gather more people.")]
