"""Somebody who acts without being there: who asked for what a worker does."""

from uuid import UUID

from sqlalchemy import select

from wuye.context import Actor, Context
from wuye.identity.models import Membership, User
from wuye.identity.services import permissions_of


def actor_of(ctx: Context, user_id: UUID) -> Actor | None:
    """Return a user as they are now, with the permissions that they have now; None if they are no member any more."""
    member = (Membership.estate_id == ctx.estate.id, Membership.user_id == user_id)
    found = ctx.session.execute(
        select(User.name, Membership.person_id, Membership.roles)
        .join(User, User.id == Membership.user_id)
        .where(*member, User.active)
    ).one_or_none()
    if found is None:
        return None
    permissions = permissions_of(ctx.loaded.registry, found.roles, frozenset({"*"}), ctx.plugins)
    return Actor(user_id, found.person_id, found.name, permissions)
