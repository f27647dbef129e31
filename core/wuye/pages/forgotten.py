"""A forgotten password: a letter with a link, if there is such an account; the answer is the same for every address."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, request
from sqlalchemy import select

from wuye.errors import Problem
from wuye.i18n import current_locale
from wuye.identity import links, password_links
from wuye.identity.attempts import Limit, attempt_apart, network_of
from wuye.identity.models import User
from wuye.identity.services import checked_address
from wuye.pages.rendering import plain
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.database import request_session

if TYPE_CHECKING:
    from wuye.installation import Installation

#: E-mails that may be asked for in an hour: for an address, and from a network, which an office may share.
PER_ADDRESS, PER_NETWORK, _HOUR = 10, 50, timedelta(hours=1)

log = structlog.get_logger("wuye.pages")


def register(app: Flask) -> None:
    """Add the page."""
    view = declare(_forgotten, Access((PUBLIC,)))
    app.add_url_rule("/sign-in/forgotten", "pages.forgotten", view, methods=["GET", "POST"])


def _forgotten() -> Any:
    """Show the form, or have a letter sent; on another thread after the answer, so that nobody can time it."""
    place, session = installation(), request_session()
    offered = place.letters.mailbox is not None
    if request.method == "GET" or not offered:
        return plain("forgotten.html", offered=offered, asked=None, problem=None)
    browser.check_origin()
    secret, typed = place.database.secret, request.form.get("email", "")
    try:
        address = checked_address(typed)
        network = network_of(request.remote_addr or "")
        limits = [Limit("reset for", address, PER_ADDRESS, _HOUR), Limit("reset from", network, PER_NETWORK, _HOUR)]
        attempt_apart(session, secret, place.clock, limits)
    except Problem as problem:
        response = plain("forgotten.html", problem.status, offered=True, asked=None, problem=problem)
        if "retry_after" in problem.extra:
            response.headers["Retry-After"] = str(problem.extra["retry_after"])
        return response
    place.errands.submit(send, place, address, current_locale())
    return plain("forgotten.html", offered=True, asked=address, problem=None)


def send(place: "Installation", address: str, locale: str) -> None:
    """Send a link to the owner of an address, if there is an account that has it. Nothing is raised."""
    try:
        with place.database.session() as session:
            user = session.scalar(select(User).where(User.email == address, User.active, ~User.demo))
            if user is None:
                return
            text = password_links.issue(session, place.database.secret, place.clock, user, lifetime=links.RENEWED)
            spoken = user.locale or locale
        link = place.letters.address("password", text)
        place.letters.send_password_link(to=address, locale=spoken, link=link)
    except Exception as error:
        log.error("sending a link failed", error=type(error).__name__)
