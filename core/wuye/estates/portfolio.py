"""How several estates stand beside each other: for whoever runs more than one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from wuye.db.database import Database
from wuye.db.policy import sign
from wuye.estates.models import Estate, EstatePlugin
from wuye.identity.models import Membership
from wuye.plugins.registry import Registry

#: Work that was due in this time says how well promises are kept.
PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Standing:
    """An estate with its open work, how much of it is late, and the share of what fell due in 30 days that was done in
    time (percent; None if nothing fell due)."""

    code: str
    name: str
    open: int
    late: int
    kept: int | None


_COUNT = text(
    """
    SELECT estate_id,
        count(*) FILTER (WHERE phase <> 'done'),
        count(*) FILTER (WHERE phase <> 'done' AND due_at < :now),
        count(*) FILTER (WHERE due_at BETWEEN :start AND :now),
        count(*) FILTER (WHERE due_at BETWEEN :start AND :now AND closed_at <= due_at)
    FROM core_record
    WHERE kind NOT LIKE 'core.%' AND (phase <> 'done' OR due_at BETWEEN :start AND :now)
    GROUP BY estate_id
    """
)


def overseen(session: Session, registry: Registry, user_id: UUID) -> list[Estate]:
    """Return the active estates in which a user may see all work, by name."""
    rows = session.execute(
        select(Estate, Membership.roles)
        .join(Membership, Membership.estate_id == Estate.id)
        .where(Membership.user_id == user_id, Membership.suspended_at.is_(None), Estate.state == "active")
        .order_by(Estate.name)
    ).all()
    enabled: dict[UUID, set[str]] = {estate.id: {"core"} for estate, _roles in rows}
    plugins = select(EstatePlugin.estate_id, EstatePlugin.plugin).where(
        EstatePlugin.enabled, EstatePlugin.estate_id.in_(enabled)
    )
    for estate_id, plugin in session.execute(plugins):
        enabled[estate_id].add(plugin)
    return [
        estate
        for estate, roles in rows
        if "core.read_records" in registry.permissions_of(roles, frozenset(enabled[estate.id]))
    ]


def standings(database: Database, estates: Iterable[Estate], now: datetime) -> list[Standing]:
    """Count the work of several estates, most of it late first.

    It is asked by the role that may read the estates that it is signed for, and change nothing.
    """
    wanted = {estate.id: estate for estate in estates}
    if not wanted:
        return []
    signed = sign(",".join(str(identity) for identity in wanted), database.signing_key)
    with database.engine("report").begin() as connection:
        connection.execute(text("SELECT set_config('wuye.estates', :value, true)"), {"value": signed})
        rows = {row[0]: row[1:] for row in connection.execute(_COUNT, {"now": now, "start": now - PERIOD})}
    found = []
    for identity, estate in wanted.items():
        unfinished, late, due, kept = rows.get(identity, (0, 0, 0, 0))
        found.append(Standing(estate.code, estate.name, unfinished, late, round(100 * kept / due) if due else None))
    return sorted(found, key=lambda each: (-each.late, each.name))
