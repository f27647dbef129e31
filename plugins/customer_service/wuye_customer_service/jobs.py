"""What customer service does in the background."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, and_, or_, select

from wuye.api import Context, Record, take
from wuye_customer_service.models import Request
from wuye_customer_service.settings import CustomerServiceSettings


def silent_acceptance(ctx: Context) -> None:
    """Accept results that nobody has objected to in time."""
    decided = ctx.settings(CustomerServiceSettings)
    silence, silence_complaint = timedelta(days=decided.silent_days), timedelta(days=decided.silent_days_complaint)
    complaint = Request.request_kind == "complaint"
    overdue = select(Request).where(
        Request.kind == Request.record_kind(),
        Request.state == "resolved",
        or_(
            and_(complaint, Request.resolved_at < ctx.now - silence_complaint),
            and_(~complaint, Request.resolved_at < ctx.now - silence),
        ),
    )
    ctx.each(ctx.session.scalars(overdue).all(), lambda request: take(ctx, request, "silent_accept"))


def waiting_for_acceptance(_now: datetime) -> Select[tuple[UUID]]:
    """Select the estates in which a result waits for its acceptance at all; how long, each has decided for itself."""
    return select(Record.estate_id).where(Record.kind == Request.record_kind(), Record.state == "resolved")
