"""Becoming a member of an estate: by an invitation that its owner accepts, never by what somebody else types.

Nobody sets another's password, and nobody is added who did not agree. What an inviter gets to see is the same whether the
address is known to the installation or not: accounts belong to people, not to estates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Select, delete, select

from wuye.context import Actor, Context
from wuye.db.session import EstateSession
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from wuye.i18n import LOCALES, _
from wuye.identity import links
from wuye.identity.models import Invitation, Membership, User
from wuye.identity.services import add_member, check_roles, checked_address, create_user
from wuye.ids import uuid7
from wuye.jobs.queue import enqueue
from wuye.people.models import Person
from wuye.resources import fields
from wuye.resources.schemas import NoInput

if TYPE_CHECKING:
    from wuye.installation import Installation

#: What the keyed hash of a link is made for.
PURPOSE = "invitation"

#: The job that writes the letter.
JOB = "core.send_invitation"

#: How long an invitation that nobody accepted is still shown, to be sent anew.
KEEP = timedelta(days=30)


class Asked(NoInput):
    """Who is invited: their address, as what, which person of the estate they are, and the language of the letter."""

    email = fields.Email(required=True)
    roles = fields.List(fields.String(), required=True, most=50)
    person = fields.Reference("person", allow_none=True)
    locale = fields.Choice(LOCALES)


@dataclass(frozen=True, slots=True)
class Invited:
    """What came of inviting: the invitation, and its link if no letter brings it: it can be shown this once."""

    id: UUID
    email: str
    expires_at: datetime
    link: str | None


def invite(
    ctx: Context, *, email: str, roles: Sequence[str], person_id: UUID | None = None, locale: str | None = None
) -> Invited:
    """Ask somebody to become a member of this estate; an invitation that the address has already is replaced.

    `person_id` is the person of the estate that they are, `locale` the language of the letter (the estate's).

    Raises:
        Forbidden: the actor may not. Invalid: this is no address, no role is given, or there is no such person.
        Conflict: they are a member already.
    """
    ctx.require("core.configure")
    address, wanted = checked_address(email), list(dict.fromkeys(roles))
    check_roles(ctx.loaded.registry, wanted)
    if not wanted:
        reason = _("Choose at least one role.")
        raise Invalid(reason, errors=[FieldError("roles", reason)])
    _check_person(ctx, person_id)
    _refuse_members(ctx, address)
    ctx.session.execute(delete(Invitation).where(Invitation.email == address))
    row = Invitation(
        id=uuid7(), email=address, roles=wanted, person_id=person_id,
        locale=locale if locale in LOCALES else ctx.estate.locale, invited_by=ctx.actor.user_id,
        created_at=ctx.now, expires_at=ctx.now + links.INVITED,
    )  # fmt: skip
    ctx.session.add(row)
    ctx.session.flush()
    ctx.note(row.id, row.id, "member_invited", {"email": address, "roles": wanted}, "staff")
    return _on_its_way(ctx, row)


def _check_person(ctx: Context, person_id: UUID | None) -> None:
    if person_id is not None and ctx.session.scalar(select(Person.id).where(Person.id == person_id)) is None:
        reason = _("There is no such person here.")
        raise Invalid(reason, errors=[FieldError("person", reason)])


def _refuse_members(ctx: Context, address: str) -> None:
    """Refuse who is a member of this very estate, which the inviter sees in any case."""
    member = select(Membership.id).join(User, User.id == Membership.user_id)
    if ctx.session.scalar(member.where(Membership.estate_id == ctx.estate.id, User.email == address)):
        raise Conflict(_("{email} is a member already.", email=address))


def _on_its_way(ctx: Context, row: Invitation) -> Invited:
    """Have the letter sent, or make the link for the inviter's eyes; whatever link there was is dead."""
    row.expires_at, row.mailed_at, row.digest = ctx.now + links.INVITED, None, None
    text = None
    if ctx.letters.mailbox is None:
        link = links.make(ctx.letters.secret, PURPOSE, ctx.estate.id)
        row.digest, text = link.digest, link.text
    else:
        enqueue(ctx, JOB, invitation=str(row.id))
    ctx.session.flush()
    return Invited(row.id, row.email, row.expires_at, text)


def send(ctx: Context, invitation: str) -> None:
    """Make the link of an invitation and send it; the link stands in the letter and nowhere else.

    Raises:
        OSError, smtplib.SMTPException: the letter could not be handed over; to be tried again.
    """
    row = ctx.session.scalar(select(Invitation).where(Invitation.id == UUID(invitation)).with_for_update())
    if row is None or row.mailed_at is not None or ctx.letters.mailbox is None:
        return
    link = links.make(ctx.letters.secret, PURPOSE, ctx.estate.id)
    row.digest, row.mailed_at, row.expires_at = link.digest, ctx.now, ctx.now + links.INVITED
    ctx.session.flush()
    inviter = ctx.session.scalar(select(User.name).where(User.id == row.invited_by)) or ""
    ctx.letters.send_invitation(
        to=row.email, locale=row.locale, estate=ctx.estate.name, inviter=inviter,
        link=ctx.letters.address("invitation", link.text),
    )  # fmt: skip


def renew(ctx: Context, identity: UUID) -> Invited:
    """Send an invitation again, by a new link for three more days.

    Raises:
        Forbidden: the actor may not. NotFound: there is no such invitation (any more).
    """
    row = _mine(ctx, identity)
    ctx.note(row.id, row.id, "invitation_renewed", {"email": row.email}, "staff")
    return _on_its_way(ctx, row)


def withdraw(ctx: Context, identity: UUID) -> None:
    """Take an invitation back; its link is dead at once.

    Raises:
        Forbidden: the actor may not. NotFound: there is no such invitation (any more).
    """
    row = _mine(ctx, identity)
    ctx.session.delete(row)
    ctx.note(row.id, row.id, "invitation_withdrawn", {"email": row.email}, "staff")


def withdraw_of(ctx: Context, user_id: UUID) -> None:
    """Take back what somebody who is no member any more has sent."""
    ctx.session.execute(delete(Invitation).where(Invitation.invited_by == user_id))


def _mine(ctx: Context, identity: UUID) -> Invitation:
    ctx.require("core.configure")
    row = ctx.session.scalar(select(Invitation).where(Invitation.id == identity).with_for_update())
    if row is None:
        raise NotFound(_("This invitation was accepted, declined or withdrawn."))
    return row


def pending(ctx: Context) -> Sequence[Invitation]:
    """Return the invitations that nobody has answered, the newest first.

    Raises:
        Forbidden: the actor may not.
    """
    ctx.require("core.configure")
    return ctx.session.scalars(select(Invitation).order_by(Invitation.created_at.desc(), Invitation.email)).all()


def purge(ctx: Context) -> None:
    """Forget invitations that ran out long ago."""
    ctx.session.execute(delete(Invitation).where(Invitation.expires_at < ctx.now - KEEP))


def expired(now: datetime) -> Select[tuple[UUID]]:
    """Select the estates of such invitations."""
    return select(Invitation.estate_id).where(Invitation.expires_at < now - KEEP)


# ---- the invitee's side


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation offers to its bearer: a step in its estate, the row, and who asks."""

    ctx: Context
    row: Invitation
    inviter: str


def find(place: "Installation", session: EstateSession, text: str, *, lock: bool) -> Offer:
    """Return what a link offers; pins the session to its estate. With `lock` nobody else can use it meanwhile.

    Raises:
        NotFound: the link is no (longer a) good one, or its estate is closed; all of these read alike.
    """
    from wuye.estates.models import Estate  # here: estates are built on identity
    from wuye.installation import find_estate

    lost = NotFound(_("This invitation is not valid any more: it was used, replaced or withdrawn, or is too old."))
    estate_id = links.estate_of(text)
    estate = session.get(Estate, estate_id) if estate_id else None
    if estate is None or estate.state != "active":
        raise lost
    info = find_estate(session, estate.code)
    ctx = place.context(session, info, Actor(None, None, "", frozenset()))
    digest = links.digest_of(text, place.database.secret, PURPOSE)
    wanted = select(Invitation).where(Invitation.digest == digest)
    row = ctx.session.scalar(wanted.with_for_update() if lock else wanted)
    if row is None or row.expires_at <= ctx.now:
        raise lost
    inviter = ctx.session.scalar(select(User.name).where(User.id == row.invited_by))
    return Offer(ctx, row, inviter or "")


def accept_anew(offer: Offer, *, name: str, password: str, locale: str) -> User:
    """Make the invitee's account, with what they alone have chosen, and let them in.

    Raises:
        Conflict: there is an account with this address; its owner signs in with it. Invalid: the name is missing, or the
            password is not good enough.
    """
    ctx, row = offer.ctx, offer.row
    if not name.strip():
        reason = _("This may not be empty.")
        raise Invalid(reason, errors=[FieldError("name", reason)])
    if ctx.session.scalar(select(User.id).where(User.email == row.email)):
        raise Conflict(_("There is an account with this address already: sign in with it, then accept."))
    words = (ctx.estate.name, ctx.estate.code)
    user = create_user(
        ctx.session, ctx.letters.clock, email=row.email, name=name.strip()[:100], password=password, words=words,
        locale=locale if locale in LOCALES else row.locale,
    )  # fmt: skip
    _let_in(offer, user)
    return user


def accept(offer: Offer, user_id: UUID) -> None:
    """Let an existing user in, who has just said so themselves.

    Raises:
        Forbidden: the invitation is for another address, or their access was closed.
    """
    user = offer.ctx.session.get_one(User, user_id)
    if user.email != offer.row.email or not user.active:
        raise Forbidden(_("This invitation is for {email}: sign in with that address.", email=offer.row.email))
    _let_in(offer, user)


def decline(offer: Offer) -> None:
    """Do not become a member; the estate sees that it was declined, and not by whom."""
    ctx, row = offer.ctx, offer.row
    ctx.session.delete(row)
    ctx.note(row.id, row.id, "invitation_declined", {"email": row.email}, "staff")


def _let_in(offer: Offer, user: User) -> None:
    ctx, row = offer.ctx, offer.row
    ctx.actor = Actor(user.id, row.person_id, user.name, frozenset())
    roles = [role for role in row.roles if role in ctx.loaded.registry.roles]
    add_member(ctx.session, ctx.loaded.registry, ctx.estate, user, roles, row.person_id)
    ctx.note(
        user.id, user.id, "member_added", {"email": row.email, "roles": roles, "invited_by": offer.inviter}, "staff"
    )
    ctx.session.delete(row)
    ctx.session.flush()
