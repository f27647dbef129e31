"""Checking a backup as it lies there: that each of its files is what was written."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from wuye.archives import places, rows
from wuye.archives.backup import files_of
from wuye.archives.manifest import FILE_LIST, Manifest, read_manifest
from wuye.errors import FieldError, Invalid, Text
from wuye.i18n import _

_CHUNK = 1 << 20


def check(folder: Path, *, progress: rows.Progress = rows.silent) -> Manifest:
    """Read all of a backup, and return its manifest.

    Raises:
        Invalid: it is no complete backup, or parts of it are damaged or gone; all of them are named.
    """
    manifest = read_manifest(folder)
    damaged = [*_tables(folder, manifest, progress), *_files(folder, manifest, progress)]
    if damaged:
        raise Invalid(
            _("{n} parts of the backup {folder} are damaged.", n=len(damaged), folder=folder),
            errors=[FieldError(path, reason) for path, reason in damaged],
            hint=_("Take another backup: what is damaged cannot be restored."),
        )
    return manifest


def table_path(folder: Path, table: str) -> Path:
    """Return where a backup keeps the rows of a table."""
    return folder / "tables" / f"{table}.jsonl.gz"


def _tables(folder: Path, manifest: Manifest, progress: rows.Progress) -> Iterator[tuple[str, Text]]:
    for number, (table, facts) in enumerate(manifest.tables.items(), 1):
        path, digest = table_path(folder, table), hashlib.sha256()
        try:
            with gzip.open(path) as content:
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            yield path.name, _("It is gone.")
        except (OSError, EOFError, zlib.error):
            yield path.name, _("It cannot be read.")
        else:
            if digest.hexdigest() != facts.sha256:
                yield path.name, _("It is not what was written.")
        progress(_("Tables checked"), number, len(manifest.tables))


def _files(folder: Path, manifest: Manifest, progress: rows.Progress) -> Iterator[tuple[str, Text]]:
    path = folder / FILE_LIST
    try:
        noted = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        noted = ""
    if noted != manifest.file_list:
        yield path.name, _("It is not what was written.")
        return
    for number, file in enumerate(files_of(folder), 1):
        try:
            if places.digest_of(folder / "files" / file.path) != file.sha256:
                yield f"files/{file.path}", _("It is not what was written.")
        except OSError:
            yield f"files/{file.path}", _("It is gone.")
        progress(_("Files checked"), number, manifest.files)
