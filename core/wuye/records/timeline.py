"""The timeline: append-only, each entry chained to the one before it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import select

from wuye.db.session import EstateSession
from wuye.ids import uuid7
from wuye.records.models import Timeline, TimelineHead

Audience = Literal["all", "staff"]

#: One statement locks the head, moves it on and writes the entry; the digest is made where the head is.
_APPEND = """
    WITH head AS (
        UPDATE core_timeline_head
        SET sequence = sequence + 1, digest = sha256(digest || convert_to(%(body)s::text, 'UTF8'))
        WHERE estate_id = %(estate_id)s::uuid AND id = %(estate_id)s::uuid
        RETURNING sequence, digest
    )
    INSERT INTO core_timeline
        (estate_id, id, record_id, thread_id, at, actor_id, event, audience, data, body, sequence, digest)
    SELECT %(estate_id)s::uuid, %(id)s::uuid, %(record_id)s::uuid, %(thread_id)s::uuid, %(at)s::timestamptz,
        %(actor_id)s::uuid, %(event)s::text, %(audience)s::text, %(data)s::jsonb, %(body)s::text,
        head.sequence, head.digest
    FROM head
    RETURNING sequence
    """


#: Above this many entries it is quicker to fetch the head, to make the digests here and to write all at once.
_FEW = 8
_LOCK = "SELECT sequence, digest FROM core_timeline_head WHERE id = %(estate_id)s::uuid FOR UPDATE"
_MOVE = """
    UPDATE core_timeline_head SET sequence = %(sequence)s, digest = %(digest)s WHERE id = %(estate_id)s::uuid
    """
_INSERT = """
    INSERT INTO core_timeline
        (estate_id, id, record_id, thread_id, at, actor_id, event, audience, data, body, sequence, digest)
    VALUES (%(estate_id)s, %(id)s, %(record_id)s, %(thread_id)s, %(at)s, %(actor_id)s, %(event)s, %(audience)s,
        %(data)s::jsonb, %(body)s, %(sequence)s, %(digest)s)
    """


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to a record, on its way into the timeline."""

    record_id: UUID
    thread_id: UUID
    at: datetime
    actor_id: UUID | None
    event: str
    audience: Audience
    data: dict[str, Any]

    def body(self) -> bytes:
        """Return the canonical JSON that the digest is made of: sorted keys, UTC, no spaces."""
        return orjson.dumps(
            {
                "record": self.record_id,
                "thread": self.thread_id,
                "at": self.at.astimezone(UTC),
                "actor": self.actor_id,
                "event": self.event,
                "audience": self.audience,
                "data": self.data,
            },
            option=orjson.OPT_SORT_KEYS,
        )


def append(session: EstateSession, entries: list[Entry]) -> None:
    """Write entries at the end of the estate's chain, which stays locked until the transaction ends."""
    if len(entries) > _FEW:
        _append_many(session, entries)
        return
    for entry in entries:
        if not session.fetch(_APPEND, _values(session, entry)):
            raise RuntimeError(f"estate {session.estate_id} has no timeline head")


def _append_many(session: EstateSession, entries: list[Entry]) -> None:
    head = session.fetch(_LOCK, {"estate_id": session.estate_id})
    if not head:
        raise RuntimeError(f"estate {session.estate_id} has no timeline head")
    sequence, digest = head[0][0], bytes(head[0][1])
    rows = []
    for entry in entries:
        values = _values(session, entry)
        sequence, digest = sequence + 1, hashlib.sha256(digest + values["body"].encode()).digest()
        rows.append({**values, "sequence": sequence, "digest": digest})
    session.connection().exec_driver_sql(_INSERT, rows)
    session.fetch(_MOVE, {"estate_id": session.estate_id, "sequence": sequence, "digest": digest})


def _values(session: EstateSession, entry: Entry) -> dict[str, Any]:
    return {
        "estate_id": session.estate_id,
        "id": uuid7(),
        "record_id": entry.record_id,
        "thread_id": entry.thread_id,
        "at": entry.at,
        "actor_id": entry.actor_id,
        "event": entry.event,
        "audience": entry.audience,
        "data": orjson.dumps(entry.data).decode(),
        "body": entry.body().decode(),
    }


def start_chain(session: EstateSession) -> None:
    """Give a new estate the head of its chain."""
    session.add(TimelineHead(id=session.estate_id))


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold: the sequence number and what is wrong there."""

    sequence: int
    reason: str


def verify_chain(session: EstateSession) -> Iterator[Break]:
    """Yield every place where an estate's timeline was changed, cut or reordered; nothing if it is whole."""
    digest, expected = b"", 1
    for row in session.scalars(select(Timeline).order_by(Timeline.sequence).execution_options(yield_per=1000)):
        if row.sequence != expected:
            yield Break(expected, f"entries {expected} to {row.sequence - 1} are missing")
        entry = Entry(row.record_id, row.thread_id, row.at, row.actor_id, row.event, row.audience, row.data)  # type: ignore[arg-type]  # the column is text
        if orjson.loads(row.body) != orjson.loads(entry.body()):
            yield Break(row.sequence, "the entry's columns differ from what was written")
        digest = hashlib.sha256(digest + row.body.encode()).digest()
        if row.digest != digest:
            yield Break(row.sequence, "the digest does not follow from the entry before")
            digest = row.digest
        expected = row.sequence + 1
    head = session.scalar(select(TimelineHead))
    if head is None or (head.sequence, head.digest) != (expected - 1, digest):
        yield Break(expected, "the end of the chain is missing")
