"""How each model reads answers to interviews, and when its verdicts begin to count.

A model with a prompt is a rater of its own, `model:<model>@<prompt version>`. Until a calibration knows its severity
and discrimination it grades in the shadow. Both are estimated from its verdicts on real people's answers, each held
against what everything else says of that answer: the person's other evidence, and people's verdicts on the same answer
(the desk's audit). People are the anchors: their severity is 0 as a kind, with the spread that panel.KINDS states.

What is not known of a criterion's thresholds widens each verdict as if it were drawn anew. On few probes that is too
kind, since the same criterion comes again and again: a rater should be measured on many probes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from assignment.agreement import Estimate, Labels, Statistic, cohen, quadratic_credit
from irt.audit import Mean, corrected_mean
from irt.model import Floats
from irt.newcomer import Newcomer, newcomer
from vetting import evidence, store
from vetting import scale as scales
from vetting.grades import rater_changes, watching
from vetting.grades.desk import MODEL
from vetting.grades.rater_looks import Look, looks, seen_in
from vetting.grades.watching import Watch
from vetting.rater_records import PanelAccount
from vetting.records import Applicant, Calibration, Grade, Json
from vetting.scale import Scale

SURE = 0.10  # standard error of severity, in sds, below which a rater counts
FEWEST = 50  # answers beside a person's verdict, whatever the standard error says
MORE, FIRST = 1.25, 80  # of verdicts since the last account; before the first
DULL = 0.15  # discrimination below which a rater tells nothing worth its disputes


@dataclass(frozen=True)
class RaterReport:
    """One model rater."""

    rater: str
    answers: int
    beside: int  # answers that a person graded too
    found: Newcomer
    mean_level: Mean | None  # people's mean, as a share of the highest level, over all that the model graded
    model_mean: float  # the model's own
    live: bool  # its verdicts count on the published scale
    lacking: tuple[str, ...]  # before they may
    agreement: Estimate | None = None  # with people on the same criteria: kappa, squared weights
    names: tuple[str, ...] = ()  # that its verdicts stand under; the first is its own
    ended: bool = False  # it changed: no verdict is kept under these names any more
    watch: Watch | None = None  # of a rater whose verdicts count: has it changed since?

    @property
    def discrimination(self) -> float:
        return float(np.exp(self.found.log_discrimination))


def measure(db: Session, scale: Scale, now: datetime, *, simulated: bool = False) -> list[RaterReport]:
    """Every model that has graded, by name."""
    by_rater: dict[str, list[Look]] = {}
    changes, known = rater_changes.of(db), watching.numbers(db)
    people = select(Applicant).where(Applicant.simulated == simulated).order_by(Applicant.id)
    for person in db.scalars(people.options(*evidence.WHOLE)):
        for look in looks(person, scale, now):
            by_rater.setdefault(changes.read_as.get(look.grade.rater, look.grade.rater), []).append(look)
    return [
        replace(
            report(rater, found, scale), names=tuple(changes.names(rater)), ended=changes.ended(rater) is not None,
            watch=None if simulated else watching.state(db, rater, known, changes),
        )
        for rater, found in sorted(by_rater.items())
    ]  # fmt: skip


def report(rater: str, found: list[Look], scale: Scale) -> RaterReport:
    found = sorted(found, key=lambda look: look.grade.id)
    seen = seen_in(found)
    level, answer, told = seen.level, seen.answer, newcomer(*seen)
    top = (seen.items.levels - 1).astype(np.float64)
    audited = np.array([look.beside is not None for look in found])
    beside = len(np.unique(answer[audited]))
    return RaterReport(
        rater, len(np.unique(answer)), beside, told, mean_of(found, level / top, top, audited),
        float((level / top).mean()), rater in scale.raters, lacking(told, beside), agreement(found),
    )  # fmt: skip


def agreement(found: Iterable[Look]) -> Estimate | None:
    """Weighted kappa with people on criteria that both graded; answers are the draws."""
    both = [(look.grade.answer_id, look.grade.level, look.beside) for look in found if look.beside is not None]
    if not both:
        return None
    answer, ours, theirs = np.array(both, dtype=np.int64).T
    unit, rater = np.tile(np.arange(len(both)), 2), np.repeat([0, 1], len(both))
    levels = int(max(ours.max(), theirs.max())) + 1
    labels = Labels(unit, rater, np.concatenate([ours, theirs]), levels)
    each = cohen(labels, 0, 1, quadratic_credit(levels))
    own = np.unique(answer, return_inverse=True)[1]
    per_answer = np.zeros((own.max() + 1, each.per_unit.shape[1]))
    np.add.at(per_answer, own, each.per_unit)
    return Statistic(per_answer, each.of).analytic()


def mean_of(found: list[Look], share: Floats, top: Floats, audited: NDArray[np.bool_]) -> Mean | None:
    """What people's mean would be, with its interval; persons are the draws."""
    person = np.array([look.person for look in found])
    if len(np.unique(person[audited])) < 2:
        return None
    people = np.array([look.beside or 0 for look in found])[audited] / top[audited]
    return corrected_mean(share[~audited], share[audited], people, groups=(person[~audited], person[audited]))


def lacking(told: Newcomer, beside: int) -> tuple[str, ...]:
    """What keeps a rater in the shadow."""
    reasons = []
    if beside < FEWEST:
        reasons.append(f"{beside} of its answers were graded by people too; {FEWEST} are needed.")
    if told.severity_se > SURE:
        more = (told.severity_se / SURE) ** 2
        reasons.append(f"its severity is known to ±{told.severity_se:.2f}: {more:.1f} times the grades are needed.")
    if np.exp(told.log_discrimination) < DULL:
        reasons.append(f"it hardly tells answers apart (discrimination {np.exp(told.log_discrimination):.2f}).")
    return tuple(reasons)


def publish(db: Session, found: Iterable[RaterReport], who: str, now: datetime) -> Calibration | None:
    """A calibration that knows the raters who are ready; None where there is none."""
    ready = [one for one in found if not one.lacking and not one.ended]
    if not ready:
        return None
    newest = scales.latest(db)
    known = {name: numbers(one) for one in ready for name in one.names or (one.rater,)}
    body = {**newest.body, "raters": {**newest.body.get("raters", {}), **known}}
    return scales.publish(db, body, f"{len(ready)} raters of interviews measured", who, now)


def numbers(one: RaterReport) -> dict[str, float]:
    return {
        "discrimination": one.discrimination, "severity": one.found.severity,
        "sd_log_discrimination": one.found.log_discrimination_se, "sd_severity": one.found.severity_se,
    }  # fmt: skip


# -- kept ------------------------------------------------------------------------------------------


def keep_up(engine: Engine, now: datetime) -> None:
    """Measure anew once models' verdicts are a quarter more than at the last account, so that it costs little each."""
    with store.reading(engine) as db:
        graded, before = verdicts(db), latest_account(db, simulated=False)
        if graded < MORE * max(before.body["verdicts"] if before else 0, FIRST):
            return
        newest = scales.latest(db)
        found = measure(db, scales.of(newest), now)
    with store.writing(engine) as db:
        keep(db, found, newest.id, now)


def latest_account(db: Session, *, simulated: bool) -> PanelAccount | None:
    newest = select(PanelAccount).where(PanelAccount.simulated == simulated).order_by(PanelAccount.id.desc()).limit(1)
    return db.scalars(newest).first()


def verdicts(db: Session) -> int:
    """Models' verdicts on record."""
    return db.scalar(select(func.count(Grade.id)).where(Grade.rater.startswith(MODEL))) or 0


def keep(
    db: Session, found: Iterable[RaterReport], scale_id: int, now: datetime, *, simulated: bool = False
) -> PanelAccount:  # fmt: skip
    """Put what was measured on record, for the page of raters."""
    account = PanelAccount(
        at=now,
        calibration_id=scale_id,
        simulated=simulated,
        body={"raters": [row(one) for one in found], "verdicts": verdicts(db)},
    )
    db.add(account)
    db.flush()
    return account


def row(one: RaterReport) -> Json:
    """A rater's figures as pages and files have them."""
    return {
        "rater": one.rater, "answers": one.answers, "beside_people": one.beside, "severity": one.found.severity,
        "severity_se": one.found.severity_se, "discrimination": one.discrimination,
        "log_discrimination_se": one.found.log_discrimination_se, "mean": one.model_mean,
        "peoples_mean": one.mean_level._asdict() if one.mean_level else None, "live": one.live,
        "changed": one.ended, "lacking": list(one.lacking), "agreement": told(one.agreement),
        "watch": asdict(one.watch) if one.watch else None,
    }  # fmt: skip


def told(one: Estimate | None) -> Json | None:
    """A coefficient, where the verdicts can say it."""
    if one is None or not np.isfinite([one.value, one.low]).all():
        return None
    return {"value": one.value, "low": one.low, "high": one.high, "answers": one.units}
