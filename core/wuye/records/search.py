"""Search by neighbouring characters, the same for Latin and Chinese text.

What is shown masked (telephone numbers, e-mail addresses) is kept beside the words: whoever may reveal it finds it by any
part of it, everybody else only by the whole of it, so that nobody can try it out digit by digit.

Row-level security lets no index serve an operator that might leak, so `LIKE` and full-text search would read the
whole estate. Instead every searchable thing has one row of hashed bigrams, asked through one definer function that
adds the estate itself.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import column as sql_column
from sqlalchemy.types import BigInteger, Boolean, Text, Uuid

from wuye.db.session import EstateSession
from wuye.records.models import SearchEntry
from wuye.records.spelling import spellings

#: Longer texts are cut: what is not in the first 2,000 characters is found by reading, not by searching.
LIMIT = 2000

_WAITING = "search_entries_waiting"

#: A search shows at most this many things, the newest first; nobody reads on, they narrow the search.
MOST_HITS = 1000

#: Whether an entry is a hit. `masked` has each value on a line of its own, and `exact` is such a line.
_HIT = "(strpos({0}content, needle) > 0 OR strpos({0}masked, exact) > 0 OR revealed AND strpos({0}masked, needle) > 0)"

#: A number or a phone number is looked for as a whole first: among half a million records one index entry finds it.
#: Else, a word that many of the newest entries have is looked for from the newest back, and ends at the last hit that
#: is wanted; every other word by its bigrams. The fences (OFFSET 0) keep the planner from reading all of an estate
#: beside the hits: the hashes are the estate's own already, and a plan made for any estate takes each for a small one.
FUNCTION = f"""
CREATE OR REPLACE FUNCTION wuye_search(
    wanted bigint[], whole bigint[], needle text, wanted_kind text, exact text, revealed boolean
)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    here CONSTANT uuid := wuye_estate();
    most CONSTANT int := {MOST_HITS};
    common bool;
BEGIN
    IF cardinality(whole) > 0 THEN
        RETURN QUERY
            SELECT found.id FROM (
                SELECT estate_id, id, kind, content, masked FROM core_search_entry WHERE grams @> whole OFFSET 0
            ) AS found
            WHERE found.estate_id = here AND (wanted_kind IS NULL OR found.kind = wanted_kind)
              AND {_HIT.format("found.")}
            ORDER BY found.id DESC LIMIT most;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    SELECT count(*) FILTER (WHERE (wanted_kind IS NULL OR kind = wanted_kind) AND {_HIT.format("")}) > 10
    INTO common
    FROM (SELECT kind, content, masked FROM core_search_entry WHERE estate_id = here ORDER BY id DESC LIMIT 200) AS newest;
    IF common THEN
        RETURN QUERY
            SELECT id FROM core_search_entry
            WHERE estate_id = here AND (wanted_kind IS NULL OR kind = wanted_kind) AND {_HIT.format("")}
            ORDER BY estate_id DESC, id DESC LIMIT most;
    ELSE
        RETURN QUERY
            SELECT found.id FROM (
                SELECT estate_id, id, kind, content, masked FROM core_search_entry WHERE grams @> wanted OFFSET 0
            ) AS found
            WHERE found.estate_id = here AND (wanted_kind IS NULL OR found.kind = wanted_kind)
              AND {_HIT.format("found.")}
            ORDER BY found.id DESC LIMIT most;
    END IF;
END
$$
"""  # noqa: S608 (its parts are the number and the condition above)

#: What is looked for as a whole: a word with a digit, too long to be a room.
_WHOLE = re.compile(r"(?=\S*\d)\S{6,}")


def fold(value: str) -> str:
    """Return text as it is compared: compatibility forms (full width) unified, case folded, spaces collapsed."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())[:LIMIT]


def grams_of(estate_id: UUID, folded: str, masked: str | None = None) -> list[int]:
    """Return the distinct hashes of all pairs of neighbouring characters, of single ones, and of numbers as a whole.

    `masked` is what `lines` returned, of which each line counts as a whole too.
    """
    pieces = _pairs(folded) | set(folded) | set(_WHOLE.findall(folded))
    if masked:
        pieces |= _pairs(masked) | set(masked) | set(masked.split("\n"))
    return _hashes(estate_id, pieces)


def query_grams(estate_id: UUID, folded: str) -> list[int]:
    """Return the hashes that a text must have to contain `folded`."""
    return _hashes(estate_id, _pairs(folded) or {folded})


def _pairs(folded: str) -> set[str]:
    return {folded[i : i + 2] for i in range(len(folded) - 1)}


#: Country code of telephone numbers that are written with or without it.
_HOME = "86"

#: So many digits at least has what is looked for as a whole number; a shorter one would be quickly guessed.
_NUMBER = re.compile(r"[\d+() -]{7,}")


def plain(value: str) -> str:
    """Return a masked value in the one way in which it is compared: a telephone number as digits without country code."""
    folded = fold(value)
    if not _NUMBER.fullmatch(folded):
        return folded
    digits = "".join(filter(str.isdecimal, folded)).removeprefix("00")
    return digits.removeprefix(_HOME) if len(digits) == 11 + len(_HOME) else digits


def lines(values: Iterable[str | None]) -> str | None:
    """Return masked values as they are kept: each on a line of its own, as it is compared and as it was written."""
    kept = dict.fromkeys(text for value in values if value for text in (plain(value), fold(value)) if text)
    return "\n".join(["", *kept, ""]) if kept else None


def _hashes(estate_id: UUID, pieces: Iterable[str]) -> list[int]:
    """Return 63-bit hashes that are the estate's own, so that no index entry is shared between estates."""
    salt = estate_id.bytes
    return [int.from_bytes(hashlib.blake2b(each.encode(), key=salt, digest_size=8).digest()) >> 1 for each in pieces]


def named(content: str, name: str) -> str:
    """Return what a thing with a name is found by: with its spellings, and each word after a space (see `beginning`)."""
    return f" {fold(' '.join([content, *spellings(name)]))}"


def beginning(folded: str) -> str:
    """Return what to look for to find things with a name that have a word which begins with a text: `cy` → 陈雨, not Nancy."""
    return f" {folded}"


def index(
    session: EstateSession,
    kind: str,
    subject_id: UUID,
    parts: Iterable[str | None],
    *,
    name: str | None = None,
    masked: Iterable[str | None] = (),
) -> None:
    """Make a thing findable by `parts`, replacing what it was found by before; a Chinese `name` also by its spellings.

    `masked` are the values by which only those find it who may reveal them, or who know one as a whole.
    """
    kept = lines(masked)
    content = fold(" \n ".join(filter(None, parts)))
    if name is not None:
        content = named(content, name)
    row = {
        "estate_id": session.estate_id,
        "id": subject_id,
        "kind": kind,
        "grams": "{"
        + ",".join(map(str, grams_of(session.estate_id, content, kept)))
        + "}",  # a driver's array costs thrice
        "content": content,
        "masked": kept,
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
    INSERT INTO core_search_entry (estate_id, id, kind, grams, content, masked)
    VALUES (%(estate_id)s, %(id)s, %(kind)s, %(grams)s::bigint[], %(content)s, %(masked)s)
    ON CONFLICT (estate_id, id) DO UPDATE
    SET grams = excluded.grams, content = excluded.content, masked = excluded.masked
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
        bindparam("needle_whole", type_=ARRAY(BigInteger)),
        bindparam("needle", type_=Text()),
        bindparam("needle_kind", type_=Text()),
        bindparam("needle_exact", type_=Text()),
        bindparam("needle_revealed", type_=Boolean()),
    )
    found = select(hits.table_valued(sql_column("id", Uuid)).render_derived().c.id)
    # An array is looked up by index, hit by hit; a join the planner might begin with the estate's whole table.
    return column == any_(func.array(found.scalar_subquery()))


def parameters(estate_id: UUID, needle: str, kind: str | None, *, revealed: bool) -> dict[str, object]:
    """Return the parameters of `matches`: what (folded) is looked for, among one kind of things or (None) among all.

    `revealed` says that who searches may see masked values in full, and so may find them by any part.
    """
    entire = plain(needle)
    telling = "@" in entire or _NUMBER.fullmatch(entire) is not None
    whole = _hashes(estate_id, [entire] if telling else [needle] if _WHOLE.fullmatch(needle) else [])
    return {
        "needle_grams": query_grams(estate_id, needle),
        "needle_whole": whole,
        "needle": needle,
        "needle_kind": kind,
        "needle_exact": f"\n{entire}\n" if telling else None,
        "needle_revealed": revealed,
    }
