"""The sign-in of programs: address and password in, a short-lived token out."""

from datetime import timedelta

from flask import Flask, Response, request

from wuye.identity.services import create_token
from wuye.identity.signin import sign_in
from wuye.installation import find_estate
from wuye.resources import fields
from wuye.resources.schemas import NoInput, load_with
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.body import json_body
from wuye.web.database import request_session
from wuye.web.problems import json_response

#: A token got by a password lives for a working day; `wuye token create` makes longer ones.
LIFETIME = timedelta(hours=8)


class SignIn(NoInput):
    """Who wants a token, and for which estate."""

    email = fields.String(required=True)
    password = fields.String(required=True)
    estate = fields.String(required=True)


def register(app: Flask) -> None:
    """Add the route."""
    app.add_url_rule("/api/v1/tokens", "api.tokens", declare(_create, Access((PUBLIC,))), methods=["POST"])


def _create() -> Response:
    place, session = installation(), request_session()
    values = load_with(SignIn(), json_body())
    user = sign_in(
        session,
        place.database.secret,
        place.clock,
        email=values["email"],
        password=values["password"],
        origin=request.remote_addr or "",
        demo=place.settings.demo,
    )
    estate = find_estate(session, values["estate"])
    token = create_token(session, place.database.secret, place.clock, user, estate, lifetime=LIFETIME, name="sign-in")
    session.commit()
    return json_response({"token": token, "expires_at": place.clock.now() + LIFETIME}, 201)
