"""A child process that is started again whenever it ends, the later the more often it ends early."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from wuye.serving import lifeline

#: A life of this many seconds shows that a start works; shorter ones make the next start wait.
_SETTLED = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0

Log = Callable[..., None]


class Pauses:
    """How long to wait before the next try: not at all after the first failure, then longer each time, to a bound."""

    def __init__(self, longest: float = _LONGEST_PAUSE) -> None:
        self._longest = longest
        self.failures = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        self.failures += 1
        if self.failures == 1:
            return 0.0
        pause: float = _FIRST_PAUSE * 2.0 ** min(self.failures - 2, 20)
        return min(pause, self._longest)

    def reset(self) -> None:
        """Forget the failures: it works again."""
        self.failures = 0


class Child:
    """One process of the group: its command, its present life if it has one, and when it is to be started next."""

    def __init__(self, name: str, command: Sequence[str], descriptors: Sequence[int], log: Log) -> None:
        self.name = name
        self.due = 0.0  # by time.monotonic
        self._command = command
        self._descriptors = descriptors
        self._log = log
        self._pauses = Pauses()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._began = 0.0
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """Whether it has a process that was not seen to end."""
        return self._process is not None

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it can do its work."""
        if not self._is_ready and self._line is not None:
            try:
                self._is_ready = self._line.recv(1) == lifeline.READY
            except BlockingIOError:
                return False
        return self._is_ready

    def start(self) -> None:
        """Start it, tied to this process; a start that fails counts as a short life."""
        ours, theirs = socket.socketpair()
        try:
            self._began = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603 (ourselves)
                self._command,
                stdin=subprocess.DEVNULL,
                env={**os.environ, lifeline.VARIABLE: str(theirs.fileno())},
                pass_fds=(*self._descriptors, theirs.fileno()),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops all in order
            )
        except OSError as error:
            ours.close()
            self._log("error", f"{self.name} cannot be started", error=str(error))
            self.due = self._began + self._pauses.next()
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._line, self._is_ready = ours, False
        self._log("info", f"{self.name} started", pid=self._process.pid)

    def reap(self) -> bool:
        """Return whether it has ended just now; its next start is then due after a pause."""
        if self._process is None or (code := self._process.poll()) is None:
            return False
        lived = time.monotonic() - self._began
        self._forget()
        if lived >= _SETTLED:
            self._pauses.reset()
        pause = self._pauses.next()
        self.due = time.monotonic() + pause
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._log(
            "error" if self._pauses.failures > 1 else "warning",
            f"{self.name} ended; it is started again",
            ended=ended, lived_s=round(lived, 1), in_s=round(pause, 1), early_ends=self._pauses.failures,
        )  # fmt: skip
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, if it lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def has_ended(self) -> bool:
        """Return whether it has ended, without thinking of a next start."""
        if self._process is not None and self._process.poll() is not None:
            self._forget()
        return self._process is None

    def _forget(self) -> None:
        self._process = None
        if self._line is not None:
            self._line.close()
            self._line = None
