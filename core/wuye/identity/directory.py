"""All accounts of the installation, as the host sees them: to find one, and how it stands. What estates hold is not here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from wuye.errors import NotFound
from wuye.estates.models import Estate
from wuye.identity.models import BrowserSession, Membership, SecondFactor, User

#: Accounts on one page.
SHOWN = 50


class Account(NamedTuple):
    """An account: who it is of, how it stands, in how many estates it is a member, and when it was last used in a browser."""

    id: UUID
    email: str | None
    name: str
    active: bool
    host_admin: bool
    has_password: bool
    estates: int
    used_at: datetime | None
    second_factor: bool


def search(session: Session, wanted: str = "", after: str = "") -> Sequence[Account]:
    """Return accounts by address, from the one after `after` on: one more than fits on a page, if there are more.

    `wanted` is a part of the address or the name. Those who sign in by telephone alone belong to an estate, and are not here.
    """
    like = f"%{wanted.strip()}%"
    found = _accounts().where(User.email > after, or_(User.email.ilike(like), User.name.ilike(like)))
    return [Account(*row) for row in session.execute(found.order_by(User.email).limit(SHOWN + 1))]


def one(session: Session, user_id: UUID) -> Account:
    """Return an account.

    Raises:
        NotFound: there is none.
    """
    row = session.execute(_accounts().where(User.id == user_id)).first()
    if row is None:
        raise NotFound
    return Account(*row)


def _accounts() -> Select[Any]:
    joined = select(func.count()).where(Membership.user_id == User.id).correlate(User).scalar_subquery()
    used = select(func.max(BrowserSession.used_at)).where(BrowserSession.user_id == User.id)
    factor = select(SecondFactor.user_id).where(SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None))
    return select(
        User.id, User.email, User.name, User.active, User.host_admin, User.password_hash.is_not(None), joined,
        used.correlate(User).scalar_subquery(), factor.correlate(User).exists(),
    )  # fmt: skip


def estates_of(session: Session, user_id: UUID) -> Sequence[str]:
    """Return the names of the estates that somebody is a member of."""
    joined = select(Estate.name).join(Membership, Membership.estate_id == Estate.id)
    return session.scalars(joined.where(Membership.user_id == user_id).order_by(Estate.name)).all()
