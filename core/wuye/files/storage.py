"""The bytes of attachments, in the data folder under the name of what they contain: `files/<estate>/ab/abcd…`.

A file is written when the step is sealed, before the row that speaks of it is committed, so a row never lacks its file
and what is refused leaves none; what a rollback leaves behind after that is a file that nobody knows, which harms nobody
and is the same when it comes again.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

#: What is swept away lay untouched for this long (seconds): a step that has just stored it may not have its row yet.
REST = 3600.0

_CHUNK = 1 << 20
_THUMB = ".thumb"


def folder_of(data: Path, estate_id: UUID) -> Path:
    """Return the folder of an estate's files below the data folder; it need not exist."""
    return data / "files" / str(estate_id)


def imports_of(data: Path, estate_id: UUID) -> Path:
    """Return the folder of the files that wait to be imported; it goes with the estate's, but no attachment is in it."""
    return folder_of(data, estate_id) / "imports"


def path_of(folder: Path, sha256: str, *, thumb: bool = False) -> Path:
    """Return where the content with this digest (hex) is kept in an estate's folder, or its thumbnail."""
    return folder / sha256[:2] / f"{sha256}{_THUMB if thumb else ''}"


def measure(stream: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 (hex) and the size in bytes of what a seekable stream contains."""
    stream.seek(0)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # it can be read
    return digest, stream.seek(0, 2)


def put(folder: Path, stream: BinaryIO, thumb: bytes | None = None) -> tuple[str, int]:
    """Keep what a seekable stream contains, with its thumbnail, and return its SHA-256 (hex) and size in bytes.

    Both are on the disk when this returns.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    digest, size = hashlib.sha256(), 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream.seek(0)
    draft, file = _draft(folder)
    try:
        with file:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        target = path_of(folder, digest.hexdigest())
        _place(draft, target, size)
    finally:
        draft.unlink(missing_ok=True)
    if thumb is not None:
        _put_thumb(folder, digest.hexdigest(), thumb)
    return digest.hexdigest(), size


def known(folder: Path) -> Iterator[Path]:
    """Yield every kept file of an estate, thumbnails included."""
    return (path for path in folder.glob("??/*") if path.is_file())


def sweep(folder: Path, keep: Collection[str], *, rest: float = REST) -> int:
    """Delete the files whose digest is not one of `keep`, unless they were stored within the last `rest` seconds.

    Returns how many files went.
    """
    latest, count = time.time() - rest, 0
    for path in list(known(folder)):
        if path.name.removesuffix(_THUMB) not in keep and path.stat().st_mtime <= latest:
            path.unlink(missing_ok=True)
            count += 1
    return count


def forget(folder: Path) -> None:
    """Delete an estate's folder with everything in it."""
    if folder.is_dir():
        shutil.rmtree(folder)


def _draft(folder: Path) -> tuple[Path, BinaryIO]:
    """Return a new file that only its owner may read, open for writing."""
    descriptor, name = tempfile.mkstemp(prefix=".draft-", dir=folder)
    return Path(name), os.fdopen(descriptor, "wb")


def _place(draft: Path, target: Path, size: int) -> None:
    """Give a finished draft its name. What is there already is the same, and only becomes young again."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if target.is_file() and target.stat().st_size == size:
        os.utime(target)
        return
    draft.replace(target)
    if sys.platform != "win32":  # the name is on the disk only when its folder is
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put_thumb(folder: Path, sha256: str, thumb: bytes) -> None:
    draft, file = _draft(folder)
    try:
        with file:
            file.write(thumb)
            file.flush()
            os.fsync(file.fileno())
        _place(draft, path_of(folder, sha256, thumb=True), len(thumb))
    finally:
        draft.unlink(missing_ok=True)
