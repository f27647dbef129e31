"""An import in steps: a file that is sent, mapped, rehearsed and written, for one user of one estate.

The file lies in the data folder, everything else in the database, so that any process can take the next step. What the
steps do to the estate's data stands in `wuye.imports.engine`; here is what surrounds it.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from wuye.context import Context
from wuye.errors import Conflict, NotFound
from wuye.files import names, storage
from wuye.i18n import _, current_locale
from wuye.ids import uuid7
from wuye.imports.contents import Cell
from wuye.imports.dates import Ambiguous
from wuye.imports.declared import key_of_made
from wuye.imports.files import Table, read_table
from wuye.imports.mapping import Mapping, MappingError, Target, guess
from wuye.imports.models import ImportMapping, ImportRejection, ImportRun
from wuye.imports.plans import date_formats, importer_of
from wuye.jobs.queue import enqueue
from wuye.resources.choosing import at_work
from wuye.resources.declaration import Resource

#: The permission of importing at all; what is created or changed on the way needs its own besides.
IMPORT = "core.import"

#: What is not taken further is deleted after a day, with its file; what has ended after a week.
KEEP_DRAFT, KEEP_ENDED = timedelta(days=1), timedelta(days=7)

#: A file of so few rows is done while the sender waits: some three seconds at most.
AT_ONCE = 300

#: The job that rehearses and writes.
JOB = "core.import_file"

_ENDINGS = (".csv", ".xlsx", ".xlsm", ".tsv", ".tab", ".txt", ".xls", ".xlsb", ".ods")


def may(ctx: Context, resource: Resource) -> bool:
    """Tell whether the actor may import into a resource."""
    wanted = needed(ctx, resource)
    return (
        resource.importable
        and resource.create is not None
        and at_work(ctx, resource)
        and all(ctx.may(name) for name in wanted)
    )


def needed(ctx: Context, resource: Resource, mapping: Mapping | None = None) -> list[str]:
    """Return the permissions that an import needs: to create and to change, and for what a mapping makes besides."""
    wanted = [IMPORT, *(name for name in (resource.create, resource.update) if name)]
    if mapping is not None:
        registry = ctx.loaded.registry
        others = [key for name, key in importer_of(resource).others.items() if name in mapping.columns]
        others += [key_of_made(word) for word in mapping.create.values()]
        wanted += [str(registry.resources[key].create) for key in others]
    return list(dict.fromkeys(wanted))


def begin(ctx: Context, resource: Resource, name: str, stream: BinaryIO) -> ImportRun:
    """Keep a file that somebody sent, and return the import that it begins.

    Raises:
        UnreadableFile: it is no table that can be read.
    """
    with tempfile.TemporaryDirectory(prefix="wuye-import-") as folder:
        first = stream.read(2)
        stream.seek(0)
        usual = ".xlsx" if first == b"PK" else ".csv"
        path = Path(folder) / names.clean(name, (usual, *_ENDINGS))
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        table = read_table(path)
        with path.open("rb") as file:
            sha256, size = storage.put(folder_of(ctx), file)
    assert ctx.actor.user_id is not None, "a user sends files"
    run = ImportRun(
        id=uuid7(),
        user_id=ctx.actor.user_id,
        resource=resource.key,
        state="draft",
        name=path.name,
        sha256=sha256,
        size=size,
        total=len(table.rows),
        locale=current_locale(),
        created_at=ctx.now,
        updated_at=ctx.now,
        expires_at=ctx.now + KEEP_DRAFT,
    )
    ctx.session.add(run)
    return run


def find(ctx: Context, resource: Resource, identity: UUID, *, lock: bool = False) -> ImportRun:
    """Return one of the actor's own imports into a resource; with `lock` nobody else changes it until the step's end.

    Raises:
        NotFound: they have no such import (any more).
    """
    mine = select(ImportRun).where(
        ImportRun.id == identity, ImportRun.user_id == ctx.actor.user_id, ImportRun.resource == resource.key
    )
    run = ctx.session.scalar(mine.with_for_update() if lock else mine)
    if run is None:
        raise NotFound(_("There is no such import: its file is kept for some days only. Send it again."))
    return run


def recent(ctx: Context, resource: Resource) -> Sequence[ImportRun]:
    """Return the actor's latest imports into a resource, the newest first."""
    mine = (ImportRun.user_id == ctx.actor.user_id, ImportRun.resource == resource.key)
    return ctx.session.scalars(select(ImportRun).where(*mine).order_by(ImportRun.id.desc()).limit(5)).all()


def read(ctx: Context, run: ImportRun) -> Table:
    """Read the table of an import.

    Raises:
        NotFound: its file is gone. UnreadableFile: the sheet that was chosen cannot be read.
    """
    with _opened(ctx, run) as path:
        return read_table(path, sheet=run.sheet)


def proposal(ctx: Context, resource: Resource, run: ImportRun, table: Table) -> tuple[Mapping, bool]:
    """Return how the columns are mapped so far, and whether that comes from an earlier file with the same headers.

    What was chosen wins over what is remembered, and that over a guess.
    """
    targets = importer_of(resource).targets
    if run.mapping is not None:
        return Mapping.from_toml(run.mapping, targets), False
    known = select(ImportMapping.mapping).where(
        ImportMapping.resource == resource.key, ImportMapping.headers == _digest(table)
    )
    text = ctx.session.scalar(known)
    if text is not None:
        try:
            return Mapping.from_toml(text, targets), True
        except MappingError:  # a field of then may be gone since: then it is guessed again
            return guess(table.columns, targets), False
    return guess(table.columns, targets), False


def date_questions(table: Table, mapping: Mapping, targets: Sequence[Target]) -> dict[str, Ambiguous]:
    """Return the date fields whose columns can be read in more than one way."""
    open_ = Mapping(mapping.columns)
    found = date_formats(table, open_, {target.name: target for target in targets}, {})
    return {name: each for name, each in found.items() if isinstance(each, Ambiguous)}


def rehearse(ctx: Context, resource: Resource, run: ImportRun, table: Table, mapping: Mapping) -> None:
    """Have an import rehearsed with these columns, and remember them for files with the same headers.

    Raises:
        Forbidden: the actor may not create what this makes. MappingError: the mapping does not fit the table.
        Conflict: it is under way already.
    """
    if run.state in ("checking", "writing"):
        raise Conflict(_("This import is under way: wait until it has ended."))
    for permission in needed(ctx, resource, mapping):
        ctx.require(permission)
    mapping.check(table.columns, importer_of(resource).targets)
    run.mapping = mapping.to_toml()
    row = {"resource": resource.key, "headers": _digest(table), "mapping": run.mapping, "updated_at": ctx.now}
    statement = insert(ImportMapping).values(estate_id=ctx.estate.id, id=uuid7(), **row)
    ctx.session.execute(statement.on_conflict_do_update(index_elements=["estate_id", "resource", "headers"], set_=row))
    _put_to_work(ctx, run, "checking")


def write(ctx: Context, run: ImportRun) -> None:
    """Have an import written that was rehearsed; once more is the same as once.

    Raises:
        Conflict: it was not rehearsed.
    """
    if run.state in ("writing", "done"):
        return
    if run.state != "checked":
        raise Conflict(_("This import was not checked yet."))
    _put_to_work(ctx, run, "writing")


def _put_to_work(ctx: Context, run: ImportRun, state: str) -> None:
    """Begin a state in which rows are worked through; a small file is worked through by whoever asks (see `AT_ONCE`)."""
    run.state, run.done, run.updated_at = state, 0, ctx.now
    run.expires_at = ctx.now + KEEP_DRAFT
    run.created = run.updated = run.unchanged = run.rejected = 0
    run.locale = current_locale()
    if state == "checking":
        run.report = {}
    ctx.session.execute(delete(ImportRejection).where(ImportRejection.run_id == run.id))
    if run.total > AT_ONCE:
        enqueue(ctx, JOB, run=str(run.id))


def rejections(ctx: Context, run: ImportRun, limit: int | None = None) -> Sequence[ImportRejection]:
    """Return the rows that an import refuses, as they stand in the file."""
    mine = select(ImportRejection).where(ImportRejection.run_id == run.id).order_by(ImportRejection.row)
    return ctx.session.scalars(mine.limit(limit)).all()


def write_rejected(ctx: Context, run: ImportRun, file: Path) -> None:
    """Write the refused rows into an XLSX file: all columns as they came, one more that says why, then what was too much.

    Raises:
        NotFound: the import's file is gone.
    """
    import xlsxwriter  # here: most processes never write a workbook

    table = read(ctx, run)
    reasons = {each.row: each for each in rejections(ctx, run)}
    options = {"constant_memory": True, "strings_to_formulas": False, "default_date_format": "yyyy-mm-dd hh:mm"}
    with xlsxwriter.Workbook(str(file), options) as book:
        sheet = cast(Any, book.add_worksheet())
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for place, name in enumerate((*table.columns, str(_("Why it was refused")))):
            sheet.set_column(place, place, 48 if place == len(table.columns) else 16)
            sheet.write_string(0, place, name, bold)
        bad = (row for row in table.rows if row.number in reasons)
        for line, row in enumerate(bad, 1):
            for place, value in (*enumerate(row.values), *enumerate(row.surplus, len(table.columns) + 1)):
                _write_cell(sheet, line, place, value)
            found = reasons[row.number]
            reason = f"{found.columns}: {found.reason}" if found.columns else found.reason
            sheet.write_string(line, len(table.columns), reason)


def _write_cell(sheet: Any, line: int, place: int, value: Cell) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, datetime):
        sheet.write_datetime(line, place, value)
    elif isinstance(value, float):
        sheet.write_number(line, place, value)
    else:
        sheet.write_string(line, place, value)


def discard(ctx: Context, run: ImportRun) -> None:
    """Forget an import that is not under way; its file is swept away within a day.

    Raises:
        Conflict: it is under way.
    """
    if run.state in ("checking", "writing"):
        raise Conflict(_("This import is under way: wait until it has ended."))
    ctx.session.delete(run)


def purge(ctx: Context) -> None:
    """Delete the imports that have expired, and the files that no import needs any more."""
    ctx.session.execute(delete(ImportRun).where(ImportRun.expires_at < ctx.now))
    storage.sweep(folder_of(ctx), set(ctx.session.scalars(select(ImportRun.sha256))))


def folder_of(ctx: Context) -> Path:
    """Return where an estate's imported files lie, apart from its attachments."""
    return storage.imports_of(ctx.data, ctx.estate.id)


@contextmanager
def _opened(ctx: Context, run: ImportRun) -> Iterator[Path]:
    """Give the path of a copy that has the file's own name, by which errors call it."""
    kept = storage.path_of(folder_of(ctx), run.sha256)
    if not kept.is_file():
        raise NotFound(_("The file of this import is gone: send it again."))
    with tempfile.TemporaryDirectory(prefix="wuye-import-") as folder:
        path = Path(folder) / run.name
        shutil.copyfile(kept, path)
        yield path


def _digest(table: Table) -> str:
    """Return what two files with the same headers, in whatever order, have in common."""
    return hashlib.blake2b("\x1f".join(sorted(table.columns)).encode(), digest_size=16).hexdigest()
