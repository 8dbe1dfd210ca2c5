r"""How grades depart from a calibration with raters: of items, as others of the person foresee them, and of raters.

**Items.** An item's fit must not lean on other grades of the same answer on the same item, which share whatever is
wrong with it. So these are left out together: with N(m, v) the belief about s = φ (a·θ + |a| Σ_e ω_e u_e) from
everything else, all its raters read one quality, s_r = m_r + sqrt(v_r) x, one x ~ N(0, 1) for all. Their mean score has

    E = Σ_r E_r / R,   E_r = ∫ E(Y | s_r) φ(x) dx,     Var = [Σ_r ∫ Var(Y | s_r) + Var_x(Σ_r E(Y | s_r))] / R²

**Raters.** Each grade is foreseen from all others of the person, those of the same answer by other raters among them.
With residual e and variance v,

    infit = Σ e² / Σ v,     outfit = mean of e² / v,        both 1 in expectation, Var(infit) = Σ_p (Σ e² - v)² / (Σ v)²

p a person; above 1 a rater is erratic, below 1 it goes along with the others. A rater's deviation on an item is the
shift of its severity there that makes its grades likeliest, given everything else; less what the rater does everywhere
(how far it moved since the scale was made) and the item to everybody, by weighted least squares.

References: Linacre (1989), Many-Facet Rasch Measurement, for infit and outfit; Myford & Wolfe (2003), JAM 4, for raters
by criteria.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit, logsumexp
from scipy.stats import norm

from irt.design import Answers, Flags
from irt.estep import Parameters, e_step, no_sites, outlook, room_for_scores, settle
from irt.facet_step import SLICE, as_items, jacobian, spelled
from irt.facets import SHARES, Cells, Facets, entries
from irt.fit import Compared, Foreseen
from irt.model import Floats, Ints, Items, probability
from irt.person import Sites

NODES = 21
STEPS, ENDED, FARTHEST = 25, 1e-3, 1.0  # of scoring: at most, and the step at which it ends, and the longest
TINY = 1e-300
ALONE = 0.99  # leverage from which a cell is all that is known of its rater or item: it cannot deviate


def raters_of(at: Parameters) -> Facets:
    assert at.facets is not None  # noqa: S101 -- asked of scales with raters only
    return at.facets


# -- items -----------------------------------------------------------------------------------------


def compared(at: Parameters, answers: Answers) -> Compared:
    """Mean grades of every person, answer and item, foreseen from all other grades; answers are to cells."""
    wide = spelled(at)
    table, group, number = marks_of(raters_of(at).cells, answers)
    m, v, mean, lean = _left_out(answers, wide, settle(answers, wide, no_sites(answers)), number)
    x, w = _nodes()
    scored, spread, slope = _read_off(as_items(wide), answers.item, (m, v, mean, lean), x, w)
    size = np.bincount(group)
    total = np.array([np.bincount(group, one) for one in scored])  # (Q, M)
    expected = w @ total
    variance = np.bincount(group, spread) + w @ total**2 - expected**2
    own, shared = _pulled_back(at, answers, slope, group, len(table))
    level = np.bincount(group, answers.level.astype(float))
    return Compared(
        table[:, 0], table[:, 1], level / size, expected / size, variance / size**2, own / size[:, None],
        csr_array(shared.multiply(1 / size[:, None])),
    )  # fmt: skip


def marks_of(cells: Cells, answers: Answers) -> tuple[Ints, Ints, Ints]:
    """(person, item, … (M, …); which of them each grade is of (N,); its number within the person (N,))."""
    key = np.column_stack([answers.person, cells.item[answers.item], cells.effect[answers.item]])
    table, group = np.unique(key, axis=0, return_inverse=True)
    group = group.ravel()
    return table, group, group - np.searchsorted(table[:, 0], answers.person)


def _nodes() -> tuple[Floats, Floats]:
    x, w = np.polynomial.hermite_e.hermegauss(NODES)
    return x, w / w.sum()


def _left_out(answers: Answers, wide: Parameters, sites: Sites, number: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """As `irt.estep.outlook`, each answer without the sites of those that have its number within the person."""
    found = outlook(answers, wide, no_sites(answers))
    for n in range(int(number.max(initial=-1)) + 1):
        mine = number == n
        rest = outlook(answers, wide, Sites(*(np.where(mine, 0.0, part) for part in sites)))
        for kept, part in zip(found, rest, strict=True):
            kept[mine] = part[mine]
    return found


def _read_off(
    items: Items, cell: Ints, seen: tuple[Floats, ...], x: Floats, w: Floats
) -> tuple[Floats, Floats, Floats]:
    """Of each answer: scores at the nodes (Q, N), mean variance (N,), slope of the mean score in its cell (N, p̃).

    By Stein's identity E f'(s) = E f(s) x / √v and E f'(s) x = E f(s) (x² - 1) / √v.
    """
    k, most = items.slope.shape[1], items.threshold.shape[1]
    scored, spread, slope = np.empty((len(x), len(cell))), np.empty(len(cell)), np.empty((len(cell), k + most))
    levels = np.arange(most + 1)
    for part in np.array_split(np.arange(len(cell)), 1 + len(cell) // SLICE):
        m, v, mean, lean = (one[part] for one in seen)
        sd = np.sqrt(v)
        chance = probability(m + sd * x[:, None], items.rows(cell[part]))  # (Q, n, K)
        scored[:, part] = score = chance @ levels
        spread[part] = w @ (chance @ levels**2 - score**2)
        first, second = (w * x) @ score / sd, (w * (x**2 - 1)) @ score / sd
        slope[part, :k] = mean * first[:, None] + lean * (second / sd)[:, None]
        reach = chance[..., ::-1].cumsum(-1)[..., ::-1][..., 1:]
        slope[part, k:] = np.einsum("q,qnk->nk", w * x, reach) / sd[:, None]
    return scored, spread, slope


def _pulled_back(at: Parameters, answers: Answers, slope: Floats, group: Ints, groups: int) -> tuple[Floats, csr_array]:
    """Slopes in cells' parameters as sums over groups, in the items' (M, p) and in what is shared (M, 2R + E)."""
    many, p = raters_of(at), at.slope.shape[1] + at.threshold.shape[1]
    g = per_grade(at, answers, slope)
    own: Floats = np.column_stack([np.bincount(group, g[:, n], minlength=groups) for n in range(p)]).astype(float)
    column = entries(many.cells)[answers.item]
    real = column >= 0
    row = np.broadcast_to(group[:, None], column.shape)
    size = 2 * many.cells.raters + many.cells.kinds
    return own, csr_array((g[:, p:][real], (row[real], column[real])), shape=(groups, size))


def per_grade(at: Parameters, answers: Answers, slope: Floats) -> Floats:
    """Slopes (N, p̃) in cells' parameters as ones in (item, ρ, log φ, log ω), (N, p + 2 + E)."""
    J = jacobian(at, raters_of(at))
    parts = np.array_split(np.arange(len(answers.item)), 1 + len(answers.item) // SLICE)
    return np.concatenate([np.einsum("ni,nij->nj", slope[n], J[answers.item[n]]) for n in parts])


def leaning(at: Parameters, answers: Answers, seen: Foreseen, errors: Floats, shared: Floats) -> Floats:
    """As `irt.fit.leaning`, of grades: items' errors (I, p, p), and variances (2R + E,) of raters and effects."""
    cells, p = raters_of(at).cells, errors.shape[1]
    lean = per_grade(at, answers, seen.lean)
    column = entries(cells)[answers.item]
    variance = np.append(shared, 0.0)[column]  # -1: none
    own = np.einsum("np,npq,nq->n", lean[:, :p], errors[cells.item[answers.item]], lean[:, :p])
    found: Floats = own + (lean[:, p:] ** 2 * variance).sum(1)
    return found


def kinds(at: Parameters, answers: Answers) -> Ints:
    """(I, I) equal where pairs of items ask the same two skills, and both or neither of some one answer."""
    items = len(at.guess)
    main = at.skill[np.arange(items), np.abs(at.slope).argmax(1)]
    low, high = np.minimum.outer(main, main), np.maximum.outer(main, main)
    found: Ints = 2 * (low * len(at.mean) + high) + _together(answers, raters_of(at).cells, items)
    return found


def _together(answers: Answers, cells: Cells, items: int) -> Flags:
    """(I, I) items that some answer has in common; none where answers have no effects of their own."""
    if SHARES[0] not in cells.shares:
        return np.zeros((items, items), dtype=bool)
    effect = cells.effect[answers.item, cells.shares.index(SHARES[0])]
    real = effect >= 0
    group = np.unique(answers.person[real] * (cells.effects + 1) + effect[real], return_inverse=True)[1].ravel()
    item = cells.item[answers.item][real]
    asked = csr_array((np.ones(len(item)), (group, item)), shape=(int(group.max(initial=-1)) + 1, items))
    found: Flags = (asked.T @ asked).toarray() > 0
    return found


# -- raters ----------------------------------------------------------------------------------------


class RaterFit(NamedTuple):
    """Of each rater, (R,); nan without grades."""

    grades: Ints
    infit: Floats
    outfit: Floats
    z: Floats  # infit, standardised
    p_value: Floats


def rater_fit(cells: Cells, answers: Answers, seen: Foreseen, fitted: Floats | None = None) -> RaterFit:
    """Mean squares of each rater's grades against what all other grades of the person let expect.

    fitted (N, 2): slopes of the log-likelihood in each grade's severity and log discrimination, where these were fitted
    on these very grades: a discrimination takes up most of what is odd, and z allows for that.
    """
    by = cells.rater[answers.item] >= 0
    rater, person = cells.rater[answers.item][by], answers.person[by]
    e2, variance = ((answers.level - seen.expected) ** 2)[by], seen.variance[by]
    grades = np.bincount(rater, minlength=cells.raters)
    spread = np.array([
        _spread(person[mine], (e2 - variance)[mine], None if fitted is None else fitted[by][mine])
        for mine in (rater == r for r in range(cells.raters))
    ])  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.bincount(rater, variance, minlength=cells.raters)
        infit = np.bincount(rater, e2, minlength=cells.raters) / known
        outfit = np.bincount(rater, e2 / np.maximum(variance, 1e-9), minlength=cells.raters) / grades
        z = (infit - 1) * known / spread
    return RaterFit(grades, infit, outfit, z, np.where(grades > 0, 2 * norm.sf(np.abs(z)), np.nan))


def _spread(person: Ints, away: Floats, fitted: Floats | None) -> float:
    """Standard deviation of a sum over persons, of what is left once the sums of `fitted` are nought."""
    if not len(person):
        return np.nan
    total: Floats = np.bincount(person, away).astype(float)
    if fitted is not None:
        known = np.column_stack([np.bincount(person, one) for one in fitted.T])
        total = total - known @ np.linalg.lstsq(known, total)[0]
    return float(np.sqrt(total @ total))


class Moved(NamedTuple):
    """Parameters that shift s of some grades, (Q,): estimates with errors; inf where the grades do not tell."""

    size: Floats
    se: Floats


def moved(at: Parameters, answers: Answers, sites: Sites, lean: Floats, owner: Ints, count: int) -> Moved:
    """Shifts of s by lean (N,) times parameter `owner` (N,), -1: none, by maximum likelihood given all else.

    All grades of an answer on an item are one mark, whose likelihood is ∫ Π_r P(y_r | s_r + shift) φ(x) dx as above;
    scoring steps with the squares of persons' slopes until they end.
    """
    wide = spelled(at)
    _, group, number = marks_of(raters_of(at).cells, answers)
    m, v, *_ = _left_out(answers, wide, sites, number)
    items, (x, w) = as_items(wide).rows(answers.item), _nodes()
    base, size = m + np.sqrt(v) * x[:, None], np.zeros(count)
    has = owner >= 0
    who, place = np.unique(answers.person[has] * count + owner[has], return_inverse=True)
    known: Floats = np.zeros(count)
    for _ in range(STEPS):
        shift = lean * np.append(size, 0.0)[owner]
        slope = _slopes(base + shift, items, answers.level, group, w) * lean
        pull = np.bincount(place.ravel(), slope[has])
        known = np.bincount(who % count, pull**2, minlength=count).astype(float)
        step = np.bincount(who % count, pull, minlength=count) / np.maximum(known, TINY)
        size = size + np.clip(step, -FARTHEST, FARTHEST)
        if np.abs(step).max(initial=0.0) < ENDED:
            break
    with np.errstate(divide="ignore"):
        return Moved(np.where(known > 0, size, 0.0), 1 / np.sqrt(known))


def _slopes(s: Floats, items: Items, level: Ints, group: Ints, w: Floats) -> Floats:
    """Of the log-likelihood of marks in each grade's s (N,); s (Q, N) at the nodes of weights w."""
    z = items.guess[:, None] + (1 - items.guess[:, None]) * expit(s[..., None] + items.threshold)
    bend = (1 - items.guess[:, None]) * expit(s[..., None] + items.threshold) * expit(-s[..., None] - items.threshold)
    ends = [*s.shape, 1]
    reach = np.concatenate([np.ones(ends), z, np.zeros(ends)], -1)
    change = np.concatenate([np.zeros(ends), bend, np.zeros(ends)], -1)
    at = np.broadcast_to(level[:, None], ends)
    chance, turn = (
        np.take_along_axis(one, at, -1)[..., 0] - np.take_along_axis(one, at + 1, -1)[..., 0] for one in (reach, change)
    )
    log_p = np.log(np.maximum(chance, TINY))
    whole = np.array([np.bincount(group, one) for one in log_p]) + np.log(w)[:, None]
    weight = np.exp(whole - logsumexp(whole, axis=0))  # (Q, M)
    found: Floats = (weight[:, group] * turn / np.maximum(chance, TINY)).sum(0)
    return found


def slopes(at: Parameters, answers: Answers) -> Floats:
    """Of the log-likelihood in each grade's severity and log discrimination, (N, 2)."""
    wide = spelled(at)
    scores, p = room_for_scores(answers, wide), at.slope.shape[1] + at.threshold.shape[1]
    e_step(answers, wide, settle(answers, wide, no_sites(answers)), 0.0, scores)
    return per_grade(at, answers, scores.answer)[:, p : p + 2]


class Deviations(NamedTuple):
    """How much stricter raters are than the scale says, in sds of the skill."""

    moved: Floats  # (R,) on everything; inf errors where the grades cannot tell
    moved_se: Floats
    rater: Ints  # (C,) of the pairs that were graded, surest first
    item: Ints
    size: Floats  # beyond `moved`, and beyond what the item does to everybody
    se: Floats
    persons: Ints


def deviations(at: Parameters, answers: Answers, passes: int = 3) -> Deviations:
    """Raters by items. After each pass raters stand where they were found, so that one's grades mislead nobody else."""
    many, items = raters_of(at), len(at.guess)
    rater, item = many.cells.rater[answers.item], many.cells.item[answers.item]
    by = rater >= 0
    pairs, place = np.unique(rater[by] * items + item[by], return_inverse=True)
    owner = np.full(len(rater), -1)
    owner[by] = place.ravel()
    lean = -np.exp(np.append(many.log_discrimination, 0.0)[rater]) * np.linalg.norm(at.slope, axis=1)[item]
    people = np.bincount(np.unique(answers.person[by] * len(pairs) + place.ravel()) % max(len(pairs), 1))
    total: Floats = np.zeros(many.cells.raters)
    found = None
    for _ in range(passes):
        here = replace(at, facets=replace(many, severity=many.severity + total))
        wide = spelled(here)
        told = moved(here, answers, settle(answers, wide, no_sites(answers)), lean, owner, len(pairs))
        found = _two_ways(pairs // items, pairs % items, told.size, 1 / told.se**2, people, many.cells.raters)
        total = total + found.moved
    assert found is not None  # noqa: S101 -- there is a pass
    return found._replace(moved=total)


def _two_ways(rater: Ints, item: Ints, size: Floats, known: Floats, persons: Ints, raters: int) -> Deviations:
    """Sizes as rater + item + deviation, by least squares weighted with what is known of each pair."""
    if not len(size):
        return Deviations(np.zeros(raters), np.full(raters, np.inf), rater, item, size, size, persons)
    used, r = np.unique(rater, return_inverse=True)
    kept, i = np.unique(item, return_inverse=True)
    x = np.zeros((len(size), len(used) + len(kept)))
    x[np.arange(len(size)), r.ravel()] = x[np.arange(len(size)), len(used) + i.ravel()] = 1.0
    x = x @ _contrasts(len(used), len(kept))
    weighted = x * np.sqrt(known)[:, None]
    cov = np.linalg.pinv(weighted.T @ weighted)
    effect = cov @ weighted.T @ (size * np.sqrt(known))
    leverage = np.einsum("cj,jk,ck->c", weighted, cov, weighted)
    deviates = leverage < ALONE
    moved, moved_se = np.zeros(raters), np.full(raters, np.inf)
    moved[used] = effect[: len(used)]
    moved_se[used] = np.sqrt(np.maximum(np.diag(cov)[: len(used)], 0.0))
    rest = (size - x @ effect)[deviates]
    se = np.sqrt((1 - leverage) / known)[deviates]
    order = np.argsort(-np.abs(rest) / se, kind="stable")
    some = [part[deviates][order] for part in (rater, item, persons)]
    return Deviations(moved, moved_se, some[0], some[1], rest[order], se[order], some[2])


def _contrasts(raters: int, items: int) -> Floats:
    """Columns of raters as they are, of items as departures from their mean: a shift of all items is one of raters."""
    out = np.eye(raters + items)
    out[raters:, raters:] -= 1 / max(items, 1)
    return out
