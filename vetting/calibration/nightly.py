"""The nightly calibration: gather answers, fit, judge by answers kept back, publish or refuse with every reason.

The published population is kept, so that new numbers land on the scale in use; only items with enough answers
get fitted numbers, each a compromise between its start values and its answers by how sure either is. What an
item is then still unsure of stays in its `blur`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from irt.calibration import Fit, calibrate
from irt.design import Answers, Design, answers_from_rows
from irt.model import Floats, Items
from irt.mstep import ItemPrior
from irt.scoring import log_likelihood_held_out, split
from irt.timing import fit_times
from vetting import evidence
from vetting import scale as scales
from vetting.records import Applicant, Calibration
from vetting.scale import Scale

FEWEST_PEOPLE = 100
FEWEST_ANSWERS = 30  # of an item before its numbers may move
KEPT_BACK = 0.2
SEED = 20260101  # which answers are kept back: the same every night
START_SD_LOG_SLOPE, START_SD_THRESHOLD = 0.35, 1.0  # what start values leave open: see item_bank/start.py


@dataclass(frozen=True, eq=False)
class Gathered:
    """Everybody's graded answers to items of the published scale, by its rows."""

    answers: Answers
    minutes: Floats  # (N,) in the order of answers


@dataclass(frozen=True, eq=False)
class Judged:
    """A calibration that may be published, or the reasons why not."""

    body: dict[str, Any]
    people: int
    answers: int
    fitted: int  # items with new numbers
    before: float | None  # mean log probability of an answer kept back, on the published scale
    gain: float  # what the new numbers add to it
    faults: tuple[str, ...]


def gather(db: Session, scale: Scale, *, simulated: bool) -> Gathered:
    """Real people's answers; simulated ones only when asked for, and then alone."""
    people = db.scalars(
        select(Applicant).where(Applicant.simulated == simulated).order_by(Applicant.id).options(*evidence.WHOLE)
    ).all()
    pairs = [pair for person in people for pair in evidence.graded(person.sittings, scale)]
    counts = [len(evidence.graded(person.sittings, scale)) for person in people]
    rows = scale.items.rows(answer.question.item_id for answer, _ in pairs)
    person = np.repeat(np.arange(len(people)), counts)
    level = np.array([grade.level for _, grade in pairs], dtype=np.int64)
    minutes = np.array([answer.seconds / 60 for answer, _ in pairs])
    order = np.lexsort((rows, person))
    return Gathered(answers_from_rows(person, rows, level, len(people)), minutes[order])


def judge(db: Session, calibration: Calibration, *, simulated: bool = False) -> Judged:
    """Fit and hold against the published scale; nothing is stored."""
    scale = scales.of(calibration)
    seen = gather(db, scale, simulated=simulated)
    people = int((np.diff(seen.answers.start) > 0).sum())
    if people < FEWEST_PEOPLE:
        said = f"{people} people have answered, {FEWEST_PEOPLE} are needed. Maybe wait."
        return Judged(dict(calibration.body), people, len(seen.answers.item), 0, None, 0.0, (said,))
    known, kept_back = split(seen.answers, KEPT_BACK, np.random.default_rng(SEED))
    trial, _ = improved(scale, known)
    mean, cov = scale.population.mean, scale.population.cov
    before = log_likelihood_held_out(scale.parameters, mean, cov, known, kept_back)
    after = log_likelihood_held_out(trial.items, mean, cov, known, kept_back)
    whole, fit = improved(scale, seen.answers)
    fresh = new_body(calibration, scale, whole, seen)
    faults = tuple(faults_of(fit, whole, after - before))
    return Judged(fresh, people, len(seen.answers.item), int(whole.moved.sum()), before, after - before, faults)


def faults_of(fit: Fit, whole: Improved, gain: float) -> Iterator[str]:
    """Every reason against publishing; none when it may be."""
    if not fit.converged:
        yield f"the fit did not settle in {fit.iterations} passes. Maybe there are too few answers an item."
    if not whole.moved.any():
        yield f"no item has {FEWEST_ANSWERS} answers yet. Maybe wait."
    if gain <= 0:
        yield f"answers kept back are foretold no better than before ({gain:+.4f} a piece). Maybe wait for more."


@dataclass(frozen=True, eq=False)
class Improved:
    """The scale's items with what the answers say of them."""

    items: Items
    variance: Floats  # (I, k + 1) of slopes and of the place of the thresholds
    moved: np.ndarray  # (I,) bool


def improved(scale: Scale, answers: Answers) -> tuple[Improved, Fit]:
    old = scale.parameters
    design = Design(len(scale.skills.ids), np.where(old.slope != 0, old.skill, -1), old.levels, old.guess)
    sd = np.sqrt(np.diag(scale.population.cov))
    fit = calibrate(answers, design, correlation=scale.population.cov / np.outer(sd, sd), prior=ItemPrior())
    many = np.bincount(answers.item, minlength=len(old)) >= FEWEST_ANSWERS
    slope, threshold = old.slope.copy(), old.threshold.copy()
    variance = start_variance(old)
    moved = np.zeros(len(old), dtype=bool)
    for place, row in enumerate(fit.kept_items):
        if many[row] and usable(fit, place, old, int(row)):
            slope[row], shift, variance[row] = combined(old, variance[row], fit, place, int(row))
            threshold[row] = old.threshold[row] + shift
            moved[row] = True
    return Improved(Items(old.skill, slope, threshold, old.guess), variance, moved), fit


def start_variance(items: Items) -> Floats:
    """(I, k + 1) of what start values leave open, in slopes and in the place of the thresholds."""
    steep = np.linalg.norm(items.slope, axis=1, keepdims=True)
    return np.hstack([(START_SD_LOG_SLOPE * items.slope) ** 2, (START_SD_THRESHOLD * steep) ** 2])


def usable(fit: Fit, place: int, old: Items, row: int) -> bool:
    """Whether all of an item's numbers were told by its answers."""
    real = np.isfinite(old.threshold[row])
    return bool(np.isfinite(fit.threshold_se[place][real[: fit.threshold_se.shape[1]]]).any())


def combined(old: Items, open_: Floats, fit: Fit, place: int, row: int) -> tuple[Floats, float, Floats]:
    """(slopes, shift of all thresholds, variances): start values and answers, weighted by how sure each is."""
    k = old.slope.shape[1]
    used = old.slope[row] != 0
    fitted = fit.items.slope[place][: used.sum()]
    told = np.maximum(fit.slope_se[place][: used.sum()] ** 2, 1e-6)
    slope, variance = old.slope[row].copy(), open_.copy()
    start_weight, weight = 1 / np.maximum(open_[:k][used], 1e-9), 1 / told
    slope[used] = (start_weight * slope[used] + weight * fitted) / (start_weight + weight)
    variance[:k][used] = 1 / (start_weight + weight)
    real = np.isfinite(fit.threshold_se[place])
    gap = fit.items.threshold[place][real] - old.threshold[row][: len(real)][real]
    noise = float(np.mean(fit.threshold_se[place][real] ** 2))
    share = open_[k] / (open_[k] + noise)
    variance[k] = open_[k] * noise / (open_[k] + noise)
    return slope, float(share * gap.mean()), variance


def new_body(calibration: Calibration, scale: Scale, whole: Improved, seen: Gathered) -> dict[str, Any]:
    """The published body with the numbers that moved."""
    body = {**calibration.body, "items": dict(calibration.body["items"])}
    minutes = times_of(scale, seen)
    for row in np.flatnonzero(whole.moved):
        key = scale.items.ids[row]
        used = whole.items.slope[row] != 0
        places = whole.items.skill[row][used]
        spread = float(whole.variance[row][: len(used)][used] @ np.diag(scale.population.cov)[places])
        real = np.isfinite(whole.items.threshold[row])
        body["items"][key] = {
            **body["items"][key],
            "discrimination": {
                scale.skills.ids[d]: float(a) for d, a in zip(places, whole.items.slope[row][used], strict=True)
            },
            "thresholds": whole.items.threshold[row][real].tolist(),
            "blur": spread + float(whole.variance[row][-1]),
            "origin": f"answers up to calibration {calibration.id}",
            **minutes.get(key, {}),
        }
    return body


def times_of(scale: Scale, seen: Gathered) -> dict[str, dict[str, float]]:
    """Log minutes of items with enough timed answers."""
    many = np.bincount(seen.answers.item, minlength=len(scale.items.ids))
    times = fit_times(
        seen.answers.person, seen.answers.item, seen.minutes, len(seen.answers.start) - 1, len(scale.items.ids)
    )
    return {
        scale.items.ids[row]: {
            "log_minutes": float(np.log(np.exp(times.intensity[row]) + times.overhead)),
            "sd_log_minutes": float(times.intensity_sd[row]),
        }
        for row in np.flatnonzero(many >= FEWEST_ANSWERS)
    }


def publish(db: Session, judged: Judged, now: datetime, *, who: str) -> Calibration:
    """Publishing is one row; a judged calibration with faults is refused with all of them.

    Who judges and grades, and how, is none of its numbers: what was said of them meanwhile stays said.
    """
    if judged.faults:
        raise ValueError("Not published: " + " ".join(judged.faults))
    note = f"{judged.fitted} items from {judged.answers} answers of {judged.people} people, {judged.gain:+.4f} a piece"
    newest = scales.latest(db).body
    body = judged.body | {kind: newest[kind] for kind in ("raters", "reviewers") if kind in newest}
    return scales.publish(db, body, note, who, now)
