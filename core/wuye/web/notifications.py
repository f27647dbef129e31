"""What the caller was told: a list, what of it has been seen, and how many are new."""

import secrets
from collections.abc import Callable

import orjson
from flask import Flask, Response, request

from wuye.context import Context
from wuye.notifications import services
from wuye.resources.schemas import load_with
from wuye.web.access import SIGNED_IN, Access, call_for, context_of, declare
from wuye.web.body import json_body
from wuye.web.problems import json_response

PATH = "/api/v1/estates/<estate>/notifications"

#: After so many milliseconds a browser asks the stream again, or up to so many later: those of one moment do not come back
#: in one moment.
RETRY, SPREAD = 15_000, 5_000


def register(app: Flask) -> None:
    """Add the routes; every member of the estate may call them, and gets only what they were told themselves.

    That is about work of all departments, so a token with scopes needs the one to see the own work.
    """
    _add(app, "GET", PATH, "list", _list)
    _add(app, "POST", f"{PATH}/seen", "seen", _see)
    _add(app, "GET", f"{PATH}/stream", "stream", _stream)


def _add(app: Flask, method: str, path: str, name: str, view: Callable[[Context], Response]) -> None:
    def respond(estate: str) -> Response:
        caller = call_for(estate)
        ctx = context_of(caller, "core")
        if "*" not in caller.scopes:
            ctx.require("core.read_own")
        return view(ctx)

    access = Access((SIGNED_IN,))
    app.add_url_rule(path, f"api.notifications.{name}", declare(respond, access), methods=[method])


def _list(ctx: Context) -> Response:
    page = services.listing(ctx, request.args.to_dict())
    return json_response({"items": page.items, "after": page.after, **_unseen(ctx)})


def _see(ctx: Context) -> Response:
    """Note what was seen. It may be repeated without harm, so no Idempotency-Key is needed."""
    services.see(ctx, load_with(services.Seen(), json_body()))
    body = _unseen(ctx)
    ctx.session.commit()
    return json_response(body)


def _unseen(ctx: Context) -> dict[str, int | bool]:
    count, capped = services.count_unseen(ctx)
    return {"unseen": count, "unseen_is_capped": capped}


def _stream(ctx: Context) -> Response:
    """Send the number of unseen notifications as a server-sent event, and end.

    The answer does not stay open, since whoever makes one has a thread. A browser's EventSource comes back by itself after
    `retry`, so this costs a short request each 15 to 20 seconds instead, and neither a thread nor a connection in between;
    and only from one of the browser's tabs, while it is looked at.
    """
    count, _capped = services.count_unseen(ctx)
    retry = RETRY + secrets.randbelow(SPREAD)
    event = f"retry: {retry}\nevent: notifications\ndata: {orjson.dumps({'unseen': count}).decode()}\n\n"
    return Response(event, content_type="text/event-stream")
