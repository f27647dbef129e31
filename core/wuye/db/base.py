"""The declarative base, the estate-scoped mixin, and the one-line ways to refer to other scoped rows.

No Flask here, and no session: models can be imported by a migration, a worker or a test alike.
"""

import re
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedColumn,
    declared_attr,
    foreign,
    mapped_column,
    relationship,
    remote,
)

from wuye.ids import uuid7

__all__ = ["Base", "EstateScoped", "Tracked", "link", "ref", "scoped_index", "scoped_unique"]

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def snake(name: str) -> str:
    """Return a CamelCase class name in snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plugin_of(module: str) -> str:
    """Return the plugin that a module belongs to: `wuye_parcels.models` → parcels, `wuye.…` → core."""
    package = module.partition(".")[0]
    return "core" if package == "wuye" else package.removeprefix("wuye_")


class Base(DeclarativeBase):
    """The base of all models; a table is named after its plugin and class: `parcels_parcel`."""

    metadata = MetaData(naming_convention=_CONVENTION)
    type_annotation_map = {
        str: Text(),
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
    }

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return f"{plugin_of(cls.__module__)}_{snake(cls.__name__)}"


class EstateScoped:
    """Rows that belong to one estate: the key is (estate_id, id), and the database shows them to nobody else.

    `estate_id` is filled in by the session that the row is added to. The row-level policy is created with the
    table (see `wuye.db.policy`), so no migration can forget it. A table whose rows mean something here and now only
    (one-time codes, answers kept for a day), or follow from others, says so: `__table_args__ = (…, {"info": {"exported": False}})`; an export of
    the estate leaves it out.
    """

    @declared_attr.cascading  # type: ignore[arg-type]  # SQLAlchemy's own pattern, which its types do not cover
    @classmethod
    def estate_id(cls) -> Mapped[UUID]:
        """The estate that the row belongs to."""
        return mapped_column(primary_key=True, sort_order=-20)

    @declared_attr.cascading  # type: ignore[arg-type]  # as above
    @classmethod
    def id(cls) -> Mapped[UUID]:
        """The row's own identifier, a version 7 UUID."""
        header = cls._header()
        return mapped_column(primary_key=True, default=uuid7, sort_order=-19, info={"header": header} if header else {})

    @classmethod
    def _header(cls) -> str | None:
        """Return the table that this class extends by joined inheritance, if it does."""
        for parent in cls.__mro__[1:]:
            table = parent.__dict__.get("__table__")
            if table is not None:
                return cast(Table, table).name
        return None


class Tracked(EstateScoped):
    """A scoped row that people edit: it knows its version (the ETag), its maker and its dates (UTC)."""

    version: Mapped[int] = mapped_column(default=1, sort_order=90)
    created_at: Mapped[datetime] = mapped_column(sort_order=91)
    created_by: Mapped[UUID | None] = mapped_column(sort_order=92)
    updated_at: Mapped[datetime] = mapped_column(sort_order=93)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.__table__.c.version}  # type: ignore[attr-defined]  # there by the time this is asked


def ref(
    target: str,
    *,
    nullable: bool | None = None,
    ondelete: str = "RESTRICT",
    index: bool = True,
    **options: Any,
) -> MappedColumn[Any]:
    """Declare a reference to a scoped row: column, composite foreign key and index in one line.

    `target` is a core name (`person`, `property`, `record`, …) or a full table name of the same plugin. The
    foreign key is (estate_id, column) → (estate_id, id), so a reference across estates cannot exist. With
    `ondelete="SET NULL"` only the column itself is set to null.
    """
    if nullable is not None:
        options["nullable"] = nullable
    return mapped_column(Uuid, info={"ref": target, "ondelete": ondelete, "index": index}, **options)


def table_of(target: str) -> str:
    """Return the table name behind a `ref` target."""
    return target if "_" in target and not target.startswith("core_") else f"core_{target.removeprefix('core_')}"


@event.listens_for(Column, "after_parent_attach")
def _add_reference(column: Column[Any], table: Table) -> None:
    """Turn `ref(…)` and an inherited header into composite constraints as soon as the column has its table."""
    if not isinstance(table, Table) or table.metadata is not Base.metadata:
        return  # a copy (Alembic makes some) brings its constraints along
    if header := column.info.get("header"):
        table.append_constraint(
            ForeignKeyConstraint(["estate_id", "id"], [f"{header}.estate_id", f"{header}.id"], ondelete="CASCADE")
        )
    if target := column.info.get("ref"):
        name, ondelete = table_of(target), column.info["ondelete"]
        if ondelete == "SET NULL":
            ondelete = f"SET NULL ({column.name})"
        table.append_constraint(
            ForeignKeyConstraint(["estate_id", column.name], [f"{name}.estate_id", f"{name}.id"], ondelete=ondelete)
        )
        if column.info["index"]:
            Index(None, table.c.estate_id, column)


def link(local: str, **options: Any) -> Mapped[Any]:
    """Declare the many-to-one object behind a `ref` column; the estate is compared, never copied."""

    def condition() -> Any:
        source = relation.parent.local_table
        target = Base.metadata.tables[table_of(source.c[local].info["ref"])]
        return and_(remote(target.c.id) == foreign(source.c[local]), remote(target.c.estate_id) == source.c.estate_id)

    relation = relationship(primaryjoin=condition, lazy="raise_on_sql", viewonly=True, **options)
    return relation


def scoped_index(*columns: str, **options: Any) -> Index:
    """Return an index on (estate_id, *columns)."""
    return Index(None, "estate_id", *columns, **options)


def scoped_unique(*columns: str) -> UniqueConstraint:
    """Return a unique constraint on (estate_id, *columns): another estate's values never show through it."""
    return UniqueConstraint("estate_id", *columns)
