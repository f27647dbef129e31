"""room: pages leave room for what is changed in place."""

from alembic import op

revision = "core_0021"
down_revision = "core_0020"
branch_labels = None
depends_on = None

#: Table → how full its pages are made. A change of no indexed column then stays on its page, and writes no index.
_FILL = {"core_record": 85, "core_idempotency_key": 60, "core_timeline_head": 50, "core_counter": 50}


def upgrade() -> None:
    for name, percent in _FILL.items():
        op.execute(f"ALTER TABLE {name} SET (fillfactor = {percent})")


def downgrade() -> None:
    for name in _FILL:
        op.execute(f"ALTER TABLE {name} RESET (fillfactor)")
