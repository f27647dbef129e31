"""The property tree."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, Tracked, ref, scoped_index, scoped_unique

KINDS = ("zone", "building", "floor", "unit", "common_area", "plant_room", "parking_space", "address")


class Property(Tracked, Base):
    """A place in the estate: a building, a flat, a lobby, a pump room, a parking space.

    `code` is unique in the estate and names the place in imports (`3-2-1203` for building 3, entrance 2, room
    1203). `label` is what people read: the names from the top of the tree down. `area_m2` is the floor area in
    square metres on which charges are based.
    """

    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("area_m2 IS NULL OR area_m2 >= 0", name="area"),
        scoped_unique("code"),
        scoped_index("label", "id"),
    )

    # NO ACTION: deleting a whole tree in one statement is fine, deleting a parent alone is not.
    parent_id: Mapped[UUID | None] = ref("property", ondelete="NO ACTION")
    kind: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    label: Mapped[str]
    area_m2: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    archived: Mapped[bool] = mapped_column(default=False)
