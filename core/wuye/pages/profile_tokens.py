"""Making an API token of one's own: for one estate, with chosen permissions, for a year at most; shown once."""

from datetime import timedelta
from typing import Any

from flask import Flask, request
from sqlalchemy import select

from wuye.context import EstateInfo
from wuye.errors import FieldError, Invalid, Problem, Text
from wuye.estates.models import Estate
from wuye.estates.services import enabled_plugins
from wuye.i18n import _
from wuye.identity import services, trail
from wuye.identity.models import Membership
from wuye.installation import find_estate
from wuye.pages.profile import Own, own_page, show_own
from wuye.web.access import installation
from wuye.web.database import request_session

#: How many days a token may live, as they are offered.
DAYS = (7, 30, 90, 180, 365)


def register(app: Flask) -> None:
    """Add the page."""
    own_page(app, "/profile/tokens", "profile.tokens", _tokens, "GET", "POST")


def _tokens(own: Own) -> Any:
    """Show the form for one of the user's estates, or make a token and show it."""
    mine = _estates(own)
    chosen = request.values.get("estate") or (mine[0][0] if len(mine) == 1 else "")
    info = find_estate(request_session(), chosen) if chosen in dict(mine) else None
    offered = _offered(own, info) if info is not None else {}
    problem: Problem | None = None
    if request.method == "POST" and info is not None:
        try:
            return _made(own, info, offered)
        except Problem as error:
            request_session().rollback()
            problem = error
    return show_own(
        "profile_tokens.html", problem.status if problem else 200, estates=mine, estate=info, offered=offered,
        problem=problem, days=DAYS, typed=request.form, chosen=request.form.getlist("scopes"), made=None,
    )  # fmt: skip


def _estates(own: Own) -> list[tuple[str, str]]:
    """Return the estates that the user is a member of: code and name."""
    mine = (
        select(Estate.code, Estate.name)
        .join(Membership, Membership.estate_id == Estate.id)
        .where(Membership.user_id == own.user.id, Membership.suspended_at.is_(None), Estate.state == "active")
    )
    return [(code, name) for code, name in request_session().execute(mine.order_by(Estate.name))]


def _offered(own: Own, info: EstateInfo) -> dict[str, Text]:
    """Return what the user may do in an estate: permission → what it is called."""
    place, session = installation(), request_session()
    session.pin(info.id)
    mine = select(Membership.roles).where(Membership.estate_id == info.id, Membership.user_id == own.user.id)
    active = (enabled_plugins(session, info.id) & place.plugins.loaded.keys()) | {"core"}
    permissions = place.plugins.registry.permissions
    granted = place.plugins.registry.permissions_of(session.scalar(mine) or (), active)
    return {name: permissions[name] for name in permissions if name in granted}


def _made(own: Own, info: EstateInfo, offered: dict[str, Text]) -> Any:
    place, session, form = installation(), request_session(), request.form
    name, wanted = form.get("name", "").strip()[:80], form.getlist("scopes")
    errors = [] if name else [FieldError("name", _("This may not be empty."))]
    if form.get("all"):
        wanted = ["*"]
    elif not wanted or not set(wanted) <= offered.keys():
        errors.append(FieldError("scopes", _("Choose what it may do.")))
    if form.get("days", "") not in map(str, DAYS):
        errors.append(FieldError("days", _("Use one of: {choices}.", choices=", ".join(map(str, DAYS)))))
    if errors:
        raise Invalid(_("The token was not created."), errors=errors)
    text = services.create_token(
        session, place.database.secret, place.clock, own.user, info, scopes=wanted,
        lifetime=timedelta(days=int(form["days"])), name=name,
    )  # fmt: skip
    session.commit()
    trail.tell(place, own.user, "token_made", trail.acting(own.user), {"name": name, "scopes": wanted})
    return show_own(
        "profile_tokens.html", estates=[], estate=info, offered={}, problem=None, days=DAYS, typed={}, chosen=[],
        made={"text": text, "name": name},
    )  # fmt: skip
