"""What somebody decides about their own account, and what the host decides about anybody's: closing it, opening it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from wuye.i18n import LOCALES, _
from wuye.identity import passwords, sessions
from wuye.identity.attempts import Limit, attempt_apart, give_back
from wuye.identity.models import User
from wuye.identity.password_links import words_of

#: Wrong answers to the question for one's own password, in five minutes.
PER_USER, _SOON = 10, timedelta(minutes=5)


def change_profile(session: Session, user: User, *, name: str, locale: str) -> None:
    """Change what others see of somebody, and the language that they are spoken to.

    Raises:
        Invalid: there is no name, or the language is not spoken here.
    """
    errors = [] if name.strip() else [FieldError("name", _("This may not be empty."))]
    if locale not in LOCALES:
        errors.append(FieldError("locale", _("Use one of: {choices}.", choices=", ".join(LOCALES))))
    if errors:
        raise Invalid(_("The profile was not changed."), errors=errors)
    user.name, user.locale = name.strip()[:100], locale
    session.flush()


def check_own_password(session: Session, secret: bytes, clock: Clock, user: User, password: str) -> None:
    """Make sure that it is the owner who sits there; ends the transaction first. A wrong answer counts.

    Raises:
        Invalid: the password is wrong. TooManyAttempts: it was guessed at too often. Forbidden: they have none.
    """
    if user.password_hash is None:
        raise Forbidden(_("This account has no password."))
    session.commit()  # the count has a connection of its own, and must not wait for a second one
    counted = attempt_apart(session, secret, clock, [Limit("own password", str(user.id), PER_USER, _SOON)])
    if not passwords.is_right(user, password):
        reason = _("The current password is wrong.")
        raise Invalid(reason, errors=[FieldError("present", reason)])
    give_back(session, counted)


def change_password(session: Session, clock: Clock, user: User, password: str) -> None:
    """Give a user the password that they have chosen, and end all their sessions: begin a new one for who asks.

    Raises:
        Invalid: it is not good enough. Forbidden: this is one of the demo's people, whom everybody signs in as.
    """
    if user.demo:
        raise Forbidden(_("The demo's people keep their passwords."))
    if errors := passwords.refused(password, words_of(session, user)):
        raise Invalid(_("The password was not changed."), errors=errors)
    user.password_hash = passwords.hashed(password)
    sessions.end_all(session, clock, user.id)
    session.flush()


def disable(session: Session, clock: Clock, user: User) -> None:
    """Close an account everywhere, from its next request on: sessions end, tokens are good for nothing.

    Raises:
        Conflict: it is the last host admin who can act.
    """
    if user.host_admin and user.active and not _other_hosts(session, user.id):
        raise Conflict(
            _("This is the last host admin."),
            hint=_("Make another one first: wuye user invite EMAIL --host-admin."),
        )
    user.active = False
    sessions.end_all(session, clock, user.id)
    session.flush()


def enable(session: Session, user: User) -> None:
    """Open a closed account again: with its memberships, password and tokens; sessions stay ended."""
    user.active = True
    session.flush()


def _other_hosts(session: Session, user_id: UUID) -> int:
    """Count the other host admins who can act; two who close each other's account at once wait for one another."""
    rows = select(User.id).where(User.host_admin, User.active).order_by(User.id).with_for_update()
    return len(set(session.scalars(rows)) - {user_id})


def one_of(session: Session, user_id: UUID) -> User:
    """Return a user.

    Raises:
        NotFound: there is none.
    """
    user = session.get(User, user_id)
    if user is None:
        raise NotFound
    return user
