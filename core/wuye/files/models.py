"""What is known of an attachment; its bytes lie in the data folder (see `wuye.files.storage`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped

from wuye.db.base import Base, EstateScoped, scoped_index


class Attachment(EstateScoped, Base):
    """A photo or a file on something: a record, a person, a property, an asset.

    `subject_id` is the thing, whatever its table; `thread_id` the chain of hand-overs that it belongs to (its own id
    if it is no record). `name` is what people see, `media_type` what the content is, `size` its bytes, and `sha256` (hex)
    what it is stored under. `width` and `height` are pixels, of images only. `label` is a word such as before or
    after. A removed one keeps its row.
    """

    __table_args__ = (scoped_index("subject_id", "id"), scoped_index("thread_id", "id"))

    subject_id: Mapped[UUID]
    thread_id: Mapped[UUID]
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    label: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    removed_at: Mapped[datetime | None]
