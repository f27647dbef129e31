"""Counting, exporting, purging and deleting the data of one estate; as the role that works across estates."""

import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, FromClause, Table, delete, false, func, or_, select
from sqlalchemy.orm import Session

from wuye import __version__
from wuye.context import EstateInfo
from wuye.db.base import Base
from wuye.db.policy import is_scoped
from wuye.db.session import EstateSession
from wuye.errors import Conflict
from wuye.estates.models import Estate
from wuye.estates.services import enabled_plugins
from wuye.files import storage
from wuye.files.models import Attachment
from wuye.i18n import _
from wuye.identity.models import ApiToken, Membership
from wuye.imports.models import ImportMapping, ImportRun
from wuye.installation import Installation, find_estate
from wuye.records.models import Record


def scoped_tables(plugin: str | None = None) -> list[Table]:
    """Return the tables of all loaded plugins that hold rows of estates (of one plugin), referred-to ones first."""
    prefix = f"{plugin}_" if plugin else ""
    return [table for table in Base.metadata.sorted_tables if is_scoped(table) and table.name.startswith(prefix)]


def count_rows(session: EstateSession, plugin: str | None = None) -> Iterator[tuple[str, int]]:
    """Yield every scoped table with the number of its rows in the session's estate."""
    for table in scoped_tables(plugin):
        statement = select(func.count()).select_from(table).where(table.c.estate_id == session.estate_id)
        yield str(table.name), session.connection().scalar(statement) or 0


def export_path(place: Installation, name: str) -> Path:
    """Return where an export goes by default: into the data folder, with the time in its name."""
    folder = place.settings.data / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{place.clock.now():%Y%m%dT%H%M%SZ}.zip"


def export_estate(place: Installation, code: str, file: Path, *, plugin: str | None = None) -> int:
    """Write the rows of an estate (of one plugin) into a zip; return how many. See `write_export`."""
    assert place.plugins, "loading the plugins makes their tables known"
    with place.database.session() as session:
        info = find_estate(session, code)
    with place.database.session(info.id) as session:
        return write_export(session, info, place.settings.data, place.clock.now(), file, plugin=plugin)


def write_export(
    session: EstateSession, info: EstateInfo, data: Path, at: datetime, file: Path, *, plugin: str | None = None
) -> int:
    """Write the rows of the session's estate (of one plugin) into a zip, JSON lines for each table; return how many.

    Attachments come with their rows, below `files/`; `manifest.json` says what it is, of when (`at`, UTC) and of which
    version. All of it is one consistent state of the database, so the session must not have begun anything. A file that
    cannot be finished is removed.
    """
    written: dict[str, int] = {}
    draft = file.with_name(f"{file.name}.part")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            for table in _exported(plugin):
                written[str(table.name)] = _export_table(session, archive, table, info.id, plugin)
            _export_files(archive, storage.folder_of(data, info.id), _digests(session, info.id, plugin))
            manifest = {"estate": info.code, "estate_id": info.id, "plugin": plugin, "at": at}
            archive.writestr("manifest.json", orjson.dumps({**manifest, "version": __version__, "rows": written}))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return sum(written.values())


def _exported(plugin: str | None) -> list[Table]:
    whole = [] if plugin else [Base.metadata.tables[name] for name in ("core_estate_plugin", "core_membership")]
    shared = (
        [Base.metadata.tables[name] for name in ("core_record", "core_attachment", "core_plugin_settings")]
        if plugin
        else []
    )
    return [*whole, *shared, *scoped_tables(plugin)]


def _export_table(session: Session, archive: zipfile.ZipFile, table: Table, estate_id: UUID, plugin: str | None) -> int:
    statement = select(table).where(table.c.estate_id == estate_id)
    if plugin and table.name == "core_record":
        statement = statement.where(table.c.kind.startswith(f"{plugin}."))
    if plugin and table.name == "core_plugin_settings":
        statement = statement.where(table.c.plugin == plugin)
    if plugin and table.name == "core_attachment":
        statement = statement.where(_attached_to(table, estate_id, plugin))
    count = 0
    with archive.open(f"{table.name}.jsonl", "w") as target:
        for row in session.connection().execution_options(yield_per=1000).execute(statement):
            values = {name: value.hex() if isinstance(value, bytes) else value for name, value in row._mapping.items()}
            target.write(orjson.dumps(values, default=str) + b"\n")
            count += 1
    return count


def _attached_to(attachments: FromClause, estate_id: UUID, plugin: str) -> ColumnElement[bool]:
    """Return the condition of the attachments of a plugin's things."""
    tables = [
        table for table in Base.metadata.sorted_tables if is_scoped(table) and table.name.startswith(f"{plugin}_")
    ]
    things = [select(table.c.id).where(table.c.estate_id == estate_id) for table in tables]
    return or_(false(), *(attachments.c.subject_id.in_(thing) for thing in things))


def _digests(session: EstateSession, estate_id: UUID, plugin: str | None = None) -> set[str]:
    """Return what an estate's attachments (of one plugin) are stored under."""
    table = Attachment.__table__
    statement = select(table.c.sha256).where(table.c.estate_id == estate_id)
    if plugin:
        statement = statement.where(_attached_to(table, estate_id, plugin))
    return set(session.connection().scalars(statement))


def _export_files(archive: zipfile.ZipFile, folder: Path, digests: set[str]) -> None:
    """Write attachments and their thumbnails as they lie in the data folder; they are compressed already."""
    for digest in sorted(digests):
        for path in (storage.path_of(folder, digest), storage.path_of(folder, digest, thumb=True)):
            if path.is_file():
                archive.write(path, f"files/{path.relative_to(folder).as_posix()}", zipfile.ZIP_STORED)


def preview_purge(place: Installation, code: str, plugin: str) -> dict[str, int]:
    """Return what a purge would delete: rows by table.

    Raises:
        Conflict: the plugin is still enabled.
    """
    with place.database.session() as session:
        info = find_estate(session, code)
        if plugin in enabled_plugins(session, info.id):
            raise Conflict(_("{plugin} is still enabled here: disable it first.", plugin=plugin))
        session.pin(info.id)
        counts = {name: count for name, count in count_rows(session, plugin) if count}
        mine = Record.kind.startswith(f"{plugin}.")
        counts["core_record"] = session.scalar(select(func.count()).select_from(Record).where(mine)) or 0
        attached = _attached_to(Attachment.__table__, info.id, plugin)
        counts["core_attachment"] = session.scalar(select(func.count()).select_from(Attachment).where(attached)) or 0
    return counts


def purge(place: Installation, code: str, plugin: str) -> None:
    """Delete a disabled plugin's rows in an estate, with their files, its settings and the imports into them.

    Referrals to its records and the timeline stay.

    Raises:
        Conflict: the plugin is still enabled.
    """
    preview_purge(place, code, plugin)
    with place.database.session(role="ops") as session:
        estate_id = find_estate(session, code).id
        session.pin(estate_id)
        connection = session.connection()
        header, referral = Base.metadata.tables["core_record"], Base.metadata.tables["core_referral"]
        mine = select(header.c.id).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
        scoped = referral.c.estate_id == estate_id
        connection.execute(referral.update().where(scoped, referral.c.target_id.in_(mine)).values(target_id=None))
        _forget_origins(session, estate_id, plugin)
        attachments = Attachment.__table__
        theirs = (attachments.c.estate_id == estate_id, _attached_to(attachments, estate_id, plugin))
        connection.execute(delete(Attachment).where(*theirs))
        for table in reversed(scoped_tables(plugin)):
            connection.execute(delete(table).where(table.c.estate_id == estate_id))
        decided = Base.metadata.tables["core_plugin_settings"]
        connection.execute(delete(decided).where(decided.c.estate_id == estate_id, decided.c.plugin == plugin))
        for model in (ImportRun, ImportMapping):
            into = model.resource.startswith(f"{plugin}.")
            connection.execute(delete(model).where(model.estate_id == estate_id, into))
        sent = set(connection.scalars(select(ImportRun.sha256).where(ImportRun.estate_id == estate_id)))
        told = Base.metadata.tables["core_notification"]
        connection.execute(delete(told).where(told.c.estate_id == estate_id, told.c.kind.startswith(f"{plugin}.")))
        index = Base.metadata.tables["core_search_entry"]
        found = or_(index.c.kind.startswith(f"{plugin}."), index.c.kind.startswith(f"{plugin}_"))
        connection.execute(delete(index).where(index.c.estate_id == estate_id, found))
        connection.execute(
            delete(header).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
        )
        left = _digests(session, estate_id)
    storage.sweep(storage.folder_of(place.settings.data, estate_id), left)
    storage.sweep(storage.imports_of(place.settings.data, estate_id), sent)


def _forget_origins(session: EstateSession, estate_id: UUID, plugin: str) -> None:
    """Delete the referrals that the plugin's own records made: without their origin they mean nothing."""
    header, referral = Base.metadata.tables["core_record"], Base.metadata.tables["core_referral"]
    mine = select(header.c.id).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
    orphans = select(referral.c.id).where(referral.c.estate_id == estate_id, referral.c.origin_id.in_(mine))
    found = session.connection().scalars(orphans).all()
    session.connection().execute(delete(header).where(header.c.estate_id == estate_id, header.c.id.in_(found)))


def delete_estate(place: Installation, code: str) -> None:
    """Delete an estate with everything in it, its files included."""
    with place.database.session(role="ops") as session:
        estate_id = find_estate(session, code).id
        session.pin(estate_id)
        connection = session.connection()
        for model in (ApiToken, Membership):
            connection.execute(delete(model).where(model.estate_id == estate_id))
        for table in reversed(scoped_tables()):
            connection.execute(delete(table).where(table.c.estate_id == estate_id))
        connection.execute(delete(Estate).where(Estate.id == estate_id))
    storage.forget(storage.folder_of(place.settings.data, estate_id))
