"""`wuye serve` in processes of its own, for tests and drills that kill them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wuye.config import Settings
from wuye.db.local import LocalPostgres
from wuye.installation import Installation
from wuye.testing.waiting import DEADLINE, seconds_until

#: How long a server that may be on its way up or down is asked for an answer.
_BRIEFLY = 2.0


def free_port() -> int:
    """Return a TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Group:
    """A process group that serves a data folder: its supervisor, server processes, worker and embedded database."""

    def __init__(self, data: Path, *, port: int = 0, command: tuple[str, ...] = ("serve", "--with-worker")) -> None:
        self.data = data
        self.port = port or free_port()
        self.log = data.with_name(f"{data.name}.log")
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True, **environment: str) -> None:
        """Start the group; wait until it serves."""
        variables = {**os.environ, "WUYE_DATA": str(self.data), "LANG": "en", "LC_ALL": "", **environment}
        command = [sys.executable, "-P", "-m", "wuye", *self._command, "--port", str(self.port)]
        self.log.write_bytes(b"")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, env=variables, start_new_session=True, stderr=output)  # noqa: S603
        if wait:
            seconds_until(self.is_ready, "serving")

    def is_ready(self) -> bool:
        """Return whether requests can be served now."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        with suppress(OSError, http.client.HTTPException):
            return self.ask("/readyz", timeout=_BRIEFLY)[0] == 200
        return False

    def ask(
        self, path: str, body: Any = None, *, method: str = "", timeout: float = 30, **headers: str
    ) -> tuple[int, bytes]:
        """Send a request; return the status and the body.

        Raises:
            OSError, HTTPException: nobody answered.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method or ("GET" if body is None else "POST"), path, sent, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def said(self) -> str:
        """Return what the group has written to its terminal."""
        return self.log.read_text("utf-8", "replace")

    def pid(self, name: str) -> int:
        """Return the process id of `supervisor`, `postgres`, `worker`, or `server 1`; 0 if there is none."""
        if name == "supervisor":
            assert self.process is not None
            return self.process.pid
        if name == "postgres":
            with suppress(OSError, IndexError):
                return int(
                    LocalPostgres(self.data / "postgres")
                    .places.cluster.joinpath("postmaster.pid")
                    .read_text()
                    .split()[0]
                )
            return 0
        found = [event["pid"] for event in self._events() if event.get("event") == f"{name} started"]
        return int(found[-1]) if found else 0

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self.said().splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Kill one of the processes, which must live; return its id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def end(self, number: int = signal.SIGTERM, *, patience: float = DEADLINE) -> int:
        """Ask the group to stop; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(patience)

    def put_down(self) -> None:
        """End whatever still runs, the database as well."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        LocalPostgres(self.data / "postgres").stop()


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that has ended and was not reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


@contextmanager
def furnished(data: Path) -> Iterator[Installation]:
    """Open an installation of its own with one estate `one`, and a token for its manager as `place.token`."""
    from wuye.estates.services import create_estate, enable, system_actor
    from wuye.identity.services import add_member, create_token, create_user

    place = Installation(Settings(data=data, strict=True))
    try:
        place.upgrade()
        with place.database.session() as session:
            info = create_estate(session, place.clock, code="one", name="One", locale="en")
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, place.plugins.names)
            user = create_user(session, place.clock, email="m@test.example")
            add_member(session, place.plugins.registry, info, user, ["core.manager"])
            token = create_token(session, place.database.secret, place.clock, user, info)
            ctx.seal()
        place.__dict__["token"] = token
        yield place
    finally:
        place.close()
