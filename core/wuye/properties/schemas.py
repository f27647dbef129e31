"""What a property shows and accepts."""

from wuye.properties.models import KINDS
from wuye.resources import fields
from wuye.resources.schemas import ScopedSchema


class PropertySchema(ScopedSchema):
    """A place; its label is made from its parents' names."""

    parent = fields.Reference("property", allow_none=True)
    kind = fields.Choice(KINDS, required=True)
    code = fields.String(required=True, validate=fields.length(min=1, max=80))
    name = fields.String(required=True)
    label = fields.String(dump_only=True)
    area_m2 = fields.Decimal(allow_none=True)
    archived = fields.Boolean()
