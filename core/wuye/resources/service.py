"""What can be done with any resource, without HTTP in it: list, read, create, edit, act, comment, follow.

The API, the command line and the pages all come through here.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from wuye.context import Context
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, PreconditionRequired, Stale
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.notifications.services import tell_comment
from wuye.records import services
from wuye.records.models import Record
from wuye.records.timeline import Audience
from wuye.resources import query
from wuye.resources.choosing import check
from wuye.resources.declaration import Resource
from wuye.resources.schemas import Comment, Reveal, load_with


def listing(ctx: Context, resource: Resource, arguments: Mapping[str, Sequence[str]]) -> query.Page:
    """Return one page of a list, as URL parameters describe it."""
    return query.run(ctx, resource, query.parse(resource, arguments))


def read(ctx: Context, resource: Resource, identity: UUID) -> dict[str, Any]:
    """Return one thing with all its fields.

    Raises:
        NotFound: there is none that the actor may see.
    """
    row = query.one(ctx, resource, identity)
    if row is None:
        raise NotFound
    return row


def create(ctx: Context, resource: Resource, data: object, preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Create one from what a caller sent, and return it as it is read back.

    `preset` is what the program fills in by itself, over what was sent: of that the caller need not be one to decide.

    Raises:
        Invalid: with each field that is wrong, or not theirs to decide.
    """
    if resource.create is None:
        raise NotFound
    ctx.require(resource.create)
    if preset and isinstance(data, Mapping):
        data = {**data, **preset}
    values = load_with(resource.instance, data)
    given = {resource.instance.load_fields[name].attribute or name for name in preset or ()}
    check(ctx, resource, resource.instance, {key: value for key, value in values.items() if key not in given})
    row = create_from(ctx, resource, values)
    seal(ctx, resource)
    return _read_back(ctx, resource, row.id)


def create_from(ctx: Context, resource: Resource, values: Mapping[str, Any]) -> Any:
    """Create one from validated values, without sealing the step; the import and other services come in here."""
    if resource.on_create is not None:
        row = resource.on_create(ctx, values)
    elif resource.is_record:
        row = services.open_record(ctx, resource.model, values)
    else:
        row = resource.model(id=uuid7(), created_at=ctx.now, created_by=ctx.actor.user_id, updated_at=ctx.now, **values)
        ctx.session.add(row)
        index(ctx, resource, row)
    if not resource.is_record:
        ctx.note(row.id, row.id, "created", audience="staff")
    return row


def index(ctx: Context, resource: Resource, row: Any) -> None:
    """Make a thing that is no record findable."""
    if resource.search:
        resource.index(ctx.session, row)


def fetch(ctx: Context, resource: Resource, identity: UUID, if_match: str | None) -> Any:
    """Return the entity to change, if the actor may see it and means its present version.

    `if_match` is an ETag (`"3"`) or `*`.

    Raises:
        NotFound, PreconditionRequired, Stale.
    """
    row = next(iter(fetch_many(ctx, resource, [identity]).values()), None)
    if row is None:
        raise NotFound
    if if_match is None:
        raise PreconditionRequired(
            _("Send the version that you have read in the header If-Match."),
            hint=_("It came as ETag with the thing."),
        )
    if if_match.strip() != "*" and etag(row.version) not in [part.strip() for part in if_match.split(",")]:
        raise Stale(
            _("Somebody changed it in the meantime: read it again, then repeat your change."),
            current=read(ctx, resource, identity),
        )
    return row


def fetch_many(ctx: Context, resource: Resource, identities: Sequence[UUID]) -> dict[UUID, Any]:
    """Return the entities of these ids that the actor may see."""
    statement = select(resource.model).where(resource.model.id.in_(identities))
    condition = query.visibility(ctx, resource)
    if condition is not None:
        statement = statement.where(condition)
    return {row.id: row for row in ctx.session.scalars(statement)}


def etag(version: int) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def edit(ctx: Context, resource: Resource, identity: UUID, data: object, if_match: str | None) -> dict[str, Any]:
    """Change fields of one, and return it as it is read back."""
    if resource.update is None:
        raise NotFound
    row = fetch(ctx, resource, identity, if_match)
    ctx.require(resource.update)
    values = load_with(resource.instance, data, partial=True)
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    check(ctx, resource, resource.instance, changed)
    edit_to(ctx, resource, row, values)
    seal(ctx, resource)
    return _read_back(ctx, resource, identity)


def edit_to(ctx: Context, resource: Resource, row: Any, values: Mapping[str, Any]) -> bool:
    """Give a row validated values, without sealing the step; return whether anything changed."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not changed:
        return False
    if not resource.is_record:
        ctx.note(row.id, row.id, "edited", {"changes": resource.changes(row, changed)}, "staff")
    if resource.on_edit is not None:
        resource.on_edit(ctx, row, changed)
    elif resource.is_record:
        services.edit(ctx, row, changed)
    else:
        for name, value in changed.items():
            setattr(row, name, value)
        row.updated_at = ctx.now
        index(ctx, resource, row)
    return True


def act(
    ctx: Context, resource: Resource, identity: UUID, action: str, data: object, if_match: str | None
) -> dict[str, Any]:
    """Take a transition, and return the thing as it is read back."""
    take(ctx, resource, identity, action, data, if_match)
    seal(ctx, resource)
    return _read_back(ctx, resource, identity)


def take(ctx: Context, resource: Resource, identity: UUID, action: str, data: object, if_match: str | None) -> None:
    """Take a transition, without sealing the step."""
    if resource.flow is None:
        raise NotFound
    row = fetch(ctx, resource, identity, if_match)
    if not isinstance(data, Mapping):
        raise Invalid(_("Send an object with the action's fields."))
    services.perform(ctx, row, action, data)


def comment(ctx: Context, resource: Resource, identity: UUID, data: object) -> list[dict[str, Any]]:
    """Comment on a thing, for everybody who sees it or for staff only, and return its timeline.

    Raises:
        NotFound: there is no such thing that the actor may see. Forbidden: they may only read it.
    """
    row = fetch(ctx, resource, identity, "*")
    require_comment(ctx, resource)
    values = load_with(Comment(), data)
    if values["internal"]:
        ctx.require("core.internal")
    audience: Audience = "staff" if values["internal"] else "all"
    ctx.note(row.id, getattr(row, "thread_id", row.id), "comment", {"text": values["text"]}, audience)
    if isinstance(row, Record):
        tell_comment(ctx, row, values["text"], audience)
    seal(ctx, resource)
    return timeline(ctx, resource, identity)


def may_comment(ctx: Context, resource: Resource) -> bool:
    """Tell whether the actor may comment on the things of a resource that they see, and attach files to them."""
    return any(ctx.may(permission) for permission in resource.comment or ())


def require_comment(ctx: Context, resource: Resource) -> None:
    """Insist on that.

    Raises:
        Forbidden: the actor may only read these things.
    """
    if not may_comment(ctx, resource):
        raise Forbidden(_("You may read this, but neither comment on it nor attach files."))


def timeline(ctx: Context, resource: Resource, identity: UUID) -> list[dict[str, Any]]:
    """Return the history, oldest first; a record's is that of its whole thread, the same from whichever end.

    Raises:
        NotFound: there is no such thing that the actor may see.
    """
    return history(ctx, read(ctx, resource, identity))


_ENTRY = ("sequence", "at", "event", "record_id", "actor_id", "audience", "data")
_HISTORY = f"""
    SELECT {", ".join(_ENTRY)} FROM core_timeline
    WHERE thread_id = %(thread)s AND audience = ANY(%(audiences)s) ORDER BY sequence
    """  # noqa: S608 (its parts are the names above)


def history(ctx: Context, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the history of a thing that the actor has read, as `timeline` does."""
    audiences = ["all", "staff"] if ctx.may("core.internal") else ["all"]
    entries = ctx.session.fetch(_HISTORY, {"thread": row.get("thread", row["id"]), "audiences": audiences})
    return [dict(zip(_ENTRY, entry, strict=True)) for entry in entries]


def reveal(ctx: Context, resource: Resource, identity: UUID, data: object) -> dict[str, Any]:
    """Return one masked field in full, and write on the estate's timeline who looked at it, when and what for.

    Raises:
        Forbidden: the actor may not. Invalid: the field is not a masked one, or there is no reason.
    """
    values = load_with(Reveal(), data)
    ctx.require("core.reveal")
    masked = {name for name, attribute in resource.attributes.items() if attribute in resource.masked_attributes}
    if values["field"] not in masked:
        reason = _("Use one of: {choices}.", choices=", ".join(sorted(masked)))
        raise Invalid(_("There is nothing to reveal."), errors=[FieldError("field", reason)])
    row = query.one(ctx, resource, identity, reveal=True)
    if row is None:
        raise NotFound
    ctx.note(identity, row.get("thread") or identity, "revealed", values, "staff")
    ctx.seal()
    return {"field": values["field"], "value": row[values["field"]]}


def seal(ctx: Context, resource: Resource) -> None:
    """Write the step; what the database refuses becomes an error at the field that caused it.

    Raises:
        Invalid: a reference leads nowhere (or to another estate). Conflict: a value is taken. Stale: somebody was faster.
    """
    try:
        ctx.seal()
    except IntegrityError as error:
        raise refused(resource, error) from error
    except StaleDataError as error:
        raise Stale(_("Somebody changed it in the meantime: read it again, then repeat your change.")) from error


def refused(resource: Resource, error: IntegrityError) -> Invalid | Conflict:
    """Return the problem for a constraint that the database found broken."""
    diagnosis = getattr(error.orig, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None) or ""
    named = _fields_of(resource, constraint) or [""]
    if constraint.startswith("fk_"):
        absent = _("There is no such thing in this estate.")
        return Invalid(_("A reference leads nowhere."), errors=[FieldError(field, absent) for field in named])
    if constraint.startswith(("uq_", "pk_")):
        taken = _("This value is taken.") if len(named) == 1 else _("These values are taken together.")
        return Conflict(_("This exists already."), errors=[FieldError(field, taken) for field in named])
    return Invalid(_("The data contradicts itself."), errors=[FieldError(field, constraint) for field in named])


def _fields_of(resource: Resource, constraint: str) -> list[str]:
    """Return the fields behind the columns of a constraint or unique index of a resource's own tables."""
    for table in inspect(resource.model).tables:
        for found in (*table.constraints, *table.indexes):
            if str(found.name) == constraint:
                columns = {column.name for column in found.columns} - {"estate_id"}
                return [name for name, attribute in resource.attributes.items() if attribute in columns]
    return []


def _read_back(ctx: Context, resource: Resource, identity: UUID) -> dict[str, Any]:
    row = query.one(ctx, resource, identity)
    if row is None:
        # The step itself may have taken the thing out of the actor's sight (a refused referral, say).
        return {"id": identity, "version": None}
    return row
