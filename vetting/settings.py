"""What an operator may set, by environment variables that begin with ASSAY_ or a file `.env`."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vetting.models.llm import Access


def listed(said: object) -> object:
    """`a, b` as a list; a list stays."""
    return [one.strip() for one in said.split(",") if one.strip()] if isinstance(said, str) else said


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
Price = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]


class Settings(BaseSettings):
    """Every setting has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", env_file=".env", extra="ignore")

    database: str = "sqlite:///assay.db"  # or postgresql+psycopg://user@host/name
    bank: Path | None = None  # folder with skills.yaml and items/; None: the bank that is shipped
    secret: str = ""  # signs links and sessions; empty: made once and kept beside the database
    host: str = "127.0.0.1"
    port: int = 8000
    organisation: str = "Assay"  # who asks, as applicants read it

    # language models: without any, everything works, people grade, and the bank's own wording asks
    models: Listed = ()  # in order, as litellm names them; "NAME@http://host/v1" is a server of one's own
    raters: Listed = ()  # who grade interviews: MODEL or MODEL#PROMPT; empty: each of `models` once
    offline_rater: bool = False  # a noisy rater that counts words; see docs/grading.md
    api_key: str = ""  # empty: each provider's own environment variable, such as OPENAI_API_KEY
    call_seconds: Annotated[float, Field(gt=0)] = 30.0  # one call may take
    deadline_seconds: Annotated[float, Field(gt=0)] = 90.0  # all tries of one question together
    interview_money: Annotated[float, Field(ge=0)] | None = None  # most that one interview may cost; None: no limit
    prices: dict[str, Price] = Field(default_factory=dict)  # {"MODEL": [a million tokens in, out]}

    @property
    def access(self) -> Access:
        """The models that may be called."""
        return Access(
            models=self.models, api_key=self.api_key, seconds=self.call_seconds, deadline=self.deadline_seconds,
            prices=self.prices, money=self.interview_money,
        )  # fmt: skip

    @property
    def signing_key(self) -> str:
        """The secret; made once and kept in a file only its owner can read."""
        if self.secret:
            return self.secret
        file = self.secret_file
        if not file.exists():
            mine = file.with_name(f"{file.name}.{secrets.token_hex(4)}")  # whole before it has its name
            mine.touch(mode=0o600)
            mine.write_text(secrets.token_urlsafe(32), encoding="utf-8")
            with suppress(FileExistsError):  # another process may have been first
                file.hardlink_to(mine)
            mine.unlink()
        return file.read_text(encoding="utf-8")

    @property
    def secret_file(self) -> Path:
        if self.database.startswith("sqlite:///") and ":memory:" not in self.database:
            return Path(self.database.removeprefix("sqlite:///")).with_suffix(".secret")
        return Path("assay.secret")
