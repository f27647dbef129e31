"""Reads XLSX workbooks, after making sure that unpacking one cannot exhaust the machine's memory."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from wuye.i18n import _
from wuye.imports.contents import MAX_CELL_CHARACTERS, MAX_ROWS, Cell, UnreadableFile

MAX_UNPACKED_BYTES = 200 * 1024 * 1024
"""A sheet of 200,000 rows × 12 columns is about 120 MB of XML."""
MAX_UNPACKED_RATIO = 100
"""Spreadsheets shrink 5 to 30 times when packed; what shrinks more than 100 times was made to harm."""
MAX_CELLS = 10_000_000
"""Rows × columns up to the last filled cell. The reader allocates all of them at once, also the empty ones: a
7 kB file with a value in XFD1048576 would take 512 GB and end the process."""

_EXACT_DIGITS = 1e15
"""Excel keeps 15 digits; in a longer number (an identity card, a bank account) the last ones are lost."""
_CHUNK_BYTES = 1024 * 1024
_LONGEST_TAG = 64 * 1024
_TAG = re.compile(rb"""<(?:\w+:)?(c|row)((?:[\s/](?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+)?)>""")
_TAG_BEGINS = re.compile(rb"<(?:\w+:)?(?:c|row)[\s/]")
_POSITION = re.compile(rb"""\sr\s*=\s*["']\s*([A-Za-z]*)(\d*)""")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One opened sheet: its name, and those of the workbook's other visible sheets that hold something."""

    name: str
    others: tuple[str, ...]
    content: CalamineSheet

    def records(self) -> Iterator[tuple[int, list[Cell]]]:
        """Yield (row number as the spreadsheet shows it, values) for each row from 1 to the last filled one."""
        for number, values in enumerate(self.content.iter_rows(), start=1):
            yield number, [_cell(value) for value in values]


def open_sheet(path: Path, sheet: str | None = None) -> Sheet:
    """Open the sheet named `sheet`, or else the first visible one that holds anything.

    Raises `UnreadableFile` for a damaged, oversized or empty workbook and for an unknown sheet.
    """
    _check_size(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            return _choose(path, book, sheet)
    except (CalamineError, OSError) as error:
        raise _damaged(path) from error


def _choose(path: Path, book: CalamineWorkbook, wanted: str | None) -> Sheet:
    names = [
        entry.name
        for entry in book.sheets_metadata
        if entry.typ == SheetTypeEnum.WorkSheet and (entry.visible == SheetVisibleEnum.Visible or entry.name == wanted)
    ]
    if wanted is not None and wanted not in names:
        raise UnreadableFile(
            _("{file} has no sheet named {sheet}.", file=path.name, sheet=wanted),
            _("Its sheets are: {sheets}.", sheets=", ".join(names)),
        )
    filled = [(name, content) for name in names if (content := book.get_sheet_by_name(name)).height]
    chosen = next(((name, content) for name, content in filled if wanted in (None, name)), None)
    if chosen is None:
        raise UnreadableFile(_("{file} is empty: no sheet holds anything.", file=path.name))
    return Sheet(chosen[0], tuple(name for name, _content in filled if name != chosen[0]), chosen[1])


def _cell(value: float | str | bool | time | date | datetime | timedelta) -> Cell:
    """Give a whole number the form a person would write (1203, not 1203.0): it is a room or a telephone."""
    if isinstance(value, bool | datetime):
        return value
    if isinstance(value, int | float):
        whole = abs(value) < _EXACT_DIGITS and value == int(value)
        return str(int(value)) if whole else float(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return str(value).strip()


def _check_size(path: Path) -> None:
    """Unpack every part once without keeping it, so that no size written into the file must be believed."""
    packed = max(path.stat().st_size, 1)
    limit = min(MAX_UNPACKED_BYTES, packed * MAX_UNPACKED_RATIO)
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > limit:
                raise _oversized(path)
            for part in archive.infolist():
                extent = _Extent()
                with archive.open(part) as stream:
                    while chunk := stream.read(_CHUNK_BYTES):
                        unpacked += len(chunk)
                        extent.read(chunk)
                        if unpacked > limit or extent.row * extent.column > MAX_CELLS:
                            raise _oversized(path)
                        if extent.row > MAX_ROWS + 100:
                            raise too_many_rows(path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise _damaged(path) from error


class _Extent:
    """The last row and column of a sheet that hold a value, read from its XML piece by piece."""

    def __init__(self) -> None:
        self.row = self.column = 0
        self._current_row = self._current_column = 0
        self._rest = b""

    def read(self, chunk: bytes) -> None:
        """Take the next piece; raise `BadZipFile` for a tag so long that it can only be there to hide another."""
        data = self._rest + chunk
        end = 0
        for tag in _TAG.finditer(data):
            end = tag.end()
            self._take(tag[1], tag[2])
        begins = data.rfind(b"<", end)
        self._rest = data[begins:] if begins >= 0 else b""
        if len(self._rest) > _LONGEST_TAG:
            if b">" not in self._rest or _TAG_BEGINS.match(self._rest):
                raise zipfile.BadZipFile
            self._rest = b""

    def _take(self, element: bytes, attributes: bytes) -> None:
        position = _POSITION.search(attributes)
        letters, digits = position.groups() if position else (b"", b"")
        if element == b"row":
            self._current_row = int(digits[:9]) if digits else self._current_row + 1
            self._current_column = 0
            return
        self._current_row = int(digits[:9]) if digits else self._current_row
        self._current_column = _column_number(letters) if letters else self._current_column + 1
        if not attributes.endswith(b"/"):
            self.row = max(self.row, self._current_row)
            self.column = max(self.column, self._current_column)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters[:6].upper():
        number = number * 26 + letter - 64
    return number


def too_many_rows(path: Path) -> UnreadableFile:
    """Return the error for a table of more than `MAX_ROWS` rows."""
    return UnreadableFile(
        _("{file} has more than {limit} rows.", file=path.name, limit=MAX_ROWS),
        _("Split it into several files."),
    )


def too_long(path: Path, number: int, column: str) -> UnreadableFile:
    """Return the error for a cell that holds more than `MAX_CELL_CHARACTERS`."""
    return UnreadableFile(
        _(
            "Row {row} of {file} has more than {limit} characters in {column}.",
            row=number,
            file=path.name,
            limit=MAX_CELL_CHARACTERS,
            column=column,
        )
    )


def _oversized(path: Path) -> UnreadableFile:
    return UnreadableFile(
        _("{file} would take too much memory when it is unpacked.", file=path.name),
        _("Copy the table alone into a new workbook, or save it as CSV, and import that."),
    )


def _damaged(path: Path) -> UnreadableFile:
    return UnreadableFile(
        _("{file} is a damaged Excel workbook.", file=path.name),
        _("Open it in a spreadsheet program, save it again and import that."),
    )
