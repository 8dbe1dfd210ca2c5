"""One verdict of one model on one criterion: what it is asked, and when its reply is believed.

Levels travel under codes drawn anew for each question, so that no text can name the level it wants. A reply is
believed only if its code is one of them and its quote stands, word for word, in one of the applicant's own turns.
A *control* is a criterion of which no answer speaks: whoever finds it in an answer is not to be believed about it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, create_model

from item_bank.probe import Criterion, Probe
from vetting.models.defuse import SIGNS, defuse
from vetting.models.llm import Question, read
from vetting.models.prompts import FOLDER, Messages, Prompt

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no code is a word
FEWEST_WORDS = 2  # of a quote, unless the whole turn has fewer
FEWEST_OF_A_PART = 3  # words on either side of an ellipsis
BRACKETS = {ord("‹"): "<", ord("›"): ">"}


@dataclass(frozen=True)
class Said:
    """One turn: what the interviewer asks or what the applicant says."""

    who: Literal["asks", "says"]
    text: str


@dataclass(frozen=True)
class Rubric:
    """One thing that is graded, from the weakest level to the strongest."""

    id: str
    title: str
    levels: tuple[tuple[str, str], ...]  # what an answer of the level does, and one such answer
    explanation: str = ""


@dataclass(frozen=True)
class Verdict:
    """A level, the words that decided it as they stand in the answer, and how sure the rater is."""

    level: int
    quote: str
    confidence: float


class UnbelievableError(ValueError):
    """A reply in the right form that must not count; the message says why."""


def rubric_of(probe: Probe, criterion: Criterion) -> Rubric:
    levels = tuple((anchor.means, anchor.example) for anchor in criterion.levels)
    return Rubric(criterion.id, criterion.title, levels, probe.explanation)


@cache
def controls() -> tuple[Rubric, ...]:
    """The criteria of which no answer speaks."""
    said = yaml.safe_load((FOLDER / "controls.yaml").read_text(encoding="utf-8"))
    return tuple(
        Rubric(f"control-{n}", one["title"], tuple((level["means"], level["example"]) for level in one["levels"]))
        for n, one in enumerate(said)
    )


# -- asking ----------------------------------------------------------------------------------------


def draw_codes(levels: int, draw: Random) -> tuple[str, ...]:
    """A code for each level, new each time."""
    codes = [a + b for a in LETTERS for b in LETTERS]
    return tuple(draw.sample(codes, levels))


def question(prompt: Prompt, rubric: Rubric, turns: Sequence[Said], codes: tuple[str, ...]) -> Question[BaseModel]:
    """What a model is asked; the turns are data."""
    levels = [
        {"code": code, "means": means, "example": example}
        for code, (means, example) in zip(codes, rubric.levels, strict=True)
    ]
    given = {"criterion": rubric.title, "levels": levels, "explanation": rubric.explanation}
    said = {f"{turn.who} {number}": turn.text for number, turn in enumerate(turns, start=1)}
    return Question(prompt, given, said, form(codes))


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("must lie between 0 and 1")
    return value


@cache
def form(codes: tuple[str, ...]) -> type[BaseModel]:
    """The form of a reply: one of the codes and nothing else for a level."""
    kinds: dict[str, Any] = {
        "level": (Literal[codes], ...),
        "quote": (str, ...),
        "confidence": (Annotated[float, AfterValidator(_share)], ...),
    }
    return create_model("Verdict", __config__=ConfigDict(extra="forbid"), **kinds)


# -- reading ---------------------------------------------------------------------------------------


def verdict(reply: str, codes: tuple[str, ...], messages: Messages, *, is_control: bool = False) -> Verdict:
    """The verdict that a kept reply gives; a control's is its level alone. Raises UnbelievableError."""
    parsed, fault = read(reply, form(codes))
    if parsed is None:
        raise UnbelievableError(f"the reply is {fault}")
    told: Any = parsed
    level = codes.index(told.level)
    if is_control:
        return Verdict(level, "", told.confidence)
    own = spoken(messages)
    quote = found(told.quote, own) if told.quote.strip() else ""
    if quote is None:
        raise UnbelievableError("the quote does not stand in the applicant's own words")
    if level and too_short(quote, own):
        raise UnbelievableError("no words of the answer are given for the level")
    return Verdict(level, quote, told.confidence)


def spoken(messages: Messages) -> list[str]:
    """The applicant's own turns, as they were sent."""
    data = next(message["content"] for message in messages if message["role"] == "user")
    blocks = re.finditer(r"<<says (\d+) (\w+)>>\n(.*?)\n<<end says \1 \2>>", data, re.DOTALL)
    return [block[3] for block in blocks]


def too_short(quote: str, own: Sequence[str]) -> bool:
    if len(quote.split()) >= FEWEST_WORDS:
        return False
    return not quote or not any(spelled(quote)[0] == spelled(text)[0] for text in own)


def found(quote: str, own: Sequence[str]) -> str | None:
    """The quote as it stands in one turn: spacing, case and the kind of quotation marks do not matter.

    Parts on both sides of an ellipsis may stand apart, in their order. None: it does not stand there.
    """
    bare = quote.strip()
    bare = bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] == '"' else bare
    parts = [part for part in re.split(r"\s*(?:\.\.\.|\u2026|\[\u2026\]|\[\.\.\.\])\s*", bare) if part]
    if not parts or (len(parts) > 1 and min(len(part.split()) for part in parts) < FEWEST_OF_A_PART):
        return None
    return next((one for text in own if (one := _in_order(parts, text)) is not None), None)


def _in_order(parts: Sequence[str], text: str) -> str | None:
    letters, origin = spelled(text)
    at, out = 0, []
    for part in parts:
        wanted = spelled(part)[0]
        begin = letters.find(wanted, at)
        if not wanted or begin < 0 or cuts_a_word(letters, begin, begin + len(wanted)):
            return None
        at = begin + len(wanted)
        out.append(unicodedata.normalize("NFC", text)[origin[begin] : origin[at - 1] + 1])
    return " … ".join(out)


def cuts_a_word(letters: str, begin: int, end: int) -> bool:
    """Whether a stretch begins or ends inside a word."""
    at_the_start = begin > 0 and letters[begin - 1].isalnum() and letters[begin].isalnum()
    return at_the_start or (end < len(letters) and letters[end - 1].isalnum() and letters[end].isalnum())


def spelled(text: str) -> tuple[str, list[int]]:
    """A text in one spelling, and which letter of it (composed) each letter came from."""
    letters: list[str] = []
    origin: list[int] = []
    for place, sign in enumerate(unicodedata.normalize("NFC", text)):
        if sign.isspace():
            shown = " " if letters and letters[-1] != " " else ""
        else:
            shown = unicodedata.normalize("NFKC", defuse(sign)).translate(SIGNS).translate(BRACKETS).casefold()
        letters += shown
        origin += [place] * len(shown)
    while letters and letters[-1] == " ":
        letters.pop(), origin.pop()
    return "".join(letters), origin
