"""One's second factor: setting it up with an app, new recovery codes, turning it off."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request
from markupsafe import Markup

from wuye.errors import NotFound, Problem
from wuye.identity import accounts, factors, sessions, trail
from wuye.identity.models import BrowserSession
from wuye.pages.access import back_to, see
from wuye.pages.profile import Own, own_page, show_own
from wuye.web import browser
from wuye.web.access import installation
from wuye.web.database import request_session

PATH = "/profile/second-factor"


def register(app: Flask) -> None:
    """Add the page."""
    own_page(app, PATH, "profile.factor", _factor, "GET", "POST", enrolling=True)


def _factor(own: Own) -> Any:
    """Show how it stands, or do what a form says."""
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


def _show(own: Own, problem: Problem | None, codes: list[str] | None = None) -> Any:
    place, session = installation(), request_session()
    row = factors.under_way(session, own.user.id)
    secret = place.database.secret
    return show_own(
        "profile_factor.html", problem.status if problem else 200, user=own.user, problem=problem, codes=codes,
        on=factors.is_on(session, own.user.id), left=factors.left(session, own.user.id), owed=bool(request.values.get("owed")),
        key=_grouped(factors.key_of(secret, row)) if row else "", next=back_to(request.values.get("next"), "/profile"),
        drawing=_drawn(factors.address_of(secret, row, own.user)) if row else None, path_=PATH,
    )  # fmt: skip


def _grouped(key: str) -> str:
    return " ".join(key[place : place + 4] for place in range(0, len(key), 4))


def _drawn(address: str) -> Markup:
    import segno  # here: most processes never draw a code

    return Markup(segno.make(address, error="m").svg_inline(scale=4, border=2))  # noqa: S704 (drawn by segno, no text in it)


def _begin(own: Own) -> Any:
    factors.begin(request_session(), installation().clock, own.user)
    request_session().commit()
    kept = {name: request.form[name] for name in ("owed", "next") if request.form.get(name)}
    return see(f"{PATH}?{urlencode(kept)}" if kept else PATH)


def _confirm(own: Own) -> Any:
    """Turn it on; what was signed in without it is signed out, and this browser goes on with a new session."""
    place, session = installation(), request_session()
    secret = place.database.secret
    codes = factors.confirm(session, secret, place.clock, own.user, request.form.get("code", ""))
    here = session.get_one(BrowserSession, own.caller.credential)
    sessions.end_all(session, place.clock, own.user.id)
    cookie = sessions.begin(session, secret, place.clock, own.user, agent=here.agent, kept=here.kept)
    session.commit()
    trail.tell(place, own.user, "second_factor_on", trail.acting(own.user))
    response = _show_codes(codes, cookie)
    browser.give_cookie(response, cookie, kept=here.kept)
    return response


def _show_codes(codes: list[str], cookie: str | None = None) -> Any:
    values: dict[str, Any] = {"codes": codes, "path_": PATH, "next": back_to(request.values.get("next"), "/profile")}
    return show_own("profile_codes.html", cookie=cookie, **values)


def _codes(own: Own) -> Any:
    place, session = installation(), request_session()
    factors.check(session, place.database.secret, place.clock, own.user.id, request.form.get("code", ""))
    codes = factors.new_codes(session, place.database.secret, own.user.id)
    session.commit()
    trail.tell(place, own.user, "recovery_codes_made", trail.acting(own.user))
    return _show_codes(codes)


def _off(own: Own) -> Any:
    """Turn it off, which takes the password and a code."""
    place, session = installation(), request_session()
    secret, form = place.database.secret, request.form
    accounts.check_own_password(session, secret, place.clock, own.user, form.get("present", ""))
    factors.check(session, secret, place.clock, own.user.id, form.get("code", ""))
    factors.turn_off(session, own.user.id)
    session.commit()
    trail.tell(place, own.user, "second_factor_off", trail.acting(own.user))
    return see(PATH)


_DEEDS: dict[str, Callable[[Own], Any]] = {"begin": _begin, "confirm": _confirm, "codes": _codes, "off": _off}
