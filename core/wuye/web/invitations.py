"""Invitations to an estate: who is invited, inviting, sending again, withdrawing."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from wuye.context import Context
from wuye.identity import invitations
from wuye.identity.invitations import Asked, Invited
from wuye.identity.models import Invitation
from wuye.resources.schemas import load_with
from wuye.web.access import Access, declare, estate_context
from wuye.web.body import json_body
from wuye.web.problems import json_response

PATH = "/api/v1/estates/<estate>/invitations"

_CONFIGURE = Access(("core.configure",))


def register(app: Flask) -> None:
    """Add the routes."""
    _add(app, "GET", PATH, "list", _list)
    _add(app, "POST", PATH, "create", _create)
    _add(app, "POST", f"{PATH}/<uuid:identity>/renew", "renew", _renew)
    _add(app, "DELETE", f"{PATH}/<uuid:identity>", "withdraw", _withdraw)


def _add(app: Flask, method: str, path: str, name: str, view: Callable[..., Response]) -> None:
    def respond(estate: str, **arguments: Any) -> Response:
        ctx = estate_context(estate, "core")
        ctx.require("core.configure")
        answer = view(ctx, **arguments)
        if method != "GET":
            ctx.seal()
            ctx.session.commit()
        return answer

    app.add_url_rule(path, f"api.invitations.{name}", declare(respond, _CONFIGURE), methods=[method])


def _list(ctx: Context) -> Response:
    return json_response({"items": [_row(each) for each in invitations.pending(ctx)]})


def _row(row: Invitation) -> dict[str, Any]:
    return {
        "id": row.id, "email": row.email, "roles": row.roles, "person": row.person_id, "created_at": row.created_at,
        "expires_at": row.expires_at, "sent_at": row.mailed_at,
    }  # fmt: skip


def _create(ctx: Context) -> Response:
    """Invite; a repeated request invites anew, so that no link is ever kept: the link before is dead then."""
    invited = invitations.invite(ctx, **load_with(Asked(), json_body()))
    return _link(ctx, invited, 201)


def _renew(ctx: Context, identity: Any) -> Response:
    return _link(ctx, invitations.renew(ctx, identity), 200)


def _withdraw(ctx: Context, identity: Any) -> Response:
    invitations.withdraw(ctx, identity)
    return Response(status=204)


def _link(ctx: Context, invited: Invited, status: int) -> Response:
    """Answer with the link if no letter brings it; the same whether the address is known or not."""
    address = ctx.letters.address("invitation", invited.link, request.host_url) if invited.link else None
    body = {"id": invited.id, "email": invited.email, "expires_at": invited.expires_at, "link": address}
    return json_response(body, status)
