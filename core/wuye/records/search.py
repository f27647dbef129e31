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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import column as sql_column
from sqlalchemy.types import BigInteger, Boolean, Integer, Text, Uuid

from wuye.db.session import EstateSession
from wuye.records.models import SearchEntry
from wuye.records.spelling import spellings

#: Longer texts are cut: what is not in the first 2,000 characters is found by reading, not by searching.
LIMIT = 2000

_WAITING = "search_entries_waiting"

#: A search shows at most this many things of a kind, the newest first; nobody reads on, they narrow the search.
MOST_HITS = 300

#: Whether an entry is a hit. `masked` has each value on a line of its own, and `exacts[n]` is such a line.
_HIT = (
    "(strpos({0}.content, needles[n]) > 0 OR strpos({0}.masked, exacts[n]) > 0"
    " OR revealed AND strpos({0}.masked, needles[n]) > 0)"
)

#: Any number of searches at once: `kinds[n]` is searched for `needles[n]`, and yields at most `most[n]` ids with that n. Each
#: kind has hashes of its own, so that what other kinds have of a word is not read.
#:
#: A number or a phone number is looked for as a whole first, in all kinds: among half a million records one index entry finds
#: it. Else, a word that many of a kind's newest entries have is looked for from the newest back, and ends at the last hit that
#: is wanted; every other word by its bigrams. The fences (OFFSET 0) keep the planner from reading all of an estate beside the
#: hits: the hashes are the estate's own already, and a plan made for any estate takes each for a small one.
FUNCTION = f"""
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
            WHERE found.estate_id = here AND found.kind = kinds[n] AND {_HIT.format("found")}
            ORDER BY found.id DESC LIMIT most[n];
        entire := entire OR FOUND;
    END LOOP;
    IF entire THEN
        RETURN;
    END IF;
    FOREACH pieces SLICE 1 IN ARRAY wanted LOOP
        n := n + 1;
        SELECT count(*) FILTER (WHERE {_HIT.format("newest")}) > 5 INTO common
        FROM (
            SELECT e.content, e.masked FROM core_search_entry e WHERE e.estate_id = here AND e.kind = kinds[n]
            ORDER BY e.id DESC LIMIT 100
        ) AS newest;
        IF common THEN
            RETURN QUERY
                SELECT n, e.id FROM core_search_entry e
                WHERE e.estate_id = here AND e.kind = kinds[n] AND {_HIT.format("e")}
                ORDER BY e.estate_id DESC, e.kind DESC, e.id DESC LIMIT most[n];
        ELSE
            RETURN QUERY
                SELECT n, found.id FROM (
                    SELECT e.estate_id, e.id, e.kind, e.content, e.masked FROM core_search_entry e WHERE e.grams @> pieces OFFSET 0
                ) AS found
                WHERE found.estate_id = here AND found.kind = kinds[n] AND {_HIT.format("found")}
                ORDER BY found.id DESC LIMIT most[n];
        END IF;
    END LOOP;
END
$$
"""  # noqa: S608 (its part is the condition above)

#: What is looked for as a whole: a word with a digit, too long to be a room.
_WHOLE = re.compile(r"(?=\S*\d)\S{6,}")


def fold(value: str) -> str:
    """Return text as it is compared: compatibility forms (full width) unified, case folded, spaces collapsed."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())[:LIMIT]


class Wanted(NamedTuple):
    """What is looked for: a folded text, among the things of one kind."""

    kind: str
    needle: str


def grams_of(estate_id: UUID, kind: str, folded: str, masked: str | None = None) -> list[int]:
    """Return the distinct hashes of all pairs of neighbouring characters, of single ones, and of numbers as a whole.

    `masked` is what `lines` returned, of which each line counts as a whole too.
    """
    pieces = _pairs(folded) | set(folded) | set(_WHOLE.findall(folded))
    if masked:
        pieces |= _pairs(masked) | set(masked) | set(masked.split("\n"))
    return _hashes(estate_id, kind, pieces)


def grams_of_entry(estate_id: UUID, entry: Mapping[str, Any]) -> list[int]:
    """Return the hashes that an entry has in an estate, from its other columns: those of another estate mean nothing there."""
    return grams_of(estate_id, entry["kind"], entry["content"], entry.get("masked"))


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


def _hashes(estate_id: UUID, kind: str, pieces: Iterable[str]) -> list[int]:
    """Return 63-bit hashes that are the estate's and the kind's own, so that no index entry is shared between them."""
    salt = _salt(estate_id, kind)
    return [int.from_bytes(hashlib.blake2b(each.encode(), key=salt, digest_size=8).digest()) >> 1 for each in pieces]


@lru_cache(maxsize=4096)
def _salt(estate_id: UUID, kind: str) -> bytes:
    return hashlib.blake2b(estate_id.bytes + kind.encode(), digest_size=16).digest()


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
        + ",".join(map(str, grams_of(session.estate_id, kind, content, kept)))
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


def hits(session: EstateSession, wanted: Sequence[Wanted], most: Sequence[int], *, revealed: bool) -> list[list[UUID]]:
    """Return the ids of what each search finds, at most so many, all asked for in one statement; `revealed` as for
    `parameters`."""
    found: list[list[UUID]] = [[] for _each in wanted]
    if wanted:
        for place, identity in session.fetch(_HITS, _searches(session.estate_id, wanted, most, revealed=revealed)):
            found[place - 1].append(identity)
    return found


_HITS = """
    SELECT place, id FROM wuye_search(%(needle_kinds)s::text[], %(needles)s::text[], %(needle_exacts)s::text[],
        %(needle_grams)s::bigint[], %(needle_whole)s::bigint[], %(needle_most)s::int[], %(needle_revealed)s)
    """


def matches(column: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that a row's id is among the hits; `parameters` says for what."""
    found = func.wuye_search(
        bindparam("needle_kinds", type_=ARRAY(Text())),
        bindparam("needles", type_=ARRAY(Text())),
        bindparam("needle_exacts", type_=ARRAY(Text())),
        bindparam("needle_grams", type_=ARRAY(BigInteger)),
        bindparam("needle_whole", type_=ARRAY(BigInteger)),
        bindparam("needle_most", type_=ARRAY(Integer)),
        bindparam("needle_revealed", type_=Boolean()),
    )
    columns = found.table_valued(sql_column("place", Integer), sql_column("id", Uuid)).render_derived().c
    # An array is looked up by index, hit by hit; a join the planner might begin with the estate's whole table.
    return column == any_(func.array(select(columns.id).scalar_subquery()))


def parameters(estate_id: UUID, needle: str, kinds: Sequence[str], *, revealed: bool) -> dict[str, object]:
    """Return the parameters of `matches`: what (folded) is looked for, among the things of which kinds.

    `revealed` says that who searches may see masked values in full, and so may find them by any part.
    """
    wanted = [Wanted(kind, needle) for kind in kinds]
    return _searches(estate_id, wanted, [MOST_HITS] * len(kinds), revealed=revealed)


def _searches(estate_id: UUID, wanted: Sequence[Wanted], most: Sequence[int], *, revealed: bool) -> dict[str, object]:
    grams = [_hashes(estate_id, kind, _pairs(needle) or {needle}) for kind, needle in wanted]
    longest = max(map(len, grams))
    values = [(kind, _entire(needle), needle) for kind, needle in wanted]
    whole = [entire or (needle if _WHOLE.fullmatch(needle) else None) for _kind, entire, needle in values]
    return {
        "needle_kinds": [each.kind for each in wanted],
        "needles": [each.needle for each in wanted],
        "needle_exacts": [entire and f"\n{entire}\n" for _kind, entire, _needle in values],
        # The rows of an array are of one length: a hash that is asked for twice changes nothing.
        "needle_grams": [[*each, *each[:1] * (longest - len(each))] for each in grams],
        "needle_whole": [
            None if text is None else _hashes(estate_id, kind, [text])[0]
            for (kind, _needle), text in zip(wanted, whole, strict=True)
        ],
        "needle_most": list(most),
        "needle_revealed": revealed,
    }


def _entire(needle: str) -> str | None:
    """Return what is looked for as a masked value, if it is as telling as one."""
    entire = plain(needle)
    return entire if "@" in entire or _NUMBER.fullmatch(entire) else None
