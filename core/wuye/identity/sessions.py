"""Browsers that somebody is signed in with: begun by a password, ended by time, by signing out, or from elsewhere."""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.db.session import EstateSession
from wuye.identity import tokens
from wuye.identity.models import BrowserSession, User
from wuye.identity.services import BROWSER

#: A working day without use, and at most a day and a night (OWASP ASVS 7.3); a device of one's own stays for a month.
IDLE, ABSOLUTE = timedelta(hours=8), timedelta(hours=24)
KEPT = timedelta(days=30)

#: How long a sign-in waits for the code of the second factor.
WAITING = timedelta(minutes=10)

#: How often at most it is noted that a session is in use: reading a page shall not write each time.
_TOUCH = timedelta(minutes=5)


def begin(
    session: Session, secret: bytes, clock: Clock, user: User, *, agent: str, kept: bool = False, waiting: bool = False
) -> str:
    """Sign a browser in and return its cookie; every sign-in makes a new one.

    While it is `waiting` for the second factor it counts as nobody's, and only for some minutes.
    """
    token = tokens.make(secret, BROWSER)
    now = clock.now()
    idle, absolute = (WAITING, WAITING) if waiting else (KEPT, KEPT) if kept else (IDLE, ABSOLUTE)
    session.add(
        BrowserSession(
            key=token.key,
            digest=token.digest,
            user_id=user.id,
            agent=agent[:200],
            kept=kept,
            created_at=now,
            used_at=now,
            waiting=waiting,
            idle_until=now + idle,
            expires_at=now + absolute,
        )
    )
    session.flush()
    return token.text


def waiting(session: Session, secret: bytes, clock: Clock, cookie: str) -> BrowserSession | None:
    """Return the session that waits for the second factor of who has this cookie; None if none does (any more)."""
    row = session.scalar(select(BrowserSession).where(BrowserSession.key == tokens.key_of(cookie)))
    if row is None or not hmac.compare_digest(row.digest, tokens.digest_of(cookie, secret, BROWSER)):
        return None
    return row if row.waiting and row.revoked_at is None and row.expires_at > clock.now() else None


def is_due(clock: Clock, used_at: datetime | None) -> bool:
    """Tell whether it is time to `touch` a session that was used last then."""
    return used_at is None or used_at < clock.now() - _TOUCH


def touch(session: EstateSession, clock: Clock, cookie: str) -> None:
    """Note that a session is in use, if that was not noted in the last minutes; a device of one's own ends all the same."""
    now = clock.now()
    session.fetch(
        """
        UPDATE core_browser_session
        SET used_at = %(now)s, idle_until = CASE WHEN kept THEN idle_until ELSE %(until)s END
        WHERE key = %(key)s AND used_at < %(due)s AND revoked_at IS NULL RETURNING key
        """,
        {"key": tokens.key_of(cookie), "now": now, "until": now + IDLE, "due": now - _TOUCH},
    )


def end(session: Session, clock: Clock, cookie: str) -> None:
    """Sign the browser with this cookie out."""
    _revoke(session, clock, BrowserSession.key == tokens.key_of(cookie))


def end_one(session: Session, clock: Clock, user_id: UUID, identity: UUID) -> None:
    """Sign one of a user's browsers out, from another one."""
    _revoke(session, clock, BrowserSession.user_id == user_id, BrowserSession.id == identity)


def end_all(session: Session, clock: Clock, user_id: UUID) -> None:
    """Sign a user out everywhere."""
    _revoke(session, clock, BrowserSession.user_id == user_id)


def end_others(session: Session, clock: Clock, user_id: UUID, here: UUID) -> None:
    """Sign a user out everywhere but here."""
    _revoke(session, clock, BrowserSession.user_id == user_id, BrowserSession.id != here)


def active(session: Session, clock: Clock, user_id: UUID) -> Sequence[BrowserSession]:
    """Return the browsers that a user is signed in with, the newest first."""
    now = clock.now()
    return session.scalars(
        select(BrowserSession)
        .where(BrowserSession.user_id == user_id, BrowserSession.revoked_at.is_(None), ~BrowserSession.waiting)
        .where(BrowserSession.expires_at > now, BrowserSession.idle_until > now)
        .order_by(BrowserSession.created_at.desc())
    ).all()


def _revoke(session: Session, clock: Clock, *conditions: object) -> None:
    statement = update(BrowserSession).where(*conditions, BrowserSession.revoked_at.is_(None))  # type: ignore[arg-type]  # conditions on columns
    session.execute(statement.values(revoked_at=clock.now()))
