"""Users, memberships and tokens: making them, and finding out who is calling."""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from wuye.clock import Clock
from wuye.context import EstateInfo
from wuye.db.session import EstateSession
from wuye.errors import Conflict, FieldError, Invalid, NotFound, Unauthenticated
from wuye.i18n import _
from wuye.identity import passwords, tokens
from wuye.identity.models import ApiToken, Membership, User
from wuye.plugins.registry import Registry

MAX_LIFETIME = timedelta(days=366)


def address_of(text: str) -> str:
    """Return an e-mail address as it is kept and compared."""
    return text.strip().casefold()


def _is_address(address: str) -> bool:
    """Tell whether letters can be sent to an address; whether they arrive only a letter can tell."""
    try:
        parsed = Address(addr_spec=address)
    except (HeaderParseError, ValueError, IndexError):
        return False
    return bool(parsed.username and parsed.domain) and len(address) <= 254 and address.isprintable()


def checked_address(text: str) -> str:
    """Return an e-mail address as it is kept.

    Raises:
        Invalid: it is none.
    """
    address = address_of(text)
    if not _is_address(address):
        reason = _("This is not an e-mail address.")
        raise Invalid(reason, errors=[FieldError("email", reason)])
    return address


def create_user(
    session: Session,
    clock: Clock,
    *,
    email: str,
    name: str = "",
    password: str | None = None,
    host_admin: bool = False,
    demo: bool = False,
    locale: str | None = None,
    words: Iterable[str] = (),
) -> User:
    """Create a user; without a password they sign in by token only. `words` are what their password may not be made of.

    Raises:
        Invalid: address or password cannot be used. Conflict: the address is taken.
    """
    address = address_of(email)
    errors = [] if _is_address(address) else [FieldError("email", _("This is not an e-mail address."))]
    if password is not None:
        errors += passwords.refused(password, (name, address, *words))
    if errors:
        raise Invalid(_("The user cannot be created."), errors=errors)
    if session.scalar(select(User.id).where(User.email == address)):
        raise Conflict(_("There is a user {email} already.", email=address))
    user = User(
        email=address,
        name=name,
        password_hash=passwords.hashed(password) if password else None,
        host_admin=host_admin,
        demo=demo,
        locale=locale,
        active=True,
        created_at=clock.now(),
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:  # somebody else took the address in this very moment
        raise Conflict(_("There is a user {email} already.", email=address)) from error
    return user


def find_user(session: Session, email: str) -> User:
    """Return a user by address.

    Raises:
        NotFound: there is none.
    """
    user = session.scalar(select(User).where(User.email == address_of(email)))
    if user is None:
        raise NotFound(_("There is no user {email}.", email=email))
    return user


def add_member(
    session: Session,
    registry: Registry,
    estate: EstateInfo,
    user: User,
    roles: Sequence[str],
    person_id: UUID | None = None,
) -> Membership:
    """Give a user roles in an estate (in place of those they had).

    Raises:
        Invalid: a role does not exist.
    """
    check_roles(registry, roles)
    row = session.scalar(select(Membership).where(Membership.estate_id == estate.id, Membership.user_id == user.id))
    if row is None:
        row = Membership(estate_id=estate.id, user_id=user.id)
        session.add(row)
    row.roles = list(roles)
    if person_id is not None:
        row.person_id = person_id
    session.flush()
    return row


def check_roles(registry: Registry, roles: Iterable[str]) -> None:
    """Refuse roles that no plugin declares.

    Raises:
        Invalid: one does not exist.
    """
    if strange := [role for role in roles if role not in registry.roles]:
        known = ", ".join(sorted(registry.roles))
        raise Invalid(
            _("There is no role {names}.", names=", ".join(strange)), hint=_("Use one of: {choices}.", choices=known)
        )


def check_scopes(registry: Registry, scopes: Iterable[str]) -> None:
    """Refuse scopes that are no permissions.

    Raises:
        Invalid: one does not exist; a token with a misspelt scope would quietly be able to do less than was meant.
    """
    if strange := [scope for scope in scopes if scope != "*" and scope not in registry.permissions]:
        known = ", ".join(sorted(registry.permissions))
        raise Invalid(
            _("There is no permission {names}.", names=", ".join(strange)),
            hint=_("Use * or some of: {choices}.", choices=known),
        )


def create_token(
    session: Session,
    secret: bytes,
    clock: Clock,
    user: User,
    estate: EstateInfo,
    *,
    scopes: Sequence[str] = ("*",),
    lifetime: timedelta = timedelta(days=90),
    name: str = "",
) -> str:
    """Make a token for a member of an estate and return its text, which cannot be shown again.

    `scopes` are permissions (see `check_scopes`), or `*` for all that the user has.

    Raises:
        Invalid: the lifetime is not between a minute and a year. NotFound: the user is no member of the estate.
    """
    if not timedelta(minutes=1) <= lifetime <= MAX_LIFETIME:
        raise Invalid(_("A token lives between a minute and a year."))
    member = select(Membership.id).where(Membership.estate_id == estate.id, Membership.user_id == user.id)
    if session.scalar(member.where(Membership.suspended_at.is_(None))) is None:
        raise NotFound(_("{email} is no member of {estate}.", email=user.email, estate=estate.code))
    token = tokens.make(secret)
    now = clock.now()
    session.add(
        ApiToken(
            key=token.key,
            digest=token.digest,
            user_id=user.id,
            estate_id=estate.id,
            name=name,
            scopes=list(scopes),
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return token.text


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token or a browser stands for, and what they are in the estate that was asked for (None: no member).

    `browser` tells a browser's session from a token, `second_factor` whether its user has one (not looked up for a token).
    `credential` is the token or the session itself, `used_at` when it was noted to be in use for the last time.
    """

    user_id: UUID
    name: str
    locale: str | None
    host_admin: bool
    scopes: frozenset[str]
    expires_at: datetime
    credential: UUID
    used_at: datetime | None
    browser: bool
    second_factor: bool
    estate: EstateInfo | None
    suspended: bool
    person_id: UUID | None
    roles: tuple[str, ...]
    plugins: frozenset[str]


class _CallerRow(NamedTuple):
    """What the statements of `_caller` return, in their order."""

    digest: str
    scopes: list[str]
    expires_at: datetime
    revoked_at: datetime | None
    credential: UUID
    used_at: datetime | None
    waiting: bool
    second_factor: bool
    browser: bool
    user_id: UUID
    name: str
    user_locale: str | None
    active: bool
    demo: bool
    host_admin: bool
    estate_id: UUID
    code: str
    estate_name: str
    zone: str
    locale: str
    state: str
    membership: UUID | None
    person_id: UUID | None
    roles: list[str] | None
    plugins: list[str]
    announced: str | None


def _caller(source: str, scopes: str, expires: str, factor: str, estate: str) -> str:
    """Return the statement that finds out who calls by a token or a browser's cookie.

    To save a round trip it also announces the estate, if it is the one that its code stood for the last time and the
    caller is a member of it.
    """
    return f"""
    SELECT t.digest, {scopes}, {expires}, t.revoked_at, t.id, t.used_at, {factor}, u.id, u.name, u.locale, u.active, u.demo, u.host_admin,
        e.id, e.code, e.name, e.zone, e.locale, e.state, m.id, m.person_id, m.roles,
        ARRAY(SELECT p.plugin FROM core_estate_plugin p WHERE p.estate_id = e.id AND p.enabled),
        CASE WHEN m.id IS NOT NULL AND e.id = %(expected)s THEN set_config('wuye.estate', %(signed)s, true) END
    FROM {source} t
    JOIN core_user u ON u.id = t.user_id
    LEFT JOIN core_estate e ON e.code = %(estate)s {estate}
    LEFT JOIN core_membership m ON m.estate_id = e.id AND m.user_id = u.id AND m.suspended_at IS NULL
    WHERE t.key = %(key)s
    """  # noqa: S608 (its parts are the literals below)


_FACTOR = """t.waiting,
        EXISTS (SELECT FROM core_second_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL), true"""
_BY_TOKEN = _caller("core_api_token", "t.scopes", "t.expires_at", "false, false, false", "AND e.id = t.estate_id")
_BY_BROWSER = _caller("core_browser_session", "ARRAY['*']", "least(t.expires_at, t.idle_until)", _FACTOR, "")


#: Which estate a code stood for the last time; only a guess, since a code may be given away again.
_estate_ids: dict[str, UUID] = {}


def identify(
    session: EstateSession, secret: bytes, now: datetime, token: str, estate: str | None, *, demo: bool
) -> Caller:
    """Find out in one query who sent a token, and what they are in an estate.

    Raises:
        Unauthenticated: the token is not known, has expired or was revoked, or its user may not sign in any more.
    """
    caller = _identified(session, _BY_TOKEN, tokens.digest_of(token, secret), now, token, estate, demo=demo)
    if caller is None:
        raise Unauthenticated(_("The token is not valid."), hint=_("Make a new one: wuye token create."))
    return caller


def identify_browser(
    session: EstateSession, secret: bytes, now: datetime, cookie: str, estate: str | None, *, demo: bool
) -> Caller | None:
    """Find out like `identify` who a browser's cookie stands for; None if nobody is signed in with it (any more)."""
    digest = tokens.digest_of(cookie, secret, BROWSER)
    try:
        return _identified(session, _BY_BROWSER, digest, now, cookie, estate, demo=demo)
    except DemoIsOff:
        return None


class DemoIsOff(Unauthenticated):
    """One of the demo's people, where no demo runs."""


#: The purpose of a browser's cookie, which is made like a token.
BROWSER = "browser"


def _identified(
    session: EstateSession, statement: str, digest: str, now: datetime, token: str, estate: str | None, *, demo: bool
) -> Caller | None:
    key = tokens.key_of(token)
    expected = _estate_ids.get(estate) if estate is not None else None
    signed = session.signature(expected) if expected is not None else None
    asked = {"key": key, "estate": estate, "expected": expected, "signed": signed}
    rows = session.fetch(statement, asked) if key is not None else ()
    row = _CallerRow(*rows[0]) if rows else None
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    if row.revoked_at is not None or row.expires_at <= now or not row.active or row.waiting:
        return None
    if row.demo and not demo:
        raise DemoIsOff(
            _("This token belongs to one of the demo's people, who may act in demo mode only."),
            hint=_("Run wuye demo, or set WUYE_DEMO=1; never where real people are."),
        )
    info = None
    if row.membership is not None:
        info = EstateInfo(row.estate_id, row.code, row.estate_name, row.zone, row.locale)
        session.pin(row.estate_id, announced=row.announced is not None)
        _estate_ids[row.code] = row.estate_id
    return Caller(
        row.user_id, row.name, row.user_locale, row.host_admin, frozenset(row.scopes), row.expires_at,
        row.credential, row.used_at, row.browser, row.second_factor, info, row.state == "suspended", row.person_id, tuple(row.roles or ()), frozenset(row.plugins),
    )  # fmt: skip


def permissions_of(
    registry: Registry, roles: Iterable[str], scopes: frozenset[str], plugins: frozenset[str]
) -> frozenset[str]:
    """Return what a caller may do: their roles' permissions, narrowed by the token's scopes."""
    granted = registry.permissions_of(roles, plugins)
    return granted if "*" in scopes else granted & scopes
