"""As whom the server runs: PostgreSQL refuses to be root, so root lends it an ordinary account of the machine."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wuye.db.local.errors import LocalPostgresError

if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NO_WINDOW  # a console of its own: Ctrl-C in ours must not reach the server
else:
    import pwd

    _CREATION_FLAGS = 0

    def _lent_account(owned: Sequence[Path]) -> "Account":
        for path in owned:
            if path.exists() and (status := path.stat()).st_uid != 0:
                return Account(status.st_uid, status.st_gid, str(status.st_uid))
        for name in _NAMES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return Account(entry.pw_uid, entry.pw_gid, name)
        raise LocalPostgresError(
            "PostgreSQL does not run as root, and this machine has no account 'postgres' or 'nobody' that it could"
            " take. Add one (useradd --system postgres) or run wuye as an ordinary user."
        )


_NAMES = ("postgres", "_postgres", "nobody")

# Only these reach the server: its environment is visible to its account, and ours may hold secrets or PG* settings.
_ENVIRONMENT = (
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "USERPROFILE", "APPDATA",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the machine other than our own."""

    uid: int
    gid: int
    name: str


def server_account(*owned: Path) -> Account | None:
    """Return the account that the server takes, None for the caller's own.

    Only root needs one: the owner of the first of these paths that exists and is not root's (so that somebody's
    folder stays theirs when an administrator runs a command on it), else `postgres`, else `nobody`.

    Raises:
        LocalPostgresError: the machine has none of these.
    """
    if sys.platform != "win32":
        if os.geteuid() == 0:
            return _lent_account(owned)
    return None


def give(path: Path, account: Account | None) -> None:
    """Make a file or folder the account's, never what a symbolic link of that name points at."""
    if sys.platform != "win32" and account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def run(
    command: Sequence[str | Path],
    account: Account | None,
    *,
    output: int | IO[bytes] = subprocess.PIPE,
    keep: tuple[int, ...] = (),
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as this account (None: our own) in a session of its own; its stderr goes where its stdout goes.

    `keep` are the descriptors that it inherits.

    Raises:
        LocalPostgresError: it could not be run at all, or not as this account, or took too long.
    """
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Messages in English, dates as we parse them; our own folder may be closed to that account.
            env=environment | {"LC_ALL": "C"},
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            pass_fds=keep,
            start_new_session=True,
            creationflags=_CREATION_FLAGS,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        whom = f" as the account {account.name}" if account else ""
        raise LocalPostgresError(f"{command[0]} could not be run{whom}: {error}") from error


def first_closed(path: Path, account: Account | None) -> Path | None:
    """Return the topmost of a folder and its parents that the account may not enter, None when it may enter all.

    Asked by trying: mode bits do not tell of access lists or network file systems.
    """
    if account is None:
        return None
    steps = [*reversed(path.parents), path]
    script = 'for step; do test -x "$step" || { printf %s "$step"; exit 1; }; done'
    result = run(["/bin/sh", "-c", script, "sh", *steps], account)
    return None if result.returncode == 0 else Path(os.fsdecode(result.stdout))
