"""Judgements that are not delivered: gold units, repeats, calibration rounds; fresh people; work given back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table("release", number("offer_id"), keys={"offer_id": "offer"}, unique=("offer_id",))
    table(
        "gold", number("unit_id"), words("text"), listed("noticed"), words("verdict"), listed("errors"),
        listed("wrong_steps"), words("because"), sa.Column("doubt", sa.Double(), nullable=False), number("people"),
        sa.Column("told", sa.Boolean(), nullable=False), words("by"),
        keys={"unit_id": "unit"}, index="unit_id",
    )  # fmt: skip
    table(
        "look", number("offer_id"), number("applicant_id"), words("request_id"), words("verdict"), listed("errors"),
        listed("wrong_steps"), words("because"), words("attested"), sa.Column("seconds", sa.Double(), nullable=False),
        keys={"offer_id": "offer", "applicant_id": "applicant"}, unique=("offer_id", "request_id"),
        index="applicant_id",
    )  # fmt: skip
    table(
        "round", number("program_id"), words("queue"), listed("people"), listed("units"), words("note"), words("by"),
        sa.Column("of_id", sa.Integer(), nullable=True),
        keys={"program_id": "program", "of_id": "round"}, index="program_id",
    )  # fmt: skip
    table("round_end", number("round_id"), words("by"), keys={"round_id": "round"}, unique=("round_id",))
    table(
        "remark", number("round_id"), number("unit_id"), sa.Column("applicant_id", sa.Integer(), nullable=True),
        words("words"), keys={"round_id": "round", "unit_id": "unit", "applicant_id": "applicant"}, index="round_id",
    )  # fmt: skip
    table(
        "recall", number("unit_id"), number("submission_id"), number("people"), words("because"), words("by"),
        keys={"unit_id": "unit", "submission_id": "submission"}, index="unit_id",
    )  # fmt: skip


def downgrade() -> None:
    for name in ("recall", "remark", "round_end", "round", "look", "gold", "release"):
        op.drop_table(name)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def listed(name: str) -> sa.Column[list[object]]:
    return sa.Column(name, sa.JSON(), nullable=False)


def table(
    name: str, *columns: sa.Column[Any], keys: dict[str, str], unique: tuple[str, ...] = (), index: str = ""
) -> None:
    """One kind of fact: its columns, a number and a moment."""
    op.create_table(
        name,
        *columns,
        number("id"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.ForeignKeyConstraint([here], [f"{there}.id"], name=op.f(f"fk_{name}_{here}_{there}"))
            for here, there in keys.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        *(sa.UniqueConstraint(one, name=op.f(f"uq_{name}_{one}")) for one in unique),
    )
    if index:
        op.create_index(op.f(f"ix_{name}_{index}"), name, [index], unique=False)
