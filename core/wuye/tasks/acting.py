"""One action on more things than a request should wait for."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from wuye.context import Context
from wuye.errors import NotFound
from wuye.i18n import _
from wuye.resources import many
from wuye.resources.declaration import Resource
from wuye.tasks import services as tasks
from wuye.tasks.models import Task

KIND = "act_on_many"

#: As many as are done while somebody waits: less than half a second of work.
AT_ONCE = 100

#: As many as are done in one transaction: for so long other steps of the estate wait for the end of its timeline.
_BATCH = 50


def ask(ctx: Context, resource: Resource, identities: Sequence[UUID], action: str, data: Mapping[str, Any]) -> Task:
    """Have an action taken on many things; `data` is what the action needs to know, as JSON.

    Raises:
        Conflict: the actor has too many tasks under way.
    """
    wanted = {"resource": resource.key, "action": action, "data": dict(data), "ids": [str(each) for each in identities]}
    return tasks.ask(ctx, KIND, wanted, total=len(identities))


def act_on_many(ctx: Context, task: Task) -> None:
    """Take the action on one batch after the other, as who asked for it; what was done stays done.

    Raises:
        NotFound: what it is to be taken on is disabled meanwhile. Forbidden: who asked is no member any more.
    """
    resource = ctx.loaded.registry.resources.get(task.wanted["resource"])
    if resource is None or resource.plugin not in ctx.plugins:
        raise NotFound(_("What was asked for is disabled here."))
    identities = [UUID(text) for text in task.wanted["ids"]]
    refused, done = list(task.refused), task.done
    while batch := identities[done : done + _BATCH]:
        with ctx.apart() as step:
            actor = tasks.asker(step, task)
        with ctx.apart(actor) as step:
            found = many.act(step, resource, batch, task.wanted["action"], task.wanted["data"])
            refused += [{"id": str(each.id), "label": each.label, "reason": str(each.reason)} for each in found]
            done += len(batch)
            tasks.note(step.session, task, done=done, refused=refused)
    tasks.end(ctx, task)
