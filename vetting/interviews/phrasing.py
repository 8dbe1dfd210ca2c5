"""A model finds words for a question that the engine has chosen; what it says is checked, or the bank's own words ask.

The model sees the question, the transcript and, if there is one, the corrected résumé. It never sees rubric, anchors,
explanation, facts not yet told, other applicants or any score. Openings and facts are always said in the bank's own
words: they are the same disclosure for everybody. Only a further question is worded to follow on from what was said.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from pydantic import BaseModel

from item_bank.load import Bank
from item_bank.probe import Probe, questions
from item_bank.wording import words
from vetting.interviews.interview import Move, stems, told
from vetting.models import calls, llm
from vetting.models.defuse import defuse
from vetting.models.llm import Access
from vetting.models.prompts import prompt
from vetting.records import Question

SECONDS, DEADLINE = 10.0, 12.0  # of one call, and of all tries: beyond, the bank's own words ask
LONGEST = 60  # words
SAME = 0.8  # share of all words of two wordings that both have, from which on they are one
HELD_BACK = 30  # letters of a stream that are checked before they are shown
LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "vi": "Vietnamese", "fr": "French", "it": "Italian"}
SMALL_WORDS = {
    "en": "the of and to in is that you your what how would do for it with be which",
    "de": "der die das und ist nicht ein eine wie was sie ihr ihre würden für mit den zu",
    "es": "el la de que y en los las un una es por con qué cómo para su usted",
    "vi": "là và của có không bạn như thế nào trong cho một các được gì này",
    "fr": "le la les de et est que vous votre un une pour dans quel quelle comment",
    "it": "il la di che e un una per come cosa quale con nel suo sono",
}
VERDICTS = re.compile(
    r"\b(correct|incorrect|wrong|well done|good (point|answer|job)|great|excellent|exactly|perfect|richtig|falsch|"
    r"genau|correcto|incorrecto|muy bien|chính xác|rất tốt|đúng rồi|sai rồi)\b",
    re.IGNORECASE,
)
STRANGE = re.compile(r"https?:|www\.|[<>{}]|canary-|^\s*[#*\-]", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Secrets:
    """What only graders know of a probe: beginnings of words, and numbers."""

    words: frozenset[str]
    numbers: frozenset[str]


def wanted(move: Move, access: Access) -> bool:
    """Whether a model is to word this; what a model proposed has its words already."""
    return move.kind == "follow_up" and not move.proposed and bool(access.models)


def quick(access: Access) -> Access:
    """The same models, for somebody who waits."""
    return replace(access, seconds=min(access.seconds, SECONDS), deadline=min(access.deadline, DEADLINE))


def request(question: Question, move: Move, probe: Probe, resume: str = "") -> llm.Question[BaseModel]:
    """What the model is asked."""
    said = {"QUESTION": move.text, "TRANSCRIPT": transcript(question)}
    if resume:
        said[calls.RESUME] = resume
    given = {"language": LANGUAGES.get(probe.language, probe.language), "words": LONGEST, "resume": bool(resume)}
    return llm.Question(prompt("phrase"), given, said)


def transcript(question: Question) -> str:
    """The conversation as plain lines."""
    names = {"asks": "Interviewer", "says": "Applicant"}
    return "\n\n".join(f"{names[turn.who]}: {turn.text}" for turn in question.turns)


# -- what may be shown -----------------------------------------------------------------------------


def faults(text: str, question: Question, move: Move, bank: Bank) -> Iterator[str]:
    """Why a model's wording must not be shown; none when it may."""
    yield from shape(text, bank.probes[question.item_id], asks=max(1, questions(move.text)))
    if any(alike(text, turn.text, SAME) for turn in question.turns if turn.who == "asks"):
        yield "asks what was asked already"
    yield from hints(text, question, move, bank)


def alike(one: str, two: str, share: float) -> bool:
    """Whether two questions have such a share of all their words in common."""
    here, there = set(words(one)), set(words(two))
    return len(here & there) >= share * max(len(here | there), 1)


def shape(text: str, probe: Probe, *, asks: int = 1, longest: int = LONGEST) -> Iterator[str]:
    """Whether it is so many questions, of some words, in the probe's language."""
    if (asked := questions(text)) != asks:
        yield f"asks {asked} questions"
    if not 3 <= len(text.split()) <= longest:
        yield f"has {len(text.split())} words"
    if (spoken := language_of(text)) not in {probe.language, ""}:
        yield f"is in {LANGUAGES[spoken]}"


def hints(text: str, question: Question, move: Move, bank: Bank) -> Iterator[str]:
    """What a wording, or the part of one that has come so far, gives away or judges."""
    yield from given_away(text, f"{move.text} {transcript(question)}", question, bank)


def given_away(text: str, open_words: str, question: Question, bank: Bank) -> Iterator[str]:
    """What a text of a model's gives away or judges beyond the words that are open to the applicant."""
    if defuse(text) != text or STRANGE.search(text):
        yield "holds signs that no question needs"
    if VERDICTS.search(text):
        yield "judges what was said"
    probe = bank.probes[question.item_id]
    secret = secrets_of(probe, frozenset(told(question)), bank)
    if told_words := (stems(text) & secret.words) - stems(open_words):
        yield f"gives away {min(told_words)!r}"
    if told_numbers := (numbers(text) & secret.numbers) - numbers(open_words):
        yield f"gives away the number {min(told_numbers)}"


def secrets_of(probe: Probe, known: frozenset[str], bank: Bank) -> Secrets:
    """Words and numbers of rubric, explanation and untold facts that no question of the whole bank uses."""
    texts = [probe.explanation, *(f"{fact.says} {fact.when}" for fact in probe.facts if fact.id not in known)]
    texts += [f"{anchor.means} {anchor.example}" for one in probe.criteria for anchor in one.levels]
    return Secrets(
        frozenset(stems(" ".join(texts)) - vocabulary(bank)),
        frozenset(numbers(" ".join(texts))),
    )


_vocabulary: dict[str, frozenset[str]] = {}  # equal banks have equal versions


def vocabulary(bank: Bank) -> frozenset[str]:
    """The words that questions are asked with."""
    if bank.version not in _vocabulary:
        asked = [" ".join([probe.opening, *(one.asks for one in probe.follow_ups)]) for probe in bank.probes.values()]
        _vocabulary.clear()
        _vocabulary[bank.version] = frozenset(stems(" ".join(asked)))
    return _vocabulary[bank.version]


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def language_of(text: str) -> str:
    """The language whose small words the text uses most; "" where it uses hardly any."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    counts = {key: sum(word in small.split() for word in words) for key, small in SMALL_WORDS.items()}
    best = max(counts, key=lambda key: counts[key])
    clear = counts[best] >= 2 and list(counts.values()).count(counts[best]) == 1
    return best if clear else ""


def shown(pieces: Generator[str], question: Question, move: Move, bank: Bank, whole: list[str]) -> Iterator[str]:
    """A stream as it may be shown: each part once it and what led to it hold no hint; `whole` receives all of it.

    It ends early where a hint comes; the caller then asks in the bank's own words.
    """
    done = 0
    with closing(pieces):
        for piece in pieces:
            whole.append(piece)
            text = "".join(whole)
            upto = text.rfind(" ", 0, max(0, len(text) - HELD_BACK)) + 1
            if upto > done:
                if any(hints(text[:upto].rstrip(), question, move, bank)):
                    return
                yield text[done:upto]
                done = upto
