"""Where the parts of a private PostgreSQL lie: data, socket, log, locks.

All of it lies in the installation's folder, but for two cases: a folder that the server's account cannot enter (the
data then lie in a `home` elsewhere, and a small file in the folder says where), and a path too long for a socket.
"""

import hashlib
import logging
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wuye.db.local.account import Account, first_closed, give
from wuye.db.local.errors import LocalPostgresError
from wuye.db.local.files import write_whole

SOCKET_PORT = 5432  # part of the socket's name only
_SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
_LONGEST_SOCKET = 103  # bytes: sun_path is 104 on macOS and the BSDs, the closing zero included (108 on Linux)

# Where root keeps what another account must reach; the last two may be swept by the system.
_ROOMS = ("/var/lib", "/srv", "/var/tmp")

_log = logging.getLogger(__name__)


class Places:
    """The paths of one installation folder; made by `prepare`, nothing is written before."""

    def __init__(self, folder: Path) -> None:
        # One server for one folder, whichever link leads to it.
        self.folder = Path(os.path.realpath(folder))
        self.lock = self.folder / "postgres.lock"
        self.log = self.folder / "postgres.log"
        self.password = self.folder / "superuser-password"
        self.port = self.folder / "postgres.port"
        self._pointer = self.folder / "postgres.home"

    @property
    def home(self) -> Path:
        """The folder of the data and the socket: the installation's, or the one that its pointer names."""
        try:
            return Path(self._pointer.read_text("utf-8").strip())
        except FileNotFoundError:
            return self.folder

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data directory."""
        return self.home / "cluster"

    @property
    def alive(self) -> Path:
        """The file whose lock the server and all its children hold as long as one of them lives."""
        return self.home / "cluster.lock"

    @property
    def socket_dir(self) -> Path:
        """The folder of the Unix socket."""
        beside = self.home / "socket"
        # libpq takes a comma for the end of a host, and knows no way to say otherwise.
        if len(os.fsencode(beside / _SOCKET_NAME)) <= _LONGEST_SOCKET and "," not in str(beside):
            return beside
        # Not TMPDIR first: it differs between a login, a service and a scheduled job, which must meet here.
        room = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
        return room / f"wuye-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:20]}"

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.socket_dir / _SOCKET_NAME

    def check_socket_dir(self, account: Account | None) -> None:
        """Refuse a socket folder that somebody else put there: a false server would be told passwords.

        Raises:
            LocalPostgresError: it belongs to neither us nor root nor the server's account.
        """
        try:
            status = self.socket_dir.lstat()
        except FileNotFoundError:
            return
        ours = {0, account.uid if account else 0}
        if sys.platform != "win32":
            ours.add(os.geteuid())
        if self.cluster.exists():
            ours.add(self.cluster.stat().st_uid)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in ours:
            raise LocalPostgresError(
                f"{self.socket_dir} belongs to another account of this machine, so the database's socket cannot be"
                " put there. Have it removed, or choose a shorter path for the installation's folder."
            )

    def make_socket_dir(self, account: Account | None) -> None:
        """Make the socket's folder, writable to the server, and open to others only where root shares the server."""
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self.check_socket_dir(account)
        give(self.socket_dir, account)
        self.socket_dir.chmod(0o755 if account else 0o700)

    def make_folder(self, *, for_others: bool) -> None:
        """Make the installation's folder if it is not there."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711 if for_others else 0o700)

    def settle(self, account: Account | None) -> None:
        """Decide, once, where the data lie.

        Raises:
            LocalPostgresError: they lie where the server's account cannot reach them.
        """
        if self._pointer.exists():
            return
        closed = first_closed(self.folder, account)
        if account is None or closed is None:
            return
        if self.cluster.exists():
            raise LocalPostgresError(
                f"The account {account.name}, as which PostgreSQL runs, may not enter {closed}, so it cannot reach"
                f" its data in {self.cluster}. Allow it (chmod o+x {closed}) or move {self.folder} elsewhere."
            )
        home = next(rooms(account)) / secrets.token_hex(8)
        home.mkdir(mode=0o711)
        home.chmod(0o711)
        (home / "belongs-to").write_text(f"{self.folder}\n", "utf-8")
        write_whole(self._pointer, f"{home}\n", 0o644)  # no secret, and others may connect

    def check_home(self) -> None:
        """Check that data kept elsewhere are this folder's, and adopt them if it was moved.

        Raises:
            LocalPostgresError: they are gone, or another folder's of which this is a copy.
        """
        if not self._pointer.exists():
            return
        mark = self.home / "belongs-to"
        if not mark.is_file():
            raise LocalPostgresError(
                f"{self._pointer} says that the database of {self.folder} lies in {self.home}, but it is not there."
                " Bring it back; or, to start with an empty database, delete that file."
            )
        owner = Path(mark.read_text("utf-8").strip())
        if owner == self.folder:
            return
        theirs = owner / self._pointer.name
        if theirs.exists() and theirs.read_text("utf-8").strip() == str(self.home):
            raise LocalPostgresError(
                f"{self.folder} is a copy of {owner}, but the database is in neither: it lies in {self.home} (root"
                f" keeps it there for PostgreSQL's account), and two cannot use it. Dump and restore it, or delete"
                f" {self._pointer} to start with an empty database."
            )
        mark.write_text(f"{self.folder}\n", "utf-8")  # the folder was moved

    def delete(self) -> None:
        """Delete everything that was made for the server; it must have been stopped."""
        home = self.home
        shutil.rmtree(self.socket_dir, ignore_errors=True)
        for path in (self.cluster, self.cluster.with_name("cluster.new")):
            shutil.rmtree(path, ignore_errors=True)
        self.alive.unlink(missing_ok=True)
        if home != self.folder:
            shutil.rmtree(home, ignore_errors=True)
        for path in (
            self._pointer,
            self.password,
            self.port,
            self.log,
            self.log.with_suffix(".log.1"),
            self.lock,
        ):
            path.unlink(missing_ok=True)


def rooms(account: Account) -> Iterator[Path]:
    """Yield root's folders that the account can enter, the most lasting first; each is made when it is asked for.

    Raises:
        LocalPostgresError: there is no (further) one.
    """
    for parent in (*_ROOMS, tempfile.gettempdir()):
        room = Path(parent) / "wuye"
        try:
            if Path(parent).is_dir() and not room.exists():
                room.mkdir()
                room.chmod(0o755)
            status = room.lstat()
        except OSError:
            continue  # a read-only system, or no such place on this one
        # In a place where everybody may write, somebody else may have been first.
        trusted = stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022
        if trusted and first_closed(room, account) is None:
            if parent not in _ROOMS[:2]:
                _log.warning("%s is used for lack of a better place; the system may clean it up.", room)
            yield room
    raise LocalPostgresError(
        f"PostgreSQL does not run as root, and there is no folder that the account {account.name} can reach."
        f" Make {_ROOMS[0]}/wuye (owned by root, mode 0755), or run wuye as an ordinary user."
    )
