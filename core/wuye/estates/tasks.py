"""What a host has done to an estate in the background: a month of demo data in it, an export of all that it has."""

from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from wuye.archives.estate_export import write_export
from wuye.context import Context
from wuye.errors import Conflict, NotFound
from wuye.i18n import _
from wuye.properties.models import Property
from wuye.tasks import services as tasks
from wuye.tasks.models import Task

#: The kinds of tasks, as their jobs are called.
EXPORT, DEMO = "export_estate", "load_demo"


def ask(ctx: Context, kind: str) -> Task:
    """Have the estate exported, or demo data loaded, and write on the estate's timeline who asked.

    Raises:
        Conflict: the same is under way; or the estate has places already, among which a demo would be lost.
    """
    if tasks.under_way(ctx, kind):
        raise Conflict(_("This is under way already."))
    if kind == DEMO and ctx.session.scalar(select(Property.id).limit(1)):
        raise Conflict(_("There are places in this estate already: demo data goes into empty ones only."))
    event = {EXPORT: "export_asked", DEMO: "demo_asked"}[kind]
    ctx.note(ctx.estate.id, ctx.estate.id, event, {"by": ctx.actor.name}, "staff")
    return tasks.ask(ctx, kind)


def exported(ctx: Context, identity: UUID) -> Path:
    """Return the file of an export, whoever asked for it.

    Raises:
        NotFound: there is none (any more).
    """
    task = ctx.session.scalar(select(Task).where(Task.id == identity, Task.kind == EXPORT))
    if task is None:
        raise NotFound(_("There is no such export: it is kept for some days only. Make another one."))
    return tasks.file_of(ctx, task)


def export_estate(ctx: Context, task: Task) -> None:
    """Write all that an estate has into a file."""
    file = tasks.folder(ctx) / f"{ctx.estate.code}-{task.id}.zip"
    with ctx.apart() as step:
        write_export(step.session, ctx.estate, ctx.data, ctx.now, file)
    tasks.end(ctx, task, file=file.name, file_name=f"{ctx.estate.code}.zip", size=file.stat().st_size)


def load_demo(ctx: Context, task: Task) -> None:
    """Fill an empty estate with a month of work."""
    from wuye.demo.preparation import furnish  # here: it needs the installation, which loads the jobs

    with ctx.apart() as step:
        furnish(step, ctx.now)
        tasks.note(step.session, task, state="done", finished_at=step.now)
