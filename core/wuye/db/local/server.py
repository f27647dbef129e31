"""The supervisor: sees to it that an installation's PostgreSQL answers, and stops it."""

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from wuye.db.local import cluster
from wuye.db.local.account import Account, run, server_account
from wuye.db.local.binaries import Binaries, find_binaries, runnable_by
from wuye.db.local.errors import LocalPostgresError
from wuye.db.local.files import POLL_SECONDS, exclusive, open_private, try_lock, write_whole
from wuye.db.local.places import SOCKET_PORT, Places, rooms

_LARGEST_LOG = 10 * 1024 * 1024
_LOG_LINES = 20
_PING_SECONDS = 2  # the least that libpq knows
_LOCALHOST = "127.0.0.1"


class LocalPostgres:
    """A PostgreSQL that serves one installation folder, over a Unix socket (Windows: over 127.0.0.1).

    It outlives the process that started it; any number of processes may use the same folder. Whether it is alive
    is decided by talking to it, never by a process id: ids lie after a crash, in containers above all.

    Args:
        folder: where everything of the server lies; made if it is not there. May be moved or copied while stopped.
        settings: PostgreSQL settings for the next start, over our defaults (`cluster.DEFAULTS`).
        timeout: how many seconds `ensure` and `stop` may take.
        tcp: listen on 127.0.0.1 and a free port instead of a Unix socket.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        timeout: float = 30.0,
        tcp: bool = sys.platform == "win32",
    ) -> None:
        self.places = Places(folder)
        self._settings = settings
        self._timeout = timeout
        self._tcp = tcp

    def __repr__(self) -> str:
        return f"<LocalPostgres {self.places.folder}>"

    # Where it answers

    @property
    def socket_dir(self) -> Path | None:
        """The folder of the Unix socket, None for a server on TCP."""
        return None if self._tcp else self.places.socket_dir

    @property
    def host(self) -> str:
        """What libpq calls the host: the socket's folder, or 127.0.0.1."""
        return _LOCALHOST if self._tcp else str(self.places.socket_dir)

    @property
    def port(self) -> int:
        """The TCP port (0 before the first start), or the number in the socket's name."""
        if not self._tcp:
            return SOCKET_PORT
        try:
            return int(self.places.port.read_text("ascii"))
        except FileNotFoundError:
            return 0

    def superuser_url(self, dbname: str = "postgres") -> str:
        """Return a libpq URL of the superuser, for making roles and databases only.

        Raises:
            LocalPostgresError: there is no password yet (`ensure` makes it), or it has been lost.
        """
        return self.url(cluster.SUPERUSER, self._password(), dbname)

    def url(self, role: str, password: str, dbname: str) -> str:
        """Return a libpq URL (`postgresql://…`) of a role; valid once `ensure` has run."""
        login = f"{quote(role, safe='')}:{quote(password, safe='')}"
        if self._tcp:
            return f"postgresql://{login}@{_LOCALHOST}:{self.port}/{quote(dbname, safe='')}"
        return f"postgresql://{login}@/{quote(dbname, safe='')}?host={quote(self.host, safe='')}&port={self.port}"

    # Its life

    def ensure(self) -> None:
        """Return when the server answers: create it if it is new, start it if it is not running.

        Cheap when it runs (some milliseconds); may be called by several processes at once.

        Raises:
            LocalPostgresError: it cannot be found, created or started; the text holds the end of the server's log.
        """
        deadline = time.monotonic() + self._timeout
        with self._explained():
            self.places.check_home()
            self.places.check_socket_dir(None)
            if self._ping() is Ping.OK:
                return
            self.places.make_folder(for_others=server_account(self.places.folder) is not None)
            with exclusive(self.places.lock, deadline):
                self._start_until_it_answers(deadline)

    def answers(self) -> bool:
        """Return whether the server runs and takes connections; starts nothing."""
        return self._ping() is Ping.OK

    def stop(self) -> None:
        """Shut the server down: open transactions are rolled back, connections closed. Does nothing if none runs.

        Call it in the container, or on the machine, that runs the server.

        Raises:
            LocalPostgresError: it has not stopped in time.
        """
        if not self.places.folder.is_dir():
            return
        deadline = time.monotonic() + self._timeout
        with self._explained(), exclusive(self.places.lock, deadline):
            self.places.check_home()
            # A server that answers, be it "not yet", keeps its pid file right; without an answer the number may
            # be a stranger's (on Windows pg_ctl tells them apart).
            if sys.platform == "win32" or self._ping() in (Ping.OK, Ping.REJECT):
                self._shut_down()
            while self._is_anybody_left():
                if time.monotonic() > deadline:
                    raise LocalPostgresError(
                        f"The database in {self.places.folder} has not stopped within {self._timeout:g} s."
                        f" See {self.places.log}."
                    )
                time.sleep(POLL_SECONDS)

    def remove(self) -> None:
        """Stop the server and delete its data and everything else it has written; for tests and uninstalling."""
        self.stop()
        self.places.delete()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LocalPostgresError(
                f"The database in {self.places.folder} cannot be started or stopped: {error}."
                " If another account made the folder, use that one."
            ) from error

    def _ping(self) -> Ping:
        if self._tcp:
            return self._log_in()
        conninfo = make_conninfo(
            host=self.host,
            port=self.port,
            user=cluster.SUPERUSER,
            dbname="postgres",
            connect_timeout=_PING_SECONDS,
        )
        return Ping(PGconn.ping(conninfo.encode()))

    def _log_in(self) -> Ping:
        # Our port may be another program's by now, or that of the server from whose folder this one was copied.
        if not (self.port and self.places.password.exists() and self.places.cluster.exists()):
            return Ping.NO_RESPONSE
        try:
            with psycopg.connect(self.superuser_url(), connect_timeout=_PING_SECONDS) as connection:
                (served,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        except psycopg.OperationalError:
            return Ping.NO_RESPONSE
        return Ping.OK if Path(served) == self.places.cluster else Ping.NO_RESPONSE

    def _start_until_it_answers(self, deadline: float) -> None:
        account = server_account(self.places.cluster, self.places.folder)
        self.places.settle(account)
        attempts_left = 2 if self._tcp else 1  # somebody else may take a TCP port while we start
        log_begins = 0
        while (answer := self._ping()) is not Ping.OK:
            # Who gets this lock knows that no process of a server is left: neither one that is starting or hangs,
            # nor children that outlive a killed one for a moment.
            alone = try_lock(self.places.alive) if answer is not Ping.REJECT else None
            if alone is not None:
                try:
                    if not attempts_left:
                        raise LocalPostgresError(self._complaint("has stopped while starting", log_begins))
                    attempts_left -= 1
                    log_begins = self._start(account, alone)
                finally:
                    os.close(alone)
            elif time.monotonic() > deadline:
                what = "is still starting, perhaps recovering from a crash,"
                if answer is not Ping.REJECT:
                    what = "does not answer, and a process of it (see ps) is still at work"
                raise LocalPostgresError(self._complaint(f"{what} after {self._timeout:g} s", log_begins))
            else:
                time.sleep(POLL_SECONDS)

    def _start(self, account: Account | None, alive: int) -> int:
        """Start the server, which keeps the lock `alive`; return where its messages begin in the log."""
        places = self.places
        binaries = self._binaries(account)
        if not places.cluster.exists():
            durable = self._settings.get("fsync") != "off"
            cluster.create(places.cluster, binaries, account, self._password(new=True), durable=durable)
        cluster.take_over(places.cluster, account)
        cluster.configure(places.cluster, {**self._address(account), **self._settings})
        if sys.platform != "win32":  # which looks for the process more thoroughly
            cluster.clear_leftovers(places.cluster, places.socket_dir)
        return self._launch(binaries, account, alive)

    def _binaries(self, account: Account | None) -> Binaries:
        major = cluster.major_version(self.places.cluster)
        try:
            found = find_binaries(major)
        except LocalPostgresError as error:
            if major is None:
                raise
            raise LocalPostgresError(
                f"The data in {self.places.cluster} were made by PostgreSQL {major}, and no other major version can"
                f" read them. {error} Install PostgreSQL {major} (or name the folder of its programs in"
                f" WUYE_POSTGRES_BIN). To change to a newer version, dump everything with {major}'s pg_dumpall and"
                " restore it into a new folder."
            ) from error
        return runnable_by(account, found, rooms(account)) if account else found

    def _password(self, *, new: bool = False) -> str:
        path = self.places.password
        if new and not path.exists():
            write_whole(path, secrets.token_urlsafe(32))
        try:
            return path.read_text("ascii").strip()
        except FileNotFoundError:
            raise LocalPostgresError(
                f"The superuser's password is missing: there is no {path}. It is made with the database; bring it"
                " back from wherever the rest of the folder came from."
            ) from None

    def _address(self, account: Account | None) -> dict[str, str]:
        if self._tcp:
            port = _free_port(self.port)
            write_whole(self.places.port, str(port), 0o644)
            return {"listen_addresses": _LOCALHOST, "port": str(port), "unix_socket_directories": ""}
        self.places.make_socket_dir(account)
        quoted = str(self.places.socket_dir).replace('"', '""')
        return {"listen_addresses": "", "port": str(self.port), "unix_socket_directories": f'"{quoted}"'}

    def _launch(self, binaries: Binaries, account: Account | None, alive: int) -> int:
        log = self.places.log
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        data: tuple[str | Path, ...] = ("-D", self.places.cluster)
        with os.fdopen(open_private(log, os.O_WRONLY | os.O_APPEND), "ab") as output:
            begins = output.seek(0, os.SEEK_END)
            if sys.platform == "win32":
                # Only pg_ctl sheds an administrator's rights, which PostgreSQL refuses. It waits for the answer.
                limit = f"--timeout={self._timeout:.0f}"
                pg_ctl = binaries.program("pg_ctl")
                run([pg_ctl, "start", "--wait", "--silent", limit, *data], account, output=output)
            else:
                # By way of a shell that ends at once, so that the server is no child of ours to be waited for.
                command = ["/bin/sh", "-c", '"$@" &', "sh", binaries.program("postgres"), *data]
                run(command, account, output=output, keep=(alive,))
        return begins

    def _shut_down(self) -> None:
        if sys.platform == "win32":
            if not (self.places.cluster / "postmaster.pid").exists():
                return
            pg_ctl = self._binaries(None).program("pg_ctl")
            limit = f"--timeout={self._timeout:.0f}"
            run([pg_ctl, "stop", "--wait", "--mode=fast", limit, "-D", self.places.cluster], None)
            return
        try:
            pid = int((self.places.cluster / "postmaster.pid").read_text("utf-8").split()[0])
            os.kill(pid, signal.SIGINT)
        except (FileNotFoundError, IndexError):
            return  # it is ending already
        except (ProcessLookupError, PermissionError) as error:
            raise LocalPostgresError(
                f"The database in {self.places.folder} runs in another container or under another account:"
                " stop it from there."
            ) from error

    def _is_anybody_left(self) -> bool:
        if not self.places.alive.exists():
            return False
        descriptor = try_lock(self.places.alive)
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def _complaint(self, what: str, log_begins: int) -> str:
        log = self.places.log
        lines = log.read_bytes()[log_begins:].decode(errors="replace").splitlines() if log.exists() else []
        said = "\n".join(lines[-_LOG_LINES:]) or "(nothing)"
        return (
            f"The database in {self.places.folder} {what}. Remove the cause that its log names, or wait and try"
            f" again. The end of {log}:\n{said}"
        )


def _free_port(wanted: int) -> int:
    """Return the wanted port if it is free, so that an address stays what it was, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            if sys.platform != "win32":  # as PostgreSQL does: connections that have just ended do not hold a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOCALHOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalPostgresError(f"There is no free TCP port on {_LOCALHOST}.")
