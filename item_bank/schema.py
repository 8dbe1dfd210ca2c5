"""What an item is: its wording, what it asks, how an answer is scored, and where it came from.

An item is one YAML file. Its `kind` decides which fields it has and how a response becomes a level
0..K-1. A response is what a form sends: a mapping from field name to a text or a list of texts.

| kind        | the applicant ...                              | levels |
|-------------|------------------------------------------------|--------|
| choice      | picks one option                               | 2      |
| multi       | picks every right option                       | 3: all right, one slip, else |
| numeric     | types a number                                 | 2      |
| text        | types a word or short phrase                   | 2      |
| follow      | writes a text that keeps every stated limit    | 3: all kept, one broken, else |
| step_grade  | marks the first wrong step and says why        | 4: step and reason, step, flaw seen, else |
| preference  | prefers one of two answers and says why        | 3: answer and reason, answer, else |
| claim_check | judges each claim of a paragraph               | 4: all right, one slip, two slips, else |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from math import isfinite
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Response = Mapping[str, str | Sequence[str]]
StudyLevel = Literal[
    "school", "undergraduate", "hard_undergraduate", "graduate", "expert", "a2", "b1", "b2", "c1", "c2"
]
Letter = Annotated[str, Field(pattern=r"^[a-z]$")]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LONGEST_TEXT = 4000  # characters of a text that is checked for limits: an author's expression may take their square


class UnreadableResponseError(ValueError):
    """The response is not of the form its item asks for; nothing was scored."""


class Strict(BaseModel):
    """An unknown field is a typing mistake, and says so."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Provenance(Strict):
    """Who wrote it, under what licence, and when."""

    author: str
    licence: str = "CC-BY-4.0"
    written: date


class ItemBase(Strict):
    """What every kind of item has."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    title: Annotated[str, Field(min_length=3, max_length=80)]
    skills: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1, max_length=4)]
    level: StudyLevel
    nudge: Annotated[float, Field(ge=-1.5, le=1.5)] = 0.0  # author's correction of difficulty, in population sds
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    stem: Annotated[str, Field(min_length=5, max_length=6000)]
    explanation: Annotated[str, Field(min_length=5, max_length=4000)]
    minutes: Annotated[float, Field(gt=0, le=60)] | None = None  # None: the rule of start.py
    family: str | None = None  # variants of one item: at most one is asked
    enemies: tuple[str, ...] = ()  # items that would give this one away
    revision: Annotated[int, Field(ge=1)] = 1
    provenance: Provenance


class Choice(ItemBase):
    """One right option among several."""

    kind: Literal["choice"]
    options: Annotated[tuple[str, ...], Field(min_length=2, max_length=8)]
    key: Letter

    @model_validator(mode="after")
    def _coherent(self) -> Choice:
        check_options(self.options, self.key)
        return self

    @property
    def levels(self) -> int:
        return 2

    def score(self, response: Response) -> int:
        return int(one_letter(response, "option", len(self.options)) == self.key)


class Multi(ItemBase):
    """Every right option, and no other."""

    kind: Literal["multi"]
    options: Annotated[tuple[str, ...], Field(min_length=3, max_length=8)]
    keys: Annotated[tuple[Letter, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _coherent(self) -> Multi:
        check_options(self.options, *self.keys)
        if len(set(self.keys)) == len(self.options):
            raise ValueError("keys: every option is right, so there is nothing to tell apart. Maybe add a wrong one.")
        return self

    @property
    def levels(self) -> int:
        return 3

    def score(self, response: Response) -> int:
        chosen = set(many(response, "option"))
        if not chosen:
            raise UnreadableResponseError("option: nothing was filled in.")
        if strangers := chosen - set(LETTERS[: len(self.options)]):
            raise UnreadableResponseError(f"option: {min(strangers)!r} is not one of the options.")
        return max(0, 2 - len(chosen ^ set(self.keys)))


class Numeric(ItemBase):
    """A number, within a stated tolerance."""

    kind: Literal["numeric"]
    answer: float
    tolerance: Annotated[float, Field(ge=0)] = 1e-9  # absolute
    unit: str = ""

    @property
    def levels(self) -> int:
        return 2

    def score(self, response: Response) -> int:
        said = one(response, "number").removesuffix(self.unit)
        return int(any(abs(value - self.answer) <= self.tolerance + 1e-12 for value in read_number(said)))


class Text(ItemBase):
    """A word or short phrase out of a list of accepted ones; case and spacing do not matter."""

    kind: Literal["text"]
    accepted: Annotated[tuple[str, ...], Field(min_length=1)]
    keep_case: bool = False  # German nouns, for example

    @property
    def levels(self) -> int:
        return 2

    def score(self, response: Response) -> int:
        said = plain(one(response, "text"), keep_case=self.keep_case)
        return int(said in {plain(word, keep_case=self.keep_case) for word in self.accepted})


class Constraint(Strict):
    """One limit that a machine can check. Exactly one of the fields is set."""

    says: str  # the limit in words, as shown when the answer is explained
    words_at_least: int | None = None
    words_at_most: int | None = None
    sentences: int | None = None
    lines: int | None = None
    includes: str | None = None  # case does not matter
    excludes: str | None = None
    starts_with: str | None = None  # case matters
    ends_with: str | None = None
    matches: str | None = None  # a regular expression found somewhere
    never_matches: str | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Constraint:
        given = self.model_dump(exclude={"says"}, exclude_none=True)
        if len(given) != 1:
            raise ValueError(f"constraint {self.says!r} sets {len(given)} checks, but must set exactly one.")
        for pattern in (self.matches, self.never_matches):
            if pattern is not None:
                try:
                    re.compile(pattern)
                except re.error as wrong:
                    raise ValueError(f"constraint {self.says!r}: not a regular expression: {wrong}.") from wrong
        return self

    def kept(self, text: str) -> bool:
        words, lines = len(text.split()), [line for line in text.splitlines() if line.strip()]
        low = text.casefold()
        checks: dict[str, bool] = {
            "words_at_least": self.words_at_least is not None and words >= self.words_at_least,
            "words_at_most": self.words_at_most is not None and words <= self.words_at_most,
            "sentences": self.sentences == sum(bool(re.search(r"\w", part)) for part in re.split(r"[.!?]+", text)),
            "lines": self.lines == len(lines),
            "includes": self.includes is not None and self.includes.casefold() in low,
            "excludes": self.excludes is not None and self.excludes.casefold() not in low,
            "starts_with": self.starts_with is not None and text.startswith(self.starts_with),
            "ends_with": self.ends_with is not None and text.endswith(self.ends_with),
            "matches": self.matches is not None and re.search(self.matches, text, re.MULTILINE) is not None,
            "never_matches": self.never_matches is not None
            and re.search(self.never_matches, text, re.MULTILINE) is None,
        }
        (check,) = self.model_dump(exclude={"says"}, exclude_none=True)
        return checks[check]


class Follow(ItemBase):
    """A short text that keeps every stated limit; each limit is checked by a machine."""

    kind: Literal["follow"]
    constraints: Annotated[tuple[Constraint, ...], Field(min_length=2, max_length=8)]
    example: str  # an answer that keeps them all: the loader checks that it does

    @model_validator(mode="after")
    def _possible(self) -> Follow:
        if broken := [limit.says for limit in self.constraints if not limit.kept(self.example)]:
            raise ValueError(f"example: breaks its own limit {broken[0]!r}.")
        return self

    @property
    def levels(self) -> int:
        return 3

    def score(self, response: Response) -> int:
        text = one(response, "text")
        if len(text) > LONGEST_TEXT:
            raise UnreadableResponseError(f"text: {len(text)} characters, but at most {LONGEST_TEXT} are read.")
        return max(0, 2 - sum(not limit.kept(text) for limit in self.constraints))


class StepGrade(ItemBase):
    """Work sample: a model's solution step by step; mark the first wrong step and say why."""

    kind: Literal["step_grade"]
    steps: Annotated[tuple[str, ...], Field(min_length=3, max_length=12)]
    first_error: Annotated[int, Field(ge=0)]  # 1-based; 0: every step is right
    reasons: Annotated[tuple[str, ...], Field(min_length=2, max_length=6)]
    reason_key: Letter
    rewrite: str = ""  # the wrong step put right, shown in the explanation

    @model_validator(mode="after")
    def _coherent(self) -> StepGrade:
        check_options(self.reasons, self.reason_key)
        if self.first_error > len(self.steps):
            raise ValueError(
                f"first_error: {self.first_error}, but there are {len(self.steps)} steps (0: none is wrong)."
            )
        return self

    @property
    def levels(self) -> int:
        return 4

    def score(self, response: Response) -> int:
        marked = whole(response, "step", len(self.steps))
        reason = one_letter(response, "reason", len(self.reasons))
        if marked == self.first_error:
            return 3 if reason == self.reason_key else 2
        return int(marked > 0 and self.first_error > 0 and abs(marked - self.first_error) == 1)


class Preference(ItemBase):
    """Work sample: which of two answers is better, and for what reason."""

    kind: Literal["preference"]
    answers: Annotated[tuple[str, str], Field()]
    better: Literal["a", "b"]
    reasons: Annotated[tuple[str, ...], Field(min_length=2, max_length=6)]
    reason_key: Letter

    @model_validator(mode="after")
    def _coherent(self) -> Preference:
        check_options(self.reasons, self.reason_key)
        return self

    @property
    def levels(self) -> int:
        return 3

    def score(self, response: Response) -> int:
        preferred = one_letter(response, "answer", 2)
        reason = one_letter(response, "reason", len(self.reasons))
        return int(preferred == self.better) * (1 + int(reason == self.reason_key))


class Claim(Strict):
    """One claim of the paragraph and what the source says of it."""

    text: str
    verdict: Literal["supported", "contradicted", "not_stated"]


class ClaimCheck(ItemBase):
    """Work sample: judge each claim of a paragraph against a source."""

    kind: Literal["claim_check"]
    source: Annotated[str, Field(min_length=40)]
    claims: Annotated[tuple[Claim, ...], Field(min_length=4, max_length=8)]

    @property
    def levels(self) -> int:
        return 4

    def score(self, response: Response) -> int:
        verdicts = [one(response, f"claim{number}") for number in range(1, len(self.claims) + 1)]
        if strangers := set(verdicts) - {"supported", "contradicted", "not_stated"}:
            raise UnreadableResponseError(f"claim: {min(strangers)!r} is no verdict.")
        slips = sum(said != claim.verdict for said, claim in zip(verdicts, self.claims, strict=True))
        return max(0, 3 - slips)


Item = Annotated[
    Choice | Multi | Numeric | Text | Follow | StepGrade | Preference | ClaimCheck, Field(discriminator="kind")
]


# -- reading a response ------------------------------------------------------------------------------


def one(response: Response, field: str) -> str:
    value = response.get(field, "")
    if not isinstance(value, str):
        raise UnreadableResponseError(f"{field}: one value is needed, {len(value)} came.")
    if not value.strip():
        raise UnreadableResponseError(f"{field}: nothing was filled in.")
    return value.strip()


def many(response: Response, field: str) -> list[str]:
    value = response.get(field, [])
    return [value] if isinstance(value, str) else list(value)


def one_letter(response: Response, field: str, count: int) -> str:
    letter = one(response, field)
    if letter not in list(LETTERS[:count]):
        raise UnreadableResponseError(f"{field}: {letter!r} is not one of {LETTERS[0]} to {LETTERS[count - 1]}.")
    return letter


def whole(response: Response, field: str, most: int) -> int:
    text = one(response, field)
    if not re.fullmatch(r"\d{1,3}", text) or int(text) > most:
        raise UnreadableResponseError(f"{field}: {text!r} is not a whole number from 0 to {most}.")
    return int(text)


NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?(/(\d+(\.\d*)?|\.\d+))?")


def read_number(text: str) -> tuple[float, ...]:
    """What a typed number may mean: a decimal, a fraction such as 3/8, or a percentage.

    A comma stands for the point or groups thousands; where it could be either ("30,000"), both are given.
    """
    tidy = text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    grouped = re.sub(r"(?<=\d),(?=\d{3}(\D|$))", "", tidy)
    spellings = dict.fromkeys([grouped] if "." in tidy or tidy.count(",") > 1 else [tidy.replace(",", "."), grouped])
    read = tuple(value for spelling in spellings if (value := read_plain_number(spelling)) is not None)
    if not read:
        raise UnreadableResponseError(f"number: {text!r} cannot be read. Maybe 0.25, 1/4 or 2.5e-3, without a unit.")
    return read


def read_plain_number(tidy: str) -> float | None:
    percent = tidy.endswith("%")
    tidy = tidy.removesuffix("%")
    if not NUMBER.fullmatch(tidy) or len(tidy) > 40:
        return None
    top, _, bottom = tidy.partition("/")
    if bottom and float(bottom) == 0:
        return None
    value = float(top) / float(bottom or 1) / (100 if percent else 1)
    return value if isfinite(value) else None


def plain(text: str, *, keep_case: bool = False) -> str:
    """One spelling for what reads the same: composed letters, nothing invisible, single spaces, no closing stop."""
    seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    tidy = " ".join(unicodedata.normalize("NFC", seen).replace("’", "'").split()).strip(" .!?")
    return tidy if keep_case else tidy.casefold()


def check_options(options: Sequence[str], *keys: str) -> None:
    if repeated := [option for option in options if options.count(option) > 1]:
        raise ValueError(f"options: {repeated[0]!r} stands twice.")
    for key in keys:
        if key not in list(LETTERS[: len(options)]):
            raise ValueError(f"key: {key!r}, but the {len(options)} options are a to {LETTERS[len(options) - 1]}.")
