"""Choosing a password by a link: the only way to one for who has none, or forgot it; the link is its owner's alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import FieldError, Invalid, NotFound
from wuye.estates.models import Estate
from wuye.i18n import LOCALES, _
from wuye.identity import links, passwords, sessions
from wuye.identity.models import ApiToken, Membership, PasswordLink, User

#: What the keyed hash of a link is made for.
PURPOSE = "password"


def issue(
    session: Session, secret: bytes, clock: Clock, user: User, *, lifetime: timedelta, host_admin: bool = False
) -> str:
    """Make a link for a user and return its text; every link of that kind before it is dead.

    With `host_admin` they become one when they use it: an account that somebody else made in their name, and could sign
    in with, shall not become powerful before its owner has taken it over.
    """
    kind = (PasswordLink.user_id == user.id, PasswordLink.host_admin == host_admin)
    session.execute(delete(PasswordLink).where(*kind))
    link, now = links.make(secret, PURPOSE), clock.now()
    session.add(
        PasswordLink(
            digest=link.digest, user_id=user.id, host_admin=host_admin, created_at=now, expires_at=now + lifetime
        )
    )
    session.flush()
    return link.text


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who came by a link: its row, and the user that it belongs to."""

    link: PasswordLink
    user: User


def find(session: Session, secret: bytes, clock: Clock, text: str, *, lock: bool) -> Bearer:
    """Return whom a link belongs to. With `lock` nobody else can use it meanwhile.

    Raises:
        NotFound: the link is no (longer a) good one, or the user was disabled; all of these read alike.
    """
    wanted = select(PasswordLink).where(PasswordLink.digest == links.digest_of(text, secret, PURPOSE))
    row = session.scalar(wanted.with_for_update() if lock else wanted) if links.estate_of(text) else None
    user = session.get(User, row.user_id) if row is not None and row.expires_at > clock.now() else None
    if row is None or user is None or not user.active:
        raise NotFound(_("This link is not valid any more: it was used or replaced, or is too old. Ask for a new one."))
    return Bearer(row, user)


def use(session: Session, clock: Clock, bearer: Bearer, *, password: str, name: str = "", locale: str = "") -> None:
    """Give the bearer the password that they have chosen; whoever was signed in as them is not any more.

    Their API tokens end too: a link is also how an owner takes back what was in other hands. A second factor stays.

    Raises:
        Invalid: the password is not good enough, or somebody without a name gave none.
    """
    user = bearer.user
    chosen = user.name or name.strip()[:100]
    errors = [] if chosen else [FieldError("name", _("This may not be empty."))]
    errors += passwords.refused(password, words_of(session, user, chosen))
    if errors:
        raise Invalid(_("The password was not changed."), errors=errors)
    user.name, user.password_hash = chosen, passwords.hashed(password)
    if locale in LOCALES:
        user.locale = locale
    if bearer.link.host_admin:
        user.host_admin = True
    sessions.end_all(session, clock, user.id)
    end_tokens(session, clock, user.id)
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    session.flush()


def words_of(session: Session, user: User, name: str = "") -> Sequence[str]:
    """Return what anybody would guess of a user: name, address, and the names of their estates."""
    estates = (
        select(Estate.name, Estate.code)
        .join(Membership, Membership.estate_id == Estate.id)
        .where(Membership.user_id == user.id)
    )
    named = [word for row in session.execute(estates) for word in row]
    return [word for word in (name or user.name, user.email, *named) if word]


def end_tokens(session: Session, clock: Clock, user_id: UUID) -> None:
    """Revoke all API tokens of a user."""
    mine = session.query(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    mine.update({"revoked_at": clock.now()})
