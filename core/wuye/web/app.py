"""The application: everything put together, and the few routes that belong to no resource."""

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from wuye import readiness
from wuye.installation import Installation
from wuye.pages import site
from wuye.web import access, api, database, hosts, invitations, notifications, openapi, problems, settings, signin
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.problems import json_response

#: The largest body: a record's text is limited anyway; routes that take files allow more (see `wuye.web.files`).
MAX_BODY = 8 * 1024 * 1024

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app(place: Installation) -> Flask:
    """Return the WSGI application of an installation."""
    app = Flask("wuye.web", static_folder=None)
    app.extensions["wuye"] = place
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    if proxies := place.settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]  # as Flask's documentation has it
    database.init(app, place.database)
    access.guard(app)
    hosts.guard(app)
    problems.register(app)
    app.add_url_rule("/healthz", "health", declare(_health, Access((PUBLIC,))))
    app.add_url_rule("/readyz", "ready", declare(_ready, Access((PUBLIC,))))
    app.add_url_rule("/api/v1/openapi.json", "api.openapi", declare(_openapi, Access((PUBLIC,))))
    signin.register(app)
    api.register(app)
    notifications.register(app)
    invitations.register(app)
    settings.register(app)
    site.register(app)

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _health() -> Response:
    """Say that the process is alive; asks nobody."""
    return json_response({"status": "ok"})


def _ready() -> Response:
    """Say whether requests can be served (else 503), and what is not as it should be (`degraded`), one entry each."""
    with database.db.engine.connect() as connection:
        found = readiness.examine(installation(), connection)
    wrong = [check for check in found if check.wrong is not None]
    stops = any(check.vital for check in wrong)
    status = "unavailable" if stops else "degraded" if wrong else "ready"
    checks = {check.name: "ok" if check.wrong is None else str(check.wrong) for check in found}
    headers = {"Retry-After": "2"} if stops else None
    return json_response({"status": status, "checks": checks}, 503 if stops else 200, headers)


def _openapi() -> Response:
    app_paths = {
        resource.key: api.path_of(resource).replace("<estate>", "{estate}")
        for resource in installation().plugins.registry.resources.values()
    }
    return json_response(openapi.build(installation().plugins.registry, app_paths))
