"""Putting jobs into the queue, in the transaction of whoever asks: it is rolled back with it, or committed once."""

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.orm import Session

from wuye.context import Context

if TYPE_CHECKING:
    from procrastinate import App

#: The one task that procrastinate knows: run a declared job in an estate.
RUN = "wuye.run"

#: The task that backs up the whole installation, one at a time.
BACKUP = "wuye.backup"

#: The task that makes an estate of an export that was sent.
ARRIVAL = "wuye.arrival"


def enqueue(ctx: Context, job: str, **arguments: Any) -> None:
    """Have a job (`customer_service.silent_acceptance`) run for this estate once this transaction is committed.

    `arguments` are JSON values.

    Raises:
        KeyError: no loaded plugin has such a job.
    """
    ctx.loaded.registry.jobs[job]
    put(ctx.session, ctx.estate.code, job, arguments)


#: Under this name a session counts the jobs that it has queued: what they do cannot be taken back.
QUEUED = "queued"


def put(session: Session, estate: str, job: str, arguments: dict[str, Any]) -> None:
    """Queue a job for an estate on a session's own connection; of one kind an estate has one at a time."""
    connection = session.connection().connection.driver_connection
    task = _writer().configure_task(RUN, allow_unknown=True, connection=connection, lock=f"{estate} {job}")
    task.defer(estate=estate, job=job, arguments=arguments)
    session.info[QUEUED] = session.info.get(QUEUED, 0) + 1


def put_backup(session: Session) -> None:
    """Queue a backup of the installation; one that waits already is enough."""
    from procrastinate.exceptions import AlreadyEnqueued

    connection = session.connection().connection.driver_connection
    task = _writer().configure_task(
        BACKUP, allow_unknown=True, connection=connection, lock=BACKUP, queueing_lock=BACKUP
    )
    with suppress(AlreadyEnqueued), session.begin_nested():
        task.defer()


def put_arrival(session: Session, arrival: UUID) -> None:
    """Queue the import of an estate whose export somebody has sent."""
    connection = session.connection().connection.driver_connection
    task = _writer().configure_task(ARRIVAL, allow_unknown=True, connection=connection, lock=f"{ARRIVAL} {arrival}")
    task.defer(arrival=str(arrival))


@cache
def _writer() -> "App":
    """Return what only knows how to write a job on somebody else's connection; it is never opened."""
    from procrastinate import App, SyncPsycopgConnector  # here: it loads much, and the first job is soon enough

    return App(connector=SyncPsycopgConnector())
