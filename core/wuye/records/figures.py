"""What came in and what was done, by day: counted once when a day has ended, and kept.

A day's figures can be made again at any time. They are made when they are first asked for, or by the hourly job for all
estates; a trigger of the records' table forgets those of a day when something of it changes later (work that is reopened,
imported, deleted), whoever changes it. An ordinary step pays nothing for them.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from wuye.context import Context
from wuye.db.session import EstateSession

#: A step may still be on its way this long after its moment: until then a day is not over. The trigger knows it too.
SETTLED = timedelta(hours=1)

#: Estates whose days are kept in one transaction: each of them is locked.
_SLICE = 500


@dataclass
class Figures:
    """The sums over some days and kinds of work.

    `opened` and `closed` count by day, `arrivals` by weekday (1 is Monday) and hour, in the estate's zone; `promised` is how
    much of what was closed had a deadline, `kept` how much of that was in time; `took` are the minutes from opening to closing.
    """

    opened: Counter[date] = field(default_factory=Counter)
    closed: Counter[date] = field(default_factory=Counter)
    arrivals: Counter[tuple[int, int]] = field(default_factory=Counter)
    promised: int = 0
    kept: int = 0
    took: list[int] = field(default_factory=list)

    @property
    def median_hours(self) -> float | None:
        """The middle of what work took from opening to closing; None if none was closed."""
        return median(self.took) / 60 if self.took else None

    def add(self, day: date, hours: Sequence[int], closed: int, promised: int, kept: int, took: Sequence[int]) -> None:
        """Add a day of one kind."""
        self.opened[day] += len(hours)
        self.closed[day] += closed
        self.arrivals.update((day.isoweekday(), hour) for hour in hours)
        self.promised += promised
        self.kept += kept
        self.took += took


_COLUMNS = "day, kind, hours, closed, promised, kept, took"
_KEPT = f"SELECT {_COLUMNS} FROM core_day_figures WHERE day >= %(start)s AND day <= %(end)s"  # noqa: S608 (the names above)

#: From the records themselves: what happened in some days (`from_` to `until`) in some estates, a row for each kind.
_COUNTED = """
    SELECT d.estate_id, d.day, facts.kind, coalesce(array_agg(facts.hour) FILTER (WHERE facts.hour IS NOT NULL), '{}') AS hours,
        count(facts.took)::int AS closed, (count(*) FILTER (WHERE facts.promised))::int AS promised,
        (count(*) FILTER (WHERE facts.kept))::int AS kept,
        coalesce(array_agg(facts.took) FILTER (WHERE facts.took IS NOT NULL), '{}') AS took
    FROM unnest(%(estates)s::uuid[], %(zones)s::text[], %(days)s::date[]) AS d(estate_id, zone, day)
    CROSS JOIN LATERAL (
        SELECT r.kind, extract(hour FROM timezone(d.zone, r.opened_at))::int AS hour, NULL::int AS took, false AS promised,
            false AS kept
        FROM core_record r
        WHERE r.estate_id = d.estate_id AND r.opened_at >= timezone(d.zone, d.day::timestamp)
            AND r.opened_at < timezone(d.zone, (d.day + 1)::timestamp)
        UNION ALL
        SELECT r.kind, NULL, (extract(epoch FROM r.closed_at - r.opened_at) / 60)::int, r.due_at IS NOT NULL,
            r.closed_at <= r.due_at
        FROM core_record r
        WHERE r.estate_id = d.estate_id AND r.closed_at >= timezone(d.zone, d.day::timestamp)
            AND r.closed_at < timezone(d.zone, (d.day + 1)::timestamp)
    ) AS facts
    WHERE facts.kind NOT LIKE 'core.%%'
    GROUP BY d.estate_id, d.day, facts.kind
    """

#: Who changes a day that was over holds this lock together with others; then nobody keeps figures of it.
_LOCK = """
    SELECT e FROM unnest(%(estates)s::uuid[]) AS e WHERE pg_try_advisory_xact_lock(hashtextextended(e::text, 0))
    """
_KEEP = f"""
    INSERT INTO core_day_figures (estate_id, id, {_COLUMNS})
    SELECT estate_id, gen_random_uuid(), {_COLUMNS} FROM ({_COUNTED}) AS counted
    ON CONFLICT (estate_id, day, kind) DO NOTHING
    """  # noqa: S608 (their parts stand above)


def of_days(ctx: Context, start: date, end: date, kinds: Collection[str]) -> Figures:
    """Return what happened from one day to another, both included, in some kinds of work; no kind of core's is known."""
    found = Figures()
    kept = ctx.session.fetch(_KEPT, {"start": start, "end": end})
    missing = {start + timedelta(days=n) for n in range((end - start).days + 1)} - {row[0] for row in kept}
    counted = _fetch(ctx.session, _COUNTED, [(ctx.estate.id, ctx.estate.zone, day) for day in sorted(missing)])
    over = {row[1] for row in counted if _is_over(ctx, row[1])}
    _keep(ctx.session, [(ctx.estate.id, ctx.estate.zone, day) for day in sorted(over)])
    for day, kind, *figures in [*kept, *(row[1:] for row in counted)]:
        if kind in kinds:
            found.add(day, *figures)
    return found


def keep_all(session: EstateSession, now: datetime) -> None:
    """Keep the last day that is over of every active estate, where something happened; `session` sees all estates."""
    due = session.fetch(_DUE, {"settled": now - SETTLED})
    for place in range(0, len(due), _SLICE):
        _keep(session, due[place : place + _SLICE])
        session.commit()


_DUE = """
    SELECT e.id, e.zone, d.day FROM core_estate e
    CROSS JOIN LATERAL (SELECT timezone(e.zone, %(settled)s)::date - 1 AS day) AS d
    WHERE e.state = 'active'
        AND NOT EXISTS (SELECT FROM core_day_figures f WHERE f.estate_id = e.id AND f.day = d.day)
        AND EXISTS (SELECT FROM core_record r WHERE r.estate_id = e.id AND (
            r.opened_at >= timezone(e.zone, d.day::timestamp) OR r.closed_at >= timezone(e.zone, d.day::timestamp)))
    """


def _is_over(ctx: Context, day: date) -> bool:
    return datetime.combine(day + timedelta(days=1), time(), ctx.estate.tzinfo) + SETTLED <= ctx.now


Day = tuple[UUID, str, date]


def _keep(session: EstateSession, days: Sequence[Day]) -> None:
    if days:
        locked = {row[0] for row in session.fetch(_LOCK, {"estates": list({estate for estate, _zone, _day in days})})}
        # A statement of its own: it sees what was committed before the lock was there.
        _fetch(session, _KEEP, [day for day in days if day[0] in locked])


def _fetch(session: EstateSession, sql: str, days: Sequence[Day]) -> list[tuple[Any, ...]]:
    estates, zones, dates = zip(*days, strict=True) if days else ((), (), ())
    return session.fetch(sql, {"estates": list(estates), "zones": list(zones), "days": list(dates)}) if days else []
