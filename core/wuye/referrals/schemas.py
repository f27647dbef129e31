"""What referrals and routes show and accept."""

from wuye.resources import fields
from wuye.resources.schemas import RecordSchema, ScopedSchema


class ReferralSchema(RecordSchema):
    """A referral; it is made by handing a record over, and changed by its actions only."""

    origin = fields.Reference("record", dump_only=True)
    target = fields.Reference("record", dump_only=True)
    category = fields.String(dump_only=True)
    wanted = fields.String(dump_only=True)
    outcome = fields.LongText(dump_only=True)
    bounces = fields.Integer(dump_only=True)


class RouteSchema(ScopedSchema):
    """One line of the routing table."""

    category = fields.String(required=True, validate=fields.length(min=1, max=80))
    department = fields.String(required=True, validate=fields.length(min=1, max=40))
