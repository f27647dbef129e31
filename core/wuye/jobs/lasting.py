"""A worker that lasts: it works in stretches, each as long as the database answers, until it is asked to stop."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from wuye.db.local import LocalPostgresError
from wuye.installation import Installation
from wuye.jobs import rescue
from wuye.serving import lifeline

log = structlog.get_logger("wuye.jobs")

#: Seconds that jobs at hand may still take after it was asked to stop; what is left then is taken up by the next worker.
GRACE = 25.0
_PAUSE = 1.0
_AWAY = (ConnectorException, psycopg.Error, LocalPostgresError, OSError)


class Lasting:
    """The life of one worker process. `concurrency` jobs run side by side."""

    def __init__(self, place: Installation, app: App, concurrency: int) -> None:
        self._place = place
        self._app = app
        self._concurrency = concurrency
        self._asked = asyncio.Event()

    async def live(self, *, signals: bool) -> None:
        """Work until asked to stop (SIGTERM, SIGINT), over any absence of the database."""
        if signals and sys.platform != "win32":
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
        asked = asyncio.create_task(self._asked.wait())
        while not self._asked.is_set():
            began = time.monotonic()
            try:
                await self._stretch(asked)
                problem = "it stopped working"  # one of its parts failed; procrastinate has logged which
            except _AWAY as error:
                problem = str(error.__cause__ or error).strip()
            if not self._asked.is_set():
                lasted = round(time.monotonic() - began, 1)
                log.error("the worker has lost its database; it tries again", problem=problem, worked_s=lasted)
                await asyncio.wait([asked], timeout=_PAUSE)

    def _stop(self) -> None:
        if self._asked.is_set():
            os._exit(75)  # asked twice: the jobs at hand are taken up by the next worker
        self._asked.set()
        asyncio.get_running_loop().call_later(GRACE, self._give_up)

    def _give_up(self) -> None:
        log.error("jobs at hand did not end in time; the next worker takes them up")
        os._exit(75)

    async def _stretch(self, asked: "asyncio.Task[bool]") -> None:
        """Work until asked to stop, or until the database is lost.

        Raises:
            OSError, psycopg.Error, ConnectorException, LocalPostgresError: the database does not answer.
        """
        connecting = asyncio.create_task(self._connect())
        await asyncio.wait([connecting, asked], return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            return
        connecting.result()
        async with self._app.open_async():
            parts = [asyncio.create_task(self._work()), asyncio.create_task(rescue.keep_rescuing(self._app))]
            await asyncio.wait([*parts, asked], return_when=asyncio.FIRST_COMPLETED)
            for part in reversed(parts):
                part.cancel()  # the work ends with the jobs at hand
                with suppress(asyncio.CancelledError):
                    await part

    async def _connect(self) -> None:
        """Connect once, so that a database which is away is noticed at once and not by a pool's patience."""
        if self._place.local is not None and not lifeline.is_supervised():
            await asyncio.to_thread(self._place.local.ensure)
        address = self._place.database.url("app").set(drivername="postgresql").render_as_string(hide_password=False)
        await (await psycopg.AsyncConnection.connect(address, connect_timeout=5)).close()

    async def _work(self) -> None:
        await self._app.run_worker_async(
            concurrency=self._concurrency,
            install_signal_handlers=False,
            delete_jobs="successful",
            update_heartbeat_interval=rescue.HEARTBEAT,
            stalled_worker_timeout=rescue.SILENCE,
        )
