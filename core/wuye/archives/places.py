"""Where backups lie: names of their moment, never a half-written one, old ones thinned out."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from wuye.errors import Conflict
from wuye.i18n import _

#: The last file of a backup: where it is, all of the backup is.
MANIFEST = "manifest.json"

_NAME = "%Y%m%dT%H%M%SZ"


def name_of(at: datetime) -> str:
    """Return the name of a backup that is made at a moment (UTC): 20260301T183000Z."""
    return at.strftime(_NAME)


def moment_of(folder: Path) -> datetime | None:
    """Return the moment (UTC) that a backup's name tells, None if somebody has named it otherwise."""
    try:
        return datetime.strptime(folder.name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def backups_in(folder: Path) -> list[Path]:
    """Return the complete backups directly in a folder, the oldest first by name."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if not path.name.startswith(".") and (path / MANIFEST).is_file())
    return sorted(found)


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Make a folder that gets the name `target` when the block ends well, and is removed when it does not.

    Raises:
        Conflict: there is something under that name already.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            _("{folder} exists already, and is not overwritten.", folder=target), hint=_("Choose another name.")
        )
    make_folder(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        yield folder
        settle(folder)
        folder.rename(target)
        settle(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder with those above it that are not there; what is made only its owner may enter."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Make a file that its owner alone may read, and that is on the disk when the block has ended."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def settle(folder: Path) -> None:
    """Have a folder's names on the disk when this returns."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
