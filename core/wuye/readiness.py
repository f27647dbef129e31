"""Whether an installation can serve, and what of it is not as it should be: for /readyz, and for who watches it."""

import shutil
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from wuye.archives import schedule
from wuye.db import versions
from wuye.errors import Text
from wuye.i18n import _
from wuye.installation import Installation

#: A worker says every 10 seconds that it lives; one that has not for so long does not.
_HEARTBEAT = timedelta(seconds=60)

#: A job that has been due for so long waits for somebody who does not come.
_LATE = timedelta(minutes=10)

_WORKERS = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - :heartbeat"
_OLDEST = """
    SELECT now() - greatest(min(event.at), min(job.scheduled_at)) FROM procrastinate_jobs job
    JOIN procrastinate_events event ON event.job_id = job.id AND event.type = 'deferred'
    WHERE job.id = (
        SELECT id FROM procrastinate_jobs
        WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) ORDER BY id LIMIT 1
    )
    """


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at: what is wrong with it (None: nothing), and whether requests fail because of it."""

    name: str
    wrong: Text | None
    vital: bool = False


def examine(place: Installation, connection: Connection) -> list[Check]:
    """Look at what an installation needs; the database has answered, or there would be no connection.

    What is said is for everybody: it names no estate, no file and no number.
    """
    behind = versions.pending(connection, place.plugins)
    workers = connection.scalar(text(_WORKERS), {"heartbeat": _HEARTBEAT})
    oldest = connection.scalar(text(_OLDEST))
    free = shutil.disk_usage(place.settings.data).free
    late = oldest is not None and oldest > _LATE
    full = free < place.settings.least_free_mb << 20
    backups = schedule.trouble(place.settings, place.clock.now())
    return [
        Check("database", None, vital=True),
        Check("migrations", _("Tables are behind the code: run wuye upgrade.") if behind else None, vital=True),
        Check("worker", None if workers else _("No worker runs: what is done in the background waits.")),
        Check("queue", _("Background work has been waiting for more than ten minutes.") if late else None),
        Check("disk", _("The disk is almost full.") if full else None),
        Check("backups", _("The last backup was not made as it should have been.") if backups is not None else None),
    ]
