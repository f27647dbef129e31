"""The referral itself, and the table that says which department a category goes to."""

from typing import ClassVar
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, Tracked, ref, scoped_index, scoped_unique
from wuye.records.models import Record

#: The department of what nobody took: the management office's coordination board.
OFFICE = "office"


class Referral(Record):
    """Work on its way from one department to another.

    Its `department` is who it is offered to now (`office`: the coordination board), `wanted` who the routing table names,
    enabled or not. `origin_id` is the record that asks, `target_id` the one that answers; `outcome` says what was done.
    `bounces` counts refusals.
    """

    __table_args__ = (scoped_index("wanted"),)
    number_prefix: ClassVar[str] = "RF"

    origin_id: Mapped[UUID] = ref("record")
    target_id: Mapped[UUID | None] = ref("record")
    category: Mapped[str]
    wanted: Mapped[str]
    outcome: Mapped[str | None]
    bounces: Mapped[int] = mapped_column(default=0)


class Route(Tracked, Base):
    """Which department a category goes to: `repair.heating`, else `repair`, else `*`."""

    __table_args__ = (scoped_unique("category"),)

    category: Mapped[str]
    department: Mapped[str]
