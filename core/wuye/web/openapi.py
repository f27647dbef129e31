"""OpenAPI 3.1, made from the resource declarations; also the input schemas that a detail shows with its actions."""

from collections.abc import Callable
from functools import cache
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema
from marshmallow.fields import Field

from wuye import __version__
from wuye.notifications.services import MAX_LIMIT, MOST_UNSEEN, Seen
from wuye.plugins.registry import Registry
from wuye.records.flow import SYSTEM, Transition
from wuye.resources import fields
from wuye.resources.declaration import Resource
from wuye.resources.schemas import Comment, Reveal, input_schema
from wuye.settings.declaration import Settings
from wuye.web import openapi_accounts
from wuye.web.schemas import SignIn

_converter = OpenAPIConverter("3.1.0", lambda schema: type(schema).__name__, APISpec("", "", "3.1.0"))


@cache
def action_schema(transition: Transition) -> dict[str, Any]:
    """Return the JSON Schema of a transition's input."""
    return _object(input_schema(transition))


def _property(item: Field[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a field; an exact number's limits are plain numbers there."""
    if isinstance(item, fields.Lines):
        return {"type": "array", "items": _object(item.line), "maxItems": item.most}
    shape: dict[str, Any] = _converter.field2property(item)
    return {key: float(value) if key in ("minimum", "maximum") else value for key, value in shape.items()}


def _object(schema: Schema) -> dict[str, Any]:
    """Return the JSON Schema of what a schema accepts."""
    loadable = dict(schema.load_fields.items())
    properties = {name: _property(item) for name, item in loadable.items()}
    required = [name for name, item in loadable.items() if item.required]
    shape: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        shape["required"] = required
    return shape


def _shown(resource: Resource) -> dict[str, Any]:
    """Return the JSON Schema of what a resource shows."""
    label = {
        "type": ["object", "null"],
        "properties": {"id": {"type": "string", "format": "uuid"}, "label": {"type": ["string", "null"]}},
    }
    properties = {}
    for name, item in resource.instance.dump_fields.items():
        if isinstance(item, fields.Reference):
            properties[name] = label
            continue
        shape = _converter.field2property(item)
        kind = shape.get("type", "string")
        kinds = [kind] if isinstance(kind, str) else list(kind)
        shape.pop("readOnly", None)
        properties[name] = {
            key: value
            for key, value in {**shape, "type": sorted({*kinds, "null"})}.items()
            if key in ("type", "format", "description")
        }
    if resource.flow:
        properties["actions"] = {"type": "array", "items": {"type": "object"}}
    return {"type": "object", "properties": properties}


def build(registry: Registry, paths: dict[str, str]) -> dict[str, Any]:
    """Return the whole document; `paths` maps a resource's key to its URL in OpenAPI's notation."""
    spec = APISpec("wuye", __version__, "3.1.0", plugins=[MarshmallowPlugin()])
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.schema(
        "Problem",
        {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
            "required": ["type", "title", "status", "detail"],
        },
    )
    for resource in registry.resources.values():
        _add(spec, resource, paths[resource.key])
    _add_notifications(spec)
    openapi_accounts.describe(spec, _object, SignIn())
    for declared in registry.settings.values():
        _add_settings(spec, declared)
    document: dict[str, Any] = spec.to_dict()
    document["security"] = [{"token": []}]
    return document


def _add(spec: APISpec, resource: Resource, path: str) -> None:
    name = resource.key.replace(".", "_").replace("-", "_")
    spec.components.schema(name, _shown(resource))
    one = {"$ref": f"#/components/schemas/{name}"}
    item = f"{path}/{{identity}}"
    estate = {"name": "estate", "in": "path", "required": True, "schema": {"type": "string"}}
    identity = {"name": "identity", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    match = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
    tags = [resource.plugin]

    def operation(
        name: str,
        parameters: list[Any],
        answer: dict[str, Any],
        status: str = "200",
        body: Any = None,
        kind: str = "application/json",
    ) -> Any:
        result: dict[str, Any] = {
            "operationId": f"{resource.key}.{name}",
            "tags": tags,
            "parameters": [estate, *parameters],
            "responses": {
                status: {"description": "", "content": {"application/json": {"schema": answer}}},
                "default": {
                    "description": "",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
        }
        if body is not None:
            result["requestBody"] = {"required": True, "content": {kind: {"schema": body}}}
        return result

    page = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": one}, "after": {"type": ["string", "null"]}},
        "required": ["items", "after"],
    }
    accepted = _object(resource.instance)
    operations: dict[str, Any] = {"get": operation("list", _list_parameters(resource), page)}
    if resource.create:
        operations["post"] = operation("create", [key], one, "201", accepted)
    spec.path(path, operations=operations)
    operations = {"get": operation("read", [identity], one)}
    if resource.update:
        partial = {**accepted}
        partial.pop("required", None)
        operations["patch"] = operation("update", [identity, match], one, "200", partial)
    spec.path(item, operations=operations)
    entries = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "object"}}}}
    spec.path(f"{item}/timeline", operations={"get": operation("timeline", [identity], entries)})
    if resource.comment:
        comment = operation("comment", [identity, key], entries, "201", _object(Comment()))
        spec.path(f"{item}/comments", operations={"post": comment})
    _add_files(spec, f"{item}/files", operation, [identity, key], writable=bool(resource.comment))
    if resource.masked_attributes:
        value = {"type": "object", "properties": {"field": {"type": "string"}, "value": {"type": ["string", "null"]}}}
        reveal = operation("reveal", [identity], value, "200", _object(Reveal()))
        spec.path(f"{item}/reveal", operations={"post": reveal})
    for transition in resource.flow.transitions.values() if resource.flow else ():
        if transition.permission != SYSTEM:
            body = action_schema(transition)
            step = operation(f"act.{transition.name}", [identity, match, key], one, "200", body)
            step["summary"] = transition.name
            spec.path(f"{item}/actions/{transition.name}", operations={"post": step})


def _add_notifications(spec: APISpec) -> None:
    """Describe what the caller was told, which is no resource: nobody makes, changes or filters it."""
    path = "/api/v1/estates/{estate}/notifications"
    unseen = {"unseen": {"type": "integer", "maximum": MOST_UNSEEN}, "unseen_is_capped": {"type": "boolean"}}
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    record = {"type": ["object", "null"], "properties": {"id": text, "kind": text, "label": text}}
    shown = {"id": {"type": "string", "format": "uuid"}, "kind": text, "text": text, "record": record}
    shown |= {"created_at": moment, "seen_at": {**moment, "type": ["string", "null"]}}
    item = {"type": "object", "properties": shown}
    page = {"items": {"type": "array", "items": item}, "after": {"type": ["string", "null"]}, **unseen}
    parameters = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}},
        {"name": "after", "in": "query", "schema": {"type": "string"}},
        {"name": "unseen", "in": "query", "schema": {"type": "string", "enum": ["1", "true"]}},
    ]

    def operation(name: str, media: str, answer: dict[str, Any], **more: Any) -> dict[str, Any]:
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        return {
            "operationId": f"core.notifications.{name}",
            "tags": ["core"],
            "responses": {
                "200": {"description": "", "content": {media: {"schema": answer}}},
                "default": {"description": "", "content": problem},
            },
            **more,
            "parameters": [
                {"name": "estate", "in": "path", "required": True, "schema": {"type": "string"}},
                *more.get("parameters", ()),
            ],
        }

    json = "application/json"
    listing = operation("list", json, {"type": "object", "properties": page}, parameters=parameters)
    body = {"required": True, "content": {json: {"schema": _object(Seen())}}}
    seen = operation("seen", json, {"type": "object", "properties": unseen}, requestBody=body)
    spec.path(path, operations={"get": listing})
    spec.path(f"{path}/seen", operations={"post": seen})
    spec.path(f"{path}/stream", operations={"get": operation("stream", "text/event-stream", text)})


def _add_settings(spec: APISpec, declared: Settings) -> None:
    """Describe what an estate can decide about a plugin."""
    values = _object(declared.schema)
    text = {"type": "string"}
    meant = {"type": "object", "properties": {"name": text, "label": text, "help": text, "default": {}}}
    shown = {"plugin": text, "version": {"type": "integer"}, "values": values}
    answer = {"type": "object", "properties": {**shown, "settings": {"type": "array", "items": meant}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

    def operation(name: str, **more: Any) -> dict[str, Any]:
        return {
            "operationId": f"{declared.plugin}.settings.{name}",
            "tags": [declared.plugin],
            "responses": {
                "200": {"description": "", "content": {"application/json": {"schema": answer}}},
                "default": {"description": "", "content": problem},
            },
            **more,
            "parameters": [
                {"name": "estate", "in": "path", "required": True, "schema": text},
                *more.get("parameters", ()),
            ],
        }

    match = {"name": "If-Match", "in": "header", "required": True, "schema": text}
    partial = {key: value for key, value in values.items() if key != "required"}
    body = {"required": True, "content": {"application/json": {"schema": partial}}}
    change = operation("change", parameters=[match], requestBody=body)
    path = f"/api/v1/estates/{{estate}}/settings/{declared.plugin.replace('_', '-')}"
    spec.path(path, operations={"get": operation("read"), "patch": change})


_ATTACHMENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": {"type": "string"},
        "media_type": {"type": "string"},
        "size": {"type": "integer"},
        "width": {"type": ["integer", "null"]},
        "height": {"type": ["integer", "null"]},
        "label": {"type": ["string", "null"]},
        "created_at": {"type": "string", "format": "date-time"},
        "created_by": {"type": ["string", "null"], "format": "uuid"},
    },
}
_UPLOAD = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "label": {"type": "string", "pattern": r"^[\w-]{1,32}$"},
    },
    "required": ["file"],
}


def _add_files(
    spec: APISpec, path: str, operation: Callable[..., Any], parameters: list[Any], *, writable: bool
) -> None:
    """Describe the routes of attachments; `parameters` are the thing's id and the Idempotency-Key."""
    identity, key = parameters
    file = {"name": "file", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    thumb = {"name": "thumb", "in": "query", "schema": {"type": "string", "enum": ["1", "true"]}}
    shelf = {"type": "object", "properties": {"items": {"type": "array", "items": _ATTACHMENT}}}
    listing = operation("files", [identity], shelf)
    attach = operation("attach", [identity, key], _ATTACHMENT, "201", _UPLOAD, "multipart/form-data")
    spec.path(path, operations={"get": listing, **({"post": attach} if writable else {})})
    send = operation("file", [identity, file, thumb], {})
    send["responses"]["200"]["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    remove = operation("detach", [identity, file], {}, "204")
    del remove["responses"]["204"]["content"]
    spec.path(f"{path}/{{file}}", operations={"get": send, **({"delete": remove} if writable else {})})


def _list_parameters(resource: Resource) -> list[dict[str, Any]]:
    orders = [order for item in resource.sort for order in (item.removeprefix("-"), f"-{item.removeprefix('-')}")]
    parameters: list[dict[str, Any]] = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
        {"name": "after", "in": "query", "schema": {"type": "string"}},
        {"name": "sort", "in": "query", "schema": {"type": "string", "enum": orders}},
        {"name": "q", "in": "query", "schema": {"type": "string", "maxLength": 200}},
        {"name": "fields", "in": "query", "schema": {"type": "string"}},
        {"name": "count", "in": "query", "schema": {"type": "string", "enum": ["1", "true"]}},
    ]
    parameters += [
        {"name": f"filter[{name}]", "in": "query", "schema": {"type": "string"}} for name in resource.filters
    ]
    return parameters
