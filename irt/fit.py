r"""May this calibration be published? How the answers depart from it, each with an effect size.

Everything rests on one idea: foresee each answer from the same person's other answers,

    p_jk = ∫ P(Y_j = k | s) N(s; m_c, v_c) ds       (the cavity of irt.estep: own answer left out)

which is what the model says before it has seen the answer. So sparse and adaptive data need no total scores.

Items: χ² and root mean squared difference of observed and foreseen mean scores over groups of persons with
like expectations. Persons: standardised log-probability of their answers (an l_z that pays for what is
unknown of θ). Pairs: Yen's Q3 on the residuals, less its mean over like pairs. Groups (DIF; drift, if groups are
periods): how many logits easier an item is for the focal group than for the reference at equal skill, each
group with its own mean and covariance, so that a true difference of the groups is not laid at an item's door.

Items are known with errors. With C_j their covariance and D = ∂E/∂(a, d), misfits of cells on answers that the items
were not fitted on have covariance diag(v) + D C D'; where they were, what was fitted takes some freedom instead. A
person's log-probability gains h'C h, h = Σ_k (∂P_k) log P_k, and a shift between groups w'C w, w the difference of what
errors in an item's parameters look like as a shift in either group: errors of easiness cancel, those of slopes do not.

References: Orlando & Thissen (2000); Drasgow, Levine & Williams (1985); Yen (1984); Christensen, Makransky &
Horton (2017); Dorans & Holland (1993) for the classes of DIF.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import chi2

from irt.design import Answers, Flags
from irt.estep import Parameters, e_step, foresee, no_sites, parameters, room_for_scores, settle
from irt.model import Floats, Ints, Items, fisher, probability
from irt.scoring import score

ETS = 2.35  # delta units a logit
SMALL, LARGE = 1.0, 1.5  # delta units: negligible below, large above
TINY = 1e-300
BLUR = 0.43  # standard error, logits, above which a DIF of one delta unit could not be seen


class Foreseen(NamedTuple):
    """What the model says of each answer before seeing it, (N,) each but `chance`."""

    chance: Floats  # (N, K) of each level
    expected: Floats  # mean level
    variance: Floats  # of the level
    residual: Floats  # (level - expected) / sd
    slope: Floats  # (N, p) of the expected level in the item's slopes and thresholds
    lean: Floats  # (N, p) Σ_k ∂P_k log P_k: of the mean log-probability, if the answers follow other parameters


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


def item_fit(items: Items, answers: Answers, seen: Foreseen, groups: int = 8, errors: Floats | None = None) -> ItemFit:
    """Observed against foreseen mean levels in groups of persons with like expectations; few answers, few groups.

    errors: covariances (I, p, p) of the items' parameters, where they come from other answers than these.
    """
    rows = len(items)
    count = np.bincount(answers.item, minlength=rows)
    square, rmsd, freedom = np.zeros(rows), np.zeros(rows), np.ones(rows, dtype=np.int64)
    order = np.lexsort((seen.expected, answers.item))
    ends = np.concatenate([[0], np.cumsum(count)])
    for i in np.nonzero(count)[0]:
        parts = min(groups, max(1, count[i] // 20))
        cells = [order[ends[i] :][c] for c in np.array_split(np.arange(count[i]), parts)]
        gap = np.array([(answers.level[c] - seen.expected[c]).sum() for c in cells])
        size = np.array([len(c) for c in cells])
        # what is left to chance in a cell has the variance the model foresees
        spread = np.diag([seen.variance[c].sum() for c in cells])
        if errors is not None:
            move = np.array([seen.slope[c].sum(0) for c in cells])
            spread += move @ errors[i] @ move.T
        square[i] = gap @ np.linalg.solve(spread, gap)
        top = items.levels[i] - 1
        rmsd[i] = np.sqrt(max(np.average((gap**2 - np.diag(spread)) / size**2, weights=size), 0.0)) / top
        freedom[i] = max(parts - (errors is None), 1)  # parameters fitted to single answers cost the cells less
    return ItemFit(count, square, freedom, chi2.sf(square, freedom), rmsd)


class Curve(NamedTuple):
    """One item's answers in groups of persons with like expectations, (C,); scores in shares of the top level."""

    persons: Ints
    foreseen: Floats
    observed: Floats
    se: Floats  # of `observed`, by the model


def item_curve(items: Items, answers: Answers, seen: Foreseen, item: int, groups: int = 8) -> Curve:
    """Foreseen and observed mean scores of one item, as `item_fit` compares them."""
    rows = np.flatnonzero(answers.item == item)
    rows = rows[np.argsort(seen.expected[rows], kind="stable")]
    cells = [c for c in np.array_split(rows, min(groups, max(1, len(rows) // 20))) if len(c)]
    size, top = np.array([len(c) for c in cells], dtype=np.int64), items.levels[item] - 1
    mean = [np.array([x[c].mean() for c in cells]) / top for x in (seen.expected, answers.level)]
    noise = np.array([seen.variance[c].sum() for c in cells])
    return Curve(size, mean[0], mean[1], np.sqrt(noise) / np.maximum(size, 1) / top)


def person_fit(answers: Answers, seen: Foreseen, errors: Floats | None = None) -> Floats:
    """Standardised log-probability of each person's answers (P,); far below 0 is odd. nan without answers.

    errors: covariances (I, p, p) of the items' parameters.

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
    if errors is not None:
        own += np.einsum("np,npq,nq->n", seen.lean, errors[answers.item], seen.lean)
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


def local_dependence(items: Items, answers: Answers, seen: Foreseen, least: int = 50) -> Dependence:
    """Yen's Q3 of all pairs that `least` persons answered both of."""
    shape = (len(answers), len(items))
    x = csr_array((seen.residual, (answers.person, answers.item)), shape=shape)
    one = csr_array((np.ones(len(answers.item)), (answers.person, answers.item)), shape=shape)
    both, cross = (one.T @ one).toarray(), (x.T @ x).toarray()
    left = (x.power(2).T @ one).toarray()
    first_item, second_item = np.nonzero(np.triu(both >= least, 1))
    persons = both[first_item, second_item]
    scale = np.sqrt(left[first_item, second_item] * left[second_item, first_item])
    raw = cross[first_item, second_item] / np.maximum(scale, 1e-12)
    related = (items.dense(1 + int(items.skill.max())) != 0).astype(int)
    kin = (related[first_item] * related[second_item]).sum(1) > 0
    q3: Floats = np.array(raw, dtype=np.float64)
    for pairs in (kin, ~kin):  # own answers left out, residuals of one skill lean against each other
        q3[pairs] -= np.average(raw[pairs], weights=persons[pairs]) if pairs.any() else 0.0
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
    items: Items, mean: Floats, cov: Floats, answers: Answers, rng: np.random.Generator, draws: int = 20
) -> CorrelationCheck:
    """A predictive check: skill by skill mean scores, their products over persons, against `draws` simulated sets."""
    theta = [rng.multivariate_normal(mean, cov, len(answers), method="cholesky") for _ in range(draws)]
    chances = [_chance(t, items, answers) for t in theta]
    expected = np.mean([c @ np.arange(c.shape[1]) for c in chances], axis=0)
    drawn = [(rng.random((len(c), 1)) > c.cumsum(1)[:, :-1]).sum(1) for c in chances]
    first_skill, second_skill = np.tril_indices(len(mean), -1)
    count = np.maximum(np.bincount(answers.item, minlength=len(items)), 1)
    typical = (np.bincount(answers.item, expected, len(items)) / count)[answers.item]
    products = np.array([_products(items, len(mean), answers, x - typical) for x in [answers.level, *drawn]])
    pairs = products[:, first_skill, second_skill]
    z = (pairs[0] - pairs[1:].mean(0)) / np.maximum(pairs[1:].std(0, ddof=1), 1e-12)
    return CorrelationCheck(first_skill, second_skill, pairs[0], z)


def _chance(theta: Floats, items: Items, answers: Answers) -> Floats:
    some = items.rows(answers.item)
    return probability((theta[answers.person[:, None], some.skill] * some.slope).sum(1), some)


def _products(items: Items, skills: int, answers: Answers, residual: Floats) -> Floats:
    """Mean over persons of the products of mean residuals on two skills, (D, D)."""
    loads = (items.dense(skills) != 0)[answers.item].astype(float)
    total, count = np.zeros((len(answers), skills)), np.zeros((len(answers), skills))
    np.add.at(total, answers.person, residual[:, None] * loads)
    np.add.at(count, answers.person, loads)
    level = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    both = (count > 0).astype(float)
    product: Floats = (level.T @ level) / np.maximum(both.T @ both, 1.0)
    return product


class GroupDifference(NamedTuple):
    """Of each item, (I,): how many logits easier it is for the focal group at equal skill."""

    shift: Floats
    se: Floats
    ets: tuple[str, ...]  # A negligible, B moderate, C large, "?" too few answers to say
    groups: Floats  # (2, D) means of reference and focal group


def group_difference(
    items: Items, mean: Floats, cov: Floats, answers: Answers, focal: Flags, rounds: int = 2,
    errors: Floats | None = None,
) -> GroupDifference:  # fmt: skip
    """DIF of two groups of persons; items found large no longer tell the skills in the next round."""
    clean = np.ones(len(items), dtype=bool)
    shift, se, means = np.zeros(len(items)), np.full(len(items), np.inf), np.zeros((2, len(mean)))
    for _ in range(rounds):
        low, high = (shifts(items, mean, cov, answers.people(who), clean) for who in (~focal, focal))
        means = np.array([low.mean, high.mean])
        shift, se = high.shift - low.shift, np.hypot(low.se, high.se)
        if errors is not None:
            apart = high.weight - low.weight
            se = np.sqrt(se**2 + np.einsum("ip,ipq,iq->i", apart, errors, apart))
        if clean.any():
            middle = np.average(shift[clean], weights=1 / np.maximum(se[clean], 1e-6) ** 2)
            shift = shift - middle  # a shift of all is a difference of the groups
        clean = np.array([c != "C" for c in classes(shift, se)])
    return GroupDifference(shift, se, classes(shift, se), means)


class Shifts(NamedTuple):
    """Of each item in one group: how many logits easier it is than on the scale."""

    shift: Floats  # (I,)
    se: Floats  # (I,) given the item's parameters; inf without answers
    weight: Floats  # (I, p) what an error in each of an item's parameters looks like as a shift
    mean: Floats  # (D,) of the group


def shifts(items: Items, mean: Floats, cov: Floats, answers: Answers, clean: Flags) -> Shifts:
    """Shift of each item's thresholds in one group whose skills the clean items tell."""
    at = _population(parameters(items, mean, cov), answers.where(clean[answers.item]))
    told = settle(answers, at, no_sites(answers))
    dropped = ~clean[answers.item]
    sites = type(told)(np.where(dropped, 0.0, told.precision), np.where(dropped, 0.0, told.shift))
    scores = room_for_scores(answers, at)
    bend = e_step(answers, at, sites, 0.0, scores)[0].curvature
    k = at.slope.shape[1]
    pull = scores.answer[:, k:].sum(1)  # slope of log Z in a shift of all thresholds
    rows = len(items)
    information = np.bincount(answers.item, pull**2, minlength=rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(information > 0, np.bincount(answers.item, pull, minlength=rows) / information, 0.0)
        weight = bend[:, :, k:].sum(2) / np.maximum(bend[:, k:, k:].sum((1, 2)), TINY)[:, None]
        return Shifts(step, 1 / np.sqrt(information), weight, at.mean)


def population(items: Items, mean: Floats, cov: Floats, answers: Answers, passes: int = 60) -> tuple[Floats, Floats]:
    """Mean and covariance of the skills of the persons who answered here, items held; begins at mean and cov."""
    own = _population(parameters(items, mean, cov), answers, passes)
    return own.mean, own.cov


def _population(at: Parameters, answers: Answers, passes: int = 25) -> Parameters:
    """The parameters with the group's own mean and covariance, items held."""
    sites = settle(answers, at, no_sites(answers), sweeps=2)
    for _ in range(passes):
        found, sites = e_step(answers, at, sites)
        persons = max(float(found.persons), 1.0)
        move = at.cov @ found.mean / persons
        gain = found.cov - np.outer(found.mean, found.mean) / persons
        cov = at.cov + at.cov @ gain @ at.cov / persons
        at = Parameters(at.skill, at.width, at.slope, at.threshold, at.guess, at.mean + move, (cov + cov.T) / 2)
    return at


def classes(shift: Floats, se: Floats, sure: tuple[float, float] = (1.645, 1.96)) -> tuple[str, ...]:
    """ETS classes; `sure`: standard errors above the size that is negligible, and above 0, that chance seldom goes."""
    size, unsure = ETS * np.abs(shift), ETS * se
    large = (size >= LARGE) & (size - SMALL > sure[0] * unsure)
    small = (size < SMALL) | (size < sure[1] * unsure)
    words = np.where(large, "C", np.where(small, "A", "B"))
    return tuple(np.where((se > BLUR) & ~large, "?", words).tolist())


def reliability(items: Items, mean: Floats, cov: Floats, answers: Answers) -> Floats:
    """Share of the skills' variance that scores carry, (D,): Var(mean) / (Var(mean) + mean of sd²)."""
    means, sds = score(items, mean, cov, answers)
    between = means.var(0)
    return between / np.maximum(between + (sds**2).mean(0), 1e-300)


def bank_coverage(items: Items, skills: int, levels: Floats, best: int = 20) -> Floats:
    """Information about each skill at each level from its `best` items there, (D, levels)."""
    dense = items.dense(skills)
    found = np.zeros((skills, len(levels)))
    for n, level in enumerate(levels):
        each = fisher(dense.sum(1) * level, items)[:, None] * dense**2  # (I, D)
        found[:, n] = np.sort(each, axis=0)[::-1][:best].sum(0)
    return found
