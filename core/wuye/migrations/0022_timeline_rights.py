"""timeline rights: nobody who runs the product may change an entry, not even who works for all estates."""

from alembic import op

revision = "core_0022"
down_revision = "core_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("REVOKE UPDATE, TRUNCATE ON core_timeline FROM wuye_app, wuye_ops, wuye_report")


def downgrade() -> None:
    op.execute("GRANT UPDATE ON core_timeline TO wuye_ops")
