"""One's own account: name, language, password, where one is signed in, API tokens. Reached from every part of the pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask, request

from wuye.errors import FieldError, Invalid, NotFound, Problem, Text
from wuye.i18n import _
from wuye.identity import accounts, own_tokens, sessions, trail
from wuye.identity.models import BrowserSession, User
from wuye.identity.services import Caller
from wuye.pages.access import see, signed_in
from wuye.pages.devices import device, handheld
from wuye.pages.rendering import plain
from wuye.pages.times import ago, day
from wuye.web import browser
from wuye.web.access import SIGNED_IN, Access, declare, installation
from wuye.web.database import request_session


@dataclass(frozen=True, slots=True)
class Own:
    """Somebody with their own account before them."""

    caller: Caller
    user: User


def own_page(
    app: Flask, rule: str, name: str, view: Callable[..., Any], *methods: str, enrolling: bool = False
) -> None:
    """Add a page of one's own account; `view(own, …)` returns its text or a response, and commits what it changes.

    `enrolling` also lets in who owes a second factor.
    """

    def respond(**rest: Any) -> Any:
        caller = signed_in(enrolling=enrolling)
        return view(Own(caller, accounts.one_of(request_session(), caller.user_id)), **rest)

    app.add_url_rule(rule, f"pages.{name}", declare(respond, Access((SIGNED_IN,))), methods=list(methods))


def register(app: Flask) -> None:
    """Add the page."""
    own_page(app, "/profile", "profile", _profile, "GET", "POST")


def show_own(template: str, status: int = 200, *, cookie: str | None = None, **values: Any) -> Any:
    """Return a page of one's own account; `cookie` is the new one, if the answer brings one."""
    token = browser.proof(installation().database.secret, cookie or browser.cookie() or "")
    return plain(template, status, token=token, **values)


def _profile(own: Own) -> Any:
    """Show the account, or change what a form says."""
    problem: Problem | None = None
    if request.method == "POST":
        deed = _DEEDS.get(request.form.get("act", ""))
        if deed is None:
            raise NotFound
        try:
            return deed(own)
        except Problem as error:
            request_session().rollback()
            problem = error
    return _show(own, problem)


def _show(own: Own, problem: Problem | None) -> Any:
    place, session = installation(), request_session()
    now = place.clock.now()
    open_ = [
        {
            "id": row.id, "device": device(row.agent), "icon": "phone" if handheld(row.agent) else "globe",
            "begun": ago(row.created_at, now), "used": ago(row.used_at, now), "here": row.id == own.caller.credential,
        }
        for row in sessions.active(session, place.clock, own.user.id)
    ]  # fmt: skip
    tokens = [
        {"row": row, "made": ago(row.created_at, now), "used": ago(row.used_at, now) if row.used_at else None,
         "until": day(row.expires_at.date())}
        for row in own_tokens.listing(session, place.clock, own.user.id)
    ]  # fmt: skip
    return show_own(
        "profile.html", problem.status if problem else 200, user=own.user, sessions=open_, tokens=tokens, problem=problem,
        act=request.form.get("act", "") if problem else "", done=_DONE.get(request.args.get("done", "")),
        typed=request.form if problem else {}, factor=own.caller.second_factor,
    )  # fmt: skip


#: What the page says after a change.
_DONE: dict[str, Text] = {
    "saved": _("Saved"),
    "password": _("The password was changed. You are signed out everywhere else."),
    "ended": _("Signed out there."),
    "revoked": _("The token was revoked."),
}


def _done(what: str) -> Any:
    request_session().commit()
    return see(f"/profile?done={what}")


def _save(own: Own) -> Any:
    locale = request.form.get("locale", "")
    accounts.change_profile(request_session(), own.user, name=request.form.get("name", ""), locale=locale)
    response = _done("saved")
    browser.speak(response, locale)
    return response


def _password(own: Own) -> Any:
    """Change the password; this browser goes on with a new session, all others are signed out."""
    place, session, form = installation(), request_session(), request.form
    secret = place.database.secret
    accounts.check_own_password(session, secret, place.clock, own.user, form.get("present", ""))
    if form.get("password", "") != form.get("again", ""):
        reason = _("The two passwords differ.")
        raise Invalid(reason, errors=[FieldError("again", reason)])
    accounts.change_password(session, place.clock, own.user, form.get("password", ""))
    here = session.get_one(BrowserSession, own.caller.credential)
    cookie = sessions.begin(session, secret, place.clock, own.user, agent=here.agent, kept=here.kept)
    response = _done("password")
    browser.give_cookie(response, cookie, kept=here.kept)
    trail.tell(place, own.user, "password_changed", trail.acting(own.user))
    return response


def _end(own: Own) -> Any:
    sessions.end_one(request_session(), installation().clock, own.user.id, _key("session"))
    return _done("ended")


def _end_others(own: Own) -> Any:
    sessions.end_others(request_session(), installation().clock, own.user.id, own.caller.credential)
    return _done("ended")


def _revoke(own: Own) -> Any:
    own_tokens.revoke(request_session(), installation().clock, own.user.id, _key("token"))
    response = _done("revoked")
    trail.tell(installation(), own.user, "token_revoked", trail.acting(own.user))
    return response


_DEEDS: dict[str, Callable[[Own], Any]] = {
    "save": _save,
    "password": _password,
    "end": _end,
    "end_others": _end_others,
    "revoke": _revoke,
}


def _key(name: str) -> UUID:
    """Return the id that a form names.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(request.form.get(name, ""))
    except ValueError as error:
        raise NotFound from error
