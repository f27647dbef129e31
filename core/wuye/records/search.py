"""Search by neighbouring characters, the same for Latin and Chinese text.

Row-level security lets no index serve an operator that might leak, so `LIKE` and full-text search would read the
whole estate. Instead every searchable thing has one row of hashed bigrams, asked through one definer function that
adds the estate itself.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import column as sql_column
from sqlalchemy.types import BigInteger, Text, Uuid

from wuye.db.session import EstateSession
from wuye.records.models import SearchEntry

#: Longer texts are cut: what is not in the first 2,000 characters is found by reading, not by searching.
LIMIT = 2000

_WAITING = "search_entries_waiting"

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
    row = {
        "estate_id": session.estate_id,
        "id": subject_id,
        "kind": kind,
        "grams": grams_of(session.estate_id, content),
        "content": content,
    }
    if (waiting := session.info.get(_WAITING)) is not None:
        waiting[subject_id] = row
    else:
        _write(session, [row])


@contextmanager
def gathered(session: EstateSession) -> Iterator[None]:
    """Within the block, gather what `index` is told and write it together at the end; nothing if the block raises."""
    waiting: dict[UUID, dict[str, object]] = {}
    session.info[_WAITING] = waiting
    try:
        yield
    finally:
        del session.info[_WAITING]
    if waiting:
        _write(session, list(waiting.values()))


_WRITE = """
    INSERT INTO core_search_entry (estate_id, id, kind, grams, content)
    VALUES (%(estate_id)s, %(id)s, %(kind)s, %(grams)s::bigint[], %(content)s)
    ON CONFLICT (estate_id, id) DO UPDATE SET grams = excluded.grams, content = excluded.content
    """


def _write(session: EstateSession, rows: list[dict[str, object]]) -> None:
    if len(rows) == 1:
        session.fetch(_WRITE, rows[0])
    elif rows:
        session.connection().exec_driver_sql(_WRITE, rows)


def forget(session: EstateSession, subject_id: UUID) -> None:
    """Take a thing out of the index."""
    session.execute(delete(SearchEntry).where(SearchEntry.id == subject_id))


def matches(column: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that a row's id is among the hits; `parameters` says for what."""
    hits = func.wuye_search(
        bindparam("needle_grams", type_=ARRAY(BigInteger)),
        bindparam("needle", type_=Text()),
        bindparam("needle_kind", type_=Text()),
    )
    return column.in_(select(hits.table_valued(sql_column("id", Uuid)).render_derived().c.id))


def parameters(estate_id: UUID, needle: str, kind: str | None) -> dict[str, object]:
    """Return the parameters of `matches`: what is looked for, among one kind of things or (None) among all."""
    folded = fold(needle)
    return {"needle_grams": query_grams(estate_id, folded), "needle": folded, "needle_kind": kind}
