"""Residents sign in by telephone: the number, then the code that was sent to it. Works without scripts."""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import structlog
from flask import Flask, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from wuye.errors import Forbidden, Invalid, Problem, Text
from wuye.estates.models import Estate
from wuye.i18n import _, current_locale
from wuye.identity import codes
from wuye.installation import find_estate
from wuye.pages.access import Visit, back_to, see
from wuye.pages.entering import enter
from wuye.pages.portal import guest_visit
from wuye.pages.rendering import bare, plain
from wuye.resources.fields import masked
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.database import request_session

log = structlog.get_logger("wuye.codes")


def register(app: Flask) -> None:
    """Add the pages."""
    for rule, name, view, methods in (
        ("/r/<estate>/sign-in", "ask", _ask, ["GET", "POST"]),
        ("/r/<estate>/sign-in/code", "answer", _answer, ["GET", "POST"]),
        ("/sign-in/telephone", "estate", _estate, ["GET"]),
    ):
        app.add_url_rule(rule, f"telephone.{name}", declare(view, Access((PUBLIC,))), methods=methods)


def _estate() -> Any:
    """Lead to the sign-in of an estate: the one that is named, or the only one there is."""
    going = back_to(request.args.get("next"), "")
    named = request.args.get("estate", "").strip().lower()
    if not named and going.startswith("/r/"):
        named = going.split("/")[2].partition("?")[0]
    known = select(Estate.code).where(Estate.state == "active")
    found = request_session().scalars(known.where(Estate.code == named) if named else known.limit(2)).all()
    if len(found) == 1:
        return see(_address(found[0], going))
    problem = _("There is no estate “{code}”.", code=named) if named else None
    return plain("telephone_estate.html", 404 if named else 200, next=going, named=named, problem=problem)


def _address(estate: str, going: str, step: str = "") -> str:
    """Return the address of a step; a place to go on to is kept only if it is one of the estate's own."""
    query = f"?{urlencode({'next': going})}" if going else ""
    return f"/r/{estate}/sign-in{step}{query}"


def _visit(estate: str) -> Visit:
    return guest_visit(find_estate(request_session(), estate).id, frozenset())


def _show(visit: Visit, template: str, problem: Problem | None = None, status: int = 200, **values: Any) -> Response:
    code = visit.ctx.estate.code
    response = bare(
        visit, template, problem.status if problem else status, base=f"/r/{code}", home=f"/r/{code}",
        title=_("Sign in"), problem=problem, next=back_to(request.values.get("next"), ""), **values,
    )  # fmt: skip
    if problem is not None and "retry_after" in problem.extra:
        response.headers["Retry-After"] = str(problem.extra["retry_after"])
    return response


def _ask(estate: str) -> Any:
    """Show the form for the number, or have a code sent. The answer is the same for every number."""
    visit = _visit(estate)
    place, session = installation(), request_session()
    here = codes.offered(visit.ctx, demo=place.settings.demo)
    phone = request.form.get("phone", "")
    if request.method == "GET" or not here:
        return _show(visit, "telephone.html", offered=here, phone="")
    browser.check_origin()
    try:
        origin = request.remote_addr or ""
        asked = codes.ask(session, place.database.secret, place.clock, phone=phone, origin=origin)
    except Problem as problem:
        session.commit()  # what was counted counts
        return _show(visit, "telephone.html", problem, offered=here, phone=phone)
    session.commit()
    place.errands.submit(codes.send, place, visit.ctx.estate, asked, current_locale())
    response = see(_address(estate, back_to(request.form.get("next"), ""), "/code"))
    _keep(response, visit, asked)
    return response


def _answer(estate: str) -> Any:
    """Show the form for the code, or sign in with it."""
    visit = _visit(estate)
    place, session, ctx = installation(), request_session(), visit.ctx
    going = back_to(request.values.get("next"), "")
    kept = _kept(visit)
    if kept is None:
        return see(_address(estate, going))
    identity, number = kept
    shown: dict[str, Any] = {
        "number": number,
        "masked": masked(number),
        "minutes": codes.LIFETIME.seconds // 60,
        "digits": codes.DIGITS,
    }
    if request.method == "GET":
        return _show(visit, "telephone_code.html", **shown)
    browser.check_origin()
    code = request.form.get("code", "")
    try:
        if not code.strip():
            raise Invalid(_("Enter the {n} digits that you were sent.", n=codes.DIGITS))
        codes.confirm(session, place.database.secret, place.clock, identity, number, code)
    except Problem as problem:
        session.commit()  # a try counts, whatever else happens
        return _show(visit, "telephone_code.html", problem, **shown)
    session.commit()
    found = codes.find(ctx, number)
    try:
        if found is None or not found.at_home:
            raise Forbidden(_refusal(known=found is not None))
        user = codes.user_of(ctx, found, demo=place.settings.demo)
    except Forbidden as problem:
        session.commit()
        log.info("sign-in failed", how="code", estate=estate, reason="no home here")
        return _show(visit, "telephone_refused.html", problem)
    own = bool(request.form.get("kept"))
    ctx.seal()
    response = enter(user, going or f"/r/{estate}", kept=own)
    log.info("signed in", how="code", estate=estate, user=str(user.id))
    response.delete_cookie(_name(), path="/", secure=request.is_secure, httponly=True, samesite="Strict")
    return response


def _refusal(*, known: bool) -> Text:
    if known:
        return _("We know your number, but no home here is registered to you now. Please ask the service desk.")
    return _("This number is not registered here. Please ask the service desk.")


# ---- the browser that asked: its cookie says which code and which number, signed


def _name() -> str:
    return "__Host-wuye-code" if request.is_secure else "wuye-code"


def _signed(visit: Visit, text: str) -> str:
    said = f"code request {visit.ctx.estate.id} {text}".encode()
    return hmac.new(installation().database.secret, said, hashlib.sha256).hexdigest()


def _keep(response: Response, visit: Visit, asked: codes.Asked) -> None:
    text = f"{asked.identity.hex}.{asked.number}"
    response.set_cookie(
        _name(), f"{text}.{_signed(visit, text)}", max_age=int(codes.LIFETIME.total_seconds()) * 2, path="/",
        secure=request.is_secure, httponly=True, samesite="Strict",
    )  # fmt: skip


def _kept(visit: Visit) -> tuple[UUID, str] | None:
    text, _dot, signature = request.cookies.get(_name(), "").rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signed(visit, text).encode()):
        return None
    identity, _dot, number = text.partition(".")
    return UUID(hex=identity), number
