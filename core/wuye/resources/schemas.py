"""The base schemas: what every scoped thing and every record shows and accepts."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from marshmallow import RAISE, Schema, ValidationError

from wuye.errors import FieldError, Invalid
from wuye.i18n import _
from wuye.records.models import PHASES, PRIORITIES
from wuye.resources import fields

if TYPE_CHECKING:
    from wuye.records.flow import Transition


class ScopedSchema(Schema):
    """What every resource shows: its id, its version (the ETag) and its dates, none of them writable."""

    class Meta:
        unknown = RAISE
        ordered = True

    error_messages = fields.messages(
        unknown=_("There is no such field."), type=_("This must be an object with fields.")
    )

    id = fields.Uuid(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = fields.Moment(dump_only=True)
    updated_at = fields.Moment(dump_only=True)


class RecordSchema(ScopedSchema):
    """What every kind of work shows and accepts besides its own fields."""

    kind = fields.String(dump_only=True)
    number = fields.String(dump_only=True)
    title = fields.String()
    text = fields.LongText(allow_none=True)
    state = fields.String(dump_only=True)
    phase = fields.Choice(PHASES, dump_only=True)
    priority = fields.by_staff(fields.Choice(PRIORITIES))
    department = fields.DepartmentCode(dump_only=True)
    place = fields.Reference("property", allow_none=True)
    requester = fields.by_staff(fields.Reference("person", allow_none=True))
    assignee = fields.Reference("person", dump_only=True)
    due_at = fields.by_staff(fields.Moment(allow_none=True))
    opened_at = fields.Moment(dump_only=True)
    closed_at = fields.Moment(dump_only=True)
    thread = fields.Uuid(dump_only=True, attribute="thread_id")
    external_id = fields.String(dump_only=True)


class NoInput(Schema):
    """The input of a transition that wants to know nothing."""

    class Meta:
        unknown = RAISE

    error_messages = ScopedSchema.error_messages


class Reason(NoInput):
    """The input of a transition that wants a reason."""

    reason = fields.LongText(required=True, validate=fields.length(min=1, max=2000))


class Comment(NoInput):
    """A comment: its text, and whether it is for staff only."""

    text = fields.LongText(required=True, validate=fields.length(min=1, max=20_000))
    internal = fields.Boolean(load_default=False)


class Reveal(NoInput):
    """Which masked field somebody wants to see in full, and what for."""

    field = fields.String(required=True)
    reason = fields.String(required=True)


class ActionInput(NoInput):
    """The base for inputs of transitions: unknown fields are refused."""


@cache
def input_schema(transition: "Transition") -> Schema:
    """Return the schema of a transition's input: its own, with a reason if it wants one."""
    if not transition.reason:
        return (transition.input or NoInput)()
    if transition.input is None:
        return Reason()
    combined: type[Schema] = type(f"{transition.input.__name__}WithReason", (transition.input, Reason), {})
    return combined()


def load_with(schema: Schema, data: object, *, partial: bool = False) -> dict[str, Any]:
    """Validate data and return Python values by model attribute.

    Raises:
        Invalid: with one error for each field that is wrong.
    """
    try:
        loaded: dict[str, Any] = schema.load(data, partial=partial)  # type: ignore[arg-type]  # anything may come in; that is what it checks
    except ValidationError as error:
        raise invalid(error.messages) from error
    return loaded


def invalid(messages: object) -> Invalid:
    """Return the problem for marshmallow's messages."""
    return wrong_fields(list(_flatten(messages, "")))


def wrong_fields(errors: Sequence[FieldError]) -> Invalid:
    """Return the problem that one or more fields are."""
    if len(errors) == 1:
        return Invalid(_("One field is not valid."), errors=errors)
    return Invalid(_("{count} fields are not valid.", count=len(errors)), errors=errors)


def _flatten(messages: object, path: str) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            name = "" if key == "_schema" else str(key)
            yield from _flatten(inner, f"{path}.{name}".strip("."))
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from _flatten(message, path)
    else:
        yield FieldError(path, messages)  # type: ignore[arg-type]  # a text, ours or marshmallow's
