"""Lists: one description of what is wanted, turned into one statement over plain columns.

Rows are read as columns and turned into dictionaries by a function that is made once from the schema: entities and
marshmallow's dump would cost three to four times as much for a page of fifty.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import orjson
from marshmallow import ValidationError
from marshmallow.fields import Field
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from wuye.context import Context
from wuye.db.base import Base, table_of
from wuye.errors import BadRequest, FieldError, Forbidden, Text
from wuye.i18n import _
from wuye.records import search
from wuye.records.models import Record
from wuye.resources import fields
from wuye.resources.declaration import Resource

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
COUNT_LIMIT = 1000

_PARAMETERS = {"limit", "after", "sort", "q", "fields", "count"}


@dataclass(frozen=True)
class Query:
    """What a list shall show: filters by field, text to search, order, columns and where to go on."""

    filters: Mapping[str, tuple[Any, ...]]
    needle: str | None = None
    sort: str = ""
    fields: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    after: tuple[Any, UUID] | None = None
    count: bool = False


@dataclass(frozen=True)
class Page:
    """A page of a list: its rows as dictionaries, the cursor of the next page, and the capped total if asked for."""

    items: list[dict[str, Any]]
    after: str | None
    total: int | None = None


def parse(resource: Resource, arguments: Mapping[str, Sequence[str]]) -> Query:
    """Read a query from URL parameters.

    Raises:
        BadRequest: a parameter is unknown or holds what it may not; all of them are named.
    """
    errors: list[FieldError] = []
    filters: dict[str, tuple[Any, ...]] = {}
    for name, values in arguments.items():
        if name.startswith("filter[") and name.endswith("]"):
            target = name[7:-1]
            if target not in resource.filters:
                hint = _("It can be filtered by: {names}.", names=", ".join(resource.filters) or "—")
                errors.append(FieldError(name, _("There is no such filter."), hint))
                continue
            filters[target] = _filter_values(resource, target, values, errors)
        elif name not in _PARAMETERS:
            errors.append(FieldError(name, _("There is no such parameter.")))
    single = {name: arguments[name][-1] for name in _PARAMETERS & arguments.keys()}
    sort = single.get("sort", resource.sort[0])
    if sort.removeprefix("-") not in {item.removeprefix("-") for item in resource.sort}:
        hint = _("It can be sorted by: {names}.", names=", ".join(resource.sort))
        errors.append(FieldError("sort", _("There is no such order."), hint))
        sort = resource.sort[0]
    columns = tuple(filter(None, single.get("fields", "").split(",")))
    if strange := [name for name in columns if name not in resource.attributes]:
        errors.append(FieldError("fields", _("There is no such field: {names}.", names=", ".join(strange))))
    limit = single.get("limit", str(DEFAULT_LIMIT))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MAX_LIMIT:
        errors.append(FieldError("limit", _("Use a number from {low} to {high}.", low=1, high=MAX_LIMIT)))
        limit = "1"
    needle = single.get("q", "").strip()
    if len(needle) > 200 or "\0" in needle:
        errors.append(
            FieldError("q", _("Use at most {limit} characters; these are {length}.", limit=200, length=len(needle)))
        )
    after = None
    if "after" in single:
        try:
            after = _read_cursor(resource, sort, single["after"])
        except (ValueError, TypeError, IndexError, binascii.Error):
            errors.append(
                FieldError("after", _("This is not a cursor of this list in this order; begin again without it."))
            )
    if errors:
        raise BadRequest(_("The list cannot be shown like this."), errors=errors)
    count = single.get("count", "") in ("1", "true")
    return Query(filters, search.fold(needle) or None, sort, columns, int(limit), after, count)


def _filter_values(resource: Resource, name: str, values: Sequence[str], errors: list[FieldError]) -> tuple[Any, ...]:
    """Return the values of one filter as Python values; a comma separates alternatives, `null` stands for nothing."""
    item: Field[Any] = resource.instance.dump_fields[name]
    wanted: list[Any] = []
    for value in ",".join(values).split(","):
        if value == "null":
            wanted.append(None)
            continue
        try:
            wanted.append(item.deserialize(value))
        except ValidationError as error:
            errors.extend(FieldError(f"filter[{name}]", cast(Text, message)) for message in _messages(error))
    return tuple(wanted)


def _messages(error: ValidationError) -> list[object]:
    return list(error.messages) if isinstance(error.messages, list) else [error.messages]


def _attribute(resource: Resource, name: str) -> InstrumentedAttribute[Any]:
    return cast("InstrumentedAttribute[Any]", getattr(resource.model, resource.attributes[name]))


def _read_cursor(resource: Resource, sort: str, cursor: str) -> tuple[Any, UUID]:
    raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    name, value, identity = orjson.loads(raw)
    if name != sort:
        raise ValueError(name)
    kind = _attribute(resource, sort.removeprefix("-")).type.python_type
    if value is not None:
        value = datetime.fromisoformat(value) if kind is datetime else kind(value)
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(value)
        if isinstance(value, str) and "\0" in value:
            raise ValueError(value)
    return value, UUID(identity)


def _write_cursor(sort: str, value: Any, identity: UUID) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    raw = orjson.dumps([sort, value, identity], default=str)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def visibility(ctx: Context, resource: Resource) -> ColumnElement[bool] | None:
    """Return the condition of the rows that the actor may see; None for all of them.

    Raises:
        Forbidden: the actor may see none at all.
    """
    if resource.visible is not None:
        return resource.visible(ctx)
    if resource.read is None or ctx.may(resource.read):
        return None
    if resource.read_own and ctx.may(resource.read_own):
        return own(ctx, resource.model)
    ctx.require(resource.read)
    raise Forbidden(_("You may not do this"))


def own(ctx: Context, model: type[Any]) -> ColumnElement[bool]:
    """Return the condition of the records that the actor asked for, does, or wrote."""
    mine: list[ColumnElement[bool]] = [model.created_by == ctx.actor.user_id]
    if ctx.actor.person_id is not None:
        mine += [model.requester_id == ctx.actor.person_id, model.assignee_id == ctx.actor.person_id]
    return or_(*mine)


RowFunction = Callable[[Sequence[Any]], dict[str, Any]]


def _columns(resource: Resource, names: Sequence[str], *, reveal: bool) -> tuple[Select[Any], RowFunction]:
    """Return the statement that reads these fields, and the function that makes a dictionary of a row."""
    columns: list[Any] = []
    joins: list[tuple[Any, ColumnElement[bool]]] = []
    plan: list[tuple[str, int, Callable[[Any], Any] | None, int | None]] = []
    dump = resource.instance.dump_fields
    for name in names:
        attribute = _attribute(resource, name)
        place = len(columns)
        columns.append(attribute)
        target = resource.references.get(name)
        if target is None:
            plan.append((name, place, _converter(dump[name], reveal=reveal), None))
            continue
        table = Base.metadata.tables[table_of(target)].alias()
        columns.append(table.c[cast(fields.Reference, dump[name]).label])
        joins.append((table, and_(table.c.estate_id == resource.model.estate_id, table.c.id == attribute)))
        plan.append((name, place, None, place + 1))

    def row_to_dict(row: Sequence[Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, place, convert, label in plan:
            value = row[place]
            if value is None:
                shown[name] = None
            elif label is not None:
                shown[name] = {"id": value, "label": row[label]}
            else:
                shown[name] = convert(value) if convert else value
        return shown

    statement = select(*columns).select_from(resource.model)
    for table, condition in joins:
        statement = statement.outerjoin(table, condition)
    return statement, row_to_dict


def _converter(item: Field[Any], *, reveal: bool) -> Callable[[Any], Any] | None:
    if isinstance(item, fields.Phone | fields.Email) and not reveal:
        return fields.masked
    if isinstance(item, fields.Decimal):
        return _decimal
    return None


def _decimal(value: Decimal) -> str:
    return str(value)


@dataclass(frozen=True)
class _Shape:
    statement: Select[Any]
    row: RowFunction
    hidden: int


_shapes: dict[tuple[Any, ...], _Shape] = {}


def _shape(resource: Resource, names: tuple[str, ...], sort: str | None) -> _Shape:
    """Return statement and row function for a set of columns, made once; id and sort value stand at the end."""
    key = (id(resource), names, sort)
    if key not in _shapes:
        statement, row = _columns(resource, names, reveal=False)
        extra: list[Any] = [resource.model.id]
        if sort is not None:
            attribute = _attribute(resource, sort.removeprefix("-"))
            extra.append(attribute)
            order = [attribute.desc().nulls_last(), resource.model.id.desc()]
            if not sort.startswith("-"):
                order = [attribute.asc().nulls_last(), resource.model.id.asc()]
            if not attribute.property.columns[0].nullable:
                order[0] = attribute.desc() if sort.startswith("-") else attribute.asc()
            statement = statement.order_by(*order)
        if resource.kind is not None:
            statement = statement.where(resource.model.kind == resource.kind)
        _shapes[key] = _Shape(statement.add_columns(*extra), row, len(extra))
    return _shapes[key]


def run(ctx: Context, resource: Resource, query: Query) -> Page:
    """Read one page."""
    names = query.fields or ("id", *(name for name in resource.columns if name != "id"))
    shape = _shape(resource, names, query.sort)
    conditions = _conditions(ctx, resource, query)
    statement = shape.statement.where(*conditions) if conditions else shape.statement
    if query.after is not None:
        statement = statement.where(_beyond(resource, query.sort, *query.after))
    rows = ctx.session.connection().execute(statement.limit(query.limit + 1)).all()
    page, more = rows[: query.limit], len(rows) > query.limit
    after = _write_cursor(query.sort, page[-1][-1], page[-1][-2]) if more else None
    total = None
    if query.count:
        inner = select(resource.model.id).where(*conditions)
        if resource.kind is not None:
            inner = inner.where(resource.model.kind == resource.kind)
        total = ctx.session.connection().scalar(
            select(func.count()).select_from(inner.limit(COUNT_LIMIT + 1).subquery())
        )
    return Page([shape.row(row) for row in page], after, total)


def one(ctx: Context, resource: Resource, identity: UUID, *, reveal: bool = False) -> dict[str, Any] | None:
    """Read one row with all its fields; None if there is none that the actor may see."""
    names = tuple(resource.attributes)
    if reveal:
        statement, row_function = _columns(resource, names, reveal=True)
        if resource.kind is not None:
            statement = statement.where(resource.model.kind == resource.kind)
    else:
        shape = _shape(resource, names, None)
        statement, row_function = shape.statement, shape.row
    condition = visibility(ctx, resource)
    statement = statement.where(resource.model.id == identity)
    if condition is not None:
        statement = statement.where(condition)
    row = ctx.session.connection().execute(statement).one_or_none()
    return None if row is None else row_function(row)


def _conditions(ctx: Context, resource: Resource, query: Query) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    visible = visibility(ctx, resource)
    if visible is not None:
        conditions.append(visible)
    for name, values in query.filters.items():
        attribute = _attribute(resource, name)
        given = [value for value in values if value is not None]
        choices: list[ColumnElement[bool]] = []
        if given:
            choices.append(attribute == given[0] if len(given) == 1 else attribute.in_(given))
        if len(given) < len(values):
            choices.append(attribute.is_(None))
        conditions.append(or_(*choices))
    if query.needle:
        kind = None if resource.model is Record else resource.search_kind
        conditions.append(search.matches(resource.model.id, ctx.estate.id, query.needle, kind))
    return conditions


def _beyond(resource: Resource, sort: str, value: Any, identity: UUID) -> ColumnElement[bool]:
    """Return the condition of the rows that come after the cursor; rows without a value come last."""
    attribute, identifier = _attribute(resource, sort.removeprefix("-")), resource.model.id
    descending = sort.startswith("-")
    later = identifier < identity if descending else identifier > identity
    if value is None:
        return and_(attribute.is_(None), later)
    bound = literal(value, attribute.type)
    if not attribute.property.columns[0].nullable:
        # A row comparison is one index condition; it exists only for columns that are never null.
        row = tuple_(attribute, identifier)
        limit = tuple_(bound, literal(identity, identifier.type))
        return row < limit if descending else row > limit
    beyond = attribute < bound if descending else attribute > bound
    return or_(beyond, and_(attribute == bound, later), attribute.is_(None))
