"""Does a text speak to whoever grades it? Told from its words alone, before any model sees it.

Two degrees. *Plain*: a passage gives orders about the grading, poses as somebody else's turn or as a reply; no model is
asked and people grade. *Doubtful*: a passage could be such a thing and could be honest (an answer about a scoring
system); it is graded with and without the passage, and a difference goes to people.

A text is read in several ways, because words can be dressed up: look-alike letters folded to Latin ones, digits read
as letters, spaced letters joined, base64 and hex decoded, reversed, rotated by thirteen. In the disguised readings only
plain orders count: there they do not come about by chance.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from vetting.models.defuse import defuse, plain

LOOK_ALIKE = dict(
    zip(
        map(
            ord,
            "\u0430\u0432\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0455\u0442\u0443\u0445\u0501"
            "\u051b\u0261\u04bb\u04cf\u03b1\u03b2\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0251\u057d\u0585",
        ),
        "abeijkmhopcstyxdqghlabeiknoptuxauo",
        strict=True,
    )
)
AS_LETTERS = str.maketrans("013457@$|", "oieastasl")
LONGEST = 20_000  # characters that are read closely; what is longer is no answer to a question

# -- words -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """What is looked for, as screening.yaml has it."""

    plain: tuple[re.Pattern[str], ...]
    doubtful: tuple[re.Pattern[str], ...]
    stock: re.Pattern[str]


@cache
def words() -> Words:
    """The expressions of the file, with its named parts put in."""
    said = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))

    def whole(pattern: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"%([A-Z]+)%", lambda name: said["words"][name[1]], pattern))

    return Words(tuple(map(whole, said["plain"])), tuple(map(whole, said["doubtful"])), whole(said["stock"]))


# -- what is found ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Screening:
    """Passages that speak to the grader: surely, or perhaps."""

    plain: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def screen(texts: Iterable[str]) -> Screening:
    """What a transcript's turns hold, each passage as it stands, and the turns read together."""
    texts = [defuse(text)[:LONGEST] for text in texts]
    passages = [one for text in texts for one in split(text)]
    orders = [one for one in passages if found(words().plain, folded(one))]
    orders += [text for text in texts if text not in orders and disguised(text)]
    if not orders and found(words().plain, " ".join(folded(text).replace("\n", " ") for text in texts)):
        orders = [" … ".join(texts)[:200]]  # an order spread over turns or lines
    doubts = [one for one in passages if one not in orders and found(words().doubtful, folded(one))]
    return Screening(tuple(orders), tuple(doubts))


def says_nothing(texts: Iterable[str]) -> bool:
    """Whether nothing is left once stock openers and signs are taken away."""
    left = words().stock.sub(" ", " ".join(plain(text) for text in texts))
    return not re.search(r"\w", left)


def without(text: str, passages: Iterable[str]) -> str:
    """The text with passages left out, and a mark where they stood."""
    out = defuse(text)
    for one in passages:
        out = out.replace(one, " […] ")
    return out


def split(text: str) -> list[str]:
    """Sentences, and each line of what is no prose."""
    return [
        one for line in text.split("\n") for one in re.split(r"(?<=[.!?\u3002\uff01\uff1f]) +", line) if one.strip()
    ]


def found(patterns: Iterable[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


# -- readings of a text ----------------------------------------------------------------------------


def folded(text: str) -> str:
    """Lower case, one spelling, and look-alike letters as Latin ones where a word mixes scripts."""
    lines = (" ".join(_unmixed(word) for word in line.split(" ")) for line in text.split("\n"))
    return unicodedata.normalize("NFKC", "\n".join(lines)).casefold().replace("’", "'").replace("`", "'")


def _unmixed(word: str) -> str:
    lower = unicodedata.normalize("NFKC", word).casefold()
    if lower.isascii():
        return lower
    as_latin = lower.translate(LOOK_ALIKE)
    bare = re.sub(r"[^\w]", "", as_latin)
    return as_latin if bare.isascii() else lower


def disguised(text: str) -> bool:
    """Whether some other reading of the text gives a plain order."""
    return any(found(words().plain, reading) for reading in readings(text))


def readings(text: str) -> Iterator[str]:
    base = folded(text)
    if re.search(r"[a-z][013457@$|][a-z]", base):
        yield base.translate(AS_LETTERS)
    if re.search(r"\b(?:\w[ ._*-]){5,}\w\b", base):
        yield joined(base)
    if re.search(r"[\u0300-\u036f]", unicodedata.normalize("NFD", base)):
        yield "".join(one for one in unicodedata.normalize("NFD", base) if not unicodedata.combining(one))
    yield base[::-1]
    yield codecs.decode(base, "rot13")
    for run in re.findall(r"[A-Za-z0-9+/_-]{24,}={0,2}", text):
        yield from decoded(run)
    yield re.sub(r"[*_~#`>|\\]+|\s+", " ", base).replace("  ", " ")


def joined(text: str) -> str:
    """Spaced letters as words: single spaces between letters close, wider gaps part words."""
    tight = re.sub(r"(?<=\b\w)[ ._*-](?=\w\b)", "", text)
    return re.sub(r" {2,}", " ", tight)


def decoded(run: str) -> Iterator[str]:
    """A run of letters as base64 or hex, where that gives text."""
    for read in (lambda one: base64.b64decode(one + "=" * (-len(one) % 4), validate=True), bytes.fromhex):
        try:
            yield folded(read(run).decode("utf-8"))
        except (binascii.Error, ValueError):
            continue
