"""Something long that somebody asked for."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, EstateScoped, scoped_index


class Task(EstateScoped, Base):
    """A piece of work in the background: what was asked for, how far it is, and what came of it.

    `kind` names the job that does it (`export_list`), `wanted` is what that job needs to know, as JSON. `user_id` asked,
    in the language `locale`. `done` of `total` things are done (`total` is None while it is not known), `refused` are those
    that could not be: [{id, label, reason}]. `file` is the name of what was made in the folder of exports, `file_name` what
    it is called when it is fetched, `size` its bytes; `problem` says why all of it failed.
    """

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'working', 'done', 'failed')", name="state"),
        scoped_index("created_at"),
        {"info": {"exported": False}},
    )

    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    user_id: Mapped[UUID | None]
    locale: Mapped[str] = mapped_column(default="en")
    wanted: Mapped[dict[str, Any]] = mapped_column(default=dict)
    total: Mapped[int | None]
    done: Mapped[int] = mapped_column(default=0)
    refused: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    file: Mapped[str | None]
    file_name: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in ("waiting", "working")
