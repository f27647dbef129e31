"""undo."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "core_0008"
down_revision = "core_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "core_undo_step",
        sa.Column("estate_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("estate_id", "id", name=op.f("pk_core_undo_step")),
    )
    op.create_index(
        op.f("ix_core_undo_step_estate_id_created_at"), "core_undo_step", ["estate_id", "created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_core_undo_step_estate_id_created_at"), table_name="core_undo_step")
    op.drop_table("core_undo_step")
