"""units from files and their undoing; looks at credentials; outcomes are found by their verdict."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table("upload", number("program_id"), words("queue"), words("name"), words("digest"), words("by"),
          keys={"program_id": "program"}, index="program_id")  # fmt: skip
    table(
        "source", number("unit_id"), number("upload_id"), words("language"), words("part"),
        sa.Column("tags", sa.JSON(), nullable=False),
        keys={"unit_id": "unit", "upload_id": "upload"}, unique="unit_id", index="upload_id",
    )  # fmt: skip
    table("upload_undo", number("upload_id"), words("by"), keys={"upload_id": "upload"}, unique="upload_id")
    table(
        "credential_look", number("credential_id"), words("verdict"),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True), words("because"), words("by"),
        keys={"credential_id": "credential"}, index="credential_id",
    )  # fmt: skip
    op.create_index("ix_outcome_verdict", "outcome", ["verdict"])


def downgrade() -> None:
    op.drop_index("ix_outcome_verdict", "outcome")
    for name in ("credential_look", "upload_undo", "source", "upload"):
        op.drop_table(name)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def table(name: str, *columns: sa.Column[Any], keys: dict[str, str], unique: str = "", index: str = "") -> None:
    """A table of facts, with the names that records.py gives to its keys and indices."""
    foreign = [
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{name}_{column}_{other}"))
        for column, other in keys.items()
    ]
    alone = [sa.UniqueConstraint(unique, name=op.f(f"uq_{name}_{unique}"))] if unique else []
    at = sa.Column("at", sa.DateTime(timezone=True), nullable=False)
    identity = sa.Column("id", sa.Integer(), nullable=False), at, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}"))
    op.create_table(name, *columns, *identity, *foreign, *alone)
    if index:
        op.create_index(op.f(f"ix_{name}_{index}"), name, [index])
