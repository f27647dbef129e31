"""Signing in with a password, and the limits that make guessing pointless without locking anybody out.

Each failure counts for the account at the network that it comes from, for the network, for the account wherever it is
tried, and for all together. A browser that has signed in to the account before is known by a signed cookie and has a
limit of its own: what others fail with never keeps it out.
"""

import hmac
import secrets
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import Unauthenticated
from wuye.i18n import _
from wuye.identity.attempts import Limit, attempt_apart, give_back, hashed, network_of
from wuye.identity.models import User
from wuye.identity.passwords import freshen, is_right

_SOON, _HOUR = timedelta(minutes=5), timedelta(hours=1)

#: Failures in five minutes: of one account at one network, or in a browser that it knows (PyPI's figure, as is that for
#: all together); at one network, which an office or a building may share.
PER_PAIR, PER_NETWORK, OVERALL = 10, 50, 1000

#: Failures in an hour of one account in browsers that it does not know (OWASP ASVS 4.0, 2.2.1: no more than 100).
PER_ACCOUNT = 100


def sign_in(
    session: Session,
    secret: bytes,
    clock: Clock,
    *,
    email: str,
    password: str,
    origin: str,
    demo: bool,
    known: str | None = None,
) -> User:
    """Return the user whose password this is; commit. A failure is counted, whatever becomes of the session's transaction.

    `origin` is the network address of the caller, `known` what its browser was given when it signed in before.

    Raises:
        TooManyAttempts: too many failures in the last minutes.
        Unauthenticated: address or password is wrong; both read alike and take the same time.
    """
    name = email.strip().casefold()
    counted = attempt_apart(session, secret, clock, _limits(secret, name, network_of(origin), known))
    user = session.scalar(select(User).where(User.email == name))
    if not is_right(user, password) or user is None or not user.active or (user.demo and not demo):
        session.rollback()
        raise Unauthenticated(_("Address or password is wrong."))
    session.expunge(user)
    session.rollback()
    give_back(session, counted)
    found = session.merge(user, load=False)
    freshen(found, password)
    session.flush()
    return found


def _limits(secret: bytes, name: str, network: str, known: str | None) -> list[Limit]:
    if known is not None and is_known(secret, name, known):
        return [Limit("known browser", f"{name} {known}", PER_PAIR, _SOON)]
    return [
        Limit("email and origin", f"{name} {network}", PER_PAIR, _SOON),
        Limit("origin", network, PER_NETWORK, _SOON),
        Limit("email", name, PER_ACCOUNT, _HOUR),
        Limit("sign-in", "anybody", OVERALL, _SOON),
    ]


def know(secret: bytes, email: str) -> str:
    """Return what a browser keeps that has signed in to an account, by which the account knows it again."""
    nonce = secrets.token_hex(16)
    return f"{nonce}.{_proof(secret, email.strip().casefold(), nonce)}"


def is_known(secret: bytes, email: str, kept: str) -> bool:
    """Tell whether a browser has signed in to this account before, by what it keeps."""
    nonce, _dot, given = kept.partition(".")
    return hmac.compare_digest(given.encode(), _proof(secret, email.strip().casefold(), nonce).encode())


def _proof(secret: bytes, name: str, nonce: str) -> str:
    return hashed(secret, "known browser of", f"{name} {nonce}")


def tag_of(secret: bytes, email: str) -> str:
    """Return a short word for an account, which tells nothing of it: a browser may know several."""
    return hashed(secret, "tag of", email.strip().casefold())[:12]
