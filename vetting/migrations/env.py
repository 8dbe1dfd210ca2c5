"""Alembic's entry: runs migrations on the connection that store.migrate hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

import vetting.round_records  # noqa: F401 -- its tables
from vetting.records import Record, UtcTime


def plainly(kind: str, thing: Any, _: Any) -> str | Literal[False]:  # noqa: ANN401 -- alembic's own signature
    """A migration must not lean on today's records: our moments are the database's own."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Record.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=plainly,
)
with context.begin_transaction():
    context.run_migrations()
