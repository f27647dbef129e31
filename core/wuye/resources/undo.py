"""Taking back what one has just done: a change of fields, an action, one action on many things.

A step is written at once and put back if its actor asks for it within some seconds. The other way, to hold every step
back until the seconds are over, was tried and left: colleagues wait for an emergency meanwhile, a refusal comes when
nobody looks any more, a crash loses what the page called done, and it ends with the page, which here is soon.

So that putting back is honest, it is offered only for what can be put back whole. What a step does is watched as it is
written, not declared: it must have changed nothing but columns of the very thing. A step that made something (a hand-over,
lines of material), changed another thing, gave the work to another department or queued a job (whatever leaves the house
does) is not offered. Who was told inside the house and has not seen it yet never will; if somebody has, or if anything
happened to the thing since (its version), it stays as it is. The timeline keeps both: the step, and that it was taken back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, event, func, inspect, select
from sqlalchemy.orm import Mapped, ORMExecuteState

from wuye.context import Context
from wuye.db.base import Base, EstateScoped, scoped_index
from wuye.db.session import EstateSession
from wuye.errors import Conflict, NotFound, Problem, Text
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.jobs.queue import QUEUED
from wuye.notifications.models import Notification
from wuye.records import services as records
from wuye.resources import query, service
from wuye.resources.declaration import Resource

#: How long a page offers it, and how much longer a request may be on its way.
WINDOW, GRACE = timedelta(seconds=8), timedelta(seconds=4)

#: The event of a change of fields, as the timeline calls it; any other is an action of the flow.
EDITED = "edited"

#: How a former value that JSON does not know is read again, by the name of its type.
_READ: Mapping[str, Callable[[str], Any]] = {
    "UUID": UUID, "datetime": datetime.fromisoformat, "date": date.fromisoformat, "Decimal": Decimal,
}  # fmt: skip
_AS_IT_IS = {"NoneType", "str", "int", "float", "bool", "dict", "list"}

#: Columns that every change moves on.
_ALWAYS = {"version", "updated_at"}

#: Stands for a former value that was never read, and is therefore not known.
_UNREAD = object()


class UndoStep(EstateScoped, Base):
    """What somebody has just done and may take back: for each thing the version that it made, and what was there before.

    `rows` is id → {number, version, was: {attribute: [type, value]}}. It is deleted when it was used or is old.
    """

    __table_args__ = (scoped_index("created_at"), {"info": {"exported": False}})

    user_id: Mapped[UUID]
    resource: Mapped[str]
    event: Mapped[str]
    rows: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


@dataclass
class Doing:
    """A step under way, on one thing or on many of a resource: `event` is `edited` or an action's name."""

    ctx: Context
    resource: Resource
    event: str
    rows: dict[str, Any] = field(default_factory=dict)
    whole: bool = True
    step: UndoStep | None = None

    @contextmanager
    def watched(self, *identities: UUID) -> Iterator[None]:
        """Watch what is written in this block, which changes these things and seals them."""
        session, queued = self.ctx.session, self.ctx.session.info.get(QUEUED, 0)
        former: dict[Any, dict[str, Any]] = {}
        beyond: list[object] = []

        def flushing(flushed: EstateSession, *_rest: object) -> None:
            beyond.extend((*flushed.new, *flushed.deleted))
            for row in flushed.dirty:
                former[row] = {**_former(row), **former.get(row, {})}

        def executing(state: ORMExecuteState) -> None:
            if not state.is_select:
                beyond.append(state)

        event.listen(session, "before_flush", flushing)
        event.listen(session, "do_orm_execute", executing)
        try:
            yield
        finally:
            event.remove(session, "before_flush", flushing)
            event.remove(session, "do_orm_execute", executing)
        changed = [(row, was) for row, was in former.items() if was]
        if beyond or session.info.get(QUEUED, 0) != queued or any(row.id not in identities for row, _was in changed):
            self.whole = False
        for row, was in changed:
            self._add(row, was)

    def _add(self, row: Any, was: Mapping[str, Any]) -> None:
        """Note how to put a row back, if it can be, and may be kept (personal data may not)."""
        if self.event == EDITED:  # what follows from a field follows again when it is put back
            was = {name: value for name, value in was.items() if name in _written(self.resource)}
        known = all(type(value).__name__ in {*_READ, *_AS_IT_IS} for value in was.values())
        if not known or "department" in was or was.keys() & self.resource.masked_attributes:
            self.whole = False
            return
        values = {name: _plain(value) for name, value in was.items() if name not in _ALWAYS}
        self.rows[str(row.id)] = {"number": getattr(row, "number", None), "version": row.version, "was": values}

    def keep(self) -> UndoStep | None:
        """Keep the step for some seconds, and return it; None if it cannot be taken back as a whole."""
        if self.step is None and self.rows and self.whole and not self._is_out_of_sight():
            assert self.ctx.actor.user_id is not None, "somebody acts"
            self.step = UndoStep(
                id=uuid7(),
                user_id=self.ctx.actor.user_id,
                resource=self.resource.key,
                event=self.event,
                rows=self.rows,
                created_at=self.ctx.now,
            )
            self.ctx.session.add(self.step)
        return self.step

    def _is_out_of_sight(self) -> bool:
        """Tell whether the actor does not see all of it any more: who gave work away has no say in it."""
        model, condition = self.resource.model, query.visibility(self.ctx, self.resource)
        if condition is None:
            return False
        seen = select(func.count()).select_from(model).where(model.id.in_([UUID(row) for row in self.rows]), condition)
        return self.ctx.session.scalar(seen) != len(self.rows)


def _written(resource: Resource) -> set[str]:
    """Return the attributes that a form or the API can set."""
    return {item.attribute or name for name, item in resource.instance.load_fields.items()}


def _former(row: Any) -> dict[str, Any]:
    """Return the values that a row is about to lose, by attribute."""
    state = inspect(row)
    changed = [(each.key, state.attrs[each.key].history) for each in state.mapper.column_attrs]
    return {name: was.deleted[0] if was.deleted else _UNREAD for name, was in changed if was.has_changes()}


def _plain(value: Any) -> list[Any]:
    name = type(value).__name__
    return [name, str(value) if name in _READ else value]


def _read(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _READ[kind](value) if kind in _READ else value for name, (kind, value) in kept.items()}


def find(ctx: Context, identity: UUID, *, lock: bool = False) -> UndoStep | None:
    """Return a step of the actor's; None if they have no such one."""
    mine = select(UndoStep).where(UndoStep.id == identity, UndoStep.user_id == ctx.actor.user_id)
    return ctx.session.scalars(mine.with_for_update() if lock else mine).one_or_none()


def resource_of(ctx: Context, step: UndoStep) -> Resource | None:
    """Return what the step changed a thing of; None if its plugin is off or gone."""
    resource = ctx.loaded.registry.resources.get(step.resource)
    return resource if resource and resource.plugin in ctx.plugins else None


class Outcome(NamedTuple):
    """What became of one thing: why it stays as it is, or None."""

    id: UUID
    number: str | None
    reason: Text | None


def take_back(ctx: Context, identity: UUID) -> tuple[Resource, list[Outcome]]:
    """Put back what the actor's step changed, each thing by itself.

    Raises:
        NotFound: there is no such step of theirs, or it was taken back already. Conflict: it is too late.
    """
    step = find(ctx, identity, lock=True)
    resource = resource_of(ctx, step) if step else None
    if step is None or resource is None:
        raise NotFound
    if ctx.now > step.created_at + WINDOW + GRACE:
        raise Conflict(_("It is too late to take this back."))
    outcomes = [
        Outcome(UUID(row), kept["number"], _put_back(ctx, resource, step, UUID(row), kept))
        for row, kept in step.rows.items()
    ]
    ctx.session.delete(step)
    return resource, outcomes


def _put_back(ctx: Context, resource: Resource, step: UndoStep, identity: UUID, kept: Mapping[str, Any]) -> Text | None:
    """Put one thing back; return why not if it cannot be, which costs the others nothing."""
    ctx.quiet, quiet = True, ctx.quiet  # what was taken back is no news
    try:
        with ctx.savepoint():
            _withdraw_notices(ctx, identity, step.created_at)
            row, was = service.fetch(ctx, resource, identity, service.etag(kept["version"])), _read(kept["was"])
            if step.event == EDITED:
                ctx.require(resource.update or "")
                service.edit_to(ctx, resource, row, was)
            else:
                ctx.require(records.flow_of(ctx, row).transitions[step.event].permission)
                records.take_back(ctx, row, step.event, was)
            service.seal(ctx, resource)
    except Problem as problem:
        return problem.detail
    finally:
        ctx.quiet = quiet
    return None


def _withdraw_notices(ctx: Context, identity: UUID, at: datetime) -> None:
    """Remove what the step told of a record.

    Raises:
        Conflict: somebody has seen it.
    """
    told = Notification.record_id == identity, Notification.created_at == at
    if ctx.session.scalar(select(Notification.id).where(*told, Notification.seen_at.is_not(None)).limit(1)):
        raise Conflict(_("Somebody who was told of it has seen it already."))
    ctx.session.execute(delete(Notification).where(*told), execution_options={"synchronize_session": False})
