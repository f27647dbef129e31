"""What is done to an account is written on the timeline of every estate that it opens."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from wuye.context import Actor
from wuye.identity.models import Membership, User

if TYPE_CHECKING:
    from wuye.installation import Installation


def tell(place: "Installation", user: User, event: str, by: Actor, data: Mapping[str, Any] | None = None) -> None:
    """Write what `by` did to a user's account, once it is committed: each estate has a chain and a step of its own."""
    from wuye.estates.models import Estate  # here: estates are built on identity

    with place.database.session() as session:
        joined = select(Estate.code).join(Membership, Membership.estate_id == Estate.id)
        codes = session.scalars(joined.where(Membership.user_id == user.id).order_by(Estate.code)).all()
    for code in codes:
        with place.system_context(code) as ctx:
            ctx.actor = by
            ctx.note(user.id, user.id, event, {"email": user.email, "by": by.name, **(data or {})}, "staff")


def acting(user: User) -> Actor:
    """Return somebody who does something to their own account."""
    return Actor(user.id, None, user.name, frozenset())
