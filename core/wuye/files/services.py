"""What can be done with attachments: add one, list them, open one, remove one.

Who sees the thing sees its files; who may comment on it may add some, and remove those again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import ColumnElement, select

from wuye.context import Context
from wuye.errors import FieldError, Forbidden, Invalid, NotFound
from wuye.files import names, storage
from wuye.files.content import JPEG, examine
from wuye.files.models import Attachment
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.resources import service
from wuye.resources.declaration import Resource

_LABEL = re.compile(r"[\w-]{1,32}")

#: Who sees the files of the whole chain of hand-overs, as staff sees its internal notes.
_WHOLE_THREAD = "core.internal"

_SHOWN = ("id", "name", "media_type", "size", "width", "height", "label", "created_at", "created_by")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An attachment to be sent: where its bytes are, and what they are.

    `tag` names the content, and is another for other content.
    """

    path: Path
    name: str
    media_type: str
    tag: str
    created_at: datetime

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, which may be shown where it stands."""
        return self.media_type.startswith("image/")


def attach(
    ctx: Context,
    resource: Resource,
    identity: UUID,
    name: str,
    stream: BinaryIO,
    label: str | None = None,
    *,
    keep_position: bool = False,
) -> dict[str, Any]:
    """Attach what a seekable stream contains to a thing that the actor sees, and return the attachment.

    Its row is written with the step. Images lose their metadata, unless evidence needs where and when they were taken:
    then `keep_position` keeps it.

    Raises:
        NotFound: there is no such thing that the actor may see. Forbidden: they may only read it.
        Invalid: the file or the label is not taken.
    """
    subject = service.fetch(ctx, resource, identity, "*")
    service.require_comment(ctx, resource)
    word = _label(label)
    content = examine(stream, keep_position=keep_position)
    folder = storage.folder_of(ctx.data, ctx.estate.id)
    sha256, size = storage.measure(content.body)
    ctx.once_written(lambda: storage.put(folder, content.body, content.thumb))
    row = Attachment(
        id=uuid7(),
        subject_id=subject.id,
        thread_id=getattr(subject, "thread_id", subject.id),
        name=names.clean(name, content.kind.endings),
        media_type=content.kind.media_type,
        size=size,
        sha256=sha256,
        width=content.width,
        height=content.height,
        label=word,
        created_at=ctx.now,
        created_by=ctx.actor.user_id,
    )
    ctx.session.add(row)
    ctx.note(row.subject_id, row.thread_id, "attached", {"name": row.name, "id": str(row.id)})
    return _shown(row)


def listing(ctx: Context, resource: Resource, identity: UUID) -> list[dict[str, Any]]:
    """Return the attachments of a thing, oldest first.

    Raises:
        NotFound: there is no such thing that the actor may see.
    """
    return beside(ctx, service.read(ctx, resource, identity))[0]


def beside(ctx: Context, row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the attachments of a thing that the actor has read, and those of the other records of its chain of hand-overs.

    Both oldest first. Who does the work sees the photos of who asked for it, though not the request itself; residents see
    none of them.
    """
    place = Attachment.subject_id == row["id"]
    if "thread" in row and ctx.may(_WHOLE_THREAD):
        place = Attachment.thread_id == row["thread"]
    rows = select(Attachment).where(place, Attachment.removed_at.is_(None)).order_by(Attachment.id)
    own: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for found in ctx.session.scalars(rows):
        (own if found.subject_id == row["id"] else others).append(_shown(found))
    return own, others


def open_file(
    ctx: Context, resource: Resource, identity: UUID, attachment_id: UUID, *, thumb: bool = False
) -> OpenFile:
    """Return an attachment of a thing, for staff also of its chain of hand-overs, ready to be sent; with `thumb` the small
    JPEG of an image.

    Raises:
        NotFound: there is none that the actor may see, or it has no thumbnail.
    """
    subject = service.fetch(ctx, resource, identity, "*")
    thread = getattr(subject, "thread_id", subject.id)
    place = Attachment.thread_id == thread if ctx.may(_WHOLE_THREAD) else Attachment.subject_id == subject.id
    row = _find(ctx, place, attachment_id)
    path = storage.path_of(storage.folder_of(ctx.data, ctx.estate.id), row.sha256, thumb=thumb)
    if thumb and row.width is None:
        raise NotFound(_("Only images have a thumbnail."))
    if not path.is_file():
        raise NotFound(_("The file is missing in the data folder."))
    if thumb:
        return OpenFile(
            path, names.clean(row.name, JPEG.endings), JPEG.media_type, f"{row.sha256}-thumb", row.created_at
        )
    return OpenFile(path, row.name, row.media_type, row.sha256, row.created_at)


def remove(ctx: Context, resource: Resource, identity: UUID, attachment_id: UUID) -> None:
    """Remove an attachment of a thing: for who attached it, and for who may change the thing.

    Raises:
        NotFound: there is none that the actor may see. Forbidden: it is somebody else's, or they may only read.
    """
    service.fetch(ctx, resource, identity, "*")
    service.require_comment(ctx, resource)
    row = _find(ctx, Attachment.subject_id == identity, attachment_id)
    mine = row.created_by is not None and row.created_by == ctx.actor.user_id
    if not mine and (resource.update is None or not ctx.may(resource.update)):
        raise Forbidden(_("Only who attached a file, or may change what it is attached to, can remove it."))
    row.removed_at = ctx.now
    ctx.note(row.subject_id, row.thread_id, "detached", {"name": row.name, "id": str(row.id)})


def _find(ctx: Context, place: ColumnElement[bool], attachment_id: UUID) -> Attachment:
    here = (place, Attachment.id == attachment_id, Attachment.removed_at.is_(None))
    row = ctx.session.scalar(select(Attachment).where(*here))
    if row is None:
        raise NotFound
    return row


def _label(label: str | None) -> str | None:
    word = (label or "").strip()
    if not word:
        return None
    if not _LABEL.fullmatch(word):
        reason = _("Use one word of at most {limit} letters, digits, - and _.", limit=32)
        raise Invalid(_("This file cannot be attached."), errors=[FieldError("label", reason)])
    return word


def _shown(row: Attachment) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _SHOWN}
