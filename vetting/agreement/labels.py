"""How far labellers agree, on anybody's labels: coefficients with intervals, who is noisy, which units are ambiguous.

The pilot's gate asks for enough units with enough people each, and for the lower bound of alpha to reach the threshold.
Gold units, where there are some, say how often the crowd is right: settings of the model are chosen and judged on
different gold (five folds), beside a majority vote on the same units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from pydantic import BaseModel

from assignment.agreement import (
    Estimate,
    Labels,
    Statistic,
    alpha,
    by_category,
    cohen,
    disagreement,
    fleiss,
    gwet,
    interval,
    nominal,
    ordinal,
    over_time,
    percent,
    quadratic_credit,
    ratio,
    retest,
)
from assignment.arrays import Floats, Rows
from assignment.raters import Raters, dawid_skene
from vetting.agreement.label_table import LabelTable, Level

WINDOWS = 6  # of agreement over time
MOST_PAIRS = 45  # pairs of raters whose kappa is told: ten people's
SHOWN_UNITS = 200  # ambiguous units that are named
STEADY = 3.0  # labels of a usual rater that each is lent: about what predicts kept-back labels best on crowds
FOLDS = 5
SETTINGS = tuple(product((3.0, 10.0), (1.0, 5.0, 20.0)))  # (steadiness, trust in gold) to choose from


class Coefficient(BaseModel):
    """A coefficient with its analytic and its bootstrap interval (95 %); None where the labels cannot say."""

    name: str
    value: float | None
    se: float | None
    low: float | None
    high: float | None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    units: int


class RaterQuality(BaseModel):
    """One rater: how often right by Dawid and Skene, how often the same on seeing a unit again."""

    rater: str
    labels: int
    accuracy: float
    repeats: int
    same_again: float | None


class UnitDoubt(BaseModel):
    """A unit on which the labels leave doubt: `doubt` is the chance that the best label is not the true one."""

    unit: str
    label: str
    doubt: float
    disagreement: float | None
    labels: int


class Gate(BaseModel):
    """Whether a queue may scale after its pilot, and what is lacking."""

    open: bool
    threshold: float
    lower_bound: float | None
    units: int  # with enough people
    reasons: list[str]


class GoldCheck(BaseModel):
    """On gold units kept back: how often the model and a majority vote are right."""

    units: int
    model: float
    majority: float
    difference: float
    low: float
    high: float
    steadiness: float  # chosen for the final fit
    trust: float


class AgreementFile(BaseModel):
    """AGREEMENT.json."""

    units: int
    raters: int
    labels: int
    categories: list[str]
    level: Level
    seed: int
    coefficients: list[Coefficient]
    pairs: list[Coefficient]
    by_label: list[Coefficient]
    by_category: list[Coefficient]
    over_time: list[Coefficient]
    rater_quality: list[RaterQuality]
    prevalence: dict[str, float]
    ambiguous: list[UnitDoubt]
    gate: Gate
    gold: GoldCheck | None
    notes: list[str]


@dataclass(frozen=True)
class Bar:
    """What a pilot must show."""

    threshold: float = 0.667
    units: int = 50
    people: int = 3


def measure(
    table: LabelTable, level: Level = "nominal", *, bar: Bar | None = None, known: Rows | None = None, seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> AgreementFile:  # fmt: skip
    """Everything that is told of a table of labels."""
    bar, first = bar or Bar(), first_labels(table)
    once = first.labels
    distance = distance_of(table, level)
    progress("coefficients")
    told = coefficients(once, level, distance, np.random.default_rng(seed))
    progress("raters and units")
    gold = None if known is None else check_gold(once, known, seed, progress)
    steadiness, trust = (gold.steadiness, gold.trust) if gold else (STEADY, 1.0)
    found = dawid_skene(once, steadiness=steadiness, known=known, trust=trust)

    def of(labels: Labels) -> Statistic:
        return alpha(labels, distance)

    return AgreementFile(
        units=len(table.units), raters=len(table.raters), labels=len(table.labels.unit), categories=list(table.names),
        level=level, seed=seed, coefficients=told, pairs=pair_kappas(table, once, level),
        by_label=[
            coefficient(name, estimate)
            for name, estimate in zip(table.names, by_category(once, lambda l: alpha(l, nominal(2))), strict=True)  # noqa: E741
        ],
        by_category=by_group(first, of), over_time=windows(first, of),
        rater_quality=qualities(table, found),
        prevalence={name: float(p) for name, p in zip(table.names, found.prevalence, strict=True)},
        ambiguous=ambiguous(table, once, found), gate=gate(once, told[0], bar), gold=gold,
        notes=notes_on(table, once),
    )  # fmt: skip


def first_labels(table: LabelTable) -> LabelTable:
    """The table with each rater's first label of each unit: a repeat is consistency, not agreement."""
    labels = table.labels
    order = np.arange(len(labels.unit)) if table.time is None else np.argsort(table.time, kind="stable")
    pair = labels.unit[order] * (int(labels.rater.max()) + 1) + labels.rater[order]
    keep = np.sort(order[np.unique(pair, return_index=True)[1]])
    first = Labels(labels.unit[keep], labels.rater[keep], labels.category[keep], labels.categories)
    group = tuple(table.group[row] for row in keep) if table.group else ()
    return replace(table, labels=first, group=group, time=None if table.time is None else table.time[keep])


def distance_of(table: LabelTable, level: Level) -> Floats | Callable[[Floats], Floats]:
    """Krippendorff's distance of the level."""
    if level == "nominal":
        return nominal(len(table.names))
    if level == "ordinal":
        return ordinal
    if not np.isfinite(table.values).all():
        word = next(name for name, value in zip(table.names, table.values, strict=True) if not np.isfinite(value))
        raise ValueError(f"level {level!r} needs labels that are numbers, but {word!r} is none. Maybe take ordinal.")
    return interval(table.values) if level == "interval" else ratio(table.values)


# -- coefficients ----------------------------------------------------------------------------------


def coefficients(
    once: Labels, level: Level, distance: Floats | Callable[[Floats], Floats], rng: np.random.Generator
) -> list[Coefficient]:
    """Alpha first: it is what the gate reads."""
    credit = None if level == "nominal" else quadratic_credit(once.categories)
    weighted = "" if credit is None else ", quadratic weights"
    wanted = {
        f"Krippendorff's alpha, {level}": alpha(once, distance),
        f"Fleiss' kappa{weighted}": fleiss(once, credit),
        f"Gwet's {'AC1' if credit is None else 'AC2'}{weighted}": gwet(once, credit),
        f"percent agreement{weighted}": percent(once, credit),
    }
    return [
        coefficient(name, statistic.analytic(), statistic.bootstrap(rng, draws=1000, accelerated=True))
        for name, statistic in wanted.items()
    ]


def coefficient(name: str, analytic: Estimate, resampled: Estimate | None = None) -> Coefficient:
    drawn = (None, None) if resampled is None else (said(resampled.low), said(resampled.high))
    return Coefficient(
        name=name, value=said(analytic.value), se=said(analytic.se), low=said(analytic.low), high=said(analytic.high),
        bootstrap_low=drawn[0], bootstrap_high=drawn[1], units=analytic.units,
    )  # fmt: skip


def said(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def pair_kappas(table: LabelTable, once: Labels, level: Level) -> list[Coefficient]:
    """Cohen's kappa of the pairs of raters who share most units."""
    credit = None if level == "nominal" else quadratic_credit(once.categories)
    seen = np.zeros((len(table.raters), len(table.units)), dtype=np.float32)
    seen[once.rater, once.unit] = 1.0
    shared = seen @ seen.T
    pairs = sorted(combinations(range(len(table.raters)), 2), key=lambda pair: -shared[pair])[:MOST_PAIRS]
    return [
        coefficient(f"{table.raters[a]} and {table.raters[b]}", cohen(once, a, b, credit).analytic())
        for a, b in pairs
        if shared[a, b] > 1
    ]


def by_group(table: LabelTable, of: Callable[[Labels], Statistic]) -> list[Coefficient]:
    """Alpha within each category of units."""
    group = np.array(table.group)
    return [coefficient(name, of(table.labels.where(group == name)).analytic()) for name in sorted(set(table.group))]


def windows(table: LabelTable, of: Callable[[Labels], Statistic]) -> list[Coefficient]:
    """Alpha in consecutive sixths of the labels."""
    if table.time is None or len(np.unique(table.time)) < WINDOWS:
        return []
    edges = np.unique(np.quantile(table.time, np.linspace(0, 1, WINDOWS + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    parts = over_time(table.labels, table.time, edges, of)
    return [coefficient(f"from {start:g}", part) for start, part in zip(edges[:-1], parts, strict=True)]


# -- raters and units ------------------------------------------------------------------------------


def qualities(table: LabelTable, found: Raters) -> list[RaterQuality]:
    time = np.arange(len(table.labels.unit)) if table.time is None else table.time
    again, whose = retest(table.labels, time.astype(float))
    before, after = np.split(again.category, 2)
    repeats = np.bincount(whose, minlength=len(table.raters))
    same = np.bincount(whose, before == after, len(table.raters))
    labels = np.bincount(table.labels.rater, minlength=len(table.raters))
    return [
        RaterQuality(
            rater=name, labels=int(labels[r]), accuracy=float(found.accuracy[r]), repeats=int(repeats[r]),
            same_again=float(same[r] / repeats[r]) if repeats[r] else None,
        )
        for r, name in enumerate(table.raters)
    ]  # fmt: skip


def ambiguous(table: LabelTable, once: Labels, found: Raters) -> list[UnitDoubt]:
    """Units from the most doubtful down."""
    apart, counts = disagreement(once), once.counts.sum(axis=1)
    order = np.lexsort((-np.nan_to_num(apart), -found.ambiguity))[:SHOWN_UNITS]
    return [
        UnitDoubt(
            unit=table.units[u], label=table.names[int(found.posterior[u].argmax())], doubt=float(found.ambiguity[u]),
            disagreement=said(apart[u]), labels=int(counts[u]),
        )
        for u in order
    ]  # fmt: skip


def gate(once: Labels, agreement: Coefficient, bar: Bar) -> Gate:
    """A pilot is judged by what it shows surely, and only when it is large enough."""
    enough = int((once.counts.sum(axis=1) >= bar.people).sum())
    reasons = []
    if enough < bar.units:
        reasons.append(f"{enough} of the {bar.units} units that a pilot needs have {bar.people} people's labels.")
    if agreement.low is None:
        reasons.append("agreement cannot be told: too few units, or everybody gave one label.")
    elif agreement.low < bar.threshold:
        reasons.append(
            f"the lower bound of alpha is {agreement.low:.3f}, below {bar.threshold:g}. Maybe discuss the units with "
            "most doubt, sharpen the guideline and label fresh ones."
        )
    return Gate(open=not reasons, threshold=bar.threshold, lower_bound=agreement.low, units=enough, reasons=reasons)


def notes_on(table: LabelTable, once: Labels) -> list[str]:
    alone = int((once.counts.sum(axis=1) == 1).sum())
    repeats = len(table.labels.unit) - len(once.unit)
    told = {
        f"{alone} units have one label only: they say nothing about agreement.": alone,
        f"{repeats} labels are repeats by the same rater: they count for self-consistency only.": repeats,
    }
    return [note for note, count in told.items() if count]


# -- gold ------------------------------------------------------------------------------------------


def check_gold(once: Labels, known: Rows, seed: int, progress: Callable[[str], None]) -> GoldCheck:
    """Right on gold that neither the fit nor the choice of its settings has seen; paired with a majority vote."""
    gold = np.flatnonzero((known >= 0) & (once.counts.sum(axis=1) > 0))
    if len(gold) < 2 * FOLDS:
        raise ValueError(f"{len(gold)} gold units have labels, but {2 * FOLDS} are needed. Maybe add some.")
    fold = np.random.default_rng(seed).permutation(len(gold)) % FOLDS
    vote, model = right_by_vote(once, known)[gold], np.zeros(len(gold))
    for f in range(FOLDS):
        progress(f"gold, part {f + 1} of {FOLDS}")
        kept = known.copy()
        kept[gold[fold == f]] = -1
        model[fold == f] = right(once, kept, known, gold[fold == f], choose(once, kept, seed))
    gap = model - vote
    reach = 1.96 * float(gap.std(ddof=1)) / np.sqrt(len(gap))
    steadiness, trust = choose(once, known, seed)
    return GoldCheck(
        units=len(gold), model=float(model.mean()), majority=float(vote.mean()), difference=float(gap.mean()),
        low=float(gap.mean() - reach), high=float(gap.mean() + reach), steadiness=steadiness, trust=trust,
    )  # fmt: skip


def choose(once: Labels, known: Rows, seed: int) -> tuple[float, float]:
    """(steadiness, trust) under which gold that is kept back is foretold best, by mean log-probability."""
    gold = np.flatnonzero(known >= 0)
    half = np.random.default_rng(seed + 1).permutation(len(gold)) % 2
    worth = []
    for steadiness, trust in SETTINGS:
        told = 0.0
        for f in range(2):
            kept = known.copy()
            kept[gold[half == f]] = -1
            found = dawid_skene(once, steadiness=steadiness, known=kept, trust=trust)
            places = gold[half == f]
            told += float(np.log(np.maximum(found.posterior[places, known[places]], 1e-6)).sum())
        worth.append(told)
    return SETTINGS[int(np.argmax(worth))]


def right(once: Labels, kept: Rows, known: Rows, places: Rows, setting: tuple[float, float]) -> Floats:
    """1 where the model finds the gold label of a unit that was kept back."""
    found = dawid_skene(once, steadiness=setting[0], known=kept, trust=setting[1])
    return np.asarray(found.posterior[places].argmax(axis=1) == known[places], dtype=float)


def right_by_vote(once: Labels, known: Rows) -> Floats:
    """(U,) chance that a majority vote, ties drawn by lot, gives the gold label."""
    counts = once.counts
    best = counts == counts.max(axis=1, keepdims=True)
    return np.asarray(best[np.arange(len(counts)), known] / best.sum(axis=1))
