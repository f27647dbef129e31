"""Lists: one description of what is wanted, turned into one statement over plain columns.

Statements of the same shape differ in their parameters only, so each is built and compiled once in a process.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

import orjson
from marshmallow import ValidationError
from marshmallow.fields import Field
from sqlalchemy import ColumnElement, Dialect, Integer, Select, Uuid, and_, bindparam, literal, or_, tuple_
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

from wuye.context import Context
from wuye.errors import BadRequest, FieldError, Forbidden, Text
from wuye.i18n import _
from wuye.records import search
from wuye.records.models import Record
from wuye.resources.declaration import Resource
from wuye.resources.rows import RowFunction, attribute_of, select_fields

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
COUNT_LIMIT = 1000

_DIALECT: Dialect = psycopg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it open

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
            after = read_cursor(resource, sort, single["after"])
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


def read_cursor(resource: Resource, sort: str, cursor: str) -> tuple[Any, UUID]:
    """Return where a cursor goes on: the sort value and the id of the last row.

    Raises:
        ValueError, TypeError, IndexError, binascii.Error: it is no cursor of this list in this order.
    """
    raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    name, value, identity = orjson.loads(raw)
    if name != sort:
        raise ValueError(name)
    kind = attribute_of(resource, sort.removeprefix("-")).type.python_type
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
    return _own(model, literal(ctx.actor.user_id, Uuid()), literal(ctx.actor.person_id, Uuid()))


def _own(model: type[Any], user: ColumnElement[Any], person: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return that condition for any actor; a missing person (null) equals nobody."""
    return or_(model.created_by == user, model.requester_id == person, model.assignee_id == person)


@dataclass(frozen=True)
class _Shape:
    """What makes one statement differ from another; all else are parameters."""

    names: tuple[str, ...]
    sort: str = ""
    filters: tuple[tuple[str, int, bool], ...] = ()
    after: Literal["start", "value", "null"] = "start"
    needle: bool = False
    own: bool = False
    one: bool = False
    reveal: bool = False


@dataclass(frozen=True)
class _Prepared:
    """A statement that is ready to run: as text for the driver, and as it was before, to add a condition to."""

    statement: Select[Any]
    sql: str
    parameters: Mapping[str, Any]
    row: RowFunction


_prepared: dict[tuple[int, _Shape], tuple[Resource, _Prepared]] = {}


def _prepare(resource: Resource, shape: _Shape) -> _Prepared:
    """Return the statement of a shape, made once; a list's rows end with id and sort value."""
    key = (id(resource), shape)
    if key not in _prepared:
        statement, row = select_fields(resource, shape.names, reveal=shape.reveal)
        if shape.one:
            statement = statement.where(resource.model.id == bindparam("identity", type_=Uuid()))
        else:
            statement = _ordered(resource, statement, shape)
        for number, (name, count, null) in enumerate(shape.filters):
            statement = statement.where(_filter(attribute_of(resource, name), number, count, null=null))
        if shape.needle:
            statement = statement.where(search.matches(resource.model.id))
        if shape.own:
            user, person = bindparam("own_user", type_=Uuid()), bindparam("own_person", type_=Uuid())
            statement = statement.where(_own(resource.model, user, person))
        compiled = statement.compile(dialect=_DIALECT)
        # The resource is kept beside its statements, so that its id() stays its own.
        _prepared[key] = resource, _Prepared(statement, compiled.string, compiled.params, row)
    return _prepared[key][1]


def _ordered(resource: Resource, statement: Select[Any], shape: _Shape) -> Select[Any]:
    attribute, identifier = attribute_of(resource, shape.sort.removeprefix("-")), resource.model.id
    descending = shape.sort.startswith("-")
    first = attribute.desc() if descending else attribute.asc()
    if attribute.property.columns[0].nullable:
        first = first.nulls_last()
    statement = statement.add_columns(identifier, attribute).order_by(
        first, identifier.desc() if descending else identifier.asc()
    )
    if shape.after != "start":
        statement = statement.where(_beyond(attribute, identifier, null=shape.after == "null", descending=descending))
    return statement.limit(bindparam("row_limit", type_=Integer()))


def _filter(attribute: Any, number: int, count: int, *, null: bool) -> ColumnElement[bool]:
    names = [f"filter_{number}_{place}" for place in range(count)]
    choices: list[ColumnElement[bool]] = [attribute == bindparam(name, type_=attribute.type) for name in names]
    if null:
        choices.append(attribute.is_(None))
    return or_(*choices)


def _beyond(attribute: Any, identifier: Any, *, null: bool, descending: bool) -> ColumnElement[bool]:
    """Return the condition of the rows that come after the cursor; rows without a value come last."""
    identity = bindparam("after_id", type_=Uuid())
    later: ColumnElement[bool] = identifier < identity if descending else identifier > identity
    if null:
        return and_(attribute.is_(None), later)
    value = bindparam("after_value", type_=attribute.type)
    if not attribute.property.columns[0].nullable:
        # A row comparison is one index condition; it exists only for columns that are never null.
        row, limit = tuple_(attribute, identifier), tuple_(value, identity)
        return row < limit if descending else row > limit
    beyond = attribute < value if descending else attribute > value
    return or_(beyond, and_(attribute == value, later), attribute.is_(None))


def _parameters(ctx: Context, resource: Resource, query: Query) -> dict[str, Any]:
    values: dict[str, Any] = {"row_limit": query.limit + 1}
    for number, given in enumerate(query.filters.values()):
        present = [value for value in given if value is not None]
        values.update({f"filter_{number}_{place}": value for place, value in enumerate(present)})
    if query.after is not None:
        values["after_value"], values["after_id"] = query.after
    if query.needle:
        kind = None if resource.model is Record else resource.search_kind
        values.update(search.parameters(ctx.estate.id, query.needle, kind))
    return values


def _execute(
    ctx: Context, prepared: _Prepared, rule: ColumnElement[bool] | None, values: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    """Run a prepared statement, the fast way if no further rule narrows it."""
    if rule is None:
        return ctx.session.fetch(prepared.sql, {**prepared.parameters, **values})
    return ctx.session.connection().execute(prepared.statement.where(rule), values).all()


def _visible(ctx: Context, resource: Resource, values: dict[str, Any]) -> tuple[bool, ColumnElement[bool] | None]:
    """Return whether only own records are seen, and the resource's own rule if it has one."""
    if resource.visible is None and visibility(ctx, resource) is not None:
        values["own_user"], values["own_person"] = ctx.actor.user_id, ctx.actor.person_id
        return True, None
    return False, resource.visible(ctx) if resource.visible is not None else None


def run(ctx: Context, resource: Resource, query: Query) -> Page:
    """Read one page."""
    names = query.fields or ("id", *(name for name in resource.columns if name != "id"))
    values = _parameters(ctx, resource, query)
    own_only, rule = _visible(ctx, resource, values)
    filters = tuple(
        (name, sum(value is not None for value in given), None in given) for name, given in query.filters.items()
    )
    after: Literal["start", "value", "null"] = "start"
    if query.after is not None:
        after = "null" if query.after[0] is None else "value"
    shape = _Shape(names, query.sort, filters, after, bool(query.needle), own_only)
    prepared = _prepare(resource, shape)
    rows = _execute(ctx, prepared, rule, values)
    page, more = rows[: query.limit], len(rows) > query.limit
    cursor = _write_cursor(query.sort, page[-1][-1], page[-1][-2]) if more else None
    total = None
    if query.count:
        whole = _prepare(resource, _Shape(("id",), query.sort, filters, "start", bool(query.needle), own_only))
        counted = _execute(ctx, whole, rule, {**values, "row_limit": COUNT_LIMIT + 1})
        total = len(counted)
    return Page([prepared.row(row) for row in page], cursor, total)


def one(ctx: Context, resource: Resource, identity: UUID, *, reveal: bool = False) -> dict[str, Any] | None:
    """Read one row with all its fields; None if there is none that the actor may see."""
    values: dict[str, Any] = {"identity": identity}
    own_only, rule = _visible(ctx, resource, values)
    prepared = _prepare(resource, _Shape(tuple(resource.attributes), own=own_only, one=True, reveal=reveal))
    rows = _execute(ctx, prepared, rule, values)
    return prepared.row(rows[0]) if rows else None
