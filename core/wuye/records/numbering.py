"""Numbers of records: per estate, kind and year, without a gap and without a double.

The counter row is locked from the moment a number is taken until the commit, so numbers are taken as late as possible:
when the step's records are written.
"""

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.orm import UOWTransaction

from wuye.db.session import EstateSession
from wuye.ids import uuid7
from wuye.records.models import Record

if TYPE_CHECKING:
    from wuye.context import Context


_TAKE = """
    INSERT INTO core_counter (estate_id, id, kind, year, last)
    VALUES (%(estate_id)s, %(id)s, %(kind)s, %(year)s, %(count)s)
    ON CONFLICT (estate_id, kind, year) DO UPDATE SET last = core_counter.last + excluded.last
    RETURNING last
    """


def take_numbers(session: EstateSession, kind: str, year: int, count: int) -> range:
    """Take the next `count` numbers of a kind and year, and lock the counter until the transaction ends."""
    values = {"estate_id": session.estate_id, "id": uuid7(), "kind": kind, "year": year, "count": count}
    [(last,)] = session.fetch(_TAKE, values)
    return range(last - count + 1, last + 1)


@event.listens_for(EstateSession, "before_flush")
def _number_new_records(session: EstateSession, _context: UOWTransaction, _instances: object) -> None:
    waiting: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for row in session.new:
        if isinstance(row, Record) and row.number is None:
            ctx: Context = session.info["context"]
            year = row.opened_at.astimezone(ctx.estate.tzinfo).year
            waiting[row.record_kind(), year].append(row)
    for (kind, year), rows in sorted(waiting.items(), key=lambda item: item[0]):
        for row, number in zip(rows, take_numbers(session, kind, year, len(rows)), strict=True):
            row.number = f"{row.number_prefix}-{year}-{number:05d}"
