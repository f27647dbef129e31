"""What core tells of by itself, whatever the department; and reading what one was told."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import event, func, select, tuple_, update
from sqlalchemy.orm import UOWTransaction
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from wuye.context import Context
from wuye.db.session import EstateSession
from wuye.errors import BadRequest, FieldError, Invalid
from wuye.i18n import _
from wuye.notifications.declaration import NotificationKind, show
from wuye.notifications.models import Notification
from wuye.people.models import Person, Staff
from wuye.records.flow import State
from wuye.records.models import Record
from wuye.records.timeline import Audience
from wuye.resources import fields
from wuye.resources.schemas import NoInput

#: What core tells people; the hook `register_notifications` is how a plugin adds its own.
CORE_KINDS = (
    NotificationKind("assigned", _("{number} is assigned to you: {title}")),
    NotificationKind("mentioned", _("{who} mentions you in {number}: {title}")),
    NotificationKind("commented", _("{who} comments on {number}: {title}")),
    NotificationKind("state_changed", _("{number} is now “{state}”: {title}")),
    NotificationKind(
        "second_factor_reset",
        _("Your second factor was reset by {who}. If you did not ask for it, change your password and say so at once."),
    ),
    NotificationKind("referral_offered", _("{number} is offered to your department: {title}")),
)

#: Nobody reads a larger number; counting stops here.
MOST_UNSEEN = 100
DEFAULT_LIMIT, MAX_LIMIT = 50, 200


class Seen(NoInput):
    """Which notifications the caller has seen: some by their ids, those about a record, or all."""

    ids = fields.List(fields.Uuid(), most=MAX_LIMIT)
    record = fields.Uuid()
    all = fields.Boolean()


def notify_permission(ctx: Context, permission: str, kind: str, record: Record | None, /, **data: Any) -> None:
    """Tell everybody whose roles grant a permission here (`maintenance.dispatch`), like `ctx.notify`.

    Nobody is told where the permission's plugin is disabled.

    Raises:
        KeyError: no loaded plugin has such a permission, or such a kind.
    """
    ctx.loaded.registry.permissions[permission]
    ctx.announce(kind, record, data, roles=_roles_with(ctx, permission))


def _roles_with(ctx: Context, permission: str) -> tuple[str, ...]:
    if permission.partition(".")[0] not in ctx.plugins:
        return ()
    return tuple(role for role, granted in ctx.loaded.registry.roles.items() if permission in granted)


@event.listens_for(EstateSession, "before_flush")
def _tell_assignees(session: EstateSession, _context: UOWTransaction, _instances: object) -> None:
    """Tell whoever a record is newly assigned to, however that came about."""
    ctx: Context | None = session.info.get("context")
    if ctx is None:
        return
    for row in (*session.new, *session.dirty):
        if isinstance(row, Record):
            change = get_history(row, "assignee_id", PASSIVE_NO_INITIALIZE)
            if change.added and change.added[0] is not None:
                ctx.notify(change.added[0], "assigned", row)


def tell_state(ctx: Context, record: Record, state: State) -> None:
    """Tell the requester that a record is done, or waits (for them, as a rule).

    Of a chain of hand-overs they hear about the record that it began with: how the house divides the work among its
    departments is its own affair.
    """
    if state.phase in ("waiting", "done") and record.thread_id == record.id:
        ctx.notify(record.requester_id, "state_changed", record, state=state.label)


def tell_comment(ctx: Context, record: Record, text: str, audience: Audience) -> None:
    """Tell requester and assignee of a comment, and staff who are mentioned in it (`@Name`) that they are.

    Of a comment that is for staff only, the requester hears nothing as such; others only if they may read it.
    """
    roles = _roles_with(ctx, "core.internal") if audience == "staff" else None
    named = mentioned(ctx, text)
    for person_id in named:
        ctx.announce("mentioned", record, person_id=person_id, roles=roles)
    concerned = {record.assignee_id, record.requester_id} - named
    if audience == "staff":
        concerned.discard(record.requester_id)
    for person in filter(None, concerned):
        ctx.announce("commented", record, person_id=person, roles=roles)


def mentioned(ctx: Context, text: str) -> set[UUID]:
    """Return the staff whom a text names after an @ (or ＠), in either case; of several names that fit, the longest.

    Two of the same name are both meant. A text without @ asks nothing of the database.
    """
    parts = text.replace("＠", "@").casefold().split("@")[1:]
    if not parts:
        return set()
    staff = select(Person.id, Person.name).join(Staff, Staff.person_id == Person.id).where(~Person.archived)
    by_name: dict[str, set[UUID]] = {}
    for identity, name in ctx.session.execute(staff.distinct()):
        by_name.setdefault(name.strip().casefold(), set()).add(identity)
    names = sorted(filter(None, by_name), key=len, reverse=True)
    found: set[UUID] = set()
    for part in parts:
        found |= by_name.get(next((name for name in names if part.startswith(name)), ""), set())
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """A page of somebody's notifications as dictionaries, newest first, and the cursor of the next one."""

    items: list[dict[str, Any]]
    after: str | None


def listing(ctx: Context, arguments: Mapping[str, str]) -> Page:
    """Return a page of what the actor was told, as URL parameters describe it: `limit`, `after`, `unseen=1`.

    Raises:
        BadRequest: a parameter is unknown or holds what it may not; all of them are named.
    """
    limit, after, unseen = _parse(arguments)
    rows = (
        select(Notification, Record.kind.label("record_kind"), Record.number)
        .outerjoin(Record, (Record.estate_id == Notification.estate_id) & (Record.id == Notification.record_id))
        .where(Notification.user_id == ctx.actor.user_id)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(limit + 1)
    )
    if unseen:
        rows = rows.where(Notification.seen_at.is_(None))
    if after is not None:
        rows = rows.where(tuple_(Notification.created_at, Notification.id) < tuple_(*after))
    found = ctx.session.execute(rows).all()
    kinds = ctx.loaded.registry.notifications
    items = [
        {
            "id": row.id,
            "kind": row.kind,
            "text": show(kinds.get(row.kind), row.data),
            "record": {"id": row.record_id, "kind": kind, "label": number} if row.record_id else None,
            "created_at": row.created_at,
            "seen_at": row.seen_at,
        }
        for row, kind, number in found[:limit]
    ]
    return Page(items, _cursor(found[limit - 1][0]) if len(found) > limit else None)


def _parse(arguments: Mapping[str, str]) -> tuple[int, tuple[datetime, UUID] | None, bool]:
    known = {"limit", "after", "unseen"}
    errors = [FieldError(name, _("There is no such parameter.")) for name in arguments if name not in known]
    limit = arguments.get("limit", str(DEFAULT_LIMIT))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MAX_LIMIT:
        errors.append(FieldError("limit", _("Use a number from {low} to {high}.", low=1, high=MAX_LIMIT)))
        limit = "1"
    after = None
    if "after" in arguments:
        try:
            after = _read_cursor(arguments["after"])
        except (ValueError, TypeError, AttributeError, binascii.Error):
            errors.append(
                FieldError("after", _("This is not a cursor of this list in this order; begin again without it."))
            )
    if errors:
        raise BadRequest(_("The list cannot be shown like this."), errors=errors)
    return int(limit), after, arguments.get("unseen", "") in ("1", "true")


def _cursor(row: Notification) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row.created_at, row.id])).rstrip(b"=").decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    at, identity = orjson.loads(raw)
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError(at)
    return moment, UUID(identity)


def count_unseen(ctx: Context) -> tuple[int, bool]:
    """Return how many notifications the actor has not seen, and whether there are more than that: at most 100."""
    mine = select(Notification.id).where(Notification.user_id == ctx.actor.user_id, Notification.seen_at.is_(None))
    count = ctx.session.scalar(select(func.count()).select_from(mine.limit(MOST_UNSEEN + 1).subquery())) or 0
    return min(count, MOST_UNSEEN), count > MOST_UNSEEN


_UNSEEN = """
    SELECT 1 FROM core_notification WHERE user_id = %(user)s AND record_id = %(record)s AND seen_at IS NULL LIMIT 1
    """


def has_unseen(ctx: Context, record_id: UUID) -> bool:
    """Tell whether the actor was told something about a record that they have not seen."""
    return bool(ctx.session.fetch(_UNSEEN, {"user": ctx.actor.user_id, "record": record_id}))


def see(ctx: Context, values: Mapping[str, Any]) -> None:
    """Note that the actor has seen some of their notifications, or all; those of others are none here.

    `values` are those of `Seen`. What was seen before keeps its time, so that a repeated call changes nothing.

    Raises:
        Invalid: none of ids, record and all was said, or several.
    """
    said = {name: value for name, value in values.items() if value is not False}
    if len(said) != 1:
        raise Invalid(
            _("Say which: ids, record, or all."), errors=[FieldError("ids", _("Send ids, or record, or all."))]
        )
    mine = update(Notification).where(Notification.user_id == ctx.actor.user_id, Notification.seen_at.is_(None))
    if "ids" in said:
        mine = mine.where(Notification.id.in_(said["ids"]))
    if "record" in said:
        mine = mine.where(Notification.record_id == said["record"])
    ctx.session.execute(mine.values(seen_at=ctx.now), execution_options={"synchronize_session": False})
