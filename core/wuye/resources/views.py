"""Saved views of a list: queries that somebody keeps under a name, for themselves or for everybody who sees the list."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from wuye.context import Context
from wuye.db.base import Base, Tracked, scoped_index
from wuye.errors import FieldError, Invalid, NotFound
from wuye.i18n import _
from wuye.resources import query
from wuye.resources.declaration import Resource, arguments_of

__all__ = ["SavedView", "arguments_of", "kept", "remove", "save", "saved"]

#: What a view keeps of a list's address; where a reader is in it (`after`) is no part of it.
_KEPT = ("view", "sort", "q", "fields", "by", "across")


class SavedView(Tracked, Base):
    """A query that somebody saved: for themselves (`owner_id`), or for everybody who sees the list (None)."""

    __table_args__ = (scoped_index("resource", "owner_id"),)

    resource: Mapped[str]
    name: Mapped[str]
    query: Mapped[str]
    owner_id: Mapped[UUID | None]
    position: Mapped[int] = mapped_column(default=0)


def kept(arguments: Mapping[str, Sequence[str]]) -> str:
    """Return the part of a list's address that makes a view, in one order, so that equal views read alike."""
    pairs = [(name, ",".join(values)) for name, values in sorted(arguments.items())]
    return urlencode([pair for pair in pairs if pair[1] and (pair[0] in _KEPT or pair[0].startswith("filter["))])


class Saved(NamedTuple):
    """A saved view as a list's page needs it."""

    id: UUID
    name: str
    query: str
    owner_id: UUID | None


def saved(ctx: Context, resource: Resource) -> Sequence[Saved]:
    """Return the saved views of a list that the actor sees: the shared ones, then their own."""
    return [Saved(*row) for row in ctx.session.fetch(_SAVED, {"resource": resource.key, "user": ctx.actor.user_id})]


#: Every list's page asks this, so it is text already.
_SAVED = """
    SELECT id, name, query, owner_id FROM core_saved_view
    WHERE resource = %(resource)s AND (owner_id IS NULL OR owner_id = %(user)s)
    ORDER BY owner_id IS NOT NULL, position, created_at
    """


def save(
    ctx: Context, resource: Resource, name: str, arguments: Mapping[str, Sequence[str]], *, shared: bool
) -> SavedView:
    """Keep a query under a name.

    Raises:
        Invalid: the name is empty or too long. BadRequest: the query is none of this list.
        Forbidden: it shall be shared, and the actor does not configure.
    """
    if not 1 <= len(name.strip()) <= 40:
        raise Invalid(
            _("The view cannot be saved."),
            errors=[FieldError("name", _("Use {low} to {high} characters.", low=1, high=40))],
        )
    if shared:
        ctx.require("core.configure")
    query.parse(
        resource, {name: values for name, values in arguments.items() if name in query.PARAMETERS or "[" in name}
    )
    view = SavedView(
        resource=resource.key,
        name=name.strip(),
        query=kept(arguments),
        owner_id=None if shared else ctx.actor.user_id,
        created_at=ctx.now,
        created_by=ctx.actor.user_id,
        updated_at=ctx.now,
    )
    ctx.session.add(view)
    ctx.session.flush()
    return view


def remove(ctx: Context, identity: UUID) -> None:
    """Delete a saved view: one's own, or a shared one if one configures.

    Raises:
        NotFound: there is none that the actor sees. Forbidden: it is shared, and they do not configure.
    """
    view = ctx.session.scalars(select(SavedView).where(SavedView.id == identity)).one_or_none()
    if view is None or view.owner_id not in (None, ctx.actor.user_id):
        raise NotFound
    if view.owner_id is None:
        ctx.require("core.configure")
    ctx.session.delete(view)
