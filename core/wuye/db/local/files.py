"""Files that only their owner may read, and locks that hold between processes."""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wuye.db.local.errors import LocalPostgresError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_SECONDS = 0.02


def open_private(path: Path, flags: int) -> int:
    """Open a file, made with mode 0600 if it is new; one that root makes belongs to the owner of its folder.

    A symbolic link is refused: the folder's owner could point root at any file of the machine.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags)
    if sys.platform != "win32" and os.geteuid() == 0:
        parent = path.parent.stat()
        os.fchown(descriptor, parent.st_uid, parent.st_gid)
    return descriptor


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a small file so that a reader, or a power cut, finds the old text or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as file:
        file.write(text)
        draft.chmod(mode)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock on this file, or None when somebody else holds it.

    On Unix the lock belongs to the open file, so a process that inherits the descriptor, and its children, keep it.
    """
    descriptor = open_private(path, os.O_RDWR)
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def exclusive(path: Path, deadline: float) -> Iterator[None]:
    """Hold the lock on this file, waiting for it until `deadline` (of `time.monotonic`).

    Raises:
        LocalPostgresError: another process held it all the time.
    """
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise LocalPostgresError(
                f"Another process has been starting or stopping the database of {path.parent} for too long"
                f" (it holds {path}). Wait for it or end it, then try again."
            )
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            # Said aloud: closing would not release it if another thread forked meanwhile.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
