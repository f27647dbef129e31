"""Placing properties in the tree."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from wuye.context import Context
from wuye.errors import FieldError, Invalid
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.properties.models import Property
from wuye.records import search

_KIND = "core_property"


def create_property(ctx: Context, values: Mapping[str, Any]) -> Property:
    """Create a place below its parent.

    Raises:
        Invalid: the parent does not exist in this estate.
    """
    parent = _parent(ctx, values.get("parent_id"))
    row = Property(
        **{"id": uuid7(), "created_at": ctx.now, "created_by": ctx.actor.user_id, "updated_at": ctx.now, **values}
    )
    row.label = _label(parent, row.name)
    ctx.session.add(row)
    search.index(ctx.session, _KIND, row.id, (row.code, row.label), name=row.name)
    return row


def edit_property(ctx: Context, row: Property, values: Mapping[str, Any]) -> None:
    """Change a place; its own label follows, and those below it.

    Raises:
        Invalid: the new parent does not exist, or lies below the place itself.
    """
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = ctx.now
    parent = _parent(ctx, row.parent_id)
    above = parent
    while above is not None:
        if above.id == row.id:
            raise Invalid(
                _("A place cannot lie within itself."),
                errors=[FieldError("parent", _("This lies below the place itself."))],
            )
        above = _parent(ctx, above.parent_id)
    _relabel(ctx, row, parent)


def _relabel(ctx: Context, row: Property, parent: Property | None) -> None:
    row.label = _label(parent, row.name)
    search.index(ctx.session, _KIND, row.id, (row.code, row.label), name=row.name)
    for child in ctx.session.scalars(select(Property).where(Property.parent_id == row.id)).all():
        _relabel(ctx, child, row)


def _parent(ctx: Context, identity: UUID | None) -> Property | None:
    if identity is None:
        return None
    parent = ctx.session.get(Property, (ctx.estate.id, identity))
    if parent is None:
        raise Invalid(
            _("A reference leads nowhere."), errors=[FieldError("parent", _("There is no such thing in this estate."))]
        )
    return parent


def _label(parent: Property | None, name: str) -> str:
    return f"{parent.label} {name}" if parent else name
