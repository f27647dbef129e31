"""The REST API: every resource's routes, made from its declaration."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask, Response, request
from sqlalchemy import select

from wuye.context import Context
from wuye.estates.models import Estate
from wuye.identity.models import Membership
from wuye.records import services as records
from wuye.records.flow import SYSTEM
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.resources.query import COUNT_LIMIT
from wuye.web import files, idempotency
from wuye.web.access import SIGNED_IN, Access, call_for, declare, estate_context, require_whole
from wuye.web.body import json_body
from wuye.web.database import request_session
from wuye.web.openapi import action_schema
from wuye.web.problems import json_response

BASE = "/api/v1/estates/<estate>"

View = Callable[..., Response]


def path_of(resource: Resource) -> str:
    """Return a resource's URL: `/api/v1/estates/<estate>/maintenance/work-orders`; core's have no plugin in it."""
    plugin = "" if resource.plugin == "core" else f"/{resource.plugin.replace('_', '-')}"
    return f"{BASE}{plugin}/{resource.name}"


def register(app: Flask) -> None:
    """Add the routes of all resources, and the list of the caller's estates."""
    app.add_url_rule("/api/v1/estates", "api.estates", declare(_estates, Access((SIGNED_IN,))))
    for resource in installation_of(app).plugins.registry.resources.values():
        _Routes(app, resource).register()


def installation_of(app: Flask) -> Any:
    """Return the installation of an application outside a request."""
    return app.extensions["wuye"]


def _estates() -> Response:
    caller = call_for(None)
    require_whole(caller)
    rows = select(Estate.code, Estate.name, Estate.zone, Estate.locale, Estate.state).join(
        Membership, Membership.estate_id == Estate.id
    )
    mine = rows.where(Membership.user_id == caller.user_id, Membership.suspended_at.is_(None))
    found = request_session().execute(mine.order_by(Estate.code))
    return json_response({"items": [dict(row._mapping) for row in found]})


class _Routes:
    """The routes of one resource."""

    def __init__(self, app: Flask, resource: Resource) -> None:
        self.app = app
        self.resource = resource

    def register(self) -> None:
        """Add the routes that the resource offers; each declares who may call it."""
        resource, path = self.resource, path_of(self.resource)
        readers = tuple(filter(None, (resource.read, resource.read_own)))
        self._add("GET", path, "list", self.listing, readers)
        self._add("GET", f"{path}/<uuid:identity>", "read", self.read, readers)
        if resource.create:
            self._add("POST", path, "create", self.create, (resource.create,))
        if resource.update:
            self._add("PATCH", f"{path}/<uuid:identity>", "update", self.update, (resource.update,))
        self._add("GET", f"{path}/<uuid:identity>/timeline", "timeline", self.timeline, readers)
        if resource.comment:
            self._add("POST", f"{path}/<uuid:identity>/comments", "comment", self.comment, tuple(resource.comment))
        self._files(f"{path}/<uuid:identity>/files", readers)
        if resource.masked_attributes:
            self._add("POST", f"{path}/<uuid:identity>/reveal", "reveal", self.reveal, ("core.reveal",), keep=False)
        if resource.flow:
            permissions = sorted({t.permission for t in resource.flow.transitions.values()} - {SYSTEM})
            self._add("POST", f"{path}/<uuid:identity>/actions/<action>", "act", self.act, tuple(permissions))

    def _files(self, path: str, readers: tuple[str, ...]) -> None:
        """Add the routes of attachments: whoever sees a thing sees its files, whoever may comment on it may add some."""
        shelf = files.Files(self.resource)
        self._add("GET", path, "files", shelf.listing, readers)
        self._add("GET", f"{path}/<uuid:file>", "file", shelf.send, readers)
        if commenters := tuple(self.resource.comment or ()):
            self._add("POST", path, "attach", shelf.attach, commenters, upload=True)
            self._add("DELETE", f"{path}/<uuid:file>", "detach", shelf.remove, commenters)

    def _add(
        self,
        method: str,
        path: str,
        name: str,
        view: View,
        permissions: tuple[str, ...],
        *,
        keep: bool = True,
        upload: bool = False,
    ) -> None:
        """Add one route; with `keep` a POST honours Idempotency-Key, which stores its answer for a day.

        With `upload` the body is a form with a file, and may be as large as files are.
        """
        access = Access(permissions, self.resource.plugin)

        def respond(estate: str, **arguments: Any) -> Response:
            ctx = estate_context(estate, access.plugin)
            if not any(ctx.may(permission) for permission in permissions):
                ctx.require(permissions[0])
            said = files.receive(ctx) if upload else request.get_data
            claimed = idempotency.claim(ctx, said) if method == "POST" and keep else idempotency.Claim(None, None)
            if claimed.answer is not None:
                return claimed.answer
            response = idempotency.keep(ctx, claimed, view(ctx, **arguments))
            if method != "GET":
                ctx.session.commit()
            return response

        endpoint = f"api.{self.resource.key}.{name}"
        largest = files.MAX_UPLOAD if upload else None
        self.app.add_url_rule(path, endpoint, declare(respond, access, largest), methods=[method])

    def listing(self, ctx: Context) -> Response:
        page = service.listing(ctx, self.resource, request.args.to_dict(flat=False))
        body: dict[str, Any] = {"items": page.items, "after": page.after}
        if page.total is not None:
            body["total"] = page.total
            body["total_is_capped"] = page.total > COUNT_LIMIT
        headers = {}
        if page.after:
            arguments = {**request.args.to_dict(flat=False), "after": [page.after]}
            headers["Link"] = f'<{request.path}?{_encode(arguments)}>; rel="next"'
        return json_response(body, headers=headers)

    def read(self, ctx: Context, identity: UUID) -> Response:
        return self._detail(ctx, service.read(ctx, self.resource, identity))

    def create(self, ctx: Context) -> Response:
        row = service.create(ctx, self.resource, json_body())
        return self._detail(ctx, row, 201, {"Location": f"{request.path}/{row['id']}"})

    def update(self, ctx: Context, identity: UUID) -> Response:
        return self._detail(
            ctx, service.edit(ctx, self.resource, identity, json_body(), request.headers.get("If-Match"))
        )

    def act(self, ctx: Context, identity: UUID, action: str) -> Response:
        data = json_body() if request.content_length else {}
        return self._detail(
            ctx, service.act(ctx, self.resource, identity, action, data, request.headers.get("If-Match"))
        )

    def timeline(self, ctx: Context, identity: UUID) -> Response:
        return json_response({"items": service.timeline(ctx, self.resource, identity)})

    def reveal(self, ctx: Context, identity: UUID) -> Response:
        return json_response(service.reveal(ctx, self.resource, identity, json_body()))

    def comment(self, ctx: Context, identity: UUID) -> Response:
        return json_response({"items": service.comment(ctx, self.resource, identity, json_body())}, 201)

    def _detail(
        self, ctx: Context, row: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        """Return one thing with its ETag and, for work, the actions that this caller may take now."""
        headers = {**(headers or {}), "ETag": service.etag(row["version"])}
        if self.resource.flow and row.get("state"):
            row = {**row, "actions": self._actions(ctx, row)}
        return json_response(row, status, headers)

    def _actions(self, ctx: Context, row: dict[str, Any]) -> list[dict[str, Any]]:
        assert self.resource.flow is not None, "asked for flows only"
        subject = records.sketch(self.resource.kind, row)
        return [
            {"name": item.name, "label": str(item.label), "input": action_schema(item)}
            for item in records.available(ctx, subject)
        ]


def _encode(arguments: dict[str, list[str]]) -> str:
    return urlencode([(key, value) for key, values in arguments.items() for value in values])
