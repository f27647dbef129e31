"""Search by neighbouring characters, the same for Latin and Chinese text.

Row-level security lets no index serve an operator that might leak, so `LIKE` and full-text search would read the
whole estate. Instead every searchable thing has one row of hashed bigrams, asked through one definer function that
adds the estate itself.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql import column as sql_column
from sqlalchemy.types import BigInteger, Text, Uuid

from wuye.db.session import EstateSession
from wuye.records.models import SearchEntry

#: Longer texts are cut: what is not in the first 2,000 characters is found by reading, not by searching.
LIMIT = 2000

FUNCTION = """
CREATE OR REPLACE FUNCTION wuye_search(wanted bigint[], needle text, wanted_kind text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM core_search_entry
    WHERE grams @> wanted AND estate_id = wuye_estate()
      AND (wanted_kind IS NULL OR kind = wanted_kind) AND strpos(content, needle) > 0
$$
"""


def fold(value: str) -> str:
    """Return text as it is compared: compatibility forms (full width) unified, case folded, spaces collapsed."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())[:LIMIT]


def grams_of(estate_id: UUID, folded: str) -> list[int]:
    """Return the distinct hashes of all pairs of neighbouring characters, and of single ones, with the estate."""
    salt = estate_id.bytes
    pairs = {folded[i : i + 2] for i in range(len(folded) - 1)} | set(folded)
    return [int.from_bytes(hashlib.blake2b(pair.encode(), key=salt, digest_size=8).digest()) >> 1 for pair in pairs]


def query_grams(estate_id: UUID, folded: str) -> list[int]:
    """Return the hashes that a text must have to contain `folded`."""
    if len(folded) == 1:
        return grams_of(estate_id, folded)
    salt = estate_id.bytes
    pairs = {folded[i : i + 2] for i in range(len(folded) - 1)}
    return [int.from_bytes(hashlib.blake2b(pair.encode(), key=salt, digest_size=8).digest()) >> 1 for pair in pairs]


def index(session: EstateSession, kind: str, subject_id: UUID, parts: Iterable[str | None]) -> None:
    """Make a thing findable by `parts`, replacing what it was found by before."""
    content = fold(" \n ".join(part for part in parts if part))
    row = {"grams": grams_of(session.estate_id, content), "content": content}
    session.execute(
        insert(SearchEntry)
        .values(estate_id=session.estate_id, id=subject_id, kind=kind, **row)
        .on_conflict_do_update(index_elements=["estate_id", "id"], set_=row)
    )


def forget(session: EstateSession, subject_id: UUID) -> None:
    """Take a thing out of the index."""
    session.execute(delete(SearchEntry).where(SearchEntry.id == subject_id))


def matches(column: ColumnElement[UUID], estate_id: UUID, needle: str, kind: str | None) -> ColumnElement[bool]:
    """Return the condition that a row's id is among the hits for `needle`."""
    folded = fold(needle)
    wanted = bindparam(None, query_grams(estate_id, folded), ARRAY(BigInteger))
    hits = (
        func.wuye_search(wanted, literal(folded, Text()), literal(kind, Text()))
        .table_valued(sql_column("id", Uuid))
        .render_derived()
    )
    return column.in_(select(hits.c.id))


def create_function() -> object:
    """Return the statement that makes the search function; executed by the migration that makes its table."""
    return text(FUNCTION)
