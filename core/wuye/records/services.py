"""What can be done to a record: open it, edit it, take a transition, comment on it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from wuye.context import Context
from wuye.errors import Conflict, Forbidden, NotFound
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.notifications.services import tell_state
from wuye.records import numbering as _numbering  # noqa: F401 (it listens to the session)
from wuye.records.flow import SYSTEM, Flow, Transition
from wuye.records.models import Record
from wuye.resources.choosing import check
from wuye.resources.declaration import plain
from wuye.resources.schemas import input_schema, load_with

R = TypeVar("R", bound=Record)


def flow_of(ctx: Context, record: Record) -> Flow:
    """Return the flow of a record's kind."""
    resource = ctx.loaded.registry.resource_of_kind(record.kind)
    if resource is None or resource.flow is None:
        raise NotFound
    return resource.flow


def enter(flow: Flow, record: Record, state: str, ctx: Context) -> None:
    """Put a record into a state, with the phase and the closing time that follow from it."""
    was_done = record.phase == "done"
    record.state = state
    record.phase = flow.states[state].phase
    if record.phase == "done" and not was_done:
        record.closed_at = ctx.now
    elif record.phase != "done":
        record.closed_at = None


def open_record(
    ctx: Context,
    model: type[R],
    values: Mapping[str, Any],
    *,
    state: str | None = None,
    thread: Record | None = None,
    event: str = "created",
    logged: Mapping[str, Any] | None = None,
) -> R:
    """Open a record of a kind with validated values (model attributes); in a later `state` than the first if given.

    `thread` is the record that this one continues: both then share one history. `event` is what the first entry of
    the timeline is called: `created`, or `imported` for what came from another system.
    """
    resource = ctx.loaded.registry.resource_of_kind(model.record_kind())
    assert resource is not None, f"{model.__name__} has no resource"
    assert resource.flow is not None, f"{resource.key} has no flow"
    identity = uuid7()
    fields: dict[str, Any] = {
        "id": identity,
        "thread_id": thread.thread_id if thread else identity,
        "opened_at": ctx.now,
        "department": resource.plugin,
        "created_at": ctx.now,
        "created_by": ctx.actor.user_id,
        "updated_at": ctx.now,
        "title": "",
        "priority": "normal",
        "extras": {},
        **values,
    }
    record = model(kind=model.record_kind(), **fields)
    enter(resource.flow, record, state or resource.flow.initial.name, ctx)
    ctx.call("before_change", record=record, event="created", data=values)
    ctx.session.add(record)
    ctx.log(record, event, {"state": record.state, **(logged or {})})
    ctx.once_written(lambda: resource.index(ctx.session, record))
    ctx.changed(record, "created")
    return record


def edit(ctx: Context, record: Record, values: Mapping[str, Any]) -> Record:
    """Change fields of a record; what changed goes on the timeline, old → new. Nothing changed, nothing written."""
    changed = {name: value for name, value in values.items() if getattr(record, name) != value}
    if not changed:
        return record
    ctx.call("before_change", record=record, event="edited", data=changed)
    resource = ctx.loaded.registry.resource_of_kind(record.kind)
    assert resource is not None, "only kinds of loaded plugins can be edited"
    entry = resource.changes(record, changed)
    for name, value in changed.items():
        setattr(record, name, value)
    record.updated_at = ctx.now
    ctx.log(record, "edited", {"changes": entry})
    if changed.keys() & set(resource.search):
        resource.index(ctx.session, record)
    ctx.changed(record, "edited")
    return record


def perform(ctx: Context, record: Record, action: str, data: Mapping[str, Any] | None = None) -> Record:
    """Take a transition on behalf of the actor.

    Raises:
        NotFound: the kind has no such transition, or it is the program's own.
        Forbidden: the actor may not take it.
        Conflict: the record is not in a state from which it can be taken, or a guard or plugin objects.
        Invalid: the input is not what the transition needs.
    """
    transition = allowed(ctx, record, action)
    values = load_input(transition, data or {})
    check(ctx, ctx.loaded.registry.resource_of_kind(record.kind), input_schema(transition), values)
    return take(ctx, record, action, values)


def allowed(ctx: Context, record: Record, action: str) -> Transition:
    """Return a transition that the actor may take now; nothing is asked of guards and plugins yet.

    Raises:
        NotFound, Forbidden, Conflict: as for `perform`.
    """
    transition = flow_of(ctx, record).transitions.get(action)
    if transition is None or transition.permission == SYSTEM:
        raise NotFound(
            _("There is no action “{action}” here.", action=action),
            actions=[item.name for item in available(ctx, record)],
        )
    ctx.require(transition.permission)
    if not _is_the_one(ctx, record, transition):
        raise Forbidden(_BY[transition.by] if isinstance(transition.by, str) else _("You may not do this"))
    _require_state(ctx, record, transition)
    return transition


def _require_state(ctx: Context, record: Record, transition: Transition) -> None:
    if record.state not in transition.sources:
        raise Conflict(
            _(
                "“{action}” is not possible while {number} is “{state}”.",
                action=transition.label,
                number=record.number,
                state=flow_of(ctx, record).states[record.state].label,
            ),
            state=record.state,
            actions=[item.name for item in available(ctx, record)],
        )


def take(ctx: Context, record: Record, action: str, data: Mapping[str, Any] | None = None) -> Record:
    """Take a transition as the program itself: state and guards are checked, permissions are not."""
    flow = flow_of(ctx, record)
    transition = flow.transitions[action]
    values = dict(data or {})
    _require_state(ctx, record, transition)
    ctx.call("before_change", record=record, event=action, data=values)
    if transition.guard:
        transition.guard(ctx, record, values)
    before = record.state
    enter(flow, record, transition.target or before, ctx)
    record.updated_at = ctx.now
    ctx.log(record, action, {"from": before, "to": record.state, **plain(values)})
    if record.state != before:
        tell_state(ctx, record, flow.states[record.state])
    if transition.effect:
        transition.effect(ctx, record, values)
    ctx.changed(record, action)
    return record


def take_back(ctx: Context, record: Record, action: str, former: Mapping[str, Any]) -> None:
    """Put a record back to how it was before a transition; nothing of what the transition's own code does is run.

    `former` are the attributes that the transition has changed, with their values before it.
    """
    ctx.call("before_change", record=record, event="taken_back", data=former)
    before = record.state
    for name, value in former.items():
        setattr(record, name, value)
    record.updated_at = ctx.now
    ctx.log(record, "taken_back", {"action": action, "from": before, "to": record.state})
    resource = ctx.loaded.registry.resource_of_kind(record.kind)
    assert resource is not None, "its flow was asked for"
    if former.keys() & set(resource.search):
        resource.index(ctx.session, record)
    ctx.changed(record, "taken_back")


def available(ctx: Context, record: Record) -> list[Transition]:
    """Return the transitions that the actor may take now."""
    return [
        transition
        for transition in flow_of(ctx, record).from_state(record.state)
        if ctx.may(transition.permission) and _is_the_one(ctx, record, transition)
    ]


def sketch(kind: str | None, row: Mapping[str, Any]) -> Record:
    """Return as much of a record as deciding about its actions takes, made from a row that was read anyway."""
    return Record(
        kind=kind,
        state=row["state"],
        department=row["department"],
        requester_id=row["requester"] and row["requester"]["id"],
        assignee_id=row["assignee"] and row["assignee"]["id"],
    )


def load_input(transition: Transition, data: Mapping[str, Any]) -> dict[str, Any]:
    """Check what a caller gave for a transition, and return it as Python values."""
    return load_with(input_schema(transition), data)


_BY = {
    "requester": _("Only the one who asked for it may do this."),
    "assignee": _("Only the one it is assigned to may do this."),
    "not_doer": _("Whoever did the work cannot accept it as well."),
    "anyone": _("You may not do this"),
}


def _is_the_one(ctx: Context, record: Record, transition: Transition) -> bool:
    """Tell whether the actor stands in the relation to the record that the transition asks for."""
    if transition.by == "anyone" or (transition.override and ctx.may(transition.override)):
        return True
    if callable(transition.by):
        return transition.by(ctx, record)
    me = ctx.actor.person_id
    if transition.by == "requester":
        return me is not None and record.requester_id == me
    if transition.by == "assignee":
        return me is not None and record.assignee_id == me
    return me is None or record.assignee_id != me
