"""What people read for the names in the code: fields, words of choices, resources, departments.

A field may bring its own label (`metadata={"label": _("…")}`); else its name is read as words. All of them are messages
of the plugin that declares them, so that a catalogue lacks none.
"""

from collections.abc import Iterator
from functools import cache

from marshmallow import Schema
from marshmallow.fields import Field

from wuye.contracts import CATEGORIES, DEPARTMENTS
from wuye.errors import Text
from wuye.i18n import LazyText, _
from wuye.plugins.registry import Registry
from wuye.records.flow import SYSTEM
from wuye.resources import fields
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema


@cache
def worded(name: str) -> LazyText:
    """Return a name as words: `order_type` → “Order type”, `opened_at` → “Opened at”."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return LazyText(words[:1].upper() + words[1:], {})


def field_label(name: str, item: Field[object]) -> Text:
    """Return what a field is called."""
    label: Text = item.metadata.get("label") or worded(name)
    return label


def resource_label(resource: Resource) -> Text:
    """Return the heading of a resource's list."""
    return resource.look.label or worded(resource.name)


def department_label(registry: Registry, code: str) -> Text:
    """Return what a department is called: its plugin's label, or its code as words if nobody knows it."""
    manifest = registry.manifests.get(code)
    return LazyText(manifest.label, {}) if manifest is not None else DEPARTMENTS.get(code) or _as_words(code)


def settings_label(registry: Registry, plugin: str) -> Text:
    """Return what the settings of a plugin are called."""
    return _("General") if plugin == "core" else department_label(registry, plugin)


def category_label(code: str) -> Text:
    """Return what a category is called, the general before the particular: `repair.leak` → “Repairs / Leaks”."""
    if code == "*":
        return _("Everything else")
    parts = code.split(".")
    known = (CATEGORIES.get(".".join(parts[: number + 1])) or _as_words(part) for number, part in enumerate(parts))
    return " / ".join(map(str, known))


def role_label(registry: Registry, role: str) -> Text:
    """Return what a role is called; that of a department with the department's name."""
    plugin, _dot, name = role.partition(".")
    if plugin == "core":
        return worded(name)
    return _("{department}: {role}", department=department_label(registry, plugin), role=worded(name))


def _as_words(code: str) -> str:
    """Return a code that somebody made up as words; such ones are not kept, for there is no end of them."""
    return code.replace("_", " ")


def texts(resource: Resource) -> Iterator[str]:
    """Yield every text that is made from a name of a resource: what its plugin's catalogue must have."""
    if resource.look.label is None:
        yield worded(resource.name).message
    schemas = [resource.instance]
    for step in resource.flow.transitions.values() if resource.flow else ():
        if step.permission != SYSTEM:
            schemas.append(input_schema(step))  # type: ignore[arg-type]  # any schema has fields
    for schema in schemas:
        lines = [item.line for item in schema.fields.values() if isinstance(item, fields.Lines)]
        schemas.extend(lines)  # type: ignore[arg-type]  # any schema has fields
        for name, item in schema.fields.items():
            if "label" not in item.metadata:
                yield worded(name).message
        yield from words_of(schema)
    if resource.flow:
        yield from (worded(label).message for step in resource.flow.transitions.values() for label in step.evidence)


def words_of(schema: Schema) -> Iterator[str]:
    """Yield the words of a schema's choices as texts."""
    for item in schema.fields.values():
        if isinstance(item, fields.Choice):
            yield from (worded(word).message for word in item.choices)
