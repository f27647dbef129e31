"""What a host has done to an estate in the background: a month of demo data in it, an export of all that it has."""

import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Executable, select, update
from sqlalchemy.exc import OperationalError

from wuye.context import Context
from wuye.errors import Conflict, NotFound
from wuye.estates.lifecycle import write_export
from wuye.estates.models import EstateTask
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.jobs.queue import enqueue
from wuye.properties.models import Property

log = structlog.get_logger("wuye.estates")

#: An export is all personal data of an estate in one file: it is kept no longer than it takes to fetch it.
KEEP_EXPORTS = timedelta(days=3)

#: The job that does what is asked for.
JOB = "core.estate_task"


def ask(ctx: Context, kind: str) -> EstateTask:
    """Have an `export` made or `demo` data loaded, and write on the estate's timeline who asked.

    Raises:
        Conflict: the same is under way; or the estate has places already, among which a demo would be lost.
    """
    open_ = select(EstateTask.id).where(EstateTask.kind == kind, EstateTask.state.in_(("waiting", "working")))
    if ctx.session.scalar(open_):
        raise Conflict(_("This is under way already."))
    if kind == "demo" and ctx.session.scalar(select(Property.id).limit(1)):
        raise Conflict(_("There are places in this estate already: demo data goes into empty ones only."))
    task = EstateTask(id=uuid7(), kind=kind, state="waiting", user_id=ctx.actor.user_id, created_at=ctx.now)
    ctx.session.add(task)
    ctx.session.flush()
    ctx.note(ctx.estate.id, ctx.estate.id, f"{kind}_asked", {"by": ctx.actor.name}, "staff")
    enqueue(ctx, JOB, task=str(task.id))
    return task


def perform(ctx: Context, task: str) -> None:
    """Do what was asked for, once; it ends as done or failed.

    Raises:
        OperationalError: the database went away; to be tried again.
    """
    with ctx.apart() as step:
        row = step.session.scalar(select(EstateTask).where(EstateTask.id == UUID(task)).with_for_update())
        if row is None or row.state in ("done", "failed"):
            return
        row.state = "working"
    try:
        _WORK[row.kind](ctx, row)
    except OperationalError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}:{last.lineno}"
        log.error(
            "task failed", task=task, kind=row.kind, estate=ctx.estate.code, error=type(error).__name__, where=where
        )
        said = _(
            "Something went wrong on our side ({error}). The log knows more under “{id}”.",
            error=type(error).__name__,
            id=task,
        )
        _end(ctx, row, state="failed", problem=str(said))


def _export(ctx: Context, row: EstateTask) -> None:
    file = _folder(ctx) / f"{ctx.estate.code}-{row.id}.zip"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ctx.apart() as step:
        write_export(step.session, ctx.estate, ctx.data, ctx.now, file)
    _end(ctx, row, state="done", file=file.name, size=file.stat().st_size)


def _demo(ctx: Context, row: EstateTask) -> None:
    from wuye.demo.preparation import furnish  # here: it needs the installation, which loads the jobs

    with ctx.apart() as step:
        furnish(step, ctx.now)
        step.session.execute(_ended(ctx, row, state="done"))


_WORK: dict[str, Callable[[Context, EstateTask], None]] = {"export": _export, "demo": _demo}


def _ended(ctx: Context, row: EstateTask, **values: object) -> Executable:
    statement = update(EstateTask).where(EstateTask.id == row.id).values(finished_at=ctx.now, **values)
    return statement.execution_options(synchronize_session=False)


def _end(ctx: Context, row: EstateTask, **values: object) -> None:
    with ctx.apart() as step:
        step.session.execute(_ended(ctx, row, **values))


def exported(ctx: Context, task: UUID) -> Path:
    """Return the file of an export.

    Raises:
        NotFound: there is none (any more).
    """
    row = ctx.session.scalar(select(EstateTask).where(EstateTask.id == task))
    if row is None or row.file is None or not (path := _folder(ctx) / row.file).is_file():
        raise NotFound(_("There is no such export: it is kept for some days only. Make another one."))
    return path


def purge_exports(ctx: Context) -> None:
    """Delete the files of exports that are old; what is known of them stays."""
    old = select(EstateTask).where(EstateTask.file.is_not(None), EstateTask.finished_at < ctx.now - KEEP_EXPORTS)
    for row in ctx.session.scalars(old):
        (_folder(ctx) / str(row.file)).unlink(missing_ok=True)
        row.file = None


def _folder(ctx: Context) -> Path:
    return ctx.data / "exports"
