"""The watch over models that grade: steady times, steps, changes, what people say of them; what was measured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def fact(table: str, *columns: sa.Column[object] | sa.ForeignKeyConstraint | sa.UniqueConstraint) -> None:
    """A table of facts: what each row says, its number and its moment."""
    op.create_table(
        table,
        *columns,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def points(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.create_index(op.f("ix_grade_rater"), "grade", ["rater"])
    fact(
        "steady",
        sa.Column("rater", sa.String(), nullable=False),
        sa.Column("calibration_id", sa.Integer(), nullable=False),
        sa.Column("through", sa.Integer(), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        points("steady", "calibration_id", "calibration"),
    )
    op.create_index(op.f("ix_steady_rater"), "steady", ["rater"])
    fact(
        "watch_step",
        sa.Column("steady_id", sa.Integer(), nullable=False),
        sa.Column("answer_id", sa.Integer(), nullable=False),
        sa.Column("grade_id", sa.Integer(), nullable=False),
        sa.Column("stricter", sa.Double(), nullable=False),
        sa.Column("milder", sa.Double(), nullable=False),
        points("watch_step", "steady_id", "steady"),
        points("watch_step", "answer_id", "answer"),
        points("watch_step", "grade_id", "grade"),
        sa.UniqueConstraint("steady_id", "answer_id", name=op.f("uq_watch_step_steady_id_answer_id")),
    )
    fact(
        "rater_change",
        sa.Column("rater", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_index(op.f("ix_rater_change_rater"), "rater_change", ["rater"])
    fact(
        "rater_ruling",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("stands", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        points("rater_ruling", "change_id", "rater_change"),
    )
    op.create_index(op.f("ix_rater_ruling_change_id"), "rater_ruling", ["change_id"])
    fact(
        "panel_account",
        sa.Column("calibration_id", sa.Integer(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        points("panel_account", "calibration_id", "calibration"),
    )


def downgrade() -> None:
    for table in ("panel_account", "rater_ruling", "rater_change", "watch_step", "steady"):
        op.drop_table(table)
    op.drop_index(op.f("ix_grade_rater"), "grade")
