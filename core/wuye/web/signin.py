"""The sign-in of programs: address and password in, a short-lived token out."""

from datetime import timedelta

from flask import Flask, Response, request
from sqlalchemy import select

from wuye.context import Actor, EstateInfo
from wuye.errors import FieldError, Invalid
from wuye.i18n import _
from wuye.identity import factors
from wuye.identity.models import Membership, User
from wuye.identity.services import create_token
from wuye.identity.signin import sign_in
from wuye.installation import find_estate
from wuye.resources.schemas import load_with
from wuye.web.access import PUBLIC, Access, SecondFactorNeeded, declare, installation
from wuye.web.body import json_body
from wuye.web.database import request_session
from wuye.web.problems import json_response
from wuye.web.schemas import SignIn

#: A token got by a password lives for a working day; `wuye token create` makes longer ones.
LIFETIME = timedelta(hours=8)


def register(app: Flask) -> None:
    """Add the route."""
    app.add_url_rule("/api/v1/tokens", "api.tokens", declare(_create, Access((PUBLIC,))), methods=["POST"])


def _check_factor(user: User, estate: EstateInfo, code: str) -> None:
    """Take the code of who has a second factor.

    Raises:
        Invalid: the code is missing, wrong or used. SecondFactorNeeded: they have none, and need one here.
    """
    place, session = installation(), request_session()
    if user.demo:
        return
    if not factors.is_on(session, user.id):
        mine = select(Membership.roles).where(Membership.estate_id == estate.id, Membership.user_id == user.id)
        roles, demo = session.scalar(mine) or [], place.settings.demo
        ctx = place.context(session, estate, Actor(user.id, None, user.name, frozenset()))
        if (user.host_admin and not demo) or factors.required(ctx, roles, demo=demo):
            raise SecondFactorNeeded
        return
    if not code:
        reason = _("Send the code of your second factor, or a recovery code.")
        raise Invalid(reason, errors=[FieldError("code", reason)])
    factors.check(session, place.database.secret, place.clock, user.id, code)


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
    session.commit()
    estate = find_estate(session, values["estate"])
    _check_factor(user, estate, values["code"])
    token = create_token(session, place.database.secret, place.clock, user, estate, lifetime=LIFETIME, name="sign-in")
    session.commit()
    return json_response({"token": token, "expires_at": place.clock.now() + LIFETIME}, 201)
