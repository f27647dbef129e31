"""One action on many things: all of them in a few statements, and what cannot be done costs the others nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from wuye.context import Context
from wuye.errors import NotFound, Problem, Text
from wuye.records import services as records
from wuye.records.flow import Transition
from wuye.records.models import Record
from wuye.resources import query, service
from wuye.resources.declaration import Resource
from wuye.resources.undo import Doing

#: As many as one may choose: more are a matter of an import.
MOST = 5_000

#: After so many that had to be left out of a batch the rest is done one by one.
_ATTEMPTS = 3


class Chosen(NamedTuple):
    """A thing that was chosen, as much of it as choosing an action takes."""

    id: UUID
    number: str
    title: str
    kind: str
    state: str
    phase: str
    department: str | None
    requester_id: UUID | None
    assignee_id: UUID | None


class Refused(NamedTuple):
    """A thing with which something could not be done, and why not; `label` is what it is called."""

    id: UUID
    label: str
    reason: Text


class _LeftOut(Exception):
    """One thing of a batch cannot be done, and something was begun already."""

    def __init__(self, identity: UUID, problem: Problem) -> None:
        self.identity, self.problem = identity, problem


def chosen(ctx: Context, resource: Resource, identities: Sequence[UUID]) -> list[Chosen]:
    """Return the things of these ids that the actor may see, in the order of the ids."""
    model = resource.model
    statement = select(*(getattr(model, name) for name in Chosen._fields)).where(model.id.in_(identities))
    condition = query.visibility(ctx, resource)
    if condition is not None:
        statement = statement.where(condition)
    found = {row.id: Chosen(*row) for row in ctx.session.execute(statement)}
    return [found[identity] for identity in dict.fromkeys(identities) if identity in found]


def matching(ctx: Context, resource: Resource, wanted: query.Query) -> Iterator[UUID]:
    """Yield the ids of all that a query finds, page by page."""
    after = None
    while True:
        page = query.run(ctx, resource, replace(wanted, fields=("id",), limit=query.MAX_LIMIT, after=after))
        yield from (item["id"] for item in page.items)
        if page.after is None:
            return
        after = query.read_cursor(resource, wanted.sort, page.after)


def possible(ctx: Context, rows: Iterable[Chosen]) -> dict[str, Transition]:
    """Return the actions that the actor may take on at least one of these things."""
    alike: dict[tuple[object, ...], Chosen] = {}
    me = ctx.actor.person_id
    for row in rows:  # many stand alike to the actor: it is decided once for all of these
        alike.setdefault((row.kind, row.state, row.department, row.requester_id == me, row.assignee_id == me), row)
    return {
        step.name: step
        for row in alike.values()
        for step in records.available(
            ctx,
            Record(
                kind=row.kind,
                state=row.state,
                department=row.department,
                requester_id=row.requester_id,
                assignee_id=row.assignee_id,
            ),
        )
    }


def act(
    ctx: Context,
    resource: Resource,
    identities: Sequence[UUID],
    action: str,
    data: Mapping[str, Any],
    doing: Doing | None = None,
) -> list[Refused]:
    """Take an action on each, and return those with which it cannot be done; the others are written.

    `doing` watches what is written, so that it can be taken back.
    """
    refused: dict[UUID, Refused] = {}
    left = list(dict.fromkeys(identities))
    for _attempt in range(_ATTEMPTS):
        try:
            with ctx.savepoint(), doing.watched(*left) if doing else nullcontext():
                _act_on_all(ctx, resource, left, action, data, refused)
                service.seal(ctx, resource)
            return list(refused.values())
        except _LeftOut as found:
            refused[found.identity] = _refused(ctx, resource, found.identity, found.problem)
            left = [identity for identity in left if identity not in refused]
        except Problem:
            break  # the database refused one of them; it does not say which
    for identity in left:
        try:
            with ctx.savepoint(), doing.watched(identity) if doing else nullcontext():
                service.take(ctx, resource, identity, action, data, "*")
                service.seal(ctx, resource)
        except Problem as problem:
            refused[identity] = _refused(ctx, resource, identity, problem)
    return list(refused.values())


def _act_on_all(
    ctx: Context,
    resource: Resource,
    identities: Sequence[UUID],
    action: str,
    data: Mapping[str, Any],
    refused: dict[UUID, Refused],
) -> None:
    """Take the action on all of them, without sealing the step; add those to `refused` with which nothing was begun.

    Raises:
        _LeftOut: with one of them it was.
    """
    rows = service.fetch_many(ctx, resource, identities)
    for identity in identities:
        row = rows.get(identity)
        if row is None:
            refused[identity] = Refused(identity, "", NotFound().detail)
            continue
        try:
            records.allowed(ctx, row, action)
        except Problem as problem:
            refused[identity] = Refused(identity, row.number, problem.detail)
            continue
        try:
            records.perform(ctx, row, action, data)
        except Problem as problem:
            raise _LeftOut(identity, problem) from problem


def _refused(ctx: Context, resource: Resource, identity: UUID, problem: Problem) -> Refused:
    labels = [row.number for row in chosen(ctx, resource, [identity])]
    return Refused(identity, labels[0] if labels else "", problem.detail)
