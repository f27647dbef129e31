"""Codes in photos: for browsers that cannot read them themselves."""

from PIL import Image
from werkzeug.datastructures import FileStorage

from wuye.errors import FieldError, Invalid, Text
from wuye.files.content import examine
from wuye.i18n import _

#: More than any code of ours says; a longer text is none.
_LONGEST = 300


def read_photo(sent: FileStorage | None) -> str:
    """Return the text of the code in a photo that came with a form.

    Raises:
        Invalid: there is no photo, or no code that can be read on it.
    """
    if sent is None or not sent.filename:
        raise _refused(_("Take a photo of the code, or type its number."))
    content = examine(sent.stream)  # type: ignore[arg-type]  # it can be read and sought
    if not content.kind.media_type.startswith("image/"):
        raise _refused(_("This is no photo."))
    import zxingcpp  # loaded by those who scan

    with Image.open(content.body) as picture:
        found = zxingcpp.read_barcodes(picture.convert("L"))
    texts = [each.text for each in found if each.text and len(each.text) <= _LONGEST]
    if not texts:
        raise _refused(_("No code can be read on this photo: go closer, and hold still."))
    return str(texts[0])


def _refused(reason: Text) -> Invalid:
    return Invalid(_("Nothing was scanned."), errors=[FieldError("file", reason)])
