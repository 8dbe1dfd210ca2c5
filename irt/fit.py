r"""May this calibration be published? How the answers depart from it, each with an effect size.

Everything rests on one idea: foresee each answer from the same person's other answers,

    p_jk = ∫ P(Y_j = k | s) N(s; m_c, v_c) ds       (the cavity of irt.estep: own answer left out)

which is what the model says before it has seen the answer. So sparse and adaptive data need no total scores.

Items: χ² and root mean squared difference of observed and foreseen mean scores over groups of persons with
like expectations. Persons: standardised log-probability of their answers (an l_z that pays for what is
unknown of θ). Pairs: Yen's Q3 on the residuals, less its mean over like pairs. Groups: `irt.dif`; raters:
`irt.rater_fit`.

Items are known with errors. With C_j their covariance and D = ∂E/∂(a, d), misfits of cells on answers that the items
were not fitted on have covariance diag(v) + D C D'; where they were, what was fitted takes some freedom instead. A
person's log-probability gains h'C h, h = Σ_k (∂P_k) log P_k.

References: Orlando & Thissen (2000); Drasgow, Levine & Williams (1985); Yen (1984); Christensen, Makransky &
Horton (2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import chi2

from irt.design import Answers, Flags
from irt.estep import e_step, foresee, no_sites, parameters, room_for_scores, settle
from irt.model import Floats, Ints, Items, fisher, probability

TINY = 1e-300


class Foreseen(NamedTuple):
    """What the model says of each answer before seeing it, (N,) each but `chance`."""

    chance: Floats  # (N, K) of each level
    expected: Floats  # mean level
    variance: Floats  # of the level
    residual: Floats  # (level - expected) / sd
    slope: Floats  # (N, p) of the expected level in the item's slopes and thresholds
    lean: Floats  # (N, p) Σ_k ∂P_k log P_k: of the mean log-probability, if the answers follow other parameters


class Compared(NamedTuple):
    """What was reached on an item and what was foreseen, (M,) each but `slope` and `shared`."""

    person: Ints
    item: Ints
    level: Floats  # where several raters graded it, their mean
    expected: Floats
    variance: Floats
    slope: Floats  # (M, p) of `expected` in the item's slopes and thresholds
    shared: csr_array | None = None  # (M, q) the same in what raters and effects are known by

    @property
    def residual(self) -> Floats:
        """Gap of what was reached, in sds."""
        gap: Floats = (self.level - self.expected) / np.sqrt(np.maximum(self.variance, 1e-9))
        return gap


def compared(answers: Answers, seen: Foreseen) -> Compared:
    """Answers as they are, each foreseen from the person's others."""
    return Compared(
        answers.person, answers.item, answers.level.astype(float), seen.expected, seen.variance, seen.slope
    )  # fmt: skip


def foreseen(items: Items, mean: Floats, cov: Floats, answers: Answers) -> Foreseen:
    """Each answer from the same person's other answers."""
    at = parameters(items, mean, cov)
    sites = settle(answers, at, no_sites(answers))
    levels = int(items.levels.max())
    chance, scores = np.zeros((len(answers.item), levels)), room_for_scores(answers, at)
    slope, lean = np.zeros(scores.answer.shape), np.zeros(scores.answer.shape)
    for k in range(levels):
        possible = items.levels[answers.item] > k
        asked = Answers(answers.start, answers.item, np.where(possible, k, 0), answers.weight)
        chance[:, k] = np.where(possible, np.exp(foresee(asked, at, sites)), 0.0)
        if k:  # what level k gains in chance, level 0 and the others lose
            e_step(asked, at, sites, 0.0, scores)
            change = chance[:, k, None] * scores.answer
            slope += k * change
            lean += change * np.where(possible, np.log(np.maximum(chance[:, k], TINY) / chance[:, 0]), 0.0)[:, None]
    chance /= chance.sum(1, keepdims=True)
    expected = chance @ np.arange(levels)
    variance = chance @ np.arange(levels) ** 2 - expected**2
    residual = (answers.level - expected) / np.sqrt(np.maximum(variance, 1e-9))
    return Foreseen(chance, expected, variance, residual, slope, lean)


class ItemFit(NamedTuple):
    """Of each item, (I,)."""

    answers: Ints
    chi2: Floats
    freedom: Ints
    p_value: Floats
    rmsd: Floats  # of observed and foreseen mean scores, in shares of the top level; .05 is much


def item_fit(
    items: Items, seen: Compared, groups: int = 8, errors: Floats | None = None, shared: Floats | None = None
) -> ItemFit:
    """Observed against foreseen mean levels in groups of persons with like expectations; few answers, few groups.

    errors: covariances (I, p, p) of the items' parameters, where they come from other answers than these; shared:
    variances (q,) of what raters and effects are known by, likewise.
    """
    rows = len(items)
    count = np.bincount(seen.item, minlength=rows)
    square, rmsd, freedom = np.zeros(rows), np.zeros(rows), np.ones(rows, dtype=np.int64)
    order = np.lexsort((seen.expected, seen.item))
    ends = np.concatenate([[0], np.cumsum(count)])
    for i in np.nonzero(count)[0]:
        parts = min(groups, max(1, count[i] // 20))
        cells = [order[ends[i] :][c] for c in np.array_split(np.arange(count[i]), parts)]
        gap = np.array([(seen.level[c] - seen.expected[c]).sum() for c in cells])
        size = np.array([len(c) for c in cells])
        # what is left to chance in a cell has the variance the model foresees
        spread = np.diag([seen.variance[c].sum() for c in cells])
        if errors is not None:
            spread += unsure(seen, cells, errors[i], shared)
        square[i] = gap @ np.linalg.solve(spread, gap)
        top = items.levels[i] - 1
        rmsd[i] = np.sqrt(max(np.average((gap**2 - np.diag(spread)) / size**2, weights=size), 0.0)) / top
        freedom[i] = max(parts - (errors is None), 1)  # parameters fitted to single answers cost the cells less
    return ItemFit(count, square, freedom, chi2.sf(square, freedom), rmsd)


def unsure(seen: Compared, cells: list[Ints], error: Floats, shared: Floats | None) -> Floats:
    """Covariance of cells' sums from not knowing an item, and who graded it, exactly."""
    move = np.array([seen.slope[c].sum(0) for c in cells])
    spread: Floats = move @ error @ move.T
    if seen.shared is not None and shared is not None:
        move = np.array([seen.shared[c].sum(0) for c in cells])
        spread = spread + (move * shared) @ move.T
    return spread


class Curve(NamedTuple):
    """One item's answers in groups of persons with like expectations, (C,); scores in shares of the top level."""

    persons: Ints
    foreseen: Floats
    observed: Floats
    se: Floats  # of `observed`, by the model


def item_curve(items: Items, seen: Compared, item: int, groups: int = 8) -> Curve:
    """Foreseen and observed mean scores of one item, as `item_fit` compares them."""
    rows = np.flatnonzero(seen.item == item)
    rows = rows[np.argsort(seen.expected[rows], kind="stable")]
    cells = [c for c in np.array_split(rows, min(groups, max(1, len(rows) // 20))) if len(c)]
    size, top = np.array([len(c) for c in cells], dtype=np.int64), items.levels[item] - 1
    mean = [np.array([x[c].mean() for c in cells]) / top for x in (seen.expected, seen.level)]
    noise = np.array([seen.variance[c].sum() for c in cells])
    return Curve(size, mean[0], mean[1], np.sqrt(noise) / np.maximum(size, 1) / top)


def leaning(seen: Foreseen, item: Ints, errors: Floats) -> Floats:
    """Variance (N,) of answers' log-probabilities from not knowing items exactly; errors (I, p, p)."""
    found: Floats = np.einsum("np,npq,nq->n", seen.lean, errors[item], seen.lean)
    return found


def person_fit(answers: Answers, seen: Foreseen, unsure: Floats | None = None) -> Floats:
    """Standardised log-probability of each person's answers (P,); far below 0 is odd. nan without answers.

    unsure (N,): further variance of each answer's log-probability, see `leaning`.

    The sum leans to the left, the more so the fewer the answers; its skewness is taken out as that of a gamma
    variable would be (Wilson & Hilferty, 1931), so that 5 % of people are below -1.645 (Bedrick, 1997, for the idea).
    """
    log_p = np.log(np.maximum(seen.chance, 1e-300))
    said = np.take_along_axis(log_p, answers.level[:, None], 1)[:, 0]
    mean = (seen.chance * log_p).sum(1)
    away = np.where(seen.chance > 0, log_p - mean[:, None], 0.0)
    people = len(answers)
    total = np.bincount(answers.person, said - mean, minlength=people)
    own = (seen.chance * away**2).sum(1)
    if unsure is not None:
        own += unsure
    spread = np.bincount(answers.person, own, minlength=people)
    third = np.bincount(answers.person, (seen.chance * away**3).sum(1), minlength=people)
    with np.errstate(invalid="ignore", divide="ignore"):
        z, skew = total / np.sqrt(spread), np.minimum(third / spread**1.5, -1e-3)
    return (6 / skew) * (np.cbrt(1 + skew * z / 2) - 1) + skew / 6


class Dependence(NamedTuple):
    """Pairs of items, strongest first."""

    first: Ints
    second: Ints
    persons: Ints  # who answered both
    q3: Floats  # correlation of residuals less its mean over pairs that share a skill, or do not; .2 is much
    z: Floats  # q3 in standard errors


def local_dependence(
    items: Items, seen: Compared, people: int, least: int = 50, kinds: Ints | None = None
) -> Dependence:
    """Yen's Q3 of all pairs that `least` persons answered both of; kinds (I, I): which are alike, if not by skills."""
    shape = (people, len(items))
    x = csr_array((seen.residual, (seen.person, seen.item)), shape=shape)
    one = csr_array((np.ones(len(seen.item)), (seen.person, seen.item)), shape=shape)
    one.data[:] = 1.0  # an item that a person answered twice is one item
    both, cross = (one.T @ one).toarray(), (x.T @ x).toarray()
    left = (x.power(2).T @ one).toarray()
    first_item, second_item = np.nonzero(np.triu(both >= least, 1))
    persons = both[first_item, second_item]
    scale = np.sqrt(left[first_item, second_item] * left[second_item, first_item])
    raw = cross[first_item, second_item] / np.maximum(scale, 1e-12)
    related = (items.dense(1 + int(items.skill.max())) != 0).astype(int)
    shared = (related[first_item] * related[second_item]).sum(1) > 0
    kin = shared.astype(int) if kinds is None else kinds[first_item, second_item]
    q3: Floats = np.array(raw, dtype=np.float64)
    for kind in np.unique(kin):  # own answers left out, residuals of one skill lean against each other
        pairs = kin == kind
        q3[pairs] -= np.average(raw[pairs], weights=persons[pairs])
    order = np.argsort(-np.abs(q3), kind="stable")
    first_item, second_item, persons, q3 = first_item[order], second_item[order], persons[order], q3[order]
    return Dependence(first_item, second_item, persons.astype(np.int64), q3, q3 * np.sqrt(persons))


class CorrelationCheck(NamedTuple):
    """Of each pair of skills, whether simulated answers correlate as the real ones do."""

    first: Ints
    second: Ints
    observed: Floats  # mean product of a person's mean residuals on the two skills
    z: Floats  # distance from the simulated ones, in their sds


def correlation_check(
    items: Items, mean: Floats, cov: Floats, answers: Answers, rng: np.random.Generator, draws: int = 20,
    skills: int | None = None,
) -> CorrelationCheck:  # fmt: skip
    """A predictive check: skill by skill mean scores, their products over persons, against `draws` simulated sets.

    skills: how many of the columns are skills; those behind them are effects of answers.
    """
    count_of = len(mean) if skills is None else skills
    theta = [rng.multivariate_normal(mean, cov, len(answers), method="cholesky") for _ in range(draws)]
    chances = [_chance(t, items, answers) for t in theta]
    expected = np.mean([c @ np.arange(c.shape[1]) for c in chances], axis=0)
    drawn = [(rng.random((len(c), 1)) > c.cumsum(1)[:, :-1]).sum(1) for c in chances]
    first_skill, second_skill = np.tril_indices(count_of, -1)
    count = np.maximum(np.bincount(answers.item, minlength=len(items)), 1)
    typical = (np.bincount(answers.item, expected, len(items)) / count)[answers.item]
    loads = items.dense(len(mean))[:, :count_of] != 0
    products = np.array([_products(loads, answers, x - typical) for x in [answers.level, *drawn]])
    pairs = products[:, first_skill, second_skill]
    z = (pairs[0] - pairs[1:].mean(0)) / np.maximum(pairs[1:].std(0, ddof=1), 1e-12)
    return CorrelationCheck(first_skill, second_skill, pairs[0], z)


def _chance(theta: Floats, items: Items, answers: Answers) -> Floats:
    some = items.rows(answers.item)
    return probability((theta[answers.person[:, None], some.skill] * some.slope).sum(1), some)


def _products(looks: Flags, answers: Answers, residual: Floats) -> Floats:
    """Mean over persons of the products of mean residuals on two skills, (D, D); looks (I, D): what items ask."""
    loads = looks[answers.item].astype(float)
    total, count = np.zeros((len(answers), looks.shape[1])), np.zeros((len(answers), looks.shape[1]))
    np.add.at(total, answers.person, residual[:, None] * loads)
    np.add.at(count, answers.person, loads)
    level = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    both = (count > 0).astype(float)
    product: Floats = (level.T @ level) / np.maximum(both.T @ both, 1.0)
    return product


def reliability(means: Floats, sds: Floats) -> Floats:
    """Share of the skills' variance that scores (P, D) carry, (D,): Var(mean) / (Var(mean) + mean of sd²)."""
    between = means.var(0)
    return between / np.maximum(between + (sds**2).mean(0), 1e-300)


def bank_coverage(items: Items, skills: int, levels: Floats, best: int = 20, noise: Floats | float = 0.0) -> Floats:
    """Information about each skill at each level from its `best` items there, (D, levels).

    noise (I,): variance of s that says nothing of the skills, as of what all grades of an answer share.
    """
    dense = items.dense(skills)
    found = np.zeros((skills, len(levels)))
    for n, level in enumerate(levels):
        known = fisher(dense.sum(1) * level, items)
        each = (known / (1 + known * noise))[:, None] * dense**2  # (I, D)
        found[:, n] = np.sort(each, axis=0)[::-1][:best].sum(0)
    return found
