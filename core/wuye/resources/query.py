"""Lists: one description of what is wanted, turned into one statement over plain columns.

Statements of the same shape differ in their parameters only, so each is built and compiled once in a process.
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, Literal, cast
from uuid import UUID

import orjson
from marshmallow import ValidationError
from marshmallow.fields import Field
from sqlalchemy import (
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.sql.elements import BooleanClauseList
from sqlalchemy.sql.operators import or_ as or_operator

from wuye.context import Context
from wuye.errors import BadRequest, FieldError, Forbidden, Text
from wuye.i18n import _
from wuye.records import search
from wuye.records.models import Record
from wuye.resources import fields
from wuye.resources.declaration import Resource
from wuye.resources.rows import RowFunction, attribute_of, select_fields, word

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
COUNT_LIMIT = 1000
COUNTED_AT_MOST = 100

_DIALECT: Dialect = psycopg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it open

#: Values of one filter, and characters of a list of columns; every schema has fewer.
MAX_VALUES, _LONGEST = 100, 4_000

PARAMETERS = {"limit", "after", "sort", "q", "fields", "count"}


class _Me:
    """Stands for the actor's person in a filter: `filter[assignee]=me`."""


class _Now:
    """Stands for the moment of the step in a range: `filter[due_at]=..now`."""


ME, NOW = _Me(), _Now()
Bound = datetime | date | _Now | None


@dataclass(frozen=True, slots=True)
class Range:
    """Two ends, both included; None is open. A day means the whole of it, in the estate's zone."""

    low: Bound
    high: Bound


@dataclass(frozen=True, slots=True)
class Filter:
    """What one field must be: one of `values` (None for nothing there), none of `excluded`, within `range`."""

    values: tuple[Any, ...] = ()
    excluded: tuple[Any, ...] = ()
    range: Range | None = None


@dataclass(frozen=True)
class Query:
    """What a list shall show: filters by field, text to search, order, columns and where to go on; `among` these rows only."""

    filters: Mapping[str, Filter]
    needle: str | None = None
    sort: str = ""
    fields: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    after: tuple[Any, UUID] | None = None
    count: bool = False
    among: tuple[UUID, ...] | None = None


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
    filters: dict[str, Filter] = {}
    for name, values in arguments.items():
        if name.startswith("filter[") and name.endswith("]"):
            target = name[7:-1]
            if target not in resource.filters:
                hint = _("It can be filtered by: {names}.", names=", ".join(resource.filters) or "—")
                errors.append(FieldError(name, _("There is no such filter."), hint))
                continue
            filters[target] = _read_filter(resource, target, values, errors)
        elif name not in PARAMETERS:
            errors.append(FieldError(name, _("There is no such parameter.")))
    single = {name: arguments[name][-1] for name in PARAMETERS & arguments.keys()}
    sort = single.get("sort", resource.sort[0])
    if sort.removeprefix("-") not in {item.removeprefix("-") for item in resource.sort}:
        hint = _("It can be sorted by: {names}.", names=", ".join(resource.sort))
        errors.append(FieldError("sort", _("There is no such order."), hint))
        sort = resource.sort[0]
    columns = tuple(dict.fromkeys(filter(None, single.get("fields", "")[:_LONGEST].split(","))))
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


def _read_filter(resource: Resource, name: str, values: Sequence[str], errors: list[FieldError]) -> Filter:
    """Read one filter: a comma separates alternatives, `!` excludes, `null` stands for nothing, `me` for the actor;
    `low..high` is a range of times or days, either end may be missing, and `now` is the present moment. A category
    stands for those within it too: `repair` for `repair.leak`."""
    item: Field[Any] = resource.instance.dump_fields[name]
    text = ",".join(values)
    said = tuple(dict.fromkeys(text.split(",")))
    if len(said) > MAX_VALUES:
        reason = _("Use at most {limit} of them; these are {length}.", limit=MAX_VALUES, length=len(said))
        errors.append(FieldError(f"filter[{name}]", reason))
        return Filter()
    try:
        if isinstance(item, fields.Moment | fields.Day) and ".." in text:
            low, _dots, high = text.partition("..")
            return Filter(range=Range(_read_bound(item, low), _read_bound(item, high)))
        wanted = [_read_value(item, value) for value in said if not value.startswith("!")]
        excluded = [_read_value(item, value[1:]) for value in said if value.startswith("!")]
    except ValidationError as error:
        errors.extend(FieldError(f"filter[{name}]", cast(Text, message)) for message in _messages(error))
        return Filter()
    return Filter(tuple(wanted), tuple(value for value in excluded if value is not None))


def _read_value(item: Field[Any], text: str) -> Any:
    if text == "null":
        return None
    if text == "me" and isinstance(item, fields.Reference) and item.target == "person":
        return ME
    return item.deserialize(text)


def _read_bound(item: Field[Any], text: str) -> Bound:
    if text in ("", "now"):
        return NOW if text else None
    if isinstance(item, fields.Moment) and len(text) <= len("2026-03-05"):
        return _DAY.deserialize(text)
    return cast(Bound, item.deserialize(text))


_DAY = fields.Day()


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
        value = kind.fromisoformat(value) if kind in (datetime, date) else kind(value)
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


def _ways(rule: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    """Return the ways in which a row can be visible: what a rule joins by "or", each of which has an index of its own.

    As one condition they would have none, and all of the estate be read for the few rows that somebody sees.
    """
    if isinstance(rule, BooleanClauseList) and rule.operator is or_operator:
        return list(rule.clauses)
    return [] if rule is None else [rule]


@dataclass(frozen=True)
class _FilterShape:
    """What of a filter changes the statement: its words, the places of its other values, whether null is among them.

    A word of a fixed list stands in the statement's text, for only then can the database use an index that leaves out
    what is done, and know how frequent the word is.
    """

    name: str
    present: tuple[str | int, ...]
    null: bool
    excluded: tuple[str | int, ...]
    ends: str


@dataclass(frozen=True)
class _Shape:
    """What makes one statement differ from another; all else are parameters."""

    names: tuple[str, ...]
    sort: str = ""
    filters: tuple[_FilterShape, ...] = ()
    after: Literal["start", "value", "null"] = "start"
    needle: bool = False
    among: bool = False
    own: bool = False
    one: bool = False
    reveal: bool = False
    most: int = 0


@dataclass(frozen=True)
class _Prepared:
    """A statement that is ready to run: as text for the driver, and `narrowed` by a further condition."""

    narrowed: Callable[[ColumnElement[bool]], Select[Any]]
    sql: str
    parameters: Mapping[str, Any]
    row: RowFunction


#: How many rows a statement asks for. The number stands in its text, rounded up to one of these: with a parameter there
#: the database would take every list for a tenth of the estate, and make a new plan for each request.
_STEPS = (2, 11, DEFAULT_LIMIT + 1, COUNTED_AT_MOST + 1, MAX_LIMIT + 1)


def _at_least(rows: int) -> int:
    return next(step for step in _STEPS if step >= rows)


@lru_cache(maxsize=1000)
def _prepare(resource: Resource, shape: _Shape) -> _Prepared:
    """Return the statement of a shape, made once; a list's rows end with id and sort value.

    A list is made of the ids that stand on its page, and what is read of them. The planner does not know how large the
    estate is, so that it must not choose how many rows to read: the ids come in order from one index and end with the
    page, and an array of them is looked up one by one.
    """
    statement, row = select_fields(resource, shape.names, reveal=shape.reveal)
    if shape.one:
        one = statement.where(resource.model.id == bindparam("identity", type_=Uuid()))
        if shape.own:
            one = one.where(_own_of(resource.model))
        compiled = one.compile(dialect=_DIALECT)
        return _Prepared(one.where, compiled.string, compiled.params, row)
    attribute, identifier, order = _order(resource, shape)
    statement = statement.add_columns(identifier, attribute).order_by(*order)

    def narrowed(rule: ColumnElement[bool] | None) -> Select[Any]:
        page = _page(resource, shape, rule).correlate(None).scalar_subquery()
        return statement.where(resource.model.id == any_(func.array(page)))

    compiled = narrowed(None).compile(dialect=_DIALECT)
    return _Prepared(narrowed, compiled.string, compiled.params, row)


def _page(resource: Resource, shape: _Shape, rule: ColumnElement[bool] | None) -> Select[Any]:
    """Return the statement of the ids on a list's page."""
    attribute, identifier, order = _order(resource, shape)
    model = _header_of(resource, shape, attribute) if rule is None else resource.model
    limit = literal_column(str(shape.most), Integer())
    statement = _narrowed(resource, select(identifier).select_from(model), shape, model)
    ways = [[way] for way in _ways(_own_of(model) if shape.own else rule)] or [[]]
    parts = [[*way, *part] for way in ways for part in _stretches(shape, attribute, identifier)]
    if len(parts) == 1:
        return statement.where(*parts[0]).order_by(*order).limit(limit)
    # Without "nulls last", so that an index gives each part in its order in either direction.
    column = attribute.desc() if shape.sort.startswith("-") else attribute.asc()
    each = statement.add_columns(attribute.label("sorted")).order_by(column, order[1]).limit(limit)
    found = union(*(each.where(*part) for part in parts)).subquery()
    return select(found.c.id).order_by(*_directed(found.c.sorted, found.c.id, attribute, shape)).limit(limit)


def _stretches(shape: _Shape, attribute: Any, identifier: Any) -> list[list[ColumnElement[bool]]]:
    """Return what a list is put together from in its order, as conditions: the rows with a value, then those without.

    Each begins after the cursor. Of a column that is never null there is one stretch.
    """
    descending = shape.sort.startswith("-")
    identity, value = bindparam("after_id", type_=Uuid()), bindparam("after_value", type_=attribute.type)

    def beyond(row: Any, limit: Any) -> list[ColumnElement[bool]]:
        return [row < limit if descending else row > limit]

    # A row comparison is one index condition.
    later = beyond(tuple_(attribute, identifier), tuple_(value, identity)) if shape.after == "value" else []
    if not attribute.property.columns[0].nullable:
        return [later]
    absent = [attribute.is_(None), *(beyond(identifier, identity) if shape.after == "null" else [])]
    return [absent] if shape.after == "null" else [[attribute.is_not(None), *later], absent]


def _order(resource: Resource, shape: _Shape) -> tuple[Any, Any, tuple[ColumnElement[Any], ...]]:
    """Return the column that a list is ordered by, the id beside it, and the order of both."""
    attribute = attribute_of(resource, shape.sort.removeprefix("-"))
    # The id of the same table: one index has both, which a header's column and a department's own id never share.
    identifier = attribute.property.columns[0].table.c.id
    return attribute, identifier, _directed(attribute, identifier, attribute, shape)


def _directed(value: Any, identifier: Any, attribute: Any, shape: _Shape) -> tuple[ColumnElement[Any], ...]:
    """Return the order by a value and the id, in a shape's direction; rows without a value come last."""
    descending = shape.sort.startswith("-")
    first = value.desc() if descending else value.asc()
    if attribute.property.columns[0].nullable:
        first = first.nulls_last()
    return first, identifier.desc() if descending else identifier.asc()


def _own_of(model: Any) -> ColumnElement[bool]:
    """Return the condition of own records for the actor that the parameters name."""
    return _own(model, bindparam("own_user", type_=Uuid()), bindparam("own_person", type_=Uuid()))


def _narrowed(resource: Resource, statement: Select[Any], shape: _Shape, model: Any = None) -> Select[Any]:
    """Add the conditions of a resource's kind and of a shape's filters and search, on the resource's model or the one
    given; who sees what is not among them."""
    model = model or resource.model
    if resource.kind is not None:
        statement = statement.where(model.kind == word(resource.kind))
    for number, of in enumerate(shape.filters):
        within = isinstance(resource.instance.dump_fields[of.name], fields.Category)
        for condition in _conditions(getattr(model, resource.attributes[of.name]), number, of, within=within):
            statement = statement.where(condition)
    if shape.needle:
        statement = statement.where(search.matches(model.id))
    if shape.among:
        statement = statement.where(model.id == any_(bindparam("among", type_=ARRAY(Uuid()))))
    return statement


def _header_of(resource: Resource, shape: _Shape, *others: Any) -> Any:
    """Return the least that must be read: work's header alone, unless a filter or others are a department's own columns.

    Joining both tables for a few rows, the planner, which does not know how large the estate is, reads all of one.
    """
    wanted = {*(resource.attributes[of.name] for of in shape.filters), *(other.key for other in others)}
    header = resource.kind is not None and wanted <= set(Record.__table__.columns.keys())
    return Record if header else resource.model


def _conditions(attribute: Any, number: int, of: _FilterShape, *, within: bool) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a filter; `within` lets a category stand for all that it contains."""

    def same(place: str | int, prefix: str = "") -> ColumnElement[bool]:
        wanted = value(place, prefix)
        equal: ColumnElement[bool] = attribute == wanted
        return or_(equal, func.starts_with(attribute, wanted.concat("."))) if within else equal

    def value(place: str | int, prefix: str = "") -> ColumnElement[Any]:
        if isinstance(place, str):
            return word(place)
        return bindparam(f"filter_{number}_{prefix}{place}", type_=attribute.type)

    choices = [same(place) for place in of.present]
    if of.null:
        choices.append(attribute.is_(None))
    if choices:
        yield or_(*choices)
    for place in of.excluded:
        yield not_(same(place, "not_"))
    if "low" in of.ends:
        yield attribute >= bindparam(f"filter_{number}_low", type_=attribute.type)
    if "high" in of.ends:
        yield attribute <= bindparam(f"filter_{number}_high", type_=attribute.type)


def _parameters(ctx: Context, resource: Resource, query: Query) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for number, given in enumerate(query.filters.values()):
        present = [_resolved(ctx, value) for value in given.values if value is not None]
        values |= {f"filter_{number}_{place}": value for place, value in enumerate(present)}
        for place, value in enumerate(given.excluded):
            values[f"filter_{number}_not_{place}"] = _resolved(ctx, value)
        if given.range is not None:
            values[f"filter_{number}_low"] = _moment(ctx, given.range.low, time.min)
            values[f"filter_{number}_high"] = _moment(ctx, given.range.high, time.max)
    if query.after is not None:
        values["after_value"], values["after_id"] = query.after
    if query.needle:
        every = [str(each.kind) for each in ctx.loaded.registry.resources.values() if each.kind]
        kinds = every if resource.model is Record else [resource.search_kind]
        values.update(search.parameters(ctx.estate.id, query.needle, kinds, revealed=ctx.may("core.reveal")))
    if query.among is not None:
        values["among"] = list(query.among)
    return values


def _resolved(ctx: Context, value: Any) -> Any:
    """Return a filter's value; nobody, if it stands for the person of an actor who is none here."""
    return (ctx.actor.person_id or UUID(int=0)) if value is ME else value


def _moment(ctx: Context, bound: Bound, of_day: time) -> Any:
    if bound is NOW:
        return ctx.now
    if isinstance(bound, date) and not isinstance(bound, datetime):
        return datetime.combine(bound, of_day, ctx.estate.tzinfo)
    return bound


def _execute(
    ctx: Context, prepared: _Prepared, rule: ColumnElement[bool] | None, values: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    """Run a prepared statement, the fast way if no further rule narrows it."""
    if rule is None:
        return ctx.session.fetch(prepared.sql, {**prepared.parameters, **values})
    return ctx.session.connection().execute(prepared.narrowed(rule), values).all()


def _visible(ctx: Context, resource: Resource, values: dict[str, Any]) -> tuple[bool, ColumnElement[bool] | None]:
    """Return whether only own records are seen, and the resource's own rule if it has one."""
    if resource.visible is None and visibility(ctx, resource) is not None:
        values["own_user"], values["own_person"] = ctx.actor.user_id, ctx.actor.person_id
        return True, None
    return False, resource.visible(ctx) if resource.visible is not None else None


def _shape_of(resource: Resource, query: Query) -> tuple[_FilterShape, ...]:
    shapes = []
    for name, given in query.filters.items():
        item = resource.instance.dump_fields[name]
        words: Collection[str] = item.choices if isinstance(item, fields.Choice) else ()
        if name == "state" and resource.flow is not None:
            words = resource.flow.states
        present = [value for value in given.values if value is not None]
        ends = "" if given.range is None else f"{'low' * bool(given.range.low)} {'high' * bool(given.range.high)}"
        shapes.append(
            _FilterShape(
                name,
                tuple(value if value in words else place for place, value in enumerate(present)),
                None in given.values,
                tuple(value if value in words else place for place, value in enumerate(given.excluded)),
                ends,
            )
        )
    return tuple(shapes)


def run(ctx: Context, resource: Resource, query: Query) -> Page:
    """Read one page."""
    names = query.fields or ("id", *(name for name in resource.columns if name != "id"))
    values = _parameters(ctx, resource, query)
    own_only, rule = _visible(ctx, resource, values)
    filters = _shape_of(resource, query)
    after: Literal["start", "value", "null"] = "start"
    if query.after is not None:
        after = "null" if query.after[0] is None else "value"
    needle, among, most = bool(query.needle), query.among is not None, _at_least(query.limit + 1)
    prepared = _prepare(resource, _Shape(names, query.sort, filters, after, needle, among, own_only, most=most))
    rows = _execute(ctx, prepared, rule, values)
    page, more = rows[: query.limit], len(rows) > query.limit
    cursor = _write_cursor(query.sort, page[-1][-1], page[-1][-2]) if more else None
    total = None
    if query.count:
        total = counts(ctx, [(resource, query)], COUNT_LIMIT)[0]
    return Page([prepared.row(row) for row in page], cursor, total)


def one(ctx: Context, resource: Resource, identity: UUID, *, reveal: bool = False) -> dict[str, Any] | None:
    """Read one row with all its fields; None if there is none that the actor may see."""
    values: dict[str, Any] = {"identity": identity}
    own_only, rule = _visible(ctx, resource, values)
    prepared = _prepare(resource, _Shape(tuple(resource.attributes), own=own_only, one=True, reveal=reveal))
    rows = _execute(ctx, prepared, rule, values)
    return prepared.row(rows[0]) if rows else None


def counts(ctx: Context, wanted: Sequence[tuple[Resource, Query]], most: int = COUNTED_AT_MOST) -> list[int]:
    """Count several lists in one statement, each up to `most` (one more means: more)."""
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    for number, (resource, query) in enumerate(wanted):
        values = _parameters(ctx, resource, query)
        own_only, rule = _visible(ctx, resource, values)
        shape = _Shape(
            ("id",),
            resource.sort[0],
            _shape_of(resource, query),
            "start",
            bool(query.needle),
            own=own_only,
            most=most + 1,
        )
        prepared = _prepare_count(resource, shape) if rule is None else _count(resource, shape, rule, values)
        sql = _NAMED.sub(lambda match, number=number: f"%({match[1]}_of_{number})s", prepared.sql)  # type: ignore[misc]  # the lambda keeps its own number
        parts.append(f"(SELECT count(*) FROM ({sql}) AS list_{number})")  # noqa: S608 (compiled by SQLAlchemy)
        parameters |= {f"{name}_of_{number}": value for name, value in {**prepared.parameters, **values}.items()}
    return list(ctx.session.fetch("SELECT " + ", ".join(parts), parameters)[0]) if parts else []


_NAMED = re.compile(r"%\((\w+)\)s")


def _count(resource: Resource, shape: _Shape, rule: ColumnElement[bool] | None, values: Mapping[str, Any]) -> _Prepared:
    """Return the statement that a count is made of: the rows of a shape, without order.

    A rule may have a list in it, for which the `values` must be known.
    """
    model = _header_of(resource, shape) if rule is None else resource.model
    limit = literal_column(str(shape.most), Integer())
    each = _narrowed(resource, select(model.id).select_from(model), shape, model).limit(limit)
    ways = _ways(_own_of(model) if shape.own else rule)
    if len(ways) > 1:
        statement = select(union(*(each.where(way) for way in ways)).subquery().c.id).limit(limit)
    else:
        statement = each.where(*ways)
    compiled = statement.compile(dialect=_DIALECT)
    if rule is None:
        return _Prepared(statement.where, compiled.string, compiled.params, lambda _row: {})
    expanded = compiled.construct_expanded_state(dict(values))
    return _Prepared(statement.where, expanded.statement, expanded.parameters, lambda _row: {})


@lru_cache(maxsize=1000)
def _prepare_count(resource: Resource, shape: _Shape) -> _Prepared:
    """Return the statement of a count that no further rule narrows, made once."""
    return _count(resource, shape, None, {})


def groups(ctx: Context, resource: Resource, query: Query, by: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Count a list's rows by one or more of the model's attributes: (value, …, count), the most frequent first, 500 at most."""
    values = _parameters(ctx, resource, query)
    own_only, rule = _visible(ctx, resource, values)
    shape = _Shape((), resource.sort[0], _shape_of(resource, query), "start", bool(query.needle), own=own_only)
    model = _header_of(resource, shape, *by) if rule is None else resource.model
    by = [getattr(model, each.key) for each in by]
    total = func.count().label("rows_counted")
    statement = _narrowed(resource, select(*by, total).select_from(model), shape, model)
    ways = _ways(_own_of(model) if own_only else rule)
    if len(ways) > 1:
        seen = union(*(_narrowed(resource, select(model.id), shape, model).where(way) for way in ways)).subquery()
        statement = statement.where(model.id.in_(select(seen.c.id)))
    else:
        statement = statement.where(*ways)
    rows = ctx.session.connection().execute(statement.group_by(*by).order_by(total.desc()).limit(500), values)
    return [tuple(row) for row in rows]
