"""What referrals and routes show and accept."""

from wuye.resources import fields
from wuye.resources.schemas import RecordSchema, ScopedSchema


class ReferralSchema(RecordSchema):
    """A referral. A department makes one with its own action; the office can hand over any record by hand.

    Where it is, who asked for it and until when follow from the record that is handed over.
    """

    title = fields.String(dump_only=True)
    place = fields.Reference("property", dump_only=True)
    requester = fields.Reference("person", dump_only=True)
    due_at = fields.Moment(dump_only=True)
    origin = fields.Reference("record", required=True)
    target = fields.Reference("record", dump_only=True)
    category = fields.Category(required=True)
    wanted = fields.DepartmentCode(dump_only=True)
    outcome = fields.LongText(dump_only=True)
    bounces = fields.Integer(dump_only=True)


class RouteSchema(ScopedSchema):
    """One line of the routing table."""

    category = fields.String(required=True, validate=fields.length(min=1, max=fields.Category.limit))
    department = fields.DepartmentCode(required=True)
