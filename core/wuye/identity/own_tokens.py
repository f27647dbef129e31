"""Somebody's own API tokens: which there are, making one, taking one back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.db.session import EstateSession
from wuye.errors import NotFound
from wuye.estates.models import Estate
from wuye.identity.models import ApiToken

#: How often at most it is noted that a token is in use.
TOUCH = timedelta(hours=1)


class OwnToken(NamedTuple):
    """A token as its owner sees it: never the token itself."""

    id: UUID
    name: str
    scopes: Sequence[str]
    estate: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


def listing(session: Session, clock: Clock, user_id: UUID) -> list[OwnToken]:
    """Return the tokens of a user that are good, the newest first."""
    rows = session.execute(
        select(
            ApiToken.id, ApiToken.name, ApiToken.scopes, Estate.name, ApiToken.created_at, ApiToken.expires_at, ApiToken.used_at
        )
        .join(Estate, Estate.id == ApiToken.estate_id)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > clock.now())
        .order_by(ApiToken.created_at.desc())
    )  # fmt: skip
    return [OwnToken(*row) for row in rows]


def revoke(session: Session, clock: Clock, user_id: UUID, identity: UUID) -> None:
    """Take one of a user's tokens back, from its next request on.

    Raises:
        NotFound: they have no such token.
    """
    mine = update(ApiToken).where(ApiToken.id == identity, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    if session.scalar(mine.values(revoked_at=clock.now()).returning(ApiToken.id)) is None:
        raise NotFound


def touch(session: EstateSession, clock: Clock, identity: UUID) -> None:
    """Note that a token is in use, if that was not noted in the last hour."""
    now = clock.now()
    session.fetch(
        """
        UPDATE core_api_token SET used_at = %(now)s
        WHERE id = %(id)s AND (used_at IS NULL OR used_at < %(due)s) RETURNING id
        """,
        {"id": identity, "now": now, "due": now - TOUCH},
    )
