"""Exports of an older version: filled into tables as they were then, migrated, and exported anew."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from wuye.archives import places, rows
from wuye.archives.estate_archive import EstateArchive
from wuye.archives.estate_export import write_export
from wuye.archives.estate_rows import Change, load_estate
from wuye.archives.fresh import scratch_database
from wuye.db import migrate
from wuye.installation import Installation, find_estate


@contextmanager
def brought_up_to_date(
    place: Installation, archive: EstateArchive, without: Collection[str], progress: rows.Progress
) -> Iterator[EstateArchive]:
    """Yield the rows of an older export as this version has them: an export without files and members.

    It takes a database of its own, beside the installation's, for as long as it lasts.

    Raises:
        Invalid: the rows do not fit together.
    """
    manifest = archive.manifest
    identity, code = UUID(manifest.estate["id"]), manifest.estate["code"]
    left_out = {*without, *(name for name in manifest.revisions if name not in place.plugins.loaded)}
    then = {name: revision for name, revision in manifest.revisions.items() if name not in left_out}
    exports = place.settings.data / "exports"
    places.make_folder(exports)
    with tempfile.TemporaryDirectory(prefix=".older-", dir=exports) as folder:
        file = Path(folder) / "migrated.zip"
        with scratch_database(place, "importing") as scratch:
            migrate.upgrade(scratch, place.plugins, to=then)
            with scratch.session() as session:
                load_estate(session, archive, Change(identity, identity, code), left_out, progress)
            migrate.upgrade(scratch, place.plugins)
            with scratch.session() as session:
                info = find_estate(session, code)
            with scratch.session(identity) as session:
                write_export(session, info, Path(folder), manifest.at, file)
        with EstateArchive.open(file) as migrated:
            yield migrated
