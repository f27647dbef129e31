"""What customer service does in the background."""

from datetime import timedelta

from sqlalchemy import and_, or_, select

from wuye.api import Context, take
from wuye_customer_service.models import Request

#: How long a requester may think about a result before silence counts as acceptance (DOMAIN 2.1).
SILENCE, SILENCE_COMPLAINT = timedelta(days=7), timedelta(days=3)


def silent_acceptance(ctx: Context) -> None:
    """Accept results that nobody has objected to in time."""
    complaint = Request.request_kind == "complaint"
    overdue = select(Request).where(
        Request.state == "resolved",
        or_(
            and_(complaint, Request.resolved_at < ctx.now - SILENCE_COMPLAINT),
            and_(~complaint, Request.resolved_at < ctx.now - SILENCE),
        ),
    )
    for request in ctx.session.scalars(overdue).all():
        take(ctx, request, "silent_accept")
