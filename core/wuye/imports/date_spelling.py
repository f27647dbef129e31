"""The spelling of date formats: `YYYY-MM-DD HH:mm` compiled to a pattern that reads text strictly.

| part | reads |
|---|---|
| `YYYY`, `YY` | the year; `YY` 00–68 are 2000–2068, 69–99 are 1969–1999 (as POSIX `strptime`) |
| `MM` (or `M`) | the month as a number, with or without a leading zero |
| `MMM` | the month's English name or its first three letters |
| `DD` (or `D`) | the day |
| `HH` / `hh` | the hour of 24 / of 12 (then `A` is needed) |
| `mm`, `ss` | minute, second |
| `SSS` | a fraction of the second, up to nine digits (kept to the microsecond) |
| `A` | AM or PM, 上午 or 下午 |
| `Z` | `Z`, `UTC` or an offset such as `+08:00`, `+0800`, `+08` |
| `[…]` | a part that may be absent; may be nested |
| `T`, 年 月 日 时 分 秒, blanks and `-/.,:` | themselves |
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from wuye.i18n import _

_PART = re.compile(r"YYYY|YY|MMM|MM?|DD?|HH?|hh?|mm?|ss?|S+|A|Z|[\[\]]|.", re.DOTALL)
_LITERALS = "T年月日号时点分秒 -/.,:"
_IDEOGRAPHS = "年月日号时点分秒"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)
_CANONICAL = {"M": "MM", "D": "DD", "H": "HH", "h": "hh", "m": "mm", "s": "ss"}
_NUMERIC = {"YYYY": 4, "YY": 2, "MM": 2, "DD": 2, "HH": 2, "hh": 2, "mm": 2, "ss": 2}
_NEEDS = (("DD", ("MM", "MMM")), ("mm", ("HH", "hh")), ("ss", ("mm",)), ("fraction", ("ss",)), ("hh", ("A",)))
_EXCLUDES = (("YYYY", "YY"), ("MM", "MMM"), ("HH", "hh"), ("HH", "A"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says: a naive local time, or an aware one when it has an offset; `parts` that were present."""

    moment: datetime
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Spelling:
    """A compiled spelling."""

    pattern: re.Pattern[str]

    def read(self, text: str) -> Reading | None:
        """Read `text` whole; None when it is written otherwise or names a day or time that does not exist."""
        found = self.pattern.fullmatch(tidy(text))
        if found is None:
            return None
        parts = {name: value for name, value in found.groupdict().items() if value is not None}
        try:
            return Reading(_moment(parts), frozenset(parts))
        except (ValueError, OverflowError):
            return None


def tidy(text: str) -> str:
    """Give full-width digits and signs their plain form and make each run of white space one blank."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())


@lru_cache(maxsize=512)
def compile_spelling(spelling: str) -> Spelling:
    """Compile `spelling`; `ValueError`, in words for the user, when it is not one."""
    parts = [_CANONICAL.get(part, part) for part in _PART.findall(unicodedata.normalize("NFKC", spelling))]
    _check(spelling, parts)
    pieces = [_piece(parts, index) for index in range(len(parts))]
    return Spelling(re.compile("".join(pieces), re.IGNORECASE | re.ASCII))


def _check(spelling: str, parts: list[str]) -> None:
    if "%" in spelling:
        raise ValueError(_("{spelling!r} has %: write YYYY-MM-DD HH:mm:ss in place of %Y-%m-%d.", spelling=spelling))
    names = ["fraction" if part.startswith("S") else part for part in parts]
    for part in parts:
        if not (part in _NUMERIC or part in ("MMM", "A", "Z", "[", "]", *_LITERALS) or part.startswith("S")):
            raise ValueError(
                _(
                    "{part!r} in {spelling!r} means nothing; a date is written as in YYYY-MM-DD HH:mm:ss, "
                    "MM/DD/YYYY hh:mm:ss A or YYYY年MM月DD日.",
                    part=part,
                    spelling=spelling,
                )
            )
    for name, times in Counter(names).items():
        if times > 1 and name not in ("[", "]", *_LITERALS):
            raise ValueError(_("{spelling!r} has {part} twice.", spelling=spelling, part=name))
    if "YYYY" not in names and "YY" not in names:
        raise ValueError(_("{spelling!r} has no year (YYYY).", spelling=spelling))
    for name, needed in _NEEDS:
        if name in names and not any(other in names for other in needed):
            raise ValueError(
                _("{spelling!r} has {part} without {other}.", spelling=spelling, part=name, other=needed[0])
            )
    for name, other in _EXCLUDES:
        if name in names and other in names:
            raise ValueError(_("{spelling!r} has both {part} and {other}.", spelling=spelling, part=name, other=other))
    if not _balanced(parts):
        raise ValueError(_("The brackets in {spelling!r} do not match.", spelling=spelling))


def _balanced(parts: list[str]) -> bool:
    depth = 0
    for part in parts:
        depth += (part == "[") - (part == "]")
        if depth < 0:
            return False
    return depth == 0


def _piece(parts: list[str], index: int) -> str:
    part = parts[index]
    before = parts[index - 1] if index else ""
    after = parts[index + 1] if index + 1 < len(parts) else ""
    if part in _NUMERIC:
        # Without anything between them, numbers can only be told apart when each has its full width.
        joined = before in _NUMERIC or after in _NUMERIC
        return rf"(?P<{part}>\d{{{_NUMERIC[part] if joined or part[0] == 'Y' else '1,2'}}})"
    if part.startswith("S"):
        return r"(?P<fraction>\d{1,9})"
    fixed = {
        "MMM": rf"(?P<MMM>{_MONTH_NAMES})\.?",
        "A": r"(?P<A>[ap]\.?m\.?|上午|下午)",
        "Z": r" ?(?P<Z>Z|UTC|[+-]\d{2}(?::?\d{2})?)",
        "[": "(?:",
        "]": ")?",
    }
    if part in fixed:
        return fixed[part]
    if part == " " and (before in ("A", *_IDEOGRAPHS) or after in ("A", *_IDEOGRAPHS) or _opens_after(parts, index)):
        return " ?"
    return re.escape(part)


def _opens_after(parts: list[str], index: int) -> bool:
    """Tell whether the blank begins an optional part that follows an ideograph, as in `日[ HH:mm]`."""
    return index >= 2 and parts[index - 1] == "[" and parts[index - 2] in _IDEOGRAPHS


def _moment(parts: dict[str, str]) -> datetime:
    year = int(parts["YYYY"]) if "YYYY" in parts else _full_year(int(parts["YY"]))
    month = _MONTHS.index(parts["MMM"][:3].lower()) + 1 if "MMM" in parts else int(parts.get("MM", 1))
    moment = datetime(
        year,
        month,
        int(parts.get("DD", 1)),
        _hour(parts),
        int(parts.get("mm", 0)),
        int(parts.get("ss", 0)),
        int(parts.get("fraction", "0")[:6].ljust(6, "0")),
    )
    return moment.replace(tzinfo=_offset(parts["Z"])) if "Z" in parts else moment


def _full_year(year: int) -> int:
    return year + (2000 if year < 69 else 1900)


def _hour(parts: dict[str, str]) -> int:
    if "hh" not in parts:
        return int(parts.get("HH", 0))
    hour = int(parts["hh"])
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if parts["A"].lower().startswith(("p", "下")) else 0)


def _offset(text: str) -> timezone:
    if text.upper() in ("Z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError(text)
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if text.startswith("-") else distance)
