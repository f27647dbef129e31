"""Putting a backup back: into a database of its own, which takes the place of the other when all of it is there.

Whatever ends a restore before that leaves the installation as it was; the same command begins anew.
"""

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from wuye.archives import places, rows
from wuye.archives.backup import files_of, fingerprint
from wuye.archives.checks import check, table_path
from wuye.archives.existing import door, holds_something
from wuye.archives.fresh import beside, drop, fresh_database
from wuye.archives.manifest import SECRET, Manifest
from wuye.archives.verify import verify
from wuye.db import migrate
from wuye.db.database import Database
from wuye.errors import Conflict, Invalid, Misconfigured
from wuye.i18n import _
from wuye.installation import Installation

#: What follows the installation's name in those of the database that is being filled, and of the one that it replaces.
RESTORING, REPLACED = "restoring", "replaced"

_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0 ORDER BY 1, 2
"""

_FORCED = """
SELECT relname::text FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace
"""

_COUNTERS = """
SELECT s.oid::regclass::text, t.relname::text, a.attname FROM pg_class s
JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::regclass
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
"""


def restore(
    place: Installation,
    folder: Path,
    *,
    replace: bool = False,
    verified: bool = False,
    progress: rows.Progress = rows.silent,
) -> Manifest:
    """Make the installation what it was when a backup was taken, and return what the backup says of itself.

    With `replace` an installation that has something in it is given up for the backup. With `verified` every row, file
    and timeline is read again and compared before it takes its place.

    Raises:
        Invalid: the backup is damaged, or newer than this wuye. Conflict: the installation is not empty, or in use.
        Misconfigured: it has another secret than the backup.
    """
    manifest = check(folder, progress=progress)
    refuse_newer(place, manifest)
    _agree_on_secret(place, folder, manifest)
    _refuse_to_overwrite(place, replace=replace)
    with fresh_database(place, RESTORING) as fresh:
        migrate.upgrade(fresh, place.plugins, to=manifest.revisions)
        _load(fresh, folder, manifest, progress)
        _bring_files(place.settings.data, folder, progress)
        if verified:
            verify(fresh, place.settings.data, files_of(folder), manifest, progress=progress)
        migrate.upgrade(fresh, place.plugins)
        fresh.dispose()
        _swap(place)
    _sweep(place.settings.data, folder)
    return manifest


def refuse_newer(place: Installation, manifest: Manifest) -> None:
    """Refuse an archive whose tables this wuye does not know.

    Raises:
        Invalid: it is of a newer version, or plugins are not installed here that it has tables of.
    """
    loaded = place.plugins.loaded
    absent = sorted(name for name in manifest.revisions if name not in loaded)
    newer = sorted(
        name for name, now in manifest.revisions.items() if name in loaded and not migrate.knows(loaded[name], now)
    )
    if newer:
        raise Invalid(
            _("It was written by wuye {version}, whose tables are newer: {names}.", version=manifest.release, names=", ".join(newer)),
            hint=_("Install that version (or a newer one) first."),
        )  # fmt: skip
    if absent:
        raise Invalid(
            _("It has data of plugins that are not installed here: {names}.", names=", ".join(absent)),
            hint=_("Install them first."),
        )


def _agree_on_secret(place: Installation, folder: Path, manifest: Manifest) -> None:
    """See to it that the installation has the backup's secret: without it neither passwords nor tokens fit."""
    path = place.settings.data / "secret"
    if not os.environ.get("WUYE_SECRET") and not path.exists():
        if not manifest.secret:
            raise Misconfigured(
                _("The backup was made without the installation's secret."),
                hint=_("Set WUYE_SECRET to it, or put it into {file}.", file=path),
            )
        places.make_folder(path.parent)
        draft = path.with_suffix(".restoring")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write((folder / SECRET).read_bytes())
        draft.rename(path)
    if fingerprint(place.settings.secret()) != manifest.fingerprint:
        raise Misconfigured(
            _("The installation has another secret than the backup."),
            hint=_("Set WUYE_SECRET to the backup's; or restore into a new folder, which takes it from the backup."),
        )


def _refuse_to_overwrite(place: Installation, *, replace: bool) -> None:
    with door(place.superuser) as outside:
        name = place.database.location.database
        if outside.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone():
            raise _in_use()
    if not replace and holds_something(place):
        raise Conflict(
            _("This installation is not empty."),
            hint=_("--replace gives up all that is in it for the backup. Or name a new folder with --data."),
        )


def _in_use() -> Conflict:
    return Conflict(_("Somebody is connected to the database."), hint=_("Stop wuye serve and wuye worker first."))


def _load(fresh: Database, folder: Path, manifest: Manifest, progress: rows.Progress) -> None:
    """Load all tables, in one transaction.

    Raises:
        Invalid: the rows do not fit together, or the tables.
    """
    with fresh.engine("owner").begin() as connection:
        driver = cast(rows.Connection, connection.connection.driver_connection)
        rows.prepare(driver)
        try:
            with _unbound(driver):
                for number, table in enumerate(manifest.tables, 1):
                    _load_table(driver, folder, table, manifest)
                    progress(_("Tables restored"), number, len(manifest.tables))
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:
            raise Invalid(
                _("The rows do not fit together: {reason}", reason=str(error.diag.message_primary))
            ) from error
        for counter, table, column in driver.execute(_COUNTERS).fetchall():
            highest = sql.SQL("SELECT setval({}, max({})) FROM {}")
            driver.execute(highest.format(counter, sql.Identifier(column), sql.Identifier(table)))
        driver.execute("ANALYZE")


@contextmanager
def _unbound(driver: rows.Connection) -> Iterator[None]:
    """Let the owner write into tables whose policies bind even them, in any order.

    The foreign keys are made again at the end, which proves that nothing dangles; before the policies are, since they
    would hide from the proof what it is about.
    """
    keys = driver.execute(_FOREIGN_KEYS).fetchall()
    forced = [sql.Identifier(name) for (name,) in driver.execute(_FORCED)]
    for table, name, _definition in keys:
        driver.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name)))
    for each in forced:
        driver.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(each))
    yield
    for table, name, definition in keys:
        add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        driver.execute(add.format(sql.SQL(table), sql.Identifier(name), sql.SQL(definition)))
    for each in forced:
        driver.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(each))


def _load_table(driver: rows.Connection, folder: Path, table: str, manifest: Manifest) -> None:
    facts, name = manifest.tables[table], sql.Identifier(table)
    if driver.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
        raise Invalid(_("The backup has a table that no installed plugin has: {table}.", table=table))
    driver.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    driver.execute(sql.SQL("TRUNCATE {}").format(name))
    with gzip.open(table_path(folder, table)) as lines:
        count = rows.load(driver, table, facts.columns, lines)
    driver.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))
    if count != facts.rows:
        raise Invalid(_("{table} has {n} rows instead of {wanted}.", table=table, n=count, wanted=facts.rows))


def _bring_files(data: Path, folder: Path, progress: rows.Progress) -> None:
    """Put the backup's files among those that are there; one that no row knows harms nobody."""
    files = files_of(folder)
    for number, file in enumerate(files, 1):
        target = data / "files" / file.path
        if not (target.is_file() and places.digest_of(target) == file.sha256):
            places.make_folder(target.parent)
            draft = target.with_name(f".restoring-{target.name}")
            shutil.copyfile(folder / "files" / file.path, draft)
            draft.chmod(0o600)
            with draft.open("rb") as content:
                os.fsync(content.fileno())
            draft.replace(target)
        progress(_("Files restored"), number, len(files))


def _swap(place: Installation) -> None:
    """Give the restored database its name, in one transaction with the one that had it; then drop that one."""
    mine, replaced = place.database.location.database, beside(place, REPLACED)
    place.close()
    drop(place, replaced)
    engine = create_engine(place.superuser)
    try:
        with engine.begin() as door:
            rename = 'ALTER DATABASE "{}" RENAME TO "{}"'
            if door.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": mine}):
                door.execute(text(rename.format(mine, replaced)))
            door.execute(text(rename.format(beside(place, RESTORING), mine)))
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.ObjectInUse):
            raise _in_use() from None
        raise
    finally:
        engine.dispose()
    drop(place, replaced)


def _sweep(data: Path, folder: Path) -> None:
    """Delete the files of what was replaced."""
    kept = {data / "files" / file.path for file in files_of(folder)}
    for path in (data / "files").rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
