"""Remarks on the wording of probes: what an author should look at again before anybody is asked.

Faults keep a bank from loading (`probe.faults`); remarks are judgements by rule and only stop `assay bank check`:

- the opening or a follow-up says in a row RUN words of the best anchor or of the explanation, or names the rubric;
- the opening tells a staged fact, or a follow-up assumes one that it does not name in `needs`;
- an English follow-up points back to a question or an answer, but waits for nothing in `after` or `needs`;
- the wording seems to be in another language than the probe says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from item_bank.probe import CODE, Probe

RUN = 6  # so many words in a row are no accident
FOUND, TIMES = 6, 2.0  # words of another language, and how many times as often as the stated one's
RUBRIC = {
    "en": {"rubric", "criterion", "criteria", "grader", "graders"},
    "de": {"bewertungsraster", "kriterium", "kriterien", "prüfer"},
    "es": {"rúbrica", "criterio", "criterios", "calificador"},
    "vi": {"tiêu chí", "thang điểm", "giám khảo"},
}
# English: what only an answer brings into being, unless the opening speaks of it or its form asks for it
WHAT_ANSWERS_MAKE = (
    "advice argument check checks comparison counts division example explanation explanations fault figure figures fix "
    "ground limit number numbers picture point proposal question questions repair result rule sum test version way"
)
THINGS = set(WHAT_ANSWERS_MAKE.split())
ASKED_FOR = {
    "fermi": {"figure", "figures", "number", "numbers", "result", "way"},
    "case": {"advice"},
    "design": {"rule", "way"},
    "debugging": {"explanation", "fault"},
    "proof": {"result", "way"},
    "vignette": {"advice"},
    "language": set[str](),
}
POINTS_AT = re.compile(r"\b(?:that|this|these|those|such an?|the same|your|the repaired|the new)\s+([a-z]+)\b")
POINTS_BACK = re.compile(
    r"^and\b|^by how much,|\bfrom there\b|\bwhat else\b|\b(?:half|some|all) of (?:that|it|them)\b|"
    r"\btest that\b|\bdoes this take\b|\bwould that\b|\bof both\b"
)
# frequent words that none of the other three languages shares
FREQUENT = {
    key: said.split()
    for key, said in {
        "en": "the and of is are you what how would that it to for with this does who when",
        "de": "der die das und ist sind nicht ein eine wie was sie den dem mit zu auf im würden",
        "es": "el la los las y es que qué en un una por con para cómo se del tu",
        "vi": "và là của bạn có không một những gì thế nào cho nhà này được như người thì",
    }.items()
}


def remarks(probe: Probe) -> Iterator[str]:
    """Everything about one probe's wording that needs another look."""
    yield from leaks(probe)
    yield from told_facts(probe)
    yield from assumed_facts(probe)
    if probe.language == "en":
        yield from points_back(probe)
    if (seems := language(shown(probe))) not in {None, probe.language} and probe.language in FREQUENT:
        yield f"{probe.id}: language: says {probe.language!r}, but reads like {seems!r}. Maybe correct one of the two."


def leaks(probe: Probe) -> Iterator[str]:
    best = [text for criterion in probe.criteria for text in vars(criterion.levels[-1]).values()]
    for where, said in asked(probe):
        for text in (*best, probe.explanation):
            if run := common_run(said, text):
                yield f"{probe.id}: {where}: {run!r} stands in what graders look for. Maybe ask in other words."
        for word in sorted(RUBRIC.get(probe.language, set())):
            if f" {word} " in f" {' '.join(words(said))} ":
                yield f"{probe.id}: {where}: {word!r} speaks of the rubric. Maybe leave it out."


def told_facts(probe: Probe) -> Iterator[str]:
    for fact in probe.facts:
        if run := common_run(probe.opening, fact.says):
            yield f"{probe.id}: opening: {run!r} tells the fact {fact.id!r} before anybody asks. Maybe drop one."


def assumed_facts(probe: Probe) -> Iterator[str]:
    """Numbers of a staged fact in a question that does not wait for it."""
    for number, one in enumerate(probe.follow_ups):
        for fact in probe.facts:
            if fact.id not in one.needs and (numbers(one.asks) & numbers(fact.says)) - numbers(probe.opening):
                yield f"{probe.id}: follow_ups.{number}.asks: assumes the fact {fact.id!r}. Maybe name it in needs."


def points_back(probe: Probe) -> Iterator[str]:
    """Questions that one understands only after another, and that wait for nothing."""
    known = set(words(probe.opening)) | ASKED_FOR[probe.form]
    for number, one in enumerate(probe.follow_ups):
        said = " ".join(one.asks.casefold().split())
        pointed = [thing for thing in POINTS_AT.findall(said) if thing in THINGS and thing not in known]
        found = POINTS_BACK.search(said)
        if (pointed or found) and not (one.after or one.needs):
            what = pointed[0] if pointed else found[0] if found else ""
            where = f"{probe.id}: follow_ups.{number}.asks"
            yield f"{where}: {what!r} points back. Maybe say in after what must come before."


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def language(text: str) -> str | None:
    """The language whose frequent words stand out, if one does."""
    said = words(text)
    hits = {key: sum(said.count(word) for word in frequent) for key, frequent in FREQUENT.items()}
    first, second = sorted(hits, key=lambda key: -hits[key])[:2]
    return first if hits[first] >= FOUND and hits[first] >= TIMES * hits[second] else None


def asked(probe: Probe) -> Iterator[tuple[str, str]]:
    yield "opening", probe.opening
    for number, follow_up in enumerate(probe.follow_ups):
        yield f"follow_ups.{number}.asks", follow_up.asks


def shown(probe: Probe) -> str:
    return " ".join(text for _, text in asked(probe))


def common_run(one: str, two: str) -> str | None:
    """The first RUN words in a row of one text that also stand in the other; code does not count."""
    here, there = words(one), words(two)
    runs = {tuple(there[start : start + RUN]) for start in range(len(there) - RUN + 1)}
    found = (tuple(here[start : start + RUN]) for start in range(len(here) - RUN + 1))
    return next((" ".join(run) for run in found if run in runs), None)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", CODE.sub(" ", text).casefold())
