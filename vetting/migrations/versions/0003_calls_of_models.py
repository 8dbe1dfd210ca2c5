"""calls of models and what people must grade."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_call",
        sa.Column("sitting_id", sa.Integer(), nullable=True),
        sa.Column("answer_id", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("prompt_version", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("input_hash", sa.String(), nullable=False),
        sa.Column("sent", sa.JSON(), nullable=False),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answer.id"], name=op.f("fk_model_call_answer_id_answer")),
        sa.ForeignKeyConstraint(["sitting_id"], ["sitting.id"], name=op.f("fk_model_call_sitting_id_sitting")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_call")),
    )
    with op.batch_alter_table("model_call", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_call_answer_id"), ["answer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_model_call_input_hash"), ["input_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_model_call_prompt_version"), ["prompt_version"], unique=False)
        batch_op.create_index(batch_op.f("ix_model_call_sitting_id"), ["sitting_id"], unique=False)

    op.create_table(
        "referral",
        sa.Column("answer_id", sa.Integer(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("rater", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answer.id"], name=op.f("fk_referral_answer_id_answer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral")),
    )
    with op.batch_alter_table("referral", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_referral_answer_id"), ["answer_id"], unique=False)

    with op.batch_alter_table("grade", schema=None) as batch_op:
        batch_op.add_column(sa.Column("quote", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("confidence", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("call_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_grade_call_id_model_call"), "model_call", ["call_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("grade", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_grade_call_id_model_call"), type_="foreignkey")
        batch_op.drop_column("call_id")
        batch_op.drop_column("confidence")
        batch_op.drop_column("quote")

    with op.batch_alter_table("referral", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_referral_answer_id"))

    op.drop_table("referral")
    with op.batch_alter_table("model_call", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_model_call_sitting_id"))
        batch_op.drop_index(batch_op.f("ix_model_call_prompt_version"))
        batch_op.drop_index(batch_op.f("ix_model_call_input_hash"))
        batch_op.drop_index(batch_op.f("ix_model_call_answer_id"))

    op.drop_table("model_call")
