r"""Raters in the model: items spelled out as raters read them, and the step of raters beside the items'.

    P(Y >= k | θ, u) = σ(φ_r (a·θ + |a| (Σ_e ω_e u_e - ρ_r) + d_k)),        u_e ~ N(0, 1)

ρ_r   severity of rater r, in sds of the skill (units of |a|); φ_r discrimination, 1 that of the reference raters
ω_e   sd, in sds of the skill, of what all grades of one answer share, and of what those on one item of it share

A cell (`irt.facets`) is an item of the E-step, of slopes ã = φ (a, ω|a|) and thresholds d̃_k = φ (d_k - ρ|a|): the
E-step knows nothing of raters. Its gradients g̃ and information H̃ are pulled back by J, the derivatives of (ã, d̃) in
(a, d, ρ, log φ, log ω): J'g̃ and J'H̃J. Raters take the Newton step of the whole arrow-shaped system, items eliminated,

    δ = S⁻¹ (g_r - Σ_i B_i' H_i⁻¹ g_i),   S = H_r - Σ_i B_i' H_i⁻¹ B_i,

and the items' gradients become g_i - B_i δ, which the steps of `irt.mstep` go on with.

Identified by mean severity 0 and mean log φ 0 over the reference raters, (ρ, log φ) = C β (`Cells.basis`). Hierarchical
prior ρ ~ N(0, τ²), log φ ~ N(0, s²), τ and s learnt with a few raters' worth of what is usual; log ω ~ N(log .5, 1.5²).

References: Uto & Ueno (2020), A generalized many-facet Rasch model, Behaviormetrika 47; Patz, Junker, Johnson & Mariano
(2002), The hierarchical rater model, JEBS 27; Wainer, Bradlow & Wang (2007), Testlet Response Theory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from irt.design import Answers, Task
from irt.estep import Parameters, Statistics, parameters
from irt.facets import Cells, Facets, entries, free, packed, unpacked
from irt.model import Floats, Ints, Items
from irt.mstep import LONGEST, Priors, Rules, bordered, m_step, prior_terms

SEVERITY_SD, DISCRIMINATION_SD = 0.5, 0.3  # of raters, to begin with
SLICE = 20_000  # grades whose Jacobians are held at once
STRENGTH = 3.0  # raters that these count for
EFFECT, EFFECT_SD = float(np.log(0.5)), 1.5  # of log ω


def unread(cells: Cells) -> Facets:
    """Where a fit begins: everybody alike."""
    nobody = np.zeros(cells.raters)
    return Facets(cells, nobody, nobody, np.full(cells.kinds, EFFECT), SEVERITY_SD, DISCRIMINATION_SD)


def _of_rater(values: Floats, rater: Ints, key: float) -> Floats:
    """A rater's value at each cell (V,); `key` where nobody graded."""
    return np.append(values, key)[rater]


def spelled(at: Parameters) -> Parameters:
    """Cells as items of the E-step, effects as further skills; as it is where there are no raters."""
    if at.facets is None:
        return at
    many, cells = at.facets, at.facets.cells
    k, skills, extra = at.slope.shape[1], len(at.mean), cells.effects
    own = at.slope[cells.item]
    steep = np.linalg.norm(own, axis=1)
    phi = np.exp(_of_rater(many.log_discrimination, cells.rater, 0.0))
    real = cells.effect >= 0
    shared = np.where(real, np.exp(many.log_effect) * steep[:, None], 0.0)
    # real loadings come first: an item's own, then its effects, then padding
    place = np.concatenate([np.arange(k) < at.width[cells.item][:, None], real], axis=1)
    order = np.argsort(~place, axis=1, kind="stable")
    skill = np.concatenate([at.skill[cells.item], np.where(real, skills + cells.effect, 0)], axis=1)
    slope = np.concatenate([own, shared], axis=1) * phi[:, None]
    severity = _of_rater(many.severity, cells.rater, 0.0) * steep
    cov = np.eye(skills + extra)
    cov[:skills, :skills] = at.cov
    return Parameters(
        np.take_along_axis(skill, order, 1), place.sum(1), np.take_along_axis(slope, order, 1),
        (at.threshold[cells.item] - severity[:, None]) * phi[:, None], at.guess[cells.item],
        np.append(at.mean, np.zeros(extra)), cov,
    )  # fmt: skip


def as_items(wide: Parameters) -> Items:
    """Spelled-out parameters as items."""
    return Items(wide.skill, wide.slope, wide.threshold, wide.guess)


def jacobian(at: Parameters, many: Facets) -> Floats:
    """J (V, p̃, p + 2 + E): columns are the item's slopes and thresholds, then ρ, log φ and log ω of each kind."""
    cells, (k, most) = many.cells, (at.slope.shape[1], at.threshold.shape[1])
    own, wide, kinds = at.slope[cells.item], at.width[cells.item], cells.kinds
    steep = np.maximum(np.linalg.norm(own, axis=1), 1e-9)
    phi = np.exp(_of_rater(many.log_discrimination, cells.rater, 0.0))
    rho = _of_rater(many.severity, cells.rater, 0.0)
    level = k + kinds + np.arange(most)
    out = np.zeros((len(cells), k + kinds + most, k + most + 2 + kinds))
    for t in range(k):
        out[:, t, t] = np.where(t < wide, phi, 0.0)
        out[:, level, t] = (-phi * rho * own[:, t] / steep)[:, None]
        out[:, t, k + most + 1] = phi * own[:, t]
    out[:, level, k + np.arange(most)] = phi[:, None]
    out[:, level, k + most] = (-phi * steep)[:, None]
    cut = np.where(np.isfinite(at.threshold), at.threshold, 0.0)[cells.item]
    out[:, level, k + most + 1] = phi[:, None] * (cut - (rho * steep)[:, None])
    for e in range(kinds):  # effects stand right behind the item's own loadings
        row = wide + (cells.effect[:, :e] >= 0).sum(1)
        has = np.flatnonzero(cells.effect[:, e] >= 0)
        omega = np.exp(many.log_effect[e])
        out[has[:, None], row[has, None], np.arange(k)] = omega * phi[has, None] * own[has] / steep[has, None]
        out[has, row[has], k + most + 1] = out[has, row[has], k + most + 2 + e] = omega * (phi * steep)[has]
    out[cells.rater < 0, :, k + most : k + most + 2] = 0.0
    return out


@dataclass(frozen=True, eq=False)
class Pulled:
    """A pass's statistics as the items' (in `found`) and the raters'."""

    found: Statistics
    gradient: Floats  # (q,)
    curvature: Floats  # (q, q)
    crossed: Floats  # (q, q)
    coupling: Floats  # (I, p, q) curvature between items and raters


def pulled(found: Statistics, at: Parameters) -> Pulled:
    """J'g̃ and J'H̃J summed over cells; the statistics as they are where there are no raters."""
    rows, p = len(at.guess), at.slope.shape[1] + at.threshold.shape[1]
    if at.facets is None:
        return Pulled(found, np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((rows, p, 0)))
    J, T, column = jacobian(at, at.facets), free(at.facets.cells), entries(at.facets.cells)
    g = np.einsum("vij,vi->vj", J, found.gradient)
    H, B = (J.transpose(0, 2, 1) @ part @ J for part in (found.curvature, found.crossed))
    item, size = at.facets.cells.item, len(T)
    where = np.where(column < 0, size, column)
    pull, between = np.zeros(size + 1), np.zeros((rows, size + 1, p))
    np.add.at(pull, where, g[:, p:])
    np.add.at(between, (item[:, None], where), H[:, p:, :p])
    skills = len(at.mean)
    items = replace(
        found, gradient=_summed(g[:, :p], item, rows), curvature=_summed(H[:, :p, :p], item, rows),
        crossed=_summed(B[:, :p, :p], item, rows), mean=found.mean[:skills], cov=found.cov[:skills, :skills],
    )  # fmt: skip
    own = [_square(part[:, p:, p:], where, T) for part in (H, B)]
    return Pulled(items, T.T @ pull[:size], own[0], own[1], between[:, :size].transpose(0, 2, 1) @ T)


def _summed(table: Floats, row: Ints, rows: int) -> Floats:
    out = np.zeros((rows, *table.shape[1:]))
    np.add.at(out, row, table)
    return out


def _square(part: Floats, where: Ints, T: Floats) -> Floats:
    """Cells' matrices of (ρ, log φ, log ω) as one of the free parameters."""
    size = len(T)
    whole = np.zeros((size + 1, size + 1))
    np.add.at(whole, (where[:, :, None], where[:, None, :]), part)
    return np.asarray(T.T @ whole[:size, :size] @ T)


def prior_of(many: Facets) -> tuple[Floats, Floats]:
    """Gradient (q,) and curvature (q, q) of the log prior."""
    raters, T = many.cells.raters, free(many.cells)
    sd = np.repeat([many.severity_sd, many.discrimination_sd, EFFECT_SD], [raters, raters, many.cells.kinds])
    away = np.concatenate([many.severity, many.log_discrimination, many.log_effect - EFFECT])
    return -T.T @ (away / sd**2), (T.T / sd**2) @ T


def whole_step(seen: Pulled, at: Parameters, prior: Priors | None, rules: Rules) -> tuple[Parameters, Priors | None]:
    """The next parameters, raters' among them, and the priors learnt anew."""
    if at.facets is None:
        return m_step(seen.found, at, prior, rules)
    many, (gradient, curvature), (own, stiff) = at.facets, prior_terms(at, prior), prior_of(at.facets)
    coupling = np.where(rules.fixed[:, None, None], 0.0, seen.coupling)
    used = bordered(seen.found.curvature + curvature, at)
    through = np.linalg.solve(used, coupling)  # H_i⁻¹ B_i
    hold = seen.curvature + stiff - np.einsum("ipq,ipr->qr", coupling, through)
    pull = seen.gradient + own - np.einsum("ipq,ip->q", through, seen.found.gradient + gradient)
    delta = np.linalg.solve(hold, pull)
    delta *= min(1.0, LONGEST / max(float(np.abs(delta).max(initial=0.0)), 1e-300))
    target, prior = m_step(replace(seen.found, gradient=seen.found.gradient - coupling @ delta), at, prior, rules)
    return replace(target, facets=learnt(unpacked(packed(many) + delta, many), seen)), prior


def learnt(many: Facets, seen: Pulled) -> Facets:
    """Spreads of the raters, what is unsure of each added, with STRENGTH raters' worth of what is usual."""
    raters, T = many.cells.raters, free(many.cells)
    if not raters:
        return many
    unsure = np.diag(T @ np.linalg.inv(seen.crossed + prior_of(many)[1]) @ T.T)
    sds = []
    for values, variance, usual in (
        (many.severity, unsure[:raters], SEVERITY_SD),
        (many.log_discrimination, unsure[raters : 2 * raters], DISCRIMINATION_SD),
    ):
        total = (values**2 + np.minimum(variance, usual**2)).sum() + STRENGTH * usual**2
        sds.append(float(np.sqrt(total / (raters + STRENGTH))))
    return replace(many, severity_sd=sds[0], discrimination_sd=sds[1])


def errors(seen: Pulled, at: Parameters) -> Floats:
    """A rough standard error of each entry of `packed`."""
    if at.facets is None:
        return np.zeros(0)
    return np.sqrt(np.diag(np.linalg.inv(seen.crossed + prior_of(at.facets)[1])))


def by_item(answers: Answers, gradient: Floats, at: Parameters) -> tuple[Ints, Floats, Floats]:
    """Grades' gradients (N, p̃) as (item (N,), in its parameters (N, p)), and persons' in raters and effects (P, q)."""
    if at.facets is None:
        return answers.item, gradient, np.zeros((len(answers), 0))
    cells, p = at.facets.cells, at.slope.shape[1] + at.threshold.shape[1]
    J, column, T = jacobian(at, at.facets), entries(cells), free(cells)
    parts = np.array_split(np.arange(len(answers.item)), 1 + len(answers.item) // SLICE)
    g = np.concatenate([np.einsum("ni,nij->nj", gradient[n], J[answers.item[n]]) for n in parts])
    where = column[answers.item]
    real = where >= 0
    person = np.broadcast_to(answers.person[:, None], where.shape)
    own = csr_array((g[:, p:][real], (person[real], where[real])), shape=(len(answers), len(T)))
    return cells.item[answers.item], g[:, :p], np.asarray(own @ T)


# -- what a fit says of raters ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Panel:
    """Raters and effects of a fit, with standard errors."""

    cells: Cells  # of the fitted items and raters
    kept_cells: Ints  # rows of the cells that were given
    kept_raters: Ints  # (R',) numbers among the raters that were given
    severity: Floats  # (R',) in sds of the skill
    severity_se: Floats
    log_discrimination: Floats  # (R',)
    log_discrimination_se: Floats
    effect: Floats  # (E,) ω, in sds of the skill
    effect_se: Floats
    severity_sd: float
    discrimination_sd: float

    def answers(self, answers: Answers) -> Answers:
        """Grades in the numbering of all cells as answers to the fitted ones; others are left out."""
        place = np.full(1 + max(int(answers.item.max(initial=0)), int(self.kept_cells.max(initial=0))), -1)
        place[self.kept_cells] = np.arange(len(self.kept_cells))
        some = answers.where(place[answers.item] >= 0)
        return Answers(some.start, place[some.item], some.level, some.weight)

    def read(self, items: Items, mean: Floats, cov: Floats) -> tuple[Items, Floats, Floats]:
        """(cells as items, mean and covariance with the effects behind the skills)."""
        many = Facets(self.cells, self.severity, self.log_discrimination, np.log(self.effect), 1.0, 1.0)
        at = spelled(replace(parameters(items, mean, cov), facets=many))
        return as_items(at), at.mean, at.cov


def panel(task: Task, many: Facets, covariance: Floats) -> Panel:
    """What a fit says, from the covariance (q, q) of the free parameters."""
    T, raters = free(many.cells), many.cells.raters
    se = np.sqrt(np.maximum(np.diag(T @ covariance @ T.T), 0.0))
    effect = np.exp(many.log_effect)
    return Panel(
        many.cells, task.kept_cells, task.raters, many.severity, se[:raters], many.log_discrimination,
        se[raters : 2 * raters], effect, effect * se[2 * raters :], many.severity_sd, many.discrimination_sd,
    )  # fmt: skip
