"""What somebody was told, and whether they have seen it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, EstateScoped, ref, scoped_index


class Notification(EstateScoped, Base):
    """Something that a user was told.

    `kind` names the text (`assigned`; a plugin's begins with its name: `parcels.arrived`), `data` what stands in its
    places: number, title, who, and what else the kind has. `seen_at` is None until the user has seen it. What is told
    about a record goes with it.
    """

    __table_args__ = (
        scoped_index("user_id", "created_at", "id"),
        scoped_index("user_id", "created_at", postgresql_where=text("seen_at IS NULL")),
        {"info": {"exported": False}},
    )

    user_id: Mapped[UUID]
    record_id: Mapped[UUID | None] = ref("record", ondelete="CASCADE")
    kind: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
