"""Rows out of and into tables, as JSON lines that PostgreSQL itself writes and reads.

Every value makes the round trip exactly, whatever its type, and a row knows its columns by name, so that neither their
order nor a column that was added since matters. Nothing is held in memory but the row at hand.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

import psycopg
from psycopg import sql

from wuye.archives.manifest import TableFacts
from wuye.errors import Text

#: COPY's format with the least around a value: JSON has no raw control characters, so nothing is ever quoted.
_RAW = sql.SQL(r"(FORMAT csv, DELIMITER E'\x02', QUOTE E'\x01')")

#: How values are written must not depend on who asks.
_PLAIN = """
SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;
SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL statement_timeout = 0
"""

_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""

_KEY = """
SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position), pg_attribute a
WHERE i.indrelid = %s::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.attnum
ORDER BY k.position
"""

Connection = psycopg.Connection[Any]

#: What is being done, how much of it, and of how much.
Progress = Callable[[Text, int, int], None]

_VERSIONS = r"""
SELECT relname::text FROM pg_class
WHERE relkind = 'r' AND relname LIKE '%\_alembic\_version' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


def silent(_part: Text, _done: int, _total: int) -> None:
    """Tell nobody how far it is."""


def prepare(connection: Connection) -> None:
    """Have this transaction write values in the one way that archives have, however long it takes."""
    connection.execute(_PLAIN)


def columns_of(connection: Connection, table: str) -> tuple[str, ...]:
    """Return the columns of a table that hold values of their own, in the table's order."""
    return tuple(name for (name,) in connection.execute(_COLUMNS, (table,)))


def revisions_of(connection: Connection) -> dict[str, str]:
    """Return the migration that each plugin's tables are at, those of plugins that are not installed any more included."""
    found = {}
    for (table,) in connection.execute(_VERSIONS).fetchall():
        row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
        if row is not None:
            found[table.removesuffix("_alembic_version")] = str(row[0])
    return found


def dump(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    *,
    where: sql.Composable | None = None,
    sink: BinaryIO | None = None,
) -> TableFacts:
    """Write these columns of a table's rows, in the order of its key, as JSON lines to `sink`; without one, only look.

    `where` is a condition that the rows fulfil.
    """
    key = [sql.Identifier(name) for (name,) in connection.execute(_KEY, (table,))]
    chosen = sql.SQL("SELECT {columns} FROM {table} WHERE {where} ORDER BY {key}").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table),
        where=where or sql.SQL("true"),
        key=sql.SQL(", ").join(key) if key else sql.SQL("1"),
    )
    statement = sql.SQL("COPY (SELECT row_to_json(line) FROM ({chosen}) AS line) TO STDOUT {raw}")
    digest, rows = hashlib.sha256(), 0
    with connection.cursor() as cursor, cursor.copy(statement.format(chosen=chosen, raw=_RAW)) as copy:
        for block in copy:
            rows += bytes(block).count(b"\n")
            digest.update(block)
            if sink is not None:
                sink.write(block)
    return TableFacts(rows, digest.hexdigest(), tuple(columns))


def load(
    connection: Connection,
    table: str,
    columns: Iterable[str],
    lines: Iterable[bytes],
    *,
    changed: Mapping[str, sql.Composable] | None = None,
    batch: int | None = 20_000,
) -> int:
    """Insert JSON lines into a table, and return how many rows that were.

    `changed` maps columns to an expression over `line` (a row of the table) that takes the value's place. Without a
    `batch` all rows are one statement, which rows that refer to each other need.
    """
    names = list(columns)
    values = [(changed or {}).get(name, sql.SQL("line.{}").format(sql.Identifier(name))) for name in names]
    insert = sql.SQL(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE"
        " SELECT {values} FROM wuye_lines, json_populate_record(NULL::{table}, content) AS line"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(values),
    )
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS wuye_lines (content json) ON COMMIT DROP")
    count = 0
    for part in _parts(lines, batch):
        connection.execute("TRUNCATE wuye_lines")
        with connection.cursor() as cursor:
            with cursor.copy(sql.SQL("COPY wuye_lines FROM STDIN {}").format(_RAW)) as copy:
                for line in part:
                    copy.write(line)
            count += cursor.execute(insert).rowcount
    connection.execute("TRUNCATE wuye_lines")
    return count


def _parts(lines: Iterable[bytes], batch: int | None) -> Iterator[Iterable[bytes]]:
    """Split lines into parts of at most `batch`, without holding one in memory."""
    if batch is None:
        yield lines
        return
    rest = iter(lines)
    for first in rest:
        yield _chained(first, islice(rest, batch - 1))


def _chained(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
