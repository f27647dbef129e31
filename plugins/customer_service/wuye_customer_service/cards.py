"""What customer service shows on the pages of others."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from wuye.api import Context, Figure, Figures, Item, Items, To, _
from wuye_customer_service.models import Request

_REQUESTS = "customer_service.requests"

#: How many requests a person's page names.
_LATEST = 5


def satisfaction(ctx: Context) -> Figures:
    """Return what requesters thought of the results of the last 30 days."""
    since = ctx.now - timedelta(days=30)
    own = Request.__table__.c  # without the header, which has nothing to say to this
    rated, mean, poor, silent, accepted = ctx.session.execute(
        select(
            func.count(own.rating),
            func.avg(own.rating),
            func.count().filter(own.rating <= 2),
            func.count().filter(own.accepted_how == "silent"),
            func.count(own.accepted_how),
        ).where(own.resolved_at >= since)
    ).one()
    share = round(100 * silent / accepted) if accepted else None
    return Figures(
        (
            Figure(_("Average rating"), "–" if mean is None else f"{mean:.1f}", "" if mean is None else "/ 5",
                   _("{n} ratings", n=rated)),
            Figure(_("Rated 1 or 2"), poor, "", _("worth a call"), "bad" if poor else "good", To(_REQUESTS)),
            Figure(_("Accepted in silence"), "–" if share is None else share, "" if share is None else "%",
                   _("of {n} accepted", n=accepted)),
        )
    )  # fmt: skip


def requests_of(ctx: Context, row: Mapping[str, Any]) -> Items:
    """Return the latest requests of a person."""
    latest = (
        select(Request).where(Request.requester_id == row["id"]).order_by(Request.opened_at.desc(), Request.id.desc())
    )
    found = ctx.session.scalars(latest.limit(_LATEST)).all()
    return Items([Item.of(request) for request in found], _("None so far."))
