"""Lists as files: CSV for programs, XLSX for people; no cell can become a formula."""

import csv
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from wuye.context import Context
from wuye.errors import BadRequest
from wuye.i18n import _
from wuye.resources import query
from wuye.resources.declaration import Resource
from wuye.resources.fields import INVISIBLE

#: What a spreadsheet takes for the beginning of a formula (OWASP's list); such a text gets an apostrophe in front, also
#: where the sign is a wide one (＝) or stands behind what nobody sees.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(ctx: Context, resource: Resource, file: Path, wanted: query.Query | None = None) -> int:
    """Write all rows that a query finds (by default the whole list) and the actor may see; return how many.

    The columns are the query's fields, or all that there are.

    Raises:
        BadRequest: the file's suffix is neither .csv nor .xlsx.
    """
    wanted = wanted or query.Query({}, sort=resource.sort[0])
    names = wanted.fields or tuple(resource.attributes)
    return write(file, names, rows(ctx, resource, replace(wanted, fields=names)))


def write(file: Path, names: tuple[str, ...], lines: Iterator[list[str]]) -> int:
    """Write rows under their names; return how many.

    Raises:
        BadRequest: the file's suffix is neither .csv nor .xlsx.
    """
    if file.suffix.lower() == ".csv":
        return _write_csv(file, names, lines)
    if file.suffix.lower() == ".xlsx":
        return _write_xlsx(file, names, lines)
    raise BadRequest(_("Name the file .csv or .xlsx."))


def counted(lines: Iterator[list[str]], stride: int, tell: Callable[[int], None]) -> Iterator[list[str]]:
    """Yield the rows, and tell after every so many of them how many there were."""
    for number, line in enumerate(lines, 1):
        yield line
        if number % stride == 0:
            tell(number)


def rows(ctx: Context, resource: Resource, wanted: query.Query) -> Iterator[list[str]]:
    """Yield every row that a query finds as texts, page by page; times in the estate's zone."""
    names, after = wanted.fields, None
    while True:
        page = query.run(ctx, resource, replace(wanted, fields=("id", *names), limit=query.MAX_LIMIT, after=after))
        for item in page.items:
            yield [_text(item[name], ctx) for name in names]
        if page.after is None:
            return
        after = query.read_cursor(resource, wanted.sort, page.after)


def _text(value: Any, ctx: Context) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        value = value["label"]
    if isinstance(value, datetime):
        value = value.astimezone(ctx.estate.tzinfo).isoformat(sep=" ", timespec="seconds")
    return str(value)


def harmless(value: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    shown = unicodedata.normalize("NFKC", value.lstrip(INVISIBLE))
    return f"'{value}" if value.startswith(_FORMULA) or shown.startswith(_FORMULA) else value


def _write_csv(file: Path, names: tuple[str, ...], lines: Iterator[list[str]]) -> int:
    count = 0
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(names)
        for count, line in enumerate(lines, 1):  # noqa: B007 (the count is the result)
            writer.writerow([harmless(value) for value in line])
    return count


def _write_xlsx(file: Path, names: tuple[str, ...], lines: Iterator[list[str]]) -> int:
    count = 0
    import xlsxwriter

    with xlsxwriter.Workbook(str(file), {"constant_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, names)
        for count, line in enumerate(lines, 1):
            for column, value in enumerate(line):
                cast(Any, sheet).write_string(count, column, value)
    return count
