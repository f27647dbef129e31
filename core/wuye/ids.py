"""Identifiers made in Python: no sequence to guess, no round trip, no renumbering when an estate moves."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Return a new version 7 UUID (RFC 9562 section 5.7), rising within this process.

    The 48 bits of Unix milliseconds are followed by 12 bits that count within a millisecond (method 3 of
    section 6.2: a sub-millisecond fraction) and 62 random bits.
    """
    global _last  # the only state: the last time stamp handed out, so that ids rise within a process
    with _lock:
        stamp = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        _last = stamp
    millis, fraction = divmod(stamp, 4096)
    tail = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=(millis << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | tail)
