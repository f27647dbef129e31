"""The rows of an exported estate, on their way into tables: with no more rights than a request has."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson
import psycopg
from psycopg import sql

from wuye.archives import rows
from wuye.archives.estate_archive import EstateArchive
from wuye.archives.estate_export import is_exported
from wuye.archives.manifest import Manifest
from wuye.db.base import Base
from wuye.db.session import EstateSession
from wuye.errors import Invalid
from wuye.estates.models import EstatePlugin
from wuye.i18n import _
from wuye.records import search


@dataclass(frozen=True, slots=True)
class Change:
    """What is another in the estate that is made: its id, and its code."""

    old: UUID
    new: UUID
    code: str

    def scoped(self, columns: Collection[str]) -> Mapping[str, sql.Composable]:
        """Return what takes the place of the estate's id in a scoped table; also where it is the row's own."""
        own = sql.SQL("CASE WHEN line.id = {} THEN {} ELSE line.id END").format(self.old, self.new)
        return {"estate_id": sql.Literal(self.new), **({"id": own} if "id" in columns else {})}


def _misfit(error: psycopg.Error) -> Invalid:
    return Invalid(_("The rows do not fit together: {reason}", reason=str(error.diag.message_primary)))


def plugin_of(table: str, known: Collection[str]) -> str:
    """Return which of the known plugins a table belongs to, by its prefix."""
    return max((name for name in known if table.startswith(f"{name}_")), key=len, default="core")


def load_estate(
    session: EstateSession, archive: EstateArchive, change: Change, without: Collection[str], progress: rows.Progress
) -> int:
    """Load the estate and its tables, what is referred to first; return the number of rows.

    Raises:
        Invalid: a part is damaged, or the rows do not fit together.
    """
    driver = cast(rows.Connection, session.connection().connection.driver_connection)
    rows.prepare(driver)
    manifest, count = archive.manifest, 0
    estate = {**manifest.estate["row"], "id": str(change.new), "code": change.code}
    known = [name for name in estate if name in rows.columns_of(driver, "core_estate")]
    rows.load(driver, "core_estate", known, [orjson.dumps(estate) + b"\n"])
    session.pin(change.new)
    for name, enabled in manifest.estate["plugins"].items():
        if name not in without:
            session.add(EstatePlugin(estate_id=change.new, plugin=name, enabled=enabled, changed_at=manifest.at))
    session.flush()
    tables = [name for name in _in_order(manifest) if plugin_of(name, manifest.revisions) not in without]
    for number, table in enumerate(tables, 1):
        try:
            count += _load_table(driver, archive, table, change)
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError, psycopg.errors.UndefinedColumn) as error:
            raise _misfit(error) from error
        progress(_("Tables"), number, len(tables))
    return count


def _in_order(manifest: Manifest) -> list[str]:
    """Return the tables of an export, what is referred to first; those that only an older version has come last."""
    ours = [table.name for table in Base.metadata.sorted_tables if is_exported(table)]
    older = [name for name in manifest.tables if name not in Base.metadata.tables]
    return [*(name for name in ours if name in manifest.tables), *older]


def _load_table(driver: rows.Connection, archive: EstateArchive, table: str, change: Change) -> int:
    facts, lines = archive.manifest.tables[table], archive.lines(table)
    columns = list(facts.columns)
    if table == "core_search_entry":
        columns, lines = [*columns, "grams"], _with_grams(archive, lines, change.new)
    model = Base.metadata.tables.get(table)
    refers = model is None or any(key.referred_table is model for key in model.foreign_key_constraints)
    batch = None if refers else 20_000
    loaded = rows.load(driver, table, columns, lines, changed=change.scoped(columns), batch=batch)
    if loaded != facts.rows:
        raise archive.damaged(f"tables/{table}.jsonl")
    return loaded


def _with_grams(archive: EstateArchive, lines: Iterator[bytes], estate_id: UUID) -> Iterator[bytes]:
    """Add to entries of the search index what they are found by: that is the estate's own."""
    for line in lines:
        try:
            entry: dict[str, Any] = orjson.loads(line)
            entry["grams"] = search.grams_of_entry(estate_id, entry)
        except (ValueError, KeyError, TypeError):
            raise archive.damaged("tables/core_search_entry.jsonl") from None
        yield orjson.dumps(entry) + b"\n"
