"""The worker: runs queued jobs in their estate's context, and puts periodic ones into the queue.

A job runs at least once: a worker that dies leaves its job stalled, and another one takes it up again (`rescue`). What it
writes in its own transaction is written once.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.jobs import Job as QueuedJob
from sqlalchemy import select

from wuye import audit
from wuye.archives import arrivals, schedule
from wuye.estates.models import Estate, EstatePlugin
from wuye.installation import Installation
from wuye.jobs import rescue
from wuye.jobs.declaration import Job
from wuye.jobs.lasting import Lasting
from wuye.jobs.queue import ARRIVAL, BACKUP, RUN, put
from wuye.records import figures

log = structlog.get_logger("wuye.jobs")

#: Five attempts, after 4, 16, 64, 256 and 1,024 seconds.
_RETRY = RetryStrategy(max_attempts=5, exponential_wait=4)

#: Jobs that one worker runs side by side, so that a long one does not hold up the short ones. One that stops when nothing is
#: queued takes them one by one: the job at hand may queue another.
_AT_ONCE = 4


def run(place: Installation, *, once: bool = False, signals: bool = True) -> None:
    """Work until stopped, over any absence of the database, or (`once`) until nothing is queued.

    `signals` lets SIGINT and SIGTERM stop it after the job at hand; only the main thread may ask for that.
    """
    app = worker_app(place)
    if once:
        app.run_worker(
            concurrency=1, wait=False, install_signal_handlers=signals, delete_jobs="successful", listen_notify=False
        )
    else:
        asyncio.run(_live(place, app, signals=signals))


async def _live(place: Installation, app: App, *, signals: bool) -> None:
    await Lasting(place, app, _AT_ONCE).live(signals=signals)


def worker_app(place: Installation) -> App:
    """Return the procrastinate application that knows the installation's jobs."""
    address = place.database.url("app").set(drivername="postgresql").render_as_string(hide_password=False)
    app = App(connector=PsycopgConnector(conninfo=address, min_size=1, max_size=4, timeout=5))

    @app.task(name=RUN, retry=_RETRY, pass_context=True)
    def run_job(context: JobContext, estate: str, job: str, arguments: dict[str, Any], done: bool = False) -> None:
        if not done:  # it was, by a worker that died before it could say so
            with _given_up_if_superseded():
                execute(place, estate, job, arguments, queued=context.job)

    @app.periodic(cron="0 * * * *")
    @app.task(name="wuye.backup_if_due", queueing_lock="wuye.backup_if_due", lock=BACKUP)
    def backup_if_due(timestamp: int) -> None:
        schedule.make_if_due(place)

    @app.task(name=BACKUP)
    def backup() -> None:
        schedule.make_and_tell(place)

    @app.task(name=ARRIVAL)
    def arrive(arrival: str) -> None:
        arrivals.perform(place, UUID(arrival))

    @app.periodic(cron="29 * * * *")
    @app.task(name="wuye.purge_arrivals", queueing_lock="wuye.purge_arrivals")
    def purge_arrivals(timestamp: int) -> None:
        arrivals.purge(place)

    @app.periodic(cron="7 * * * *")
    @app.task(name="wuye.keep_figures", queueing_lock="wuye.keep_figures")
    def keep_figures(timestamp: int) -> None:
        with place.database.session(role="ops") as session:
            figures.keep_all(session, place.clock.now())

    @app.periodic(cron="37 * * * *")
    @app.task(name="wuye.anchor", queueing_lock="wuye.anchor")
    def anchor(timestamp: int) -> None:
        audit.anchor_if_due(place)

    for name, job in place.plugins.registry.jobs.items():
        if job.cron:
            tick_name = f"wuye.tick.{name}"
            tick = app.task(name=tick_name, queueing_lock=tick_name, pass_context=True)(_fan_out(place, name, job))
            app.periodic(cron=job.cron)(tick)
    return app


@contextmanager
def _given_up_if_superseded() -> Iterator[None]:
    """End this process if its jobs are another's by now: what it still does, and says of them, would only confuse."""
    try:
        yield
    except rescue.Superseded as error:
        log.error("the worker was silent for so long that its jobs were taken up by another; it ends", job=str(error))
        os._exit(75)


def _fan_out(place: Installation, name: str, job: Job) -> Callable[..., None]:
    def tick(context: JobContext, timestamp: int, done: bool = False) -> None:
        if done:
            return
        codes = estates_with(place, job)
        with _given_up_if_superseded(), place.database.session() as session:
            for code in codes:
                put(session, code, name, {})
            rescue.seal(session, context.job)

    return tick


def estates_with(place: Installation, job: Job) -> Sequence[str]:
    """Return the codes of the active estates in which a periodic job has something to do, in one statement over all."""
    wanted = select(Estate.code).where(Estate.state == "active")
    if job.plugin != "core":
        having = select(EstatePlugin.estate_id).where(EstatePlugin.plugin == job.plugin, EstatePlugin.enabled)
        wanted = wanted.where(Estate.id.in_(having))
    if job.due is not None:
        due = job.due(place.clock.now())
        [estate] = due.selected_columns
        wanted = wanted.where(due.where(estate == Estate.id).exists())
    with place.database.session(role="ops") as session:  # who works for all estates sees the rows of all
        return session.scalars(wanted).all()


def execute(
    place: Installation, estate: str, name: str, arguments: dict[str, Any], *, queued: QueuedJob | None = None
) -> None:
    """Run a job in its estate, in one transaction; a job whose plugin is gone or disabled does nothing.

    Raises:
        Superseded: another worker has taken it up; nothing is written.
    """
    job = place.plugins.registry.jobs.get(name)
    if job is None:
        log.warning("job of an unknown plugin skipped", job=name, estate=estate)
        return
    with place.system_context(estate) as ctx:
        job(ctx, **arguments)
        if queued is not None:
            rescue.seal(ctx.session, queued)
