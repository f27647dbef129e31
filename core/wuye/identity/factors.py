"""A second factor: time-based codes of an app (TOTP, RFC 6238), and ten recovery codes for when the telephone is lost.

The app's key is not stored: it is made from the installation's secret and a random seed, so that a copy of the database
alone gives no codes away. Every code is good once.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.errors import Conflict, FieldError, Forbidden, Invalid
from wuye.i18n import _
from wuye.identity.attempts import Limit, attempt_apart, give_back
from wuye.identity.decisions import CoreSettings
from wuye.identity.members import MANAGER
from wuye.identity.models import RecoveryCode, SecondFactor, User

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.identity.services import Caller

#: How many recovery codes somebody gets, and of how many characters each (of 32 kinds: 50 bits).
CODES, LENGTH = 10, 10

#: Without letters and digits that are taken for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

#: How many steps of 30 seconds a telephone's clock may be off.
_SLACK = 1

_ISSUER = "wuye"

#: Wrong codes of one user in five minutes, wherever they come from.
PER_USER, _SOON = 10, timedelta(minutes=5)


def is_on(session: Session, user_id: UUID) -> bool:
    """Tell whether a user has a second factor."""
    mine = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    return session.scalar(mine) is not None


def owed(caller: "Caller", *, demo: bool) -> bool:
    """Tell whether somebody must set a second factor up before they may do anything: host admins, outside the demo."""
    return caller.host_admin and not caller.second_factor and not demo


def required(ctx: "Context", roles: Iterable[str], *, demo: bool) -> bool:
    """Tell whether an estate wants a second factor of somebody with these roles; in the demo none does."""
    return not demo and MANAGER in roles and ctx.settings(CoreSettings).managers_second_factor


def begin(session: Session, clock: Clock, user: User) -> None:
    """Give a user a new key, which does not count before a code has proved that an app has it.

    Raises:
        Conflict: they have a second factor. Forbidden: this is one of the demo's people, whom everybody signs in as.
    """
    if user.demo:
        raise Forbidden(_("The demo's people have no second factor: everybody signs in as them."))
    if is_on(session, user.id):
        raise Conflict(_("You have a second factor already."))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user.id))
    session.add(SecondFactor(user_id=user.id, seed=secrets.token_hex(20), last_step=0, created_at=clock.now()))
    session.flush()


def under_way(session: Session, user_id: UUID) -> SecondFactor | None:
    """Return the key that waits to be proved."""
    return session.scalar(
        select(SecondFactor).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_(None))
    )


def key_of(secret: bytes, row: SecondFactor) -> str:
    """Return what an app makes its codes from, as it is typed."""
    made = hmac.digest(secret, f"second factor {row.user_id} {row.seed}".encode(), "sha256")
    return base64.b32encode(made[:20]).decode()


def address_of(secret: bytes, row: SecondFactor, user: User) -> str:
    """Return the same as the address that an app reads from a QR code."""
    return pyotp.TOTP(key_of(secret, row)).provisioning_uri(name=user.email or user.name, issuer_name=_ISSUER)


def confirm(session: Session, secret: bytes, clock: Clock, user: User, code: str) -> list[str]:
    """Turn a second factor on and return the recovery codes, which cannot be shown again.

    Ends the transaction first. A wrong code counts.

    Raises:
        Conflict: nothing was begun. Invalid: the code is wrong. TooManyAttempts: it was guessed at too often.
    """
    counted = _count(session, secret, clock, user.id)
    wanted = select(SecondFactor).where(SecondFactor.user_id == user.id).with_for_update()
    row = session.scalar(wanted)
    if row is None or row.confirmed_at is not None:
        raise Conflict(_("Begin anew: there is no key that waits for a code."))
    if not _takes(secret, clock, row, code):
        raise _wrong()
    row.confirmed_at = clock.now()
    session.flush()
    give_back(session, counted)
    return new_codes(session, secret, user.id)


def check(session: Session, secret: bytes, clock: Clock, user_id: UUID, code: str) -> None:
    """Accept a code of the app or a recovery code, once: commit. Ends the transaction first. A wrong one counts.

    Raises:
        Invalid: the code is wrong, or was used. TooManyAttempts: it was guessed at too often.
    """
    counted = _count(session, secret, clock, user_id)
    row = session.scalar(select(SecondFactor).where(SecondFactor.user_id == user_id).with_for_update())
    if row is None or row.confirmed_at is None:
        raise _wrong()
    if _takes(secret, clock, row, code):
        session.flush()
        give_back(session, counted)
        return
    mine = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    spent = update(RecoveryCode).where(*mine, RecoveryCode.digest == _digest(secret, user_id, code))
    if session.scalar(spent.values(used_at=clock.now()).returning(RecoveryCode.id)) is None:
        raise _wrong()
    give_back(session, counted)


def _count(session: Session, secret: bytes, clock: Clock, user_id: UUID) -> list[UUID]:
    session.commit()  # the count has a connection of its own, and must not wait for a second one
    return attempt_apart(session, secret, clock, [Limit("second factor", str(user_id), PER_USER, _SOON)])


def _takes(secret: bytes, clock: Clock, row: SecondFactor, code: str) -> bool:
    """Tell whether a code is one of these moments' and was not used; the step that it was made in is spent then."""
    given = "".join(filter(str.isdecimal, code))
    totp = pyotp.TOTP(key_of(secret, row))
    now = totp.timecode(clock.now())
    for step in range(now - _SLACK, now + _SLACK + 1):
        if step > row.last_step and hmac.compare_digest(totp.generate_otp(step).encode(), given.encode()):
            row.last_step = step
            return True
    return False


def new_codes(session: Session, secret: bytes, user_id: UUID) -> list[str]:
    """Return ten new recovery codes; those before are good for nothing."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    made = ["".join(secrets.choice(_ALPHABET) for _place in range(LENGTH)) for _code in range(CODES)]
    session.add_all(RecoveryCode(user_id=user_id, digest=_digest(secret, user_id, code)) for code in made)
    session.flush()
    return [f"{code[:5]}-{code[5:]}" for code in made]


def left(session: Session, user_id: UUID) -> int:
    """Return how many recovery codes somebody has not used."""
    mine = select(func.count()).select_from(RecoveryCode)
    return session.scalar(mine.where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))) or 0


def turn_off(session: Session, user_id: UUID) -> None:
    """Take a second factor away, with its recovery codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))


def _digest(secret: bytes, user_id: UUID, code: str) -> str:
    plain = "".join(filter(str.isalnum, code)).lower()
    return hmac.digest(secret, f"recovery code {user_id} {plain}".encode(), "sha256").hex()


def _wrong() -> Invalid:
    reason = _("This code is wrong, or was used already.")
    return Invalid(reason, errors=[FieldError("code", reason)])
