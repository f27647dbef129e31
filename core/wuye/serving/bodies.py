"""Taking in what a client sends, before a thread is taken for it: with a bound, and with patience that ends.

A client that is slow or silent costs a socket and some memory, never a thread.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import IO, Any, Protocol

#: How long nothing may come, in seconds, and how much has to come on the average once that time is over, in bytes a second.
SILENCE = 10.0
SLOWEST = 1_000

#: What is kept in memory of one body; more goes to a temporary file.
_IN_MEMORY = 512 * 1024


#: So much of what is refused is listened to.
_DISCARDED = 64 * 1024 * 1024


class TooSlow(Exception):
    """The client did not send what it announced in time."""


class TooLarge(Exception):
    """The client sends more than the route takes."""


class Chunks(Protocol):
    """Something whose body can be read piece by piece."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the pieces."""


async def take(source: Chunks, limit: int) -> IO[bytes]:
    """Return the whole body, to be read from its beginning; close it afterwards.

    Raises:
        TooSlow, TooLarge: nothing of it is kept then.
    """
    body: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
    try:
        size, began = 0, time.monotonic()
        chunks = aiter(source)
        while True:
            try:
                chunk = await asyncio.wait_for(anext(chunks), SILENCE)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise TooSlow from None
            size += len(chunk)
            if size > limit:
                raise TooLarge
            elapsed = time.monotonic() - began
            if elapsed > SILENCE and size < SLOWEST * elapsed:
                raise TooSlow
            body.write(chunk)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body  # type: ignore[no-any-return]  # it can be read as any file


async def discard(source: Chunks) -> None:
    """Let a client say the rest of what is refused, within reason: many hear an answer only after they have said all."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENCE):
            async for chunk in source:
                size += len(chunk)
                if size > _DISCARDED:
                    return
