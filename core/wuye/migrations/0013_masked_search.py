"""masked search: telephone numbers and addresses are found by a part of them only by who may reveal them."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "core_0013"
down_revision = "core_0012"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE OR REPLACE FUNCTION wuye_search(
    wanted bigint[], whole bigint[], needle text, wanted_kind text, exact text, revealed boolean
)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here CONSTANT uuid := wuye_estate();
    most CONSTANT int := 1000;
    common bool;
BEGIN
    IF cardinality(whole) > 0 THEN
        RETURN QUERY
            SELECT found.id FROM (
                SELECT estate_id, id, kind, content, masked FROM core_search_entry WHERE grams @> whole OFFSET 0
            ) AS found
            WHERE found.estate_id = here AND (wanted_kind IS NULL OR found.kind = wanted_kind)
              AND (strpos(found.content, needle) > 0 OR strpos(found.masked, exact) > 0 OR revealed AND strpos(found.masked, needle) > 0)
            ORDER BY found.id DESC LIMIT most;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    SELECT count(*) FILTER (WHERE (wanted_kind IS NULL OR kind = wanted_kind) AND (strpos(content, needle) > 0 OR strpos(masked, exact) > 0 OR revealed AND strpos(masked, needle) > 0)) > 10
    INTO common
    FROM (SELECT kind, content, masked FROM core_search_entry WHERE estate_id = here ORDER BY id DESC LIMIT 200) AS newest;
    IF common THEN
        RETURN QUERY
            SELECT id FROM core_search_entry
            WHERE estate_id = here AND (wanted_kind IS NULL OR kind = wanted_kind) AND (strpos(content, needle) > 0 OR strpos(masked, exact) > 0 OR revealed AND strpos(masked, needle) > 0)
            ORDER BY estate_id DESC, id DESC LIMIT most;
    ELSE
        RETURN QUERY
            SELECT found.id FROM (
                SELECT estate_id, id, kind, content, masked FROM core_search_entry WHERE grams @> wanted OFFSET 0
            ) AS found
            WHERE found.estate_id = here AND (wanted_kind IS NULL OR found.kind = wanted_kind)
              AND (strpos(found.content, needle) > 0 OR strpos(found.masked, exact) > 0 OR revealed AND strpos(found.masked, needle) > 0)
            ORDER BY found.id DESC LIMIT most;
    END IF;
END
$$
"""

#: Only what has something to hide; the entries are read in their order, some at a time.
_NEXT = sa.text(
    """
    SELECT e.estate_id, e.id, e.content, t.phone, t.email
    FROM core_search_entry e JOIN core_person t ON t.estate_id = e.estate_id AND t.id = e.id
    WHERE (e.estate_id, e.id) > (:estate_id, :id) AND e.masked IS NULL AND (t.phone <> '' OR t.email <> '')
    ORDER BY e.estate_id, e.id LIMIT 5000
    """
)
_WRITE = sa.text(
    """
    UPDATE core_search_entry SET content = :content, masked = :masked, grams = :grams
    WHERE estate_id = :estate AND id = :thing
    """
)


def _fold(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())[:2000]


def _plain(folded: str) -> str:
    if not re.fullmatch(r"[\d+() -]{7,}", folded):
        return folded
    digits = "".join(filter(str.isdecimal, folded)).removeprefix("00")
    return digits.removeprefix("86") if len(digits) == 13 else digits


def _apart(content: str, values: Sequence[str]) -> tuple[str, str]:
    """Return the words without the values (which stand after them), and the values a line each."""
    kept: list[str] = []
    for folded in filter(None, map(_fold, values)):
        before, _found, after = content.rpartition(folded)
        content = f"{before.rstrip()} {after.lstrip()}".rstrip() if before or after or content == folded else content
        kept += [_plain(folded), folded]
    return content, "\n".join(["", *dict.fromkeys(kept), ""])


def _grams(estate_id: UUID, content: str, masked: str) -> list[int]:
    pieces = {*content, *masked, *re.findall(r"(?=\S*\d)\S{6,}", content), *masked.split("\n")}
    pieces |= {text[at : at + 2] for text in (content, masked) for at in range(len(text) - 1)}
    return [
        int.from_bytes(hashlib.blake2b(each.encode(), key=estate_id.bytes, digest_size=8).digest()) >> 1
        for each in pieces
    ]


def _move(connection: sa.Connection) -> None:
    last = {"estate_id": UUID(int=0), "id": UUID(int=0)}
    while rows := connection.execute(_NEXT, last).all():
        values = []
        for estate_id, identity, content, *masked in rows:
            words, kept = _apart(content, [value for value in masked if value])
            grams = _grams(estate_id, words, kept)
            values.append({"estate": estate_id, "thing": identity, "content": words, "masked": kept, "grams": grams})
        connection.execute(_WRITE, values)
        last = {"estate_id": rows[-1].estate_id, "id": rows[-1].id}


def upgrade() -> None:
    op.add_column("core_search_entry", sa.Column("masked", sa.Text(), nullable=True))
    op.execute("DROP FUNCTION IF EXISTS wuye_search(bigint[], bigint[], text, text)")
    op.execute(_FUNCTION)
    op.execute("ALTER TABLE core_person NO FORCE ROW LEVEL SECURITY")  # the owner then sees those of all estates
    _move(op.get_bind())
    op.execute("ALTER TABLE core_person FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    raise NotImplementedError("The code of before would show masked numbers to whoever searches for them.")
