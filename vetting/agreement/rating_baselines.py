"""Does correcting help? Grades by people that were kept back, foretold by the corrected panel and by simple rules.

With reference raters, all their grades on some answers are kept back and the panel is everybody else. Without,
one rater of each of those answers is kept back and the panel is the other raters of that answer.

    corrected      P(Y = k) of an average person from the fit without the kept-back grades
    known grader   the same with the severity of the very person who gave the kept-back grade
    calibrated     logit P(Y >= k) = a logit P_corrected(Y >= k) + b (raw average) + d_k + d_ck
    raw votes      the panel's levels as they stand, and one vote that is spread as its levels on that criterion are
    raw average    mean level of the panel on the same answer and criterion
    best single    the one rater who foretells best on the answers that were not kept back

The two last become chances of levels by a cumulative logit fitted to the answers that were not kept back, with
thresholds for each criterion and a little ridge: they are as well calibrated as such a rule can be. What "calibrated"
learns from are grades foretold by fits that had not seen them, `FOLDS` parts of the answers that were not kept back: so
it mends what the model gets wrong of the shape of quality and of how alike the panel errs. It begins from the model's
own word (a = 1, all else 0), and what it adds for a level of one criterion has to be seen often (`SHIFT_SD`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.optimize import minimize
from scipy.special import expit, logit

from irt.model import Floats, Ints
from irt.rater_cells import Ratings
from irt.rater_watch import foretold
from irt.raters import Fit, fit
from vetting.agreement.rating_table import RatingTable
from vetting.tables import TableFaultError

RIDGE = 0.02
FOLDS = 4  # fits from which "calibrated" learns
LOOSE_SD, SHIFT_SD = 5.0, 0.7  # prior sds of what "calibrated" learns: of all criteria, of one level of one criterion
FAINT, TINY = 1e-4, 1e-6  # chances are not taken for surer than this
COVERED = 0.5  # share of the kept-back grades a single rater must have company on, or the best covered one is taken


class Told(NamedTuple):
    """What is said of some grades before they are known."""

    p: Floats  # (n, K) by the corrected panel
    average: Floats  # (n,) raw
    criterion: Ints  # (n,)


class Score(BaseModel):
    """How well one rule foretells, on `grades` kept-back grades."""

    rule: str
    grades: int
    log_loss: float
    r: float | None


class HeldOut(BaseModel):
    """Rules compared on the same grades; `single` repeats them where the best single rater was there."""

    answers: int
    seed: int
    all: list[Score]
    single_rater: str
    single: list[Score]
    gain: float  # mean log-loss of the raw average minus the calibrated panel's
    gain_se: float  # over answers


def compare(
    table: RatingTable, share: float, seed: int, progress: Callable[[int, float], None] | None = None
) -> HeldOut:
    """Keep back, fit, foretell. Raises TableFaultError where there is nothing to keep back."""
    rows = table.ratings
    back = kept_back(rows, share, np.random.default_rng(seed))
    known, hidden = rows.rows(np.flatnonzero(~back)), rows.rows(np.flatnonzero(back))
    hidden = hidden.rows(with_company(known, hidden))
    if not len(hidden.answer):
        raise TableFaultError("held out: no kept-back grade has other grades beside it. Maybe keep more back.")
    found = fit(known, also=(hidden.answer, hidden.criterion), progress=progress)
    average = average_of(known)
    usual, own = told_by(found, hidden)
    rules = {
        "corrected": usual,
        "corrected, known grader": own,
        "raw votes": votes(known, hidden),
        "raw average": by_logit(
            *examples(known, average), (average(hidden, None)[:, None], hidden.criterion), rows.levels
        ),
        **calibrated(known, hidden, (usual, own), np.random.default_rng(seed + 1), progress),
    }
    name, chosen, chance = best_single(table, known, hidden)
    here = np.flatnonzero(chosen)
    means = {rule: means_of(table, hidden.criterion, p) for rule, p in rules.items()}
    means["raw votes"] = means["raw average"] = average(hidden, None)
    loss = {rule: losses(hidden.level, p) for rule, p in rules.items()}
    truth = table.value(hidden.criterion, hidden.level)
    alone = [score(rule, truth[here], loss[rule][here], means[rule][here]) for rule in rules]
    own = single_level(known, hidden, table.raters.index(name))[here] if name else np.zeros(0)
    alone.append(score("best single", truth[here], losses(hidden.level[here], chance), own))
    gap = loss["raw average"] - loss.get("calibrated", loss["corrected"])
    return HeldOut(
        answers=len(np.unique(hidden.answer)), seed=seed, single_rater=name, single=alone,
        all=[score(rule, truth, loss[rule], means[rule]) for rule in rules],
        gain=float(gap.mean()), gain_se=clustered(gap, hidden.answer),
    )  # fmt: skip


def told_by(found: Fit, hidden: Ratings) -> tuple[Floats, Floats]:
    """P(Y = k) (n, K) of kept-back grades, by an average person and by the person who gave each."""
    anybody = np.full(len(hidden.answer), -1)
    return (
        foretold(found, hidden.answer, hidden.criterion, anybody),
        foretold(found, hidden.answer, hidden.criterion, hidden.rater),
    )


def calibrated(
    known: Ratings, hidden: Ratings, told: tuple[Floats, Floats], rng: np.random.Generator,
    progress: Callable[[int, float], None] | None,
) -> dict[str, Floats]:  # fmt: skip
    """P(Y = k) of the kept-back grades by the corrected panel and the raw average together, for either grader."""
    learnt: list[tuple[Told, Told]] = []
    rows: list[Ints] = []
    for back in folds(known, rng):
        rest, part = known.rows(np.flatnonzero(~back)), known.rows(np.flatnonzero(back))
        part = part.rows(with_company(rest, part))
        if len(part.answer):
            found = fit(rest, also=(part.answer, part.criterion), progress=progress)
            average = average_of(rest)(part, None)
            usual, own = told_by(found, part)
            learnt.append((Told(usual, average, part.criterion), Told(own, average, part.criterion)))
            rows.append(part.level)
    if not rows:
        return {}
    level = np.concatenate(rows)
    average, names = average_of(known)(hidden, None), ("calibrated", "calibrated, known grader")
    return {
        name: mended(
            Told(*(np.concatenate(part) for part in zip(*side, strict=True))), level,
            Told(p, average, hidden.criterion), known.levels,
        )
        for name, side, p in zip(names, zip(*learnt, strict=True), told, strict=True)
    }  # fmt: skip


def mended(past: Told, level: Ints, now: Told, levels: Ints) -> Floats:
    """P(Y = k) (n, K) of `now`, by what `past` needs to foretell its levels."""
    top = int(levels.max()) - 1
    real = np.arange(top) < levels[:, None] - 1
    middle = past.average.mean()
    sd = np.concatenate([np.full(2 + top, LOOSE_SD), np.full(len(levels) * top, SHIFT_SD)])

    def curve(x: Floats, at: Told) -> Floats:
        reached = np.clip(1 - np.cumsum(at.p, axis=1)[:, :top], FAINT, 1 - FAINT)
        added = x[1] * (at.average[:, None] - middle) + x[2 : 2 + top] + x[2 + top :].reshape(-1, top)[at.criterion]
        reach = np.where(real[at.criterion], expit((1 + x[0]) * logit(reached) + added), 0.0)
        ends = np.ones((len(at.p), 1))
        p = np.concatenate([ends, reach], axis=1) - np.concatenate([reach, 0 * ends], axis=1)
        p = np.where(np.concatenate([ends > 0, real[at.criterion]], axis=1), np.maximum(p, TINY), 0.0)
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def cost(x: Floats) -> float:
        said = curve(x, past)[np.arange(len(level)), level]
        return float(0.5 * ((x / sd) ** 2).sum() - np.log(said).sum())

    found = minimize(cost, np.zeros(len(sd)), method="L-BFGS-B").x
    return curve(found, now)


def folds(known: Ratings, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Which ratings (N,) each fit goes without: people's by answer, or one rater of each answer, drawn anew."""
    if known.reference is None:
        for _ in range(FOLDS // 2):
            yield kept_back(known, 0.5, rng)
        return
    part = rng.integers(FOLDS, size=known.answers)[known.answer]
    for number in range(FOLDS):
        yield np.asarray((part == number) & (known.layer[known.rater] == 0))


def kept_back(rows: Ratings, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) which ratings are hidden."""
    some = rng.permutation(np.unique(rows.answer))
    some = some[: max(1, round(share * len(some)))]
    chosen = np.isin(rows.answer, some)
    if rows.reference is not None:
        return np.asarray(chosen & (rows.layer[rows.rater] == 0))
    lot = rng.random((rows.answers, rows.raters)) if rows.answers * rows.raters < 5e7 else None
    draw = lot[rows.answer, rows.rater] if lot is not None else rng.random(rows.raters)[rows.rater]
    most = np.zeros(rows.answers)
    np.maximum.at(most, rows.answer, draw)
    return np.asarray(chosen & (draw == most[rows.answer]))


def in_panel(known: Ratings) -> NDArray[np.bool_]:
    """(R,) who is in the panel: everybody, or all but the reference raters."""
    return np.asarray(known.layer == (0 if known.reference is None else 1))


def by_panel(known: Ratings) -> NDArray[np.bool_]:
    """(N,) which ratings are the panel's."""
    return in_panel(known)[known.rater]


def with_company(known: Ratings, hidden: Ratings) -> Ints:
    """Hidden ratings of whole weight whose answer and criterion somebody else graded."""
    size = len(known.levels)
    side = by_panel(known)
    panel = (known.answer * size + known.criterion)[side]
    return np.flatnonzero(np.isin(hidden.answer * size + hidden.criterion, panel) & (hidden.weight == 1))


def votes(known: Ratings, hidden: Ratings) -> Floats:
    """P(Y = k) (n, K) by the panel's grades of the same answer and criterion, and one vote of its usual spread."""
    shape = len(known.levels), int(known.levels.max())
    side = by_panel(known)
    panel, usual = np.zeros((known.answers, *shape)), np.zeros(shape)
    np.add.at(panel, (known.answer[side], known.criterion[side], known.level[side]), known.weight[side])
    np.add.at(usual, (known.criterion[side], known.level[side]), known.weight[side])
    p = panel[hidden.answer, hidden.criterion] + (usual / usual.sum(axis=1, keepdims=True))[hidden.criterion]
    return np.asarray(p / p.sum(axis=1, keepdims=True))


Average = Callable[[Ratings, Ints | None], Floats]


def average_of(known: Ratings) -> Average:
    """Mean panel level of each rating's answer and criterion, without the rating itself where it is in the panel."""
    size = len(known.levels)
    side = by_panel(known)
    total, count = np.zeros(known.answers * size), np.zeros(known.answers * size)
    cell = known.answer * size + known.criterion
    np.add.at(total, cell[side], (known.weight * known.level)[side])
    np.add.at(count, cell[side], known.weight[side])

    def average(rows: Ratings, own: Ints | None) -> Floats:
        at = rows.answer * size + rows.criterion
        minus = np.zeros(len(at)) if own is None else rows.weight * side[own]
        left = count[at] - minus
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(left > 0.5, (total[at] - minus * rows.level) / left, np.nan)

    return average


def examples(known: Ratings, average: Average) -> tuple[Floats, Ints, Ints]:
    """(panel average, criterion, level) of people's grades that were not kept back."""
    people = np.flatnonzero((known.layer[known.rater] == 0) & (known.weight == 1))
    rows = known.rows(people)
    mean = average(rows, people)
    real = np.isfinite(mean)
    return mean[real, None], rows.criterion[real], rows.level[real]


def by_logit(x: Floats, criterion: Ints, level: Ints, new: tuple[Floats, Ints], levels: Ints) -> Floats:
    """P(Y = k) (n, K) at `new` from P(Y >= k) = σ(a·x + d_ck), x (n, F), fitted to examples."""
    top = int(levels.max()) - 1
    count, size = len(levels), x.shape[1]

    def curve(theta: Floats, at: Floats, c: Ints) -> Floats:
        gaps = np.exp(theta[size + count :].reshape(count, max(top - 1, 0)))
        d = theta[size : size + count, None] - np.concatenate([np.zeros((count, 1)), np.cumsum(gaps, 1)], axis=1)
        d = np.where(np.arange(top) < levels[:, None] - 1, d, -np.inf)
        reach = expit((at @ theta[:size])[:, None] + d[c])
        ends = np.ones((len(at), 1))
        return np.asarray(np.maximum(np.concatenate([ends, reach], 1) - np.concatenate([reach, 0 * ends], 1), 1e-9))

    def cost(theta: Floats) -> float:
        p = curve(theta, x, criterion)[np.arange(len(x)), level]
        return float(-np.log(p).sum() + RIDGE * (theta**2).sum())

    begin = np.concatenate([np.full(size, 1.0 / size), np.zeros(count + count * max(top - 1, 0))])
    found = minimize(cost, begin, method="L-BFGS-B").x
    return curve(found, *new)


def single_level(known: Ratings, rows: Ratings, rater: int) -> Floats:
    """(n,) the level that one rater gave to the same answer and criterion; nan where there is none."""
    size = len(known.levels)
    mine = known.rater == rater
    total, count = np.zeros(known.answers * size), np.zeros(known.answers * size)
    cell = (known.answer * size + known.criterion)[mine]
    np.add.at(total, cell, (known.weight * known.level)[mine])
    np.add.at(count, cell, known.weight[mine])
    at = rows.answer * size + rows.criterion
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count[at] > 0, total[at] / count[at], np.nan)


def best_single(table: RatingTable, known: Ratings, hidden: Ratings) -> tuple[str, Floats, Floats]:
    """(name, which kept-back grades they were beside, their chances there), chosen on the other answers."""
    panel = np.flatnonzero(in_panel(known))
    people = known.rows(np.flatnonzero((known.layer[known.rater] == 0) & (known.weight == 1)))
    there = {int(r): np.isfinite(single_level(known, hidden, int(r))) for r in panel}
    need = min(COVERED * len(hidden.answer), 0.5 * max(mask.sum() for mask in there.values()))
    best = (np.inf, int(panel[0]), np.zeros(0))
    for r in panel.tolist():
        if there[r].sum() < max(need, 1):
            continue
        x = single_level(known, people, r)
        real = np.isfinite(x) & (people.rater != r)
        if real.sum() < 10:
            continue
        past = (x[real, None], people.criterion[real], people.level[real])
        fitted = by_logit(*past, past[:2], known.levels)
        now = (single_level(known, hidden, r)[there[r], None], hidden.criterion[there[r]])
        loss = float(losses(past[2], fitted).mean())
        if loss < best[0]:
            best = (loss, r, by_logit(*past, now, known.levels))
    _, chosen, chance = best
    return table.raters[chosen], there[chosen], chance


def means_of(table: RatingTable, criterion: Ints, p: Floats) -> Floats:
    level = np.arange(p.shape[1])
    own = np.minimum(level, table.ratings.levels[criterion][:, None] - 1)
    return np.asarray((p * table.value(np.broadcast_to(criterion[:, None], own.shape), own)).sum(1))


def losses(level: Ints, p: Floats) -> Floats:
    return -np.log(np.maximum(p[np.arange(len(level)), level], 1e-9))


def score(rule: str, truth: Floats, loss: Floats, mean: Floats) -> Score:
    spread = len(truth) > 1 and np.std(mean) > 0 and np.std(truth) > 0
    r = float(np.corrcoef(truth, mean)[0, 1]) if spread else None
    return Score(rule=rule, grades=len(truth), log_loss=float(loss.mean()) if len(truth) else 0.0, r=r)


def clustered(gap: Floats, answer: Ints) -> float:
    """Standard error of a mean whose terms come in answers."""
    total = np.bincount(np.unique(answer, return_inverse=True)[1], weights=gap - gap.mean())
    return float(np.sqrt((total**2).sum()) / len(gap))
