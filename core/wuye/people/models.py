"""People, where they live and since when, and who works in which department."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, Tracked, ref, scoped_index, scoped_unique

RELATIONS = ("owner", "tenant", "member")


class Person(Tracked, Base):
    """Somebody the estate deals with: a resident, a member of staff, a contractor's worker.

    `phone` is personal data: it is shown masked unless the reader may reveal it. `external_id` is the person's
    identifier in the system that an import came from.
    """

    __table_args__ = (scoped_unique("external_id"), scoped_index("name", "id"), scoped_index("phone"))

    name: Mapped[str]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    external_id: Mapped[str | None]
    note: Mapped[str | None]
    archived: Mapped[bool] = mapped_column(default=False)


class Occupancy(Tracked, Base):
    """A person's relation to a property from one day to another (both inclusive, the estate's calendar)."""

    __table_args__ = (
        CheckConstraint(f"relation IN {RELATIONS}", name="relation"),
        CheckConstraint("until IS NULL OR until >= since", name="period"),
        scoped_unique("person_id", "property_id", "relation", "since"),
    )

    person_id: Mapped[UUID] = ref("person", index=False)
    property_id: Mapped[UUID] = ref("property")
    relation: Mapped[str]
    since: Mapped[date]
    until: Mapped[date | None]


class Department(Tracked, Base):
    """A department of the management office; `plugin` names the plugin that carries its work, if one does."""

    __table_args__ = (scoped_unique("code"),)

    code: Mapped[str]
    name: Mapped[str]
    plugin: Mapped[str | None]


class Staff(Tracked, Base):
    """A person's post in a department; `on_duty` makes the person eligible for emergency dispatch."""

    __table_args__ = (scoped_unique("person_id", "department_id"),)

    person_id: Mapped[UUID] = ref("person", index=False)
    department_id: Mapped[UUID] = ref("department")
    post: Mapped[str] = mapped_column(default="")
    employee_number: Mapped[str | None]
    on_duty: Mapped[bool] = mapped_column(default=True)
