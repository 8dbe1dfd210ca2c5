"""What strangers wrote travels as data: characters that steer or hide are taken out before a model reads them.

Taken out: control characters, bidirectional overrides and isolates, zero-width characters, tag characters (which
can spell a hidden text), variation selectors and private-use characters. Joiners stay between letters of scripts
that are written with them (Arabic, the scripts of India). The kept answer is never changed; only what is sent is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

JOINERS = "\u200c\u200d"
JOINED_SCRIPTS = range(0x0600, 0x0E00)
SIGNS = {ord(sign): '"' for sign in "\u201c\u201d\u201e\u00ab\u00bb"}
SIGNS |= {ord(sign): "'" for sign in "\u2018\u2019\u201a"}
SIGNS |= {ord(sign): "-" for sign in "\u2010\u2011\u2013\u2014\u2212"}


def defuse(text: str) -> str:
    """The text as a reader sees it, without what only a machine would see."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(one for place, one in enumerate(lines) if _stays(lines, place))


def _stays(text: str, place: int) -> bool:
    sign = text[place]
    if sign in "\n\t":
        return True
    if sign in JOINERS:
        return 0 < place < len(text) - 1 and all(ord(text[n]) in JOINED_SCRIPTS for n in (place - 1, place + 1))
    return unicodedata.category(sign) not in {"Cc", "Cf", "Co", "Cn", "Cs"} and not is_selector(ord(sign))


def is_selector(point: int) -> bool:
    """Variation selectors: they draw nothing, and can carry bytes."""
    return 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF


def plain(text: str) -> str:
    """A form in which two spellings of the same words are equal: for finding a quote again."""
    return " ".join(unicodedata.normalize("NFKC", defuse(text)).translate(SIGNS).casefold().split())


def blocks(said: Mapping[str, str], nonce: str) -> str:
    """Untrusted texts, each between marks that nobody who wrote them could know."""
    return "\n\n".join(
        f"<<{name} {nonce}>>\n{_unmarked(text, nonce)}\n<<end {name} {nonce}>>" for name, text in said.items()
    )


def _unmarked(text: str, nonce: str) -> str:
    """No line of a text looks like a mark, not even by a guess."""
    return re.sub(r"<<|>>", lambda mark: "‹‹" if mark[0] == "<<" else "››", defuse(text)).replace(nonce, "")
