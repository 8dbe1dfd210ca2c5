"""What crosses a border into the story: forms, and the files that say the same. Refused here or never."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from item_bank.load import fields_of

Worth = Annotated[float, Field(ge=0, le=10)]
Level = Annotated[float, Field(ge=-3, le=3)]  # in standard deviations of the applicants; 0 is their mean
LANGUAGE = r"^[a-z]{2}$"  # a two-letter code
Language = Annotated[str, Field(pattern=LANGUAGE)]
SE = Annotated[float, Field(ge=0.15, le=1)]


class Message(BaseModel):
    """An unknown field is a typing mistake, and says so."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class RoleSkill(Message):
    """What a role asks of one skill."""

    weight: Worth = 1.0
    bar: Level = 0.0
    target: SE = 0.4  # standard error at which the skill is known well enough


class Content(Message):
    """How many questions of one domain a test holds."""

    least: Annotated[int, Field(ge=0, le=200)] = 0
    most: Annotated[int, Field(ge=0, le=200)] | None = None  # None: as many as they are worth

    @model_validator(mode="after")
    def _in_order(self) -> Content:
        if self.most is not None and self.most < self.least:
            raise ValueError(f"at least {self.least} and at most {self.most} questions. Maybe the two were mixed up.")
        return self


class RoleForm(Message):
    """What a recruiter looks for."""

    name: Annotated[str, Field(min_length=3, max_length=80)]
    about: Annotated[str, Field(max_length=2000)] = ""
    skills: Annotated[dict[str, RoleSkill], Field(min_length=1)]
    minutes: Annotated[float, Field(ge=3, le=240)] = 30.0
    interview_minutes: Annotated[float, Field(ge=0, le=240)] = 0.0  # of these, at most so many in interviews
    model_proposals: Annotated[int, Field(ge=0, le=8)] = 0  # times in one interview that a model may propose questions
    price: Annotated[float, Field(ge=0, le=1)] = (
        0.004  # least value of a minute: see irt.selection, in the hinge's units
    )
    stop_when_decided: bool = True  # settle the bars first, and end for whom that is done or not worth its minutes
    decision_price: Annotated[float, Field(ge=0, le=0.1)] = (
        0.0005  # of a minute where a bar is in doubt, in sds of a skill; 0: minutes are free
    )
    follow_demand: Annotated[float, Field(ge=0, le=1)] = (
        0.25  # share of the weight that follows what plans are short of
    )
    content: dict[str, Content] = Field(default_factory=dict)  # by domain; the minutes hold all the same
    keep_months: Annotated[int, Field(ge=1, le=60)] = 24

    @model_validator(mode="after")
    def _content_fits(self) -> RoleForm:
        """A question takes a minute or more, so so many minutes hold no more questions."""
        if (asked := sum(asks.least for asks in self.content.values())) > self.minutes:
            raise ValueError(
                f"content: {asked} questions at least in {self.minutes:.0f} minutes. Maybe give more minutes."
            )
        return self


class AvailabilityForm(Message):
    """An expert's week."""

    hours: Annotated[float, Field(ge=0, le=80)]
    pay: Annotated[float, Field(ge=0, le=1000)] = 40.0
    languages: Annotated[list[Language], Field(min_length=1)] = ["en"]
    team: Annotated[str, Field(max_length=80)] = ""


class DecisionForm(Message):
    """A recruiter's verdict on an applicant for a role."""

    verdict: Literal["advance", "hold", "decline"]
    reason: Annotated[str, Field(min_length=3, max_length=2000)]


class CertificateForm(Message):
    """A language level vouched for from outside."""

    issuer: Annotated[str, Field(min_length=2, max_length=200)]
    skill: str
    level: Literal["a1", "a2", "b1", "b2", "c1", "c2"]
    expires: date | None = None


class ClaimForm(Message):
    """A skill somebody says they have."""

    skill: str
    level: Literal["basic", "solid", "expert"] = "solid"
    source: Annotated[str, Field(max_length=200)] = ""


class ResumeForm(Message):
    """What a résumé claims, as read or as corrected."""

    claims: Annotated[list[ClaimForm], Field(max_length=40)] = Field(default_factory=list)
    read_by: Literal["rule", "model"] = "rule"


Form = TypeVar("Form", bound=Message)
DEEPEST = 100  # lists in lists
LONGEST_QUOTE = 40  # characters of what was said, told again


def read_form(file: Path, kind: type[Form]) -> Form:
    """A form from a YAML (or JSON) file; an error names the file and the field."""
    content = content_of(file)
    try:
        return kind.model_validate(content)
    except ValidationError as wrong:
        fields = sorted({*fields_of(kind.model_json_schema())})
        raise ValueError("\n".join(f"{file}: {fault}" for fault in faults(wrong, content, fields))) from wrong


def content_of(file: Path) -> Any:  # noqa: ANN401 -- whatever YAML can hold
    """What a YAML (or JSON) file says. Raises ValueError if it cannot be read, or says one thing twice."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), OnceLoader)  # noqa: S506 -- a SafeLoader
    except (FileNotFoundError, IsADirectoryError) as wrong:
        raise ValueError(f"{file}: no such file. Maybe the folder is another.") from wrong
    except RecursionError as wrong:
        raise ValueError(f"{file}: is nested too deeply. Maybe it was not made by hand.") from wrong
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise ValueError(f"{file}: neither YAML nor JSON: {wrong}") from wrong


class OnceLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, where YAML would keep the last without a word."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level >= DEEPEST:  # the scanner takes time with the square of the depth
            raise RecursionError
        super().fetch_flow_collection_start(token)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, (key, _) in enumerate(node.value):
            if key.value in names[:place]:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def faults(wrong: ValidationError, content: object = None, fields: Sequence[str] = ()) -> list[str]:
    """Each fault of a form as "field: what is wrong"; in `content`, what has a name is called by it."""
    return [f"{place_of(error['loc'], content)}: {said_of(error, fields)}" for error in wrong.errors()]


def place_of(loc: tuple[int | str, ...], content: object = None) -> str:
    """Where in a form: "queues.'Proof chains'.units", or by number where nothing has a name."""
    parts = []
    for part in loc:
        content = within(content, part)
        name = content.get("name") if isinstance(part, int) and isinstance(content, dict) else None
        parts.append(repr(name[:LONGEST_QUOTE]) if isinstance(name, str) and name else str(part))
    return ".".join(parts) or "file"


def within(content: object, part: int | str) -> object:
    if isinstance(content, dict):
        return content.get(part)
    return content[part] if isinstance(content, list) and isinstance(part, int) and part < len(content) else None


def said_of(error: ErrorDetails, fields: Sequence[str] = ()) -> str:
    """What is wrong with one field, and what may have been meant."""
    said = error["msg"].removeprefix("Value error, ")
    match error["type"]:
        case "missing":
            return "is missing."
        case "extra_forbidden":
            near = get_close_matches(str(error["loc"][-1]), fields, n=1, cutoff=0.6)
            return f"is no field that is known.{f' Maybe {near[0]!r}.' if near else ''}"
        case "float_parsing" | "int_parsing" | "int_from_float" | "finite_number" | "float_type" | "int_type":
            return f"{quoted(error['input'])} is not {NUMBERS.get(error['type'], 'a number')}{point(error['input'])}."
        case "string_pattern_mismatch" if error.get("ctx", {}).get("pattern") == LANGUAGE:
            return f"{quoted(error['input'])} is no code of a language. Maybe two small letters, such as en."
        case "date_from_datetime_parsing" | "date_parsing" | "date_type" | "date_from_datetime_inexact":
            return f"{quoted(error['input'])} is no date. Maybe write it as 2026-12-31."
    return said


NUMBERS = {"int_parsing": "a whole number", "int_from_float": "a whole number", "int_type": "a whole number",
           "finite_number": "a finite number"}  # fmt: skip


def quoted(said: object) -> str:
    return repr(said)[:LONGEST_QUOTE] if isinstance(said, str | int | float | bool | date) else "this"


def point(said: object) -> str:
    """A hint for numbers that are written as in much of Europe."""
    number = said.strip() if isinstance(said, str) else ""
    if re.fullmatch(r"-?\d+,\d+", number):
        return f". Maybe {number.replace(',', '.')}, with a point"
    return ". Maybe leave out what is not a digit" if re.search(r"\d", number) else ""
