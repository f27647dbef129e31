"""Signing in by telephone: a one-time code goes to a number, and who returns it is the person of the estate with it.

What is promised (OWASP ASVS 5.0, 6.5 and 6.6): six random digits, stored as a keyed hash, good once, for five minutes and
five tries, in the browser alone that asked; limits for each number and each network address; and nothing, neither an
answer nor how long it takes, tells whether a number is known: the number is looked up, and the code sent, on another
thread after the request.
"""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from wuye.clock import Clock
from wuye.context import Context, EstateInfo
from wuye.db.session import EstateSession
from wuye.errors import FieldError, Forbidden, Invalid, Text, Unauthenticated
from wuye.i18n import _, use_locale
from wuye.identity.attempts import Limit, attempt, hashed, network_of
from wuye.identity.models import BrowserSession, Membership, SignInCode, User
from wuye.identity.services import add_member
from wuye.ids import uuid7
from wuye.people.models import Occupancy, Person
from wuye.resources.fields import masked

if TYPE_CHECKING:
    from wuye.installation import Installation

log = structlog.get_logger("wuye.codes")

LIFETIME, TRIES, DIGITS = timedelta(minutes=5), 5, 6

#: What somebody signed in by telephone is, and nothing more.
ROLES = ["core.resident"]

_SOON, _DAY = timedelta(minutes=10), timedelta(days=1)

#: How many codes may be asked for: for a number, and from a network address, which many homes may share.
PER_NUMBER, PER_ORIGIN = ((3, _SOON), (10, _DAY)), ((10, _SOON), (100, _DAY))

#: Country code of numbers that are written with or without it.
_HOME = "86"


@dataclass(frozen=True, slots=True)
class Asked:
    """A code that was asked for: the row it is kept in, the number it goes to, and the code itself, in memory only."""

    identity: UUID
    number: str
    code: str


def offered(ctx: Context, *, demo: bool) -> bool:
    """Tell whether codes can be sent here: an enabled plugin does it, or the demo writes them to its log."""
    return demo or any(plugin in ctx.plugins for plugin, _call, _names in ctx.loaded.bus.plan("send_code"))


def number_of(text: str) -> str:
    """Return a telephone number as digits, without the country code of mainland China, however it was typed.

    Raises:
        Invalid: it is no telephone number.
    """
    plain = unicodedata.normalize("NFKC", text)
    digits = "".join(character for character in plain if character.isdecimal() and character.isascii())
    digits = digits.removeprefix("00")
    if len(digits) == 11 + len(_HOME):
        digits = digits.removeprefix(_HOME)
    if not 5 <= len(digits) <= 15 or any(character.isalpha() for character in plain):
        reason = _("This is not a telephone number.")
        raise Invalid(reason, errors=[FieldError("phone", reason)])
    return digits


def ask(session: EstateSession, secret: bytes, clock: Clock, *, phone: str, origin: str) -> Asked:
    """Make a code for a number; commit before it is sent. `origin` is the network address of who asks.

    Raises:
        Invalid: this is no telephone number. TooManyAttempts: for this number or from this address; commit all the same.
    """
    number = number_of(phone)
    asked = [
        *(Limit(f"code for {session.estate_id} {window}", number, count, window) for count, window in PER_NUMBER),
        *(Limit(f"code from {window}", network_of(origin), count, window) for count, window in PER_ORIGIN),
    ]
    attempt(session, secret, clock, asked)
    now, identity = clock.now(), uuid7()
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    session.execute(delete(SignInCode).where(SignInCode.expires_at < now - LIFETIME))
    session.add(
        SignInCode(
            id=identity,
            subject=hashed(secret, "code number", number),
            digest=_digest(secret, identity, code),
            expires_at=now + LIFETIME,
        )
    )
    session.flush()
    return Asked(identity, number, code)


def confirm(session: EstateSession, secret: bytes, clock: Clock, identity: UUID, number: str, code: str) -> None:
    """Accept the code that was sent for this request, once. Commit whatever comes of it: a wrong answer counts.

    Raises:
        Unauthenticated: the code is wrong, too old, used, or was tried too often.
    """
    row = session.scalar(select(SignInCode).where(SignInCode.id == identity).with_for_update())
    now = clock.now()
    if row is None or row.used_at is not None or row.expires_at <= now or row.tries >= TRIES:
        raise Unauthenticated(_("This code is not valid any more: ask for a new one."))
    row.tries += 1
    given = "".join(filter(str.isdecimal, unicodedata.normalize("NFKC", code)))
    same_code = hmac.compare_digest(row.digest, _digest(secret, identity, given))
    same_number = hmac.compare_digest(row.subject, hashed(secret, "code number", number))
    if same_code and same_number:
        row.used_at = now
    session.flush()
    if row.used_at is None:
        left = TRIES - row.tries
        log.info("sign-in failed", how="code", tries=row.tries)
        if not left:
            raise Unauthenticated(_("The code is wrong, and was tried too often: ask for a new one."))
        raise Unauthenticated(_("The code is wrong. Tries left: {n}.", n=left))


def _digest(secret: bytes, identity: UUID, code: str) -> str:
    return hmac.new(secret, b"one-time code " + identity.bytes + code.encode(), hashlib.sha256).hexdigest()


def send(place: "Installation", info: EstateInfo, asked: Asked, locale: str) -> None:
    """Send a code to its number if that belongs to somebody here; for another thread, so that nobody can time it.

    Nothing is raised, and outside the demo the code is never logged.
    """
    try:
        with place.database.session(info.id) as session, use_locale(locale):
            from wuye.estates.services import system_actor

            ctx = place.context(session, info, system_actor(place.plugins))
            if find(ctx, asked.number) is None:
                return
            text = str(message(info, asked.code))
            sent = ctx.loaded.bus.first("send_code", ctx, phone=asked.number, text=text)
            ctx.seal()
        if not sent and place.settings.demo:
            log.warning("demo: a code that would be sent", estate=info.code, phone=masked(asked.number), text=text)
        elif not sent:
            log.error("no plugin sent the code", estate=info.code)
    except Exception as error:
        log.error("sending a code failed", estate=info.code, error=type(error).__name__)


def message(info: EstateInfo, code: str) -> Text:
    """Return what is sent: short, the code first."""
    return _(
        "{code} is your code for {estate}. It is valid for 5 minutes. Tell it to nobody.", code=code, estate=info.name
    )


@dataclass(frozen=True, slots=True)
class Found:
    """The person that a number belongs to, and whether they live (or own) here today."""

    person: Person
    at_home: bool


def find(ctx: Context, number: str) -> Found | None:
    """Return whose number this is; of several people with one number who lives here today, an owner first."""
    today = ctx.now.astimezone(ctx.estate.tzinfo).date()
    present = (Occupancy.since <= today) & or_(Occupancy.until.is_(None), Occupancy.until >= today)
    rank = case({"owner": 0, "tenant": 1}, value=Occupancy.relation, else_=2)
    digits = func.regexp_replace(Person.phone, r"\D", "", "g")
    row = ctx.session.execute(
        select(Person, Occupancy.id)
        .outerjoin(Occupancy, (Occupancy.person_id == Person.id) & present)
        .where(digits.in_([number, f"{_HOME}{number}", f"00{_HOME}{number}"]), ~Person.archived)
        .order_by(Occupancy.id.is_(None), rank, Person.id)
        .limit(1)
    ).first()
    return None if row is None else Found(row[0], row[1] is not None)


def user_of(ctx: Context, found: Found, *, demo: bool) -> User:
    """Return the user that a person signs in as by telephone, made if there is none yet.

    That is a user who is a resident and nothing else, anywhere: a code proves less than a password does, so a user with
    more rights is not given by it.

    Raises:
        Forbidden: the user's access was closed.
    """
    person = found.person
    ctx.session.scalar(select(Person.id).where(Person.id == person.id).with_for_update())
    elsewhere = aliased(Membership)
    more = exists().where(elsewhere.user_id == User.id, elsewhere.roles != ROLES)
    row = ctx.session.execute(
        select(User, Membership.suspended_at)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.estate_id == ctx.estate.id, Membership.person_id == person.id, ~more, ~User.host_admin)
        .where(User.demo.in_((False, demo)))
        .order_by(User.email.is_(None).desc(), User.id)
        .limit(1)
    ).first()
    if row is not None:
        user: User = row[0]
        if not user.active or row[1] is not None:
            raise Forbidden(_("Your access was closed. Please ask the service desk."))
        return user
    user = User(id=uuid7(), email=None, name=person.name, active=True, created_at=ctx.now)
    ctx.session.add(user)
    ctx.session.flush()
    add_member(ctx.session, ctx.loaded.registry, ctx.estate, user, ROLES, person.id)
    ctx.note(user.id, user.id, "member_added", {"roles": ROLES, "person": str(person.id)}, "staff")
    return user


def sign_out_who_left(ctx: Context) -> None:
    """End the sessions of those who signed in by telephone and do not live (or own) here any more."""
    today = ctx.now.astimezone(ctx.estate.tzinfo).date()
    home = exists().where(
        Occupancy.person_id == Membership.person_id,
        Occupancy.since <= today,
        or_(Occupancy.until.is_(None), Occupancy.until >= today),
    )
    gone = (
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.estate_id == ctx.estate.id, User.email.is_(None), ~home)
    )
    _end(ctx.session, ctx, list(ctx.session.scalars(gone)))


def sign_out_person(ctx: Context, person_id: UUID) -> None:
    """End the sessions that a person began by telephone: their number is not theirs any more."""
    mine = (
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.estate_id == ctx.estate.id, Membership.person_id == person_id, User.email.is_(None))
    )
    _end(ctx.session, ctx, list(ctx.session.scalars(mine)))


def _end(session: Session, ctx: Context, users: list[UUID]) -> None:
    open_ = update(BrowserSession).where(BrowserSession.user_id.in_(users), BrowserSession.revoked_at.is_(None))
    session.execute(open_.values(revoked_at=ctx.now))
