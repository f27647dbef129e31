"""Names of files that came from anywhere, made fit to be shown and to be saved under."""

import re
import unicodedata

#: The longest name: file systems take 255 bytes, and a Chinese character is three.
MAX_LENGTH = 80

_UNSAFE = re.compile(r'[<>:"|?*]')
#: Names that Windows takes for devices.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
#: Control and format characters (those that turn the direction of writing too), halves of pairs, unassigned ones.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean(name: str, endings: tuple[str, ...]) -> str:
    """Return a name without folders, invisible characters and what file systems refuse.

    `endings` are those that fit the content; a name with another one gets the first of them, so that `photo.html`
    becomes `photo.html.jpg`. A name of which nothing is left is `file`.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(char for char in last if unicodedata.category(char) not in _INVISIBLE)
    shown = " ".join(_UNSAFE.sub("_", shown).split())
    stem, dot, ending = shown.rpartition(".")
    fitting = f".{ending.strip().lower()}"
    if not dot or fitting not in endings:
        stem, fitting = shown, endings[0]
    stem = stem.strip(". ")[: MAX_LENGTH - len(fitting)].rstrip(". ") or "file"
    return f"{'_' if _DEVICE.match(stem) else ''}{stem}{fitting}"
