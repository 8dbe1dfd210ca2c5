"""What the pages show of the story: records and dossiers as the names the templates read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from irt.population import Population
from item_bank.load import Bank
from item_bank.probe import Probe
from item_bank.schema import LETTERS, Claim, Constraint, Item
from vetting import evidence, panel
from vetting.decisions.dossier import NINETY, Dossier, EvidenceView, MoreMinutes, SkillView, skill_name
from vetting.models import calls
from vetting.models.calls import Bill
from vetting.panel import SHARP
from vetting.records import Answer, Applicant, Decision, Grade, Json, Question, Turn
from vetting.scale import Scale


@dataclass(frozen=True)
class SkillBar:
    """A row of a profile as templates read it."""

    name: str
    mean: float
    low: float
    high: float
    bar: float | None
    start_low: float
    start_high: float
    p: float | None
    why: tuple[str, ...]
    raises: str


@dataclass(frozen=True)
class EvidenceChip:
    """A piece of evidence as templates read it."""

    kind: str
    title: str
    on: datetime
    url: str
    skill: str
    effect: str
    parts: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class OpenQuestion:
    """What a few more minutes would settle."""

    text: str
    up: float
    down: float
    ask_action: str


@dataclass(frozen=True)
class DecisionView:
    """A decision as templates read it."""

    verdict: str
    reason: str
    by: str
    on: datetime
    role: str
    seen: str  # what was known at that moment


@dataclass(frozen=True)
class Pager:
    """Where one is in a long list."""

    page: int
    pages: int
    newer_url: str
    older_url: str


@dataclass(frozen=True)
class SupplyRow:
    """Hours of one skill: asked, ready, and likely after some vetting."""

    skill: str
    demand_hours: float
    ready_hours: float
    likely_hours: float


def supply_row(row: Json, bank: Bank) -> SupplyRow:
    (name,) = names([row["skill"]], bank)
    return SupplyRow(name, row["demand_hours"], row["ready_hours"], row["likely_hours"])


def pager(url: str, page: int, count: int, size: int) -> Pager:
    pages = max(1, -(-count // size))
    return Pager(
        page, pages, f"{url}?page={page - 1}" if page > 1 else "", f"{url}?page={page + 1}" if page < pages else ""
    )


def decision(record: Decision) -> DecisionView:
    return DecisionView(
        record.verdict, record.reason, record.by, record.at, record.role.name, seen_then(record.evidence)
    )


def seen_then(known: Json) -> str:
    """What stood on the screen when somebody decided; decisions put on record by hand say nothing of it."""
    if "clears" not in known:
        return ""
    score = f", mean skill {known['score']:+.2f} ± {known['score_sd']:.2f}" if "score_sd" in known else ""
    return f"Known then: P(meets every bar) {known['clears']:.2f}{score}, on scale {known['calibration']}."


def names(skills: Sequence[str], bank: Bank) -> list[str]:
    return [skill_name(skill, bank) for skill in skills]


def skill_bar(view: SkillView, prior: Population, row: int) -> SkillBar:
    half = NINETY * float(prior.cov[row, row]) ** 0.5
    asked = f"{view.asked} answer{'s' * (view.asked != 1)} looked at it directly; the rest comes from related skills."
    why = [
        f"90 % interval {view.low:+.2f} to {view.high:+.2f}, mean {view.mean:+.2f} (0 is the mean of applicants).",
        asked,
    ]
    if view.bar is not None and view.clears is not None:
        why.append(f"The bar is {view.bar:+.2f}; P(at or above it) is {view.clears:.2f}.")
    return SkillBar(
        name=view.name, mean=view.mean, low=view.low, high=view.high, bar=view.bar,
        start_low=float(prior.mean[row]) - half, start_high=float(prior.mean[row]) + half,
        p=view.clears, why=tuple(why), raises=raises(view),
    )  # fmt: skip


def raises(view: SkillView) -> str:
    """What would change a skill's standing, in an applicant's words."""
    if view.high - view.low > 1.6:
        return "Few questions spoke about this. A further sitting, or a certificate, would narrow the band."
    return "Harder questions answered well in a later sitting would raise it."


def evidence_chip(view: EvidenceView, bank: Bank, answers: str = "") -> EvidenceChip:
    """A piece of evidence, with figures and a link for whoever may read answers; in plain words for the applicant."""
    skill = ", ".join(names(view.skills, bank))
    url = f"{answers}/{view.answer_id}" if answers and view.answer_id else ""
    raised = f"{'raised' if view.moved >= 0 else 'lowered'} {skill}" if view.most else "counted a little"
    effect = f"{reached(view)}score {view.moved:+.2f}" if answers else raised
    return EvidenceChip(
        view.kind, view.title, view.at, url, skill, effect, ((view.words, False),) if view.words else ()
    )


def reached(view: EvidenceView) -> str:
    if not view.most:
        return ""
    share = view.level / view.most
    return f"{share:.0%} of its levels · " if view.kind == "interview" else f"level {view.level} of {view.most} · "


def open_question(person: Dossier, more: MoreMinutes | None, bank: Bank, action: str) -> OpenQuestion | None:
    """Worth showing only while the matter is open."""
    if more is None or person.state != "open" or not person.finished:
        return None
    (name,) = names([more.skill], bank)
    return OpenQuestion(f"{more.minutes:.0f} min on {name}", more.up, more.down, action)


@dataclass(frozen=True)
class Line:
    """One line of an interview's transcript."""

    who: str
    text: str
    kind: str  # of what was asked: opening, follow_up, fact; of what was said: answer, ask, done, skip
    on: datetime
    proposed: bool = False  # asked in the words of a model that proposed it


def transcript(question: Question, but: Sequence[Turn | None] = ()) -> list[Line]:
    """A conversation in order, without what stands elsewhere on the page."""
    return [
        Line(
            turn.who,
            turn.text,
            str(turn.move.get("kind") or turn.move.get("act", "")),
            turn.at,
            bool(turn.move.get("proposed")),
        )
        for turn in question.turns
        if turn not in but
    ]


def talk(said: Answer, probe: Probe, bank: Bank) -> dict[str, Any]:
    """An interview as a recruiter reads it."""
    whole = answer(said, None, bank)
    return whole | {
        "title": probe.title, "kind": "probe", "stem": probe.opening, "explanation": probe.explanation, "said": [],
        "turns": transcript(said.question)[1:], "simulated": said.question.sitting.applicant.simulated,
        "criteria": criteria_of(said, probe),
    }  # fmt: skip


WHAT_FOR = {
    calls.PHRASE: "wording questions", calls.PROPOSE: "proposing questions", calls.FACT: "finding facts asked for",
    calls.GRADE: "grading",
}  # fmt: skip
WAITED_FOR = (calls.PHRASE, calls.PROPOSE, calls.FACT)


def bills(found: Mapping[str, Bill]) -> tuple[list[tuple[str, str]], float]:
    """What models took in an interview, by what for, and the seconds of it that the applicant waited."""
    waited = sum(found[purpose].seconds for purpose in WAITED_FOR if purpose in found)
    return [(WHAT_FOR.get(purpose, purpose), str(bill)) for purpose, bill in found.items()], waited


@dataclass(frozen=True)
class TalkRow:
    """An interview of a dossier, graded or not."""

    title: str
    url: str
    minutes: float
    state: str
    waits: bool


def talks(person: Applicant, scale: Scale, bank: Bank, here: str) -> list[TalkRow]:
    """Every finished interview of a person, oldest first, and whether the profile rests on it yet."""
    return [talk_row(answer, scale, bank, here) for answer in evidence.interviews(person.sittings, scale)]


def talk_row(said: Answer, scale: Scale, bank: Bank, here: str) -> TalkRow:
    criteria = scale.probes.of(said.question.item_id)
    verdicts = [one for one in evidence.verdicts_on(said.question, scale) if one.reading.discrimination >= SHARP]
    lacking = len(criteria) - len({verdict.row for verdict in verdicts})
    state = f"graded by {', '.join(dict.fromkeys(rater(one.grade.rater) for one in verdicts))}"
    if any(grade.because == "skipped" for grade in said.grades):
        state = "skipped"
    elif lacking:
        state = f"{lacking} of {len(criteria)} criteria wait for grades" if verdicts else "waits for its grades"
    probe = bank.probes.get(said.question.item_id)
    title = probe.title if probe else said.question.item_id
    return TalkRow(title, f"{here}/answers/{said.id}", said.seconds / 60, state, bool(lacking))


def rater(name: str) -> str:
    """Who graded, in words."""
    kind, _, who = name.partition(":")
    said = {"human": who, "adjudicator": f"{who}, to settle a dispute", "model": model(who),
            "offline": "a program that counts words", "key": "the key"}  # fmt: skip
    return said.get(kind, name)


def model(who: str) -> str:
    """A model with its prompt, in words."""
    name = panel.original(who).replace("@", ", prompt ")
    return name if panel.original(who) == who else f"{name}, since it changed"


def criteria_of(said: Answer, probe: Probe) -> list[tuple[str, int, list[tuple[str, int, str, datetime]]]]:
    """(criterion, highest level, verdicts on it) of an interview."""
    return [
        (one.title, len(one.levels) - 1,
         [(rater(g.rater), g.level, reason(g), g.at) for g in said.grades if g.criterion == one.id])
        for one in probe.criteria
    ]  # fmt: skip


def reason(grade: Grade) -> str:
    """Why a level was given: the rater's words, and the applicant's that decided it."""
    return " ".join(part for part in (grade.because, f"“{grade.quote}”" if grade.quote else "") if part)


def purposes(why: Json) -> list[str]:
    """What a question was for besides knowing skills better; nothing where the record is older than the idea."""
    said = []
    if why.get("for") == "content":
        said.append("The role wants this many questions of its domain, whatever else is known.")
    if why.get("settles", 0.0) > 0.1 * why["gain"]:
        said.append(f"Settling the bars was {why['settles'] / why['gain']:.0%} of what it was asked for.")
    if abs(toll := why.get("cost", why["minutes"]) - why["minutes"]) >= SEEN_TOLL:
        how = ("often", "longer") if toll > 0 else ("seldom", "shorter")
        said.append(f"It is shown {how[0]}, so it counted as {abs(toll):.1f} minutes {how[1]}.")
    return said


def answer(said: Answer, item: Item | None, bank: Bank) -> dict[str, Any]:
    """An answer as a recruiter reads it; response fields in words where the item says what a letter stands for."""
    question = said.question
    tells = {names([skill], bank)[0]: gain for skill, gain in question.why["skills"].items()}
    best = question.why["runners_up"][:1]
    why = [f"Expected to tell most per minute: {', '.join(f'{name} {gain:.3f}' for name, gain in tells.items())}."]
    why += purposes(question.why)
    why += [f"It was expected to take {question.why['minutes']:.1f} minutes; it took {said.seconds / 60:.1f}."]
    why += [f"Next best was {title_of(one['item'], bank)}." for one in best]
    return {
        "title": item.title if item else question.item_id,
        "kind": item.kind if item else "item",
        "stem": item.stem if item else "This question is no longer in the bank.",
        "parts": parts_of(item) if item else [],
        "said": [(SAID.get(field, field), in_words(field, value, item)) for field, value in said.response.items()],
        "explanation": item.explanation if item else "",
        "grades": [(grade.rater, grade.level, grade.because, grade.at) for grade in said.grades],
        "most": item.levels - 1 if item else None,
        "why": why,
        "asked": question.at,
        "number": question.number,
    }


SEEN_TOLL = 0.1  # minutes; a smaller toll is not worth a sentence
SAID = {"simulated": "a level, drawn for a simulated person", "step": "first wrong step", "answer": "better answer"}
PARTS = {
    "source": "Source", "options": "Options", "steps": "Steps", "answers": "Answers", "claims": "Claims",
    "reasons": "Reasons", "constraints": "Limits",
}  # fmt: skip


def parts_of(item: Item) -> list[tuple[str, list[str]]]:
    """All else that was on the screen, by its heading."""
    shown = []
    for field, heading in PARTS.items():
        found = getattr(item, field, ())
        texts = [found] if isinstance(found, str) else [in_text(part) for part in found]
        if texts:
            shown.append((heading, texts))
    return shown


def in_text(part: str | Claim | Constraint) -> str:
    if isinstance(part, Claim):
        return f"{part.text} *({part.verdict.replace('_', ' ')})*"
    return part.says if isinstance(part, Constraint) else part


def title_of(item: str, bank: Bank) -> str:
    known = bank.items.get(item) or bank.probes.get(item)
    return f"“{known.title}”" if known else item


def in_words(field: str, value: str | Sequence[str], item: Item | None) -> str:
    """A letter with the option it stands for; anything else as it was typed."""
    options = {"option": getattr(item, "options", ()), "reason": getattr(item, "reasons", ())}.get(field, ())
    letters = [value] if isinstance(value, str) else list(value)
    if options and all(letter in list(LETTERS[: len(options)]) for letter in letters):
        return "; ".join(f"{letter}: {options[LETTERS.index(letter)]}" for letter in letters)
    return "; ".join(letters)
