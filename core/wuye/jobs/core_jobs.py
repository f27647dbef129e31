"""What core does in the background."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, delete, select

from wuye.context import Context
from wuye.notifications.models import Notification
from wuye.records.models import IdempotencyKey
from wuye.resources.undo import GRACE, WINDOW, UndoStep

#: Answers are kept this long for a repeated request (Stripe's least).
KEEP_ANSWERS = timedelta(hours=24)

#: Notifications are kept this long after they were seen.
KEEP_SEEN = timedelta(days=90)


def purge_idempotency_keys(ctx: Context) -> None:
    """Forget the answers to requests of more than a day ago."""
    ctx.session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < ctx.now - KEEP_ANSWERS))


def old_keys(now: datetime) -> Select[tuple[UUID]]:
    """Select the estates of such answers."""
    return select(IdempotencyKey.estate_id).where(IdempotencyKey.created_at < now - KEEP_ANSWERS)


def purge_undo_steps(ctx: Context) -> None:
    """Forget what nobody can take back any more."""
    ctx.session.execute(delete(UndoStep).where(UndoStep.created_at < ctx.now - WINDOW - GRACE))


def old_undo_steps(now: datetime) -> Select[tuple[UUID]]:
    """Select the estates of such steps."""
    return select(UndoStep.estate_id).where(UndoStep.created_at < now - WINDOW - GRACE)


def purge_notifications(ctx: Context) -> None:
    """Forget notifications that were seen more than 90 days ago; what was never seen stays."""
    ctx.session.execute(delete(Notification).where(Notification.seen_at < ctx.now - KEEP_SEEN))


def old_notifications(now: datetime) -> Select[tuple[UUID]]:
    """Select the estates of such notifications."""
    return select(Notification.estate_id).where(Notification.seen_at < now - KEEP_SEEN)
