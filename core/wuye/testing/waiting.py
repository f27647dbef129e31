"""Waiting for a state, never for a time: a busy machine makes a test slower, not wrong."""

import time
from collections.abc import Callable
from typing import TypeVar

State = TypeVar("State")

#: How many seconds a state may take to come before a test fails; one that comes costs no more than it takes.
DEADLINE = 120.0

_BETWEEN = 0.02  # seconds between two looks


def until(state: Callable[[], State], what: str = "") -> State:
    """Ask for a state again and again until it is true, and return it: `until(lambda: path.exists())`.

    Raises:
        AssertionError: it has not become true in time; the text holds `what` was waited for, and what it was instead.
    """
    end = time.monotonic() + DEADLINE
    while not (found := state()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE:g} s in vain for {what or 'a state'}: it is still {found!r}")
        time.sleep(_BETWEEN)
    return found


def seconds_until(state: Callable[[], object], what: str) -> float:
    """Wait as `until` does, and return the seconds that it took: for drills, which tell how long something takes."""
    began = time.monotonic()
    until(state, what)
    return time.monotonic() - began
