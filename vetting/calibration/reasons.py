"""What speaks against publishing a scale: every reason at once, each with its size and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from scipy.stats import binom

from vetting.calibration.calibrate import ScaleFile
from vetting.calibration.judgement import (
    Comparison,
    CorrelationJudged,
    Drift,
    ItemJudged,
    PairsJudged,
    PersonsJudged,
    RatersJudged,
    Reason,
    SkillJudged,
    Verdict,
)

ALARMS = 0.05  # share of false alarms among what is flagged
WORSE, MISFIT = 0.03, 0.08  # rmsd in shares of the top level: to be looked at, too much
DEPENDENT = 0.2  # |Q3| less its mean: too much (Christensen, Makransky & Horton, 2017)
FEWEST_PEOPLE = 100  # to judge a scale by
ODD_SHARE, ODD_REFUSED = 0.10, 0.25  # of people with odd answers, 0.05 by chance: worth a note, too many
OFF, OFF_REFUSED = 0.10, 0.25  # of a correlation
SURPRISING = 3.3  # sds of the predictive check
RELIABLE = 0.7  # below, single persons' scores say little
AWAY = 0.25  # sds of a mean: another population
THIN, MIDDLE = 0.5, 2.0  # posterior sd within so many sds of the mean
SECONDS = 1e8  # a time above it is taken to count seconds since 1970
NOISY, ERRATIC, ALIKE = 1.3, 1.5, 0.6  # mean squares: to be looked at, too much, suspiciously little
MOVED, MOVED_REFUSED = 0.3, 0.5  # sds of the skill that a rater became stricter or milder
NAMED = 8  # items named in one sentence


def reasons(
    scale: ScaleFile, *, people: int, answers: int, items: list[ItemJudged], persons: PersonsJudged,
    pairs: PairsJudged, groups: list[Comparison], drift: Drift | None, skills: list[SkillJudged],
    correlations: list[CorrelationJudged], unanswered: list[str], errors: str, raters: RatersJudged | None,
) -> Iterator[Reason]:  # fmt: skip
    """Refusals and notes, in the order of the report."""
    yield from of_size(people, answers, unanswered)
    yield from of_fit(scale)
    if errors == "none":
        yield note("items", "the scale does not say how surely its items are known: they are taken as exact.")
    yield from of_items(items)
    yield from of_persons(persons)
    yield from of_pairs(pairs)
    if raters:
        yield from of_raters(raters)
    for one in groups:
        yield from of_comparison(one)
    if drift:
        yield from of_drift(drift)
    yield from of_correlations(correlations)
    yield from of_skills(skills)


def verdict(why: Sequence[Reason]) -> Verdict:
    if any(one.weight == "refuse" for one in why):
        return "refuse"
    return "publish with notes" if why else "publish"


def leave_out(why: Sequence[Reason]) -> list[str]:
    return list(dict.fromkeys(key for one in why if one.weight == "refuse" for key in one.items))


def refuse(check: str, why: str, items: Sequence[str] = ()) -> Reason:
    return Reason(weight="refuse", check=check, why=why, items=list(items))


def note(check: str, why: str, items: Sequence[str] = ()) -> Reason:
    return Reason(weight="note", check=check, why=why, items=list(items))


def named(items: Sequence[str]) -> str:
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more} more" if more > 0 else "")


def several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


# -- each check ------------------------------------------------------------------------------------


def of_size(people: int, answers: int, unanswered: list[str]) -> Iterator[Reason]:
    if people < FEWEST_PEOPLE:
        yield refuse(
            "answers", f"{people} people gave {answers} answers; a scale is judged by {FEWEST_PEOPLE} people or more, "
            "because with fewer a bad item looks like a good one. Maybe wait for more answers.",
        )  # fmt: skip
    if unanswered:
        yield note(
            "answers", f"nobody here answered {several(len(unanswered), 'item')} of the scale, so nothing is known of "
            f"how they fit: {named(unanswered)}.", unanswered,
        )  # fmt: skip


def of_fit(scale: ScaleFile) -> Iterator[Reason]:
    if scale.fit.get("converged") is False:
        yield refuse("fit", "the fit had not converged. Maybe give it more answers, or fewer skills.")
    for one in scale.refused:
        yield note("fit", f"{one.what}: {one.why}")


def of_items(items: list[ItemJudged]) -> Iterator[Reason]:
    bad = [one for one in items if one.standing == "misfits"]
    for one in bad:
        yield refuse(
            "items", f"{one.item} does not follow its curve: observed and foreseen scores are {one.rmsd:.2f} of the "
            f"top score apart (p {tiny(one.p_value)}, {one.answers} answers). Maybe the key is wrong, or it asks "
            "another skill.",
            [one.item],
        )  # fmt: skip
    doubtful = [one.item for one in items if one.standing == "doubtful"]
    if doubtful:
        yield note(
            "items", f"{several(len(doubtful), 'item')} depart a little from their curves: {named(doubtful)}.", doubtful
        )
    few = [one.item for one in items if one.standing == "too few answers"]
    if few:
        yield note("items", f"{several(len(few), 'item')} have too few answers to judge their fit: {named(few)}.", few)


def of_persons(persons: PersonsJudged) -> Iterator[Reason]:
    if not persons.judged:
        yield note("people", "nobody gave enough answers to judge single people's by.")
        return
    share, chance = persons.below / persons.judged, binom.sf(persons.below - 1, persons.judged, 0.05)
    if share >= ODD_SHARE and chance < 0.01:
        said = f"{share:.0%} of people answer oddly, and 5 % would by chance"
        if share >= ODD_REFUSED:
            yield refuse("people", f"{said}: the scale does not describe them. Maybe many clicked at random.")
        else:
            yield note("people", f"{said}. Maybe look at the ones named in the report.")


def of_pairs(pairs: PairsJudged) -> Iterator[Reason]:
    strong = pairs.strongest[: pairs.flagged]
    often = Counter(item for one in strong for item in (one.first, one.second))
    for one in strong[:NAMED]:
        yield refuse(
            "pairs", f"{one.first} and {one.second} depend on each other beyond the skills (Q3 {one.q3:+.2f}, "
            f"{one.people} people): intervals are too narrow where both are asked. Maybe keep one of them.",
            [max(one.second, one.first, key=lambda item: often[item])],
        )  # fmt: skip
    if pairs.flagged > NAMED:
        yield refuse(
            "pairs", f"{pairs.flagged} of {pairs.looked_at} pairs depend on each other. Maybe a skill is missing."
        )
    if not pairs.looked_at:
        yield note(
            "pairs", "local dependence was not looked at: no two items share enough people, or the items are too many."
        )


def of_raters(found: RatersJudged) -> Iterator[Reason]:
    for one in found.raters:
        said = f"{one.rater}: mean square {one.infit:.2f} over {one.grades} grades, and 1 is expected"
        if one.standing == "erratic":
            yield refuse("raters", f"{said}: erratic. Maybe leave the rater's grades out and fit again.")
        elif one.standing == "noisy":
            yield note("raters", f"{said}: noisier than the scale says.")
        elif one.standing == "too alike":
            yield note("raters", f"{said}: too much as the others. Maybe the rater saw their grades.")
        elif one.standing == "dull":
            yield note(
                "raters", f"{one.rater}: discrimination {one.discrimination:.2f}; it hardly tells good from bad."
            )
        if one.moved is not None and one.moved_se is not None and sure(one.moved, one.moved_se):
            yield from of_moved(one.rater, one.moved, one.moved_se)
    few = [one.rater for one in found.raters if one.standing == "too few grades"]
    if few:
        yield note("raters", f"{several(len(few), 'rater')} gave too few grades to judge their fit: {named(few)}.")
    if found.unseen:
        yield note("raters", f"{several(len(found.unseen), 'rater')} graded nothing here: {named(found.unseen)}.")
    odd = [one for one in found.deviations if one.adjusted <= ALARMS and abs(one.deviation) >= MOVED]
    for pair in odd[:NAMED]:
        way = "stricter" if pair.deviation > 0 else "milder"
        yield note(
            "raters", f"{pair.rater} is {abs(pair.deviation):.2f} ± {1.96 * pair.se:.2f} sds {way} on {pair.item} than "
            "on the rest. Maybe they read its levels differently.",
        )  # fmt: skip


def sure(size: float, se: float) -> bool:
    return abs(size) > SURPRISING * se and abs(size) >= MOVED


def of_moved(rater: str, size: float, se: float) -> Iterator[Reason]:
    way = "stricter" if size > 0 else "milder"
    said = f"{rater} is {abs(size):.2f} ± {1.96 * se:.2f} sds {way} here than on the scale, beside the other raters"
    if abs(size) >= MOVED_REFUSED:
        yield refuse("raters", f"{said}. Maybe fit again with these grades.")
    else:
        yield note("raters", f"{said}.")


def of_comparison(one: Comparison) -> Iterator[Reason]:
    check = "groups"
    sides = f"{one.grouping}: {one.focal} ({one.focal_people} people) against {one.reference} ({one.reference_people})"
    if not one.compared:
        yield note(check, f"{sides}: too few people to compare. Maybe gather more before the scale is used on them.")
        return
    for item in one.large:
        size = f"{abs(item.shift):.2f} ± {1.96 * item.se:.2f} logits {'easier' if item.shift > 0 else 'harder'}"
        yield refuse(
            check, f"{item.item} is {size} for {one.focal} than for {one.reference} at equal skill (ETS class C). "
            "Maybe its wording says why.", [item.item],
        )  # fmt: skip
    if moderate := [item.item for item in one.items if item.ets == "B"]:
        count = several(len(moderate), "item")
        yield note(check, f"{sides}: {count} moderately shifted (ETS class B): {named(moderate)}.", moderate)
    if one.unclear:
        yield note(
            check, f"{sides}: too few answers to tell whether {several(one.unclear, 'item')} are shifted by as much as "
            "one ETS delta unit (0.43 logits).",
        )  # fmt: skip


def of_drift(found: Drift) -> Iterator[Reason]:
    if not found.compared:
        yield note("drift", "too few people at one of the times to compare. Maybe gather more.")
        return
    for one in found.large:
        size = f"{abs(one.shift):.2f} ± {found.sure * one.se:.2f} logits {'easier' if one.shift > 0 else 'harder'}"
        maybe = "it has become known" if one.shift > 0 else "its wording or key has changed"
        yield refuse(
            "drift", f"{one.item} is {size} since {moment(one.since)} ({span(*one.between)}) at equal skill (ETS class "
            f"C). Maybe {maybe}.", [one.item],
        )  # fmt: skip
    if moderate := [one.item for one in found.items if one.ets == "B"]:
        yield note(
            "drift", f"{several(len(moderate), 'item')} moderately shifted over time: {named(moderate)}.", moderate
        )
    if found.unclear:
        yield note(
            "drift", f"too few answers to tell whether {several(found.unclear, 'item')} changed by as much as one ETS "
            "delta unit (0.43 logits).",
        )  # fmt: skip


def span(first: float, last: float) -> str:
    """Where a change cannot be excluded to lie."""
    return "no other time is as likely" if first == last else f"between {moment(first)} and {moment(last)}"


def moment(value: float) -> str:
    """A time as it was given: a number, or a date where it counts seconds since 1970."""
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}" if value > SECONDS else f"{value:g}"


def of_correlations(correlations: list[CorrelationJudged]) -> Iterator[Reason]:
    for one in correlations:
        gap = abs(one.here - one.scale)
        if abs(one.z) < SURPRISING or gap < OFF:
            continue
        said = (
            f"{one.first} and {one.second} correlate {one.here:.2f} among these people, "
            f"and the scale says {one.scale:.2f} (z {one.z:+.1f})"
        )
        if gap >= OFF_REFUSED:
            yield refuse(
                "correlations", f"{said}: intervals of skills that borrow from each other are wrong. Maybe fit anew."
            )
        else:
            yield note("correlations", f"{said}.")


def of_skills(skills: list[SkillJudged]) -> Iterator[Reason]:
    for one in skills:
        if abs(one.mean) > AWAY or abs(np.log(max(one.sd, 1e-9))) > AWAY:
            yield note(
                "skills", f"{one.skill}: mean {one.mean:+.2f} and sd {one.sd:.2f} on the scale: these are not "
                "the people it was made with.",
            )  # fmt: skip
        if one.reliability < RELIABLE:
            yield note("skills", f"{one.skill}: reliability {one.reliability:.2f}; one person's score says little.")
        thin = [level for level, sd in one.attainable if abs(level) <= MIDDLE and sd > THIN]
        if thin:
            yield note(
                "coverage", f"{one.skill}: even its best items leave a standard deviation above {THIN} at level "
                f"{stretches(thin)}. Maybe write items there.",
            )  # fmt: skip


def stretches(levels: Sequence[float], step: float = 0.5) -> str:
    """Levels as ranges: -2 to -1, +2."""
    ends: list[list[float]] = []
    for level in levels:
        if ends and level - ends[-1][1] <= step:
            ends[-1][1] = level
        else:
            ends.append([level, level])
    return ", ".join(f"{low:+g}" if low == high else f"{low:+g} to {high:+g}" for low, high in ends)


def tiny(p: float) -> str:
    return "< .0001" if p < 1e-4 else f"{p:.4f}".removeprefix("0")
