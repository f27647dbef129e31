"""What people, occupancies, departments and staff show and accept."""

from wuye.people.models import RELATIONS
from wuye.resources import fields
from wuye.resources.schemas import ScopedSchema


class PersonSchema(ScopedSchema):
    """A person; phone and e-mail are shown masked."""

    name = fields.String(required=True)
    phone = fields.Phone(allow_none=True)
    email = fields.Email(allow_none=True)
    external_id = fields.String(allow_none=True)
    note = fields.LongText(allow_none=True)
    archived = fields.Boolean()


class OccupancySchema(ScopedSchema):
    """Who lives where, as what, from when to when."""

    person = fields.Reference("person", required=True)
    property = fields.Reference("property", required=True)
    relation = fields.Choice(RELATIONS, required=True)
    since = fields.Day(required=True)
    until = fields.Day(allow_none=True)


class DepartmentSchema(ScopedSchema):
    """A department of the management office."""

    code = fields.String(required=True, validate=fields.length(min=1, max=40))
    name = fields.String(required=True)
    plugin = fields.String(allow_none=True)


class StaffSchema(ScopedSchema):
    """A post in a department."""

    person = fields.Reference("person", required=True)
    department = fields.Reference("department", required=True)
    post = fields.String()
    employee_number = fields.String(allow_none=True)
    on_duty = fields.Boolean()
