"""Reading the body of a request."""

import orjson
from flask import request

from wuye.errors import BadRequest
from wuye.i18n import _


def json_body() -> object:
    """Return the JSON body.

    Raises:
        BadRequest: it is not JSON.
    """
    if request.mimetype not in ("application/json", ""):
        raise BadRequest(_("Send JSON (Content-Type: application/json)."))
    try:
        return orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            _("The body is not JSON: {reason}.", reason=str(error)), hint=_("Send an object with fields.")
        ) from error
