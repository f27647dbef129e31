"""A row for any mapped table, made from what its columns and constraints say, so that no table escapes the tests."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Connection, Table, insert
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wuye.db.base import Base
from wuye.ids import uuid7

_WORDS = re.compile(r"(\w+) IN \('([^']+)'")
_MOMENT = datetime(2026, 3, 5, 6, 20, tzinfo=UTC)


def add_row(connection: Connection, table: Table, estate_id: UUID, **given: Any) -> UUID:
    """Insert a row with what it refers to, and return its id; nullable columns stay empty unless given."""
    identity: UUID = given.pop("id", None) or uuid7()
    values: dict[str, Any] = {"estate_id": estate_id, "id": identity, **given}
    for constraint in table.foreign_key_constraints:
        target = constraint.referred_table
        for column, element in zip(constraint.columns, constraint.elements, strict=True):
            if column.name in values and column.name != "id":
                continue
            if element.column.name == "id" and column.name == "id":
                add_row(connection, target, estate_id, id=identity)  # the header of a kind of work
            elif element.column.name == "id" and not column.nullable and target is not table:
                values[column.name] = add_row(connection, target, estate_id)
    for column in table.columns:
        if column.name not in values and not column.nullable:
            values[column.name] = sample(table, column)
    connection.execute(insert(table).values(**values))
    return identity


def sample(table: Table, column: Column[Any]) -> Any:
    """Return a value that the column takes."""
    words = {
        match[1]: match[2]
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
        for match in [_WORDS.search(str(constraint.sqltext))]
        if match
    }
    if column.name in words:
        return words[column.name]
    if isinstance(column.type, JSONB):
        return {}
    if isinstance(column.type, ARRAY):
        return []
    kind = column.type.python_type
    if kind is UUID:
        return uuid7()
    samples: dict[type, Any] = {
        str: uuid7().hex,
        int: uuid7().int % 1_000_000,
        bool: True,
        bytes: b"x",
        datetime: _MOMENT,
        date: _MOMENT.date(),
        Decimal: Decimal(1),
    }
    return samples[kind]


def scoped_tables() -> list[Table]:
    """Return every mapped table that holds rows of estates."""
    from wuye.db.policy import is_scoped

    return [table for table in Base.metadata.sorted_tables if is_scoped(table)]
