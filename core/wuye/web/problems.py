"""Errors as RFC 9457 problem+json, in the caller's language, with the request's id and never with a trace."""

import errno
from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from wuye.errors import BadRequest, NotFound, Problem, StorageFull, Unauthenticated, Unavailable
from wuye.i18n import _

log = structlog.get_logger("wuye.web")

#: PostgreSQL's code for a full disk, and the system's for that and for a quota that is used up.
_DISK_FULL, _NO_ROOM = "53100", {errno.ENOSPC, errno.EDQUOT}

#: HTTP's own errors: status → (name in the type's URI, title, what happened).
_HTTP = {
    400: ("bad-request", _("The request cannot be understood"), _("Something in it is missing or broken.")),
    405: ("method-not-allowed", _("This cannot be done here"), _("This address does not take this method.")),
    413: ("too-large", _("Too large"), ""),
    415: (
        "unsupported-media-type",
        _("Sent in a form that is not taken"),
        _("Send JSON (Content-Type: application/json)."),
    ),
}


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(body), status, headers, content_type="application/json")


#: Where an application keeps the function (body, headers) → response that shows a problem as a page.
PAGE = "wuye.problem_page"


def problem_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Return a problem with the request's id: problem+json for a program or a script, else a page."""
    body["request_id"] = g.get("request_id")
    page = current_app.extensions.get(PAGE)
    scripted = request.path.startswith("/api/") or request.headers.get("Accept") == "application/json"
    if page is not None and not scripted:
        shown: Response = page(body, headers or {})
        return shown
    return Response(orjson.dumps(body, default=str), body["status"], headers, content_type="application/problem+json")


def register(app: Flask) -> None:
    """Let the application answer errors this way."""

    @app.errorhandler(Problem)
    def show_problem(problem: Problem) -> Response:
        headers = {}
        if isinstance(problem, Unauthenticated):
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(problem, Unavailable):
            headers["Retry-After"] = "2"
        if isinstance(problem, StorageFull):
            headers["Retry-After"] = "60"
        if problem.status == 429:
            headers["Retry-After"] = str(problem.extra.get("retry_after", 300))
        return problem_response(problem.as_dict(), headers)

    @app.errorhandler(HTTPException)
    def show_http_error(error: HTTPException) -> Response:
        status = error.code or 500
        if status == 404:
            return show_problem(NotFound())
        code, title, detail = _HTTP.get(status, (str(status), error.name, error.name))
        if status == 413:
            detail = _("The request is larger than {limit} MB.", limit=(request.max_content_length or 0) >> 20)
        body = {"type": f"urn:wuye:problem:{code}", "title": str(title), "status": status, "detail": str(detail)}
        headers = {key: value for key, value in error.get_headers() if key == "Allow"}
        return problem_response(body, headers)

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeout)
    def show_database_down(error: Exception) -> Response:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _DISK_FULL:
            return show_full(error)
        log.error("database unavailable", error=str(getattr(error, "orig", error)), path=request.path)
        return show_problem(
            Unavailable(_("The database does not answer."), hint=_("Try again in a moment; nothing was changed."))
        )

    @app.errorhandler(DBAPIError)
    def show_database_error(error: DBAPIError) -> Response:
        return show_database_down(error) if error.connection_invalidated else show_bug(error)

    def show_full(error: Exception) -> Response:
        log.error("no room left", error=str(getattr(error, "orig", error)), path=request.path)
        return show_problem(
            StorageFull(
                _(
                    "Nothing can be stored now: the disk is full. Nothing was changed, and everything can still be read."
                ),
                hint=_("Tell whoever runs the server, and try again later."),
            )
        )

    @app.errorhandler(OSError)
    def show_system_error(error: OSError) -> Response:
        return show_full(error) if error.errno in _NO_ROOM else show_bug(error)

    @app.errorhandler(Exception)
    def show_bug(error: Exception) -> Response:
        if "NUL (0x00)" in str(error):  # the database keeps no such text, in whichever field it was sent
            return show_problem(
                BadRequest(_("Something that was sent holds a character that is not allowed (U+0000)."))
            )
        log.exception("request failed", path=request.path, method=request.method, error=type(error).__name__)
        detail = _("It is our fault, not yours. The log knows more under this request's id.")
        body = {
            "type": "urn:wuye:problem:internal",
            "title": str(_("Something went wrong")),
            "status": 500,
            "detail": str(detail),
        }
        return problem_response(body)
