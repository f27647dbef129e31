"""How several estates stand beside each other: for whoever runs more than one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from wuye.db.database import Database
from wuye.db.policy import sign
from wuye.db.session import EstateSession
from wuye.plugins.registry import Registry

#: Work that was closed in this time says how well promises are kept.
PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Overseen:
    """An estate that somebody oversees."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An estate with its open work, how much of it is late, and the share of what was closed in 30 days that was done in
    time (percent; None if nothing was that had a deadline). Today is not in it."""

    code: str
    name: str
    open: int
    late: int
    kept: int | None


_OPEN = text(
    """
    SELECT estate_id, count(*), count(*) FILTER (WHERE due_at < :now) FROM core_record
    WHERE phase <> 'done' AND kind NOT LIKE 'core.%' GROUP BY estate_id
    """
)
_KEPT = text(
    "SELECT estate_id, sum(promised), sum(kept) FROM core_day_figures WHERE day >= :start AND day < :today GROUP BY estate_id"
)
_MINE = """
    SELECT e.id, e.code, e.name, m.roles,
        (SELECT array_agg(p.plugin) FROM core_estate_plugin p WHERE p.estate_id = e.id AND p.enabled)
    FROM core_membership m JOIN core_estate e ON e.id = m.estate_id
    WHERE m.user_id = %(user)s AND m.suspended_at IS NULL AND e.state = 'active' ORDER BY e.name
    """


def overseen(session: EstateSession, registry: Registry, user_id: UUID) -> list[Overseen]:
    """Return the active estates in which a user may see all work, by name."""
    granted: dict[tuple[frozenset[str], frozenset[str]], bool] = {}  # many estates, few ways
    found = []
    for identity, code, name, roles, plugins in session.fetch(_MINE, {"user": user_id}):
        way = frozenset(roles), frozenset(plugins or ()) | {"core"}
        if way not in granted:
            granted[way] = "core.read_records" in registry.permissions_of(*way)
        if granted[way]:
            found.append(Overseen(identity, code, name))
    return found


def standings(database: Database, estates: Iterable[Overseen], now: datetime) -> list[Standing]:
    """Count the work of several estates, most of it late first.

    It is asked by the role that may read the estates that it is signed for, and change nothing. What was closed is known from
    the kept figures of days.
    """
    wanted = {estate.id: estate for estate in estates}
    if not wanted:
        return []
    signed = sign(",".join(str(identity) for identity in wanted), database.signing_key)
    with database.engine("report").begin() as connection:
        connection.execute(text("SELECT set_config('wuye.estates', :value, true)"), {"value": signed})
        unfinished = {row[0]: row[1:] for row in connection.execute(_OPEN, {"now": now})}
        closed = connection.execute(_KEPT, {"today": now.date(), "start": (now - PERIOD).date()})
        shares = {row[0]: round(100 * row[2] / row[1]) for row in closed if row[1]}
    found = []
    for identity, estate in wanted.items():
        open_, late = unfinished.get(identity, (0, 0))
        found.append(Standing(estate.code, estate.name, open_, late, shares.get(identity)))
    return sorted(found, key=lambda each: (-each.late, each.name))
