"""What OpenAPI says of accounts: a token by password, invitations to an estate."""

from collections.abc import Callable
from typing import Any

from apispec import APISpec
from marshmallow import Schema

from wuye.identity.invitations import Asked

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_MOMENT = {"type": "string", "format": "date-time"}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def describe(spec: APISpec, shape: Callable[[Schema], dict[str, Any]], sign_in: Schema) -> None:
    """Add the routes to the document; `shape` returns the JSON Schema of what a schema accepts, `sign_in` is such a one."""
    token = _operation("core.tokens.create", "201", _object(token=_TEXT, expires_at=_MOMENT), [], shape(sign_in))
    token["security"] = []  # whoever asks for a token has none yet
    spec.path("/api/v1/tokens", operations={"post": token})
    path = "/api/v1/estates/{estate}/invitations"
    one = f"{path}/{{identity}}"
    made = _object(id=_ID, email=_TEXT, expires_at=_MOMENT, link=_maybe(_TEXT))
    kept = _object(
        id=_ID, email=_TEXT, roles={"type": "array", "items": _TEXT}, person=_maybe(_ID), created_at=_MOMENT,
        expires_at=_MOMENT, sent_at=_maybe(_MOMENT),
    )  # fmt: skip
    listing = _object(items={"type": "array", "items": kept})
    spec.path(
        path,
        operations={
            "get": _operation("core.invitations.list", "200", listing, ["estate"]),
            "post": _operation("core.invitations.create", "201", made, ["estate"], shape(Asked())),
        },
    )
    renew = _operation("core.invitations.renew", "200", made, ["estate", "identity"])
    spec.path(f"{one}/renew", operations={"post": renew})
    withdraw = _operation("core.invitations.withdraw", "204", None, ["estate", "identity"])
    spec.path(one, operations={"delete": withdraw})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _maybe(shape: dict[str, Any]) -> dict[str, Any]:
    return {**shape, "type": [shape["type"], "null"]}


def _operation(
    name: str, status: str, answer: dict[str, Any] | None, places: list[str], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Describe one route; `places` are the parts of its address that vary."""
    content = {"content": {"application/json": {"schema": answer}}} if answer is not None else {}
    made: dict[str, Any] = {
        "operationId": name,
        "tags": ["core"],
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": _ID if each == "identity" else _TEXT}
            for each in places
        ],
        "responses": {status: {"description": "", **content}, "default": {"description": "", "content": _PROBLEM}},
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return made
