"""What crosses a border into the story: forms, and the files that say the same. Refused here or never."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Worth = Annotated[float, Field(ge=0, le=10)]
Level = Annotated[float, Field(ge=-3, le=3)]  # in standard deviations of the applicants; 0 is their mean
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
    languages: Annotated[list[str], Field(min_length=1)] = ["en"]
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


def read_form(file: Path, kind: type[Form]) -> Form:
    """A form from a YAML (or JSON) file; an error names the file and the field."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as wrong:
        raise ValueError(f"{file}: no such file. Maybe the folder is another.") from wrong
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise ValueError(f"{file}: not YAML: {wrong}") from wrong
    try:
        return kind.model_validate(content)
    except ValidationError as wrong:
        raise ValueError("\n".join(f"{file}: {fault}" for fault in faults(wrong))) from wrong


def faults(wrong: ValidationError) -> list[str]:
    """Each fault of a form as "field: what is wrong"."""
    return [
        f"{'.'.join(str(part) for part in error['loc']) or 'file'}: {error['msg'].removeprefix('Value error, ')}"
        for error in wrong.errors()
    ]
