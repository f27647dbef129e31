"""day figures: what happened in a day is counted once, and kept until something of that day changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "core_0017"
down_revision = "core_0016"
branch_labels = None
depends_on = None

#: A step takes less than an hour: whatever changes a day that ended more than an hour ago is no ordinary step. The days are
#: those of the estate's zone, whichever it is: a day more at either end does no harm.
_FORGET = """
CREATE FUNCTION core_forget_day_figures() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    estate CONSTANT uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.estate_id ELSE NEW.estate_id END;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(estate::text, 0));
    DELETE FROM core_day_figures f
    USING (VALUES (OLD.opened_at), (OLD.closed_at), (NEW.opened_at), (NEW.closed_at)) AS changed(at)
    WHERE f.estate_id = estate
        AND f.day BETWEEN timezone('UTC', changed.at)::date - 1 AND timezone('UTC', changed.at)::date + 1;
    RETURN NULL;
END
$$
"""
_TRIGGERS = {
    "inserted": """AFTER INSERT ON core_record FOR EACH ROW WHEN (
        NEW.closed_at IS NOT NULL OR NEW.opened_at < greatest(now(), NEW.created_at) - interval '1 hour')""",
    "updated": """AFTER UPDATE ON core_record FOR EACH ROW WHEN (
        OLD.opened_at <> NEW.opened_at OR OLD.kind <> NEW.kind
        OR OLD.closed_at IS NOT NULL AND (OLD.closed_at, OLD.due_at) IS DISTINCT FROM (NEW.closed_at, NEW.due_at)
        OR OLD.closed_at IS NULL AND NEW.closed_at < greatest(now(), NEW.updated_at) - interval '1 hour')""",
    "deleted": "AFTER DELETE ON core_record FOR EACH ROW",
}


def upgrade() -> None:
    op.create_table(
        "core_day_figures",
        sa.Column("estate_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hours", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("promised", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("took", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("estate_id", "id", name=op.f("pk_core_day_figures")),
        sa.UniqueConstraint("estate_id", "day", "kind", name=op.f("uq_core_day_figures_estate_id_day_kind")),
    )
    op.execute(_FORGET)
    for name, rest in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER core_record_{name} {rest} EXECUTE FUNCTION core_forget_day_figures()")


def downgrade() -> None:
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER core_record_{name} ON core_record")
    op.execute("DROP FUNCTION core_forget_day_figures")
    op.drop_table("core_day_figures")
