"""created by: whoever sees only what they asked for, do, or wrote reads no more than that."""

from alembic import op

revision = "core_0019"
down_revision = "core_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_core_record_created_by ON core_record (estate_id, created_by, opened_at, id)"
        " WHERE created_by IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_core_record_created_by")
