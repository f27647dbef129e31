"""Assets and work orders."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from wuye.api import (
    Base,
    EstateScoped,
    Mapped,
    Numeric,
    Record,
    Tracked,
    check,
    mapped_column,
    money,
    ref,
    scoped_unique,
)

TYPES = ("corrective", "preventive", "inspection", "statutory", "improvement", "emergency")
CONDITIONS = ("in_service", "degraded", "down", "under_maintenance", "locked", "standby", "retired")
HOLD_REASONS = (
    "waiting_resident",
    "waiting_parts",
    "waiting_access",
    "waiting_approval",
    "force_majeure",
    "third_party",
)


class Asset(Tracked, Base):
    """Something that is maintained (设备): a lift, a pump, a boiler; `code` is on its label."""

    __table_args__ = (check("condition", CONDITIONS), scoped_unique("code"))

    code: Mapped[str]
    name: Mapped[str]
    asset_class: Mapped[str]
    place_id: Mapped[UUID | None] = ref("property")
    maker: Mapped[str | None]
    model: Mapped[str | None]
    serial: Mapped[str | None]
    condition: Mapped[str] = mapped_column(default="in_service")


class WorkOrder(Record):
    """A piece of maintenance work (工单), from its assignment to its verification.

    `order_type` follows EN 13306. Times are when the technician accepted, arrived, began and finished; `cause` and
    `remedy` say what was wrong and what helped; `cost_limit` is what was asked for when approval was needed, in yuan.
    """

    __table_args__ = (check("order_type", TYPES), check("hold_reason", HOLD_REASONS, nullable=True))
    number_prefix: ClassVar[str] = "WO"

    order_type: Mapped[str]
    asset_id: Mapped[UUID | None] = ref("maintenance_asset")
    accepted_at: Mapped[datetime | None]
    on_site_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    verified_by_id: Mapped[UUID | None] = ref("person")
    hold_reason: Mapped[str | None]
    hold_until: Mapped[datetime | None]
    cause: Mapped[str | None]
    remedy: Mapped[str | None]
    cost_limit: Mapped[Decimal | None] = money()
    reworks: Mapped[int] = mapped_column(default=0)


class MaterialUse(EstateScoped, Base):
    """Material that a work order took (领料): what, how much, and in which measure (个, 米, kg); `used_at` is when it was
    written down. Prices and stock are not its business."""

    order_id: Mapped[UUID] = ref("maintenance_work_order", ondelete="CASCADE")
    item: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    measure_unit: Mapped[str | None]
    used_at: Mapped[datetime]
