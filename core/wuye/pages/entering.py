"""The last steps of every sign-in: the second factor of who has one, then a session of their own."""

from typing import Any
from urllib.parse import urlencode

from flask import Flask, request

from wuye.errors import Problem
from wuye.identity import accounts, factors, sessions
from wuye.identity.models import User
from wuye.pages.access import back_to, see
from wuye.pages.rendering import plain
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.database import request_session


def register(app: Flask) -> None:
    """Add the page that asks for the code."""
    view = declare(_code, Access((PUBLIC,)))
    app.add_url_rule("/sign-in/second-factor", "pages.sign_in_code", view, methods=["GET", "POST"])


def enter(user: User, going: str, *, kept: bool) -> Any:
    """Sign a browser in, and commit; who has a second factor is asked for it first, and can do nothing before."""
    place, session = installation(), request_session()
    waiting = factors.is_on(session, user.id) and not user.demo
    agent = request.headers.get("User-Agent", "")
    cookie = sessions.begin(session, place.database.secret, place.clock, user, agent=agent, kept=kept, waiting=waiting)
    session.commit()
    response = see(f"/sign-in/second-factor?{urlencode({'next': going})}" if waiting else going)
    browser.give_cookie(response, cookie, kept=kept and not waiting)
    return response


def _code() -> Any:
    """Ask for the code, or take it."""
    place, session = installation(), request_session()
    going = back_to(request.values.get("next"), "/")
    secret = place.database.secret
    row = sessions.waiting(session, secret, place.clock, browser.cookie() or "")
    if row is None:
        return see(f"/sign-in?{urlencode({'next': going})}")
    if request.method == "GET":
        return plain("sign_in_code.html", next=going, problem=None)
    browser.check_origin()
    user = accounts.one_of(session, row.user_id)
    try:
        factors.check(session, secret, place.clock, user.id, request.form.get("code", ""))
    except Problem as problem:
        session.rollback()
        response = plain("sign_in_code.html", problem.status, next=going, problem=problem)
        if "retry_after" in problem.extra:
            response.headers["Retry-After"] = str(problem.extra["retry_after"])
        return response
    kept = row.kept
    sessions.end(session, place.clock, browser.cookie() or "")
    cookie = sessions.begin(session, secret, place.clock, user, agent=row.agent, kept=kept)
    session.commit()
    gone = see(going)
    browser.give_cookie(gone, cookie, kept=kept)
    return gone
