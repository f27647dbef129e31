"""The embedded database as the supervisor sees it: whether it answers, and how it is started and stopped.

It is no child of ours and its process id proves nothing (see `wuye.db.local`), so it is asked. What starts and stops it
needs the database driver, hence a process of its own that ends when that is done.
"""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from wuye.serving.children import Log, Pauses

#: Seconds between two questions.
INTERVAL = 0.5
_PATIENCE = 1.0

#: Asks whether the server would encrypt: any server that lives answers with one letter, before it looks at anything else.
_QUESTION = struct.pack("!ii", 8, 80877103)


class Watched:
    """The embedded PostgreSQL of a data folder: started again whenever nobody answers at its socket."""

    def __init__(self, folder: Path, address: Path, log: Log) -> None:
        self._folder = folder
        self._address = address
        self._log = log
        self._pauses = Pauses(longest=5.0)  # a disk that was full is waited for
        self._due = 0.0
        self._starter: subprocess.Popen[bytes] | None = None
        self._lost_at = 0.0

    @property
    def is_starting(self) -> bool:
        """Whether a start is under way."""
        return self._starter is not None

    def answers(self) -> bool:
        """Return whether a server answers at the socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PATIENCE)
            try:
                probe.connect(str(self._address))
                probe.sendall(_QUESTION)
                return bool(probe.recv(1))
            except OSError:
                return False

    def watch(self) -> None:
        """Ask, if it is time to, and have the server started if it does not answer."""
        now = time.monotonic()
        if self._starter is not None:
            self._look_at_starter(now)
        elif now >= self._due:
            self._due = now + INTERVAL
            if not self.answers():
                self._lost_at = self._lost_at or now
                self._log("error", "the database does not answer; it is started again")
                self._starter = self._run("start")

    def stop(self, seconds: float) -> bool:
        """Shut the server down; return whether it has ended in that time."""
        if self._starter is not None:
            self._starter.kill()
            self._starter.wait()
            self._starter = None
        stopper = self._run("stop")
        with contextlib.suppress(subprocess.TimeoutExpired):
            return stopper.wait(seconds) == 0
        stopper.kill()
        stopper.wait()
        return False

    def _look_at_starter(self, now: float) -> None:
        if self._starter is None or (code := self._starter.poll()) is None:
            return
        self._starter = None
        if code == 0:
            self._log("info", "the database answers again", away_s=round(now - self._lost_at, 1))
            self._pauses.reset()
            self._lost_at = 0.0
            self._due = now + INTERVAL
            return
        pause = INTERVAL + self._pauses.next()
        self._due = now + pause
        self._log("error", "the database could not be started", in_s=round(pause, 1), tries=self._pauses.failures)

    def _run(self, what: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "wuye.db.local", what, str(self._folder)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 (ourselves)
