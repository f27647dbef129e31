"""The members of an estate: their roles, closing an estate to one of them for a while, and parting with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, select

from wuye.context import Context
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from wuye.i18n import _
from wuye.identity import invitations
from wuye.identity.models import ApiToken, Membership, User
from wuye.identity.services import add_member, check_roles
from wuye.people.models import Person

#: The role that an estate must not be without: nobody else could give it to anybody.
MANAGER = "core.manager"


class Member(NamedTuple):
    """What an estate knows of a member; `active` tells whether the host has disabled their account."""

    user_id: UUID
    roles: Sequence[str]
    suspended_at: datetime | None
    email: str | None
    name: str
    active: bool
    person: str | None


def listing(ctx: Context) -> list[Member]:
    """Return the members, by address.

    Raises:
        Forbidden: the actor may not.
    """
    ctx.require("core.configure")
    rows = ctx.session.execute(
        select(
            Membership.user_id,
            Membership.roles,
            Membership.suspended_at,
            User.email,
            User.name,
            User.active,
            Person.name.label("person"),
        )
        .join(User, User.id == Membership.user_id)
        .outerjoin(Person, Person.id == Membership.person_id)
        .where(Membership.estate_id == ctx.estate.id)
        .order_by(User.email)
    )
    return [Member(*row) for row in rows]


def change_roles(ctx: Context, user_id: UUID, roles: Sequence[str]) -> None:
    """Give a member other roles, in place of those they have.

    Raises:
        Forbidden: the actor may not, or it is themselves. NotFound: they are no member. Invalid: no such role, or none.
        Conflict: the estate would be left without a manager.
    """
    row, wanted = _of(ctx, user_id), list(dict.fromkeys(roles))
    check_roles(ctx.loaded.registry, wanted)
    if not wanted:
        reason = _("Choose at least one role.")
        raise Invalid(reason, errors=[FieldError("roles", reason)])
    if MANAGER not in wanted:
        _keep_a_manager(ctx, row)
    before = list(row.roles)
    add_member(ctx.session, ctx.loaded.registry, ctx.estate, ctx.session.get_one(User, user_id), wanted)
    ctx.note(user_id, user_id, "roles_changed", {"changes": {"roles": [before, wanted]}}, "staff")


def suspend(ctx: Context, user_id: UUID) -> None:
    """Close this estate to a member, from their next request on; their account and other estates are not touched.

    Raises:
        Forbidden, NotFound, Conflict: as for `change_roles`.
    """
    row = _of(ctx, user_id)
    _keep_a_manager(ctx, row)
    if row.suspended_at is None:
        row.suspended_at = ctx.now
        ctx.session.flush()
        invitations.withdraw_of(ctx, user_id)
        ctx.note(user_id, user_id, "member_suspended", {"roles": row.roles}, "staff")


def resume(ctx: Context, user_id: UUID) -> None:
    """Open this estate to a member again, as it was.

    Raises:
        Forbidden, NotFound: as for `change_roles`.
    """
    row = _of(ctx, user_id)
    if row.suspended_at is not None:
        row.suspended_at = None
        ctx.session.flush()
        ctx.note(user_id, user_id, "member_resumed", {"roles": row.roles}, "staff")


def remove(ctx: Context, user_id: UUID) -> None:
    """Part with a member: their tokens for this estate and the invitations that they sent go with them.

    Raises:
        Forbidden, NotFound, Conflict: as for `change_roles`.
    """
    row = _of(ctx, user_id)
    _keep_a_manager(ctx, row)
    mine = (ApiToken.estate_id == ctx.estate.id, ApiToken.user_id == user_id)
    ctx.session.execute(delete(ApiToken).where(*mine))
    invitations.withdraw_of(ctx, user_id)
    ctx.session.delete(row)
    ctx.session.flush()
    ctx.note(user_id, user_id, "member_removed", {"roles": row.roles}, "staff")


def _of(ctx: Context, user_id: UUID) -> Membership:
    """Return a member's row; nobody changes their own, which could leave an estate without a manager."""
    ctx.require("core.configure")
    row = ctx.session.scalar(
        select(Membership).where(Membership.estate_id == ctx.estate.id, Membership.user_id == user_id).with_for_update()
    )
    if row is None:
        raise NotFound(_("They are no member of this estate: invite them."))
    if user_id == ctx.actor.user_id:
        raise Forbidden(_("Somebody else must change your own roles."))
    return row


def _keep_a_manager(ctx: Context, row: Membership) -> None:
    """Refuse to take the last manager who can act; two who take each other's place at once wait for one another."""
    if MANAGER not in row.roles or row.suspended_at is not None:
        return
    others = (
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.estate_id == ctx.estate.id, Membership.roles.contains([MANAGER]))
        .where(Membership.suspended_at.is_(None), User.active)
        .order_by(Membership.id)
        .with_for_update(of=Membership)
    )
    if not set(ctx.session.scalars(others)) - {row.id}:
        raise Conflict(
            _("This is the estate's last manager."), hint=_("Give somebody else the role of a manager first.")
        )
