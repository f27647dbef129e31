"""The directory: which estates exist, and which plugins each has enabled: global tables, small and hot. And what the
host has done to an estate in the background."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, EstateScoped, scoped_index
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


class EstateTask(EstateScoped, Base):
    """Something long that the host asked for: an `export` of the whole estate into a file, or `demo` data in it.

    `user_id` asked; `file` is the name of what was made, `size` its bytes; `problem` says why it failed.
    """

    __table_args__ = (
        CheckConstraint("kind IN ('export', 'demo')", name="kind"),
        CheckConstraint("state IN ('waiting', 'working', 'done', 'failed')", name="state"),
        scoped_index("created_at"),
    )

    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    user_id: Mapped[UUID | None]
    file: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
