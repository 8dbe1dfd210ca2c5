"""A rater without a model: it counts words, and pretends to nothing more.

Three features of an answer for each level of a criterion, all to be seen on paper:

    overlap_k    share of the words of level k's anchor and example that the answer uses; words of all levels say little
    length_k     how near the answer's length is to the example's: -|log (n + 5) / (n_k + 5)|
    reasons      words that join reasons, and numbers, per hundred words

level = argmax_k 4 overlap_k + length_k / 2 + k reasons / 20. It obeys nobody and is fooled by the right words; it
counts as a rater of low discrimination, which the belief knows (`offline` in vetting/panel.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from vetting.grades.verdicts import Rubric, Said, Verdict
from vetting.models.defuse import plain
from vetting.models.screening import split

RATER = "offline:words@1"
OVERLAP, LENGTH, REASONS = 4.0, 0.5, 0.05
STEADY = 5  # words added to lengths, so that two short texts do not look far apart
SURE = 0.3  # it never is surer
JOINS = re.compile(
    r"\b(?:because|since|therefore|thus|hence|so that|if|unless|however|although|assum\w+|weil|daher|deshalb|wenn|"
    r"falls|obwohl|porque|por tanto|entonces|aunque|vì|nên|nếu|tuy)\b|\d+"
)


@dataclass(frozen=True)
class Features:
    """What was counted, one number a level."""

    overlap: tuple[float, ...]
    length: tuple[float, ...]
    reasons: float

    @property
    def scores(self) -> list[float]:
        return [
            OVERLAP * overlap + LENGTH * length + REASONS * level * self.reasons
            for level, (overlap, length) in enumerate(zip(self.overlap, self.length, strict=True))
        ]


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]{2,}", plain(text))


def features(text: str, rubric: Rubric) -> Features:
    """The counts of an answer against a rubric."""
    said, joined = set(words(text)), len(JOINS.findall(plain(text)))
    levels = [words(f"{means} {example}") for means, example in rubric.levels]
    spread = Counter(word for level in levels for word in set(level))
    worth = {word: log((1 + len(levels)) / count) for word, count in spread.items()}
    count = len(words(text))
    return Features(
        overlap=tuple(
            sum(worth[w] for w in set(level) & said) / max(sum(worth[w] for w in set(level)), 1e-9) for level in levels
        ),
        length=tuple(-abs(log((count + STEADY) / (len(words(one)) + STEADY))) for _, one in rubric.levels),
        reasons=100 * joined / max(count, 20),
    )


def rate(turns: Sequence[Said], rubric: Rubric) -> Verdict:
    """The level with the best score, and the sentence that shares most with it."""
    own = "\n".join(turn.text for turn in turns if turn.who == "says")
    scores = features(own, rubric).scores
    level = scores.index(max(scores))
    example = set(words(" ".join(rubric.levels[level])))
    quote = max(split(own), key=lambda one: len(example & set(words(one))), default="") if level else ""
    return Verdict(level, quote.strip(), SURE)
