"""search kinds: each kind of things has hashes of its own, and is looked through from its newest back."""

import hashlib
import re
from typing import Any

from alembic import op
from sqlalchemy import Row, text

revision = "core_0016"
down_revision = "core_0015"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE OR REPLACE FUNCTION wuye_search(
    kinds text[], needles text[], exacts text[], wanted bigint[], whole bigint[], most int[], revealed boolean
)
RETURNS TABLE (place int, id uuid) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here CONSTANT uuid := wuye_estate();
    entire bool := false;
    pieces bigint[];
    n int := 0;
    common bool;
BEGIN
    FOR n IN 1 .. cardinality(kinds) LOOP
        CONTINUE WHEN whole[n] IS NULL;
        RETURN QUERY
            SELECT n, found.id FROM (
                SELECT e.estate_id, e.id, e.kind, e.content, e.masked FROM core_search_entry e WHERE e.grams @> whole[n:n] OFFSET 0
            ) AS found
            WHERE found.estate_id = here AND found.kind = kinds[n] AND
                (strpos(found.content, needles[n]) > 0 OR strpos(found.masked, exacts[n]) > 0
                OR revealed AND strpos(found.masked, needles[n]) > 0)
            ORDER BY found.id DESC LIMIT most[n];
        entire := entire OR FOUND;
    END LOOP;
    IF entire THEN
        RETURN;
    END IF;
    FOREACH pieces SLICE 1 IN ARRAY wanted LOOP
        n := n + 1;
        SELECT count(*) FILTER (WHERE
                (strpos(newest.content, needles[n]) > 0 OR strpos(newest.masked, exacts[n]) > 0
                OR revealed AND strpos(newest.masked, needles[n]) > 0)) > 5 INTO common
        FROM (
            SELECT e.content, e.masked FROM core_search_entry e WHERE e.estate_id = here AND e.kind = kinds[n]
            ORDER BY e.id DESC LIMIT 100
        ) AS newest;
        IF common THEN
            RETURN QUERY
                SELECT n, e.id FROM core_search_entry e
                WHERE e.estate_id = here AND e.kind = kinds[n] AND
                (strpos(e.content, needles[n]) > 0 OR strpos(e.masked, exacts[n]) > 0
                OR revealed AND strpos(e.masked, needles[n]) > 0)
                ORDER BY e.estate_id DESC, e.kind DESC, e.id DESC LIMIT most[n];
        ELSE
            RETURN QUERY
                SELECT n, found.id FROM (
                    SELECT e.estate_id, e.id, e.kind, e.content, e.masked FROM core_search_entry e WHERE e.grams @> pieces OFFSET 0
                ) AS found
                WHERE found.estate_id = here AND found.kind = kinds[n] AND
                (strpos(found.content, needles[n]) > 0 OR strpos(found.masked, exacts[n]) > 0
                OR revealed AND strpos(found.masked, needles[n]) > 0)
                ORDER BY found.id DESC LIMIT most[n];
        END IF;
    END LOOP;
END
$$
"""

_GRAMS = (
    "CREATE INDEX ix_core_search_entry_grams ON core_search_entry USING gin (grams) WITH (gin_pending_list_limit = 128)"
)
_NEXT = text(
    """
    SELECT estate_id, id, kind, content, masked FROM core_search_entry
    WHERE (estate_id, id) > (:estate_id, :id) ORDER BY estate_id, id LIMIT 5000
    """
)
_WRITE = text("UPDATE core_search_entry SET grams = :grams WHERE estate_id = :estate AND id = :thing")


_WHOLE = re.compile(r"(?=\S*\d)\S{6,}")


def _grams(row: Row[Any]) -> list[int]:
    pieces = set(_WHOLE.findall(row.content))
    for part in filter(None, (row.content, row.masked)):
        pieces |= {*part, *(part[at : at + 2] for at in range(len(part) - 1))}
    if row.masked:
        pieces |= set(row.masked.split("\n"))
    salt = hashlib.blake2b(row.estate_id.bytes + row.kind.encode(), digest_size=16).digest()
    return [int.from_bytes(hashlib.blake2b(each.encode(), key=salt, digest_size=8).digest()) >> 1 for each in pieces]


def upgrade() -> None:
    connection = op.get_bind()
    op.execute("DROP FUNCTION IF EXISTS wuye_search(bigint[], bigint[], text, text, text, boolean)")
    op.execute(_FUNCTION)
    op.execute("DROP INDEX ix_core_search_entry_grams")  # made again as a whole, which takes a tenth of the time
    last = {"estate_id": "00000000-0000-0000-0000-000000000000", "id": "00000000-0000-0000-0000-000000000000"}
    while rows := connection.execute(_NEXT, last).all():
        connection.execute(
            _WRITE,
            [{"estate": row.estate_id, "thing": row.id, "grams": _grams(row)} for row in rows],
        )
        last = {"estate_id": rows[-1].estate_id, "id": rows[-1].id}
    op.execute(_GRAMS)
    op.create_index("ix_core_search_entry_estate_id_kind_id", "core_search_entry", ["estate_id", "kind", "id"])


def downgrade() -> None:
    raise NotImplementedError("the code of before cannot read these hashes; restore a backup instead")
