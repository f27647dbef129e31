"""From a row of plain columns to what is shown: made once from the schema, applied to every row.

Reading entities and dumping them with marshmallow costs three to four times as much for a page of fifty.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, cast

from marshmallow.fields import Field
from sqlalchemy import ColumnElement, Select, Text, and_, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from wuye.db.base import Base, table_of
from wuye.db.columns import Money
from wuye.resources import fields
from wuye.resources.declaration import Resource

RowFunction = Callable[[Sequence[Any]], dict[str, Any]]
Convert = Callable[[Any], Any]


def word(value: str) -> ColumnElement[str]:
    """Return a word of our own (a kind, a state) as it stands in a statement's text.

    Raises:
        ValueError: it is something else than a word.
    """
    if not value.replace(".", "_").isidentifier() or not value.isascii():
        raise ValueError(value)
    return literal_column(f"'{value}'", Text())


def attribute_of(resource: Resource, name: str) -> InstrumentedAttribute[Any]:
    """Return the model's attribute behind a field."""
    return cast("InstrumentedAttribute[Any]", getattr(resource.model, resource.attributes[name]))


def select_fields(resource: Resource, names: Sequence[str], *, reveal: bool) -> tuple[Select[Any], RowFunction]:
    """Return the statement that reads these fields, and the function that makes a dictionary of one of its rows.

    Personal data is masked unless `reveal`. A reference takes two columns: its id, and its target's label.
    """
    columns: list[Any] = []
    plain: list[tuple[str, int, Convert | None]] = []
    references: list[tuple[str, int]] = []
    dump = resource.instance.dump_fields
    for name in names:
        attribute = attribute_of(resource, name)
        item = dump[name]
        if not isinstance(item, fields.Reference):
            plain.append((name, len(columns), _converter(item, attribute, reveal=reveal)))
            columns.append(attribute)
            continue
        references.append((name, len(columns)))
        columns += [attribute, _label_of(resource, item, attribute)]

    order = dict.fromkeys(names)

    def row_to_dict(row: Sequence[Any]) -> dict[str, Any]:
        shown: dict[str, Any] = order.copy()
        for name, place, convert in plain:
            value = row[place]
            shown[name] = value if convert is None or value is None else convert(value)
        for name, place in references:
            if (value := row[place]) is not None:
                shown[name] = {"id": value, "label": row[place + 1]}
        return shown

    statement = select(*columns).select_from(resource.model)
    if resource.kind is not None:
        statement = statement.where(resource.model.kind == word(resource.kind))
    return statement, row_to_dict


def _label_of(resource: Resource, item: fields.Reference, attribute: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    """Return what the target of a reference is called, looked up row by row.

    A join the planner, which does not know how large the estate is, might make by reading all that it has.
    """
    table = Base.metadata.tables[table_of(item.target)].alias()
    wanted = and_(table.c.estate_id == resource.model.estate_id, table.c.id == attribute)
    return select(table.c[item.label]).where(wanted).scalar_subquery()


def _converter(item: Field[Any], attribute: InstrumentedAttribute[Any], *, reveal: bool) -> Convert | None:
    if isinstance(item, fields.Phone | fields.Email) and not reveal:
        return fields.masked
    if isinstance(attribute.type, Money):
        return _minor_units
    if isinstance(item, fields.Decimal):
        return str
    return None


def _minor_units(value: int) -> str:
    return str(Decimal(value).scaleb(-2))
