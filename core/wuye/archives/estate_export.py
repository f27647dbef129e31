"""The export of one estate: a ZIP file that can be read by any program, and put back here or elsewhere.

It is written with no more rights than a request has: the wall between estates decides which rows are in it.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
from psycopg import sql
from sqlalchemy import Table, select

from wuye import __version__
from wuye.archives import places, rows
from wuye.archives.manifest import CHECKSUM, FILE_LIST, ChainHead, Manifest, StoredFile, TableFacts, checksum
from wuye.archives.places import MANIFEST
from wuye.context import EstateInfo
from wuye.db.base import Base
from wuye.db.policy import GLOBAL_TABLES
from wuye.db.session import EstateSession
from wuye.estates.models import EstatePlugin
from wuye.files import storage
from wuye.i18n import _
from wuye.identity.models import Membership, User
from wuye.installation import Installation, find_estate

MEMBERS = "members.jsonl"

#: Who may get in, with what: of this installation only. Members come as a list of their own, and as no more than that.
_IDENTITY = GLOBAL_TABLES | {"core_membership", "core_api_token", "core_estate_plugin", "core_browser_session"}

#: What is made anew from the other columns, with the estate's id in it.
LEFT_OUT_OF = {"core_search_entry": ("grams",)}

_TABLES = """
SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'estate_id'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""


def export_estate(
    place: Installation, code: str, file: Path, *, plugin: str | None = None, progress: rows.Progress = rows.silent
) -> Manifest:
    """Write all of an estate (or what a plugin has in it) into a ZIP file; see `write_export`."""
    assert place.plugins, "loading the plugins makes known which tables are not exported"
    with place.database.session() as session:
        info = find_estate(session, code)
    with place.database.session(info.id) as session:
        return write_export(
            session, info, place.settings.data, place.clock.now(), file, plugin=plugin, progress=progress
        )


def export_path(place: Installation, name: str) -> Path:
    """Return where an export goes by default: into the data folder, with the time in its name."""
    folder = place.settings.data / "exports"
    places.make_folder(folder)
    return folder / f"{name}-{places.name_of(place.clock.now())}.zip"


def write_export(
    session: EstateSession,
    info: EstateInfo,
    data: Path,
    at: datetime,
    file: Path,
    *,
    plugin: str | None = None,
    progress: rows.Progress = rows.silent,
) -> Manifest:
    """Write the session's estate (or what a plugin has in it) into a ZIP file, and return what that says of itself.

    `at` is now (UTC). All of it is one state of the database, so the session must not have begun anything. The file is
    its owner's alone; one that cannot be finished is removed, and one that was there is replaced by the finished one.
    """
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    driver = cast(rows.Connection, session.connection().connection.driver_connection)
    rows.prepare(driver)
    with _drafted(file) as archive:
        tables = {}
        names = list(_tables(driver, plugin))
        for number, table in enumerate(names, 1):
            tables[table] = _export_table(driver, archive, table, info, plugin)
            progress(_("Tables"), number, len(names))
        files, missing, file_list = _export_files(
            driver, archive, storage.folder_of(data, info.id), info, plugin, progress
        )
        manifest = Manifest(
            kind="estate", at=at, release=__version__, server=driver.info.parameter_status("server_version") or "",
            revisions=rows.revisions_of(driver), tables=tables, chains=_head(driver, info), files=len(files),
            file_bytes=sum(each.size for each in files), file_list=file_list, missing=missing,
            estate={**_facts(session, driver, info), "plugin": plugin, "members": asdict(_members(session, archive, info))},
        )  # fmt: skip
        content = manifest.encode()
        archive.writestr(CHECKSUM, checksum(content))
        archive.writestr(MANIFEST, content)
    return manifest


@contextmanager
def _drafted(file: Path) -> Iterator[zipfile.ZipFile]:
    draft = file.with_name(f".{file.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with places.created(draft) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def is_exported(table: Table) -> bool:
    """Tell whether an estate's export has the rows of a table."""
    return "estate_id" in table.columns and table.name not in _IDENTITY and bool(table.info.get("exported", True))


def _tables(driver: rows.Connection, plugin: str | None) -> Iterator[str]:
    """Yield what is exported, in the order of names; of a plugin also what core keeps for it."""
    shared = ("core_record", "core_attachment", "core_plugin_settings")
    for (name,) in driver.execute(_TABLES).fetchall():
        table = Base.metadata.tables.get(name)
        if name in _IDENTITY or (table is not None and not is_exported(table)):
            continue
        if plugin is None or name in shared or name.startswith(f"{plugin}_"):
            yield name


def _condition(driver: rows.Connection, table: str, info: EstateInfo, plugin: str | None) -> sql.Composable:
    """Return which rows of a table are exported."""
    here = sql.SQL("estate_id = {}").format(info.id)
    if plugin is None or table.startswith(f"{plugin}_"):
        return here
    if table == "core_record":
        return sql.SQL("{} AND starts_with(kind, {})").format(here, f"{plugin}.")
    if table == "core_plugin_settings":
        return sql.SQL("{} AND plugin = {}").format(here, plugin)
    theirs = [name for name in _tables(driver, plugin) if name.startswith(f"{plugin}_")]
    things = sql.SQL(" UNION ALL ").join(
        [
            sql.SQL("SELECT NULL::uuid"),
            *(sql.SQL("SELECT id FROM {} WHERE {}").format(sql.Identifier(name), here) for name in theirs),
        ]
    )
    return sql.SQL("{} AND subject_id IN ({})").format(here, things)


def _export_table(
    driver: rows.Connection, archive: zipfile.ZipFile, table: str, info: EstateInfo, plugin: str | None
) -> TableFacts:
    columns = [name for name in rows.columns_of(driver, table) if name not in LEFT_OUT_OF.get(table, ())]
    condition = _condition(driver, table, info, plugin)
    with archive.open(f"tables/{table}.jsonl", "w", force_zip64=True) as sink:
        return rows.dump(driver, table, columns, where=condition, sink=cast(BinaryIO, sink))


def _export_files(
    driver: rows.Connection,
    archive: zipfile.ZipFile,
    folder: Path,
    info: EstateInfo,
    plugin: str | None,
    progress: rows.Progress,
) -> tuple[list[StoredFile], tuple[str, ...], str]:
    """Write attachments and their thumbnails as they lie in the data folder; they are compressed already."""
    condition = _condition(driver, "core_attachment", info, plugin)
    query = sql.SQL("SELECT DISTINCT sha256 FROM core_attachment WHERE {} ORDER BY 1").format(condition)
    digests = [digest for (digest,) in driver.execute(query)]
    files: list[StoredFile] = []
    missing = []
    for number, digest in enumerate(digests, 1):
        for thumb in (False, True):
            path = storage.path_of(folder, digest, thumb=thumb)
            name = path.relative_to(folder).as_posix()
            if path.is_file():
                archive.write(path, f"files/{name}", zipfile.ZIP_STORED)
                files.append(StoredFile(name, path.stat().st_size, places.digest_of(path)))
            elif not thumb:
                missing.append(name)
        progress(_("Files"), number, len(digests))
    content = b"".join(orjson.dumps(each) + b"\n" for each in files)
    archive.writestr(FILE_LIST, content)
    return files, tuple(missing), hashlib.sha256(content).hexdigest()


def _head(driver: rows.Connection, info: EstateInfo) -> dict[str, ChainHead]:
    statement = "SELECT sequence, encode(digest, 'hex') FROM core_timeline_head WHERE id = %s"
    sequence, digest = driver.execute(statement, (info.id,)).fetchone() or (0, "")
    return {info.code: ChainHead(info.id, sequence, digest)}


def _facts(session: EstateSession, driver: rows.Connection, info: EstateInfo) -> dict[str, Any]:
    """Return what the estate is, and what it runs."""
    (row,) = driver.execute("SELECT row_to_json(e) FROM core_estate e WHERE id = %s", (info.id,)).fetchone() or ({},)
    enabled = session.execute(
        select(EstatePlugin.plugin, EstatePlugin.enabled)
        .where(EstatePlugin.estate_id == info.id)
        .order_by(EstatePlugin.plugin)
    )
    return {"id": info.id, "code": info.code, "row": row, "plugins": {row.plugin: row.enabled for row in enabled}}


def _members(session: EstateSession, archive: zipfile.ZipFile, info: EstateInfo) -> TableFacts:
    """Write who is a member, unless they are suspended: how to reach them, what they are, and no secret."""
    columns = ("user_id", "email", "name", "roles", "person_id")
    found = session.execute(
        select(Membership.user_id, User.email, User.name, Membership.roles, Membership.person_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.estate_id == info.id, Membership.suspended_at.is_(None))
        .order_by(Membership.user_id)
    )
    content = b"".join(orjson.dumps(dict(row._mapping)) + b"\n" for row in found)
    archive.writestr(MEMBERS, content)
    return TableFacts(content.count(b"\n"), hashlib.sha256(content).hexdigest(), columns)
