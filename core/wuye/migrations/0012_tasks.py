"""tasks: what takes too long for a request, asked for by anybody, not by the host alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "core_0012"
down_revision = "core_0011"
branch_labels = None
depends_on = None

#: The new columns: name, type, what the rows that are there get (None: nothing).
_ADDED = (
    ("locale", sa.Text(), "en"),
    ("wanted", postgresql.JSONB(), "{}"),
    ("total", sa.Integer(), None),
    ("done", sa.Integer(), "0"),
    ("refused", postgresql.JSONB(), "[]"),
    ("file_name", sa.Text(), None),
)
#: How the kinds were called, and are called now.
_KINDS = (("export", "export_estate"), ("demo", "load_demo"))


def upgrade() -> None:
    op.execute("ALTER TABLE core_estate_task DROP CONSTRAINT ck_core_estate_task_kind")
    _rename("core_estate_task", "core_task")
    for name, type_, given in _ADDED:
        op.add_column("core_task", sa.Column(name, type_, nullable=given is None, server_default=given))
        op.alter_column("core_task", name, server_default=None)
    for old, new in _KINDS:
        _call(old, new)


def downgrade() -> None:
    for old, new in _KINDS:
        _call(new, old)
    op.execute("ALTER TABLE core_task NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM core_task WHERE kind NOT IN ('export', 'demo')")
    op.execute("ALTER TABLE core_task FORCE ROW LEVEL SECURITY")
    for name, _type, _given in _ADDED:
        op.drop_column("core_task", name)
    _rename("core_task", "core_estate_task")
    op.create_check_constraint("kind", "core_estate_task", "kind IN ('export', 'demo')")


def _rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    for constraint in (f"pk_{old}", f"ck_{old}_state"):
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {constraint} TO {constraint.replace(old, new)}")
    op.execute(f"ALTER INDEX ix_{old}_estate_id_created_at RENAME TO ix_{new}_estate_id_created_at")


def _call(old: str, new: str) -> None:
    """Rename a kind in all estates, which the owner sees only while row-level security is not forced."""
    op.execute("ALTER TABLE core_task NO FORCE ROW LEVEL SECURITY")
    op.execute(f"UPDATE core_task SET kind = '{new}' WHERE kind = '{old}'")  # noqa: S608 (both are ours)
    op.execute("ALTER TABLE core_task FORCE ROW LEVEL SECURITY")
