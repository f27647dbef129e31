"""threads: what is attached to a chain of hand-overs is found without reading all attachments."""

from alembic import op

revision = "core_0011"
down_revision = "core_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_core_attachment_estate_id_thread_id_id", "core_attachment", ["estate_id", "thread_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_core_attachment_estate_id_thread_id_id", "core_attachment")
