"""customer verdicts: what the customer found of delivered units."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_verdict",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("because", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_customer_verdict_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_verdict")),
    )
    with op.batch_alter_table("customer_verdict", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_customer_verdict_submission_id"), ["submission_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("customer_verdict", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_verdict_submission_id"))
    op.drop_table("customer_verdict")
