"""Signing in and out, choosing the estate, the language and the theme."""

from flask import Flask, redirect, request
from sqlalchemy import select, update
from werkzeug.wrappers import Response

from wuye.demo import demo_users
from wuye.errors import Problem, Unauthenticated
from wuye.estates.models import Estate
from wuye.i18n import LOCALES
from wuye.identity import sessions
from wuye.identity.models import Membership, User
from wuye.identity.signin import know, sign_in, tag_of
from wuye.pages.access import back_to, see, signed_in
from wuye.pages.entering import enter
from wuye.pages.rendering import THEMES, plain
from wuye.web import browser
from wuye.web.access import PUBLIC, SIGNED_IN, Access, declare, installation
from wuye.web.database import request_session


def register(app: Flask) -> None:
    """Add the pages that need no estate."""

    def add(rule: str, name: str, view: object, access: str, *methods: str) -> None:
        app.add_url_rule(rule, f"pages.{name}", declare(view, Access((access,))), methods=list(methods))  # type: ignore[arg-type]  # a view

    add("/", "home", _home, PUBLIC, "GET")
    add("/f", "field_home", _home, PUBLIC, "GET")
    add("/sign-in", "sign_in", _sign_in, PUBLIC, "GET", "POST")
    add("/sign-out", "sign_out", _sign_out, SIGNED_IN, "POST")
    add("/estates", "estates", _estates, SIGNED_IN, "GET")
    add("/prefer", "prefer", _prefer, PUBLIC, "POST")


def _home() -> Response:
    """Lead somebody signed in to their estate (with a phone to its phone pages), everybody else to the sign-in."""
    afield = request.path == "/f"
    form = "/sign-in?next=%2Ff" if afield else "/sign-in"
    if browser.cookie() is None:
        return redirect(form)
    try:
        caller = signed_in()
    except Unauthenticated:
        return redirect(form)
    found = _estates_of(caller.user_id)
    last = request.cookies.get("estate")
    code = next((row.code for row in found if row.code == last), found[0].code if len(found) == 1 else None)
    if code is None:
        return redirect("/estates")
    roles = request_session().scalar(
        select(Membership.roles)
        .join(Estate, Estate.id == Membership.estate_id)
        .where(Membership.user_id == caller.user_id, Estate.code == code)
    )
    if roles == ["core.resident"]:
        return redirect(f"/r/{code}")
    phone = "Mobi" in request.headers.get("User-Agent", "") and not _has_a_desk(roles or [])
    return redirect(f"/f/{code}" if afield or phone else f"/e/{code}")


def _has_a_desk(roles: list[str]) -> bool:
    """Whether roles see more work than their own; who does not works with the hands, and with a phone."""
    registry = installation().plugins.registry
    may = registry.permissions_of(roles, frozenset(registry.manifests))
    work = [each for each in registry.resources.values() if each.kind and each.plugin != "core"]
    return any(resource.read in may for resource in work)


def _estates_of(user_id: object) -> list[Estate]:
    statement = select(Estate).join(Membership, Membership.estate_id == Estate.id)
    mine = statement.where(Membership.user_id == user_id, Membership.suspended_at.is_(None))
    return list(request_session().scalars(mine.order_by(Estate.name)))


def _estates() -> Response:
    """List the estates that somebody is a member of."""
    caller = signed_in()
    return plain("estates.html", estates=_estates_of(caller.user_id), caller=caller, token=_proof())


def _proof() -> str:
    return browser.proof(installation().database.secret, browser.cookie() or "")


#: What is typed into the form is not longer than this.
_LONGEST = 500


def _sign_in() -> Response:
    """Show the form, or sign in."""
    going = back_to(request.values.get("next"), "/")
    if request.method == "GET":
        return _form(going)
    browser.check_origin()
    place, session = installation(), request_session()
    secret, email = place.database.secret, request.form.get("email", "")[:_LONGEST]
    tag = tag_of(secret, email)
    try:
        user = sign_in(
            session,
            secret,
            place.clock,
            email=email,
            password=request.form.get("password", "")[:_LONGEST],
            origin=request.remote_addr or "",
            demo=place.settings.demo,
            known=browser.known(tag),
        )
    except Problem as problem:
        return _form(going, problem)
    response: Response = enter(user, going, kept=bool(request.form.get("kept")))
    browser.make_known(response, tag, know(secret, email))
    return response


def _form(going: str, problem: Problem | None = None) -> Response:
    offered = demo_users(installation()) if installation().settings.demo else []
    status = problem.status if problem else 200
    response = plain(
        "sign_in.html",
        status,
        next=going,
        problem=problem,
        offered=offered,
        chosen="chosen" in request.args,
        email=request.form.get("email", ""),
        telephone=installation().settings.demo or bool(installation().plugins.bus.plan("send_code")),
    )
    if problem is not None and "retry_after" in problem.extra:
        response.headers["Retry-After"] = str(problem.extra["retry_after"])
    return response


def _sign_out() -> Response:
    """End the session here and now, or everywhere."""
    caller = signed_in(enrolling=True)
    session, clock = request_session(), installation().clock
    if request.form.get("everywhere"):
        sessions.end_all(session, clock, caller.user_id)
    else:
        sessions.end(session, clock, browser.cookie() or "")
    session.commit()
    response = see(back_to(request.form.get("next"), "/sign-in"))
    browser.take_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _prefer() -> Response:
    """Keep the language and the theme that somebody prefers: in a cookie, and with the user if one is signed in."""
    browser.check_origin()
    response = see(back_to(request.form.get("next"), "/"))
    if (theme := request.form.get("theme")) in THEMES:
        response.set_cookie(
            "theme", theme, max_age=browser.PREFERRED, samesite="Lax", httponly=True, secure=request.is_secure
        )
    if (locale := request.form.get("locale")) in LOCALES:
        browser.speak(response, locale)
        if browser.cookie() is not None:
            session = request_session()
            session.execute(update(User).where(User.id == signed_in(enrolling=True).user_id).values(locale=locale))
            session.commit()
    return response
