"""What somebody may say of a thing: fields that staff decide, and references to what they themselves can see."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from marshmallow import Schema

from wuye.context import Context
from wuye.db.base import table_of
from wuye.errors import FieldError, Forbidden
from wuye.i18n import _
from wuye.people.services import homes
from wuye.resources import fields, query
from wuye.resources.declaration import Resource
from wuye.resources.schemas import wrong_fields


def at_work(ctx: Context, resource: Resource | None) -> bool:
    """Tell whether the actor decides what staff decide of a resource's things: they work here, or see those of others."""
    if ctx.actor.guest:
        return False
    if ctx.may("core.read_properties"):
        return True
    return resource is not None and None not in (resource.read, resource.read_own) and ctx.may(str(resource.read))


def open_fields(ctx: Context, resource: Resource, names: Sequence[str]) -> list[str]:
    """Return those of the fields that the actor may fill in."""
    if at_work(ctx, resource):
        return list(names)
    return [name for name in names if not fields.is_staff_only(resource.instance.load_fields[name])]


def check(ctx: Context, resource: Resource | None, schema: Schema, values: Mapping[str, Any]) -> None:
    """Insist that the actor may say what they said; `values` are validated ones, by model attribute.

    Raises:
        Invalid: a field is not theirs to decide, or a reference leads to what they do not see. Whether there is such a
            thing they are not told.
    """
    if errors := list(_objections(ctx, schema, values, staff=at_work(ctx, resource))):
        raise wrong_fields(errors)


def _objections(ctx: Context, schema: Schema, values: Mapping[str, Any], *, staff: bool) -> Iterator[FieldError]:
    for name, item in schema.load_fields.items():
        key = item.attribute or name
        if key not in values:
            continue
        value = values[key]
        if fields.is_staff_only(item) and not staff:
            yield FieldError(name, _("The management office decides this: leave it out."))
        elif isinstance(item, fields.Reference):
            if value is not None and not _sees(ctx, item.target, value):
                yield FieldError(name, _NOT_SEEN.get(item.target, _("There is no such thing in this estate.")))
        elif isinstance(item, fields.Lines):
            for number, line in enumerate(value or ()):
                for wrong in _objections(ctx, item.line, line, staff=staff):
                    yield FieldError(f"{name}.{number}.{wrong.field}", wrong.reason, wrong.hint)


_NOT_SEEN = {"property": _("Choose one of your homes."), "person": _("Choose somebody whom you may see.")}


def _sees(ctx: Context, target: str, identity: UUID) -> bool:
    """Tell whether the actor sees what a reference leads to; who does not see all places and people, sees their own."""
    table = table_of(target)
    resource = next(
        (each for each in ctx.loaded.registry.resources.values() if each.model.__tablename__ == table), None
    )
    if resource is None or (resource.visible is None and resource.read is not None and ctx.may(resource.read)):
        return True
    if target == "property":
        return identity in {home.id for home in homes(ctx)}
    if target == "person":
        return identity == ctx.actor.person_id
    try:
        return query.one(ctx, resource, identity) is not None
    except Forbidden:
        return False
