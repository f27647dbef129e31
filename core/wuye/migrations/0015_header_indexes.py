"""header indexes: fewer of them, and one for each list, order and filter that pages offer."""

from alembic import op

revision = "core_0015"
down_revision = "core_0014"
branch_labels = None
depends_on = None

_GONE = {
    "ix_core_record_estate_id_assignee_id": "(estate_id, assignee_id)",
    "ix_core_record_estate_id_kind_opened_at_id": "(estate_id, kind, opened_at, id)",
    "ix_core_record_estate_id_phase_opened_at_id": "(estate_id, phase, opened_at, id)",
    "ix_core_record_estate_id_opened_at_id": "(estate_id, opened_at, id)",
    "ix_core_record_unfinished": "(estate_id, kind, opened_at, id) WHERE phase <> 'done'",
    "ix_core_record_unfinished_due": "(estate_id, due_at, id) WHERE phase <> 'done'",
}
_NEW = {
    "ix_core_record_estate_id_opened_at_id_kind": "(estate_id, opened_at, id, kind)",
    "ix_core_record_estate_id_due_at_id_kind": "(estate_id, due_at, id, kind)",
    "ix_core_record_estate_id_assignee_id_opened_at_id": "(estate_id, assignee_id, opened_at, id)",
    "ix_core_record_closed_at": "(estate_id, closed_at, kind) WHERE closed_at IS NOT NULL",
    "ix_core_record_priority": "(estate_id, kind, priority, opened_at, id) WHERE priority <> 'normal'",
    "ix_core_record_unfinished": "(estate_id, opened_at, id, kind) WHERE phase <> 'done'",
    "ix_core_record_unfinished_due": "(estate_id, due_at, id, kind) WHERE phase <> 'done'",
    "ix_core_record_unfinished_assignee": "(estate_id, assignee_id, due_at, id) WHERE phase <> 'done'",
}
_EXTERNAL = "uq_core_record_estate_id_kind_external_id"


def _replace(gone: dict[str, str], new: dict[str, str]) -> None:
    for name in gone:
        op.execute(f"DROP INDEX {name}")
    for name, rest in new.items():
        op.execute(f"CREATE INDEX {name} ON core_record {rest}")


def upgrade() -> None:
    _replace(_GONE, _NEW)
    op.execute(f"ALTER TABLE core_record DROP CONSTRAINT {_EXTERNAL}")
    op.execute(
        "CREATE UNIQUE INDEX uq_core_record_kind_external_id ON core_record (estate_id, kind, external_id)"
        " WHERE external_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_core_record_kind_external_id")
    op.execute(f"ALTER TABLE core_record ADD CONSTRAINT {_EXTERNAL} UNIQUE (estate_id, kind, external_id)")
    _replace(_NEW, _GONE)
