"""Problems as pages: what happened, what to do now, and the request's id for whoever is asked for help."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, redirect, request

from wuye.pages.rendering import plain


def show(body: dict[str, Any], headers: dict[str, str]) -> Response:
    """Show a problem; nobody known is asked to sign in, and comes back to where they wanted to go."""
    if body["status"] == 401:
        going = request.full_path.rstrip("?") if request.method == "GET" else ""
        form = f"/r/{(request.view_args or {})['estate']}/sign-in" if request.path.startswith("/r/") else "/sign-in"
        return redirect(f"{form}?{urlencode({'next': going})}" if going else form, 303)  # type: ignore[return-value]  # werkzeug's response is Flask's
    response = plain("problem.html", body["status"], problem=body)
    for name, value in headers.items():
        response.headers[name] = value
    return response
