"""Dates in other people's tables: a column is read as one format, which its values prove or the user names.

Nothing is guessed: where the values leave more than one meaning, `detect` says so and the import has to ask. How
formats are written stands in `date_spelling`; besides those, `excel` and `excel1904` are the serial numbers of
spreadsheets (days since 1899-12-30 and 1904-01-01).
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from wuye.i18n import LazyText, _
from wuye.imports.date_spelling import Reading, compile_spelling, tidy

EARLIEST = datetime(1900, 1, 1)
"""What lies before is a typing mistake, or the zero of some program: nothing that is managed today began then."""
LATEST = datetime(2126, 1, 1)
"""A hundred years after the first release; callers with a clock pass a `latest` of their own."""

EXCEL, EXCEL_1904 = "excel", "excel1904"
_EXCEL_DAY_ZERO = datetime(1899, 12, 30)
_EXCEL_LEAP_BUG = 61  # Excel's calendar has a 29 February 1900, which is number 60; from 61 on it is right.
_NUMBER = re.compile(r"\d{1,7}(\.\d+)?")

_SHOWN_CANDIDATES = 4
_INNER_GROUP = re.compile(r"\[([^\[\]]*)\]")
_GROUP_NAMES = ("HH", "hh", "ss", "fraction", "Z")

_ORDERED = (
    "YYYY{0}MM{0}DD",
    "MM{0}DD{0}YYYY",
    "DD{0}MM{0}YYYY",
    "YY{0}MM{0}DD",
    "MM{0}DD{0}YY",
    "DD{0}MM{0}YY",
)
_DATES = (
    *(order.format(separator) for separator in "-/." for order in _ORDERED),
    *("YYYY年MM月DD日", "YYYYMMDD", "YYMMDD", "YYYY"),
    *("DD-MMM-YYYY", "DD MMM YYYY", "DD-MMM-YY", "DD MMM YY", "MMM DD, YYYY", "MMM DD YYYY"),
)
_CLOCKS = (
    " HH:mm[:ss[.SSS]][Z]",
    "THH:mm[:ss[.SSS]][Z]",
    " hh:mm[:ss[.SSS]] A",
    " A hh:mm[:ss]",
    " HH时mm分[ss秒]",
)
_COMPACT_CLOCKS = ("HHmm[ss]", "THHmm[ss][Z]", " HHmm[ss]")


@dataclass(frozen=True)
class DateFormat:
    """One way of writing dates, named by its `spelling`; made by `named` or found by `detect`."""

    spelling: str

    @classmethod
    def named(cls, spelling: str) -> "DateFormat":
        """Return the format that `spelling` describes, e.g. `MM/DD/YYYY hh:mm:ss A`, `excel`.

        Raises `ValueError`, in words for the user, when it is not a spelling.
        """
        spelling = " ".join(spelling.split())
        if spelling.lower() in (EXCEL, EXCEL_1904):
            return cls(spelling.lower())
        if difflib.get_close_matches(spelling.lower(), (EXCEL, EXCEL_1904), cutoff=0.8):
            raise ValueError(_("{spelling!r} is not a date format; did you mean 'excel'?", spelling=spelling))
        compile_spelling(spelling)
        return cls(spelling)

    def __str__(self) -> str:
        return self.spelling

    @property
    def is_serial(self) -> bool:
        """True for the serial numbers of spreadsheets."""
        return self.spelling in (EXCEL, EXCEL_1904)

    @cached_property
    def has_short_year(self) -> bool:
        """True when years have two digits, so that the century is not in the file."""
        return not self.is_serial and "YYYY" not in self.spelling

    def read(self, value: object) -> Reading | None:
        """Read a cell as it stands, without time zone or limits; None when it is not written in this format.

        A datetime or date that the file itself marks as such is right in every format.
        """
        if isinstance(value, datetime):
            return Reading(value, frozenset())
        if isinstance(value, date):
            return Reading(datetime(value.year, value.month, value.day), frozenset())
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        if self.is_serial:
            return _read_serial(value, self.spelling == EXCEL_1904)
        return compile_spelling(self.spelling).read(_as_text(value))

    def parse(self, value: object, zone: ZoneInfo, *, latest: datetime = LATEST) -> datetime:
        """Return the moment that `value` names, aware, in UTC; `zone` is that of times without an offset.

        A time that a change of clocks makes happen twice is taken as the first of the two (`fold=0`): the file
        does not say which, and the difference is an hour. Raises `ValueError`, in words for the user, when the
        value is written otherwise, lies before 1900 or after `latest` (naive), or was skipped by the clocks.
        """
        reading = self.read(value)
        if reading is None:
            shown = str(value)[:80]
            if not shown.strip():
                raise ValueError(_("There is no date."))
            raise ValueError(_("{value!r} is not a date written as {spelling}.", value=shown, spelling=self.spelling))
        moment = reading.moment
        if not EARLIEST <= moment.replace(tzinfo=None) < latest:
            raise ValueError(
                _(
                    "{value!r} is the year {year}; only years from {first} to {last} are possible.",
                    value=str(value)[:80],
                    year=moment.year,
                    first=EARLIEST.year,
                    last=(latest - timedelta(microseconds=1)).year,
                )
            )
        return moment.astimezone(UTC) if moment.tzinfo is not None else _in_zone(moment, zone)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A format that might be meant: `example` is a value of the file, `reading` what it would mean (naive or with
    the offset it names), `fits` how many values it reads."""

    format: DateFormat
    example: object
    reading: datetime
    fits: int


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The column can be read in more than one way (or in none throughout): somebody has to say which is right."""

    candidates: tuple[Candidate, ...]
    reason: LazyText

    def __str__(self) -> str:
        lines = [str(self.reason)]
        lines += [f"  {each.format}: {each.example} = {each.reading.isoformat(' ')}" for each in self.candidates]
        return "\n".join(lines)


def detect(values: Iterable[object]) -> DateFormat | Ambiguous | None:
    """Find the one format in which a column's dates are written.

    Every format that reads one value differently from another is kept until a value refutes it. Empty cells are
    passed over, and so are values that no format understands ("N/A"): they are refused when they are parsed, row by
    row. Returns None when no value is understood; `Ambiguous` when

    - two formats read all values and at least one value differently (03/04/2025),
    - no format reads them all (some 03/24/2025, some 24/03/2025),
    - years have two digits, or
    - some cells are dates to the spreadsheet and the others text with day and month as numbers: then a program
      may already have read the first ones in the wrong order.
    """
    counts = Counter(value for value in values if value is not None and str(value).strip())
    native = {value: times for value, times in counts.items() if isinstance(value, date)}
    written = {value: times for value, times in counts.items() if not isinstance(value, date)}
    readings = _readings(written)
    if not any(readings.values()):
        return DateFormat(EXCEL) if native else None
    understood = {value for found in readings.values() for value in found}
    complete = {name: found for name, found in readings.items() if len(found) == len(understood)}
    if not complete:
        return _ambiguous(
            readings,
            written,
            _("The dates of this column are written in more than one way; name one format."),
        )
    distinct = _distinct(complete)
    if len(distinct) > 1:
        return _ambiguous(distinct, written, _("The dates of this column can be read in more than one way."))
    found = next(iter(distinct))
    if found.has_short_year:
        return _ambiguous(distinct, written, _("The years of this column have only two digits."))
    if native and found.spelling.startswith(("MM", "DD")) and "MMM" not in found.spelling:
        return _ambiguous(
            distinct,
            written,
            _("Some cells of this column are dates, others text: day and month may be exchanged."),
        )
    return found


def _readings(written: Mapping[object, int]) -> dict[DateFormat, dict[object, Reading]]:
    """Read every value in every format, and name each format by the parts that its values really have."""
    wide = (
        EXCEL,
        *(style + f"[{clock}]" for style in _DATES if style != "YYYY" for clock in _clocks(style)),
        "YYYY",
    )
    found: dict[DateFormat, dict[object, Reading]] = {}
    for spelling in _worth_trying(wide, written):
        format_ = DateFormat(spelling)
        read = {value: reading for value in written if (reading := _plausible(format_, value)) is not None}
        if read:
            found.setdefault(DateFormat(_narrow(spelling, read.values())), read)
    return found


def _clocks(style: str) -> tuple[str, ...]:
    return _COMPACT_CLOCKS if style in ("YYYYMMDD", "YYMMDD") else _CLOCKS


def _worth_trying(spellings: Sequence[str], written: Iterable[object]) -> list[str]:
    """Leave out the formats that cannot read any value: values are many, but their shapes (9999-99-99) are few."""
    texts = (tidy(_as_text(value)) for value in written)
    shapes = {re.sub(r"\d", "9", text) for text in texts if any(character.isdigit() for character in text)}
    return [spelling for spelling in spellings if any(_pattern(spelling).fullmatch(shape) for shape in shapes)]


def _pattern(spelling: str) -> re.Pattern[str]:
    return _NUMBER if spelling == EXCEL else compile_spelling(spelling).pattern


def _plausible(format_: DateFormat, value: object) -> Reading | None:
    reading = format_.read(value)
    if reading is None or not EARLIEST <= reading.moment.replace(tzinfo=None) < LATEST:
        return None
    return reading


def _narrow(spelling: str, readings: Iterable[Reading]) -> str:
    """Drop the brackets around what every value has, and the brackets with their content where none has it."""
    seen = Counter(part for reading in readings for part in reading.parts)
    every = max(seen.values(), default=0)
    while found := _INNER_GROUP.search(spelling):
        times = max(seen[name] for name in _GROUP_NAMES if _marks(name, found[1]))
        kept = "" if times == 0 else found[1] if times == every else f"\x01{found[1]}\x02"
        spelling = spelling[: found.start()] + kept + spelling[found.end() :]
    return spelling.replace("\x01", "[").replace("\x02", "]")


def _marks(name: str, group: str) -> bool:
    return ("SSS" if name == "fraction" else name) in group


def _distinct(
    readings: Mapping[DateFormat, dict[object, Reading]],
) -> dict[DateFormat, dict[object, Reading]]:
    """Keep the first of those formats that read every value alike."""
    kept: dict[DateFormat, dict[object, Reading]] = {}
    for format_, found in readings.items():
        if not any(_moments(found) == _moments(other) for other in kept.values()):
            kept[format_] = found
    return kept


def _moments(found: Mapping[object, Reading]) -> dict[object, datetime]:
    return {value: reading.moment for value, reading in found.items()}


def _ambiguous(
    readings: Mapping[DateFormat, dict[object, Reading]], written: Mapping[object, int], reason: LazyText
) -> Ambiguous:
    """Show the likeliest formats, each with a value that the others read differently or not at all."""
    likeliest = sorted(readings.items(), key=lambda item: -_fits(item[1], written))[:_SHOWN_CANDIDATES]
    candidates = []
    for format_, found in likeliest:
        others = [other for name, other in likeliest if name != format_]
        example = next(
            (value for value in found if any(other.get(value) != found[value] for other in others)),
            next(iter(found)),
        )
        candidates.append(Candidate(format_, example, found[example].moment, _fits(found, written)))
    return Ambiguous(tuple(candidates), reason)


def _fits(found: Iterable[object], written: Mapping[object, int]) -> int:
    return sum(written[value] for value in found)


def _as_text(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _read_serial(value: str | float, since_1904: bool) -> Reading | None:
    """Read days since the spreadsheet's first one; fractions are exact to the millisecond, as they are there."""
    text = tidy(_as_text(value))
    if not _NUMBER.fullmatch(text):
        return None
    days = float(text)
    if since_1904:
        zero = datetime(1904, 1, 1)
    elif days >= _EXCEL_LEAP_BUG:
        zero = _EXCEL_DAY_ZERO
    elif days < _EXCEL_LEAP_BUG - 1:
        zero = _EXCEL_DAY_ZERO + timedelta(days=1)
    else:
        return None
    try:
        return Reading(zero + timedelta(milliseconds=round(days * 86_400_000)), frozenset())
    except OverflowError:
        return None


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    utc = moment.replace(tzinfo=zone).astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None) != moment:
        raise ValueError(
            _("{moment} did not exist in {zone}: the clocks were put forward.", moment=moment, zone=zone.key)
        )
    return utc
