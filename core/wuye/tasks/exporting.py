"""A list as a file: a short one at once, a long one by a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from wuye import exports
from wuye.context import Context
from wuye.errors import NotFound
from wuye.i18n import _
from wuye.resources import query
from wuye.resources.declaration import Resource
from wuye.tasks import services as tasks
from wuye.tasks.models import Task

KIND = "export_list"

#: As many rows as are written while somebody waits: some 60 ms of work.
AT_ONCE = 1_000

#: After so many rows it is noted how far an export is.
_STRIDE = 2_000

Arguments = Mapping[str, Sequence[str]]


def export(
    ctx: Context, resource: Resource, arguments: Arguments, columns: Sequence[str], suffix: str, file: Path
) -> Task | None:
    """Write a list into a file if it is short; else ask for a task that does it, and return that.

    `arguments` are those of the list's address, `suffix` is csv or xlsx.

    Raises:
        BadRequest: the list has no such filters, columns or order.
    """
    wanted = replace(query.parse(resource, arguments), fields=tuple(columns))
    rows = list(islice(exports.rows(ctx, resource, wanted), AT_ONCE + 1))
    if len(rows) <= AT_ONCE:
        exports.write(file, wanted.fields, iter(rows))
        return None
    asked = {
        "resource": resource.key,
        "arguments": {name: list(values) for name, values in arguments.items()},
        "columns": list(columns),
        "suffix": suffix,
    }
    return tasks.ask(ctx, KIND, asked)


def export_list(ctx: Context, task: Task) -> None:
    """Write a list as who asked for it sees it now; begun anew if it was interrupted.

    Raises:
        NotFound: the list is gone, or its plugin disabled.
    """
    resource = ctx.loaded.registry.resources.get(task.wanted["resource"])
    if resource is None or resource.plugin not in ctx.plugins:
        raise NotFound(_("What was asked for is disabled here."))
    suffix = task.wanted["suffix"]
    file = tasks.folder(ctx) / f"{ctx.estate.code}-{task.id}.{suffix}"
    with ctx.apart() as step:
        actor = tasks.asker(step, task)
    with ctx.apart(actor) as step:
        parsed = query.parse(resource, task.wanted["arguments"])
        wanted = replace(parsed, fields=tuple(task.wanted["columns"]))
        [total] = query.counts(step, [(resource, wanted)], _ALL)
        _note(ctx, task, total=total, done=0)
        lines = exports.rows(step, resource, wanted)
        told = exports.counted(lines, _STRIDE, lambda done: _note(ctx, task, done=done))
        count = exports.write(file, wanted.fields, told)
    name = f"{ctx.estate.code}-{resource.name}.{suffix}"
    tasks.end(ctx, task, done=count, total=count, file=file.name, file_name=name, size=file.stat().st_size)


#: More rows than any list has.
_ALL = 100_000_000


def _note(ctx: Context, task: Task, **values: int) -> None:
    with ctx.apart() as step:
        tasks.note(step.session, task, **values)
