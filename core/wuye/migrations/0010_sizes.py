"""sizes: the planner takes each estate for a large one."""

from alembic import op
from sqlalchemy import text

revision = "core_0010"
down_revision = "core_0009"
branch_labels = None
depends_on = None

_TABLES = text(
    """
    SELECT relation.oid::regclass::text FROM pg_class relation JOIN pg_attribute column_ ON column_.attrelid = relation.oid
    WHERE relation.relkind = 'r' AND relation.relrowsecurity AND column_.attname = 'estate_id'
    """
)


def _resize(change: str) -> None:
    connection = op.get_bind()
    for name in connection.scalars(_TABLES).all():
        connection.exec_driver_sql(f"ALTER TABLE {name} ALTER COLUMN estate_id {change}")
        connection.exec_driver_sql(f"ANALYZE {name}")


def upgrade() -> None:
    _resize("SET (n_distinct = -0.001)")


def downgrade() -> None:
    _resize("RESET (n_distinct)")
