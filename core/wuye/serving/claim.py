"""The right to serve: a data folder and a port, each for one group at a time; refused in one line with the way out."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from wuye.db.local import LocalPostgres
from wuye.errors import Unavailable
from wuye.i18n import _
from wuye.installation import Installation
from wuye.serving import locks
from wuye.serving.plan import Plan
from wuye.serving.supervisor import Supervisor

_BACKLOG = 1024

#: For glibc's malloc, in the processes of the group: what is large goes back to the system when it is freed (the 19 MiB of a
#: password's check would stay, once a thread), and threads share two heaps.
_MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}

#: Seconds in which the processes of a group that was killed give back its port.
_AFTER_A_KILL = 3.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What is held: the data folder's lock, the listening socket, and whether the embedded database is ours to stop."""

    place: Installation
    lock: int
    listener: socket.socket
    host: str
    port: int
    stops_database: bool

    def run(self, *, servers: int, worker: bool) -> NoReturn:
        """Become the supervisor of the group, with these descriptors; returns by exiting only."""
        place, address = self.place, f"http://{shown(self.host)}:{self.port}"
        local = place.local
        plan = Plan(
            data=str(place.settings.data),
            lock=self.lock,
            listener=self.listener.fileno(),
            address=address,
            servers=servers,
            worker=worker,
            database=str(local.places.folder) if local else "",
            database_socket=str(local.places.socket) if local else "",
            stop_database=self.stops_database,
            text_stopped=str(_("Stopped.")),
            text_database_kept=str(_("The database keeps running, as it did before. `wuye stop` ends it.")),
            text_database_left=str(_("The database has not stopped; see its log in the data folder.")),
        )
        os.environ["WUYE_DATA"] = str(place.settings.data)
        for name, value in _MEMORY.items():
            os.environ.setdefault(name, value)
        os.environ["WUYE_DEMO"] = "true" if place.settings.demo else "false"
        locks.write(self.lock, {"pid": os.getpid(), "address": address, "stops_database": self.stops_database})
        place.close()
        if sys.platform == "win32":
            sys.exit(Supervisor(plan).run())
        for descriptor in (self.lock, self.listener.fileno()):
            os.set_inheritable(descriptor, True)
        sys.stderr.flush()
        # In place of this process, so that the application which it has loaded for its checks does not stay.
        os.execv(sys.executable, [sys.executable, "-P", "-m", "wuye.serving", plan.as_text()])  # noqa: S606 (ourselves)


@contextlib.contextmanager
def claimed(place: Installation, host: str, port: int) -> Iterator[Claim]:
    """Hold the data folder and the port; if the block fails, what it started is stopped again.

    Raises:
        Unavailable: another server has the one or the other.
        Misconfigured: the installation's secret cannot be used.
    """
    place.settings.secret()  # before anything is started
    local = place.local
    was_running = local is not None and local.answers()
    lock = _lock(place)
    try:
        before = locks.read(lock)
        listener = _listen(host, port, patience=_AFTER_A_KILL if before else 0.0)
    except BaseException:
        os.close(lock)
        raise
    # A group that was killed could not stop the database that it had started: its successor does.
    stops = local is not None and (not was_running or bool(before.get("stops_database")))
    try:
        yield Claim(place, lock, listener, host, port, stops)
    except BaseException:
        listener.close()
        os.close(lock)
        if local is not None and not was_running:
            _stop(place, local)
        raise


def shown(host: str) -> str:
    """Return a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _lock(place: Installation) -> int:
    lock = locks.take(place.settings.data, locks.SERVER)
    if lock is not None:
        return lock
    other = next((each.says for each in locks.holders(place.settings.data) if each.name == locks.SERVER), {})
    raise Unavailable(
        _(
            "{folder} is being served already, at {address} by process {pid}: `wuye stop` ends that, `--workers` adds"
            " server processes, `--data` names another folder.",
            folder=place.settings.data,
            address=other.get("address", "?"),
            pid=other.get("pid", "?"),
        )
    )


def _listen(host: str, port: int, *, patience: float) -> socket.socket:
    """Return a listening socket that nobody shares.

    Raises:
        Unavailable: the port is taken, or the address is none of this machine's.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            family, kind, protocol, _name, where = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
            try:
                if sys.platform != "win32":  # connections that have just ended do not hold a port
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(where)
                listener.listen(_BACKLOG)
            except BaseException:
                listener.close()
                raise
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise Unavailable(
                _(
                    "{host}:{port} cannot be listened at ({reason}): another program has it. `--port` takes another one.",
                    host=shown(host),
                    port=port,
                    reason=error.strerror or error,
                )
            ) from error
        listener.setblocking(False)
        return listener


def _stop(place: Installation, local: LocalPostgres) -> None:
    place.close()
    local.stop()


def stop(place: Installation, seconds: float) -> list[str]:
    """Stop whatever runs on an installation's folder, the embedded database last; return the names of what ran.

    Raises:
        Unavailable: something belongs to another account or container, or has not ended in time.
        LocalPostgresError: the database has not.
    """
    ran = []
    deadline = time.monotonic() + seconds
    for holder in locks.holders(place.settings.data):
        ran.append(holder.name)
        try:
            os.kill(holder.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            raise Unavailable(
                _("{name} runs in another container or under another account: stop it from there.", name=holder.name)
            ) from error
    while still := locks.holders(place.settings.data):
        if time.monotonic() > deadline:
            raise Unavailable(
                _("{name} (process {pid}) has not ended in time.", name=still[0].name, pid=still[0].pid),
                hint=_("Wait for it, or end that process."),
            )
        time.sleep(0.05)
    if place.local is not None and place.local.answers():
        ran.append("postgres")
        place.local.stop()
    return ran
