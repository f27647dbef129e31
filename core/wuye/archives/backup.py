"""Backing up an installation while it serves: all rows of one moment, then the files that they speak of.

A file is stored before the row that speaks of it is committed, so every file of that moment is there to be copied.
"""

import gzip
import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import psycopg

from wuye import __version__
from wuye.archives import places, rows
from wuye.archives.manifest import (
    FILE_LIST,
    SECRET,
    SETTINGS,
    ChainHead,
    Manifest,
    StoredFile,
    TableFacts,
    write_manifest,
)
from wuye.files import storage
from wuye.i18n import _
from wuye.installation import Installation

#: Tables that are made anew from the secret, or that say who is at work now.
_LEFT_OUT = {"core_key", "procrastinate_workers"}
#: Columns that mean nothing without those.
_LEFT_OUT_OF = {"procrastinate_jobs": {"worker_id"}}

_TABLES = """
SELECT relname::text FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY relname
"""

_HEADS = """
SELECT e.code, e.id, h.sequence, encode(h.digest, 'hex')
FROM core_timeline_head h JOIN core_estate e ON e.id = h.estate_id ORDER BY e.code
"""

#: Where a file is kept below the data folder: the estate's folder, or that of what waits to be imported.
_FILES = """
SELECT DISTINCT estate_id, '', sha256 FROM core_attachment
UNION SELECT DISTINCT estate_id, 'imports', sha256 FROM core_import_run
ORDER BY 1, 2, 3
"""

_CHUNK = 1 << 20


def back_up(
    place: Installation, target: Path, *, secret: bool = True, progress: rows.Progress = rows.silent
) -> Manifest:
    """Write a backup of the installation into a new folder, and return what it says of itself.

    Files that a backup beside it has already are not copied again, where the file system knows hard links. With `secret`
    the installation's secret is in it.

    Raises:
        Conflict: the folder exists. OSError: the disk is full, or may not be written to.
    """
    at = place.clock.now()
    with places.draft(target) as folder, place.database.engine("ops").connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        driver = cast(rows.Connection, connection.connection.driver_connection)
        rows.prepare(driver)
        revisions = rows.revisions_of(driver)
        tables = _dump_tables(driver, folder, progress)
        chains = {code: ChainHead(*rest) for code, *rest in driver.execute(_HEADS)}
        wanted = list(_wanted(driver))
        server = driver.info.parameter_status("server_version") or ""
        connection.rollback()
        files, missing = _copy_files(place.settings.data, folder, _known(target), wanted, progress)
        _copy_secrets(place, folder, secret=secret)
        manifest = Manifest(
            kind="installation", at=at, release=__version__, server=server, revisions=revisions, tables=tables,
            chains=chains, files=len(files), file_bytes=sum(file.size for file in files),
            file_list=_write_list(folder, files), missing=tuple(missing), fingerprint=fingerprint(place.database.secret),
            secret=secret,
        )  # fmt: skip
        write_manifest(folder, manifest)
    return manifest


def fingerprint(secret: bytes) -> str:
    """Return what tells whether two secrets are the same, without telling either."""
    return hmac.new(secret, b"fingerprint of the secret", hashlib.sha256).hexdigest()[:32]


def tables_of(driver: rows.Connection) -> list[str]:
    """Return the tables that a backup has, those of plugins that are not loaded included."""
    found = [name for (name,) in driver.execute(_TABLES)]
    return [name for name in found if name not in _LEFT_OUT and not name.endswith("_alembic_version")]


def _dump_tables(driver: rows.Connection, folder: Path, progress: rows.Progress) -> dict[str, TableFacts]:
    (folder / "tables").mkdir(mode=0o700)
    written, names = {}, tables_of(driver)
    for number, table in enumerate(names, 1):
        columns = [name for name in rows.columns_of(driver, table) if name not in _LEFT_OUT_OF.get(table, ())]
        with (
            places.created(folder / "tables" / f"{table}.jsonl.gz") as file,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as sink,
        ):
            written[table] = rows.dump(driver, table, columns, sink=cast(BinaryIO, sink))
        progress(_("Tables"), number, len(names))
    return written


def _wanted(driver: psycopg.Connection[Any]) -> Iterator[tuple[str, bool]]:
    """Yield the files that rows speak of, below the data folder's `files`, and whether each must be there."""
    for estate_id, kind, sha256 in driver.execute(_FILES):
        folder = Path(str(estate_id)) / kind
        yield storage.path_of(folder, sha256).as_posix(), True
        if not kind:
            yield storage.path_of(folder, sha256, thumb=True).as_posix(), False


def _known(target: Path) -> dict[str, tuple[Path, StoredFile]]:
    """Return the files of the newest complete backup beside this one, by their path."""
    for folder in reversed(places.backups_in(target.parent)):
        return {file.path: (folder / "files" / file.path, file) for file in files_of(folder)}
    return {}


def _copy_files(
    data: Path,
    folder: Path,
    known: dict[str, tuple[Path, StoredFile]],
    wanted: list[tuple[str, bool]],
    progress: rows.Progress,
) -> tuple[list[StoredFile], list[str]]:
    files, missing = [], []
    for number, (path, obligatory) in enumerate(wanted, 1):
        source, target = data / "files" / path, folder / "files" / path
        places.make_folder(target.parent)
        if path in known and _link(known[path][0], target, known[path][1].size):
            files.append(known[path][1])
        elif source.is_file():
            files.append(_copy(source, target, path))
        elif obligatory:
            missing.append(path)
        progress(_("Files"), number, len(wanted))
    return files, missing


def _link(source: Path, target: Path, size: int) -> bool:
    """Give a file of another backup a second name, if it is there and the file system can."""
    try:
        if source.stat().st_size != size:
            return False
        os.link(source, target)
    except OSError:
        return False  # it is then copied
    return True


def _copy(source: Path, target: Path, path: str) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as content, places.created(target) as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    return StoredFile(path, size, digest.hexdigest())


def _write_list(folder: Path, files: list[StoredFile]) -> str:
    digest = hashlib.sha256()
    with places.created(folder / FILE_LIST) as sink:
        for file in files:
            line = orjson.dumps(file) + b"\n"
            digest.update(line)
            sink.write(line)
    return digest.hexdigest()


def files_of(folder: Path) -> list[StoredFile]:
    """Return the files that a backup's list names."""
    with (folder / FILE_LIST).open("rb") as lines:
        return [StoredFile(**orjson.loads(line)) for line in lines]


def _copy_secrets(place: Installation, folder: Path, *, secret: bool) -> None:
    if secret:
        with places.created(folder / SECRET) as file:
            file.write(place.database.secret)
    settings = place.settings.data / SETTINGS
    if settings.is_file():
        shutil.copyfile(settings, folder / SETTINGS)
        (folder / SETTINGS).chmod(0o600)
