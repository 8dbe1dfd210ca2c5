"""What a little more of hours, people, money or time would bring to a plan, worked out when somebody asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gains",
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_gains_plan_id_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gains")),
        sa.UniqueConstraint("plan_id", name=op.f("uq_gains_plan_id")),
    )


def downgrade() -> None:
    op.drop_table("gains")
