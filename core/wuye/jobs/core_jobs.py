"""What core does in the background."""

from datetime import timedelta

from sqlalchemy import delete

from wuye.context import Context
from wuye.records.models import IdempotencyKey

#: Answers are kept this long for a repeated request (Stripe's least).
KEEP_ANSWERS = timedelta(hours=24)


def purge_idempotency_keys(ctx: Context) -> None:
    """Forget the answers to requests of more than a day ago."""
    ctx.session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < ctx.now - KEEP_ANSWERS))
