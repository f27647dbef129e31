"""All pages put together."""

import gzip

import structlog
from flask import Flask, Response, request

from wuye.pages import (
    assets,
    desk,
    details,
    entering,
    errors,
    field,
    forgotten,
    host,
    host_users,
    imports,
    installable,
    invitation,
    lists,
    members,
    password,
    plugin_settings,
    portal,
    profile,
    profile_factor,
    profile_tokens,
    searching,
    settings,
    signin,
    tasks,
    telephone,
    undoing,
)
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.problems import PAGE

log = structlog.get_logger("wuye.pages")

#: Shorter answers are sent as they are: packing them would cost more than it saves.
_PACKED = 1024


def register(app: Flask) -> None:
    """Add the pages to the application, and let it show its problems as pages."""
    app.extensions[PAGE] = errors.show
    assets.register(app)
    signin.register(app)
    desk.register(app)
    searching.register(app)
    undoing.register(app)
    tasks.register(app)
    settings.register(app)
    members.register(app)
    invitation.register(app)
    password.register(app)
    profile.register(app)
    profile_factor.register(app)
    entering.register(app)
    profile_tokens.register(app)
    for declared in app.extensions["wuye"].plugins.registry.settings.values():
        plugin_settings.register(app, declared)
    imports.register_overview(app)
    host.register(app)
    host_users.register(app)
    forgotten.register(app)
    portal.register(app)
    telephone.register(app)
    field.register(app)
    installable.register(app)
    for resource in app.extensions["wuye"].plugins.registry.resources.values():
        lists.register(app, resource)
        details.register(app, resource)
        imports.register(app, resource)
    app.add_url_rule("/csp-report", "pages.csp", declare(_csp_report, Access((PUBLIC,))), methods=["POST"])
    app.after_request(_pack)


def _csp_report() -> Response:
    """Note what a browser refused to run; it means that a page holds what it should not."""
    report = request.get_data()[:2000].decode("utf-8", "replace")
    log.warning("content security policy violated", report=report, strict=installation().settings.strict)
    return Response(status=204)


def _pack(response: Response) -> Response:
    """Compress a page for a browser that understands it; a page's proof is masked, so that this betrays nothing."""
    if (
        response.mimetype != "text/html"
        or "Content-Encoding" in response.headers
        or "gzip" not in request.headers.get("Accept-Encoding", "")
        or response.direct_passthrough
    ):
        return response
    body = response.get_data()
    if len(body) >= _PACKED:
        response.set_data(gzip.compress(body, 3, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding, Cookie, Accept-Language"
    return response
