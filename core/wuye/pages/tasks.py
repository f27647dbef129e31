"""What one has asked for and a worker does: how far it is, what came of it, and the file that it made."""

from typing import Any
from uuid import UUID

from flask import Flask, send_file

from wuye import labels
from wuye.errors import Text
from wuye.i18n import _
from wuye.pages.access import Visit, absent, page
from wuye.pages.rendering import framed
from wuye.pages.times import ago, sized
from wuye.resources.declaration import Resource
from wuye.tasks import acting, exporting
from wuye.tasks import services as tasks
from wuye.tasks.models import Task

_KINDS = (exporting.KIND, acting.KIND)

#: Refused things that a page names.
_REFUSED = 200

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def register(app: Flask) -> None:
    """Add the pages."""
    page(app, "/e/<estate>/tasks", "tasks", _recent)
    page(app, "/e/<estate>/tasks/<uuid:identity>", "tasks.one", _one)
    page(app, "/e/<estate>/tasks/<uuid:identity>/file", "tasks.file", _file)


def address(visit: Visit, task: Task) -> str:
    """Return the address of a task's page."""
    return visit.url("tasks", task.id)


def send(path: Any, name: str) -> Any:
    """Send a list's file."""
    response = send_file(path, mimetype=_TYPES[name.rpartition(".")[2]], as_attachment=True, download_name=name)
    response.headers["Cache-Control"] = "no-store"
    return response


def _resource(visit: Visit, task: Task) -> Resource:
    """Return the list that a task is about.

    Raises:
        NotFound: it is gone, or the visitor does not see it any more.
    """
    resource = visit.ctx.loaded.registry.resources.get(task.wanted["resource"])
    absent(resource is not None and visit.readable(resource))
    assert resource is not None, "else it is absent"
    return resource


def _title(visit: Visit, task: Task) -> Text:
    resource = visit.ctx.loaded.registry.resources.get(task.wanted["resource"])
    what = labels.resource_label(resource) if resource else task.wanted["resource"]
    if task.kind == exporting.KIND:
        return _("Export: {what}", what=what)
    step = resource.flow.transitions.get(task.wanted["action"]) if resource and resource.flow else None
    return _("{action}: {n} × {what}", action=step.label if step else task.wanted["action"], n=task.total, what=what)


def _recent(visit: Visit) -> Any:
    """Show what the visitor has asked for lately."""
    shown = [(task, _title(visit, task)) for task in tasks.recent(visit.ctx, _KINDS)]
    now = visit.ctx.now
    return framed(visit, "tasks.html", title=_("In the background"), shown=shown, ago=lambda at: ago(at, now))


def _one(visit: Visit, identity: UUID) -> Any:
    """Show how far a task is, or what came of it."""
    task = tasks.find(visit.ctx, identity)
    absent(task.kind in _KINDS)
    resource = _resource(visit, task)
    gone = task.state == "done" and task.kind == exporting.KIND and task.file is None
    return framed(
        visit, "task.html", title=_title(visit, task), task=task, resource=resource, gone=gone, sized=sized,
        refused=task.refused[:_REFUSED], exports=task.kind == exporting.KIND,
        percent=None if task.total is None else 100 * task.done // max(task.total, 1),
    )  # fmt: skip


def _file(visit: Visit, identity: UUID) -> Any:
    """Send what a task has made."""
    task = tasks.find(visit.ctx, identity)
    absent(task.kind == exporting.KIND)
    _resource(visit, task)
    return send(tasks.file_of(visit.ctx, task), str(task.file_name))
