"""Reading the ZIP file of an exported estate: each part is compared with what the manifest says of it as it is read."""

import errno
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from wuye.archives.estate_export import MEMBERS
from wuye.archives.manifest import CHECKSUM, FILE_LIST, Manifest, StoredFile, checksum
from wuye.archives.places import MANIFEST
from wuye.errors import Invalid
from wuye.i18n import _

#: A manifest is read whole; larger ones are not ours.
_LARGEST_MANIFEST = 64 << 20


#: What reading a damaged ZIP file raises, sooner or later.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, ValueError)


class EstateArchive:
    """An open export."""

    def __init__(self, archive: zipfile.ZipFile, file: Path) -> None:
        self._archive = archive
        self._file = file
        try:
            if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
                raise self.damaged(MANIFEST)
            content, noted = archive.read(MANIFEST), archive.read(CHECKSUM)
        except KeyError:
            raise Invalid(_("{file} is no export of an estate, or one of an older version.", file=file.name)) from None
        except _UNREADABLE:
            raise self.damaged(MANIFEST) from None
        except OSError as error:
            raise self._misled(error, MANIFEST) from None
        if noted != checksum(content):
            raise self.damaged(MANIFEST)
        self.manifest = Manifest.decode(content, f"{file.name}: {MANIFEST}")
        if self.manifest.kind != "estate":
            raise Invalid(_("{file} is of another kind: {kind}.", file=file.name, kind=self.manifest.kind))
        if self.manifest.estate.keys() < {"id", "code", "row", "plugins", "plugin", "members"}:
            raise self.damaged(MANIFEST)

    @classmethod
    @contextmanager
    def open(cls, file: Path) -> "Iterator[EstateArchive]":
        """Open an export.

        Raises:
            Invalid: it is none.
        """
        try:
            archive = zipfile.ZipFile(file)
        except _UNREADABLE:
            raise Invalid(
                _("{file} is no ZIP file, or only part of one.", file=file.name),
                hint=_("Choose a file that wuye estate export has written."),
            ) from None
        with archive:
            yield cls(archive, file)

    def damaged(self, part: str) -> Invalid:
        """Return the error of a part that is not what was written."""
        return Invalid(_("{part} in {file} is damaged.", part=part, file=self._file.name))

    def _misled(self, error: OSError, part: str) -> Exception:
        """Return what an error of the file system means: the archive's own directory may have led to nowhere."""
        return self.damaged(part) if error.errno == errno.EINVAL else error

    @contextmanager
    def part(self, name: str) -> Iterator[IO[bytes]]:
        """Open one part.

        Raises:
            Invalid: it is gone, or cannot be read.
        """
        try:
            with self._archive.open(name) as content:
                yield content
        except _UNREADABLE:
            raise self.damaged(name) from None
        except OSError as error:
            raise self._misled(error, name) from None

    def lines(self, table: str) -> Iterator[bytes]:
        """Yield the rows of a table; at the end it is known whether they are what was written.

        Raises:
            Invalid: they are not.
        """
        return self._checked(f"tables/{table}.jsonl", self.manifest.tables[table].sha256)

    def files(self) -> list[StoredFile]:
        """Return the stored files.

        Raises:
            Invalid: the list is damaged, or names a place outside of the estate's folder.
        """
        found = [StoredFile(**orjson.loads(line)) for line in list(self._checked(FILE_LIST, self.manifest.file_list))]
        for file in found:
            folder, _slash, name = file.path.partition("/")
            if len(folder) != 2 or not name.removesuffix(".thumb").isalnum() or not name.startswith(folder):
                raise self.damaged(FILE_LIST)
        return found

    def members(self) -> Iterator[dict[str, Any]]:
        """Yield who was a member.

        Raises:
            Invalid: the list is damaged.
        """
        lines = list(self._checked(MEMBERS, self.manifest.estate["members"]["sha256"]))  # checked before one is read
        return map(orjson.loads, lines)

    def _checked(self, part: str, wanted: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with self.part(part) as content:
            for line in content:
                digest.update(line)
                yield line
        if digest.hexdigest() != wanted:
            raise self.damaged(part)
