"""wuye import, export, report: data in and out."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select

from wuye.cli.failures import BAD_DATA
from wuye.cli.output import emit, installation, json_option, say, show
from wuye.errors import NotFound
from wuye.i18n import _
from wuye.imports.report import Report
from wuye.installation import Installation
from wuye.records.models import Record
from wuye.resources.declaration import Resource


@click.command("import")
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--estate", required=True, metavar="CODE")
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Column mapping (TOML).")
@click.option("--save-mapping", type=click.Path(path_type=Path), help="Write the mapping that was used.")
@click.option("--format", "formats", multiple=True, metavar="FIELD=SPELLING", help="How a date column is written.")
@click.option("--sheet", help="Sheet of a workbook; the first that is not empty by default.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@json_option
@click.pass_context
def import_command(
    ctx: click.Context,
    kind: str,
    file: Path,
    estate: str,
    mapping: Path | None,
    save_mapping: Path | None,
    formats: tuple[str, ...],
    sheet: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import a CSV or XLSX file: every row becomes something, or a line of the report.

    Exits with 65 if rows were rejected. Example: wuye import requests requests.csv --estate demo --dry-run
    """
    from wuye.imports.engine import run

    given = dict(item.partition("=")[::2] for item in formats)
    with installation() as place, Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=None)

        def moved(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        report = run(
            place, estate, kind, file, mapping=mapping, formats=given, dry_run=dry_run, sheet=sheet, progress=moved
        )
    if save_mapping:
        save_mapping.write_text(report.mapping, "utf-8")
    if as_json:
        emit(report.as_dict())
    else:
        _show(report, guessed=mapping is None)
    if report.rejected:
        ctx.exit(BAD_DATA)


def _show(report: Report, *, guessed: bool) -> None:
    """Show an import's report to a person: what was guessed, what was refused, what came of it."""
    if guessed:
        say(_("The columns were guessed; with --save-mapping this can be kept and changed:"))
        say(report.mapping)
    for rejection in report.rejected:
        line = rejection.as_dict()
        click.echo(_("Row {row}, {column}: {reason}", **{name: line[name] for name in ("row", "column", "reason")}))
    for remark in report.warnings:
        click.echo(_("Row {row}, {column}: {reason}", **remark.as_dict()))
    for note in report.notes:
        say(note)
    show([{"department": d, "state": s, "count": n} for (d, s), n in sorted(report.summary.items())], as_json=False)
    click.echo(
        _(
            "{rows} rows: {created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected.",
            rows=report.rows,
            created=report.created,
            updated=report.updated,
            unchanged=report.unchanged,
            rejected=len(report.rejected),
        )
    )
    for table, count in sorted(report.made.items()):
        click.echo(_("{count} × {table} were made on the way.", count=count, table=table))
    if report.dry_run:
        say(_("This was a dry run: nothing was written."))


@click.command("export")
@click.argument("kind")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--estate", required=True, metavar="CODE")
def export_command(kind: str, file: Path, estate: str) -> None:
    """Export a list to CSV or XLSX (by the file's suffix), personal data masked.

    Example: wuye export requests requests.xlsx --estate demo
    """
    from wuye.exports import export

    with installation() as place, place.system_context(estate) as ctx:
        count = export(ctx, resource_named(place, kind), file)
    say(_("{count} rows were written to {file}.", count=count, file=file))


@click.group("report")
def report_command() -> None:
    """Figures."""


@report_command.command("work")
@click.option("--estate", required=True, metavar="CODE")
@json_option
def work(estate: str, as_json: bool) -> None:
    """Count an estate's work by department, kind and state.

    Example: wuye report work --estate demo
    """
    with installation() as place, place.system_context(estate) as ctx:
        grouped = (Record.department, Record.kind, Record.state)
        counted = ctx.session.execute(
            select(*grouped, func.count().label("count")).group_by(*grouped).order_by(*grouped)
        )
        rows: list[dict[str, Any]] = [dict(row._mapping) for row in counted]
    show(rows, as_json=as_json)


def resource_named(place: Installation, name: str) -> Resource:
    """Return a resource by the last part of its name, or by the whole of it (`maintenance.assets`).

    Raises:
        NotFound: there is none.
    """
    resources = place.plugins.registry.resources
    for key, resource in resources.items():
        if name in (key, resource.name):
            return resource
    known = ", ".join(sorted(resource.name for resource in resources.values()))
    raise NotFound(_("There is nothing called “{name}”: use one of {known}.", name=name, known=known))
