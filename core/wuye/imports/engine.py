"""Importing a file: read, mapped, validated by the API's own rules, written in batches.

Every row becomes something or a line of the report. A batch is one transaction; a row that the database refuses costs
itself, not its batch. The same file twice creates nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError

from wuye.context import Context
from wuye.errors import FieldError, Invalid, NotFound, Problem
from wuye.estates.services import system_actor
from wuye.i18n import _
from wuye.imports.composites import COMPOSITES
from wuye.imports.dates import Ambiguous, DateFormat, detect
from wuye.imports.declared import import_schema, targets_of, words_of
from wuye.imports.files import Row, Table, read_table
from wuye.imports.headers import normal_value
from wuye.imports.mapping import Mapping as ColumnMapping
from wuye.imports.mapping import Target, guess
from wuye.imports.references import References, Unresolved
from wuye.imports.report import Fault, Report
from wuye.imports.rows import Importer, Refused, ResourceImporter
from wuye.installation import Installation, find_estate
from wuye.resources.declaration import Resource

#: Rows in one transaction: large enough to be quick, small enough not to hold the estate's counters for long.
BATCH = 500

Progress = Callable[[int, int], None]


class _Discard(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True)
class _Plan:
    """What a run knows before its first row."""

    importer: Importer
    table: Table
    mapping: ColumnMapping
    targets: Mapping[str, Target]
    formats: Mapping[str, DateFormat]
    words: Mapping[str, Mapping[str, str]]


def run(
    place: Installation,
    estate: str,
    kind: str,
    path: Path,
    *,
    mapping: Path | None = None,
    formats: Mapping[str, str] | None = None,
    dry_run: bool = False,
    sheet: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Import a file into an estate; `kind` is a resource's name (`requests`), `formats` says how date columns are written.

    Without a mapping the columns are guessed; the report has the mapping that was used. A dry run writes nothing.

    Raises:
        UnreadableFile: it is not what its name says, or too large. MappingError: the mapping does not fit the file.
        Invalid: a date column can be read in two ways. NotFound: there is no such estate or kind.
    """
    resource = _resource(place, kind)
    table = read_table(path, sheet=sheet)
    plan = _plan(resource, table, mapping, formats or {})
    report = Report(kind, path.name, table.source, dry_run, rows=len(table.rows), mapping=plan.mapping.to_toml())
    report.notes += [*plan.mapping.notes]
    batches = [table.rows[start : start + BATCH] for start in range(0, len(table.rows), BATCH)]
    if dry_run:
        _rehearse(place, estate, plan, batches, report, progress)
        return report
    done = 0
    for batch in batches:
        report.add(_write(place, estate, plan, batch, path.name))
        done += len(batch)
        if progress:
            progress(done, len(table.rows))
    return report


def _resource(place: Installation, kind: str) -> Resource:
    known = {item.name: item for item in place.plugins.registry.resources.values() if item.importable}
    if kind not in known:
        names = ", ".join(sorted(known))
        raise NotFound(_("There is nothing called “{name}”: use one of {known}.", name=kind, known=names))
    return known[kind]


def _plan(resource: Resource, table: Table, path: Path | None, spellings: Mapping[str, str]) -> _Plan:
    composite = COMPOSITES.get(resource.key)
    schema = import_schema(resource)
    importer: Importer
    if composite is not None:
        importer = composite(resource)
        targets = importer.targets
    else:
        targets = targets_of(resource, schema)
        importer = ResourceImporter(resource, schema, targets)
    mapping = ColumnMapping.load(path, targets) if path else guess(table.columns, targets)
    mapping.check(table.columns, targets)
    by_name = {target.name: target for target in targets}
    return _Plan(
        importer,
        table,
        mapping,
        by_name,
        _formats(table, mapping, by_name, spellings),
        importer.words or words_of(resource, schema),
    )


def _formats(
    table: Table, mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]
) -> dict[str, DateFormat]:
    """Return how each date column is written: as told, else as all of its values agree.

    Raises:
        Invalid: they agree on more than one way.
    """
    formats: dict[str, DateFormat] = {}
    unclear: list[FieldError] = []
    for name, source in mapping.columns.items():
        if targets[name].kind != "date":
            continue
        spelling = spellings.get(name) or mapping.formats.get(name)
        if spelling:
            formats[name] = DateFormat.named(str(spelling))
            continue
        found = detect(value for column in source.columns for value in table.column(column) if value != "")
        if isinstance(found, Ambiguous):
            hint = _("Say it with --format {field}=…, or under [formats] in the mapping.", field=name)
            unclear.append(FieldError(", ".join(source.columns), str(found), hint))
        elif found is not None:
            formats[name] = found
    if unclear:
        raise Invalid(_("Dates in this file can be read in more than one way."), errors=unclear)
    return formats


def _context(place: Installation, session: Any, estate: str) -> Context:
    return place.context(session, find_estate(session, estate), system_actor(place.plugins, "import"))


def _rehearse(
    place: Installation,
    estate: str,
    plan: _Plan,
    batches: Sequence[Sequence[Row]],
    report: Report,
    progress: Progress | None,
) -> None:
    """Do everything in one transaction, and roll it back."""
    done = 0
    try:
        with place.database.session() as session:
            ctx = _context(place, session, estate)
            for batch in batches:
                report.add(_batch(ctx, plan, batch, report.file))
                ctx.seal()
                done += len(batch)
                if progress:
                    progress(done, report.rows)
            raise _Discard
    except _Discard:
        return


def _write(place: Installation, estate: str, plan: _Plan, rows: Sequence[Row], source: str) -> Report:
    """Write a batch in one transaction; if the database refuses it, each of its rows in one of its own."""
    try:
        with place.database.session() as session:
            ctx = _context(place, session, estate)
            written = _batch(ctx, plan, rows, source)
            ctx.seal()
        return written
    except IntegrityError as error:
        if len(rows) == 1:
            refused = Report("", source)
            refused.reject(
                rows[0].number, [Fault("", "", _("The database refuses it: {reason}.", reason=_constraint(error)))]
            )
            return refused
    separate = Report("", source)
    for row in rows:
        separate.add(_write(place, estate, plan, [row], source))
    return separate


def _constraint(error: IntegrityError) -> str:
    return str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or type(error.orig).__name__)


def _batch(ctx: Context, plan: _Plan, rows: Sequence[Row], source: str) -> Report:
    report = Report("", source)
    references = References(ctx, plan.mapping.create, source, report.made)
    prepared = list(_prepared(ctx, plan, rows, report))
    plan.importer.load(ctx, references, [values for _row, values in prepared])
    for row, values in prepared:
        try:
            plan.importer.write(ctx, references, row.number, values, report)
        except Refused as refusal:
            report.reject(row.number, [_located(plan, fault) for fault in refusal.faults])
        except Unresolved as refusal:
            report.reject(row.number, [Fault("", "", refusal.reason)])
        except Problem as problem:
            faults = [Fault(error.field, "", error.reason) for error in problem.errors]
            report.reject(row.number, [_located(plan, f) for f in faults] or [Fault("", "", problem.detail)])
    references.write()
    return report


def _located(plan: _Plan, fault: Fault) -> Fault:
    """Return a fault with the header of the column that its field came from."""
    source = plan.mapping.columns.get(fault.field)
    return Fault(fault.field, fault.column or (", ".join(source.columns) if source else ""), fault.reason)


def _prepared(ctx: Context, plan: _Plan, rows: Sequence[Row], report: Report) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield each row with its values by field, dates read and words known; reject those that cannot be read."""
    for row in rows:
        if row.fault is not None:
            report.reject(row.number, [Fault("", "", row.fault)])
            continue
        cells: Mapping[str, Any] = plan.mapping.apply(plan.table.columns, row.values)
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for name, value in cells.items():
            target = plan.targets[name]
            try:
                values[name] = _value(ctx, plan, target, value)
            except ValueError as error:
                faults.append(_located(plan, Fault(name, "", _reason(error))))
        if faults:
            report.reject(row.number, faults)
        else:
            yield row, values


def _value(ctx: Context, plan: _Plan, target: Target, value: Any) -> Any:
    if target.kind == "date":
        if target.name in plan.formats:
            return plan.formats[target.name].parse(value, ctx.estate.tzinfo)
        if isinstance(value, datetime):
            return value
        raise ValueError(str(_("This is not a date.")))
    if target.kind == "choice":
        return plan.words.get(target.name, {}).get(normal_value(str(value)), value)
    if isinstance(value, float):
        if target.kind == "number":
            return repr(value)
        raise ValueError(str(_("The spreadsheet has rounded this number: format the column as text.")))
    return str(value)


def _reason(error: ValueError) -> Any:
    return error.args[0] if error.args else str(error)
