"""The import wizard of each resource: send a file, map its columns, see what would happen, have it done.

The steps themselves are `wuye.imports.runs`; here is how they are shown and what a form says.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Flask, Response, request

from wuye import labels
from wuye.errors import Forbidden, Text
from wuye.i18n import _, current_locale
from wuye.imports import runs
from wuye.imports.contents import UnreadableFile
from wuye.imports.dates import Ambiguous, DateFormat
from wuye.imports.declared import key_of_made
from wuye.imports.files import Table
from wuye.imports.mapping import Mapping as ColumnMapping
from wuye.imports.mapping import MappingError, Source, Target
from wuye.imports.models import ImportRun
from wuye.imports.plans import importer_of
from wuye.imports.work import proceed
from wuye.pages.access import Visit, absent, base_of, page, see
from wuye.pages.rendering import framed
from wuye.pages.settings import tabs
from wuye.resources.declaration import Resource
from wuye.web.access import Access

#: The largest file that a browser may send; the command line takes larger ones.
LARGEST = 32 * 1024 * 1024

#: What is shown of a column's values, and of the refused rows.
_SAMPLES, _REFUSED = 3, 20

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file as the form shows it: its header, some of its values, and the field it goes to."""

    name: str
    samples: Sequence[str]
    field: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something about a field that only a person can say: `name` is the form's, `choices` are (value, text)."""

    name: str
    label: Text
    text: Text
    choices: Sequence[tuple[str, Text]]
    value: str
    missing: bool = False


def register(app: Flask, resource: Resource) -> None:
    """Add the wizard of a resource into which tables can be imported."""
    if not resource.importable or resource.create is None:
        return
    base, key = f"{base_of(resource)}/import", f"{resource.key}.import"
    access = Access((runs.IMPORT,), resource.plugin)

    def add(rule: str, name: str, view: Any, *methods: str) -> None:
        def shown(visit: Visit, **rest: Any) -> Any:
            for permission in runs.needed(visit.ctx, resource):
                visit.ctx.require(permission)
            return view(visit, resource, **rest)

        page(app, f"{base}{rule}", f"{key}{name}", shown, access, methods, LARGEST + 1024 * 1024)

    add("", "", _start, "GET", "POST")
    add("/<uuid:identity>", ".run", _run, "GET", "POST")
    add("/<uuid:identity>/rejected", ".rejected", _rejected, "GET")


def register_overview(app: Flask) -> None:
    """Add the page of the settings that names everything that can be imported."""
    page(app, "/e/<estate>/settings/imports", "settings.imports", _overview, Access((runs.IMPORT,)))


def _overview(visit: Visit) -> Any:
    resources = visit.ctx.loaded.registry.resources.values()
    offered = [each for each in resources if each.plugin in visit.ctx.plugins and runs.may(visit.ctx, each)]
    return framed(visit, "settings_imports.html", tabs=tabs(visit), title=_("Settings"), offered=offered)


def _start(visit: Visit, resource: Resource) -> Any:
    """Show what can be sent, and take a file."""
    problem: Text | None = None
    hint: Text | None = None
    if request.method == "POST":
        visit.ctx.session.rollback()  # the file comes at the sender's pace; until it is here no transaction is held for it
        sent = request.files.get("file")
        if sent is None or not sent.filename:
            problem = _("Choose a file first.")
        else:
            try:
                run = runs.begin(visit.ctx, resource, sent.filename, sent.stream)  # type: ignore[arg-type]  # it can be read and sought
                return see(_address(visit, resource, run))
            except UnreadableFile as error:
                problem, hint = error.detail, error.hint
    targets = [
        target for target in importer_of(resource).targets if target.name != "external_id" or not resource.is_record
    ]
    return _show(
        visit, resource, "import_start.html", 422 if problem else 200, problem=problem, hint=hint, stage=0,
        targets=[(_label(resource, target.name), target) for target in targets], recent=runs.recent(visit.ctx, resource),
        largest=LARGEST >> 20,
    )  # fmt: skip


def _run(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Show where an import stands, and take its next step."""
    if request.method == "GET":
        run = runs.find(visit.ctx, resource, identity)
        again = request.args.get("step") == "columns" and run.state in ("checked", "failed", "done")
        if run.state == "draft" or again:
            return _columns(visit, resource, run)
        return _standing(visit, resource, run)
    run = runs.find(visit.ctx, resource, identity, lock=True)
    act = request.form.get("act", "")
    if act == "discard":
        runs.discard(visit.ctx, run)
        return see(visit.url_of(resource, "import"))
    if act == "sheet":
        return _change_sheet(visit, resource, run)
    if act == "write":
        runs.write(visit.ctx, run)
    else:
        refused = _rehearse(visit, resource, run)
        if refused is not None:
            return refused
    visit.ctx.seal()
    visit.ctx.session.commit()
    if run.total <= runs.AT_ONCE:
        proceed(visit.ctx, str(run.id))
    return see(_address(visit, resource, run))


def _change_sheet(visit: Visit, resource: Resource, run: ImportRun) -> Any:
    """Read another sheet of the workbook; its columns are mapped anew."""
    absent(run.state not in ("checking", "writing"))
    run.sheet, run.mapping, run.state = request.form.get("sheet") or None, None, "draft"
    try:
        run.total = len(runs.read(visit.ctx, run).rows)
    except UnreadableFile as error:
        visit.ctx.session.rollback()
        kept = runs.find(visit.ctx, resource, run.id)
        return _columns(visit, resource, kept, problem=error.detail, hint=error.hint)
    return see(_address(visit, resource, run))


def _rehearse(visit: Visit, resource: Resource, run: ImportRun) -> Any:
    """Take the form's columns and begin the rehearsal; return the form again if something in it is open."""
    table = runs.read(visit.ctx, run)
    before, _remembered = runs.proposal(visit.ctx, resource, run, table)
    mapping = _said(resource, table, before)
    targets = importer_of(resource).targets
    open_ = [name for name in runs.date_questions(table, mapping, targets) if name not in mapping.formats]
    problem: Text | None = _("Say how the dates are to be read.") if open_ else None
    errors: list[tuple[Text, Text]] = []
    if not open_:
        try:
            runs.rehearse(visit.ctx, resource, run, table, mapping)
            return None
        except MappingError as error:
            problem = _("The columns do not suffice yet.")
            errors = [(_label(resource, issue.where.partition(".")[2]), issue.reason) for issue in error.issues]
        except Forbidden as error:
            problem = error.detail
    return _columns(visit, resource, run, mapping, table=table, problem=problem, errors=errors)


def _said(resource: Resource, table: Table, before: ColumnMapping) -> ColumnMapping:
    """Return the mapping that the form says; several columns of one field are joined by a blank."""
    known = {target.name: target for target in importer_of(resource).targets}
    chosen: dict[str, list[str]] = {}
    for place, column in enumerate(table.columns):
        name = request.form.get(f"column-{place}", "")
        if name in known:
            chosen.setdefault(name, []).append(column)
    formats, create = {}, {}
    for name in chosen:
        if spelling := request.form.get(f"format-{name}"):
            try:
                formats[name] = DateFormat.named(spelling)
            except ValueError:
                continue  # not one of the choices: it is asked again
        word = request.form.get(f"create-{name}", "")
        if word in known[name].creates:
            create[name] = word
    values = {name: words for name, words in before.values.items() if name in chosen}
    return ColumnMapping(
        {name: Source(tuple(columns)) for name, columns in chosen.items()},
        values,
        {name: each for name, each in formats.items() if known[name].kind == "date"},
        before.defaults,
        create,
    )


def _columns(
    visit: Visit,
    resource: Resource,
    run: ImportRun,
    mapping: ColumnMapping | None = None,
    *,
    table: Table | None = None,
    problem: Text | None = None,
    hint: Text | None = None,
    errors: Sequence[tuple[Text, Text]] = (),
) -> Any:
    """Show the columns with some values each, and the field that each goes to."""
    table = table or runs.read(visit.ctx, run)
    remembered = False
    if mapping is None:
        mapping, remembered = runs.proposal(visit.ctx, resource, run, table)
    targets = importer_of(resource).targets
    by_column = {column: name for name, source in mapping.columns.items() for column in source.columns}
    columns = [Column(name, _samples(table, name), by_column.get(name, "")) for name in table.columns]
    asked = bool(problem) and request.method == "POST"
    return _show(
        visit, resource, "import_columns.html", 422 if problem else 200, run=run, table=table, columns=columns,
        targets=[(_label(resource, target.name), target) for target in targets], stage=1, remembered=remembered,
        questions=[*_dates(visit, resource, table, mapping, targets, missing=asked), *_makings(visit, resource, mapping, targets)],
        problem=problem, hint=hint, errors=errors, notes=mapping.notes if run.mapping is None and not problem else (),
    )  # fmt: skip


def _samples(table: Table, name: str) -> list[str]:
    """Return the first different values of a column."""
    seen: dict[str, None] = {}
    for value in islice(table.column(name), 200):
        text = f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else str(value)
        if text:
            seen.setdefault(text[:40])
        if len(seen) == _SAMPLES:
            break
    return list(seen)


def _dates(
    visit: Visit, resource: Resource, table: Table, mapping: ColumnMapping, targets: Sequence[Target], *, missing: bool
) -> Iterator[Question]:
    for name, found in runs.date_questions(table, mapping, targets).items():
        chosen = mapping.formats.get(name)
        choices = [
            (each.format.spelling, _reading(each.format, each.example, each.reading)) for each in found.candidates
        ]
        if chosen is not None and chosen.spelling not in dict(choices):
            choices.append((chosen.spelling, chosen.spelling))
        value = chosen.spelling if chosen else ""
        yield Question(
            f"format-{name}", _label(resource, name), _why(found), choices, value, missing=missing and not value
        )


def _why(found: Ambiguous) -> Text:
    return found.reason


def _reading(format_: DateFormat, example: object, reading: Any) -> Text:
    """Return how a format reads an example, so that somebody who knows no formats can choose."""
    order = {"D": _("day first"), "M": _("month first"), "Y": _("year first")}.get(
        format_.spelling[:1], format_.spelling
    )
    day = format_date(reading, "long", locale=current_locale())
    return _("{order}: {example} is {day}", order=order, example=example, day=day)


def _makings(visit: Visit, resource: Resource, mapping: ColumnMapping, targets: Sequence[Target]) -> Iterator[Question]:
    """Ask what shall become of names that are unknown here, for references of which the actor may make new ones."""
    registry = visit.ctx.loaded.registry
    for target in targets:
        makers = [word for word in target.creates if visit.ctx.may(str(registry.resources[key_of_made(word)].create))]
        if target.name in mapping.columns and makers:
            choices = [
                ("", _("refuse the row")),
                *((word, _("make a new one: {kind}", kind=labels.worded(word))) for word in makers),
            ]
            text = _("What shall become of a name that is not known here?")
            yield Question(
                f"create-{target.name}",
                _label(resource, target.name),
                text,
                choices,
                mapping.create.get(target.name, ""),
            )


def _standing(visit: Visit, resource: Resource, run: ImportRun) -> Any:
    """Show an import that is under way, was checked, is done or failed."""
    running = run.state in ("checking", "writing")
    shown = runs.rejections(visit.ctx, run, _REFUSED) if not running else ()
    stage = {"writing": 3, "done": 4}.get(run.state, 2)
    return _show(
        visit, resource, "import_run.html", run=run, running=running, stage=stage, rejections=shown,
        previews=_previews(visit, resource, run), percent=100 * run.done // max(run.total, 1),
    )  # fmt: skip


def _previews(visit: Visit, resource: Resource, run: ImportRun) -> dict[str, Any]:
    """Return what the first good rows become: the fields that have values, and the rows."""
    rows: list[dict[str, Any]] = run.report.get("previews", [])
    filled = {name for row in rows for name in row["values"]}
    shown = [target for target in importer_of(resource).targets if target.name in filled]
    names = [target.name for target in shown if target.name != "external_id" or not _made_up(rows)]
    chosen = {target.name: labels.worded for target in shown if target.kind == "choice"}
    lines = [
        (row["row"], row["outcome"], [chosen.get(name, str)(row["values"].get(name, "")) for name in names])
        for row in rows
    ]
    return {"names": [_label(resource, name) for name in names], "rows": lines}


def _made_up(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the rows had no identity of their own, so that one was made of their content."""
    return any(str(row["values"].get("external_id", "")).startswith("row-") for row in rows)


def _rejected(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Send the refused rows as an XLSX file: with the columns that they came with, and the reason."""
    run = runs.find(visit.ctx, resource, identity)
    absent(run.rejected)
    with tempfile.TemporaryDirectory(prefix="wuye-rejected-") as folder:
        file = Path(folder) / "rejected.xlsx"
        runs.write_rejected(visit.ctx, run, file)
        content = file.read_bytes()
    response = Response(content, content_type=_XLSX)
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"{visit.ctx.estate.code}-{resource.name}-rejected.xlsx"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _label(resource: Resource, name: str) -> Text:
    item = resource.instance.fields.get(name)
    return labels.field_label(name, item) if item is not None else labels.worded(name)


def _address(visit: Visit, resource: Resource, run: ImportRun) -> str:
    return visit.url_of(resource, "import", run.id)


def _show(visit: Visit, resource: Resource, template: str, status: int = 200, **values: Any) -> Any:
    stages = (_("File"), _("Columns"), _("Check"), _("Import"))
    return framed(visit, template, status, resource=resource, title=_("Import"), stages=stages, **values)
