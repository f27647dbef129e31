"""What shows that a timeline was cut or rewritten: the ends of all chains, noted once a day outside the database.

Whoever can write to the tables past the application could shorten a chain, or make a whole new one that is in itself right.
They cannot change what was noted in a file that only grows, least of all a copy of it that lies elsewhere.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
from sqlalchemy import select, text

from wuye.config import Settings
from wuye.db.session import EstateSession
from wuye.errors import Invalid
from wuye.i18n import _
from wuye.installation import Installation
from wuye.records.models import Timeline
from wuye.records.timeline import Break, verify_chain

#: How often the ends are noted.
_EVERY = timedelta(days=1)

_HEADS = """
    SELECT estate.id, estate.code, head.sequence, encode(head.digest, 'hex') AS digest
    FROM core_timeline_head head JOIN core_estate estate ON estate.id = head.estate_id ORDER BY estate.code
    """


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of an estate's timeline at a moment (UTC): the number of its last entry, and that entry's digest (hex)."""

    at: datetime
    estate: UUID
    code: str
    sequence: int
    digest: str


def path_of(settings: Settings) -> Path:
    """Return the file that the ends are noted in."""
    return settings.audit_anchors or settings.data / "anchors.log"


def anchor(place: Installation) -> int:
    """Note the ends of all timelines, in one statement over all estates; return how many.

    Raises:
        OSError: the file cannot be written.
    """
    now = place.clock.now()
    with place.database.session(role="ops") as session:  # who works for all estates sees the rows of all
        heads = session.execute(text(_HEADS)).all()
    lines = b"".join(
        orjson.dumps(
            {"at": now, "estate": head.id, "code": head.code, "sequence": head.sequence, "digest": head.digest},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for head in heads
    )
    path = path_of(place.settings)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return len(heads)


def anchor_if_due(place: Installation) -> bool:
    """Note the ends if that was not done for a day; return whether it was due."""
    path = path_of(place.settings)
    if path.exists() and place.clock.now() - datetime.fromtimestamp(path.stat().st_mtime, UTC) < _EVERY:
        return False
    anchor(place)
    return True


def read(path: Path) -> list[Anchor]:
    """Return what was noted in a file; nothing if there is none.

    Raises:
        Invalid: a line of it is not one of ours.
    """
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            each = orjson.loads(line)
            found.append(
                Anchor(
                    datetime.fromisoformat(each["at"]),
                    UUID(each["estate"]),
                    each["code"],
                    each["sequence"],
                    each["digest"],
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(_("Line {line} of {file} is not what was noted.", line=number, file=path)) from error
    return found


def verify(session: EstateSession, anchors: Iterable[Anchor]) -> Iterator[Break]:
    """Yield every place where an estate's timeline is not whole in itself, or not what was noted of it."""
    yield from verify_chain(session)
    noted = {each.sequence: each for each in anchors if each.estate == session.estate_id and each.sequence}
    columns = select(Timeline.sequence, Timeline.digest).where(Timeline.sequence.in_(noted))
    present = {sequence: digest.hex() for sequence, digest in session.execute(columns)}
    for sequence, each in sorted(noted.items()):
        if sequence not in present:
            yield Break(sequence, f"the entry is missing that was the last one at {each.at.isoformat()}")
        elif present[sequence] != each.digest:
            yield Break(sequence, f"the entry is another than the last one at {each.at.isoformat()}")
