"""The browser's side of a session: its cookie, and the proof that a form was sent by one of our own pages."""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import request
from werkzeug.wrappers import Response

from wuye.errors import Forbidden
from wuye.i18n import _
from wuye.identity.sessions import KEPT

#: The field of a form, and the header of a script's request, that carry the proof.
FIELD, HEADER = "_token", "X-Wuye-Token"

_SAFE = ("GET", "HEAD", "OPTIONS")
_MASK = 32


def cookie() -> str | None:
    """Return the session's cookie if the request has one."""
    return request.cookies.get(_name())


def give_cookie(response: Response, value: str, *, kept: bool) -> None:
    """Set the session's cookie: for this host alone, out of reach for scripts, not sent along from other sites."""
    response.set_cookie(
        _name(),
        value,
        max_age=int(KEPT.total_seconds()) if kept else None,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def take_cookie(response: Response) -> None:
    """Remove the session's cookie."""
    response.delete_cookie(_name(), path="/", secure=request.is_secure, httponly=True, samesite="Lax")


#: How long a browser keeps what somebody prefers: a year.
PREFERRED = 365 * 24 * 3600


def speak(response: Response, locale: str) -> None:
    """Have this browser prefer a language."""
    response.set_cookie("locale", locale, max_age=PREFERRED, samesite="Lax", httponly=True, secure=request.is_secure)


def known(tag: str) -> str | None:
    """Return what this browser keeps of having signed in to an account before."""
    return request.cookies.get(_known_name(tag))


def make_known(response: Response, tag: str, value: str) -> None:
    """Have this browser keep, for a year, that it has signed in to an account."""
    response.set_cookie(
        _known_name(tag), value, max_age=PREFERRED, samesite="Strict", httponly=True, secure=request.is_secure, path="/"
    )


def _known_name(tag: str) -> str:
    return f"{'__Host-' if request.is_secure else ''}wuye-known-{tag}"


def _name() -> str:
    # Browsers keep a __Host- cookie from being set by other hosts, but only over HTTPS.
    return "__Host-wuye" if request.is_secure else "wuye"


def proof(secret: bytes, session: str) -> str:
    """Return the proof for a page of this session; it looks different each time, so that compression betrays nothing."""
    mask = secrets.token_bytes(_MASK)
    return base64.urlsafe_b64encode(mask + _xor(mask, _expected(secret, session))).decode()


def check(secret: bytes, session: str) -> None:
    """Refuse a change that was not sent by one of our pages to this session.

    Raises:
        Forbidden: it comes from another site, or lacks the proof.
    """
    if request.method in _SAFE:
        return
    check_origin()
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    try:
        raw = base64.urlsafe_b64decode(given)
    except ValueError:
        raw = b""
    if not hmac.compare_digest(_xor(raw[:_MASK], raw[_MASK:]), _expected(secret, session)):
        raise Forbidden(_("This form has expired."), hint=_("Load the page again, then repeat your change."))


def check_origin() -> None:
    """Refuse a change that a browser says comes from another site.

    Raises:
        Forbidden: it does.
    """
    if request.method in _SAFE:
        return
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin != "null" and urlsplit(origin).netloc != request.host
    if (
        foreign
        or origin == "null"
        or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    ):
        raise Forbidden(_("This was sent from another site."))


def _expected(secret: bytes, session: str) -> bytes:
    return hmac.new(secret, b"form " + session.encode(), hashlib.sha256).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))
