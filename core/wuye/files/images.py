"""Pictures made harmless: decoded, turned upright, reduced, and written anew without what the camera added.

What comes out holds the pixels and nothing else: no position, no comment, no second file behind the first.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image, ImageOps

from wuye.errors import FieldError, Invalid, Text
from wuye.i18n import _

#: More pixels are refused before anything is decoded, so that a picture takes 200 MB at most beside the process (measured
#: with the largest of each kind). A camera's JPEG is decoded at a half or a quarter of its size; all others whole.
MAX_PIXELS = {"JPEG": 40_000_000, "PNG": 16_000_000, "WEBP": 8_000_000}
MAX_PROGRESSIVE = 16_000_000
#: The longest side of what is kept, and of its thumbnail, in pixels.
LONGEST, THUMB = 2560, 480
#: A photo has one scan, a progressive one about ten; thousands of them keep a decoder busy for minutes.
MAX_SCANS = 64

#: Pillow's own guard, for whoever else in the process opens images: above the limit it warns, and that is an error.
Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS.values())
warnings.simplefilter("error", Image.DecompressionBombWarning)

_SCAN = b"\xff\xda"
_ORIENTATION = 0x0112
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "optimize": True},
    "PNG": {},
    "WEBP": {"quality": 85},
}


@cache
def _painter() -> ThreadPoolExecutor:
    """The one thread of a process that draws: one picture at a time, and the memory of the last serves the next."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is kept: its bytes, a JPEG thumbnail, and its size in pixels."""

    body: bytes
    thumb: bytes
    width: int
    height: int


def redraw(stream: BinaryIO, kind: str, *, keep_position: bool = False) -> Picture:
    """Return an image of Pillow's format `kind` (JPEG, PNG, WEBP) written anew in the same format.

    It is upright, at most `LONGEST` pixels long, and without metadata; of an animation the first picture stays. With
    `keep_position` what the camera wrote (EXIF: place, time, device) is kept, for evidence.

    Raises:
        Invalid: it has too many pixels, or cannot be decoded.
    """
    try:
        return _painter().submit(_redraw, stream, kind, keep_position=keep_position).result()
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many(MAX_PIXELS[kind]) from error
    except Exception as error:  # damaged bytes make decoders raise anything at all
        raise refusal(_("The image is damaged.")) from error


def refusal(reason: Text, hint: Text | None = None) -> Invalid:
    """Return the problem of a file that is not taken."""
    return Invalid(_("This file cannot be attached."), errors=[FieldError("file", reason, hint)])


def _too_many(limit: int) -> Invalid:
    return refusal(_("The image has more than {limit} megapixels.", limit=limit // 1_000_000))


def _redraw(stream: BinaryIO, kind: str, *, keep_position: bool) -> Picture:
    stream.seek(0)
    data = stream.read()
    if kind == "JPEG" and data.count(_SCAN) > MAX_SCANS:
        raise refusal(_("The image is damaged."))
    with Image.open(BytesIO(data), formats=[kind]) as opened:  # reads the header only
        limit = MAX_PROGRESSIVE if "progressive" in opened.info else MAX_PIXELS[kind]
        if opened.width * opened.height > limit:
            raise _too_many(limit)
        opened.draft(None, (LONGEST, LONGEST))  # a large JPEG is decoded at a half or a quarter of its size
        opened.load()
        image: Image.Image = opened
        if opened.has_transparency_data and opened.mode != "RGBA":
            image = opened.convert("RGBA")
        elif opened.mode not in ("L", "RGB", "RGBA"):
            image = opened.convert("RGB")
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        image = _upright(image)
        options = dict(_OPTIONS[kind])
        if keep_position:
            options["exif"] = _camera_notes(image)
        image.info.clear()  # some of it would be written again without being asked for
        target = BytesIO()
        image.save(target, kind, **options)
        return Picture(target.getvalue(), _thumb(image), image.width, image.height)


def _upright(image: Image.Image) -> Image.Image:
    """Return the image turned as the camera was held; damaged notes of the camera cost that, not the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # whatever the notes hold
        return image


def _camera_notes(image: Image.Image) -> bytes:
    notes = image.getexif()
    notes.pop(_ORIENTATION, None)
    return notes.tobytes()


def _thumb(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    if small.mode == "RGBA":
        ground = Image.new("RGB", small.size, "white")
        ground.paste(small, mask=small.getchannel("A"))
        small = ground
    target = BytesIO()
    small.save(target, "JPEG", quality=80, optimize=True)
    return target.getvalue()
