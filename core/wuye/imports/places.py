"""How places are named in files: addresses, and building, entrance and room in columns of their own."""

import re
import unicodedata

_BEFORE = re.compile(r"^(?:第|building|bldg\.?|block|entrance|unit|room|rm\.?|flat|apt\.?)\s*(?=\S)", re.IGNORECASE)
_AFTER = re.compile(r"(?<=.)(?:号楼|栋楼|栋|幢|座|楼|单元|梯|门|号房|房|室|户|号)$")


def plain_text(text: str) -> str:
    """Return text with compatibility forms (full width) unified and blanks collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def address_code(text: str) -> str:
    """Return the code of an address: `1155 EAST   35 Street` and `1155 East 35 STREET` are one place."""
    return plain_text(text).upper()


def part(text: str) -> str:
    """Return what names a building, an entrance or a room: 3 for 3号楼, 3栋 and Building 3."""
    bare = _BEFORE.sub("", plain_text(text))
    return _AFTER.sub("", bare).strip() or plain_text(text)


def unit_codes(building: str, entrance: str, room: str) -> list[str]:
    """Return the codes from the building down to the room: `["3", "3-2", "3-2-1203"]`.

    A room that brings the whole code along (`3-2-1203` beside 楼栋 3) is not prefixed again.
    """
    codes: list[str] = []
    for text in filter(None, (building, entrance, room)):
        name = part(text)
        above = codes[-1] if codes else ""
        codes.append(name if not above or name.startswith(f"{above}-") else f"{above}-{name}")
    return codes
