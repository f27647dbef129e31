"""Problems as pages: what happened, what to do now, and the request's id for whoever is asked for help."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, redirect, request

from wuye.i18n import _
from wuye.pages.rendering import plain
from wuye.web.access import SecondFactorNeeded

#: What can be done about a problem that does not say so itself.
_WAYS = {
    403: _(
        "If you need it for your work, ask a manager of the estate for it: they give roles under Settings, Members."
    ),
    404: _(
        "The address may be mistyped, the thing may be gone, or it belongs to a department that is switched off here."
    ),
    409: _("Look at how it stands now, then decide again. Nothing was written."),
    413: _("Choose a smaller file, or send several one after the other. Nothing was written."),
    429: _("This protects accounts against guessing. Your account is not closed."),
    500: _("Try once more in a moment. If it happens again, tell whoever runs this installation the number below."),
    503: _("Try again in a moment; nothing was changed."),
}


def show(body: dict[str, Any], headers: dict[str, str]) -> Response:
    """Show a problem; nobody known is asked to sign in, and comes back to where they wanted to go."""
    if body["status"] == 401:
        going = request.full_path.rstrip("?") if request.method == "GET" else ""
        form = f"/r/{(request.view_args or {})['estate']}/sign-in" if request.path.startswith("/r/") else "/sign-in"
        return redirect(f"{form}?{urlencode({'next': going})}" if going else form, 303)  # type: ignore[return-value]  # werkzeug's response is Flask's
    if body["type"].endswith(SecondFactorNeeded.code):
        going = request.full_path.rstrip("?") if request.method == "GET" else "/"
        return redirect(f"/profile/second-factor?{urlencode({'owed': 1, 'next': going})}", 303)  # type: ignore[return-value]  # as above
    hint = body.get("hint") or _WAYS.get(body["status"])
    response = plain("problem.html", body["status"], problem={**body, "hint": hint})
    for name, value in headers.items():
        response.headers[name] = value
    return response
