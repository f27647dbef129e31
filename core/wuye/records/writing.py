"""Writing what most steps write: one new record, and nothing besides."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, Table, bindparam, insert, inspect
from sqlalchemy.dialects.postgresql import psycopg as driver
from sqlalchemy.orm import make_transient_to_detached

from wuye.db.database import to_json
from wuye.db.session import EstateSession
from wuye.records.models import Record

_DIALECT = driver.dialect(json_serializer=to_json)  # type: ignore[no-untyped-call]


class _Value(NamedTuple):
    """Where a column's value comes from, and what becomes of it on its way to the driver."""

    parameter: str
    attribute: str
    default: Callable[[], Any]
    processed: Callable[[Any], Any] | None


def write_alone(session: EstateSession) -> bool:
    """Write the one new record of a session that has nothing else to write; return whether that was so.

    To the caller it is the same as a flush, in one statement for the header and what is the kind's own, and in half the
    time: there is no order to be found.

    Raises:
        DBAPIError: as a flush.
    """
    if len(session.new) != 1 or session.deleted or session.dirty:
        return False
    [record] = session.new
    if not isinstance(record, Record):
        return False
    session.dispatch.before_flush(session, None, None)
    sql, values = _statement(type(record))
    session.fetch(sql, {value.parameter: _taken(record, value) for value in values})
    session.expunge(record)
    make_transient_to_detached(record)
    session.add(record)
    return True


def _taken(record: Record, value: _Value) -> Any:
    """Return an attribute as the driver takes it; one that was not given gets its default."""
    given = record.__dict__.get(value.attribute)
    if given is None:
        given = value.default()
        setattr(record, value.attribute, given)
    return given if given is None or value.processed is None else value.processed(given)


@cache
def _statement(model: type[Record]) -> tuple[str, list[_Value]]:
    """Return the statement that writes a record of a kind, made once, and the values that it takes."""
    mapper = inspect(model)
    tables = [cast(Table, table) for table in mapper.tables]
    values = {
        table: {
            column: _Value(
                f"{table.name}_{column.name}",
                mapper.get_property_by_column(column).key,
                _default(column),
                column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT),
            )
            for column in table.columns
        }
        for table in tables
    }
    *headers, own = [
        insert(table).values(
            {column.name: bindparam(value.parameter, type_=column.type) for column, value in values[table].items()}
        )
        for table in tables
    ]
    whole = own.add_cte(*(header.cte(f"new_{header.table.name}") for header in headers))
    return str(whole.compile(dialect=_DIALECT)), [value for each in values.values() for value in each.values()]


def _default(column: Column[Any]) -> Callable[[], Any]:
    default = cast(Any, column.default)
    if default is None:
        return lambda: None
    return (lambda: default.arg(None)) if default.is_callable else (lambda: default.arg)
