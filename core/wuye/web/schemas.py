"""What the routes take that belong to no resource."""

from wuye.resources import fields
from wuye.resources.schemas import NoInput


class SignIn(NoInput):
    """Who wants a token, and for which estate; `code` is that of the second factor, or a recovery code."""

    email = fields.String(required=True)
    password = fields.String(required=True)
    estate = fields.String(required=True)
    code = fields.String(load_default="")
