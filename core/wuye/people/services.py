"""Who lives where, and choosing who does a piece of work."""

from typing import NamedTuple
from uuid import UUID

from wuye.context import Context
from wuye.people.models import Person
from wuye.records.models import Record


def choose_assignee(ctx: Context, record: Record, department: str) -> Person | None:
    """Return who shall do a record: whom a plugin chooses, else the least busy person on duty in the department.

    None if nobody is on duty. `department` is the department's code.
    """
    chosen = ctx.loaded.bus.first("choose_assignee", ctx, record=record, department=department)
    if isinstance(chosen, Person):
        return chosen
    ctx.session.flush()  # what was given to somebody in this very step keeps them busy too
    found = on_duty(ctx, department, 1)
    return ctx.session.get(Person, (ctx.estate.id, found[0].id)) if found else None


class Home(NamedTuple):
    """A place that somebody lives in or owns."""

    id: UUID
    label: str


def homes(ctx: Context) -> list[Home]:
    """Return the places that the actor lives in or owns today."""
    if ctx.actor.person_id is None:
        return []
    today = ctx.now.astimezone(ctx.estate.tzinfo).date()
    return [Home(*row) for row in ctx.session.fetch(_HOMES, {"person": ctx.actor.person_id, "today": today})]


_HOMES = """
    SELECT DISTINCT p.id, p.label FROM core_occupancy o
    JOIN core_property p ON p.estate_id = o.estate_id AND p.id = o.property_id
    WHERE o.person_id = %(person)s AND o.since <= %(today)s AND (o.until IS NULL OR o.until >= %(today)s)
    ORDER BY p.label
    """


class Worker(NamedTuple):
    """Somebody on duty, with how much unfinished work they have."""

    id: UUID
    name: str
    busy: int


def on_duty(ctx: Context, department: str, most: int) -> list[Worker]:
    """Return who is on duty in a department (its code), as the database has it, the least busy first."""
    return [Worker(*row) for row in ctx.session.fetch(_ON_DUTY, {"department": department, "most": most})]


#: The page of every list of work asks this, so it is text already.
_ON_DUTY = """
    SELECT p.id, p.name, (SELECT count(*) FROM core_record r WHERE r.assignee_id = p.id AND r.phase <> 'done') AS busy
    FROM core_department d
    JOIN core_staff s ON s.estate_id = d.estate_id AND s.department_id = d.id AND s.on_duty
    JOIN core_person p ON p.estate_id = s.estate_id AND p.id = s.person_id AND NOT p.archived
    WHERE d.code = %(department)s ORDER BY busy, p.id LIMIT %(most)s
    """
