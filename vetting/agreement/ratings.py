"""Anybody's ratings: how strict and how sharp each rater is, how far they agree, what to grade again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from irt.model import Floats, Ints
from irt.rater_agreement import alpha, kappa, pair_counts
from irt.rater_people import People, people
from irt.rater_watch import agreement_with_expectation, foretold, worth_of_another
from irt.raters import Fit, fit
from vetting.agreement.rating_baselines import HeldOut, compare
from vetting.agreement.rating_table import RatingTable

DRAWS = 1_000  # of the bootstrap


class RaterRow(BaseModel):
    """One rater; severity in standard deviations of quality against the reference raters (or all raters)."""

    rater: str
    reference: bool
    grades: int
    severity: float
    severity_se: float
    discrimination: float
    discrimination_se: float
    agreement: float  # share of grades that are what the panel lets expect
    pairs: int  # grades of reference raters (or of all others) on the same answer and criterion
    kappa_linear: float | None
    kappa_quadratic: float | None


class Alpha(BaseModel):
    """Krippendorff's alpha with its bootstrap interval over answers."""

    value: float | None
    low: float | None
    high: float | None


class Quality(BaseModel):
    """One answer on one criterion, corrected for who graded it."""

    answer: str
    criterion: str
    quality: float
    sd: float
    expected_level: float
    grades: int
    worth: float  # expected fall of the variance by one more grade


class Shared(BaseModel):
    """What all answers of a person share on one criterion."""

    criterion: str
    quality: float
    sd: float


class PersonRow(BaseModel):
    """What all answers of a person share, as a mean over criteria; errors hold what is not known of the raters."""

    person: str
    answers: int
    quality: float
    sd: float
    criteria: list[Shared]


class RatersFile(BaseModel):
    """RATERS.json."""

    raters: list[RaterRow]
    alpha: dict[str, Alpha]
    quality: list[Quality]
    persons: list[PersonRow]
    criteria: dict[str, dict[str, list[float] | list[int]]]
    left_out: dict[str, str]
    notes: list[str]
    fit: dict[str, float | int | bool | str]
    correlation: list[list[float]]
    held_out: HeldOut | None = None


def measure(
    table: RatingTable, *, held_out: float = 0.0, seed: int = 1, next_by: str | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> RatersFile:  # fmt: skip
    """Fit and tell; with `held_out`, also how well grades that were kept back are foretold."""
    told = compare(table, held_out, seed, progress) if held_out else None
    found = fit(table.ratings, progress=progress)
    if next_by is not None and next_by not in table.raters:
        raise KeyError(f"rater {next_by!r} is not among the {len(table.raters)} raters. Maybe it was left out.")
    chosen = -1 if next_by is None else table.raters.index(next_by)
    whole = found.prior.within + found.prior.between
    scale = np.sqrt(np.diag(whole))
    return RatersFile(
        raters=rater_rows(table, found), alpha=alphas(table, seed), quality=qualities(table, found, chosen),
        persons=person_rows(table, found),
        criteria={
            name or "level": {"levels": list(table.values[c]), "thresholds": _finite(found.raters.threshold[c])}
            for c, name in enumerate(table.criteria)
        },
        left_out=table.left_out, notes=notes_on(table, found),
        fit={
            "converged": found.converged, "passes": found.passes, "change": found.change, "seed": seed,
            "log_likelihood": found.log_likelihood, "grades": round(table.ratings.weight.sum()),
            "answers": len(table.answers), "severity_sd": float(found.spread.severity[0]),
        },
        correlation=(whole / np.outer(scale, scale)).round(4).tolist(), held_out=told,
    )  # fmt: skip


def _finite(row: Floats) -> list[float]:
    return [round(float(t), 4) for t in row if np.isfinite(t)]


def rater_rows(table: RatingTable, found: Fit) -> list[RaterRow]:
    rows, layer = table.ratings, table.ratings.layer
    (severity, s_se), (phi, p_se) = found.severity, found.discrimination
    expected = agreement_with_expectation(found)
    pairs = pair_counts(
        rows.answer * len(table.criteria) + rows.criterion, rows.rater, rows.level, rows.weight,
        np.flatnonzero(layer == 0), (rows.raters, int(rows.levels.max())),
    )  # fmt: skip
    linear, quadratic = kappa(pairs, 1), kappa(pairs, 2)
    grades = np.bincount(rows.rater, weights=rows.weight, minlength=rows.raters)
    return [
        RaterRow(
            rater=name, reference=bool(layer[r] == 0), grades=round(grades[r]), severity=severity[r],
            severity_se=s_se[r], discrimination=phi[r], discrimination_se=p_se[r], agreement=expected[r],
            pairs=round(pairs[r].sum()), kappa_linear=_or_none(linear[r]), kappa_quadratic=_or_none(quadratic[r]),
        )
        for r, name in enumerate(table.raters)
    ]  # fmt: skip


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def alphas(table: RatingTable, seed: int) -> dict[str, Alpha]:
    """Nominal, ordinal and interval alpha; whole grades only; answers, not cells, are drawn again."""
    rows = table.ratings
    whole = rows.weight == 1
    value = table.value(rows.criterion, rows.level)[whole]
    levels, category = np.unique(value, return_inverse=True)
    cells, unit = np.unique((rows.answer * len(table.criteria) + rows.criterion)[whole], return_inverse=True)
    if not len(cells):
        return {}
    owner = cells // len(table.criteria)
    out = {}
    for metric in ("nominal", "ordinal", "interval"):
        told = alpha(unit, category, levels, owner, metric, np.random.default_rng(seed), DRAWS)
        out[metric] = Alpha(value=_or_none(told.value), low=_or_none(told.low), high=_or_none(told.high))
    return out


def qualities(table: RatingTable, found: Fit, rater: int) -> list[Quality]:
    """Every answer on every criterion; `worth` by the named rater (-1: an average reference rater)."""
    cells = np.flatnonzero(found.cells.layer == 0)
    answer, criterion = found.cells.answer[cells], found.cells.criterion[cells]
    level = expected(table, criterion, foretold(found, answer, criterion, np.full(len(cells), -1)))
    worth = worth_of_another(found, rater)
    size = len(table.criteria)
    grades = np.bincount(
        table.ratings.answer * size + table.ratings.criterion, weights=table.ratings.weight,
        minlength=len(table.answers) * size,
    )  # fmt: skip
    return [
        Quality(
            answer=table.answers[answer[n]], criterion=table.criteria[criterion[n]], quality=found.mean[cell],
            sd=found.sd[cell], expected_level=level[n], grades=round(grades[answer[n] * size + criterion[n]]),
            worth=worth[n],
        )
        for n, cell in enumerate(cells)
    ]  # fmt: skip


def person_rows(table: RatingTable, found: Fit) -> list[PersonRow]:
    """Every person, on the criteria that anybody graded them on; nobody where the file names no persons."""
    whose = found.ratings.person
    if whose is None:
        return []
    told, cells = people(found), found.cells
    graded = np.zeros((len(table.persons), len(table.criteria)), dtype=np.bool_)
    graded[whose[cells.answer], cells.criterion] = True
    answers = np.bincount(whose, minlength=len(graded))
    return [_person_row(table, told, person, graded[person], int(answers[person])) for person in range(len(graded))]


def _person_row(table: RatingTable, told: People, person: int, graded: NDArray[np.bool_], answers: int) -> PersonRow:
    mine = np.flatnonzero(graded)
    axis = told.axis[mine]
    mean, cov = told.mean[person, axis], told.cov[person][np.ix_(axis, axis)]
    return PersonRow(
        person=table.persons[person], answers=answers, quality=mean.mean(), sd=float(np.sqrt(cov.mean())),
        criteria=[
            Shared(criterion=table.criteria[c], quality=q, sd=float(np.sqrt(v)))
            for c, q, v in zip(mine.tolist(), mean, np.diag(cov), strict=True)
        ],
    )  # fmt: skip


def expected(table: RatingTable, criterion: Ints, chance: Floats) -> Floats:
    """Mean level (n,) in the file's own numbers from P(Y = k) (n, K)."""
    out = np.zeros(len(criterion))
    for k in range(chance.shape[1]):
        has = table.ratings.levels[criterion] > k
        out[has] += chance[has, k] * table.value(criterion[has], np.full(has.sum(), k))
    return out


def notes_on(table: RatingTable, found: Fit) -> list[str]:
    """What a reader of the figures should know."""
    rows, size = table.ratings, len(table.criteria)
    cell = rows.answer * size + rows.criterion
    grades = np.bincount(np.unique(cell, return_inverse=True)[1], weights=rows.weight)
    single = int((grades < 1.5).sum())
    notes = []
    if single:
        notes.append(
            f"{single} of {len(grades)} answers × criteria have one grade: corrected for the rater's severity, "
            "but with nobody to check it."
        )
    if not found.converged:
        notes.append(f"not converged: a parameter still moved by {found.change:.1e}. Maybe there are too few grades.")
    if rows.reference is None:
        notes.append("no reference raters named: severities are relative to the mean of all raters.")
    elif not np.intersect1d(cell[rows.layer[rows.rater] == 0], cell[rows.layer[rows.rater] == 1]).size:
        notes.append("reference raters and others never graded the same answer: how they relate is assumed, not seen.")
    return notes
