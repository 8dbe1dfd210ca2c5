"""May a scale be published? Its answers held against it: the work behind `assay judge`.

Everything is measured with the mean and spread that these very people have, so that a stronger or weaker crowd is
not laid at the items' door. Many items and pairs are looked at: a flag needs an effect that matters and a share of
false alarms (Benjamini & Hochberg, 1995) of at most 5 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control, norm

from irt import dif, rater_fit
from irt import drift as changes
from irt import fit as checks
from irt.design import Flags
from irt.facet_step import spelled
from irt.model import Floats, Ints
from irt.scoring import auc, score
from vetting.calibration import judged_raters
from vetting.calibration.calibrate import ScaleFile
from vetting.calibration.case import Case, case
from vetting.calibration.groupings import Grouping
from vetting.calibration.judgement import (
    Comparison,
    CorrelationJudged,
    CurvePoint,
    Drift,
    ItemDrift,
    ItemJudged,
    Judgement,
    PairJudged,
    PairsJudged,
    PersonJudged,
    PersonsJudged,
    Shift,
    SkillJudged,
    Window,
)
from vetting.calibration.reasons import ALARMS, DEPENDENT, MISFIT, WORSE, leave_out, reasons, verdict
from vetting.tables import Responses

FEWEST_ANSWERS = 50  # of an item, to judge its fit; of a pair of items, to judge their dependence
FEWEST_OF_PERSON = 5  # answers of a person, to judge them
FEWEST_IN_GROUP = 30  # people of a group, to compare it
ODD = -1.645  # the 5 % point of a standard normal
CURVES, PEOPLE, PAIRS = 8, 20, 20  # items, persons, pairs told of by name
BEST = 20  # items a person is asked about a skill when we say what is attainable
WINDOWS, PER_WINDOW = 8, 150  # most windows of time, and people in one
LEVELS = np.arange(-3.0, 3.01, 0.5)
POWER = 1.96 + 0.84  # standard errors that are found four times in five
MOST_ITEMS = 4_000  # whose pairs are looked at: their number grows as the square

Step = Callable[[str], None]


def judge(
    scale: ScaleFile, responses: Responses, *, groupings: Iterable[Grouping] = (), time: Floats | None = None,
    seed: int = 1, names: tuple[str, str] = ("", ""), step: Step = lambda _: None,
) -> Judgement:  # fmt: skip
    """Look at everything; `time` (P,) is when each person answered, nan where that is not known."""
    step("foreseeing each answer from the person's others")
    whole = case(scale, responses)
    step("items and people")
    items, persons = judged_items(whole), judged_persons(whole)
    step("pairs of items")
    pairs = judged_pairs(whole)
    step("groups and drift")
    groups = [one for grouping in groupings for one in compared(whole, grouping)]
    drift = None if time is None else drifted(whole, time, np.random.default_rng(seed))
    step("correlations, reliability, coverage")
    count = np.bincount(whole.marks.item, minlength=len(whole.items))
    found: dict[str, Any] = {
        "people": len(whole.answers), "answers": len(whole.answers.item), "items": items, "persons": persons,
        "pairs": pairs, "groups": groups, "drift": drift, "skills": judged_skills(whole),
        "correlations": judged_correlations(whole, np.random.default_rng(seed)),
        "raters": judged_raters.judged(scale, whole.at, whole.answers, whole.seen, whole.names, own=whole.own),
        "unanswered": [whole.names[i] for i in np.flatnonzero(count == 0)],
        "errors": "none" if whole.errors is None else "fitted here" if whole.own else "counted",
    }  # fmt: skip
    why = list(reasons(scale, **found))
    said = np.take_along_axis(whole.seen.chance, whole.answers.level[:, None], 1)[:, 0]
    return Judgement(
        verdict=verdict(why), reasons=why, leave_out=leave_out(why), scale=names[0], responses=names[1], best=BEST,
        seed=seed, log_likelihood=float(np.log(np.maximum(said, 1e-300)).mean()), auc=area(whole), **found,
    )  # fmt: skip


def area(whole: Case) -> float | None:
    """Chance that a right answer was foreseen as likelier than a wrong one, over answers to two-level items."""
    two = whole.read.levels[whole.answers.item] == 2
    right = whole.answers.level[two] == 1
    return auc(whole.seen.expected[two], right)


# -- items, people, pairs --------------------------------------------------------------------------


def judged_items(whole: Case) -> list[ItemJudged]:
    """Every item that was answered, worst fit first."""
    errors = None if whole.own else whole.errors
    found = checks.item_fit(whole.items, whole.marks, errors=errors, shared=whole.shared)
    many = found.answers >= FEWEST_ANSWERS
    adjusted = np.ones(len(whole.names))
    adjusted[many] = false_discovery_control(found.p_value[many]) if many.any() else 1.0
    flagged = many & (adjusted <= ALARMS)
    standing = np.select(
        [~many, flagged & (found.rmsd >= MISFIT), flagged & (found.rmsd >= WORSE)],
        ["too few answers", "misfits", "doubtful"], "fits",
    )  # fmt: skip
    order = np.lexsort((-found.rmsd, ~flagged, ~many))
    order = order[found.answers[order] > 0]
    return [
        ItemJudged(
            item=whole.names[i], answers=int(found.answers[i]), rmsd=float(found.rmsd[i]),
            p_value=float(found.p_value[i]), adjusted=float(adjusted[i]), standing=str(standing[i]),
            curve=curve(whole, int(i)) if place < CURVES and many[i] else [], **place_of(whole, int(i)),
        )
        for place, i in enumerate(order)
    ]  # fmt: skip


def curve(whole: Case, item: int) -> list[CurvePoint]:
    found = checks.item_curve(whole.items, whole.marks, item)
    fields = ("people", "foreseen", "observed", "se")
    return [
        CurvePoint(**dict(zip(fields, cell, strict=True))) for cell in zip(*(c.tolist() for c in found), strict=True)
    ]


def place_of(whole: Case, item: int) -> dict[str, Any]:
    """The skills an item asks, the main one first, and its place on that."""
    slope, skill = whole.items.slope[item], whole.items.skill[item]
    order = [n for n in np.argsort(-np.abs(slope), kind="stable") if slope[n] != 0]
    steep = float(np.linalg.norm(slope))
    cuts = whole.items.threshold[item][np.isfinite(whole.items.threshold[item])]
    return {
        "skills": [whole.file.skills[skill[n]] for n in order], "discrimination": steep,
        "difficulty": float(-cuts.mean() / steep) if steep else None,
    }  # fmt: skip


def judged_persons(whole: Case) -> PersonsJudged:
    z, count = checks.person_fit(whole.answers, whole.seen, whole.unsure), np.diff(whole.answers.start)
    rows = np.flatnonzero((count >= FEWEST_OF_PERSON) & np.isfinite(z))
    oddest = rows[np.argsort(z[rows], kind="stable")][:PEOPLE]
    return PersonsJudged(
        judged=len(rows), below=int((z[rows] < ODD).sum()), expected=0.05 * len(rows),
        histogram=histogram(z[rows], np.arange(-5, 3.01, 0.5)),
        oddest=[
            PersonJudged(person=whole.people[p], answers=int(count[p]), z=float(z[p])) for p in oddest if z[p] < ODD
        ],
    )  # fmt: skip


def histogram(values: Floats, edges: Floats) -> list[tuple[float, int]]:
    """Lower end and size of each bin; what lies beyond the ends is in the outermost bins."""
    inside = np.clip(values, edges[0], edges[-1] - 1e-9)
    return list(zip(edges[:-1].tolist(), np.histogram(inside, edges)[0].tolist(), strict=True))


def judged_pairs(whole: Case) -> PairsJudged:
    if len(whole.items) > MOST_ITEMS:
        return PairsJudged(looked_at=0, flagged=0, strongest=[])
    kinds = None if whole.facets is None else rater_fit.kinds(whole.at, whole.answers)
    found = checks.local_dependence(whole.items, whole.marks, len(whole.answers), FEWEST_ANSWERS, kinds)
    if not len(found.q3):
        return PairsJudged(looked_at=0, flagged=0, strongest=[])
    adjusted = false_discovery_control(2 * norm.sf(np.abs(found.z)))
    flagged = (adjusted <= ALARMS) & (np.abs(found.q3) >= DEPENDENT)
    order = np.lexsort((-np.abs(found.q3), ~flagged))[: max(PAIRS, min(int(flagged.sum()), 10 * PAIRS))]
    return PairsJudged(
        looked_at=len(found.q3), flagged=int(flagged.sum()),
        strongest=[
            PairJudged(
                first=whole.names[found.first[n]], second=whole.names[found.second[n]], people=int(found.persons[n]),
                q3=float(found.q3[n]), adjusted=float(adjusted[n]),
            )
            for n in order
        ],
    )  # fmt: skip


# -- groups and periods ----------------------------------------------------------------------------


def compared(whole: Case, grouping: Grouping) -> list[Comparison]:
    """Each group against the largest one."""
    label = np.array(grouping.label)
    names, sizes = np.unique(label[label != ""], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    return [
        comparison(
            whole, grouping.name, (str(names[order[0]]), str(names[n])), label == names[order[0]], label == names[n]
        )
        for n in order[1:]
    ]


def comparison(whole: Case, grouping: str, names: tuple[str, str], reference: Flags, focal: Flags) -> Comparison:
    sizes = int(reference.sum()), int(focal.sum())
    found: dict[str, Any] = {
        "grouping": grouping, "reference": names[0], "focal": names[1], "reference_people": sizes[0],
        "focal_people": sizes[1],
    }  # fmt: skip
    if min(sizes) < FEWEST_IN_GROUP:
        return Comparison(**found, ahead={}, items=[], compared=False)
    both = reference | focal
    told = dif.group_difference(
        whole.items, whole.mean, whole.cov, whole.answers.people(both), focal[both], errors=whole.errors,
        facets=whole.facets,
    )  # fmt: skip
    rows = [int(i) for i in np.argsort(-np.abs(told.shift), kind="stable") if np.isfinite(told.se[i])]
    shifts = [shift(whole.names[i], float(told.shift[i]), float(told.se[i]), told.ets[i]) for i in rows]
    ahead = (told.groups[1] - told.groups[0]) / np.sqrt(np.diag(whole.cov))
    return Comparison(
        **found, ahead=dict(zip(whole.file.skills, ahead.tolist(), strict=True)), items=shifts,
        unclear=len(whole.names) - sum(one.ets != "?" for one in shifts),
    )  # fmt: skip


def shift(item: str, size: float, se: float, ets: str) -> Shift:
    return Shift(item=item, shift=size, se=se, delta=dif.ETS * size, ets=ets, seen=POWER * se)


def drifted(whole: Case, time: Floats, rng: np.random.Generator) -> Drift | None:
    """Windows of time with as many people each, and where each item changed; None where all came at once."""
    known = np.isfinite(time)
    if not known.any() or np.ptp(time[known]) == 0:
        return None
    answers, when = whole.answers.people(known), time[known]
    window = windows_of(when)
    sizes = np.bincount(window)
    if sizes.min() < FEWEST_IN_GROUP:
        return Drift(compared=False, windows=[], items=[], sure=1.96)
    told = changes.drift(
        whole.items, whole.mean, whole.cov, answers, window, rng, errors=whole.errors, facets=whole.facets
    )
    begins, ends = (np.array([pick(when[window == w]) for w in range(len(sizes))]) for pick in (np.min, np.max))
    ahead = (told.means - told.means[0]) / np.sqrt(np.diag(whole.cov))
    rows = [int(i) for i in np.lexsort((-np.abs(told.size), told.p_value)) if np.isfinite(told.se[i])]
    adjusted = dict(zip(rows, false_discovery_control(told.p_value[rows]) if rows else [], strict=True))
    items = [item_drift(whole.names[i], told, i, float(adjusted[i]), begins) for i in rows]
    return Drift(
        windows=[
            Window(
                begin=begins[w], end=ends[w], people=int(sizes[w]),
                ahead=dict(zip(whole.file.skills, ahead[w].tolist(), strict=True)),
            )
            for w in range(len(sizes))
        ],
        items=items, unclear=len(whole.names) - sum(one.ets != "?" for one in items), sure=told.sure,
    )  # fmt: skip


def windows_of(time: Floats) -> Ints:
    """(P,) 0..W-1 in the order of time, as many people each as ties allow."""
    count = int(np.clip(len(time) // PER_WINDOW, 2, WINDOWS))
    inner = np.unique(np.quantile(time, np.arange(1, count) / count))
    inner = inner[inner < time.max()]
    ends = inner if len(inner) else time[time < time.max()].max(keepdims=True)
    window = np.searchsorted(ends, time, side="left")
    return np.unique(window, return_inverse=True)[1].ravel().astype(np.int64)


def item_drift(item: str, told: changes.Drift, i: int, adjusted: float, begins: Floats) -> ItemDrift:
    large = told.ets[i] == "C" and adjusted > ALARMS  # large, but so are some of many by chance
    path = [
        (float(s), float(e)) if np.isfinite(e) else None
        for s, e in zip(told.shift[:, i], told.window_se[:, i], strict=True)
    ]
    one = shift(item, float(told.size[i]), float(told.se[i]), "B" if large else told.ets[i])
    return ItemDrift(
        **one.model_dump(), p_value=float(told.p_value[i]), adjusted=adjusted, since=float(begins[told.split[i]]),
        between=(float(begins[told.earliest[i]]), float(begins[told.latest[i]])), path=path,
    )  # fmt: skip


# -- skills ----------------------------------------------------------------------------------------


def judged_skills(whole: Case) -> list[SkillJudged]:
    scale_sd = np.sqrt(np.diag(np.array(whole.file.prior.covariance)))
    centre = np.array(whole.file.prior.mean)
    wide = spelled(whole.at)
    mean, sd = (part[:, : len(centre)] for part in score(whole.read, wide.mean, wide.cov, whole.answers))
    sure = checks.reliability(mean, sd)
    dense = whole.items.dense(len(centre)) != 0
    known = checks.bank_coverage(whole.items, len(centre), LEVELS, BEST, whole.noise)
    return [
        SkillJudged(
            skill=name, items=int(dense[:, d].sum()), mean=float((whole.mean[d] - centre[d]) / scale_sd[d]),
            sd=float(np.sqrt(whole.cov[d, d]) / scale_sd[d]), score_sd=float(sd[:, d].mean()),
            reliability=float(sure[d]),
            people=histogram((mean[:, d] - centre[d]) / scale_sd[d], np.arange(-3, 3.01, 0.25)),
            attainable=attainable(known[d], scale_sd[d]),
        )
        for d, name in enumerate(whole.file.skills)
    ]  # fmt: skip


def attainable(known: Floats, sd: float) -> list[tuple[float, float]]:
    """Levels and the posterior sds that the best items reach there, in sds of the population."""
    return list(zip(LEVELS.tolist(), (1 / np.sqrt(1 + known * sd**2)).tolist(), strict=True))


def judged_correlations(whole: Case, rng: np.random.Generator) -> list[CorrelationJudged]:
    """The predictive check, with these people's means and spreads and the scale's correlations."""
    if len(whole.mean) < 2:
        return []
    claimed, own = correlations(np.array(whole.file.prior.covariance)), correlations(whole.cov)
    sd, skills = np.sqrt(np.diag(whole.cov)), len(whole.mean)
    wide = spelled(replace(whole.at, cov=claimed * np.outer(sd, sd)))
    found = checks.correlation_check(whole.read, wide.mean, wide.cov, whole.answers, rng, skills=skills)
    return [
        CorrelationJudged(
            first=whole.file.skills[d], second=whole.file.skills[e], scale=float(claimed[d, e]),
            here=float(own[d, e]), z=float(z),
        )
        for d, e, z in zip(found.second, found.first, found.z, strict=True)
    ]  # fmt: skip


def correlations(cov: Floats) -> Floats:
    sd = np.sqrt(np.diag(cov))
    return np.asarray(cov / np.outer(sd, sd), dtype=float)
