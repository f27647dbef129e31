"""The worker: runs queued jobs in their estate's context, and puts periodic ones into the queue.

A job runs at least once: a worker that dies leaves its job stalled, and another one takes it up again.
"""

from collections.abc import Callable
from typing import Any

import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from sqlalchemy import select

from wuye.archives import schedule
from wuye.estates.models import Estate, EstatePlugin
from wuye.installation import Installation
from wuye.jobs.declaration import Job
from wuye.jobs.queue import BACKUP, RUN, put

log = structlog.get_logger("wuye.jobs")

#: Five attempts, after 4, 16, 64, 256 and 1,024 seconds.
_RETRY = RetryStrategy(max_attempts=5, exponential_wait=4)

#: Jobs that one worker runs side by side, so that a long one does not hold up the short ones. One that stops when nothing is
#: queued takes them one by one: the job at hand may queue another.
_AT_ONCE = 4


def run(place: Installation, *, once: bool = False, signals: bool = True) -> None:
    """Work until stopped, or (`once`) until nothing is queued.

    `signals` lets SIGINT and SIGTERM stop it after the job at hand; only the main thread may ask for that.
    """
    worker_app(place).run_worker(
        concurrency=1 if once else _AT_ONCE,
        wait=not once,
        install_signal_handlers=signals,
        delete_jobs="successful",
        listen_notify=not once,
    )


def worker_app(place: Installation) -> App:
    """Return the procrastinate application that knows the installation's jobs."""
    address = place.database.url("app").set(drivername="postgresql").render_as_string(hide_password=False)
    app = App(connector=PsycopgConnector(conninfo=address, min_size=1, max_size=4))

    @app.task(name=RUN, retry=_RETRY)
    def run_job(estate: str, job: str, arguments: dict[str, Any]) -> None:
        execute(place, estate, job, arguments)

    @app.periodic(cron="* * * * *")
    @app.task(name="wuye.rescue", queueing_lock="wuye.rescue", pass_context=False)
    async def rescue(timestamp: int) -> None:
        for stalled in await app.job_manager.get_stalled_jobs():
            log.warning("job rescued", job=stalled.id)
            await app.job_manager.retry_job(stalled)

    @app.periodic(cron="0 * * * *")
    @app.task(name="wuye.backup_if_due", queueing_lock="wuye.backup_if_due", lock=BACKUP)
    def backup_if_due(timestamp: int) -> None:
        schedule.make_if_due(place)

    @app.task(name=BACKUP)
    def backup() -> None:
        schedule.make_and_tell(place)

    for name, job in place.plugins.registry.jobs.items():
        if job.cron:
            tick = app.task(name=f"wuye.tick.{name}", queueing_lock=f"wuye.tick.{name}")(_fan_out(place, name, job))
            app.periodic(cron=job.cron)(tick)
    return app


def _fan_out(place: Installation, name: str, job: Job) -> Callable[[int], None]:
    def tick(timestamp: int) -> None:
        with place.database.session() as session:
            active = select(Estate.code).where(Estate.state == "active")
            if job.plugin != "core":
                having = select(EstatePlugin.estate_id).where(EstatePlugin.plugin == job.plugin, EstatePlugin.enabled)
                active = active.where(Estate.id.in_(having))
            for code in session.scalars(active).all():
                put(session, code, name, {})

    return tick


def execute(place: Installation, estate: str, name: str, arguments: dict[str, Any]) -> None:
    """Run a job in its estate, in one transaction; a job whose plugin is gone or disabled does nothing."""
    job = place.plugins.registry.jobs.get(name)
    if job is None:
        log.warning("job of an unknown plugin skipped", job=name, estate=estate)
        return
    with place.system_context(estate) as ctx:
        job(ctx, **arguments)
