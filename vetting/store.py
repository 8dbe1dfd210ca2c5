"""The database: connecting, migrating, sessions. SQLite is embedded; PostgreSQL is for many processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Pool, create_engine, event, inspect
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def connect(url: str) -> Engine:
    """An engine for the address; SQLite waits for its turn, keeps foreign keys and survives a crash."""
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", begin_sqlite)
    return engine


def missing(engine: Engine) -> str | None:
    """The address, without its password, if there is no database of ours at it; nothing is made there by asking."""
    place = engine.url.database
    if engine.dialect.name == "sqlite":
        if not place or place == ":memory:" or place.startswith("file:"):
            return None
        return None if Path(place).is_file() and Path(place).stat().st_size else place
    return None if inspect(engine).has_table("alembic_version") else engine.url.render_as_string()


def prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy, not the driver, says when a transaction begins
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def begin_sqlite(connection: Connection) -> None:
    """A transaction that may write takes its turn at once: what it read stays true until it commits."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Bring the database to the newest form; an empty one is made."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
        connection.commit()


def place(db: Session) -> Pool:
    """What stands for a session's database in this process: engines that only look at it share their pool."""
    return db.get_bind().engine.pool


def only_reads(db: Session) -> bool:
    """Whether the session looks at facts that are kept: what is seen in it cannot be taken back."""
    return bool(db.get_bind().get_execution_options().get("reading", False))


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A unit of work: all of it is kept, or none."""
    with Session(engine) as db, db.begin():
        yield db


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A look at one state of the facts; what it changes is not kept."""
    with Session(engine.execution_options(reading=True)) as db:
        yield db
