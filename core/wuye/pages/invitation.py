"""Answering an invitation: what it offers, an account for who has none, yes or no from who has one.

The page looks the same whether its address is known to the installation or not.
"""

from typing import Any

from flask import Flask, request

from wuye.errors import NotFound, Problem, Unauthenticated
from wuye.i18n import LOCALES, current_locale
from wuye.identity import invitations, sessions
from wuye.identity.invitations import Offer
from wuye.identity.models import User
from wuye.identity.services import Caller
from wuye.identity.signin import know, tag_of
from wuye.labels import role_label
from wuye.pages.access import see
from wuye.pages.rendering import plain, secretly
from wuye.pages.times import moment
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, call_for, declare, installation
from wuye.web.database import request_session


def register(app: Flask) -> None:
    """Add the page; who has the link may see it."""
    view = declare(_invitation, Access((PUBLIC,)))
    app.add_url_rule("/invitation/<link>", "pages.invitation", view, methods=["GET", "POST"])


def _invitation(link: str) -> Any:
    """Show what is offered, or take the answer."""
    caller = _caller()
    posted = request.method == "POST"
    offer = invitations.find(installation(), request_session(), link, lock=posted)
    if not posted:
        return _show(offer, caller, link)
    browser.check_origin()
    answer, ctx = request.form.get("answer"), offer.ctx
    try:
        if answer == "decline":
            invitations.decline(offer)
            return _done(offer, plain("invitation_declined.html", estate=ctx.estate))
        if answer == "accept" and caller is not None:
            invitations.accept(offer, caller.user_id)
            return _done(offer, see(f"/e/{ctx.estate.code}"))
        if answer != "new" or caller is not None:
            raise NotFound
        form = request.form
        user = invitations.accept_anew(
            offer, name=form.get("name", ""), password=form.get("password", ""), locale=form.get("locale", "")
        )
    except Problem as problem:
        ctx.session.rollback()
        ctx.discard()
        return _show(offer, caller, link, problem)
    return _begin(offer, user)


def _caller() -> Caller | None:
    """Return who is signed in with this browser, if anybody is."""
    if browser.cookie() is None:
        return None
    try:
        return call_for(None)
    except Unauthenticated:
        return None


def _show(offer: Offer, caller: Caller | None, link: str, problem: Problem | None = None) -> Any:
    ctx, row = offer.ctx, offer.row
    signed_in = request_session().get(User, caller.user_id) if caller else None
    token = browser.proof(installation().database.secret, browser.cookie() or "") if caller else ""
    locale = request.form.get("locale") or (current_locale() if "locale" in request.cookies else row.locale)
    return secretly(plain(
        "invitation.html", problem.status if problem else 200, estate=ctx.estate, email=row.email, inviter=offer.inviter,
        roles=[role_label(ctx.loaded.registry, role) for role in row.roles], until=moment(ctx.estate, row.expires_at),
        me=signed_in, mine=signed_in is not None and signed_in.email == row.email, token=token, problem=problem,
        here=f"/invitation/{link}", name=request.form.get("name", ""), chosen=locale if locale in LOCALES else "en",
    ))  # fmt: skip


def _done(offer: Offer, response: Any) -> Any:
    offer.ctx.seal()
    offer.ctx.session.commit()
    return response


def _begin(offer: Offer, user: User) -> Any:
    """Sign the new user in and show them their estate, in the language that they chose."""
    place, session = installation(), request_session()
    agent = request.headers.get("User-Agent", "")
    cookie = sessions.begin(session, place.database.secret, place.clock, user, agent=agent)
    response = _done(offer, see(f"/e/{offer.ctx.estate.code}"))
    browser.give_cookie(response, cookie, kept=False)
    if user.email:
        secret = place.database.secret
        browser.make_known(response, tag_of(secret, user.email), know(secret, user.email))
    if user.locale:
        browser.speak(response, user.locale)
    return response
