"""The service request."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import text

from wuye.api import Mapped, Record, check, mapped_column, ref, scoped_index

KINDS = ("inquiry", "complaint", "suggestion", "repair", "help", "praise")
CHANNELS = ("phone", "app", "web", "wechat", "counter", "qr", "import")


class Request(Record):
    """What somebody wants of the management office (服务请求), from the report to the answer.

    `request_kind` is inquiry, complaint, suggestion, repair, help or praise; `category` says what it is about
    (`repair.heating`: the routing table sends it to a department); `promise` is what the requester was told;
    `resolution` what was done; `rating` 1 to 5 with `rating_comment`. `reopens` counts refusals and reopenings, `urges`
    the reminders. `accepted_how` tells whether the requester accepted the result or an agent noted it.
    """

    __table_args__ = (
        check("request_kind", KINDS),
        check("channel", CHANNELS),
        # With what a month's satisfaction is made of, so that it is read from the index alone.
        scoped_index(
            "resolved_at",
            postgresql_include=["rating", "accepted_how"],
            postgresql_where=text("resolved_at IS NOT NULL"),
        ),
    )
    number_prefix: ClassVar[str] = "SR"

    request_kind: Mapped[str]
    channel: Mapped[str]
    category: Mapped[str | None]
    contact_phone: Mapped[str | None]
    promise: Mapped[str | None]
    resolution: Mapped[str | None]
    rating: Mapped[int | None]
    rating_comment: Mapped[str | None]
    reopens: Mapped[int] = mapped_column(default=0)
    urges: Mapped[int] = mapped_column(default=0)
    accepted_how: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    merged_into_id: Mapped[UUID | None] = ref("record")
