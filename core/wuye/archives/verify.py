"""Comparing what was restored with what the archive says: rows, files, and the timelines of all estates."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from sqlalchemy import select

from wuye.archives import places, rows
from wuye.archives.manifest import ChainHead, Manifest, StoredFile
from wuye.db.database import Database
from wuye.errors import FieldError, Invalid, Text
from wuye.i18n import _
from wuye.records.models import TimelineHead
from wuye.records.timeline import verify_chain


def verify(
    database: Database,
    data: Path,
    files: Iterable[StoredFile],
    manifest: Manifest,
    *,
    progress: rows.Progress = rows.silent,
) -> None:
    """Read everything again and compare it with an installation's manifest.

    Raises:
        Invalid: something differs; all of it is named.
    """
    differences = [
        *_rows(database, manifest, progress),
        *_chains(database, manifest, progress),
        *_files(data, files, manifest, progress),
    ]
    if differences:
        raise Invalid(
            _("What was restored is not what the backup says."),
            errors=[FieldError(where, reason) for where, reason in differences],
        )


def _rows(database: Database, manifest: Manifest, progress: rows.Progress) -> Iterator[tuple[str, Text]]:
    with database.engine("ops").connect() as connection:
        driver = cast(rows.Connection, connection.connection.driver_connection)
        rows.prepare(driver)
        for number, (table, wanted) in enumerate(manifest.tables.items(), 1):
            found = rows.dump(driver, table, wanted.columns)
            if found.rows != wanted.rows:
                yield table, _("It has {n} rows instead of {wanted}.", n=found.rows, wanted=wanted.rows)
            elif found != wanted:
                yield table, _("Its rows are not those of the backup.")
            progress(_("Tables verified"), number, len(manifest.tables))
        connection.rollback()


def _chains(database: Database, manifest: Manifest, progress: rows.Progress) -> Iterator[tuple[str, Text]]:
    for number, (code, head) in enumerate(manifest.chains.items(), 1):
        with database.session(head.estate_id) as session:
            found = session.scalar(select(TimelineHead))
            if found is None or ChainHead(head.estate_id, found.sequence, found.digest.hex()) != head:
                yield code, _("The end of its timeline is another.")
            for broken in verify_chain(session):
                yield f"{code} #{broken.sequence}", _("The timeline was changed: {reason}.", reason=broken.reason)
        progress(_("Timelines verified"), number, len(manifest.chains))


def _files(
    data: Path, files: Iterable[StoredFile], manifest: Manifest, progress: rows.Progress
) -> Iterator[tuple[str, Text]]:
    for number, file in enumerate(files, 1):
        path = data / "files" / file.path
        if not path.is_file() or places.digest_of(path) != file.sha256:
            yield f"files/{file.path}", _("It is not the file of the backup.")
        progress(_("Files verified"), number, manifest.files)
