"""Counting what somebody does, exactly, over all processes: guesses, codes asked for, reports of people unknown.

An attempt is counted before it is judged and in a transaction of its own, so that neither many at the same moment nor a
failure that is rolled back gets past the limit. What is kept is a keyed hash of who or where, for a day.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import Problem
from wuye.i18n import _
from wuye.identity.models import SignInFailure
from wuye.ids import uuid7

#: How long anything that was counted is kept: as long as the longest window.
KEEP = timedelta(days=1)

#: Old rows are deleted with every so-manieth attempt.
_TIDY = 64


class TooManyAttempts(Problem):
    """Somebody is guessing; waiting helps."""

    status = 429
    code = "too-many-attempts"
    title = _("Too many attempts")


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may happen: `count` times within `window` (a day at most) for each `value` of `what`."""

    what: str
    value: str
    count: int
    window: timedelta


def attempt(session: Session, secret: bytes, clock: Clock, limits: Sequence[Limit]) -> list[UUID]:
    """Count one attempt against all limits, in the session's own transaction; return what `give_back` takes.

    Raises:
        TooManyAttempts: one of the limits is reached; then nothing was counted.
    """
    now = clock.now()
    named = sorted((hashed(secret, each.what, each.value), each.count, each.window) for each in limits)
    rows = []
    for subject, count, window in named:  # in one order, so that two attempts never wait for each other
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(subject, 0))))
        recent = select(SignInFailure.at).where(SignInFailure.subject == subject, SignInFailure.at > now - window)
        times = session.scalars(recent.order_by(SignInFailure.at.desc()).limit(count)).all()
        if len(times) >= count:
            raise _too_many(times[-1] + window - now)
        rows.append(SignInFailure(id=uuid7(), subject=subject, at=now))
    if rows[0].id.int % _TIDY == 0:
        session.execute(delete(SignInFailure).where(SignInFailure.at <= now - KEEP))
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def attempt_apart(session: Session, secret: bytes, clock: Clock, limits: Sequence[Limit]) -> list[UUID]:
    """Do so in a short transaction of its own, which stays whatever becomes of the session's; that should hold no
    connection meanwhile.

    Raises:
        TooManyAttempts: as for `attempt`.
    """
    with _apart(session) as own:
        return attempt(own, secret, clock, limits)


def give_back(session: Session, counted: Sequence[UUID]) -> None:
    """Take back what was counted: it turned out well."""
    with _apart(session) as own:
        own.execute(delete(SignInFailure).where(SignInFailure.id.in_(counted)))


@contextmanager
def _apart(session: Session) -> Iterator[Session]:
    with Session(session.get_bind()) as own, own.begin():
        yield own


def network_of(address: str) -> str:
    """Return the network that an address stands for: itself, or the /64 that one household has under IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def hashed(secret: bytes, kind: str, value: str) -> str:
    """Return a keyed hash of what somebody did or is, which is kept in place of it."""
    return hmac.new(secret, f"{kind} {value}".encode(), hashlib.sha256).hexdigest()


def _too_many(wait: timedelta) -> TooManyAttempts:
    minutes = -(-int(wait.total_seconds()) // 60) or 1
    text = _("Too many attempts: try again in {minutes} minutes.", minutes=minutes)
    if minutes > 120:
        text = _("Too many attempts: try again in {hours} hours.", hours=-(-minutes // 60))
    return TooManyAttempts(text, retry_after=max(int(wait.total_seconds()), 1))
