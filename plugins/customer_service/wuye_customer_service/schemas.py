"""What a request shows and accepts, and what its actions want to know."""

from wuye.api import PRIORITIES, ActionInput, RecordSchema, between, fields, length
from wuye_customer_service.models import CHANNELS, KINDS


class RequestSchema(RecordSchema):
    """A request: what, where, by whom, through which channel."""

    title = fields.String(required=True)
    request_kind = fields.Choice(KINDS, required=True)
    channel = fields.by_staff(fields.Choice(CHANNELS))
    category = fields.Category(allow_none=True)
    contact_phone = fields.Phone(allow_none=True)
    promise = fields.String(dump_only=True)
    resolution = fields.LongText(dump_only=True)
    rating = fields.Integer(dump_only=True)
    rating_comment = fields.LongText(dump_only=True)
    reopens = fields.Integer(dump_only=True)
    urges = fields.Integer(dump_only=True)
    accepted_how = fields.String(dump_only=True)
    resolved_at = fields.Moment(dump_only=True)
    merged_into = fields.Reference("record", dump_only=True)


class Acceptance(ActionInput):
    """How the agent classifies a request, and what the requester is promised."""

    category = fields.Category()
    priority = fields.Choice(PRIORITIES)
    place = fields.Reference("property")
    promise = fields.String()
    due_at = fields.Moment()


class Answer(ActionInput):
    """The answer that the requester gets."""

    resolution = fields.LongText(required=True, validate=length(min=1, max=5000))


class Dispatch(ActionInput):
    """Where a request is handed over; without a department the routing table decides."""

    category = fields.Category()
    department = fields.DepartmentCode()
    priority = fields.Choice(PRIORITIES)
    note = fields.LongText()


class Rating(ActionInput):
    """Stars from 1 to 5, and a word about it."""

    rating = fields.Integer(required=True, validate=between(1, 5))
    comment = fields.LongText(validate=length(max=2000))


class Merge(ActionInput):
    """The request that this one is the same as."""

    into = fields.Reference("record", required=True)
