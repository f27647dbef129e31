"""Choosing a password by a link that was sent, printed or handed over."""

from typing import Any

import structlog
from flask import Flask, request

from wuye.errors import Problem
from wuye.i18n import LOCALES, current_locale
from wuye.identity import password_links, trail
from wuye.identity.password_links import Bearer
from wuye.pages.access import see
from wuye.pages.rendering import plain, secretly
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.database import request_session

log = structlog.get_logger("wuye.pages")


def register(app: Flask) -> None:
    """Add the page; who has the link may see it."""
    view = declare(_choose, Access((PUBLIC,)))
    app.add_url_rule("/password/<link>", "pages.password", view, methods=["GET", "POST"])


def _choose(link: str) -> Any:
    """Show the form, or take the new password; who has chosen one signs in with it."""
    place, session = installation(), request_session()
    posted = request.method == "POST"
    bearer = password_links.find(session, place.database.secret, place.clock, link, lock=posted)
    if not posted:
        return _show(bearer, link)
    browser.check_origin()
    form, powerful = request.form, bearer.link.host_admin
    try:
        password_links.use(
            session, place.clock, bearer, password=form.get("password", ""), name=form.get("name", ""),
            locale=form.get("locale", ""),
        )  # fmt: skip
    except Problem as problem:
        session.rollback()
        return _show(bearer, link, problem)
    session.commit()
    log.info("password chosen", user=str(bearer.user.id), host_admin=powerful)
    trail.tell(place, bearer.user, "password_chosen", trail.acting(bearer.user), {"host_admin": powerful})
    response = see("/sign-in?chosen=1")
    browser.take_cookie(response)
    if bearer.user.locale:
        browser.speak(response, bearer.user.locale)
    return response


def _show(bearer: Bearer, link: str, problem: Problem | None = None) -> Any:
    locale = request.form.get("locale") or bearer.user.locale or current_locale()
    return secretly(plain(
        "password.html", problem.status if problem else 200, email=bearer.user.email, new=not bearer.user.name,
        name=request.form.get("name", ""), chosen=locale if locale in LOCALES else "en", problem=problem,
        here=f"/password/{link}",
    ))  # fmt: skip
