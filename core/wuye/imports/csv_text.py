"""Reads CSV text: finds out its encoding and delimiter, and yields records with the line where each begins."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

from wuye.i18n import _
from wuye.imports.contents import MAX_CELL_CHARACTERS, UnreadableFile

_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_HINT = ["sep=", ""]
"""What is left of a first line `sep=;`, which Excel reads as the name of the delimiter."""
_SNIFFED_CHARACTERS = 64 * 1024
_SNIFFED_RECORDS = 100
_CHUNK_BYTES = 1024 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMON_SHARE = 0.7
"""Real Chinese text has 85–100 % of its non-ASCII characters in the common rows of GB 2312; Big5 or Latin-1 text
misread as GB18030 has less than half there."""


@dataclass(frozen=True, slots=True)
class CsvText:
    """A CSV file whose encoding and delimiter are known; `records` may be called more than once."""

    path: Path
    encoding: str
    delimiter: str

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number of the line where the record begins, its values); a blank line gives no values.

        Raises `UnreadableFile` when a quotation mark is left open or misplaced, or a value is too long.
        """
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True, skipinitialspace=True)
            begins = 1
            try:
                for values in reader:
                    if begins > 1 or values != _DELIMITER_HINT:
                        yield begins, values
                    begins = reader.line_num + 1
            except csv.Error as error:
                raise _malformed(self.path, begins, error) from error


def open_csv(path: Path, encoding: str | None = None) -> CsvText:
    """Find out how the text in `path` is written; `encoding` overrides what would be detected.

    UTF-8 and UTF-16 (with or without byte order mark) and GB18030 (hence GBK and GB 2312) are recognised.
    Every byte is decoded strictly: a text in which one does not fit raises `UnreadableFile`, naming the line.
    """
    known = _detect_encoding(path) if encoding is None else _given_encoding(path, encoding)
    with path.open(encoding=known, newline="") as file:
        sample = file.read(_SNIFFED_CHARACTERS)
        complete = not file.read(1)
    return CsvText(path, known, _detect_delimiter(sample, complete))


def _given_encoding(path: Path, encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise UnreadableFile(
            _("There is no encoding named {encoding}.", encoding=encoding),
            _("For example: utf-8, gb18030, big5."),
        ) from error
    line = _undecodable_line(path, encoding)
    if line is not None:
        raise UnreadableFile(
            _("Line {line} of {file} is not {encoding}.", line=line, file=path.name, encoding=encoding)
        )
    return encoding


def _detect_encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if marked is not None:
        return _given_encoding(path, marked)
    wide = _unmarked_utf16(head)
    if wide is not None and _undecodable_line(path, wide) is None:
        return wide
    line = _undecodable_line(path, "utf-8")
    if line is None:
        return "utf-8"
    if _undecodable_line(path, "gb18030") is None and _reads_as_chinese(path):
        return "gb18030"
    raise UnreadableFile(
        _("Line {line} of {file} is neither UTF-8, UTF-16 nor GB18030 text.", line=line, file=path.name),
        _("Save the table as 'CSV UTF-8' and import it again, or say its encoding."),
    )


def _unmarked_utf16(head: bytes) -> str | None:
    """Latin letters, digits and delimiters have a zero in one half of each UTF-16 unit, and hardly elsewhere."""
    pairs = len(head) // 2
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high > low * 4 and high >= max(2, pairs * 0.05):
        return "utf-16-le"
    if low > high * 4 and low >= max(2, pairs * 0.05):
        return "utf-16-be"
    return None


def _undecodable_line(path: Path, encoding: str) -> int | None:
    """Return the first line that is not valid in `encoding`, None when all is; a NUL character is an error."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # The codec may have kept some bytes of the chunk before; they never hold a line's end.
                return line + error.object[: error.start].count(b"\n")
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise UnreadableFile(
                    _("{file} seems to be a binary file: line {line} has a NUL.", file=path.name, line=line)
                )
            line += text.count("\n")
            if not chunk:
                return None


def _reads_as_chinese(path: Path) -> bool:
    with path.open(encoding="gb18030", newline="") as file:
        counts = Counter(character for character in file.read(1_000_000) if not character.isascii())
    common = sum(count for character, count in counts.items() if _is_common_chinese(character))
    return common >= counts.total() * _COMMON_SHARE


def _is_common_chinese(character: str) -> bool:
    """Tell whether it is punctuation, a full-width form or one of the 3,755 first-level characters of GB 2312."""
    try:
        row = character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return row in (0xA1, 0xA3) or 0xB0 <= row <= 0xD7


def _detect_delimiter(sample: str, complete: bool) -> str:
    """Choose the delimiter that cuts most records into the same number of values, at least two."""
    if sample[:4].lower() == "sep=" and sample[4:5] in _DELIMITERS:
        return sample[4]
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = _widths(sample, delimiter, complete)
        if not widths:
            continue
        width, count = max(Counter(widths).items(), key=lambda item: (item[1], item[0]))
        score = (count / len(widths), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _widths(sample: str, delimiter: str, complete: bool) -> list[int]:
    reader = csv.reader(StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
    records = islice(reader, _SNIFFED_RECORDS)
    try:
        widths = [len(record) for record in records if record]
    except csv.Error:
        return []
    cut_off = not complete and len(widths) < _SNIFFED_RECORDS
    return widths[:-1] if cut_off else widths


def _malformed(path: Path, line: int, error: csv.Error) -> UnreadableFile:
    if "field larger" in str(error):
        detail = _(
            "The record that begins at line {line} of {file} has a value of more than {limit} characters.",
            line=line,
            file=path.name,
            limit=MAX_CELL_CHARACTERS,
        )
    else:
        detail = _(
            "The record that begins at line {line} of {file} has a quotation mark that is left open or misplaced.",
            line=line,
            file=path.name,
        )
    return UnreadableFile(
        detail, _("Quotation marks inside a value are doubled, and the value stands in quotation marks.")
    )
