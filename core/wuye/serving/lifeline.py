"""What ties a child to its supervisor: a socket whose other end only the supervisor holds.

When the supervisor dies, be it by kill -9, the child reads the end of the line and ends at once: no orphan goes on serving.
"""

import os
import socket
import threading

VARIABLE = "WUYE_LIFELINE"

#: What a child sends when it can do its work.
READY = b"+"

_line: list[socket.socket] = []


def is_supervised() -> bool:
    """Return whether a supervisor started this process, and sees to the embedded database."""
    return VARIABLE in os.environ


def hold() -> None:
    """End this process when its supervisor ends; does nothing in a process that has none."""
    if _line or not is_supervised():
        return
    line = socket.socket(fileno=int(os.environ[VARIABLE]))
    line.set_inheritable(False)
    _line.append(line)
    threading.Thread(target=_wait, args=(line,), name="lifeline", daemon=True).start()


def ready() -> None:
    """Tell the supervisor that this process can do its work."""
    for line in _line:
        line.send(READY)


def _wait(line: socket.socket) -> None:
    try:
        while line.recv(1):
            pass  # the supervisor says nothing; it only is there, or not
    finally:
        os._exit(70)  # also where the end shows as an error: something that we sent was not read
