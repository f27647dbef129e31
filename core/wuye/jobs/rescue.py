"""Jobs of workers that died: taken up again, each one's effects once.

A worker that lives says so every few seconds (its heartbeat). A job whose worker has been silent is put back into the queue.
The silent one may only have been slow, so a job's last statement, in the transaction of its effects, claims that the job is
still its worker's: of two that run it, one commits.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job

log = structlog.get_logger("wuye.jobs")

#: Seconds between two signs of life, after which silence a worker counts as dead, and between two looks for dead ones.
HEARTBEAT, SILENCE, LOOK = 5.0, 20.0, 5.0

#: A job that has taken its worker with it so often is given up: it would take the next one as well.
MOST_DEATHS = 8

# Locked rows are another's who looks in the same moment.
_STALLED = """
    SELECT job.id, job.attempts FROM procrastinate_jobs job
    WHERE job.status = 'doing' AND NOT EXISTS (
        SELECT FROM procrastinate_workers w WHERE w.id = job.worker_id
        AND w.last_heartbeat > now() - make_interval(secs => %(silence)s))
    FOR UPDATE OF job SKIP LOCKED
"""
_RESCUE = f"""
    WITH stalled AS MATERIALIZED ({_STALLED})
    SELECT id, CASE WHEN attempts < %(most)s THEN 'rescued' ELSE 'given up' END AS what,
        CASE WHEN attempts < %(most)s THEN procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL)
        ELSE procrastinate_finish_job_v1(id, 'failed', false) END
    FROM stalled
"""  # noqa: S608 (our own text)


class Superseded(Exception):
    """The job is another worker's by now: this one was silent for too long, and must not commit."""


async def rescue(app: "App") -> int:
    """Put the jobs of dead workers back into the queue; return how many."""
    rows = await app.connector.execute_query_all_async(_RESCUE, silence=SILENCE, most=MOST_DEATHS)
    for row in rows:
        log.warning("the worker of a job is gone", job=row["id"], what=row["what"])
    await app.job_manager.prune_stalled_workers(SILENCE)
    return len(rows)


async def keep_rescuing(app: "App") -> None:
    """Look for jobs of dead workers now and then, for ever."""
    while True:
        await rescue(app)
        await asyncio.sleep(LOOK)


def seal(session: Session, job: "Job") -> None:
    """Mark a job as done, in the transaction of its effects: whoever takes it up again then has nothing to do.

    Raises:
        Superseded: it is another worker's by now.
    """
    statement = text(
        "UPDATE procrastinate_jobs SET args = args || '{\"done\": true}'"
        " WHERE id = :id AND status = 'doing' AND worker_id = :worker"
    )
    if not session.connection().execute(statement, {"id": job.id, "worker": job.worker_id}).rowcount:
        raise Superseded(f"job {job.id} was taken up by another worker")
