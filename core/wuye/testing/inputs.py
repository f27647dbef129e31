"""Input for any schema: what it requires, made up from its fields; for tests that do not care what it is."""

from typing import Any
from uuid import UUID

from marshmallow import Schema
from marshmallow.fields import Field

from wuye.ids import uuid7
from wuye.resources import fields


def minimal(schema: Schema, references: dict[str, UUID], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the least that a schema accepts, and the named optional fields; `references` gives an id per target."""
    return {
        name: value_for(item, references)
        for name, item in schema.load_fields.items()
        if item.required or name in optional
    }


def value_for(item: Field[Any], references: dict[str, UUID]) -> Any:
    """Return a value that a field accepts, as JSON has it."""
    if isinstance(item, fields.Reference):
        return str(references[item.target])
    if isinstance(item, fields.Choice):
        return item.choices[0]
    values: dict[type, Any] = {
        fields.Moment: "2026-03-05T14:20:00+08:00",
        fields.Day: "2026-03-05",
        fields.Decimal: "12.50",
        fields.Integer: 3,
        fields.Boolean: True,
        fields.Phone: "13812345678",
        fields.Email: "chen@test.example",
    }
    return next((value for kind, value in values.items() if isinstance(item, kind)), f"repair.{uuid7().hex[-8:]}")
