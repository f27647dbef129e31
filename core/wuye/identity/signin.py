"""Signing in with a password, and the limit that makes guessing pointless over all processes together."""

import hashlib
import hmac
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import Problem, Unauthenticated
from wuye.i18n import _
from wuye.identity.models import SignInFailure, User
from wuye.identity.passwords import is_right

#: Ten failures in five minutes for an address and for a network address (PyPI's figures).
WINDOW, LIMIT = timedelta(minutes=5), 10

#: How long anything that was counted is kept: as long as the longest window.
KEEP = timedelta(days=1)


class TooManyAttempts(Problem):
    """Somebody is guessing; waiting helps."""

    status = 429
    code = "too-many-attempts"
    title = _("Too many attempts")


def sign_in(
    session: Session, secret: bytes, clock: Clock, *, email: str, password: str, origin: str, demo: bool
) -> User:
    """Return the user whose password this is. A failure is written at once: commit before you answer it.

    `origin` is the network address of the caller.

    Raises:
        TooManyAttempts: too many failures for this address or origin in the last minutes.
        Unauthenticated: address or password is wrong; both read alike and take the same time.
    """
    now = clock.now()
    subjects = [hashed(secret, "email", email.strip().casefold()), hashed(secret, "origin", origin)]
    recent = select(SignInFailure.subject, func.count()).where(
        SignInFailure.subject.in_(subjects), SignInFailure.at > now - WINDOW
    )
    counts = [count for _subject, count in session.execute(recent.group_by(SignInFailure.subject))]
    if any(count >= LIMIT for count in counts):
        raise _too_many(WINDOW)
    user = session.scalar(select(User).where(User.email == email.strip().casefold()))
    if not is_right(user, password) or user is None or not user.active or (user.demo and not demo):
        session.execute(delete(SignInFailure).where(SignInFailure.at <= now - KEEP))
        session.add_all(SignInFailure(subject=subject, at=now) for subject in subjects)
        session.flush()
        raise Unauthenticated(_("Address or password is wrong."))
    return user


def throttle(
    session: Session,
    secret: bytes,
    clock: Clock,
    *,
    what: str,
    origin: str,
    limit: int = LIMIT,
    window: timedelta = WINDOW,
) -> None:
    """Count something that somebody unknown does, exactly, over all processes.

    Raises:
        TooManyAttempts: this origin did it `limit` times within `window`, a day at most.
    """
    now, subject = clock.now(), hashed(secret, what, origin)
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(subject, 0))))
    recent = select(SignInFailure.at).where(SignInFailure.subject == subject, SignInFailure.at > now - window)
    times = session.scalars(recent.order_by(SignInFailure.at.desc()).limit(limit)).all()
    if len(times) >= limit:
        raise _too_many(times[-1] + window - now)
    session.add(SignInFailure(subject=subject, at=now))


def hashed(secret: bytes, kind: str, value: str) -> str:
    """Return a keyed hash of what somebody did or is, which is kept in place of it."""
    return hmac.new(secret, f"{kind} {value}".encode(), hashlib.sha256).hexdigest()


def _too_many(wait: timedelta) -> TooManyAttempts:
    minutes = -(-int(wait.total_seconds()) // 60) or 1
    text = _("Too many attempts: try again in {minutes} minutes.", minutes=minutes)
    if minutes > 120:
        text = _("Too many attempts: try again in {hours} hours.", hours=-(-minutes // 60))
    return TooManyAttempts(text, retry_after=max(int(wait.total_seconds()), 1))
