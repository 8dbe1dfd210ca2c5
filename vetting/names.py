"""A person's name within a text: found as people write it, and taken out."""

from __future__ import annotations

import re

TAKEN_OUT = "[name]"
FEWEST = 3  # letters of a part of a name that is looked for by itself: shorter ones are words or variables


def pattern_of(name: str) -> re.Pattern[str] | None:
    """The whole name in any letters, its parts as written or in capitals; None where it could as well be a word."""
    words = name.split()
    whole = r"\s+".join(re.escape(word) for word in words)
    ways = [f"(?i:{whole})"] if len(words) > 1 else []
    bare = {word.strip(".,;:()'\"") for word in words}
    alone = {way for part in bare if len(part) >= FEWEST for way in (part, part.upper())}
    ways += [re.escape(part) for part in sorted(alone, key=lambda part: (-len(part), part))]
    return re.compile(rf"(?<!\w)(?:{'|'.join(ways)})(?!\w)") if ways else None


def without(text: str, name: str) -> str:
    """The text without the name."""
    found = pattern_of(name)
    return found.sub(TAKEN_OUT, text) if found is not None else text
