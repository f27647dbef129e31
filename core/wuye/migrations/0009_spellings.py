"""spellings: what has a name and was entered before is found by pinyin too, and by the beginnings of its words."""

from alembic import op
from sqlalchemy import text
from wuye.records.search import grams_of, named

revision = "core_0009"
down_revision = "core_0008"
branch_labels = None
depends_on = None

#: Kinds of work have a dot in them, and are found by their words alone; the others are tables of things with names.
_NEXT = text(
    """
    SELECT estate_id, id, kind, content FROM core_search_entry
    WHERE (estate_id, id) > (:estate_id, :id) AND kind NOT LIKE '%.%' AND content NOT LIKE ' %'
    ORDER BY estate_id, id LIMIT 5000
    """
)
_WRITE = text("UPDATE core_search_entry SET content = :new, grams = :grams WHERE estate_id = :estate AND id = :thing")


def upgrade() -> None:
    connection = op.get_bind()
    last = {"estate_id": "00000000-0000-0000-0000-000000000000", "id": "00000000-0000-0000-0000-000000000000"}
    while rows := connection.execute(_NEXT, last).all():
        found = [(row, named(row.content, row.content)) for row in rows]
        values = [
            {"estate": row.estate_id, "thing": row.id, "new": new, "grams": grams_of(row.estate_id, row.kind, new)}
            for row, new in found
        ]
        connection.execute(_WRITE, values)
        last = {"estate_id": rows[-1].estate_id, "id": rows[-1].id}


def downgrade() -> None:
    pass  # the code of before finds things by the same words
