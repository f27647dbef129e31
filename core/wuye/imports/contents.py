"""What a file is, judged by its bytes and never by its name; the limits and the error that all readers share."""

import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Literal

from wuye.i18n import LazyText, _

Cell = str | float | bool | datetime
"""One value as a file holds it. CSV has only `str`; an empty cell is `""`; datetimes are naive (local)."""

Kind = Literal["csv", "xlsx"]

MAX_FILE_BYTES = 100 * 1024 * 1024
"""100 MB: ten times the largest export seen; more is a database dump and belongs into several files."""
MAX_ROWS = 200_000
"""Rows are kept in memory to be read twice (formats first, then values): 200,000 × 12 cells are some 300 MB."""
MAX_CELL_CHARACTERS = 1024 * 1024
"""No field of any record takes more; a longer cell is nearly always a quotation mark that was never closed."""

_SPREADSHEET_NAMES = {".xlsx", ".xlsm"}
_TEXT_NAMES = {".csv", ".tsv", ".tab", ".txt"}
_SIGNATURES: tuple[tuple[bytes, LazyText], ...] = (
    (b"%PDF", _("a PDF document")),
    (b"\x89PNG\r\n\x1a\n", _("a picture (PNG)")),
    (b"\xff\xd8\xff", _("a picture (JPEG)")),
    (b"GIF8", _("a picture (GIF)")),
    (b"\x1f\x8b", _("a compressed file (GZIP)")),
    (b"7z\xbc\xaf\x27\x1c", _("a compressed archive (7z)")),
    (b"Rar!", _("a compressed archive (RAR)")),
    (b"SQLite format 3\x00", _("a SQLite database")),
    (b"PAR1", _("a Parquet file")),
    (b"{\\rtf", _("a text document (RTF)")),
)
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, little and big end first
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ARCHIVE_MEMBERS: tuple[tuple[str, LazyText], ...] = (
    ("xl/workbook.bin", _("a binary Excel workbook (XLSB)")),
    ("word/document.xml", _("a Word document (DOCX)")),
    ("ppt/presentation.xml", _("a PowerPoint presentation (PPTX)")),
)
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_HTML = re.compile(r"<(!doctype\s+html|html|head|body|table|meta)\b", re.IGNORECASE)
_JSON = re.compile(r'\{\s*"|\[\s*[\[{]')

_SAVE_AS_XLSX = _("Open it in a spreadsheet program, save it as an Excel workbook (.xlsx) and import that.")
_SAVE_AS_EITHER = _("Import a CSV or XLSX file.")


class UnreadableFile(ValueError):
    """A file that cannot be taken as a table; `detail` says what is wrong and where, `hint` what to do."""

    def __init__(self, detail: LazyText, hint: LazyText | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return str(self.detail) if self.hint is None else f"{self.detail} {self.hint}"


def identify(path: Path) -> Kind:
    """Return what `path` holds; raise `UnreadableFile` for anything else, and when its name says otherwise."""
    head = _head(path)
    kind = _archive_kind(path) if head.startswith(b"PK") else _text_kind(path, head)
    suffix = path.suffix.lower()
    if kind == "xlsx" and suffix in _TEXT_NAMES | {".xls"}:
        raise _mistaken(path, _("an Excel workbook (XLSX)"), _("Rename it to .xlsx and import it again."))
    if kind == "csv" and suffix in _SPREADSHEET_NAMES | {".xls", ".xlsb", ".ods"}:
        if b"\0" in head and not head.startswith(_WIDE_MARKS):
            raise _mistaken(path, _("a binary file that is not a table"), _SAVE_AS_EITHER)
        raise _mistaken(path, _("plain text (CSV)"), _("Rename it to .csv and import it again."))
    return kind


def _head(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadableFile(_("{file} is not a file.", file=path.name), _SAVE_AS_EITHER)
        if size > MAX_FILE_BYTES:
            raise UnreadableFile(
                _(
                    "{file} has {size} MB; at most {limit} MB can be imported at once.",
                    file=path.name,
                    size=-(-size // 1024**2),
                    limit=MAX_FILE_BYTES // 1024**2,
                ),
                _("Split it into several files."),
            )
        with path.open("rb") as file:
            head = file.read(8192)
    except OSError as error:
        raise UnreadableFile(_("{file} cannot be opened: {why}.", file=path, why=error.strerror)) from error
    if not head.strip(b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n"):
        raise UnreadableFile(_("{file} is empty.", file=path.name))
    return head


def _archive_kind(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            document_type = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise _mistaken(path, _("a damaged Excel workbook or ZIP archive"), _SAVE_AS_XLSX) from error
    if "xl/workbook.xml" in names:
        return "xlsx"
    for member, description in _ARCHIVE_MEMBERS:
        if member in names:
            raise _mistaken(path, description, _SAVE_AS_XLSX)
    if document_type.startswith(_OPEN_DOCUMENT):
        raise _mistaken(path, _("an OpenDocument file (ODF)"), _SAVE_AS_XLSX)
    raise _mistaken(path, _("a ZIP archive"), _("Unpack it and import the table that is in it."))


def _text_kind(path: Path, head: bytes) -> Kind:
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            raise _mistaken(path, description, _SAVE_AS_EITHER)
    if head.startswith(_OLE):
        raise _ole(path)
    wide = head.startswith(_WIDE_MARKS)
    text = head.decode("utf-16" if wide else "utf-8-sig", errors="ignore").lstrip()
    if _HTML.search(text[:1000]) and text.startswith("<"):
        raise _mistaken(path, _("a web page (HTML)"), _SAVE_AS_XLSX)
    if text.startswith(("<?xml", "<Workbook", "<workbook")):
        raise _mistaken(path, _("an XML document"), _SAVE_AS_XLSX)
    if _JSON.match(text):
        raise _mistaken(path, _("a JSON document"), _SAVE_AS_EITHER)
    return "csv"


def _ole(path: Path) -> UnreadableFile:
    if "EncryptedPackage".encode("utf-16-le") in path.read_bytes():
        return UnreadableFile(
            _("{file} is protected by a password.", file=path.name),
            _("Open it, remove the password, save it and import it again."),
        )
    return _mistaken(path, _("an old Excel workbook or Office document (XLS, DOC)"), _SAVE_AS_XLSX)


def _mistaken(path: Path, seems: LazyText, hint: LazyText) -> UnreadableFile:
    return UnreadableFile(
        _("{file} cannot be read as it is: it seems to be {seems}.", file=path.name, seems=seems), hint
    )
