"""Turns a CSV or XLSX file into a table: finds its header row and gives every row the number the user sees.

How the bytes are read stands in `contents` (what is it?), `csv_text` and `workbook`; nothing here knows fields.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from wuye.i18n import LazyText, _
from wuye.imports.contents import MAX_CELL_CHARACTERS, MAX_ROWS, Cell, Kind, UnreadableFile, identify
from wuye.imports.csv_text import open_csv
from wuye.imports.workbook import open_sheet, too_long, too_many_rows

__all__ = ["Cell", "Row", "Table", "UnreadableFile", "read_table"]

_HEADER_SEARCHED_ROWS = 50
"""Titles, dates and instructions above a table take a handful of rows."""
_HEADER_SHARE = 0.75
"""A header names nearly all columns that most rows fill; a line of remarks above it fills few of them."""
_NUMBER_OR_DATE = re.compile(r"[\d\s.,:/+%-]+")

_Record = tuple[int, Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number under which the user finds it, and one value for each column of the table.

    `number` is the row of the sheet, or in CSV the line where the record begins; both count from 1. `fault` is set
    when the row does not fit the table (more values than columns); its values are then not to be used. `surplus` is what
    stands beyond the last column.
    """

    number: int
    values: tuple[Cell, ...]
    fault: LazyText | None = None
    surplus: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read: column names without repetition, and all rows below them that hold anything.

    `source` says how it was read, for the user: the encoding and delimiter, or the sheet. `other_sheets` are those
    that also hold something and were not read.
    """

    columns: tuple[str, ...]
    rows: Sequence[Row]
    kind: Kind
    source: LazyText
    header_number: int
    other_sheets: tuple[str, ...] = ()

    def column(self, name: str) -> Iterator[Cell]:
        """Yield the values of one column, leaving out rows with a fault; `KeyError` when there is none so named."""
        if name not in self.columns:
            raise KeyError(name)
        index = self.columns.index(name)
        return (row.values[index] for row in self.rows if row.fault is None)


def read_table(path: Path, *, sheet: str | None = None, encoding: str | None = None) -> Table:
    """Read `path`, CSV or XLSX as its content says, whatever its name is.

    `sheet` names the sheet of a workbook (default: the first visible one that holds anything); `encoding` that of a
    CSV file (default: detected strictly). White space around values is removed; rows shorter than the header are
    filled up with `""`, because Excel leaves out delimiters at the end of a line. Whole numbers come as text
    (`"1203"`), except those of more than 15 digits, which a workbook has already rounded: they stay `float`.

    Raises `UnreadableFile`, in words for the user, when the file is not what its name says, is too large, damaged,
    empty or has no rows, and when header names are missing or repeated.
    """
    kind = identify(path)
    if kind == "csv":
        text = open_csv(path, encoding)
        source = _("CSV, {encoding}, delimiter {delimiter}", encoding=text.encoding, delimiter=repr(text.delimiter))
        return _table(path, text.records(), kind, source, ())
    opened = open_sheet(path, sheet)
    return _table(path, opened.records(), kind, _("sheet {sheet}", sheet=opened.name), opened.others)


def _table(
    path: Path, records: Iterable[_Record], kind: Kind, source: LazyText, other_sheets: tuple[str, ...]
) -> Table:
    filled = _filled(path, records)
    first = list(islice(filled, _HEADER_SEARCHED_ROWS))
    if not first:
        raise UnreadableFile(_("{file} is empty.", file=path.name))
    header = _header_index(first)
    number, names = first[header]
    body = list(islice(chain(first[header + 1 :], filled), MAX_ROWS + 1))
    if len(body) > MAX_ROWS:
        raise too_many_rows(path)
    if not body:
        raise UnreadableFile(_("{file} has a header in row {row} and nothing below it.", file=path.name, row=number))
    columns = [" ".join(str(name).split()) for name in names]
    _check_header(path, number, names, columns, body)
    kept = [index for index, name in enumerate(columns) if name]
    rows = tuple(_row(record, kept, len(columns)) for record in body)
    return Table(tuple(columns[index] for index in kept), rows, kind, source, number, other_sheets)


def _filled(path: Path, records: Iterable[_Record]) -> Iterator[_Record]:
    """Strip the values and leave out the rows that hold nothing."""
    for number, cells in records:
        values = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
        if not any(value != "" for value in values):
            continue
        for index, value in enumerate(values):
            if isinstance(value, str) and len(value) > MAX_CELL_CHARACTERS:
                raise too_long(path, number, column_letters(index))
        yield number, values


def _header_index(rows: Sequence[_Record]) -> int:
    """Find the first row that fills nearly as many cells as most rows do."""
    filled = [sum(value != "" for value in values) for _number, values in rows]
    usual, _times = max(Counter(filled).items(), key=lambda item: (item[1], item[0]))
    needed = max(min(usual, 2), usual * _HEADER_SHARE)
    return next(index for index, count in enumerate(filled) if count >= needed)


def _check_header(
    path: Path, number: int, names: Sequence[Cell], columns: Sequence[str], body: Sequence[_Record]
) -> None:
    named = [name for name in names if name != ""]
    plain = [name for name in named if isinstance(name, str) and not _NUMBER_OR_DATE.fullmatch(name)]
    if len(plain) * 2 < len(named):
        raise UnreadableFile(
            _("{file} has no header: row {row} already holds data.", file=path.name, row=number),
            _("Put a row with the names of the columns above it."),
        )
    nameless = [
        column_letters(index)
        for index, name in enumerate(columns)
        if not name and any(len(values) > index and values[index] != "" for _number, values in body)
    ]
    if nameless:
        raise UnreadableFile(
            _(
                "Row {row} of {file} is the header, but has no name for column {columns}.",
                row=number,
                file=path.name,
                columns=", ".join(nameless),
            ),
            _("Give every column that holds something a name."),
        )
    repeated = [name for name, times in Counter(columns).items() if name and times > 1]
    if repeated:
        raise UnreadableFile(
            _(
                "{file} has more than one column named {columns}.",
                file=path.name,
                columns=", ".join(repeated),
            ),
            _("Give every column its own name."),
        )


def _row(record: _Record, kept: Sequence[int], width: int) -> Row:
    number, values = record
    cells = tuple(values[index] if index < len(values) else "" for index in kept)
    surplus = [index for index in range(width, len(values)) if values[index] != ""]
    if not surplus:
        return Row(number, cells)
    return Row(
        number,
        cells,
        _(
            "The row has a value in column {column}, but the header ends at column {last}.",
            column=column_letters(surplus[0]),
            last=column_letters(width - 1),
        ),
        tuple(values[width:]),
    )


def column_letters(index: int) -> str:
    """Return the name that spreadsheets give to the column at `index` (from 0): A, B, … Z, AA, AB, …"""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
