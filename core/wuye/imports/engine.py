"""Importing a file: read, mapped, validated by the API's own rules, written in batches.

Every row becomes something or a line of the report. A batch is one transaction; a row that the database or a plugin
refuses costs itself, not its batch, and leaves nothing of itself behind. The same file twice creates nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from wuye.context import Context
from wuye.errors import NotFound, Problem
from wuye.estates.services import system_actor
from wuye.i18n import _
from wuye.imports.files import Row, read_table
from wuye.imports.headers import normal_value
from wuye.imports.mapping import Mapping as ColumnMapping
from wuye.imports.mapping import Target, guess
from wuye.imports.plans import Plan, importer_of, plan
from wuye.imports.references import References
from wuye.imports.report import Fault, Preview, Report
from wuye.imports.rows import Refused
from wuye.installation import Installation, find_estate
from wuye.records import search
from wuye.records.models import Record
from wuye.resources.declaration import Resource

#: Rows in one transaction: large enough to be quick, small enough not to hold the estate's counters for long.
BATCH = 500

_REFUSALS = (IntegrityError, DataError, StaleDataError)

Progress = Callable[[int, int], None]

#: Opens a step of its own: a transaction that is committed at the end of the block.
Step = Callable[[], AbstractContextManager[Context]]

#: Called in a batch's own transaction with its report and the number of rows that are done then.
Written = Callable[[Context, Report, int], None]


class _Discard(Exception):
    """Ends the transaction of a dry run."""


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

    @contextmanager
    def step() -> Iterator[Context]:
        with place.database.session() as session:
            ctx = place.context(session, find_estate(session, estate), system_actor(place.plugins, "import"))
            ctx.quiet = True
            yield ctx

    def written(_ctx: Context, _report: Report, done: int) -> None:
        if progress:
            progress(done, len(table.rows))

    resource = _resource(place, step, kind)
    table = read_table(path, sheet=sheet)
    targets = importer_of(resource).targets
    columns = ColumnMapping.load(mapping, targets) if mapping else guess(table.columns, targets)
    made = plan(resource, table, columns, path.name, spellings=formats, dry_run=dry_run)
    report = Report(kind, path.name, table.source, dry_run, rows=len(table.rows), mapping=columns.to_toml())
    report.notes += [*columns.notes]
    if made.identities:
        report.notes.append(
            _(
                "{count} rows have no external id; they are known again by their content: one that changes is new.",
                count=len(made.identities),
            )
        )
    report.add(execute(step, made, written))
    return report


def execute(step: Step, plan: Plan, written: Written, *, start: int = 0) -> Report:
    """Write a plan's rows from the one at place `start` on, in batches, each of them a step; or rehearse that.

    A dry run does everything in one step and rolls it back. `written` is called after each batch, within its step.
    """
    report = Report("", plan.file)
    batches = [plan.table.rows[place : place + BATCH] for place in range(start, len(plan.table.rows), BATCH)]
    if plan.dry_run:
        try:
            with step() as ctx:
                for batch in batches:
                    report.add(_batch(ctx, plan, batch))
                    ctx.session.expunge_all()
                    start += len(batch)
                    written(ctx, report, start)
                raise _Discard
        except _Discard:
            return report
    for batch in batches:
        with step() as ctx:
            some = _batch(ctx, plan, batch)
            start += len(batch)
            written(ctx, some, start)
        report.add(some)
    return report


def _resource(place: Installation, step: Step, kind: str) -> Resource:
    with step() as ctx:
        plugins = ctx.plugins
    resources = place.plugins.registry.resources.values()
    known = {item.name: item for item in resources if item.importable and item.plugin in plugins}
    if kind not in known:
        names = ", ".join(sorted(known))
        raise NotFound(_("There is nothing called “{name}”: use one of {known}.", name=kind, known=names))
    return known[kind]


def _batch(ctx: Context, plan: Plan, rows: Sequence[Row]) -> Report:
    """Write rows together within a savepoint; what is refused, by whomever, is found by halving, and leaves nothing behind."""
    try:
        with ctx.session.begin_nested():
            return _together(ctx, plan, rows)
    except (Refused, Problem, *_REFUSALS) as error:
        ctx.discard()
        report = Report("", plan.file)
        if len(rows) == 1:
            report.reject(rows[0].number, [_located(plan, fault) for fault in _faults(error)])
            return report
    half = len(rows) // 2
    report.add(_batch(ctx, plan, rows[:half]))
    report.add(_batch(ctx, plan, rows[half:]))
    return report


def _faults(error: Exception) -> Sequence[Fault]:
    """Return what is wrong with a row that was refused."""
    if isinstance(error, Refused):
        return error.faults
    if isinstance(error, Problem):
        return [Fault(each.field, "", each.reason) for each in error.errors] or [Fault("", "", error.detail)]
    return [Fault("", "", _("The database refuses it: {reason}.", reason=_constraint(error)))]


def _together(ctx: Context, plan: Plan, rows: Sequence[Row]) -> Report:
    report = Report("", plan.file)
    references = References(ctx, plan.mapping.create, plan.file, report.made)
    with search.gathered(ctx.session):
        prepared = list(_prepared(ctx, plan, rows, report))
        plan.importer.load(ctx, references, [values for _row, values in prepared])
        for row, values in prepared:
            before, gathered = report.outcomes, ctx.gathered
            shown = dict(values)
            try:
                plan.importer.write(ctx, references, row.number, values, report)
            except (Refused, Problem) as refusal:
                if ctx.gathered != gathered:
                    raise  # something of the row is written: only the savepoint takes that back
                report.reject(row.number, [_located(plan, fault) for fault in _faults(refusal)])
            else:
                report.preview(Preview(row.number, report.outcome_since(before), shown))
        references.write()
        plan.importer.finish(ctx)
        _settle(ctx, dry_run=plan.dry_run)
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


def _located(plan: Plan, fault: Fault) -> Fault:
    """Return a fault with the header of the column that its field came from."""
    source = plan.mapping.columns.get(fault.field)
    return Fault(fault.field, fault.column or (", ".join(source.columns) if source else ""), fault.reason)


def _prepared(ctx: Context, plan: Plan, rows: Sequence[Row], report: Report) -> Iterator[tuple[Row, dict[str, Any]]]:
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


def _first_with(plan: Plan, row: Row, values: Mapping[str, Any]) -> int:
    """Return the row in which this row's key was seen first."""
    key = str(values.get(plan.importer.key or "", ""))
    return plan.seen.setdefault(key, row.number) if key else row.number


def _value(ctx: Context, plan: Plan, target: Target, value: Any) -> Any:
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
