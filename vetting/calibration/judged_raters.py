"""Raters held against what all other grades of the same people let expect: the part of `assay judge` about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control, norm

from irt.design import Answers
from irt.estep import Parameters
from irt.fit import Foreseen
from irt.model import Floats
from irt.rater_fit import Deviations, RaterFit, deviations, rater_fit, slopes
from vetting.calibration.calibrate import ScaleFile
from vetting.calibration.judgement import DeviationJudged, RaterJudged, RatersJudged
from vetting.calibration.reasons import ALARMS, ALIKE, ERRATIC, NOISY

FEWEST_GRADES = 50  # of a rater, to judge their fit
FEWEST_OF_PAIR = 30  # people whom a rater graded on an item, to say how strict there
DULL, SURE = 0.5, 1.645  # a discrimination that surely is below hardly tells good from bad
DEVIATIONS = 20  # told of by name


def judged(
    scale: ScaleFile, at: Parameters, answers: Answers, seen: Foreseen, items: Sequence[str], *, own: bool
) -> RatersJudged | None:
    """None where nobody grades; own: raters were fitted on these grades, so none of them can have moved."""
    if at.facets is None:
        return None
    names = list(scale.raters)
    found = rater_fit(at.facets.cells, answers, seen, slopes(at, answers) if own else None)
    pairs = deviations(at, answers)
    return RatersJudged(
        raters=rows(scale, found, pairs, own=own), pairs=int((pairs.persons >= FEWEST_OF_PAIR).sum()),
        deviations=odd_pairs(pairs, names, items),
        unseen=[name for name, count in zip(names, found.grades, strict=True) if not count],
    )  # fmt: skip


def rows(scale: ScaleFile, found: RaterFit, pairs: Deviations, *, own: bool) -> list[RaterJudged]:
    """Every rater who graded, worst fit first."""
    on, names, adjusted, many = scale.raters, list(scale.raters), adjust(found), found.grades >= FEWEST_GRADES
    flagged, at = many & (adjusted <= ALARMS), found.infit
    dull = [np.log(one.discrimination) + SURE * one.sd_log_discrimination < np.log(DULL) for one in on.values()]
    standing = np.select(
        [~many, flagged & (at >= ERRATIC), flagged & (at >= NOISY), flagged & (at <= ALIKE), dull],
        ["too few grades", "erratic", "noisy", "too alike", "dull"], "fits",
    )  # fmt: skip
    order = np.lexsort((-np.abs(np.log(np.maximum(found.infit, 1e-9))), ~flagged, ~many))
    told = [
        (None, None) if own or not np.isfinite(se) else (float(size), float(np.hypot(se, one.sd_severity)))
        for size, se, one in zip(pairs.moved, pairs.moved_se, on.values(), strict=True)
    ]
    return [
        RaterJudged(
            rater=names[r], grades=int(found.grades[r]), severity=on[names[r]].severity,
            discrimination=on[names[r]].discrimination, infit=float(found.infit[r]),
            outfit=float(found.outfit[r]), z=float(found.z[r]), adjusted=float(adjusted[r]),
            standing=str(standing[r]), moved=told[r][0], moved_se=told[r][1],
        )
        for r in order if found.grades[r]
    ]  # fmt: skip


def adjust(found: RaterFit) -> Floats:
    """False alarms among raters with enough grades; 1 for the others."""
    many, adjusted = found.grades >= FEWEST_GRADES, np.ones(len(found.grades))
    adjusted[many] = false_discovery_control(found.p_value[many]) if many.any() else 1.0
    return adjusted


def odd_pairs(pairs: Deviations, raters: Sequence[str], items: Sequence[str]) -> list[DeviationJudged]:
    many = np.flatnonzero(pairs.persons >= FEWEST_OF_PAIR)
    if not len(many):
        return []
    adjusted = false_discovery_control(2 * norm.sf(np.abs(pairs.size[many]) / pairs.se[many]))
    return [
        DeviationJudged(
            rater=raters[pairs.rater[n]], item=items[pairs.item[n]], people=int(pairs.persons[n]),
            deviation=float(pairs.size[n]), se=float(pairs.se[n]), adjusted=float(share),
        )
        for n, share in zip(many[:DEVIATIONS], adjusted[:DEVIATIONS], strict=True)
    ]  # fmt: skip
