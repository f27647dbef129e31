"""The routes of attachments: a form with a file in, JSON about it or its bytes out."""

import hashlib
from collections.abc import Callable
from uuid import UUID

from flask import Response, request, send_file

from wuye.context import Context
from wuye.errors import FieldError, Invalid
from wuye.files import services
from wuye.files.content import LARGEST
from wuye.i18n import _
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.web.problems import json_response

#: The largest body of these routes: the largest file, and what the form puts around it.
MAX_UPLOAD = LARGEST + 2 * 1024 * 1024

#: What a browser makes of a file that is opened by its address: nothing but the picture, if it is one.
_POLICY = "sandbox; default-src 'none'"
#: The content under an address never changes, so a picture need not be asked for again.
_FOREVER = "private, max-age=31536000, immutable"


def receive(ctx: Context) -> Callable[[], bytes]:
    """Read the form of the request, and return a function that returns a digest of what it says.

    The form comes from the network at the caller's pace, so until it is here no transaction is held for it. The digest
    leaves out what a program makes anew for a repeated request: the text between the form's parts.
    """
    ctx.session.rollback()
    request.max_content_length = MAX_UPLOAD
    form, uploaded = request.form, request.files.get("file")

    def digest() -> bytes:
        if uploaded is None:
            return b""
        content = hashlib.file_digest(uploaded.stream, "sha256").digest()  # type: ignore[arg-type]  # it can be read
        said = "\0".join([uploaded.filename or "", form.get("label", "")])
        return content + said.encode("utf-8", "surrogatepass")

    return digest


class Files:
    """The attachments of the things of one resource."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    def listing(self, ctx: Context, identity: UUID) -> Response:
        """Answer with what is attached to a thing."""
        return json_response({"items": services.listing(ctx, self.resource, identity)})

    def attach(self, ctx: Context, identity: UUID) -> Response:
        """Attach the form's file, and answer with the attachment.

        Raises:
            Invalid: the form has no file, or one that is not taken.
        """
        service.fetch(ctx, self.resource, identity, "*")
        uploaded = request.files.get("file")
        if uploaded is None:
            reason = _("Send the file in this field of a form (multipart/form-data).")
            raise Invalid(_("There is no file in the request."), errors=[FieldError("file", reason)])
        name, label = uploaded.filename or "", request.form.get("label")
        row = services.attach(ctx, self.resource, identity, name, uploaded.stream, label)  # type: ignore[arg-type]  # it can be read and sought
        service.seal(ctx, self.resource)
        return json_response(row, 201, {"Location": f"{request.path}/{row['id']}"})

    def send(self, ctx: Context, identity: UUID, file: UUID) -> Response:
        """Answer with the bytes of a file, or with its thumbnail (`?thumb=1`)."""
        thumb = request.args.get("thumb", "") in ("1", "true")
        found = services.open_file(ctx, self.resource, identity, file, thumb=thumb)
        response = send_file(
            found.path,
            mimetype=found.media_type,
            as_attachment=not found.is_image,
            download_name=found.name,
            etag=found.tag,
            last_modified=found.created_at,
        )
        response.headers["Cache-Control"] = _FOREVER if found.is_image else "private, no-cache"
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def remove(self, ctx: Context, identity: UUID, file: UUID) -> Response:
        """Remove a file and answer with nothing."""
        services.remove(ctx, self.resource, identity, file)
        service.seal(ctx, self.resource)
        return Response(status=204)
