"""Asking for a task, doing it once, and what is left of it.

A kind of task is a job (see `job`). Its work commits as it goes on, together with how far it is, so that a worker that dies
costs nothing: whoever takes the job up again goes on from there, or begins anew.
"""

import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, and_, delete, func, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from wuye.context import Actor, Context
from wuye.errors import Conflict, Forbidden, NotFound, Problem
from wuye.i18n import _, current_locale, use_locale
from wuye.identity.actors import actor_of
from wuye.ids import uuid7
from wuye.jobs.declaration import Job
from wuye.jobs.queue import enqueue
from wuye.tasks.models import Task

log = structlog.get_logger("wuye.tasks")

#: What a task makes is kept no longer than it takes to fetch it, since it may be all personal data of an estate.
KEEP_FILES = timedelta(days=3)

#: How long it is remembered that there was a task.
KEEP = timedelta(days=30)

#: How many tasks one person may have under way in an estate.
MOST = 5

_RUNNING = Task.state.in_(("waiting", "working"))

#: What does a task of one kind: gets the job's own context and the task, and ends it by `end`.
Work = Callable[[Context, Task], None]


def job(kind: str, work: Work) -> Job:
    """Return the job of a kind of task."""
    return Job(kind, partial(_perform, work=work))


def ask(ctx: Context, kind: str, wanted: dict[str, Any] | None = None, total: int | None = None) -> Task:
    """Have a task of core's done for the actor: `wanted` is what its job needs to know, as JSON.

    Raises:
        Conflict: the actor has too many under way.
    """
    mine = select(func.count()).select_from(Task).where(Task.user_id == ctx.actor.user_id, _RUNNING)
    if (ctx.session.scalar(mine) or 0) >= MOST:
        raise Conflict(_("You have {n} things under way already.", n=MOST), hint=_("Wait until one of them has ended."))
    task = Task(
        id=uuid7(),
        kind=kind,
        user_id=ctx.actor.user_id,
        locale=current_locale(),
        wanted=wanted or {},
        total=total,
        created_at=ctx.now,
    )
    ctx.session.add(task)
    ctx.session.flush()
    enqueue(ctx, f"core.{kind}", task=str(task.id))
    return task


def under_way(ctx: Context, kind: str) -> bool:
    """Tell whether somebody's task of this kind has not ended yet."""
    return ctx.session.scalar(select(Task.id).where(Task.kind == kind, _RUNNING).limit(1)) is not None


def find(ctx: Context, identity: UUID) -> Task:
    """Return one of the actor's own tasks.

    Raises:
        NotFound: they have no such task (any more).
    """
    mine = select(Task).where(Task.id == identity, Task.user_id == ctx.actor.user_id)
    task = ctx.session.scalar(mine)
    if task is None:
        raise NotFound(_("There is no such task: it is remembered for some weeks only."))
    return task


def recent(ctx: Context, kinds: Sequence[str], most: int = 20) -> Sequence[Task]:
    """Return the actor's latest tasks of these kinds, the newest first."""
    mine = select(Task).where(Task.user_id == ctx.actor.user_id, Task.kind.in_(kinds))
    return ctx.session.scalars(mine.order_by(Task.created_at.desc()).limit(most)).all()


def file_of(ctx: Context, task: Task) -> Path:
    """Return what a task has made.

    Raises:
        NotFound: there is nothing (any more).
    """
    if task.file is None or not (path := folder(ctx) / task.file).is_file():
        raise NotFound(_("There is no such file: it is kept for some days only. Make another one."))
    return path


def folder(ctx: Context) -> Path:
    """Return the folder of what tasks make; it is made if it is not there."""
    path = ctx.data / "exports"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def asker(ctx: Context, task: Task) -> Actor:
    """Return who asked for a task, as they are now and with what they may do now.

    Raises:
        Forbidden: they are no member of the estate any more.
    """
    actor = actor_of(ctx, task.user_id) if task.user_id else None
    if actor is None:
        raise Forbidden(_("Who asked for this is no member of the estate any more."))
    return actor


def note(session: Session, task: Task, **values: Any) -> None:
    """Write how far a task is, in the transaction of what was done."""
    changed = update(Task).where(Task.id == task.id).values(**values)
    session.execute(changed, execution_options={"synchronize_session": False})


def end(ctx: Context, task: Task, state: str = "done", **values: Any) -> None:
    """End a task, as done or failed."""
    with ctx.apart() as step:
        note(step.session, task, state=state, finished_at=step.now, **values)


def _perform(ctx: Context, task: str, work: Work) -> None:
    """Do a task, once; it ends as done or failed.

    Raises:
        OperationalError: the database went away; to be tried again.
    """
    with ctx.apart() as step:
        row = step.session.scalar(select(Task).where(Task.id == UUID(task)).with_for_update())
        if row is None or not row.running:
            return
        row.state = "working"
    with use_locale(row.locale):
        try:
            work(ctx, row)
        except Problem as problem:
            end(ctx, row, "failed", problem=str(problem.detail))
        except OperationalError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            name = type(error).__name__
            log.error("task failed", task=task, kind=row.kind, estate=ctx.estate.code, error=name, where=where)
            said = _(
                "Something went wrong on our side ({error}). The log knows more under “{id}”.", error=name, id=task
            )
            end(ctx, row, "failed", problem=str(said))


def purge(ctx: Context) -> None:
    """Delete the files of tasks that are old, and forget the tasks themselves later."""
    old = select(Task).where(Task.file.is_not(None), Task.finished_at < ctx.now - KEEP_FILES)
    for task in ctx.session.scalars(old):
        (folder(ctx) / str(task.file)).unlink(missing_ok=True)
        task.file = None
    ctx.session.flush()
    ctx.session.execute(delete(Task).where(Task.file.is_(None), Task.finished_at < ctx.now - KEEP))


def ended(now: datetime) -> Select[tuple[UUID]]:
    """Select the estates of what `purge` deletes."""
    old = or_(and_(Task.file.is_not(None), Task.finished_at < now - KEEP_FILES), Task.finished_at < now - KEEP)
    return select(Task.estate_id).where(old)
