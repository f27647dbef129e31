"""Importing a file: read, mapped, validated by the API's own rules, written in batches.

Every row becomes something or a line of the report. A batch is one transaction; a row that the database or a plugin
refuses costs itself, not its batch, and leaves nothing of itself behind. The same file twice creates nothing twice.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

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
from wuye.imports.references import References
from wuye.imports.report import Fault, Report
from wuye.imports.rows import Importer, Refused, ResourceImporter
from wuye.installation import Installation, find_estate
from wuye.records import search
from wuye.records.models import Record
from wuye.resources.declaration import Resource

#: Rows in one transaction: large enough to be quick, small enough not to hold the estate's counters for long.
BATCH = 500

_REFUSALS = (IntegrityError, DataError, StaleDataError)

Progress = Callable[[int, int], None]


class _Discard(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True)
class _Plan:
    """What a run knows before its first row, and the rows in which it has seen each key (`seen`)."""

    file: str
    dry_run: bool
    importer: Importer
    table: Table
    mapping: ColumnMapping
    targets: Mapping[str, Target]
    formats: Mapping[str, DateFormat]
    words: Mapping[str, Mapping[str, str]]
    identities: Mapping[int, str]
    seen: dict[str, int] = field(default_factory=dict)


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
        Invalid: a date column can be read in two ways, or a format is not one. NotFound: there is no such estate or
        kind, or the kind's plugin is not enabled there.
    """
    resource = _resource(place, estate, kind)
    table = read_table(path, sheet=sheet)
    plan = _plan(resource, table, mapping, formats or {}, path.name, dry_run=dry_run)
    report = Report(kind, path.name, table.source, dry_run, rows=len(table.rows), mapping=plan.mapping.to_toml())
    report.notes += [*plan.mapping.notes]
    if plan.identities:
        report.notes.append(
            _(
                "{count} rows have no external id; they are known again by their content: one that changes is new.",
                count=len(plan.identities),
            )
        )
    batches = [table.rows[start : start + BATCH] for start in range(0, len(table.rows), BATCH)]
    if dry_run:
        _rehearse(place, estate, plan, batches, report, progress)
        return report
    done = 0
    for batch in batches:
        with place.database.session() as session:
            report.add(_batch(_context(place, session, estate), plan, batch))
        done += len(batch)
        if progress:
            progress(done, len(table.rows))
    return report


def _resource(place: Installation, estate: str, kind: str) -> Resource:
    with place.database.session() as session:
        plugins = _context(place, session, estate).plugins
    resources = place.plugins.registry.resources.values()
    known = {item.name: item for item in resources if item.importable and item.plugin in plugins}
    if kind not in known:
        names = ", ".join(sorted(known))
        raise NotFound(_("There is nothing called “{name}”: use one of {known}.", name=kind, known=names))
    return known[kind]


def _plan(
    resource: Resource, table: Table, path: Path | None, spellings: Mapping[str, str], file: str, *, dry_run: bool
) -> _Plan:
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
        file,
        dry_run,
        importer,
        table,
        mapping,
        by_name,
        _formats(table, mapping, by_name, spellings),
        importer.words or words_of(resource, schema),
        _identities(table, mapping) if resource.is_record else {},
    )


def _identities(table: Table, mapping: ColumnMapping) -> dict[int, str]:
    """Return row number → an external id made of the row's content, for rows that have none of their own.

    Of rows that are alike in every cell the second, third … get ids of their own.
    """
    source = mapping.columns.get("external_id")
    alike: Counter[str] = Counter()
    identities: dict[int, str] = {}
    for row in table.rows:
        cells = dict(zip(table.columns, row.values, strict=True))
        if row.fault is None and (source is None or source.take(cells) == ""):
            content = "\x1f".join(f"{name}\x1e{cells[name]}" for name in sorted(cells))
            digest = hashlib.blake2b(content.encode(errors="replace"), digest_size=10).hexdigest()
            alike[digest] += 1
            identities[row.number] = f"row-{digest}" + (f"-{alike[digest]}" if alike[digest] > 1 else "")
    return identities


def _formats(
    table: Table, mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]
) -> dict[str, DateFormat]:
    """Return how each date column is written: as told, else as all of its values agree.

    Raises:
        Invalid: they agree on more than one way, or what was told is no format or for no date column.
    """
    formats: dict[str, DateFormat] = {}
    unclear: list[FieldError] = []
    _check_spellings(mapping, targets, spellings)
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


def _check_spellings(mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]) -> None:
    dates = [name for name in mapping.columns if targets[name].kind == "date"]
    errors: list[FieldError] = []
    for name, spelling in spellings.items():
        if name not in dates:
            hint = _("Use one of: {choices}.", choices=", ".join(dates) or "—")
            errors.append(FieldError(name, _("No date column is mapped to this field."), hint))
            continue
        try:
            DateFormat.named(spelling)
        except ValueError as error:
            errors.append(FieldError(name, _reason(error)))
    if errors:
        raise Invalid(_("The formats cannot be used."), errors=errors)


def _context(place: Installation, session: Any, estate: str) -> Context:
    ctx = place.context(session, find_estate(session, estate), system_actor(place.plugins, "import"))
    ctx.quiet = True
    return ctx


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
                report.add(_batch(ctx, plan, batch))
                session.expunge_all()
                done += len(batch)
                if progress:
                    progress(done, report.rows)
            raise _Discard
    except _Discard:
        return


def _batch(ctx: Context, plan: _Plan, rows: Sequence[Row]) -> Report:
    """Write rows together; if anything but the file's own faults stops that, each of them by itself."""
    if not plan.importer.row_by_row:
        try:
            with ctx.session.begin_nested():
                return _together(ctx, plan, rows)
        except (Problem, *_REFUSALS):
            ctx.discard()
    report = Report("", plan.file)
    for row in rows:
        report.add(_alone(ctx, plan, row))
    return report


def _together(ctx: Context, plan: _Plan, rows: Sequence[Row]) -> Report:
    report = Report("", plan.file)
    references = References(ctx, plan.mapping.create, plan.file, report.made)
    with search.gathered(ctx.session):
        prepared = list(_prepared(ctx, plan, rows, report))
        plan.importer.load(ctx, references, [values for _row, values in prepared])
        for row, values in prepared:
            try:
                plan.importer.write(ctx, references, row.number, values, report)
            except Refused as refusal:
                if plan.importer.row_by_row:
                    raise
                report.reject(row.number, [_located(plan, fault) for fault in refusal.faults])
        references.write()
        _settle(ctx, dry_run=plan.dry_run)
    return report


def _alone(ctx: Context, plan: _Plan, row: Row) -> Report:
    """Write one row within a savepoint: what is refused, by whomever, leaves nothing behind."""
    faults: list[Fault]
    try:
        with ctx.session.begin_nested():
            return _together(ctx, plan, [row])
    except Refused as refusal:
        faults = [_located(plan, fault) for fault in refusal.faults]
    except Problem as problem:
        faults = [_located(plan, Fault(error.field, "", error.reason)) for error in problem.errors]
        faults = faults or [Fault("", "", problem.detail)]
    except _REFUSALS as error:
        faults = [Fault("", "", _("The database refuses it: {reason}.", reason=_constraint(error)))]
    ctx.discard()
    report = Report("", plan.file)
    report.reject(row.number, faults)
    return report


def _settle(ctx: Context, *, dry_run: bool) -> None:
    """Write what was gathered. A dry run asks the database too, but takes no numbers and leaves the timeline alone:
    both are locked until the end of the transaction, and others are at work."""
    if not dry_run:
        ctx.seal()
        return
    for row in ctx.session.new:
        if isinstance(row, Record) and row.number is None:
            row.number = f"dry-run-{row.id}"
    ctx.session.flush()
    ctx.discard()


def _constraint(error: Exception) -> str:
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    return str(getattr(diagnosis, "constraint_name", None) or type(error).__name__)


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
        if row.number in plan.identities:
            values["external_id"] = plan.identities[row.number]
        if not faults and (first := _first_with(plan, row, values)) != row.number:
            faults.append(_located(plan, Fault(str(plan.importer.key), "", _("Row {row} has the same.", row=first))))
        if faults:
            report.reject(row.number, faults)
        else:
            yield row, values


def _first_with(plan: _Plan, row: Row, values: Mapping[str, Any]) -> int:
    """Return the row in which this row's key was seen first."""
    key = str(values.get(plan.importer.key or "", ""))
    return plan.seen.setdefault(key, row.number) if key else row.number


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
