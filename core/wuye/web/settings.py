"""The settings of an estate's plugins: what can be decided, what was decided, and a change of it."""

from collections.abc import Callable

from flask import Flask, Response, request

from wuye.context import Context
from wuye.resources import service
from wuye.settings import services
from wuye.settings.declaration import Settings
from wuye.web.access import Access, declare, estate_context
from wuye.web.body import json_body
from wuye.web.problems import json_response


def path_of(declared: Settings) -> str:
    """Return the URL of a plugin's settings."""
    return f"/api/v1/estates/<estate>/settings/{declared.plugin.replace('_', '-')}"


def register(app: Flask) -> None:
    """Add the routes of every plugin that declares settings."""
    for declared in app.extensions["wuye"].plugins.registry.settings.values():
        _add(app, declared, "GET", "read", _read)
        _add(app, declared, "PATCH", "change", _change)


def _add(app: Flask, declared: Settings, method: str, name: str, view: Callable[[Context, Settings], Response]) -> None:
    access = Access((declared.permission,), declared.plugin)

    def respond(estate: str) -> Response:
        ctx = estate_context(estate, access.plugin)
        ctx.require(declared.permission)
        return view(ctx, declared)

    endpoint = f"api.{declared.plugin}.settings.{name}"
    app.add_url_rule(path_of(declared), endpoint, declare(respond, access), methods=[method])


def _read(ctx: Context, declared: Settings) -> Response:
    body = services.shown(ctx, declared)
    return json_response(body, headers={"ETag": service.etag(body["version"])})


def _change(ctx: Context, declared: Settings) -> Response:
    services.change(ctx, declared, json_body(), _version(ctx, declared))
    ctx.session.commit()
    return _read(ctx, declared)


def _version(ctx: Context, declared: Settings) -> int | None:
    """Return the version that the caller means: a number, the present one for `*`, -1 for what cannot be one."""
    given = (request.headers.get("If-Match") or "").strip()
    if not given:
        return None
    if given == "*":
        return int(services.shown(ctx, declared)["version"])
    digits = given.strip('"')
    return int(digits) if digits.isdecimal() and len(digits) < 12 else -1
