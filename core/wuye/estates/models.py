"""The directory: which estates exist, and which plugins each has enabled: global tables, small and hot."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base
from wuye.ids import uuid7


class Estate(Base):
    """A community under one management contract (小区): the tenant that everything is kept apart by.

    `code` names it in URLs and commands; `zone` is its IANA time zone, in which dates are entered and shown.
    """

    __table_args__ = (CheckConstraint("state IN ('active', 'suspended')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    organisation: Mapped[str] = mapped_column(default="")
    zone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    locale: Mapped[str] = mapped_column(default="zh_Hans")
    state: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]


class EstatePlugin(Base):
    """A plugin that an estate has enabled, or had: a disabled one keeps its row and all its data."""

    estate_id: Mapped[UUID] = mapped_column(ForeignKey("core_estate.id", ondelete="CASCADE"), primary_key=True)
    plugin: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime]
