"""What assets and work orders show and accept, and what the actions want to know."""

from decimal import Decimal

from wuye.api import ActionInput, RecordSchema, ScopedSchema, between, fields, length
from wuye_maintenance.models import CONDITIONS, HOLD_REASONS, TYPES


class AssetSchema(ScopedSchema):
    """An asset."""

    code = fields.String(required=True, validate=length(min=1, max=80))
    name = fields.String(required=True)
    asset_class = fields.String(required=True)
    place = fields.Reference("property", allow_none=True)
    maker = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    serial = fields.String(allow_none=True)
    condition = fields.Choice(CONDITIONS)


class WorkOrderSchema(RecordSchema):
    """A work order."""

    title = fields.String(required=True)
    order_type = fields.Choice(TYPES, required=True)
    asset = fields.Reference("maintenance_asset", allow_none=True)
    accepted_at = fields.Moment(dump_only=True)
    on_site_at = fields.Moment(dump_only=True)
    started_at = fields.Moment(dump_only=True)
    done_at = fields.Moment(dump_only=True)
    verified_at = fields.Moment(dump_only=True)
    verified_by = fields.Reference("person", dump_only=True)
    hold_reason = fields.Choice(HOLD_REASONS, dump_only=True)
    hold_until = fields.Moment(dump_only=True)
    cause = fields.LongText(dump_only=True)
    remedy = fields.LongText(dump_only=True)
    cost_limit = fields.Decimal(dump_only=True)
    reworks = fields.Integer(dump_only=True)


class Assignment(ActionInput):
    """Who shall do it; the least busy technician on duty if nobody is named."""

    assignee = fields.Reference("person")


class Approval(ActionInput):
    """What the work may cost at most, in yuan."""

    cost_limit = fields.Decimal(required=True)


class Hold(ActionInput):
    """Why the work rests, and until when."""

    hold_reason = fields.Choice(HOLD_REASONS, required=True)
    hold_until = fields.Moment()


class MaterialLine(ActionInput):
    """Material that was used: what, how much of it, in which unit."""

    item = fields.String(required=True)
    quantity = fields.Decimal(required=True, places=3, validate=between(Decimal("0.001"), Decimal(999_999)))
    measure_unit = fields.String(validate=length(max=20))


class Completion(ActionInput):
    """What was wrong, what was done, and what it took."""

    remedy = fields.LongText(required=True, validate=length(min=1, max=2000))
    cause = fields.LongText(validate=length(max=2000))
    materials = fields.Lines(MaterialLine)
