"""The accounts of the installation in the host's console: finding one, closing and opening it, a link for its owner."""

from collections.abc import Callable
from smtplib import SMTPException
from typing import Any
from uuid import UUID

import structlog
from flask import Flask, request

from wuye.context import Actor
from wuye.errors import Conflict, NotFound, Problem, Unavailable
from wuye.i18n import _
from wuye.identity import accounts, directory, factors, links, password_links, sessions, trail
from wuye.identity.models import User
from wuye.identity.services import Caller, checked_address, create_user, find_user
from wuye.identity.trail import RESET, tell_reset
from wuye.pages.access import see
from wuye.pages.host import add_host_page, show
from wuye.pages.slips import Slip, slip_of
from wuye.pages.times import ago, utc
from wuye.web.access import installation
from wuye.web.database import request_session

log = structlog.get_logger("wuye.pages")


def register(app: Flask) -> None:
    """Add the pages."""
    add_host_page(app, "/host/users", ".users", _users, "GET", "POST")
    add_host_page(app, "/host/users/<uuid:identity>", ".user", _user, "GET", "POST")


def _users(caller: Caller) -> Any:
    """List accounts, or invite a host admin."""
    problem: Problem | None = None
    slip: Slip | None = None
    if request.method == "POST":
        try:
            slip = _invite(caller, request.form.get("email", ""))
            if slip is None:
                return see("/host/users?sent=1")
        except Problem as error:
            request_session().rollback()
            problem = error
    wanted, after = request.args.get("q", ""), request.args.get("after", "")
    rows = directory.search(request_session(), wanted, after)
    further = rows[directory.SHOWN - 1].email if len(rows) > directory.SHOWN else None
    now = installation().clock.now()
    return show(
        "host_users.html", problem.status if problem else 200, rows=rows[: directory.SHOWN], q=wanted, further=further,
        ago=lambda at: ago(at, now), problem=problem, slip=slip, typed=request.form.get("email", "") if problem else "",
        sent="sent" in request.args,
    )  # fmt: skip


def _invite(caller: Caller, email: str) -> Slip | None:
    """Have somebody become a host admin, when they have used the link."""
    place, session = installation(), request_session()
    try:
        user = find_user(session, email)
    except NotFound:
        user = create_user(session, place.clock, email=checked_address(email))
    if user.host_admin:
        raise Conflict(_("{email} is a host admin already.", email=user.email))
    slip = _link(user, host_admin=True)
    log.info("host admin invited", user=str(user.id), by=str(caller.user_id))
    trail.tell(place, user, "host_admin_invited", Actor(caller.user_id, None, caller.name, frozenset()))
    return slip


def _link(user: User, *, host_admin: bool = False) -> Slip | None:
    """Send the owner of an account a link for a password; without a mail server return it as a slip."""
    place, session = installation(), request_session()
    mailed = place.letters.mailbox is not None
    lifetime = links.RENEWED if mailed and not host_admin else links.PRINTED
    text = password_links.issue(
        session, place.database.secret, place.clock, user, lifetime=lifetime, host_admin=host_admin
    )
    session.commit()
    address = place.letters.address("password", text, request.host_url)
    if not mailed:
        return slip_of(user.email or "", address, utc(place.clock.now() + lifetime))
    try:
        place.letters.send_password_link(to=user.email or "", locale=user.locale or "en", link=address)
    except (OSError, SMTPException) as error:
        raise Unavailable(_("The mail server did not take the e-mail.")) from error
    return None


def _user(caller: Caller, identity: UUID) -> Any:
    """Show one account; close or open it, sign it out, have its owner choose a new password."""
    problem: Problem | None = None
    slip: Slip | None = None
    if request.method == "POST":
        deed = _DEEDS.get(request.form.get("act", ""))
        if deed is None:
            raise NotFound
        user = accounts.one_of(request_session(), identity)
        try:
            slip = deed(user)
        except Problem as error:
            request_session().rollback()
            problem = error
        else:
            request_session().commit()
            by = Actor(caller.user_id, None, caller.name, frozenset())
            act = request.form["act"]
            trail.tell(installation(), user, f"account_{act}", by, notice=RESET if act == "factor" else None)
            if slip is None:
                return see(f"/host/users/{identity}?done=1")
    row = directory.one(request_session(), identity)
    now = installation().clock.now()
    return show(
        "host_user.html", problem.status if problem else 200, row=row, problem=problem, slip=slip,
        estates=directory.estates_of(request_session(), identity), ago=lambda at: ago(at, now), myself=identity == caller.user_id,
        mails=installation().letters.mailbox is not None, done="done" in request.args,
    )  # fmt: skip


def _disable(user: User) -> None:
    accounts.disable(request_session(), installation().clock, user)


def _enable(user: User) -> None:
    accounts.enable(request_session(), user)


def _sign_out(user: User) -> None:
    sessions.end_all(request_session(), installation().clock, user.id)


def _factor(user: User) -> None:
    """Take a lost second factor away, and tell its owner, who may not have asked for it."""
    place = installation()
    factors.turn_off(request_session(), user.id)
    sessions.end_all(request_session(), place.clock, user.id)
    if place.letters.mailbox is not None and user.email:
        place.errands.submit(tell_reset, place, user.email, user.locale)


def _reset(user: User) -> Slip | None:
    if not user.active:
        raise Conflict(_("This account is disabled: enable it first."))
    return _link(user)


_DEEDS: dict[str, Callable[[User], Slip | None]] = {
    "disable": _disable,
    "enable": _enable,
    "sign_out": _sign_out,
    "reset": _reset,
    "factor": _factor,
}
