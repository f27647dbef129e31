"""Who runs on a data folder: each process that lasts holds a lock there, which ends with it however it ends.

A lock says that somebody is alive, which no process id can; the text in it says who.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FOLDER = "run"
SERVER = "serve"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that runs on a data folder: its name (`serve`, `worker-…`), and what it says of itself."""

    name: str
    pid: int
    says: dict[str, Any]


def take(data: Path, name: str) -> int | None:
    """Return a descriptor that holds the lock of this name in a data folder, None when another process has it."""
    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    descriptor = os.open(_path(data, name), os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    for _attempt in range(10):
        if _locked(descriptor):
            return descriptor
        time.sleep(0.02)  # whoever only looks (`holders`) has it for a moment
    os.close(descriptor)
    return None


def read(descriptor: int) -> dict[str, Any]:
    """Return what the lock's last holder said of itself; nothing if it ended in order."""
    text = os.pread(descriptor, 4096, 0) if sys.platform != "win32" else b""
    with contextlib.suppress(ValueError):  # it was killed while it wrote
        said = json.loads(text or b"{}")
        return said if isinstance(said, dict) else {}
    return {}


def write(descriptor: int, says: dict[str, Any] | None) -> None:
    """Say who holds a lock; None when it ends in order."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    if says is not None:
        os.write(descriptor, json.dumps(says).encode())


@contextlib.contextmanager
def held(data: Path, name: str) -> Iterator[None]:
    """Hold a lock of this process's own for as long as the block lasts."""
    descriptor = take(data, name)
    if descriptor is None:
        raise RuntimeError(f"{_path(data, name)} is held by another process")
    try:
        write(descriptor, {"pid": os.getpid()})
        yield
    finally:
        _path(data, name).unlink(missing_ok=True)
        os.close(descriptor)


def holders(data: Path) -> list[Holder]:
    """Return the processes that run on a data folder now."""
    found = []
    for path in sorted((data / FOLDER).glob("*.lock")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # it has ended meanwhile
        try:
            if not _locked(descriptor):
                says = read(descriptor)
                found.append(Holder(path.stem, int(says.get("pid", 0)), says))
        finally:
            os.close(descriptor)
    return found


def _path(data: Path, name: str) -> Path:
    return data / FOLDER / f"{name}.lock"


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
