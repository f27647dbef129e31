"""Users are global (one login for all estates); what they may do comes from a membership in each estate."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from wuye.db.base import Base, EstateScoped, ref, scoped_index, scoped_unique
from wuye.ids import uuid7


class User(Base):
    """Somebody who can sign in. `host_admin` looks after the installation: by that they see no estate's data
    on any page, but can have all of an estate written into an export, which the estate's timeline tells.

    Without an `email` they sign in by a code sent to their telephone, as a resident of one estate.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str | None]
    locale: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    demo: Mapped[bool] = mapped_column(default=False)
    host_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Membership(Base):
    """What a user is in one estate: roles (`core.manager`, `maintenance.technician`) and the person behind.

    While `suspended_at` is set they are none: nothing that finds out who calls sees the row.
    """

    __table_args__ = (
        UniqueConstraint("estate_id", "user_id"),
        Index(None, "estate_id", "person_id"),
        ForeignKeyConstraint(["estate_id", "person_id"], ["core_person.estate_id", "core_person.id"]),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    estate_id: Mapped[UUID] = mapped_column(ForeignKey("core_estate.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID | None]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    suspended_at: Mapped[datetime | None]


class Invitation(EstateScoped, Base):
    """Somebody who is asked to become a member: until they accept they are none, and nobody's account is touched.

    `email` is whom it is for; one address has one invitation to an estate, a new one takes the place of the old.
    `digest` is the keyed hash of its link, which the invitee alone shall have: none until the letter is on its way.
    """

    __table_args__ = (scoped_unique("email"), scoped_unique("digest"), {"info": {"exported": False}})

    email: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    person_id: Mapped[UUID | None] = ref("person", ondelete="SET NULL")
    locale: Mapped[str]
    digest: Mapped[str | None]
    invited_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mailed_at: Mapped[datetime | None]


class PasswordLink(Base):
    """A link by which the owner of an account chooses a password, once; `digest` is its keyed hash.

    With `host_admin` they become one when they use it, and not before.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    digest: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"), index=True)
    host_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SecondFactor(Base):
    """A user's app for one-time codes: `seed` is what its key is made from, together with the installation's secret.

    It counts from `confirmed_at` on; `last_step` is the last half minute (since 1970) whose code was used.
    """

    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[str]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code that stands in for the app, once: kept as a keyed hash."""

    __table_args__ = (UniqueConstraint("user_id", "digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"))
    digest: Mapped[str]
    used_at: Mapped[datetime | None]


class SignInFailure(Base):
    """A sign-in that failed, kept for a few minutes: `subject` is a hash of the address or the network address."""

    __table_args__ = (Index(None, "subject", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    subject: Mapped[str]
    at: Mapped[datetime]


class SignInCode(EstateScoped, Base):
    """A one-time code that was sent to a telephone: kept as a keyed hash, for one browser, for a few minutes.

    `subject` is a keyed hash of the number, `digest` one of the code. Each request has a row, whether the number is known
    here or not. `tries` counts the answers, right or wrong; `used_at` is when the right one was given.
    """

    __table_args__ = (scoped_index("expires_at"), {"info": {"exported": False}})

    subject: Mapped[str]
    digest: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiToken(Base):
    """A bearer token, stored as a keyed hash and shown once; `scopes` narrow its owner's permissions.

    `scopes` holds permission names, or `*` for all that the owner has. `expires_at` is obligatory. `used_at` is when it was
    used last, to the hour.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    key: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"), index=True)
    estate_id: Mapped[UUID] = mapped_column(ForeignKey("core_estate.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(default="")
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A browser that somebody signed in with: the cookie is stored as a keyed hash, and can be revoked.

    It ends at `expires_at` at the latest, and at `idle_until` unless it is used. `kept` is a device of one's own, which
    stays signed in for longer; `agent` is what the browser says it is, for the list of one's devices, and `used_at` when it
    was here last, to some minutes. While it is `waiting` it is good for one thing alone: to enter the code of the second factor.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    key: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("core_user.id", ondelete="CASCADE"), index=True)
    agent: Mapped[str] = mapped_column(default="")
    kept: Mapped[bool] = mapped_column(default=False)
    waiting: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    idle_until: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
