"""What is done to an account is written on the timeline of every estate that it opens."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from wuye.context import Actor
from wuye.identity.models import Membership, User

log = structlog.get_logger("wuye.identity")

#: The kind of notification that tells somebody of their lost second factor.
RESET = "second_factor_reset"

if TYPE_CHECKING:
    from wuye.installation import Installation


def tell(
    place: "Installation",
    user: User,
    event: str,
    by: Actor,
    data: Mapping[str, Any] | None = None,
    *,
    notice: str | None = None,
) -> None:
    """Write what `by` did to a user's account, once it is committed: each estate has a chain and a step of its own.

    `notice` is a kind of notification by which the user is told, if it was not they themselves.
    """
    from wuye.estates.models import Estate  # here: estates are built on identity

    with place.database.session() as session:
        joined = select(Estate.code).join(Membership, Membership.estate_id == Estate.id)
        codes = session.scalars(joined.where(Membership.user_id == user.id).order_by(Estate.code)).all()
    for code in codes:
        with place.system_context(code) as ctx:
            ctx.actor = by
            ctx.note(user.id, user.id, event, {"email": user.email, "by": by.name, **(data or {})}, "staff")
            if notice is not None:
                ctx.announce(notice, None, {"who": by.name}, user_id=user.id)


def acting(user: User) -> Actor:
    """Return somebody who does something to their own account."""
    return Actor(user.id, None, user.name, frozenset())


def tell_reset(place: "Installation", email: str, locale: str | None) -> None:
    """Write to somebody that their second factor was reset; for another thread. Nothing is raised."""
    try:
        place.letters.send_reset_notice(to=email, locale=locale or "en")
    except Exception as error:
        log.error("telling of a reset failed", error=type(error).__name__)
