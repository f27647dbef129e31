"""resolved: what a month's satisfaction is made of is read from one index."""

from alembic import op

revision = "customer_service_0003"
down_revision = "customer_service_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_customer_service_request_estate_id_resolved_at ON customer_service_request"
        " (estate_id, resolved_at) INCLUDE (rating, accepted_how) WHERE resolved_at IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_customer_service_request_estate_id_resolved_at")
