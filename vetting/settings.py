"""What an operator may set, by environment variables that begin with ASSAY_ or a file `.env`."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", env_file=".env", extra="ignore")

    database: str = "sqlite:///assay.db"  # or postgresql+psycopg://user@host/name
    bank: Path | None = None  # folder with skills.yaml and items/; None: the bank that is shipped
    secret: str = ""  # signs links and sessions; empty: made once and kept beside the database
    host: str = "127.0.0.1"
    port: int = 8000
    organisation: str = "Assay"  # who asks, as applicants read it

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
