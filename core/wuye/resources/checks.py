"""What is wrong with the declaration of a resource: checked when a plugin is loaded, so that no typing error stays silent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from marshmallow import missing
from sqlalchemy import Table, inspect

from wuye.records.flow import SYSTEM
from wuye.resources.fields import is_staff_only

if TYPE_CHECKING:
    from wuye.plugins.registry import Registry
    from wuye.resources.declaration import Resource


def check(resource: "Resource", registry: "Registry", permissions: set[str]) -> None:
    """Refuse a declaration that contradicts its schema, its model, its flow or the manifest.

    Raises:
        ValueError: with everything that is wrong.
    """
    wrong = [*_permissions(resource, registry, permissions), *_fields(resource), *_flow(resource), *_model(resource)]
    if wrong:
        raise ValueError(f"resource {resource.name}: " + "; ".join(wrong))


def _permissions(resource: "Resource", registry: "Registry", permissions: set[str]) -> Iterator[str]:
    steps = resource.flow.transitions.values() if resource.flow else ()
    named = dict.fromkeys(permissions, "")
    for step in steps:
        for name in (step.permission, step.override):
            if name and name != SYSTEM:
                named[name] = f" (transition {step.name})"
    for name, where in sorted(named.items()):
        if name not in registry.permissions:
            yield f"no manifest declares the permission {name}{where}"


def _fields(resource: "Resource") -> Iterator[str]:
    shown, look = resource.attributes, resource.look
    orders = {item.removeprefix("-") for item in resource.sort}
    yield from _unknown(
        {*resource.columns, *resource.filters, *orders, *look.meta, *look.facts}, shown, "the schema has no field"
    )
    attributes = {*shown.values(), *resource.search}
    if lacking := sorted(name for name in attributes if not hasattr(resource.model, name)):
        yield f"the model has no attribute {', '.join(lacking)}"
    found = look.found
    taken = {*look.form, *look.preset, *(found.fields if found else ()), *(found.preset if found else ())}
    yield from _unknown(taken, resource.instance.load_fields, "the schema takes no field")
    masked = {name for name, attribute in shown.items() if attribute in resource.masked_attributes}
    if telling := sorted(masked & {*resource.filters, *orders}):
        yield f"filter and sort would tell what is masked of {', '.join(telling)}"
    for name in look.portal.fields if look.portal else ():
        if (item := resource.instance.load_fields.get(name)) is None or is_staff_only(item):
            yield f"residents cannot fill in {name}"
    if look.scan is not None and look.scan not in resource.filters:
        yield f"what is scanned is looked up, so {look.scan} must be a filter"


def _unknown(named: set[str], known: object, words: str) -> Iterator[str]:
    lacking = sorted(name for name in named if name not in known)  # type: ignore[operator]  # a mapping or a set
    if lacking:
        yield f"{words} {', '.join(lacking)}"


def _flow(resource: "Resource") -> Iterator[str]:
    look = resource.look
    for then in filter(None, (look.then, look.found and look.found.then)):
        if resource.flow is None or then not in resource.flow.transitions:
            yield f"the flow has no action {then}"
    if resource.kind and resource.flow is None:
        yield "its model is a kind of work, which needs a flow"


def _model(resource: "Resource") -> Iterator[str]:
    model = resource.model
    if not hasattr(model, "version"):
        yield f"the rows of {model.__name__} have no version: what people edit is a Record or Tracked"
        return
    if resource.create is None or resource.on_create is not None:
        return
    taken = {item.attribute or name for name, item in resource.instance.load_fields.items() if _is_given(item)}
    table: Table = model.__table__
    for column in table.columns:
        filled = column.nullable or column.default is not None or column.server_default is not None
        name = inspect(model).get_property_by_column(column).key
        if not filled and name not in taken and name not in _FILLED:
            yield f"the column {name} may not be empty, but the schema does not require it: required=True, or a default"


#: What the service fills in itself.
_FILLED = {"estate_id", "id", "created_at", "updated_at"}


def _is_given(item: object) -> bool:
    return bool(getattr(item, "required", False)) or getattr(item, "load_default", missing) is not missing
