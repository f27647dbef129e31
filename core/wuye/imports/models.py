"""Imports that somebody makes step by step in the browser, what was refused in them, and which columns were which field."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, EstateScoped, ref, scoped_index, scoped_unique

#: draft: the columns are being mapped; checking, writing: a job is at it; failed: it ended before its last row.
STATES = ("draft", "checking", "checked", "writing", "done", "failed")


class ImportRun(EstateScoped, Base):
    """One file on its way into a resource (`resource`, a key), for the user who sent it and for nobody else.

    The file lies in the data folder under its `sha256` (hex), and is called `name`. `mapping` is TOML (see
    `wuye.imports.mapping`), None until the columns were mapped. `total` and `done` count rows; `created` … `rejected`
    those of the present state: a rehearsal's, then the import's. `report` has the rest that a page shows: previews,
    notes, the problem of a failed one, in the language `locale`. All of it is deleted, with the file, at `expires_at`.
    """

    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        scoped_index("user_id", "resource", "id"),
        scoped_index("expires_at"),
        {"info": {"exported": False}},
    )

    user_id: Mapped[UUID]
    resource: Mapped[str]
    state: Mapped[str] = mapped_column(default="draft")
    name: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    sheet: Mapped[str | None]
    mapping: Mapped[str | None]
    locale: Mapped[str]
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ImportRejection(EstateScoped, Base):
    """A row that an import refuses: its number in the file, the headers that are to blame (`columns`), and why."""

    __table_args__ = (scoped_index("run_id", "row"), {"info": {"exported": False}})

    run_id: Mapped[UUID] = ref("core_import_run", ondelete="CASCADE", index=False)
    row: Mapped[int]
    columns: Mapped[str]
    reason: Mapped[str]


class ImportMapping(EstateScoped, Base):
    """How a file with these headers was mapped the last time, for everybody who imports into the resource.

    `headers` is the digest (hex) of the file's headers; `mapping` is TOML.
    """

    __table_args__ = (scoped_unique("resource", "headers"),)

    resource: Mapped[str]
    headers: Mapped[str]
    mapping: Mapped[str]
    updated_at: Mapped[datetime]
