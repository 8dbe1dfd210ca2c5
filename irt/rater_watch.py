r"""What a fitted panel is for: foretelling grades, choosing what to grade again, noticing drift.

    p(k) = Σ_g w_g P(Y = k | q_g)                       the level a rater would give, w a quality's weights on GRID
    w_-n ∝ w / P(y_n | q)                               the same quality without one rating (one cell, exact)
    Var(q) - Σ_k p(k) Var(q | k)                        worth of one more grade; on the panel's view q⁺ it counts for
                                                        the share cov(q, q⁺)² / (Var(q) Var(q⁺)) of Var(q)

Drift: CUSUM of the log-likelihood ratio of a shift of severity by ±δ against none,

    S± <- max(0, S± + log p(y; ρ ± δ) / p(y; ρ)),       alarm when S± > h

with h such that a steady rater is accused once in `run` answers: the run length of the two sides from a Markov chain
over S (Brook & Evans 1972), the increments as the answers at hand give them. No test with as few false alarms finds the
shift sooner in the worst case (Moustakides 1986).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import toeplitz

from irt.model import Floats, Ints
from irt.rater_step import chances, reaches
from irt.rater_sweep import GRID, TINY, joined, prior
from irt.raters import Fit

SHIFT = 0.3  # standard deviations of quality
RUN = 10_000  # answers between false alarms
STATES = 150  # of the Markov chain
BATCH = 4_000  # cells taken at a time
CLEAR = 6.0  # errors of the severity that is known, above which a shift can be told from them
FEWEST_STEADY = 300  # answers whose sums a limit is read from
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # over what is not known of a rater's severity
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def foretold(fit: Fit, answer: Ints, criterion: Ints, rater: Ints) -> Floats:
    """P(Y = k) (n, K) of raters on answers; rater -1 is the average reference rater."""
    cell = fit.cell(answer, criterion, np.where(rater < 0, 0, fit.ratings.layer[rater]))
    out = np.zeros((len(answer), fit.raters.threshold.shape[1] + 1))
    for some in np.array_split(np.arange(len(answer)), len(answer) // BATCH + 1):
        out[some] = (fit.curves(rater[some], criterion[some]) * fit.belief[cell[some]][:, None, :]).sum(2)
    return out


def without(fit: Fit, which: Ints) -> Floats:
    """Weights (n, G) of the quality each rating is about, as the rater's own layer sees it, without that rating."""
    rows = fit.ratings.rows(which)
    said = fit.curves(rows.rater, rows.criterion)[np.arange(len(which)), rows.level]
    cell = fit.cell(rows.answer, rows.criterion, rows.layer[rows.rater])
    rest = fit.belief[cell] / np.maximum(said, 1e-12) ** rows.weight[:, None]
    return rest / rest.sum(1, keepdims=True)


def agreement_with_expectation(fit: Fit) -> Floats:
    """(R,) share of a rater's grades that an average reference rater would most probably give, by all others'."""
    rows, right = fit.ratings, np.zeros(fit.ratings.raters)
    for some in np.array_split(np.arange(len(rows.answer)), len(rows.answer) // BATCH + 1):
        usual = fit.curves(np.full(len(some), -1), rows.criterion[some])
        likeliest = (usual * without(fit, some)[:, None, :]).sum(2).argmax(1)
        np.add.at(right, rows.rater[some], rows.weight[some] * (likeliest == rows.level[some]))
    return right / np.maximum(np.bincount(rows.rater, weights=rows.weight, minlength=rows.raters), TINY)


def worth_of_another(fit: Fit, rater: int = -1) -> Floats:
    """Expected fall (cells of layer 0,) of each quality's variance by one more grade; rater -1: average person."""
    cells = np.flatnonzero(fit.cells.layer == 0)
    side = 0 if rater < 0 else int(fit.ratings.layer[rater])
    seen, share = cells, np.ones(len(cells))
    if side:
        seen, share = _other_view(fit, cells)
    out = np.zeros(len(cells))
    for some in np.array_split(np.arange(len(cells)), len(cells) // BATCH + 1):
        at = seen[some]
        curves = fit.curves(np.full(len(some), rater), fit.cells.criterion[cells[some]])
        joint = curves * fit.belief[at][:, None, :]
        p = np.maximum(joint.sum(2), TINY)
        after = (joint * GRID**2).sum(2) - (joint * GRID).sum(2) ** 2 / p
        before = (fit.belief[at] * GRID**2).sum(1) - (fit.belief[at] * GRID).sum(1) ** 2
        out[some] = np.maximum(before - after.sum(1), 0) * share[some]
    return out


def _other_view(fit: Fit, cells: Ints) -> tuple[Ints, Floats]:
    """(row of q⁺ for each q, factor from a fall of Var(q⁺) to a fall of Var(q)); factor 0 where nobody has looked."""
    rows = {key: n for n, key in enumerate(zip(*(part.tolist() for part in fit.cells[:3]), strict=True))}
    seen, factor = cells.copy(), np.zeros(len(cells))
    block = np.searchsorted(fit.cells.start, cells, side="right") - 1
    for n, cell in enumerate(cells.tolist()):
        other = rows.get((int(fit.cells.answer[cell]), int(fit.cells.criterion[cell]), 1))
        if other is None:
            continue
        lo, hi = fit.cells.start[block[n]], fit.cells.start[block[n] + 1]
        k = prior(fit.cells.axis[lo:hi], fit.cells.answer[lo:hi], fit.prior.within, fit.prior.between)
        v = joined(k, fit.tau[lo:hi])[0]
        seen[n] = other
        factor[n] = (v[cell - lo, other - lo] / v[other - lo, other - lo]) ** 2
    return seen, factor


# -- drift -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Drift:
    """Two CUSUM paths over a rater's answers in order, and where the first alarm rang."""

    stricter: Floats  # (n,)
    milder: Floats  # (n,)
    limit: float
    alarm: int | None  # how many answers had been graded; None: no alarm

    @property
    def direction(self) -> str | None:
        if self.alarm is None:
            return None
        at = self.alarm - 1
        return "stricter" if self.stricter[at] >= self.milder[at] else "milder"


def ratios(
    belief: Floats, criterion: Ints, rater: int, fit: Fit, shift: float = SHIFT
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """(p (n, K), log ratio for stricter (n, K), for milder (n, K)) of every level that the rater might give.

    belief (n, G): the quality of each answer without this rater's own grade.
    """
    known = fit.curves(np.full(len(criterion), rater), criterion)
    p = (known * belief[:, None, :]).sum(2)
    moved = [(shifted(fit, criterion, rater, side * shift) * belief[:, None, :]).sum(2) for side in (1, -1)]
    up, down = (np.log(np.maximum(one, TINY)) - np.log(np.maximum(p, TINY)) for one in moved)
    return p, np.where(p > 0, up, 0.0), np.where(p > 0, down, 0.0)


def shifted(fit: Fit, criterion: Ints, rater: int, shift: float) -> Floats:
    """P(Y = k | q) (n, K, G) of a rater who became stricter by `shift`."""
    own, pairs = fit.alone(np.full(len(criterion), rater), criterion)
    return chances(reaches(replace(own, deviation=own.deviation + shift), pairs))


def drift(level: Ints, p: Floats, stricter: Floats, milder: Floats, *, run: float = RUN) -> Drift:
    """Watch one rater: levels (n,) in the order they were given, with the tables of `ratios`."""
    limit = limit_for(p, (stricter, milder), run)
    at = np.arange(len(level))
    paths = [cusum(side[at, level]) for side in (stricter, milder)]
    over = np.flatnonzero((paths[0] > limit) | (paths[1] > limit))
    return Drift(paths[0], paths[1], limit, int(over[0]) + 1 if len(over) else None)


def cusum(steps: Floats) -> Floats:
    """S <- max(0, S + step): the walk minus its lowest point so far, 0 included."""
    walk = np.cumsum(steps)
    return walk - np.minimum(np.minimum.accumulate(walk), 0.0)


def limit_for(p: Floats, sides: tuple[Floats, Floats], run: float) -> float:
    """H at which two one-sided charts together accuse a steady rater once in `run` answers."""
    return limit_at(lambda limit: sum(1 / max(run_length(p, side, limit), 1.0) for side in sides), run)


def limit_at(rate: Callable[[float], float], run: float) -> float:
    """The least limit between .5 and 25 whose rate of false alarms is at most 1 / run."""
    low, high = 0.5, 25.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) > 1 / run else (low, middle)
        if high - low < 1e-3:
            break
    return high


def run_length(p: Floats, steps: Floats, limit: float) -> float:
    """Mean answers to the first alarm from S = 0, steps (n, K) with chances p (n, K), every answer alike."""
    chance = p.ravel() / p.sum()
    width = limit / (STATES - 0.5)
    at = np.clip(steps.ravel() / width, -STATES, STATES)  # in states; from beyond either end nothing more can happen
    left = np.floor(at).astype(np.int64)
    share = at - left  # of the state to the right
    jump = np.bincount(left + STATES, weights=chance * (1 - share), minlength=2 * STATES + 2)
    jump += np.bincount(left + STATES + 1, weights=chance * share, minlength=2 * STATES + 2)
    stay = toeplitz(jump[STATES:0:-1], jump[STATES : 2 * STATES])  # (s, j): chance of j - s
    stay[:, 0] = np.cumsum(jump)[STATES:0:-1]  # what would fall below 0 stays there
    return float(np.linalg.solve(np.eye(STATES) - stay, np.ones(STATES))[0])


def by_answer(answer: Ints, level: Ints, ratio: Floats) -> Floats:
    """(answers,) the log ratios (n, K) of the levels (n,) that a rater gave, summed over the criteria of each answer.

    Answers come in the order of their first grade.
    """
    own, first, place = np.unique(answer, return_index=True, return_inverse=True)
    rank = np.empty(len(own), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(own))
    return np.asarray(np.bincount(rank[place], weights=ratio[np.arange(len(level)), level]), dtype=np.float64)


def drift_by_answer(steady: tuple[Floats, Floats], now: tuple[Floats, Floats], *, run: float = RUN) -> Drift:
    """Watch one rater answer by answer, all criteria of an answer together: (stricter, milder) sums of `by_answer`."""
    limit = limit_by_answer(steady, run=run)
    paths = [cusum(side) for side in now]
    over = np.flatnonzero((paths[0] > limit) | (paths[1] > limit))
    return Drift(paths[0], paths[1], limit, int(over[0]) + 1 if len(over) else None)


def least_shift(doubt: float) -> float:
    """The δ to watch for where severity is known to ± doubt: half of it must stand clear of what is not known."""
    return max(SHIFT, CLEAR * doubt)


def limit_by_answer(
    steady: tuple[Floats, Floats], *, doubt: float = 0.0, shift: float = SHIFT, run: float = RUN
) -> float:
    """H of a chart over answers, from a rater's (m,) steady sums to either side.

    Criteria of one answer share what nobody knows of it, so their ratios move together and a limit that took them for
    independent would accuse too often. The limit is therefore from the rater's own answers while it was calibrated.
    Its severity is the one that these answers tell, so that what they lean to either side is chance: both sides' sums
    are moved to their common mean, which makes the limit far surer. What is not known of that severity (`doubt`, a
    standard error in sds) moves all later sums one way: an error e adds ±e δ I to each, with I = -2 E[sum] / δ² the
    information of an answer, and the rate of false alarms is the mean over e ~ N(0, doubt²).
    Raises ValueError where those answers are too few to tell.
    """
    if len(steady[0]) < FEWEST_STEADY:
        raise ValueError(
            f"limit_by_answer: {len(steady[0])} answers from the calibration, but {FEWEST_STEADY} are needed. "
            "Maybe watch grade by grade until there are more."
        )
    chance, middle = np.ones((len(steady[0]), 1)), float(np.mean(steady))
    up, down = ((side - side.mean() + middle)[:, None] for side in steady)
    errors = doubt * NODES if doubt else np.zeros(1)
    weights = WEIGHTS if doubt else np.ones(1)
    lean = -2 * middle / shift * errors  # e δ I

    def rate(limit: float) -> float:
        each = [
            1 / max(run_length(chance, side + way * c, limit), 1.0) for c in lean for side, way in ((up, 1), (down, -1))
        ]
        return float(np.repeat(weights, 2) @ each)

    return limit_at(rate, run)
