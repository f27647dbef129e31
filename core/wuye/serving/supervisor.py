"""The supervisor: starts the processes of a group, brings back whichever dies, and stops them all in order.

Signals: SIGTERM and SIGINT stop the group (a second one at once, without waiting for requests), SIGHUP renews the server
processes one after the other while the others go on.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from wuye.serving import locks
from wuye.serving.children import Child
from wuye.serving.plan import Plan
from wuye.serving.postgres import INTERVAL, Watched

#: Seconds that requests and jobs at hand may still take when the group stops; what is left then is killed.
GRACE = 30.0
#: Seconds that the database may take to shut down.
DATABASE_GRACE = 30.0
_RENEWAL_PATIENCE = 30.0


class Signals:
    """The signals that came, and a way to wait for the next."""

    def __init__(self) -> None:
        self.stops = 0
        self.renew = False
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        self._waker, self._end = ours, theirs
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stops += 1
        elif number == signal.SIGHUP:
            self.renew = True

    def wait(self, seconds: float) -> None:
        """Return when a signal comes, or after so many seconds."""
        select.select([self._waker], [], [], max(seconds, 0.0))
        with contextlib.suppress(BlockingIOError):
            while self._waker.recv(4096):
                pass


class Supervisor:
    """One group of processes, from its start to its end."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._signals = Signals()
        self._children = [self._server(number) for number in range(1, plan.servers + 1)]
        if plan.worker:
            self._children.append(Child("worker", _python("wuye", "worker"), (), log))
        self._database: Watched | None = None
        if plan.database:
            self._database = Watched(Path(plan.database), Path(plan.database_socket), log)
        self._to_renew: deque[Child] = deque()
        self._successor: tuple[Child, float] | None = None

    def run(self) -> int:
        """Keep the group running until a signal asks for its end; return the exit code."""
        while not self._signals.stops:
            for child in self._children:
                child.reap()
                if not child.is_alive and time.monotonic() >= child.due:
                    child.start()
            if self._database is not None:
                self._database.watch()
            if self._signals.renew:
                self._signals.renew = False
                self._to_renew.extend(child for child in self._children if child.name.startswith("server"))
            self._renew()
            self._signals.wait(self._until_next())
        return self._stop()

    def _server(self, number: int) -> Child:
        command = _python("wuye.serving.server", str(self.plan.listener))
        return Child(f"server {number}", command, (self.plan.listener,), log)

    def _until_next(self) -> float:
        due = [child.due - time.monotonic() for child in self._children if not child.is_alive]
        is_busy = self._successor is not None or (self._database is not None and self._database.is_starting)
        return min([*due, 0.05 if is_busy else INTERVAL])

    def _renew(self) -> None:
        """Put a new server process beside an old one, which is told to end when the new one serves."""
        if self._successor is None:
            if self._to_renew:
                fresh = self._server(int(self._to_renew[0].name.split()[1]))
                fresh.start()
                self._successor = (fresh, time.monotonic() + _RENEWAL_PATIENCE)
            return
        fresh, deadline = self._successor
        if fresh.is_ready:
            old = self._to_renew.popleft()
            self._children[self._children.index(old)] = fresh
            self._successor = None
            old.stop()
            self._leave_to_end(old)
        elif fresh.has_ended() or time.monotonic() > deadline:
            log("error", "the new server process does not serve; the old ones go on", name=fresh.name)
            fresh.stop(signal.SIGKILL)
            self._to_renew.clear()
            self._successor = None

    def _leave_to_end(self, old: Child) -> None:
        deadline = time.monotonic() + GRACE
        while not old.has_ended():
            if time.monotonic() > deadline or self._signals.stops:
                old.stop(signal.SIGKILL)
            self._signals.wait(0.05)

    def _stop(self) -> int:
        """End the children, then the database, each within its time; return 0, or 1 if something had to be killed."""
        log("info", "stopping")
        children = [*self._children, *([self._successor[0]] if self._successor else [])]
        for child in children:
            child.stop()
        deadline = time.monotonic() + GRACE
        killed = False
        while living := [child for child in children if not child.has_ended()]:
            if not killed and (time.monotonic() > deadline or self._signals.stops > 1):
                killed = True
                for child in living:
                    log("error", f"{child.name} did not end in time and is killed")
                    child.stop(signal.SIGKILL)
            self._signals.wait(0.1)
        is_whole = self._stop_database()
        os.ftruncate(self.plan.lock, 0)  # it ended in order
        say(self.plan.text_stopped)
        return 0 if is_whole and not killed else 1

    def _stop_database(self) -> bool:
        if self._database is None:
            return True
        others = [each.name for each in locks.holders(Path(self.plan.data)) if each.name != locks.SERVER]
        if others or not self.plan.stop_database:
            say(self.plan.text_database_kept)
            return True
        if self._database.stop(DATABASE_GRACE):
            return True
        say(self.plan.text_database_left)
        return False


def _python(module: str, *arguments: str) -> list[str]:
    # -P: a file in the working directory must not be taken for a module of ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def say(text: str) -> None:
    """Talk to the person at the terminal."""
    with contextlib.suppress(OSError):  # there may be no terminal any more, or no room where it was led to
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def log(level: str, event: str, **values: object) -> None:
    """Write a line as `wuye.logs` does, which would load too much."""
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    say(json.dumps({**values, "event": event, "level": level, "timestamp": stamp}, ensure_ascii=False))
