"""Choosing who does a piece of work."""

from sqlalchemy import func, select

from wuye.context import Context
from wuye.people.models import Department, Person, Staff
from wuye.records.models import Record


def choose_assignee(ctx: Context, record: Record, department: str) -> Person | None:
    """Return who shall do a record: whom a plugin chooses, else the least busy person on duty in the department.

    None if nobody is on duty. `department` is the department's code.
    """
    chosen = ctx.loaded.bus.first("choose_assignee", ctx, record=record, department=department)
    if isinstance(chosen, Person):
        return chosen
    found = on_duty(ctx, department, 1)
    return found[0][0] if found else None


def on_duty(ctx: Context, department: str, most: int) -> list[tuple[Person, int]]:
    """Return who is on duty in a department (its code) with how much unfinished work they have, the least busy first."""
    busy = (
        select(func.count())
        .select_from(Record)
        .where(Record.assignee_id == Person.id, Record.phase != "done")
        .correlate(Person)
        .scalar_subquery()
    )
    rows = ctx.session.execute(
        select(Person, busy)
        .join(Staff, Staff.person_id == Person.id)
        .join(Department, Department.id == Staff.department_id)
        .where(Department.code == department, Staff.on_duty, ~Person.archived)
        .order_by(busy, Person.id)
        .limit(most)
    )
    return [(person, count) for person, count in rows]
