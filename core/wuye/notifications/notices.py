"""Writing what a step has to tell: one statement finds the users, tells them, and wakes who listens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from wuye.db.session import EstateSession
from wuye.notifications.declaration import stored

if TYPE_CHECKING:
    from wuye.context import Actor
    from wuye.records.models import Record

#: Who listens on this channel hears `<estate id> <user id>` once a transaction that told the user something commits.
CHANNEL = "wuye_notifications"

#: Whom a notice is for is looked up here, so that it costs one round trip however many they are. Whoever acts is not
#: told. What one step tells a user twice of the same record is told once, as it was last. The identifiers are version 7.
_WRITE = """
    WITH wanted AS (
        SELECT * FROM jsonb_to_recordset(%(notices)s::jsonb)
            AS w(place int, user_id uuid, person_id uuid, roles text[], kind text, record_id uuid, data jsonb)
    ), found AS (
        SELECT w.*, m.user_id AS member_id, m.person_id AS member_person_id
        FROM wanted w JOIN core_membership m ON m.estate_id = %(estate_id)s::uuid AND m.suspended_at IS NULL AND m.user_id = w.user_id
        UNION ALL
        SELECT w.*, m.user_id, m.person_id
        FROM wanted w JOIN core_membership m ON m.estate_id = %(estate_id)s::uuid AND m.suspended_at IS NULL AND m.person_id = w.person_id
        WHERE w.roles IS NULL OR m.roles && w.roles
        UNION ALL
        SELECT w.*, m.user_id, m.person_id
        FROM wanted w JOIN core_membership m ON m.estate_id = %(estate_id)s::uuid AND m.suspended_at IS NULL AND m.roles && w.roles
        WHERE w.person_id IS NULL AND w.user_id IS NULL
    ), told AS (
        INSERT INTO core_notification (estate_id, id, user_id, record_id, kind, data, created_at)
        SELECT DISTINCT ON (f.member_id, f.kind, f.record_id) %(estate_id)s::uuid,
            encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(
                int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
                52, 1), 53, 1), 'hex')::uuid,
            f.member_id, f.record_id, f.kind, f.data, %(now)s::timestamptz
        FROM found f JOIN core_user u ON u.id = f.member_id AND u.active
        WHERE (f.member_id = %(actor_id)s::uuid) IS NOT TRUE
            AND (f.member_person_id = %(actor_person_id)s::uuid) IS NOT TRUE
        ORDER BY f.member_id, f.kind, f.record_id, f.place DESC
        RETURNING user_id
    )
    SELECT pg_notify(%(channel)s, %(estate_id)s::text || ' ' || user_id) FROM (SELECT DISTINCT user_id FROM told) t
    """


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told at the end of a step: to a user, to the users behind a person, or to all with certain roles.

    With a person and `roles`, only those of their users who have one of the roles are told. `data` holds what stands in
    the text's places besides the record's number and title, which it has only when it is written.
    """

    kind: str
    record: "Record | None"
    user_id: UUID | None = None
    person_id: UUID | None = None
    roles: tuple[str, ...] | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def as_row(self, place: int) -> dict[str, Any]:
        """Return the notice as the statement reads it; the record has been written."""
        about = {"number": self.record.number, "title": self.record.title} if self.record is not None else {}
        return {
            "place": place,
            "user_id": self.user_id,
            "person_id": self.person_id,
            "roles": self.roles,
            "kind": self.kind,
            "record_id": self.record.id if self.record is not None else None,
            "data": {**about, **self.data},
        }


def write(session: EstateSession, actor: "Actor", now: datetime, notices: Sequence[Notice]) -> None:
    """Tell everybody in one statement; with nothing to tell, ask nothing of the database."""
    if not notices:
        return
    rows = [notice.as_row(place) for place, notice in enumerate(notices)]
    values = {
        "estate_id": session.estate_id,
        "actor_id": actor.user_id,
        "actor_person_id": actor.person_id,
        "now": now,
        "channel": CHANNEL,
        "notices": orjson.dumps(rows, default=stored).decode(),
    }
    session.fetch(_WRITE, values)
