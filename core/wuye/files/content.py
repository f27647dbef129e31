"""What a file is, told by its content and never by its name, and whether that is taken."""

import csv
import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import BinaryIO

from wuye.errors import Text
from wuye.files.images import redraw, refusal
from wuye.i18n import _

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of file that is taken: its media type, the endings of its names, its largest size in bytes.

    `image` is Pillow's name of the format, for images.
    """

    media_type: str
    endings: tuple[str, ...]
    limit: int = 10 * _MB
    image: str | None = None


JPEG = Kind("image/jpeg", (".jpg", ".jpeg"), image="JPEG")
PNG = Kind("image/png", (".png",), image="PNG")
WEBP = Kind("image/webp", (".webp",), image="WEBP")
PDF = Kind("application/pdf", (".pdf",))
MP4 = Kind("video/mp4", (".mp4", ".m4v"), limit=50 * _MB)
XLSX = Kind("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", (".xlsx",))
CSV = Kind("text/csv", (".csv", ".txt"))
TEXT = Kind("text/plain", (".txt", ".csv"))

#: The largest file of all.
LARGEST = MP4.limit

#: Spreadsheets shrink 5 to 30 times when packed; what shrinks more than this, or becomes larger (bytes), does harm.
MAX_RATIO, MAX_UNPACKED = 100, 200 * _MB

#: MP4 by the brand that its first box names; Apple's QuickTime and HEIC pictures begin alike and are something else.
_BRANDS = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"MSNV", b"dash"})
_MARKUP = re.compile(r"^\s*<[!?a-z]|<\s*(?:!doctype|html|head|body|svg|script|iframe|object|embed)\b", re.IGNORECASE)
_CONTROL = re.compile("[\0-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is taken, as it is to be kept: its kind, its bytes, and of an image the thumbnail and the pixels."""

    kind: Kind
    body: BinaryIO
    thumb: bytes | None = None
    width: int | None = None
    height: int | None = None


def examine(stream: BinaryIO, *, keep_position: bool = False) -> Content:
    """Find out what a seekable stream contains and return it as it is to be kept; images are drawn anew.

    `keep_position` leaves in an image what the camera wrote, its position included.

    Raises:
        Invalid: it is of no type that is taken, too large, or damaged.
    """
    kind = kind_of(stream)
    if kind.image is None:
        return Content(kind, stream)
    picture = redraw(stream, kind.image, keep_position=keep_position)
    return Content(kind, BytesIO(picture.body), picture.thumb, picture.width, picture.height)


def kind_of(stream: BinaryIO) -> Kind:
    """Return the kind of a seekable stream.

    Raises:
        Invalid: it is empty, of no type that is taken, or larger than its type may be.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(32)
    if not head:
        raise refusal(_("The file is empty."))
    kind = _by_signature(head)
    if size > (kind or TEXT).limit:
        megabytes = (kind or TEXT).limit // _MB
        raise refusal(_("The file is larger than {limit} MB.", limit=megabytes), _accepted())
    if kind is XLSX and not _is_workbook(stream):
        kind = None
    elif kind is None:
        kind = _kind_of_text(stream)
    if kind is None:
        raise refusal(_("Files of this type are not taken."), _accepted())
    return kind


def _accepted() -> Text:
    return _(
        "Send JPEG, PNG or WebP (up to 10 MB), PDF, XLSX, CSV or text in UTF-8 (up to 10 MB) or MP4 (up to 50 MB)."
    )


def _by_signature(head: bytes) -> Kind | None:
    """Return what the first bytes say; None if they could be text, or something that is not taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith(b"%PDF-"):
        return PDF
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return MP4
    return XLSX if head.startswith(b"PK\x03\x04") else None


def _is_workbook(stream: BinaryIO) -> bool:
    """Tell whether a zip is a workbook without macros; only its directory is read.

    Raises:
        Invalid: it was made to fill whoever unpacks it.
    """
    size = stream.seek(0, 2)
    try:
        with zipfile.ZipFile(stream) as archive:
            names = set(archive.namelist())
            unpacked = sum(part.file_size for part in archive.infolist())
    except Exception:  # a damaged directory makes zipfile raise anything at all
        return False
    if unpacked > min(MAX_UNPACKED, size * MAX_RATIO):
        raise refusal(_("Unpacked the file would be far too large."))
    macros = any(name.lower().endswith("vbaproject.bin") for name in names)
    return {"[Content_Types].xml", "xl/workbook.xml"} <= names and not macros


def _kind_of_text(stream: BinaryIO) -> Kind | None:
    """Return CSV or plain text; None for what is not UTF-8, holds control characters, or is HTML, SVG or other XML."""
    stream.seek(0)
    try:
        text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if _CONTROL.search(text) or _MARKUP.search(text):
        return None
    return CSV if _is_table(text) else TEXT


def _is_table(text: str) -> bool:
    """Tell whether the first lines, two at least, have the same number of cells, two at least."""
    for delimiter in ",;\t":
        try:
            widths = [len(row) for row in islice(csv.reader(text.splitlines()[:50], delimiter=delimiter), 20) if row]
        except csv.Error:
            continue
        if len(widths) > 1 and min(widths) == max(widths) > 1:
            return True
    return False
