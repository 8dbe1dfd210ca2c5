"""Prompts are files: `prompts/NAME.md`, a Jinja text whose version is the digest of the file."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from vetting.models.defuse import blocks

FOLDER = Path(__file__).resolve().parent / "prompts"
SHORT = 12  # hex digits of a digest that stand for a version
CANARY = "canary-"  # begins every canary
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Prompt:
    """What a model is told to do, and which wording of it this is."""

    name: str
    text: str
    kept_version: str = ""  # of a wording that is no longer at hand

    @property
    def version(self) -> str:
        return self.kept_version or sha256(self.text.encode()).hexdigest()[:SHORT]


@cache
def prompt(name: str, folder: Path = FOLDER) -> Prompt:
    """The prompt of that name, as its file says now."""
    try:
        return Prompt(name, (folder / f"{name}.md").read_text(encoding="utf-8"))
    except FileNotFoundError as wrong:
        known = ", ".join(sorted(file.stem for file in folder.glob("*.md")))
        raise LookupError(f"prompt {name!r}: no such file. Maybe one of {known} was meant.") from wrong


@dataclass(frozen=True)
class Marks:
    """What no stranger can know: the name of the data's borders, and a word that no reply may hold."""

    nonce: str
    canary: str

    def in_text(self, text: str) -> bool:
        return self.nonce in text or self.canary in text


def new_marks() -> Marks:
    return Marks(secrets.token_hex(8), f"{CANARY}{secrets.token_hex(8)}")


def render(asked: Prompt, given: Mapping[str, object], said: Mapping[str, str], marks: Marks) -> Messages:
    """What is sent: our words, filled with what we trust, and then what others said, as marked data.

    `given` fills the file's {{ names }}, besides {{ nonce }} and {{ canary }}; `said` is never part of the
    instructions.
    """
    try:
        ours = _jinja().from_string(asked.text).render({"nonce": marks.nonce, "canary": marks.canary, **given})
    except TemplateError as wrong:
        raise ValueError(f"prompts/{asked.name}.md: {wrong}. Maybe a name in it is not given.") from wrong
    return [{"role": "system", "content": ours}, {"role": "user", "content": blocks(said, marks.nonce)}]


@cache
def _jinja() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
